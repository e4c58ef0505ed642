package alert

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// receiver is a Notifier that remembers what it was sent, and when.
type receiver struct {
	mu    sync.Mutex
	begin time.Time
	got   []string
	// answer, if set, decides; otherwise everything is accepted.
	answer func(n Notification) (Result, error)
}

func (r *receiver) Notify(ctx context.Context, n Notification, _ Extra) (Result, error) {
	r.mu.Lock()
	r.got = append(r.got, fmt.Sprintf("%s %s", time.Since(r.begin).Round(time.Second), n.Key))
	answer := r.answer
	r.mu.Unlock()
	if answer != nil {
		return answer(n)
	}

	return Result{Text: "ok"}, ctx.Err()
}

func (r *receiver) received() []string {
	r.mu.Lock()
	defer r.mu.Unlock()

	return slices.Clone(r.got)
}

// manage runs a Manager with one channel, mail, for as long as the test.
func manage(t *testing.T, store *memStore, mail *receiver, adapt ...func(*Config)) *Manager {
	t.Helper()
	mail.begin = time.Now()
	conf := Config{
		Store:  store,
		Logger: slog.New(slog.NewTextHandler(t.Output(), nil)),
		Routing: Routing{
			Policy:    Policy{Channels: []string{"mail"}, SendResolved: true},
			Notifiers: map[string]Notifier{"mail": mail},
		},
	}
	for _, a := range adapt {
		a(&conf)
	}
	m := NewManager(conf)
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan struct{})
	go func() {
		defer close(done)
		m.Run(ctx)
	}()
	t.Cleanup(func() {
		cancel()
		<-done
	})

	return m
}

func observe(t *testing.T, m *Manager, s Snapshot) {
	t.Helper()
	if err := m.Observe(t.Context(), s); err != nil {
		t.Fatal(err)
	}
}

// elapse lets time pass until everything waits again.
func elapse(d time.Duration) {
	time.Sleep(d) // The bubble's clock, not a person's.
	synctest.Wait()
}

// today is the id of the first alert of that name in a bubble, whose time begins
// with the year 2000.
func today(name string) string { return name + "_20000101" }

func kindsOf(t *testing.T, s *memStore, id string) []EventKind {
	t.Helper()
	events, err := s.Timeline(t.Context(), id)
	if err != nil {
		t.Fatal(err)
	}
	var kinds []EventKind
	for _, e := range events {
		kinds = append(kinds, e.Kind)
	}

	return kinds
}

func TestManagerDeliversAndActivates(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		store, mail := newMemStore(), &receiver{}
		m := manage(t, store, mail)
		changes, cancel := m.Subscribe()
		defer cancel()
		observe(t, m, poll("a"))
		synctest.Wait()
		observe(t, m, poll(""))
		synctest.Wait()
		want := []string{"0s " + today("a") + "/firing/1/mail", "0s " + today("a") + "/resolved/3/mail"}
		if diff := cmp.Diff(want, mail.received()); diff != "" {
			t.Errorf("received (-want +got):\n%s", diff)
		}
		wantKinds := []EventKind{EventFired, EventQueued, EventDelivered, EventResolved, EventQueued, EventDelivered}
		if diff := cmp.Diff(wantKinds, kindsOf(t, store, today("a"))); diff != "" {
			t.Errorf("timeline (-want +got):\n%s", diff)
		}
		for i, want := range []Status{Triggered, Active, Resolved} {
			if a := <-changes; a.Status != want || a.Version != int64(i+1) {
				t.Errorf("subscriber: status %s, version %d; want %s, %d", a.Status, a.Version, want, i+1)
			}
		}
	})
}

func TestManagerTellsAtOnceThatAnAlertFiresAgain(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		store, mail := newMemStore(), &receiver{}
		m := manage(t, store, mail)
		for _, names := range []string{"a", "", "a"} {
			observe(t, m, poll(names))
			elapse(time.Minute)
		}
		id := today("a")
		want := []string{"0s " + id + "/firing/1/mail", "1m0s " + id + "/resolved/3/mail", "2m0s " + id + "/firing/5/mail"}
		if diff := cmp.Diff(want, mail.received()); diff != "" {
			t.Errorf("received (-want +got):\n%s", diff)
		}
	})
}

