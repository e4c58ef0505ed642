package alert

import (
	"encoding/json"
	"time"
)

// Status is where an alert is in its life.
type Status string

// The states, in the order in which they can follow. Any of the first three
// may resolve.
const (
	// Triggered alerts fire, and nobody has been told yet.
	Triggered Status = "triggered"
	// Active alerts fire, and at least one channel has accepted the news.
	Active Status = "active"
	// Acknowledged alerts fire, and somebody has said "I have it".
	Acknowledged Status = "acknowledged"
	// Resolved alerts fire no longer.
	Resolved Status = "resolved"
)

// Alert is one firing of a rule for one set of labels, from its beginning to
// its resolution, flaps included.
type Alert struct {
	// ID is <name>_<YYYYMMDD> of the firing day (UTC), with _2, _3 for further
	// alerts of that name on that day.
	ID string
	// Fingerprint is that of the labels, as Prometheus and Alertmanager have it.
	// It does not identify the alert: Identity does.
	Fingerprint string
	// Version grows by one with each change; Store compares it before it
	// writes, so that two changes at once cannot both win.
	Version int64
	// Origin says who tells of it, and so who may change or end it.
	Origin Origin
	// Rule is the rule that it belongs to, nil where none is known.
	Rule *RuleRef `json:",omitempty"`

	Name        string
	Description string
	Severity    Severity
	Status      Status
	Labels      map[string]string
	Annotations map[string]string
	// Value is the value of the rule's expression, nil where it is not known or
	// not a finite number. It and the annotations follow the source about once a
	// minute.
	Value *float64
	// GeneratorURL links to the expression in the server that evaluates it.
	GeneratorURL string
	// Summary is the documented metrics summary at the moment of firing.
	Summary json.RawMessage `json:",omitempty"`

	// StartsAt is when the condition last began to hold, FiredAt when it had
	// first held for the rule's duration and this alert began, UpdatedAt the last
	// change, ResolvedAt the resolution (zero before).
	StartsAt   time.Time
	FiredAt    time.Time
	UpdatedAt  time.Time
	ResolvedAt time.Time

	// Senders tells of a pushed alert until when each sender says that it fires,
	// and EndsAt is the last of these times: then it ends unless it is pushed
	// again. HeardAt is when a push last said that it fires.
	Senders Senders `json:",omitempty"`
	EndsAt  time.Time
	HeardAt time.Time `json:",omitzero"`
	// EndSaid is set while the alert is about to end because a sender said so.
	EndSaid bool `json:",omitempty"`
	// RuleChange is the last change of its rule, until the rule is evaluated
	// again; nil if there was none.
	RuleChange *RuleChange `json:",omitempty"`
	// Ending says how it ended; zero while it fires.
	Ending Ending `json:",omitzero"`

	// Cooldown is the shortest time between two firing notifications.
	Cooldown time.Duration
	// NotifiedAt is when a firing notification (the first one, a reminder, or a
	// digest in their place) was last owed: cooldown counts from here, not from
	// the delivery.
	NotifiedAt time.Time
	// DeliveredAt is when a channel first accepted the news that it fires.
	DeliveredAt time.Time
	// WaitingSince is since when people have been told of this firing without
	// acknowledging it: escalation counts from here. Zero while nobody has been
	// told.
	WaitingSince time.Time
	// Channels are those that the firing is or was notified to; the resolution
	// and the acknowledgement go there too.
	Channels []string
	// Flaps counts how often the alert resolved and fired again inside its
	// cooldown. Quiet is set from the moment its end was owed to people until
	// they are told that it fires again: another end is not told before.
	Flaps int
	Quiet bool
	// EndToldAt is when a channel accepted the news of the end, zero if none did
	// or people were told since that the alert fires again.
	EndToldAt time.Time
	// EndedAck is the acknowledgement that went with the resolution. If nobody
	// was told of that, it comes back with the next firing inside the cooldown.
	EndedAck *Ack `json:",omitempty"`
	// Held is set while the rate limit holds a notification back, since
	// HeldSince.
	Held      bool
	HeldSince time.Time
	// EscalatedAt is when this firing was escalated, zero if it was not.
	EscalatedAt time.Time

	// Ack is the acknowledgement of this firing, nil if there is none. It goes
	// with the resolution.
	Ack *Ack
	// Unjudged is set while nobody can tell whether the alert still fires. It
	// counts as firing then.
	Unjudged *Unjudged `json:",omitempty"`
}

