package alert

import (
	"errors"
	"log/slog"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
)

func expectChannels(t *testing.T, when string, m *Manager, want map[string]ChannelState) {
	t.Helper()
	if diff := cmp.Diff(want, m.Channels()); diff != "" {
		t.Errorf("%s (-want +got):\n%s", when, diff)
	}
}

func TestManagerTellsHowItWentOnEachChannel(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		start := stamp(time.Now())
		store, mail := newMemStore(), &receiver{}
		broken := errors.New("server is busy")
		answer := func(err error) {
			mail.mu.Lock()
			defer mail.mu.Unlock()
			mail.answer = func(Notification) (Result, error) { return Result{Retry: true}, err }
		}
		answer(broken)
		routing := Routing{
			Policy:    Policy{Channels: []string{"mail"}, SendResolved: true},
			Notifiers: map[string]Notifier{"mail": mail, "idle": &receiver{}},
		}
		m := manage(t, store, mail, func(c *Config) { c.Routing = routing })
		expectChannels(t, "at first", m, map[string]ChannelState{"mail": {}, "idle": {}})
		observe(t, m, poll("a"))
		elapse(time.Second + time.Millisecond) // Two attempts.
		failed := start.Add(time.Second)
		expectChannels(t, "failing", m, map[string]ChannelState{"mail": {LastFailed: failed, LastError: "server is busy", FailingSince: start, Failures: 2}, "idle": {}})

		answer(nil)
		elapse(2 * time.Second) // The third attempt comes 3 s after the first.
		want := ChannelState{LastAccepted: start.Add(3 * time.Second), LastFailed: failed, LastError: "server is busy"}
		expectChannels(t, "recovered", m, map[string]ChannelState{"mail": want, "idle": {}})

		again := NewManager(Config{Store: store, Logger: slog.New(slog.DiscardHandler), Routing: routing})
		again.recall(t.Context())
		expectChannels(t, "started anew", again, map[string]ChannelState{"mail": want, "idle": {}})

		broken = errors.New("no such user")
		answer(broken)
		elapse(time.Minute)
		if _, err := m.Test(t.Context(), "mail"); !errors.Is(err, broken) {
			t.Errorf("the test says %v", err)
		}
		want.LastFailed, want.LastError = stamp(time.Now()), "no such user"
		want.FailingSince, want.Failures = want.LastFailed, 1
		expectChannels(t, "tested", m, map[string]ChannelState{"mail": want, "idle": {}})

		m.Reroute(Routing{Notifiers: map[string]Notifier{"idle": &receiver{}}})
		expectChannels(t, "without mail", m, map[string]ChannelState{"idle": {}})
	})
}

func TestLastOutcomesComeFromTheNewestEvents(t *testing.T) {
	t.Parallel()
	at := func(seconds int) time.Time { return begin.Add(time.Duration(seconds) * time.Second) }
	got := LastOutcomes([]Event{
		{Kind: EventDelivered, Channel: "mail", At: at(5), Text: "firing: 250 queued"},
		{Kind: EventRefused, Channel: "mail", At: at(2), Text: "firing: 550 no: such user"},
		{Kind: EventAttempt, Channel: "mail", At: at(1), Text: "firing: busy"},
		{Kind: EventDelivered, Channel: "mail", At: at(4)},
		{Kind: EventAttempt, Channel: "slack", At: at(3), Text: "resolved"},
		{Kind: EventExpired, Channel: "hook", At: at(9), Text: "firing: not delivered within 24h0m0s"},
		{Kind: EventQueued, Channel: "hook", At: at(9)},
	})
	want := map[string]ChannelState{
		"mail":  {LastAccepted: at(5), LastFailed: at(2), LastError: "550 no: such user"},
		"slack": {LastFailed: at(3)},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("outcomes (-want +got):\n%s", diff)
	}
}
