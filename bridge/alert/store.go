package alert

import (
	"context"
	"errors"
	"time"
)

// The errors of a Store and of Manager; they come wrapped, with what they
// concern.
var (
	ErrNotFound  = errors.New("not found")
	ErrConflict  = errors.New("changed by somebody else meanwhile")
	ErrResolved  = errors.New("already resolved")
	ErrSettled   = errors.New("not pending any more")
	ErrBadCursor = errors.New("cursor is not one of this list")
	ErrExists    = errors.New("exists already")
)

// Store keeps alerts, their timelines and the notifications they owe (the
// outbox). Several Managers may share one to observe and to acknowledge: nothing
// here trusts that its caller is alone. Only one of them may Run, since who
// reads a pending notification does not own it.
//
// Times are kept in milliseconds, and come back in UTC.
type Store interface {
	// Load returns the alerts that are not resolved, and the resolved ones whose
	// CooldownEnd is after now.
	Load(ctx context.Context, now time.Time) ([]Alert, error)
	// LastNumber returns the highest Number of the alerts with that IDBase, 0
	// where there is none.
	LastNumber(ctx context.Context, base string) (int, error)
	// Commit keeps all of c or nothing of it, and what it keeps survives a loss
	// of power. It fails with ErrConflict, naming the alert, where an alert's
	// version is not the one that its transition was made from (an alert of
	// version 0: where its id or, not resolved, its identity exists), and with
	// ErrSettled where an outcome's notification is not pending. A notification
	// whose Key is known is owed already, and changes nothing.
	Commit(ctx context.Context, c Changes) error

	// Alerts returns those of the alerts that exist, in any order.
	Alerts(ctx context.Context, ids []string) ([]Alert, error)
	// Timeline returns the events of an alert, the oldest first.
	Timeline(ctx context.Context, id string) ([]Event, error)
	// List returns one page of the alerts that pass the filter, those that fired
	// last first. ErrBadCursor where the cursor is none of a page's.
	List(ctx context.Context, f Filter) (Page, error)
	// Count counts the alerts that are not resolved, by status and severity.
	Count(ctx context.Context) ([]Count, error)

	// Sent tells when notifications that tell of firing alerts were owed after
	// since, one for all channels together.
	Sent(ctx context.Context, since time.Time) (History, error)
	// NextDue returns the notification that the channel is to be sent at now.
	// Where none is due it returns nil and when the next one will be, zero if
	// none is pending. Notifications are due in the order in which they were
	// owed, those that tell of critical alerts before others; one that failed OvertakenAfter times lets those of other alerts
	// pass, and never those of an alert that it tells of itself. One that is to be
	// tried later than maxWait from now is due: the clock was set back.
	NextDue(ctx context.Context, channel string, now time.Time) (*Pending, time.Time, error)
	// Overdue returns up to limit pending notifications that were owed before
	// then, on whatever channel.
	Overdue(ctx context.Context, then time.Time, limit int) ([]Pending, error)
	// Waiting returns up to limit pending notifications whose news have waited
	// since before then, be it in notifications that were withdrawn in their
	// favour.
	Waiting(ctx context.Context, then time.Time, limit int) ([]Pending, error)
	// Successor returns the key of the next pending notification on the same
	// channel that tells of everything that n tells of, empty where there is none.
	Successor(ctx context.Context, n Notification) (string, error)
	// UrgentWaits says whether something pending on the channel tells that a critical
	// alert fires.
	UrgentWaits(ctx context.Context, channel string) (bool, error)
	// ChannelStates returns what Changes last said of each channel.
	ChannelStates(ctx context.Context) (map[string]ChannelState, error)
	// Backlog counts the pending notifications by channel.
	Backlog(ctx context.Context) (map[string]int, error)
	// LastOutcomes tells how it last went on each channel, as far as recent
	// timelines tell.
	LastOutcomes(ctx context.Context) (map[string]ChannelState, error)

	// Prune deletes the alerts resolved before then, with their timelines, and
	// the notifications owed before then that are not pending. It returns how
	// many alerts it deleted.
	Prune(ctx context.Context, then time.Time) (int, error)
}

