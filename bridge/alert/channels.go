package alert

import (
	"context"
	"errors"
	"maps"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"
)

// ChannelState is how it last went on a channel; times are zero where that is
// not known.
type ChannelState struct {
	LastAccepted time.Time
	LastFailed   time.Time
	// LastError is what was said at LastFailed, Reason why in few words, without
	// names and addresses.
	LastError string
	Reason    string
	// FailingSince is since when nothing was accepted, and Failures how many
	// attempts failed since; both are zero where the newest attempt did not.
	FailingSince time.Time
	Failures     int
	// DownSince is FailingSince once that is an outage, of which the other
	// channels are told: the receiver wants something changed, refused a message
	// for good, or has failed for downAfter.
	DownSince time.Time
	// Partly says why some recipients do not get what others accept.
	Partly string
	// HeldUntil is until when nothing is tried on the channel: its receiver asked
	// for it, or each attempt could lock the account.
	HeldUntil time.Time
	// Firm says that not even a critical alert shortens that.
	Firm bool
}

// downAfter is how long a channel may fail until that is an outage.
const downAfter = 5 * time.Minute

// after adds what a newer or older state knows more.
func (s ChannelState) after(other ChannelState) ChannelState {
	if other.LastAccepted.After(s.LastAccepted) {
		s.LastAccepted = other.LastAccepted
	}
	if other.LastFailed.After(s.LastFailed) {
		s.LastFailed, s.LastError = other.LastFailed, other.LastError
	}

	return s
}

// tried is the state after an attempt.
func (s ChannelState) tried(o Outcome, r Result) ChannelState {
	if o.State == Delivered || r.Partial {
		return ChannelState{LastAccepted: o.At, LastFailed: s.LastFailed, LastError: s.LastError, Partly: r.Reason}
	}
	s.LastFailed, s.LastError, s.Reason, s.HeldUntil = o.At, o.Text, r.Reason, time.Time{}
	s.Firm = false
	if s.Failures++; s.FailingSince.IsZero() || s.FailingSince.After(o.At) {
		s.FailingSince = o.At
	}
	if o.State == Unsettled && (r.Outage || r.RetryAfter > 0) {
		s.HeldUntil, s.Firm = o.NextTry, r.Login || r.RetryAfter > 0
	}
	if s.DownSince.IsZero() && (r.Outage || o.State == Refused || o.At.Sub(s.FailingSince) >= downAfter) {
		s.DownSince = s.FailingSince
	}

	return s
}

// note keeps the state of a channel where it differs in more than the time of
// success, and tells the other channels where an outage begins or ends.
func (c *Changes) note(channel string, before, after ChannelState, r Routing, now time.Time) {
	same := before
	same.LastAccepted = after.LastAccepted
	if same == after {
		return
	}
	c.Channels = map[string]ChannelState{channel: after}
	if before.DownSince.IsZero() == after.DownSince.IsZero() {
		return
	}
	n := Notification{Kind: KindChannelDown, About: channel, Since: after.DownSince, Comment: after.LastError, OwedAt: now}
	if after.DownSince.IsZero() {
		n.Kind, n.Since, n.Comment = KindChannelUp, before.DownSince, before.LastError
	}
	for _, other := range r.besides(channel) {
		n.Channel = other
		n.Key = "channel/" + channel + "/" + string(n.Kind) + "/" + strconv.FormatInt(n.Since.UnixMilli(), 10) + "/" + other
		c.Notifications = append(c.Notifications, n)
	}
}

// besides are the channels to be told of an outage of one: those that are told
// of all alerts, or any other where there is none of these.
func (r Routing) besides(channel string) []string {
	isIt := func(name string) bool { return name == channel || r.Notifiers[name] == nil }
	others := slices.DeleteFunc(union(nil, r.Policy.Channels), isIt)
	if len(others) == 0 {
		others = slices.DeleteFunc(slices.Sorted(maps.Keys(r.Notifiers)), isIt)
	}

	return others
}

// channels remembers how it went on each channel.
type channels struct {
	mu     sync.Mutex // Guards the fields below.
	states map[string]ChannelState
	// held is until when nothing is tried, by a clock that nobody can set; fresh
	// are the channels on which everything is due once, however long its pause.
	held  map[string]time.Time
	fresh map[string]bool

	released *signal // A pause ended early.
}

func newChannels() channels {
	return channels{
		states: map[string]ChannelState{}, held: map[string]time.Time{}, fresh: map[string]bool{}, released: newSignal(),
	}
}

func (c *channels) state(channel string) ChannelState {
	c.mu.Lock()
	defer c.mu.Unlock()

	return c.states[channel]
}

