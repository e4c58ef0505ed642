package sqlite

import (
	"context"
	"log/slog"
	"path/filepath"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"llmwatch/bridge/alert"
)

// told notes the keys of what is delivered.
type told struct {
	mu   sync.Mutex
	keys []string
}

func (n *told) Notify(_ context.Context, note alert.Notification, _ alert.Extra) (alert.Result, error) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.keys = append(n.keys, note.Key)

	return alert.Result{}, nil
}

// TestARestartForgetsNothing has every minute spent by another process: each
// opens the database anew. Cooldowns, acknowledgements, the window of the rate
// limit and owed resolutions must go on as in one.
func TestARestartForgetsNothing(t *testing.T) {
	t.Parallel()
	lives := func(t *testing.T, restarts bool) []string {
		t.Helper()
		path, n := filepath.Join(t.TempDir(), "llmwatch.db"), &told{}
		synctest.Test(t, func(t *testing.T) {
			var stop func()
			var m *alert.Manager
			start := func() {
				store, err := Open(t.Context(), path)
				if err != nil {
					t.Fatal(err)
				}
				m = alert.NewManager(alert.Config{
					Store: store, Logger: slog.New(slog.DiscardHandler), Options: alert.Options{DefaultCooldown: 10 * time.Minute},
					TickEvery: 13700 * time.Millisecond, // Never in the moment of a snapshot: the order would be open.
					Routing: alert.Routing{
						Policy:    alert.Policy{Channels: []string{"mail"}, MaxPerHour: 3, SendResolved: true},
						Notifiers: map[string]alert.Notifier{"mail": n},
					},
				})
				ctx, cancel := context.WithCancel(t.Context())
				var running sync.WaitGroup
				running.Go(func() { m.Run(ctx) })
				stop = func() {
					cancel()
					running.Wait()
					if err := store.Close(); err != nil {
						t.Error(err)
					}
				}
			}
			start()
			for minute := range 80 {
				firing := []string{"acknowledged", "steady"}
				if minute%4 == 0 { // It flaps.
					firing = append(firing, "flapping")
				}
				if minute > 30 {
					firing = append(firing, "late") // The window is full by then.
				}
				if minute > 70 {
					firing = []string{"steady"}
				}
				s := alert.Snapshot{Complete: true, Missing: func(*alert.Alert) alert.Verdict { return alert.Verdict{Ended: true} }}
				for _, name := range firing {
					s.Alerts = append(s.Alerts, alert.Seen{Labels: map[string]string{"alertname": name}, StartsAt: time.Now()})
				}
				if err := m.Observe(t.Context(), s); err != nil {
					t.Fatal(err)
				}
				synctest.Wait()
				if minute == 1 {
					if _, err := m.Acknowledge(t.Context(), "acknowledged_20000101", "ann", "", 0); err != nil {
						t.Fatal(err)
					}
					synctest.Wait()
				}
				if restarts {
					stop()
					start()
				}
				time.Sleep(time.Minute)
			}
			stop()
		})

		return n.keys
	}
	want, got := lives(t, false), lives(t, true)
	if len(want) < 6 {
		t.Errorf("only %q happened", want)
	}
	if !slices.Equal(want, got) {
		t.Errorf("with a restart every minute people were told\n%q\nwithout\n%q", got, want)
	}
}