func TestManagerRetriesWithBackoffInOrder(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		failures := 3
		store, mail := newMemStore(), &receiver{}
		mail.answer = func(Notification) (Result, error) {
			if failures--; failures >= 0 {
				return Result{Retry: true}, errors.New("server is busy")
			}

			return Result{}, nil
		}
		m := manage(t, store, mail)
		observe(t, m, poll("ab"))
		elapse(time.Minute)
		first := today("a") + "/firing/1/mail"
		want := []string{"0s " + first, "1s " + first, "3s " + first, "7s " + first, "7s " + today("b") + "/firing/1/mail"}
		if diff := cmp.Diff(want, mail.received()); diff != "" {
			t.Errorf("received (-want +got):\n%s", diff)
		}
		wantKinds := []EventKind{EventFired, EventQueued, EventAttempt, EventAttempt, EventAttempt, EventDelivered}
		if diff := cmp.Diff(wantKinds, kindsOf(t, store, today("a"))); diff != "" {
			t.Errorf("timeline (-want +got):\n%s", diff)
		}
	})
}

func TestManagerLetsOthersPassWhatCannotBeDelivered(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		store, mail := newMemStore(), &receiver{}
		mail.answer = func(n Notification) (Result, error) {
			if n.AlertIDs[0] == today("a") {
				return Result{Retry: true}, errors.New("no, but try again")
			}

			return Result{}, nil
		}
		var mu sync.Mutex
		settled := map[DeliveryState]int{} // Guarded by mu.
		m := manage(t, store, mail, func(c *Config) {
			c.Options.DefaultCooldown = 100 * time.Hour // No reminders.
			c.Settled = func(_ string, _ Kind, s DeliveryState) {
				mu.Lock()
				defer mu.Unlock()
				settled[s]++
			}
		})
		observe(t, m, poll("ab"))
		elapse(time.Minute)
		if store.alerts[today("b")].Status != Active {
			t.Errorf("b is %s after a minute, want active: %q", store.alerts[today("b")].Status, mail.received())
		}
		elapse(25 * time.Hour)
		kinds := kindsOf(t, store, today("a"))
		if last := kinds[len(kinds)-1]; last != EventExpired {
			t.Errorf("the last event is %s, want expired after a day", last)
		}
		mu.Lock()
		defer mu.Unlock()
		if n := settled[Unsettled]; n < 280 || n > 300 {
			t.Errorf("%d attempts in a day, want one each 5 minutes", n)
		}
		if settled[Expired] != 1 || settled[Delivered] != 1 {
			t.Errorf("settled %v, want one expired and one delivered", settled)
		}
		before := len(mail.received())
		elapse(24 * time.Hour)
		if after := len(mail.received()); after != before {
			t.Errorf("%d attempts after it was given up", after-before)
		}
	})
}

func TestManagerHonoursRetryAfterAndRefusal(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		store, mail := newMemStore(), &receiver{}
		calls := 0
		mail.answer = func(Notification) (Result, error) {
			if calls++; calls == 1 {
				return Result{Retry: true, RetryAfter: 2 * time.Minute}, errors.New("too many requests")
			}

			return Result{}, errors.New("no such channel")
		}
		m := manage(t, store, mail)
		observe(t, m, poll("a"))
		elapse(time.Second)
		observe(t, m, poll("ab"))
		elapse(5 * time.Minute)
		key := func(name string) string { return today(name) + "/firing/1/mail" }
		// What is refused for good is tried once more, as short as possible.
		want := []string{"0s " + key("a"), "2m0s " + key("a"), "2m0s " + key("a"), "2m0s " + key("b"), "2m0s " + key("b")}
		if diff := cmp.Diff(want, mail.received()); diff != "" {
			t.Errorf("received (-want +got):\n%s", diff)
		}
		wantKinds := []EventKind{EventFired, EventQueued, EventAttempt, EventAttempt, EventRefused}
		if diff := cmp.Diff(wantKinds, kindsOf(t, store, today("a"))); diff != "" {
			t.Errorf("timeline (-want +got):\n%s", diff)
		}
		if got := store.alerts[today("a")].Status; got != Triggered {
			t.Errorf("status %s, want triggered since nobody accepted the news", got)
		}
	})
}

