package alert

import (
	"context"
	"slices"
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
	// KindChannelDown tells that another channel, About, cannot deliver, and
	// KindChannelUp that it can again. They are of no alert.
	KindChannelDown Kind = "channel_down"
	KindChannelUp   Kind = "channel_up"
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
	// About is the other channel that the notification is about, and Since when
	// that one could not deliver; Comment holds its receiver's words.
	About  string    `json:",omitempty"`
	Since  time.Time `json:",omitzero"`
	OwedAt time.Time
	// Progress is what became of earlier attempts; the outbox keeps it apart.
	Progress Progress `json:"-"`
	// Installation tells this llmwatch from others that tell the same people. It
	// is set for the attempt, and Key begins with it then.
	Installation string `json:"-"`
}

// Progress is how far a notification got.
type Progress struct {
	// Done are the recipients that need no further attempt: they have accepted
	// it, or refused it for good.
	Done []string `json:"done,omitempty"`
	// Short says that the receiver refused the message itself: it is to be as
	// short and plain as possible.
	Short bool `json:"short,omitempty"`
	// Untold says that earlier news of the alert never arrived on this channel:
	// this message stands for them too.
	Untold bool `json:"untold,omitempty"`
}

// Subject is what the notification is about, an alert or a channel. The
// notifications of one subject never overtake each other.
func (n *Notification) Subject() string {
	switch {
	case len(n.AlertIDs) > 0:
		return n.AlertIDs[0]
	case n.About != "":
		return "channel/" + n.About
	default:
		return ""
	}
}

// Urgent says whether it tells that a critical alert fires.
func (n *Notification) Urgent() bool {
	return n.TellsFiring() && slices.ContainsFunc(n.Alerts, func(a Alert) bool { return a.Severity == Critical })
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
	// Outage says that the channel will take nothing until somebody changes
	// something: wrong credentials, an address that is gone. Login says that it
	// was the credentials: each further attempt may lock the account. A failure
	// that is neither this nor may pass is one of this message.
	Outage, Login bool
	// Reason says in few words why it failed, without names and addresses.
	Reason string
	// Done are the recipients that need no further attempt. Partial says that
	// some of them accepted, while others may accept later: an error.
	Done    []string
	Partial bool
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
