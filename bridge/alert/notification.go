package alert

import (
	"context"
	"time"
)

// Kind says why a notification is sent.
type Kind string

// The kinds of notifications.
const (
	KindFiring       Kind = "firing"
	KindReminder     Kind = "reminder"
	KindEscalation   Kind = "escalation"
	KindAcknowledged Kind = "acknowledged"
	KindResolved     Kind = "resolved"
	// KindDigest tells of several alerts at once: those that the rate limit
	// held back, or more than a reader can take in one by one.
	KindDigest Kind = "digest"
	KindTest   Kind = "test"
)

// Notification is one message that is owed to one channel. It holds the alerts
// as they were when it became owed, so that what is said does not change
// between two attempts.
type Notification struct {
	// Key identifies the notification for ever. It is the same in each attempt,
	// so that a receiver can recognise a repetition.
	Key     string
	Channel string
	Kind    Kind
	Alerts  []Alert
	// Total counts the alerts of a digest, of which Alerts may hold the gravest.
	// Those of one digest either all fire or are all resolved.
	Total int
	// AlertIDs names all alerts it tells of, those that Alerts leaves out
	// included.
	AlertIDs []string
	// By and Comment are those of an acknowledgement.
	By      string
	Comment string
	OwedAt  time.Time
}

// TellsFiring says whether the notification tells of alerts that fire: these
// count against the rate limit, and their delivery makes an alert active.
func (n *Notification) TellsFiring() bool {
	switch n.Kind {
	case KindFiring, KindReminder, KindEscalation:
		return true
	case KindDigest:
		return len(n.Alerts) > 0 && n.Alerts[0].Status != Resolved
	default:
		return false
	}
}

// tellsEnd says whether the notification tells of alerts that ended.
func (n *Notification) tellsEnd() bool {
	return n.Kind == KindResolved || (n.Kind == KindDigest && !n.TellsFiring())
}

// Result is what became of one attempt to deliver.
type Result struct {
	// Text is what the receiver answered, without any secret.
	Text string
	// Retry says that a failure may pass; RetryAfter is how long the receiver
	// asked to be left alone, zero where it did not say.
	Retry      bool
	RetryAfter time.Duration
}

// Notifier brings notifications to people over one channel. Notify returns an
// error where the receiver did not accept it; the Result is valid either way.
// The text of the error never holds a secret.
type Notifier interface {
	Notify(ctx context.Context, n Notification, extra Extra) (Result, error)
}

// Extra is what a message shows beyond the alerts themselves.
type Extra struct {
	// Link leads to the alert's page, empty where no address is configured.
	Link string
	// Logs are the newest error lines that concern the alert.
	Logs []string
	// Chart is a PNG of the metric and its threshold over the last hour, nil
	// where it could not be drawn.
	Chart []byte
}
