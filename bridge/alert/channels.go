package alert

import (
	"context"
	"strings"
	"sync"
	"time"
)

// ChannelState is how it last went on a channel; times are zero where that is
// not known.
type ChannelState struct {
	LastAccepted time.Time
	LastFailed   time.Time
	// LastError is what was said at LastFailed.
	LastError string
}

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

// channels remembers how it went on each channel.
type channels struct {
	mu     sync.Mutex // Guards states.
	states map[string]ChannelState
}

func (c *channels) add(channel string, s ChannelState) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.states[channel] = c.states[channel].after(s)
}

// tried notes an attempt.
func (c *channels) tried(channel string, o Outcome) {
	if o.State == Delivered {
		c.add(channel, ChannelState{LastAccepted: o.At})
	} else {
		c.add(channel, ChannelState{LastFailed: o.At, LastError: o.Text})
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

// recall asks the store how it went before.
func (m *Manager) recall(ctx context.Context) {
	before, err := m.conf.Store.LastOutcomes(ctx)
	if err != nil && ctx.Err() == nil {
		m.conf.Logger.WarnContext(ctx, "it is not known how it went on the notification channels before the start", "error", err)
	}
	for channel, s := range before {
		m.channels.add(channel, s)
	}
}
