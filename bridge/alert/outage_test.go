package alert

import (
	"context"
	"errors"
	"log/slog"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
)

// withSlack adds a second channel.
func withSlack(slack Notifier) func(*Config) {
	return func(c *Config) {
		c.Routing.Policy.Channels = []string{"mail", "slack"}
		c.Routing.Notifiers["slack"] = slack
	}
}

// noLogin refuses the credentials until the time given.
func noLogin(until time.Time) func(Notification) (Result, error) {
	return func(Notification) (Result, error) {
		if time.Now().Before(until) {
			return Result{Outage: true, Login: true, Reason: "login refused (535)"}, errors.New("535 wrong password")
		}

		return Result{Text: "250 ok"}, nil
	}
}

func TestWrongCredentialsAreAnOutage(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		store, mail, slack := newMemStore(), &receiver{}, &receiver{begin: time.Now()}
		mail.answer = noLogin(time.Now().Add(3 * time.Hour))
		m := manage(t, store, mail, withSlack(slack), func(c *Config) { c.Options.DefaultCooldown = 100 * time.Hour })
		observe(t, m, poll("ab"))
		elapse(2 * time.Hour)
		if n := len(mail.received()); n > 5 {
			t.Errorf("%d logins in two hours, want no more than 5: %q", n, mail.received())
		}
		state := m.Channels()["mail"]
		if state.DownSince.IsZero() || state.LastError != "535 wrong password" || state.Reason != "login refused (535)" {
			t.Errorf("the channel is %+v, want it down, and why", state)
		}
		elapse(2 * time.Hour)
		for _, id := range []string{today("a"), today("b")} {
			kinds := kindsOf(t, store, id)
			if slices.Contains(kinds, EventRefused) || kinds[len(kinds)-1] != EventDelivered {
				t.Errorf("%s: %q, want it delivered once the password is right", id, kinds)
			}
		}
		down, up := "0s channel/mail/channel_down/946684800000/slack", "channel/mail/channel_up/946684800000/slack"
		got := slices.DeleteFunc(slack.received(), func(s string) bool { return !strings.Contains(s, "channel/") })
		if len(got) != 2 || got[0] != down || !strings.HasSuffix(got[1], up) {
			t.Errorf("slack was told %q, want once of the outage and once of its end", got)
		}
		if !m.Channels()["mail"].DownSince.IsZero() {
			t.Error("the channel is down after it delivered")
		}
	})
}

func TestAnOutageIsToldOnceOverRestarts(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		store, mail, slack := newMemStore(), &receiver{begin: time.Now()}, &receiver{begin: time.Now()}
		mail.answer = noLogin(time.Now().Add(24 * time.Hour))
		for range 5 {
			conf := Config{Store: store, Logger: slog.New(slog.DiscardHandler), Routing: Routing{
				Policy:    Policy{Channels: []string{"mail", "slack"}, SendResolved: true},
				Notifiers: map[string]Notifier{"mail": mail, "slack": slack},
			}}
			m := NewManager(conf)
			ctx, cancel := context.WithCancel(t.Context())
			done := make(chan struct{})
			go func() {
				defer close(done)
				m.Run(ctx)
			}()
			observe(t, m, poll("a"))
			elapse(10 * time.Second)
			cancel()
			<-done
		}
		if n := len(mail.received()); n != 1 {
			t.Errorf("%d logins in a minute of restarts, want one: %q", n, mail.received())
		}
		if got := slack.received(); len(got) != 2 {
			t.Errorf("slack was told %q, want of the alert and of the outage", got)
		}
	})
}

func TestAChannelThatFailsForFiveMinutesIsDown(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		store, mail, slack := newMemStore(), &receiver{}, &receiver{begin: time.Now()}
		mail.answer = func(Notification) (Result, error) { return Result{Retry: true}, errors.New("connection refused") }
		m := manage(t, store, mail, withSlack(slack))
		observe(t, m, poll("a"))
		elapse(4 * time.Minute)
		if got := slack.received(); len(got) != 1 {
			t.Errorf("after 4 minutes slack was told %q", got)
		}
		elapse(7 * time.Minute)
		if got := slack.received(); len(got) != 2 || m.Channels()["mail"].DownSince.IsZero() {
			t.Errorf("after 11 minutes slack was told %q, want of the outage too", got)
		}
	})
}

func TestACriticalAlertIsTriedEachMinute(t *testing.T) {
	t.Parallel()
	for name, result := range map[string]Result{"fails": {Retry: true}, "is gone": {Outage: true}} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				store, mail := newMemStore(), &receiver{}
				back := time.Now().Add(time.Hour)
				mail.answer = func(Notification) (Result, error) {
					if time.Now().Before(back) {
						return result, errors.New("404 not found")
					}

					return Result{}, nil
				}
				m := manage(t, store, mail)
				observe(t, m, poll("f"))
				elapse(time.Hour + UrgentRetry)
				if got := store.alerts[today("f")].Status; got != Active {
					t.Errorf("a minute after the channel works the alert is %s, want active", got)
				}
			})
		})
	}
}

