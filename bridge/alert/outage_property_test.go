package alert

import (
	"context"
	"errors"
	"log/slog"
	"math/rand/v2"
	"os"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

// failing is a channel that fails in some way, or does not.
type failing struct {
	t     *testing.T
	store *memStore

	mu       sync.Mutex // Guards the fields below.
	result   *Result    // Nil while everything is accepted.
	up       time.Time  // Since when it is.
	accepted map[string]bool
}

func (f *failing) set(r *Result) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.result = r; r == nil {
		f.up = time.Now()
	}
}

func (f *failing) Notify(_ context.Context, n Notification, _ Extra) (Result, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.result != nil {
		return *f.result, errors.New("not now")
	}
	if f.accepted[n.Key] {
		f.t.Errorf("%s is told twice", n.Key)
	}
	f.accepted[n.Key] = true
	for _, a := range n.Alerts {
		f.store.mu.Lock()
		now := f.store.alerts[a.ID].Status
		f.store.mu.Unlock()
		if n.tellsEnd() && now != Resolved {
			f.t.Errorf("%s tells that %s ended, and it is %s", n.Key, a.ID, now)
		}
	}

	return Result{}, nil
}

// patience is how long a critical alert may be untold although a channel works.
const patience = 2 * time.Minute

// TestWhateverChannelsDo has two channels fail and recover, alerts come and go,
// and the program start anew: no false end is told, nothing twice, and no critical
// alert stays untold while a channel works.
func TestWhateverChannelsDo(t *testing.T) {
	t.Parallel()
	seeds := uint64(120)
	if os.Getenv("LLMWATCH_SOAK") != "" {
		seeds = 3000
	}
	for seed := range seeds {
		synctest.Test(t, func(t *testing.T) {
			defer func() {
				if t.Failed() {
					t.Logf("with the seed %d", seed)
				}
			}()
			random := rand.New(rand.NewPCG(seed, 2))
			store := newMemStore()
			channels := []string{"mail", "slack"}
			fs := make([]*failing, len(channels)) // In this order, so that a seed tells all.
			for i := range fs {
				fs[i] = &failing{t: t, store: store, up: time.Now(), accepted: map[string]bool{}}
			}
			var m *Manager
			var stop func()
			start := func() {
				m = NewManager(Config{
					Store: store, Logger: slog.New(slog.DiscardHandler), Options: Options{DefaultCooldown: 10 * time.Minute},
					Routing: Routing{
						Policy:    Policy{Channels: channels, SendResolved: true, MaxPerHour: 5},
						Notifiers: map[string]Notifier{channels[0]: fs[0], channels[1]: fs[1]},
					},
				})
				ctx, cancel := context.WithCancel(t.Context())
				done := make(chan struct{})
				go func() {
					defer close(done)
					m.Run(ctx)
				}()
				stop = func() {
					cancel()
					<-done
				}
			}
			start()
			firing := ""
			for range 6 * 60 { // Each minute of six hours.
				if random.IntN(4) == 0 {
					firing = strings.Map(func(name rune) rune {
						if random.IntN(2) == 0 {
							return name
						}

						return -1
					}, "abcdf")
				}
				for _, f := range fs {
					switch random.IntN(25) {
					case 0:
						f.set(&Result{Retry: true})
					case 1:
						f.set(&Result{Outage: true})
					case 2, 3:
						f.set(nil)
					}
				}
				observe(t, m, poll(firing))
				if random.IntN(30) == 0 {
					synctest.Wait()
					stop()
					start()
				}
				elapse(time.Minute)
				checkTold(t, store, fs)
			}
			stop()
		})
	}
}

// checkTold fails where a critical alert has waited although a channel works.
func checkTold(t *testing.T, store *memStore, fs []*failing) {
	t.Helper()
	for _, f := range fs {
		f.mu.Lock()
		works, since := f.result == nil, f.up
		f.mu.Unlock()
		for id, a := range store.alerts {
			due := a.FiredAt
			if a.Flaps > 0 {
				due = a.StartsAt
			}
			if due.Before(since) {
				due = since
			}
			if works && a.Severity == Critical && a.Status == Triggered && time.Since(due) > patience {
				for _, p := range store.outbox {
					if p.state == Unsettled {
						t.Logf("%s, owed at %s: %d attempts, next at %s", p.Notification.Key, p.Notification.OwedAt, p.Attempts, p.nextTry)
					}
				}
				for _, e := range store.events {
					if e.AlertID == id {
						t.Logf("%s %s %s %s", e.At, e.Kind, e.Channel, e.Text)
					}
				}
				t.Fatalf("at %s %s could be told for %s, and was not", time.Now(), id, time.Since(due))
			}
		}
	}
}