// UrgentRetry is how long anything waits for its next attempt at most on a channel
// where something tells that a critical alert fires: it may stand in the way.
const UrgentRetry = time.Minute

// OvertakenAfter is how often a notification fails until those of other alerts
// may pass it: enough for order through a short failure, and soon enough that
// one which the receiver cannot take does not keep the others from people.
const OvertakenAfter = 5

// Changes are what one Commit keeps.
type Changes struct {
	Transitions   []Transition
	Notifications []Notification
	// Events are those of alerts that do not change.
	Events []Event
	// Outcomes are what became of pending notifications.
	Outcomes []Outcome
	// Channels are the channels whose state changed.
	Channels map[string]ChannelState
}

func (c *Changes) empty() bool {
	return len(c.Transitions)+len(c.Notifications)+len(c.Events)+len(c.Outcomes)+len(c.Channels) == 0
}

// DeliveryState is where a notification is.
type DeliveryState string

// The states of a notification. It leaves Unsettled once.
const (
	Unsettled DeliveryState = "pending"   // To be tried, or to be tried again.
	Delivered DeliveryState = "delivered" // The receiver accepted it.
	Refused   DeliveryState = "refused"   // The receiver refused it for good.
	Expired   DeliveryState = "expired"   // It was not accepted in time.
	Withdrawn DeliveryState = "withdrawn" // Newer news stand for it, or it is not true any more.
)

// Outcome is what became of an attempt to deliver, or of its absence.
type Outcome struct {
	Key   string
	State DeliveryState
	At    time.Time
	// Text is what the receiver said.
	Text string
	// NextTry is when to try again where State is Unsettled.
	NextTry time.Time
	// Recovered says that the channel works again: all its pending
	// notifications are due at once.
	Recovered bool
	// Progress is how far it got, kept where State is Unsettled.
	Progress Progress
	// Overtaken lets others pass at once where State is Unsettled: the channel
	// works, and one recipient of this notification is what fails.
	Overtaken bool
	// Successor is the key of the pending notification that stands for one that
	// is Withdrawn: it takes over how long that has waited and how often it
	// failed, and, with Progress.Untold, that its news never arrived.
	Successor string
}

// Pending is a notification in the outbox.
type Pending struct {
	Notification Notification
	// Attempts counts those that failed.
	Attempts int
}

// Filter selects alerts; its zero value all of them.
type Filter struct {
	Statuses   []Status
	Severities []Severity
	Names      []string
	// Since and Until bound FiredAt: Since <= FiredAt < Until, zero for no bound.
	Since, Until time.Time
	// Limit bounds a page; 0 means no bound.
	Limit int
	// Cursor is the Next of the page before.
	Cursor string
}

// Page is a part of a list.
type Page struct {
	Alerts []Alert
	// Next is the cursor of the next page, empty at the end. Alerts that fire
	// meanwhile do not move it.
	Next string
}

// Count is how many alerts are in a state.
type Count struct {
	Status   Status
	Severity Severity
	Alerts   int
}

// Rule is a custom alert rule, or the word that overrides a default one.
type Rule struct {
	Name        string
	Description string
	Severity    Severity
	// Expr is PromQL; For how long it must hold.
	Expr        string
	For         time.Duration
	Cooldown    time.Duration
	Labels      map[string]string
	Annotations map[string]string
	Disabled    bool
	CreatedAt   time.Time
	UpdatedAt   time.Time
}

// RuleStore keeps custom rules. It does not judge them.
type RuleStore interface {
	// Rules returns all rules by name.
	Rules(ctx context.Context) ([]Rule, error)
	// Rule returns one, or ErrNotFound.
	Rule(ctx context.Context, name string) (Rule, error)
	// CreateRule keeps a new rule, or fails with ErrExists.
	CreateRule(ctx context.Context, r Rule) error
	// UpdateRule replaces a rule but for its CreatedAt, or fails with
	// ErrNotFound.
	UpdateRule(ctx context.Context, r Rule) error
	// DeleteRule forgets a rule, or fails with ErrNotFound.
	DeleteRule(ctx context.Context, name string) error
}
