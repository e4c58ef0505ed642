package bridge

import (
	"context"
	"maps"
	"net/http"

	"github.com/prometheus/common/model"

	"llmwatch/bridge/alert"
	"llmwatch/bridge/ruleset"
)

// changeRule has a rule changed, and its alerts follow: they end with those words
// where the rule is gone. change returns the rule as it is then, nil where there is
// none any more.
func (s *server) changeRule(r *http.Request, name string, change func(ctx context.Context) (after *ruleset.Rule, err error)) error {
	ctx := r.Context()
	both := func() error {
		before, beforeErr := s.Rules.Get(ctx, name)
		after, err := change(ctx)
		if err != nil {
			return err
		}
		if beforeErr != nil {
			return nil // It is a new one.
		}
		c, changed := ruleChange(&before, after)
		if !changed {
			return nil
		}
		c.Rule, c.By = name, signed(r, "")

		return s.Alerts.ChangeRule(ctx, c)
	}
	if s.Polled == nil {
		return both()
	}

	return s.Polled.ChangeRules(both)
}

// ruleChange tells what a change of a rule means for its alerts; changed is false
// where that is nothing.
func ruleChange(before, after *ruleset.Rule) (c alert.RuleChange, changed bool) {
	switch {
	case after == nil:
		c.Kind = alert.RuleDeleted
	case after.Disabled:
		c.Kind = alert.RuleDisabled
	default:
		c.Kind = alert.RuleEdited
		c.OldLabels, c.NewLabels = labelsOf(before), labelsOf(after)
		if before.Disabled || before.Expr == after.Expr && before.For == after.For && maps.Equal(c.OldLabels, c.NewLabels) {
			return c, false
		}
		if before.Expr != after.Expr {
			c.What = "its expression was " + before.Expr + " and is " + after.Expr
		}
	}

	return c, !before.Disabled
}

// labelsOf are those that a rule gives its alerts.
func labelsOf(r *ruleset.Rule) map[string]string {
	labels := map[string]string{"severity": string(r.Severity), model.AlertNameLabel: r.Name}
	maps.Copy(labels, r.Labels)

	return labels
}