func TestACriticalAlertDoesNotWaitBehindOthers(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		store, mail := newMemStore(), &receiver{}
		gone := true
		var accepted []string
		mail.answer = func(n Notification) (Result, error) {
			if gone {
				return Result{Outage: true}, errors.New("404 not found")
			}
			accepted = append(accepted, n.AlertIDs[0])

			return Result{}, nil
		}
		m := manage(t, store, mail, func(c *Config) { c.Options.DefaultCooldown = 100 * time.Hour })
		observe(t, m, poll("abc"))
		elapse(time.Hour) // It is tried every five minutes by now.
		observe(t, m, poll("abcf"))
		gone = false
		elapse(UrgentRetry + time.Second)
		if len(accepted) != 4 || accepted[0] != today("f") {
			t.Errorf("a minute later the channel took %q, want all, the critical one first", accepted)
		}
	})
}

func TestAnotherChannelNeverWaitsForOneThatHangs(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		store, slack := newMemStore(), &receiver{begin: time.Now()}
		m := manage(t, store, &receiver{}, withSlack(slack), func(c *Config) {
			c.Routing.Notifiers["mail"] = notifierFunc(func(ctx context.Context) (Result, error) {
				<-ctx.Done()

				return Result{Retry: true}, ctx.Err()
			})
		})
		observe(t, m, poll("ab"))
		elapse(time.Second)
		if got := slack.received(); len(got) != 2 {
			t.Errorf("slack received %q, want both alerts at once", got)
		}
	})
}

func TestAfterAnOutageTheNewestStateOfEachAlertIsToldOnce(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		then   string // What fires at the end of the outage.
		kind   Kind
		untold bool
	}{
		"it still fires":       {"a", KindReminder, true},
		"it resolved meantime": {"", KindResolved, true},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				const outage = 100 * time.Minute
				store, mail := newMemStore(), &receiver{}
				var accepted []Notification
				mail.answer = func(n Notification) (Result, error) {
					if time.Since(mail.begin) < outage {
						return Result{Retry: true}, errors.New("connection refused")
					}
					accepted = append(accepted, n)

					return Result{}, nil
				}
				m := manage(t, store, mail)
				observe(t, m, poll("a"))
				elapse(95 * time.Minute) // Three reminders.
				observe(t, m, poll(c.then))
				elapse(15 * time.Minute)
				if len(accepted) != 1 || accepted[0].Kind != c.kind || accepted[0].Progress.Untold != c.untold {
					t.Errorf("accepted %+v, want one %s with the news before", accepted, c.kind)
				}
				if kinds := kindsOf(t, store, today("a")); !slices.Contains(kinds, EventWithdrawn) {
					t.Errorf("the timeline does not tell of what was withdrawn: %q", kinds)
				}
			})
		})
	}
}

func TestTheEndOfAnAlertThatFiresAgainIsNotTold(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		store, mail := newMemStore(), &receiver{}
		var accepted []string
		away := false
		mail.answer = func(n Notification) (Result, error) {
			if away {
				return Result{Retry: true}, errors.New("connection refused")
			}
			accepted = append(accepted, string(n.Kind))

			return Result{}, nil
		}
		m := manage(t, store, mail)
		observe(t, m, poll("a"))
		elapse(time.Minute)
		away = true
		observe(t, m, poll(""))
		elapse(time.Minute)
		observe(t, m, poll("a"))
		away = false
		elapse(10 * time.Minute)
		if diff := cmp.Diff([]string{"firing"}, accepted); diff != "" {
			t.Errorf("accepted (-want +got):\n%s", diff)
		}
		if got := store.alerts[today("a")].Status; got != Active {
			t.Errorf("the alert is %s, want active", got)
		}
	})
}

func TestEachRecipientIsRetriedByItself(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		store, mail := newMemStore(), &receiver{}
		greylisted := time.Now().Add(5 * time.Minute)
		copies := map[string]int{}
		mail.answer = func(n Notification) (Result, error) {
			var done []string
			for _, to := range []string{"ann", "bob"} {
				if !slices.Contains(n.Progress.Done, to) && (to == "ann" || !time.Now().Before(greylisted)) {
					copies[to]++
					done = append(done, to)
				}
			}
			if len(done)+len(n.Progress.Done) < 2 {
				return Result{Partial: len(done) > 0, Retry: true, Done: done, Reason: "RCPT refused (450)"}, errors.New("bob: 450 try later")
			}

			return Result{Done: done}, nil
		}
		m := manage(t, store, mail, func(c *Config) { c.Options.DefaultCooldown = 10 * time.Hour })
		observe(t, m, poll("a"))
		elapse(time.Second)
		if a := store.alerts[today("a")]; a.Status != Active {
			t.Errorf("the alert is %s although one recipient accepted it", a.Status)
		}
		if s := m.Channels()["mail"]; !s.DownSince.IsZero() || s.Partly != "RCPT refused (450)" {
			t.Errorf("the channel is %+v, want it up and why it reaches only some", s)
		}
		observe(t, m, poll("ab"))
		elapse(time.Second)
		if copies["ann"] != 2 {
			t.Errorf("ann has %d mails, want both alerts at once", copies["ann"])
		}
		elapse(15 * time.Minute)
		if diff := cmp.Diff(map[string]int{"ann": 2, "bob": 2}, copies); diff != "" {
			t.Errorf("copies (-want +got):\n%s", diff)
		}
		if s := m.Channels()["mail"]; s.Partly != "" {
			t.Errorf("the channel reaches everybody, and says %q", s.Partly)
		}
	})
}