// set takes over a state at a time, with the pause in it.
func (c *channels) set(channel string, s ChannelState, now time.Time) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.states[channel] = s
	delete(c.held, channel)
	if wait := s.HeldUntil.Sub(now.Round(0)); !s.HeldUntil.IsZero() && wait > 0 {
		c.held[channel] = now.Add(min(wait, maxWait))
	}
}

// pause is until when nothing is tried on a channel. Everything on it is due
// once where fresh is set.
func (c *channels) pause(channel string) (until time.Time, fresh bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	until, fresh = c.held[channel], c.fresh[channel]
	if until.After(time.Now()) {
		return until, false
	}
	delete(c.fresh, channel)

	return time.Time{}, fresh
}

// release ends the pause of channels: what waits is tried at once.
func (c *channels) release(names ...string) {
	c.mu.Lock()
	for _, name := range names {
		delete(c.held, name)
		c.fresh[name] = true
		s := c.states[name]
		s.HeldUntil = time.Time{}
		c.states[name] = s
	}
	c.mu.Unlock()
	c.released.raise()
}

// hurry shortens the pause of the channels for which something urgent is owed.
func (c *channels) hurry(owed []Notification) {
	latest, hurried := time.Now().Add(UrgentRetry), false
	c.mu.Lock()
	for i := range owed {
		channel := owed[i].Channel
		if s := c.states[channel]; owed[i].Urgent() && c.held[channel].After(latest) && !s.Firm {
			c.held[channel], s.HeldUntil = latest, stamp(latest)
			c.states[channel], hurried = s, true
		}
	}
	c.mu.Unlock()
	if hurried {
		c.released.raise()
	}
}

// refresh has everything on a channel be due once, when its pause is over.
func (c *channels) refresh(channel string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.fresh[channel] = true
}

// noted remembers the state of a channel, and logs where an outage begins or ends.
func (m *Manager) noted(ctx context.Context, channel string, before, after ChannelState) {
	m.channels.set(channel, after, time.Now())
	switch {
	case before.DownSince.IsZero() && !after.DownSince.IsZero():
		m.conf.Logger.ErrorContext(ctx, "a notification channel cannot deliver; the others are told", "channel", channel,
			"since", after.DownSince, "error", after.LastError)
	case !before.DownSince.IsZero() && after.DownSince.IsZero():
		m.conf.Logger.InfoContext(ctx, "a notification channel delivers again", "channel", channel, "failed_since", before.DownSince)
	}
	if after.Partly != "" && before.Partly != after.Partly {
		m.conf.Logger.WarnContext(ctx, "a notification channel does not reach all its recipients", "channel", channel, "reason", after.Partly)
	}
}

// Channels tells how it last went on each channel that there is, test
// notifications included. What went before Run is known from the Store.
func (m *Manager) Channels() map[string]ChannelState {
	known := map[string]ChannelState{}
	m.channels.mu.Lock()
	defer m.channels.mu.Unlock()
	for name := range m.route().Notifiers {
		known[name] = m.channels.states[name]
	}

	return known
}

// LastOutcomes finds out from events, in any order, how it last went on their
// channels.
func LastOutcomes(events []Event) map[string]ChannelState {
	states := map[string]ChannelState{}
	for _, e := range events {
		_, words, _ := strings.Cut(e.Text, ": ") // After the notification's kind.
		var s ChannelState
		switch e.Kind {
		case EventDelivered:
			s.LastAccepted = e.At
		case EventAttempt, EventRefused:
			s.LastFailed, s.LastError = e.At, words
		default:
			continue
		}
		states[e.Channel] = states[e.Channel].after(s)
	}

	return states
}

// afterStart is how long a pause lasts at most after a start: what was wrong may
// have been the reason for it, and a program that starts again and again must not
// lock an account.
const afterStart = time.Minute

// recall asks the store how it went before.
func (m *Manager) recall(ctx context.Context) {
	before, err := m.conf.Store.LastOutcomes(ctx)
	states, stateErr := m.conf.Store.ChannelStates(ctx)
	if err := errors.Join(err, stateErr); err != nil && ctx.Err() == nil {
		m.conf.Logger.WarnContext(ctx, "it is not known how it went on the notification channels before the start", "error", err)
	}
	for channel, s := range before {
		known := states[channel]
		if known.FailingSince.IsZero() && known.LastFailed.IsZero() {
			known.LastFailed, known.LastError = s.LastFailed, s.LastError
		}
		states[channel] = known.after(s)
	}
	now := time.Now()
	for channel, s := range states {
		if latest := now.Add(afterStart); s.HeldUntil.After(latest) {
			s.HeldUntil = stamp(latest)
		}
		m.channels.set(channel, s, now)
		if !s.FailingSince.IsZero() {
			m.channels.refresh(channel)
		}
	}
}
