package sqlite

import (
	"path/filepath"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"llmwatch/bridge/alert"
)

func owe(t testing.TB, s *Store, key, channel, id string, at time.Time) {
	t.Helper()
	commit(t, s, alert.Changes{Notifications: []alert.Notification{{
		Key: key, Channel: channel, Kind: alert.KindFiring, AlertIDs: []string{id}, OwedAt: at,
	}}})
}

// next is the key due on email, or how long until there is one, or "".
func next(t *testing.T, s *Store, now time.Time) string {
	t.Helper()
	p, wake, err := s.NextDue(t.Context(), "email", now)
	switch {
	case err != nil:
		t.Fatal(err)
	case p != nil:
		return p.Notification.Key
	case !wake.IsZero():
		return wake.Sub(now).String()
	}

	return ""
}

func fail(t *testing.T, s *Store, key string, at time.Time, wait time.Duration) {
	t.Helper()
	commit(t, s, alert.Changes{Outcomes: []alert.Outcome{{Key: key, State: alert.Unsettled, At: at, NextTry: at.Add(wait)}}})
}

func TestOutboxIsInOrder(t *testing.T) {
	t.Parallel()
	s := open(t)
	if got := next(t, s, noon); got != "" {
		t.Errorf("an empty outbox has %q due", got)
	}
	owe(t, s, "first", "email", "a", noon)
	owe(t, s, "second", "email", "b", noon)
	owe(t, s, "third", "email", "a", noon)
	owe(t, s, "other", "slack", "a", noon)
	want := func(now time.Time, want string) {
		t.Helper()
		if got := next(t, s, now); got != want {
			t.Errorf("due: %q, want %q", got, want)
		}
	}
	want(noon, "first")
	fail(t, s, "first", noon, time.Second)
	want(noon, "1s")
	want(noon.Add(time.Second), "first")
	for range alert.OvertakenAfter - 1 {
		fail(t, s, "first", noon, time.Minute)
	}
	want(noon, "second") // It has been overtaken, but not by its own alert's.
	commit(t, s, alert.Changes{Outcomes: []alert.Outcome{{Key: "second", State: alert.Refused, At: noon}}})
	want(noon, "1m0s")
	owe(t, s, "fourth", "email", "c", noon)
	commit(t, s, alert.Changes{Outcomes: []alert.Outcome{{Key: "fourth", State: alert.Delivered, At: noon, Recovered: true}}})
	want(noon, "first") // The channel works again.
	commit(t, s, alert.Changes{Outcomes: []alert.Outcome{{Key: "first", State: alert.Delivered, At: noon}}})
	want(noon, "third")
	backlog, err := s.Backlog(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(map[string]int{"email": 1, "slack": 1}, backlog); diff != "" {
		t.Errorf("backlog (-want +got):\n%s", diff)
	}
}

func TestPendingComesBackAsItWasOwed(t *testing.T) {
	t.Parallel()
	s := open(t)
	want := alert.Notification{
		Key: "k/email", Channel: "email", Kind: alert.KindDigest, Alerts: []alert.Alert{whole()}, Total: 2,
		AlertIDs: []string{whole().ID, "another"}, By: "ann", Comment: "mine", OwedAt: noon,
	}
	commit(t, s, alert.Changes{Notifications: []alert.Notification{want}})
	fail(t, s, want.Key, noon, 0)
	p, _, err := s.NextDue(t.Context(), "email", noon)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(&alert.Pending{Notification: want, Attempts: 1}, p); diff != "" {
		t.Errorf("pending (-want +got):\n%s", diff)
	}
	commit(t, s, alert.Changes{Notifications: []alert.Notification{want}})
	if backlog, err := s.Backlog(t.Context()); err != nil || backlog["email"] != 1 {
		t.Errorf("backlog %v, error %v; want what has the same key once", backlog, err)
	}
}

func TestSentCountsChannelsOnceAndOnlyWhatTellsOfFiring(t *testing.T) {
	t.Parallel()
	s := open(t)
	owe(t, s, "a/firing/1/email", "email", "a", noon)
	owe(t, s, "a/firing/1/slack", "slack", "a", noon)
	owe(t, s, "b/firing/1/slack", "slack", "b", noon.Add(time.Minute))
	commit(t, s, alert.Changes{Notifications: []alert.Notification{
		{Key: "a/resolved/2/email", Channel: "email", Kind: alert.KindResolved, OwedAt: noon.Add(time.Minute)},
	}})
	for since, want := range map[time.Time]alert.History{
		noon.Add(-time.Millisecond): {noon, noon.Add(time.Minute)},
		noon:                        {noon.Add(time.Minute)},
	} {
		got, err := s.Sent(t.Context(), since)
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("sent since %s (-want +got):\n%s", since, diff)
		}
	}
}

