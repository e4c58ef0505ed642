package alert

import (
	"cmp"
	"context"
	"maps"
	"slices"
	"strings"
	"time"
)

// RuleChangeKind says what was done to a rule.
type RuleChangeKind string

// The kinds of changes.
const (
	RuleDeleted  RuleChangeKind = "deleted"
	RuleDisabled RuleChangeKind = "disabled"
	RuleEdited   RuleChangeKind = "changed"
)

// RuleChange is what somebody did to a rule.
type RuleChange struct {
	Rule string         `json:"rule"`
	Kind RuleChangeKind `json:"kind"`
	By   string         `json:"by,omitempty"`
	At   time.Time      `json:"at"`
	// What tells of a changed rule what has changed, besides its labels; may be
	// empty.
	What string `json:"what,omitempty"`
	// OldLabels and NewLabels are those that the rule itself gives its alerts, before and after.
	OldLabels map[string]string `json:"-"`
	NewLabels map[string]string `json:"-"`
}

// String says it in words.
func (c *RuleChange) String() string {
	text := "the rule " + c.Rule + " was " + string(c.Kind)
	if c.By != "" {
		text += " by " + c.By
	}
	if c.What != "" {
		text += ": " + c.What
	}

	return text
}

// ending is how an alert ends that its rule does not give any more, after its last
// change, if any.
func (c *RuleChange) ending(v Verdict) Ending {
	if c == nil {
		return Ending{Kind: cmp.Or(v.Kind, EndedResolved), Text: v.Text}
	}

	return Ending{Kind: EndedRule, By: c.By, Text: c.String() + "; as it is now, it does not fire"}
}

// ruleChanged is what becomes of the alerts of a rule that somebody changed. Those
// of a rule that is gone end. Those of a changed one stay the same alerts, also
// with the labels that the rule gives now; whether they go on, its next evaluation
// tells.
func ruleChanged(previous []Alert, c RuleChange, now time.Time) []Transition {
	r := newReconciler(previous, now, Options{})
	c.At = r.now
	for _, d := range r.drafts {
		a := &d.Alert
		if a.Status == Resolved || a.Origin.Kind != FromRule || a.Name != c.Rule {
			continue
		}
		if c.Kind != RuleEdited {
			r.end(d, Ending{Kind: EndedRule, By: c.By, Text: c.String()})

			continue
		}
		text := c.String()
		if !maps.Equal(c.OldLabels, c.NewLabels) {
			labels, ok := c.relabel(a.Labels)
			if other := r.open[a.Origin.Identity(labels)]; !ok || other != nil && other != d {
				r.end(d, Ending{Kind: EndedRule, By: c.By, Text: text + "; its alerts have other labels now"})

				continue
			}
			text += r.setLabels(d, labels)
			a.Rule = a.Rule.with(c.NewLabels)
		}
		a.RuleChange = &c
		d.change(r.now, Event{Kind: EventRuleChanged, By: c.By, Text: text})
	}

	return changed(r.drafts)
}

// relabel is what the labels of an alert are under the changed rule; ok is false
// where that is not known, because a label is a template.
func (c *RuleChange) relabel(labels map[string]string) (relabelled map[string]string, ok bool) {
	relabelled = maps.Clone(labels)
	for name, value := range c.OldLabels {
		if strings.Contains(value, "{{") || labels[name] != value {
			if c.NewLabels[name] == value {
				continue
			}

			return nil, false
		}
		delete(relabelled, name)
	}
	for name, value := range c.NewLabels {
		switch {
		case c.OldLabels[name] == value:
			if labels[name] != "" {
				relabelled[name] = labels[name]
			}
		case strings.Contains(value, "{{"):
			return nil, false
		default:
			relabelled[name] = value
		}
	}

	return relabelled, true
}

// setLabels gives an alert other labels, and says which have changed. One that has
// become graver is told at once.
func (r *reconciler) setLabels(d *draft, labels map[string]string) string {
	a := &d.Alert
	names := slices.Collect(maps.Keys(labels))
	for name := range a.Labels {
		if _, has := labels[name]; !has {
			names = append(names, name)
		}
	}
	slices.Sort(names)
	var said strings.Builder
	for _, name := range names {
		if old, value := a.Labels[name], labels[name]; old != value {
			said.WriteString("; " + name + " was " + quoted(old) + " and is " + quoted(value))
		}
	}
	severity, _ := ParseSeverity(labels[severityLabel])
	if severity.Rank() < a.Severity.Rank() && a.Ack == nil {
		a.NotifiedAt = time.Time{}
	}
	delete(r.open, d.identity)
	a.Labels, a.Fingerprint, a.Severity = labels, Fingerprint(labels), severity
	d.identity = a.Identity()
	r.open[d.identity] = d

	return said.String()
}

func quoted(value string) string {
	if value == "" {
		return "not set"
	}

	return value
}

// ChangeRule takes in that somebody changed a rule.
func (m *Manager) ChangeRule(ctx context.Context, c RuleChange) error {
	return m.advance(ctx, func(previous []Alert, now time.Time) ([]Transition, error) { return ruleChanged(previous, c, now), nil })
}

// Close ends an alert because by says so, and returns it. The error is
// ErrNotFound or ErrResolved where the alert is.
func (m *Manager) Close(ctx context.Context, id, by, comment string) error {
	return m.advance(ctx, func(previous []Alert, now time.Time) ([]Transition, error) {
		for i := range previous {
			if a := &previous[i]; a.ID == id && a.Status != Resolved {
				return []Transition{closing(*a, by, comment, now)}, nil
			}
		}
		found, err := m.conf.Store.Alerts(ctx, []string{id})
		switch {
		case err != nil:
			return nil, err
		case len(found) == 0:
			return nil, ErrNotFound
		default:
			return nil, ErrResolved
		}
	})
}