func TestManagerLeavesAReceiverAloneThatAsksForIt(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		store, mail := newMemStore(), &receiver{}
		calls := 0
		mail.answer = func(Notification) (Result, error) {
			if calls++; calls <= OvertakenAfter {
				return Result{Retry: true}, errors.New("server is busy")
			}

			return Result{Retry: true, RetryAfter: 10 * time.Minute}, errors.New("too many requests")
		}
		m := manage(t, store, mail)
		observe(t, m, poll("a"))
		elapse(2 * time.Minute)
		before := len(mail.received())
		observe(t, m, poll("ab")) // It may pass, but not now.
		elapse(3 * time.Minute)
		if after := len(mail.received()); before != OvertakenAfter+1 || after != before {
			t.Errorf("%d attempts, then %d more while the receiver wants none: %q", before, after-before, mail.received())
		}
	})
}

func TestManagerDeliversEverythingAtOnceWhenAReceiverRecovers(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		const outage = 25 * time.Minute
		store, mail := newMemStore(), &receiver{}
		var recovered, last time.Duration
		mail.answer = func(Notification) (Result, error) {
			now := time.Since(mail.begin)
			if now < outage {
				return Result{Retry: true}, errors.New("connection refused")
			}
			if last = now; recovered == 0 {
				recovered = now
			}

			return Result{}, nil
		}
		m := manage(t, store, mail, func(c *Config) { c.Options.DefaultCooldown = time.Hour })
		observe(t, m, poll("abcdef"))
		elapse(outage + lastRetry)
		for id, a := range store.alerts {
			if a.Status != Active {
				t.Errorf("%s is %s, want active", id, a.Status)
			}
		}
		if last != recovered || recovered == 0 {
			t.Errorf("the first was delivered after %s and the last after %s, want the same moment", recovered, last)
		}
	})
}

func TestManagerNeverSendsTwiceWhileAChannelGoesAndComes(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		store, mail := newMemStore(), &receiver{}
		mail.answer = func(Notification) (Result, error) {
			time.Sleep(2 * time.Second) // The bubble's clock.

			return Result{}, nil
		}
		m := manage(t, store, mail)
		routing := m.route()
		observe(t, m, poll("a"))
		synctest.Wait()
		m.Reroute(Routing{Policy: routing.Policy})
		synctest.Wait()
		m.Reroute(routing)
		elapse(time.Minute)
		if got := mail.received(); len(got) != 1 {
			t.Errorf("received %q, want one", got)
		}
	})
}

func TestManagerTicks(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		store, mail := newMemStore(), &receiver{}
		m := manage(t, store, mail, func(c *Config) { c.Retention = 24 * time.Hour })
		s := seen("a")
		s.EndsAt = time.Now().Add(45 * time.Minute)
		observe(t, m, Snapshot{Alerts: []Seen{s}})
		elapse(46 * time.Minute)
		id := today("a")
		want := []string{"0s " + id + "/firing/1/mail", "30m0s " + id + "/reminder/3/mail", "45m0s " + id + "/resolved/4/mail"}
		if diff := cmp.Diff(want, mail.received()); diff != "" {
			t.Errorf("received (-want +got):\n%s", diff)
		}
		elapse(26 * time.Hour)
		if n := len(store.alerts); n != 0 {
			t.Errorf("%d alerts are kept beyond the retention", n)
		}
	})
}

func TestManagerReroutes(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		store, mail, slack := newMemStore(), &receiver{}, &receiver{begin: time.Now()}
		m := manage(t, store, mail)
		policy := m.conf.Routing.Policy
		m.Reroute(Routing{Policy: policy})
		observe(t, m, poll("a"))
		elapse(time.Minute)
		if got := mail.received(); len(got) != 0 {
			t.Fatalf("a channel that was removed received %q", got)
		}
		policy.Channels = []string{"slack"}
		m.Reroute(Routing{Policy: policy, Notifiers: map[string]Notifier{"slack": slack, "mail": mail}})
		observe(t, m, poll("ab"))
		synctest.Wait()
		if want := []string{"1m0s " + today("a") + "/firing/1/mail"}; !slices.Equal(want, mail.received()) {
			t.Errorf("mail received %q, want what it was owed: %q", mail.received(), want)
		}
		if want := []string{"1m0s " + today("b") + "/firing/1/slack"}; !slices.Equal(want, slack.received()) {
			t.Errorf("slack received %q, want %q", slack.received(), want)
		}
	})
}

