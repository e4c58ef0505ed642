package alert

import "time"

// EndingKind says why an alert ended.
type EndingKind string

// The kinds of endings. Only the first says that the trouble is over.
const (
	// EndedResolved: its origin says that the condition does not hold any more.
	EndedResolved EndingKind = "resolved"
	// EndedStale: nobody tells of it any more, and how things are is not known.
	EndedStale EndingKind = "stale"
	// EndedClosed: somebody closed it.
	EndedClosed EndingKind = "closed"
	// EndedRule: its rule was deleted, disabled or changed.
	EndedRule EndingKind = "rule_changed"
)

// Ending says how an alert ended.
type Ending struct {
	Kind EndingKind `json:"kind"`
	// By is who ended it, empty for llmwatch itself.
	By string `json:"by,omitempty"`
	// Text is for people.
	Text string `json:"text"`
}

// end resolves an alert. The timeline tells why, and so do messages.
func (r *reconciler) end(d *draft, e Ending) {
	a := &d.Alert
	a.Status = Resolved
	a.ResolvedAt = r.now
	a.Ack, a.EndedAck = nil, a.Ack
	a.Senders, a.RuleChange, a.Unjudged, a.Ending = nil, nil, nil, e
	kind := EventResolved
	switch e.Kind {
	case EndedStale:
		kind = EventStale
	case EndedClosed:
		kind = EventClosed
	case EndedResolved, EndedRule:
	}
	d.change(r.now, Event{Kind: kind, By: e.By, Text: e.Text})
}

// closing is what becomes of an alert that somebody closes. It must not be
// resolved.
func closing(a Alert, by, comment string, now time.Time) Transition {
	r := &reconciler{now: stamp(now)}
	d := &draft{Transition: Transition{Alert: a}}
	text := "closed by " + by
	if comment != "" {
		text += ": " + comment
	}
	r.end(d, Ending{Kind: EndedClosed, By: by, Text: text})

	return d.Transition
}