// CooldownEnd is until when the same labels firing again reopen the alert: the
// cooldown after its last firing notification, or after its beginning where
// nobody was told.
func (a *Alert) CooldownEnd() time.Time {
	if a.NotifiedAt.IsZero() {
		return a.FiredAt.Add(a.Cooldown)
	}

	return a.NotifiedAt.Add(a.Cooldown)
}

// firingStatus is the status of an alert that is not resolved.
func (a *Alert) firingStatus() Status {
	switch {
	case a.Ack != nil:
		return Acknowledged
	case a.DeliveredAt.IsZero():
		return Triggered
	default:
		return Active
	}
}

// Ack is somebody's word that they take care of an alert.
type Ack struct {
	By      string    `json:"by"`
	Comment string    `json:"comment,omitempty"`
	At      time.Time `json:"at"`
	// ExpiresAt is when reminders and escalation come back, zero for never.
	ExpiresAt time.Time `json:"expires_at,omitzero"`
}

// Seen is an alert as a source tells of it.
type Seen struct {
	Labels       map[string]string
	Annotations  map[string]string
	Value        *float64
	GeneratorURL string
	// StartsAt is when the condition began to hold; For the rule's duration,
	// where the source knows it.
	StartsAt time.Time
	For      time.Duration
	// EndsAt is when a pushed alert ends unless it is pushed again. One that is
	// not after the moment of the push says that the alert has ended.
	EndsAt time.Time
	// Sender tells those who push under one principal apart; empty where that is
	// not known.
	Sender string
	// Rule is the rule that it belongs to, nil where the source does not say;
	// Evaluated is when it was last evaluated.
	Rule      *RuleRef
	Evaluated time.Time
}

// Snapshot is what a source says at one moment.
type Snapshot struct {
	// Complete means that it was polled: it holds what the server lists. A push is
	// not complete: it speaks only of the alerts in it.
	Complete bool
	// Missing judges a polled alert that a complete snapshot does not hold. That it
	// is missing is no evidence of its end; where Missing is nil, none has ended.
	Missing func(a *Alert) Verdict
	// Origin is who says it; without a kind a rule's where the snapshot is
	// complete, and a push's else.
	Origin Origin
	Alerts []Seen
}

// Event is what happened to an alert, as its timeline tells it.
type Event struct {
	AlertID string
	At      time.Time
	Kind    EventKind
	// By is who did it, empty for llmwatch itself.
	By string
	// Channel is set where the event concerns one.
	Channel string
	// Text is for people: a comment, a server's words, a reason.
	Text string
}

// EventKind says what an Event tells.
type EventKind string

// The kinds of events.
const (
	EventPending      EventKind = "pending_since" // Since when the condition held.
	EventFired        EventKind = "fired"
	EventFlapped      EventKind = "flapped" // Fired again inside the cooldown.
	EventQueued       EventKind = "queued"  // A notification is owed to Channel.
	EventHeldCooldown EventKind = "held_by_cooldown"
	EventHeldRate     EventKind = "held_by_rate_limit"
	EventWithdrawn    EventKind = "withdrawn"      // Held back until it was owed no more.
	EventDigested     EventKind = "digested"       // It was told in a digest.
	EventDelivered    EventKind = "delivered"      // Channel accepted a notification.
	EventAttempt      EventKind = "attempt_failed" // To be tried again.
	EventRefused      EventKind = "refused"        // For good.
	EventExpired      EventKind = "expired"        // Not delivered in time.
	EventAcknowledged EventKind = "acknowledged"
	EventAckExpired   EventKind = "acknowledgement_expired"
	EventEscalated    EventKind = "escalated"
	EventResolved     EventKind = "resolved"
	EventUnjudged     EventKind = "unjudged"     // It cannot be told whether it still fires.
	EventJudged       EventKind = "judged"       // It is seen to fire again.
	EventStale        EventKind = "stale"        // Ended because nobody tells of it any more.
	EventClosed       EventKind = "closed"       // Ended by hand.
	EventEndSaid      EventKind = "end_said"     // One sender says that it has ended.
	EventTakenOver    EventKind = "taken_over"   // A rule gives what was pushed.
	EventRuleChanged  EventKind = "rule_changed" // By By.
)