func TestManagerLetsAnAttemptEndWhenStopped(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		for _, c := range []struct {
			takes     time.Duration
			delivered bool
			stopped   time.Duration
		}{
			{2 * time.Second, true, 2 * time.Second},
			{time.Minute, false, 3 * time.Second},
		} {
			store := newMemStore()
			slow := notifierFunc(func(ctx context.Context) (Result, error) {
				select {
				case <-time.After(c.takes):
					return Result{}, nil
				case <-ctx.Done():
					return Result{}, ctx.Err()
				}
			})
			m := NewManager(Config{Store: store, Logger: slog.New(slog.DiscardHandler), Routing: Routing{
				Policy: Policy{Channels: []string{"mail"}}, Notifiers: map[string]Notifier{"mail": slow},
			}})
			ctx, cancel := context.WithCancel(t.Context())
			done := make(chan struct{})
			go func() {
				defer close(done)
				m.Run(ctx)
			}()
			observe(t, m, poll("a"))
			synctest.Wait()
			asked := time.Now()
			cancel()
			<-done
			if took := time.Since(asked); took != c.stopped {
				t.Errorf("an attempt of %s: stopped after %s, want %s", c.takes, took, c.stopped)
			}
			if got := store.outbox[0].state == Delivered; got != c.delivered {
				t.Errorf("an attempt of %s: delivered %v, want %v", c.takes, got, c.delivered)
			}
		}
	})
}

type notifierFunc func(ctx context.Context) (Result, error)

func (f notifierFunc) Notify(ctx context.Context, _ Notification, _ Extra) (Result, error) {
	return f(ctx)
}

func TestManagerAcknowledges(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		store, mail := newMemStore(), &receiver{}
		m := manage(t, store, mail)
		if _, err := m.Acknowledge(t.Context(), "nobody", "ann", "", 0); !errors.Is(err, ErrNotFound) {
			t.Errorf("an unknown alert: error %v, want not found", err)
		}
		observe(t, m, poll("a"))
		synctest.Wait()
		first, err := m.Acknowledge(t.Context(), today("a"), "ann", "on it", time.Hour)
		if err != nil || first.Status != Acknowledged || first.Ack.By != "ann" || first.Ack.ExpiresAt.Sub(first.Ack.At) != time.Hour {
			t.Fatalf("acknowledged: %+v, error %v", first, err)
		}
		second, err := m.Acknowledge(t.Context(), today("a"), "bob", "me too", 0)
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(first, second); diff != "" {
			t.Errorf("a second acknowledgement changed the alert (-first +second):\n%s", diff)
		}
		synctest.Wait()
		want := []string{"0s " + today("a") + "/firing/1/mail", "0s " + today("a") + "/acknowledged/3/mail"}
		if diff := cmp.Diff(want, mail.received()); diff != "" {
			t.Errorf("received (-want +got):\n%s", diff)
		}
		observe(t, m, poll(""))
		if _, err := m.Acknowledge(t.Context(), today("a"), "ann", "", 0); !errors.Is(err, ErrResolved) {
			t.Errorf("a resolved alert: error %v, want resolved", err)
		}
	})
}

// TestAcknowledgementNeverReopens interleaves the steps of an acknowledgement
// and of a resolution by two Managers on one store in every order.
func TestAcknowledgementNeverReopens(t *testing.T) {
	t.Parallel()
	for _, ackFirst := range []bool{true, false} {
		for _, interrupted := range []bool{true, false} {
			t.Run(fmt.Sprintf("acknowledgement first %v, interrupted %v", ackFirst, interrupted), func(t *testing.T) {
				t.Parallel()
				store := newMemStore()
				conf := Config{Store: store, Logger: slog.New(slog.DiscardHandler)}
				one, other := NewManager(conf), NewManager(conf)
				observe(t, one, poll("a"))
				var id string
				for id = range store.alerts {
				}
				ack := func() {
					if _, err := one.Acknowledge(t.Context(), id, "ann", "", 0); err != nil && !errors.Is(err, ErrResolved) {
						t.Error(err)
					}
				}
				resolve := func() { observe(t, other, poll("")) }
				first, second := ack, resolve
				if !ackFirst {
					first, second = resolve, ack
				}
				if interrupted { // The second happens between load and commit of the first.
					store.beforeCommit = func() {
						store.beforeCommit = nil
						second()
					}
					first()
				} else {
					first()
					second()
				}
				if a := store.alerts[id]; a.Status != Resolved || a.Ack != nil || len(store.alerts) != 1 {
					t.Errorf("the alert is %s, acknowledgement %v, one of %d; want it resolved, without, alone", a.Status, a.Ack, len(store.alerts))
				}
			})
		}
	}
}

