package alert

import (
	"maps"
	"time"
)

// RuleRef is the rule of a metrics server that an alert belongs to. Rules of the
// same name are told apart by their labels, since servers that gather the rules of
// several clusters tell them by those.
type RuleRef struct {
	File   string            `json:"file,omitempty"`
	Group  string            `json:"group,omitempty"`
	Name   string            `json:"name"`
	Query  string            `json:"query,omitempty"`
	Labels map[string]string `json:"labels,omitempty"`
	// External are the labels of the alert that the server's own list of alerts
	// does not hold: those that it adds to what it pushes.
	External map[string]string `json:"external,omitempty"`
}

// with is the rule with other labels.
func (r *RuleRef) with(labels map[string]string) *RuleRef {
	if r == nil {
		return nil
	}
	changed := *r
	changed.Labels = maps.Clone(labels)
	delete(changed.Labels, nameLabel)

	return &changed
}

// Unjudged says that nobody can tell whether an alert still fires.
type Unjudged struct {
	Since  time.Time `json:"since"`
	Reason string    `json:"reason"`
	// ReasonSince is since when it is this reason.
	ReasonSince time.Time `json:"reason_since"`
}

// Verdict is what a poll can say of an alert that it does not hold. The zero value
// says nothing, and changes nothing.
type Verdict struct {
	// Ended says that there is evidence that the alert has ended; without it the
	// alert stays as it is, and cannot be judged.
	Ended bool
	// Kind is how it has ended, EndedResolved where empty.
	Kind EndingKind
	// Text is why it has ended, or why it cannot be judged.
	Text string
}

// judge handles a polled alert that a poll does not hold.
func (r *reconciler) judge(d *draft, v Verdict) {
	a := &d.Alert
	switch {
	case v.Ended:
		r.end(d, a.RuleChange.ending(v))
	case v.Text == "":
	case a.Unjudged == nil:
		a.Unjudged = &Unjudged{Since: r.now, Reason: v.Text, ReasonSince: r.now}
		d.change(r.now, Event{Kind: EventUnjudged, Text: v.Text})
	case a.Unjudged.Reason != v.Text:
		a.Unjudged = &Unjudged{Since: a.Unjudged.Since, Reason: v.Text, ReasonSince: r.now}
		d.change(r.now)
	}
}

// judged notes that an alert can be judged again, since it is seen.
func (r *reconciler) judged(d *draft) {
	if d.Alert.Unjudged == nil {
		return
	}
	d.Alert.Unjudged = nil
	d.change(r.now, Event{Kind: EventJudged, Text: "it still fires"})
}

// sameRule reports whether a source that names a rule names the one that is known.
func sameRule(said, known *RuleRef) bool {
	if said == nil || known == nil {
		return said == known || said == nil
	}

	return said.File == known.File && said.Group == known.Group && said.Name == known.Name && said.Query == known.Query &&
		maps.Equal(said.Labels, known.Labels) && maps.Equal(said.External, known.External)
}