func TestAMessageThatIsRefusedIsTriedOnceMoreShortened(t *testing.T) {
	t.Parallel()
	for name, takesShort := range map[string]bool{"and accepted": true, "and given up": false} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				store, mail := newMemStore(), &receiver{}
				mail.answer = func(n Notification) (Result, error) {
					if n.Progress.Short && takesShort {
						return Result{}, nil
					}

					return Result{Reason: "552"}, errors.New("552 message too big")
				}
				m := manage(t, store, mail)
				observe(t, m, poll("a"))
				elapse(time.Second)
				want := EventRefused
				if takesShort {
					want = EventDelivered
				}
				kinds := kindsOf(t, store, today("a"))
				if len(mail.received()) != 2 || kinds[len(kinds)-1] != want {
					t.Errorf("received %q, timeline %q; want two attempts and %s", mail.received(), kinds, want)
				}
				if down := !m.Channels()["mail"].DownSince.IsZero(); down == takesShort {
					t.Errorf("the channel is down: %t", down)
				}
			})
		})
	}
}

func TestAnAcceptedTestEndsThePauseOfAChannel(t *testing.T) {
	t.Parallel()
	t.Run("by all", func(t *testing.T) { testEndsPause(t, Result{}, nil) })
	t.Run("by some", func(t *testing.T) {
		testEndsPause(t, Result{Retry: true, Partial: true}, errors.New("450 greylisted"))
	})
}

// testEndsPause answers a test in that way while the channel is held back.
func testEndsPause(t *testing.T, result Result, failure error) {
	t.Helper()
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		store, mail := newMemStore(), &receiver{}
		calls := 0
		mail.answer = func(n Notification) (Result, error) {
			if calls++; calls == 1 {
				return Result{Retry: true, RetryAfter: time.Hour}, errors.New("429 too many requests")
			}
			if n.Kind == KindTest {
				return result, failure
			}

			return Result{}, nil
		}
		m := manage(t, store, mail)
		observe(t, m, poll("a"))
		elapse(time.Minute)
		if s := m.Channels()["mail"]; s.HeldUntil.Sub(mail.begin) != lastRetry {
			t.Errorf("held for %s, want %s of the hour that the receiver asked for", s.HeldUntil.Sub(mail.begin), lastRetry)
		}
		if _, err := m.Test(t.Context(), "mail"); !errors.Is(err, failure) {
			t.Fatal(err)
		}
		elapse(time.Second)
		if got := store.alerts[today("a")].Status; got != Active {
			t.Errorf("the alert is %s, want it told once the test was accepted: %q", got, mail.received())
		}
	})
}

func TestKeysBeginWithTheInstallation(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		keys := map[string]bool{}
		for _, id := range []string{"one", "other"} {
			mail := &receiver{}
			mail.answer = func(n Notification) (Result, error) {
				if n.Installation != id {
					t.Errorf("installation %q, want %q", n.Installation, id)
				}
				keys[n.Key] = true

				return Result{Retry: len(mail.got) == 1}, map[bool]error{true: errors.New("busy")}[len(mail.got) == 1]
			}
			m := manage(t, newMemStore(), mail, func(c *Config) { c.Installation = id })
			observe(t, m, poll("a"))
			elapse(time.Minute)
		}
		want := map[string]bool{"one/" + today("a") + "/firing/1/mail": true, "other/" + today("a") + "/firing/1/mail": true}
		if diff := cmp.Diff(want, keys); diff != "" {
			t.Errorf("keys (-want +got):\n%s", diff)
		}
	})
}

func TestNothingIsGivenUpBecauseTheClockWasSet(t *testing.T) {
	t.Parallel()
	var u uptime
	expect := func(what string, passed time.Duration, want bool) {
		t.Helper()
		if got := u.settled(passed); got != want {
			t.Errorf("%s: settled %t, want %t", what, got, want)
		}
	}
	look := func(clock time.Time, passed time.Duration, want bool) {
		t.Helper()
		if got := u.look(clock, passed); got != want {
			t.Errorf("at %s, after %s: set %t, want %t", clock, passed, got, want)
		}
	}
	expect("never looked", time.Hour, false)
	look(begin, 0, false)
	expect("just started", time.Second, false)
	look(begin.Add(settling), settling, false)
	expect("ten minutes later", settling, true)
	look(begin.Add(48*time.Hour), settling+time.Minute, true)
	expect("the clock was set to two days later", settling+time.Minute, false)
	look(begin, settling+2*time.Minute, true)
	expect("and back again", settling+2*time.Minute, false)
	look(begin.Add(settling), 2*settling+2*time.Minute, false)
	expect("and left alone", 2*settling+2*time.Minute, true)
}
