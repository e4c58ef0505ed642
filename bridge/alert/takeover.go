package alert

import (
	"net/url"
	"time"
)

const (
	// sameStart is how far the times may lie apart at which a server says in an
	// answer and in a push that an alert fired: it evaluates rules in between.
	sameStart = 2 * time.Minute
	// clockSkew is how much earlier than its rule fired a push of the same firing may
	// come in, by this machine's clock.
	clockSkew = 5 * time.Second
)

// QueryOf finds the expression in a generator URL as Prometheus makes them, empty
// where it has none.
func QueryOf(generatorURL string) string {
	u, err := url.Parse(generatorURL)
	if err != nil {
		return ""
	}

	return u.Query().Get("g0.expr")
}

// firedAt is when the condition had held for the rule's duration.
func (s *Seen) firedAt() time.Time { return s.StartsAt.Add(s.For) }

// Covers reports whether a push tells of this alert of a rule, which was polled:
// the labels that both have are equal, and the push lacks only labels that the
// server adds. Where it was relabelled beyond that, one of the sets must be part
// of the other, and the expression and the time of firing must be the same.
func (s *Seen) Covers(push *Seen) bool {
	var rule RuleRef
	if s.Rule != nil {
		rule = *s.Rule
	}
	query := QueryOf(push.GeneratorURL)
	if query != "" && rule.Query != "" && query != rule.Query {
		return false
	}
	added, dropped := false, false
	for name, value := range push.Labels {
		own, has := s.Labels[name]
		if has && own != value {
			return false
		}
		added = added || !has
	}
	for name := range s.Labels {
		_, has := push.Labels[name]
		_, external := rule.External[name]
		dropped = dropped || !has && !external
	}
	switch {
	case added && dropped:
		return false
	case added || dropped:
		return query != "" && query == rule.Query && push.Labels[nameLabel] == s.Labels[nameLabel] &&
			push.StartsAt.Sub(s.firedAt()).Abs() <= sameStart
	default:
		return true
	}
}

// takeOver makes a pushed alert the rule's, where both tell of the same firing:
// people were told of it, and are not told again. A push from before the rule
// fired does not count, or whoever can push could have an alert told, and
// acknowledged, before it is true.
func (r *reconciler) takeOver(s *Seen, identity string) *draft {
	for _, d := range r.pushedNamed(s.Labels[nameLabel]) {
		a := &d.Alert
		push := Seen{Labels: a.Labels, GeneratorURL: a.GeneratorURL, StartsAt: a.StartsAt}
		early := !s.StartsAt.IsZero() && a.FiredAt.Before(s.firedAt().Add(-clockSkew))
		if a.Status == Resolved || a.Origin.Kind != FromPush || early || QueryOf(a.GeneratorURL) == "" || s.Rule == nil || !s.Covers(&push) {
			continue
		}
		by := a.Origin
		delete(r.open, d.identity)
		d.identity = identity
		r.open[identity] = d
		a.Origin, a.Labels, a.Fingerprint = r.origin, s.Labels, Fingerprint(s.Labels)
		a.Severity, _ = ParseSeverity(s.Labels[severityLabel])
		a.Senders, a.EndsAt, a.EndSaid = nil, time.Time{}, false
		r.describe(a, s)
		if v := finite(s.Value); v != nil {
			a.Value = v
		}
		d.change(r.now, Event{Kind: EventTakenOver, Text: "it was " + by.String() + ", and is given by " + r.origin.String()})

		return d
	}

	return nil
}

// pushedNamed are the open alerts of that name that were pushed.
func (r *reconciler) pushedNamed(name string) []*draft {
	if r.pushed == nil {
		r.pushed = map[string][]*draft{}
		for _, d := range r.drafts {
			if a := &d.Alert; a.Status != Resolved && a.Origin.Kind == FromPush {
				r.pushed[a.Labels[nameLabel]] = append(r.pushed[a.Labels[nameLabel]], d)
			}
		}
	}

	return r.pushed[name]
}