func TestOverdue(t *testing.T) {
	t.Parallel()
	s := open(t)
	owe(t, s, "old", "email", "a", noon)
	owe(t, s, "older", "slack", "a", noon.Add(-time.Hour))
	owe(t, s, "young", "email", "a", noon.Add(time.Minute))
	for limit, want := range map[int]int{10: 2, 1: 1} {
		got, err := s.Overdue(t.Context(), noon.Add(time.Minute), limit)
		if err != nil || len(got) != want || got[0].Notification.Key != "old" {
			t.Errorf("at most %d overdue: %v, error %v; want %d, the first owed first", limit, got, err, want)
		}
	}
}

func TestLastOutcomes(t *testing.T) {
	t.Parallel()
	s := mustOpen(t, filepath.Join(t.TempDir(), "alerts.db"), Sealed(newGCM(t)))
	defer mustClose(t, s)
	if got, err := s.LastOutcomes(t.Context()); err != nil || len(got) != 0 {
		t.Errorf("nothing has happened, and it says %v (%v)", got, err)
	}
	event := func(seconds int, kind alert.EventKind, channel, text string) alert.Event {
		return alert.Event{AlertID: "a", At: noon.Add(time.Duration(seconds) * time.Second), Kind: kind, Channel: channel, Text: text}
	}
	commit(t, s, alert.Changes{Events: []alert.Event{
		event(0, alert.EventRefused, "email", "firing: 550 no"),
		event(1, alert.EventDelivered, "email", "firing: 250 queued"),
		event(2, alert.EventAttempt, "email", "firing: 421 busy"),
		event(3, alert.EventAttempt, "email", "firing: 421 not now"),
		event(4, alert.EventDelivered, "email", "firing"),
		event(5, alert.EventDelivered, "slack", "resolved: ok"),
		event(6, alert.EventQueued, "webhook", ""),
		event(7, alert.EventAcknowledged, "", "mine"),
	}})
	got, err := s.LastOutcomes(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	want := map[string]alert.ChannelState{
		"email": {LastAccepted: noon.Add(4 * time.Second), LastFailed: noon.Add(3 * time.Second), LastError: "421 not now"},
		"slack": {LastAccepted: noon.Add(5 * time.Second)},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("outcomes (-want +got):\n%s", diff)
	}
}

// oweMany owes a digest.
func oweMany(t *testing.T, s *Store, key string, ids ...string) {
	t.Helper()
	commit(t, s, alert.Changes{Notifications: []alert.Notification{{
		Key: key, Channel: "email", Kind: alert.KindDigest, AlertIDs: ids, Total: len(ids), OwedAt: noon,
	}}})
}

func TestNothingOvertakesADigestOfItsAlert(t *testing.T) {
	t.Parallel()
	s := open(t)
	oweMany(t, s, "digest", "a", "b", "c")
	owe(t, s, "end of b", "email", "b", noon)
	oweMany(t, s, "end of c and d", "c", "d")
	owe(t, s, "end of d", "email", "d", noon)
	owe(t, s, "other", "email", "e", noon)
	for range alert.OvertakenAfter {
		fail(t, s, "digest", noon, time.Hour)
	}
	if got := next(t, s, noon); got != "other" {
		t.Errorf("due: %q, want what is of another alert", got)
	}
	var order []string
	for key := next(t, s, noon.Add(time.Hour)); key != "" && len(order) < 10; key = next(t, s, noon.Add(time.Hour)) {
		order = append(order, key)
		commit(t, s, alert.Changes{Outcomes: []alert.Outcome{{Key: key, State: alert.Delivered, At: noon}}})
	}
	if diff := cmp.Diff([]string{"digest", "end of b", "end of c and d", "end of d", "other"}, order); diff != "" {
		t.Errorf("order (-want +got):\n%s", diff)
	}
}

func TestSuccessor(t *testing.T) {
	t.Parallel()
	s := open(t)
	owe(t, s, "first", "email", "a", noon)
	owe(t, s, "elsewhere", "slack", "a", noon)
	oweMany(t, s, "firing", "a", "b")
	owe(t, s, "second", "email", "a", noon.Add(time.Hour))
	oweMany(t, s, "of others", "b", "c")
	oweMany(t, s, "ended", "c", "b", "a")
	for key, want := range map[string]string{"first": "second", "second": "", "firing": "ended", "of others": "ended", "ended": "", "elsewhere": ""} {
		n := alert.Notification{Key: key, Channel: "email"}
		if got, err := s.Successor(t.Context(), n); err != nil || got != want {
			t.Errorf("after %q: %q (%v), want %q", key, got, err, want)
		}
	}
	for range 7 {
		fail(t, s, "first", noon, 0)
	}
	commit(t, s, alert.Changes{Outcomes: []alert.Outcome{{
		Key: "first", State: alert.Withdrawn, At: noon, Successor: "second", Progress: alert.Progress{Untold: true},
	}}})
	waiting, err := s.Waiting(t.Context(), noon.Add(time.Second), 10)
	if err != nil {
		t.Fatal(err)
	}
	found := false
	for _, p := range waiting {
		if p.Notification.Key == "second" {
			found = p.Attempts == 7 && p.Notification.Progress.Untold
		}
	}
	if !found {
		t.Errorf("waiting since noon: %+v, want the successor with what it took over", waiting)
	}
}

func TestProgressAndChannelsSurviveARestart(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "alerts.db")
	key := newGCM(t)
	s := mustOpen(t, path, Sealed(key))
	owe(t, s, "k", "email", "a", noon)
	want := alert.Progress{Done: []string{"ann@example.com"}, Short: true}
	state := alert.ChannelState{LastFailed: noon, LastError: "535 no", FailingSince: noon, Failures: 3, DownSince: noon, HeldUntil: noon.Add(time.Hour)}
	commit(t, s, alert.Changes{
		Outcomes: []alert.Outcome{{Key: "k", State: alert.Unsettled, At: noon, NextTry: noon, Progress: want, Overtaken: true}},
		Channels: map[string]alert.ChannelState{"email": state},
	})
	id, err := s.Installation(t.Context())
	if err != nil || len(id) != 16 {
		t.Errorf("installation %q, error %v", id, err)
	}
	mustClose(t, s)
	s = mustOpen(t, path, Sealed(key))
	defer mustClose(t, s)
	p, _, err := s.NextDue(t.Context(), "email", noon)
	if err != nil || p.Attempts != alert.OvertakenAfter {
		t.Fatalf("pending %+v, error %v", p, err)
	}
	if diff := cmp.Diff(want, p.Notification.Progress); diff != "" {
		t.Errorf("progress (-want +got):\n%s", diff)
	}
	states, err := s.ChannelStates(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(map[string]alert.ChannelState{"email": state}, states); diff != "" {
		t.Errorf("channels (-want +got):\n%s", diff)
	}
	if again, err := s.Installation(t.Context()); err != nil || again != id {
		t.Errorf("after a restart the installation is %q (%v), want %q", again, err, id)
	}
	if other, err := open(t).Installation(t.Context()); err != nil || other == id {
		t.Errorf("another database has the installation %q too (%v)", other, err)
	}
}

func TestWhatWasTriedBeforeTheClockWasSetBackIsDue(t *testing.T) {
	t.Parallel()
	s := open(t)
	owe(t, s, "k", "email", "a", noon)
	fail(t, s, "k", noon, time.Minute)
	if got := next(t, s, noon.Add(-24*time.Hour)); got != "k" {
		t.Errorf("a day earlier %q is due, want what would wait for a day", got)
	}
}

func TestCriticalAlertsComeFirst(t *testing.T) {
	t.Parallel()
	s := open(t)
	owe(t, s, "low", "email", "a", noon)
	commit(t, s, alert.Changes{Notifications: []alert.Notification{{
		Key: "critical", Channel: "email", Kind: alert.KindFiring, AlertIDs: []string{"b"}, OwedAt: noon,
		Alerts: []alert.Alert{{ID: "b", Severity: alert.Critical}},
	}}})
	if got := next(t, s, noon); got != "critical" {
		t.Errorf("due: %q, want the critical one", got)
	}
	if waits, err := s.UrgentWaits(t.Context(), "email"); err != nil || !waits {
		t.Errorf("urgent waits: %t (%v)", waits, err)
	}
	if waits, err := s.UrgentWaits(t.Context(), "slack"); err != nil || waits {
		t.Errorf("urgent waits elsewhere: %t (%v)", waits, err)
	}
	fail(t, s, "critical", noon, time.Minute)
	if got := next(t, s, noon); got != "low" {
		t.Errorf("due: %q, want the other while the critical one waits", got)
	}
}