func TestManagerGivesNewAlertsTheSummaryOfTheirMoment(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		store := newMemStore()
		var asked []time.Time
		m := NewManager(Config{
			Store: store, Logger: slog.New(slog.DiscardHandler),
			Summary: func(_ context.Context, at time.Time) (json.RawMessage, error) {
				if asked = append(asked, at); len(asked) > 1 {
					return nil, errors.New("no metrics")
				}

				return json.RawMessage(`{"system":{}}`), nil
			},
		})
		observe(t, m, poll("ab"))
		elapse(time.Minute)
		observe(t, m, poll("abc"))
		observe(t, m, poll("abc"))
		if len(asked) != 2 || asked[0] != time.Now().Add(-time.Minute).UTC() {
			t.Errorf("asked for %v, want once for each minute in which alerts fired", asked)
		}
		for id, want := range map[string]string{"a": `{"system":{}}`, "b": `{"system":{}}`, "c": ""} {
			if got := string(store.alerts[today(id)].Summary); got != want {
				t.Errorf("summary of %s: %q, want %q", id, got, want)
			}
		}
	})
}

func TestManagerReportsAStoreThatFails(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		store, mail := newMemStore(), &receiver{}
		m := manage(t, store, mail)
		broken := errors.New("disk is full")
		synctest.Wait()
		store.mu.Lock()
		store.fail = broken
		store.mu.Unlock()
		if err := m.Observe(t.Context(), poll("a")); !errors.Is(err, broken) {
			t.Errorf("Observe: error %v, want that of the store", err)
		}
		elapse(time.Minute)
		store.mu.Lock()
		store.fail = nil
		store.mu.Unlock()
		observe(t, m, poll("a"))
		elapse(storeRetry)
		if got := len(mail.received()); got != 1 {
			t.Errorf("%d notifications once the store works again, want 1", got)
		}
	})
}

func TestManagerDoesNotSendAgainWhatItCannotRecord(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		store, mail := newMemStore(), &receiver{}
		setFail := func(err error) {
			store.mu.Lock()
			defer store.mu.Unlock()
			store.fail = err
		}
		mail.answer = func(Notification) (Result, error) {
			setFail(errors.New("disk is full"))

			return Result{}, nil
		}
		m := manage(t, store, mail)
		observe(t, m, poll("a"))
		elapse(time.Minute)
		setFail(nil)
		elapse(storeRetry)
		if got := mail.received(); len(got) != 1 {
			t.Errorf("received %q, want one", got)
		}
		if got := store.alerts[today("a")].Status; got != Active {
			t.Errorf("the alert is %s, want active once the store works again", got)
		}
	})
}

func TestManagerGivesUpOnConflictsWithoutEnd(t *testing.T) {
	t.Parallel()
	store := newMemStore()
	m := NewManager(Config{Store: store, Logger: slog.New(slog.DiscardHandler)})
	observe(t, m, poll("a"))
	store.beforeCommit = func() {
		store.mu.Lock()
		defer store.mu.Unlock()
		for id, a := range store.alerts {
			a.Version++
			store.alerts[id] = a
		}
	}
	if err := m.Observe(t.Context(), poll("")); !errors.Is(err, ErrConflict) {
		t.Errorf("error %v, want a conflict", err)
	}
}

func TestManagerTestsAChannel(t *testing.T) {
	t.Parallel()
	mail := &receiver{}
	m := NewManager(Config{
		Store: newMemStore(), Logger: slog.New(slog.DiscardHandler),
		Routing: Routing{Notifiers: map[string]Notifier{"mail": mail}},
	})
	if r, err := m.Test(t.Context(), "mail"); err != nil || r.Text != "ok" || len(mail.received()) != 1 {
		t.Errorf("result %+v, error %v, received %q", r, err, mail.received())
	}
	if _, err := m.Test(t.Context(), "fax"); !errors.Is(err, ErrNotFound) {
		t.Errorf("error %v, want not found", err)
	}
}

func TestSlowSubscribersMissChanges(t *testing.T) {
	t.Parallel()
	var s subscribers
	changes, cancel := s.add()
	s.publish(make([]Transition, subscriberBuffer+10))
	if got := len(changes); got != subscriberBuffer {
		t.Errorf("%d changes wait, want %d and the rest dropped", got, subscriberBuffer)
	}
	cancel()
	cancel()
	s.publish(make([]Transition, 1))
}
