package bridge

import (
	"context"
	"fmt"
	"strings"
	"time"

	"llmwatch/bridge/alert"
	"llmwatch/bridge/metrics"
)

// Bounds of what health and status name of the rules that fail.
const (
	maxFailingNamed = 5
	maxRuleName     = 64
	maxRuleError    = 300
)

// failingRules are those whose last evaluation failed, in the server's order. What
// such a rule watches is unknown.
func failingRules(rules []metrics.EvaluatedRule) []*metrics.EvaluatedRule {
	var failing []*metrics.EvaluatedRule
	for i := range rules {
		if rules[i].Fails() {
			failing = append(failing, &rules[i])
		}
	}

	return failing
}

// describeFailing names rules. It tells nothing of why they fail: health is asked
// without credentials, and an error quotes values of labels.
func describeFailing(failing []*metrics.EvaluatedRule) string {
	verb := "rules cannot be evaluated: "
	if len(failing) == 1 {
		verb = "rule cannot be evaluated: "
	}

	return fmt.Sprintf("%d %s%s", len(failing), verb, strings.Join(nameFailing(failing), ", "))
}

// nameFailing names the first rules with their groups, and counts the others.
func nameFailing(failing []*metrics.EvaluatedRule) []string {
	names := make([]string, 0, maxFailingNamed+1)
	for i, r := range failing {
		if i == maxFailingNamed {
			names = append(names, fmt.Sprintf("and %d more", len(failing)-maxFailingNamed))
			break
		}
		names = append(names, alert.PlainText(r.Name, maxRuleName)+" (group "+alert.PlainText(r.Group, maxRuleName)+")")
	}

	return names
}

// rulesComponent tells how the evaluation of the rules goes.
func (s *server) rulesComponent(ctx context.Context) Component {
	c := Component{Name: "rules"}
	rules, err := s.Metrics.Rules(ctx)
	if err != nil {
		c.LastError = CodePrometheusUnavailable

		return c
	}
	c.Running = true
	recording, unknown := 0, 0
	var slowest time.Duration
	for i := range rules {
		r := &rules[i]
		if r.Recording {
			recording++
		}
		if r.LastEvaluation.IsZero() {
			unknown++
		}
		slowest = max(slowest, r.EvaluationTime)
		if !r.Fails() && r.LastEvaluation.After(c.LastSuccess.Time) {
			c.LastSuccess = metrics.Time{Time: r.LastEvaluation}
		}
	}
	failing := failingRules(rules)
	c.Details = map[string]any{
		"alerting": len(rules) - recording, "recording": recording, "not_evaluated_yet": unknown,
		"failing": len(failing), "slowest_seconds": slowest.Seconds(),
	}
	if len(failing) > 0 {
		c.Details["failing_rules"] = nameFailing(failing)
		c.LastError = alert.PlainText(failing[0].Name, maxRuleName) + ": " + alert.PlainText(failing[0].LastError, maxRuleError)
	}

	return c
}
