package sqlite

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"syscall"
	"testing"
	"time"

	"llmwatch/bridge/alert"
	"llmwatch/internal/testtool"
)

func manager(s alert.Store, policy alert.Policy) *alert.Manager {
	return alert.NewManager(alert.Config{Store: s, Logger: slog.New(slog.DiscardHandler), Routing: alert.Routing{Policy: policy}})
}

// firing is a complete snapshot of n alerts.
func firing(n int) alert.Snapshot {
	s := alert.Snapshot{Complete: true, Missing: func(*alert.Alert) alert.Verdict { return alert.Verdict{Ended: true} }}
	for i := range n {
		s.Alerts = append(s.Alerts, alert.Seen{
			Labels: map[string]string{
				"alertname": "high_cpu_usage", "severity": "high", "instance": fmt.Sprintf("host-%05d:9100", i), "job": "node",
			},
			Annotations: map[string]string{
				"summary":     "CPU usage is consistently high",
				"description": "CPU usage was over 80 % for 5 minutes", "runbook_url": "https://localhost/runbooks/high_cpu_usage",
			},
			StartsAt: time.Now().Add(-time.Hour), For: 5 * time.Minute,
		})
	}

	return s
}

// processorTime is what this process has used so far.
func processorTime(t *testing.T) time.Duration {
	t.Helper()

	var usage syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &usage); err != nil {
		t.Fatal(err)
	}

	return time.Duration(usage.Utime.Nano() + usage.Stime.Nano())
}

// maxObserve is how long 10,000 new alerts may take.
const maxObserve = 2 * time.Second

// It does not run in parallel with others, since it measures time.
func TestTenThousandAlertsAreStoredInTime(t *testing.T) {
	s := open(t)
	m := manager(s, alert.Policy{Channels: []string{"email", "slack"}, MaxPerHour: 10})
	for _, what := range []string{"new", "unchanged"} {
		begin, worked := time.Now(), processorTime(t)
		if err := m.Observe(t.Context(), firing(10_000)); err != nil {
			t.Fatal(err)
		}
		// Where others keep the processors busy, the time that this took of them
		// is what it would take alone.
		took := min(time.Since(begin), processorTime(t)-worked)
		t.Logf("10,000 %s alerts: %s", what, took)
		if took > maxObserve && !testtool.Race() {
			t.Errorf("10,000 %s alerts took %s, want %s at most", what, took, maxObserve)
		}
	}
	counts, err := s.Count(t.Context())
	if err != nil || len(counts) != 1 || counts[0].Alerts != 10_000 {
		t.Errorf("stored %v, error %v; want 10,000 triggered", counts, err)
	}
	if backlog, err := s.Backlog(t.Context()); err != nil || backlog["email"] != 10 || backlog["slack"] != 10 {
		t.Errorf("backlog %v, error %v; want 10 on each channel", backlog, err)
	}
}

// TestManyWritersOnOneDatabase lets two Managers, as two processes would have
// them, acknowledge and observe the same alerts at once.
func TestManyWritersOnOneDatabase(t *testing.T) {
	t.Parallel()
	path := t.TempDir() + "/llmwatch.db"
	one, other := openAt(t, path), openAt(t, path)
	observer, people := manager(one, alert.Policy{Channels: []string{"email"}}), manager(other, alert.Policy{})
	const n = 20
	ctx := t.Context()
	if err := observer.Observe(ctx, firing(n)); err != nil {
		t.Fatal(err)
	}
	page, err := one.List(ctx, alert.Filter{})
	if err != nil || len(page.Alerts) != n {
		t.Fatalf("%d alerts, error %v", len(page.Alerts), err)
	}
	var all sync.WaitGroup
	for _, a := range page.Alerts {
		all.Go(func() {
			if _, err := people.Acknowledge(ctx, a.ID, "ann", "", 0); err != nil && !errors.Is(err, alert.ErrResolved) {
				t.Error(err)
			}
		})
	}
	for i := n - 1; i >= 0; i -= 4 {
		if err := observer.Observe(ctx, firing(i)); err != nil && !errors.Is(err, alert.ErrConflict) {
			t.Error(err)
		}
	}
	all.Wait()
	if err := observer.Observe(ctx, firing(0)); err != nil {
		t.Fatal(err)
	}
	page, err = one.List(ctx, alert.Filter{})
	if err != nil {
		t.Fatal(err)
	}
	for _, a := range page.Alerts {
		if a.Status != alert.Resolved || a.Ack != nil {
			t.Errorf("%s is %s, acknowledged by %v; want it resolved", a.ID, a.Status, a.Ack)
		}
	}
}

func BenchmarkObserveTenThousandUnchanged(b *testing.B) {
	s := open(b)
	m := manager(s, alert.Policy{})
	snapshot := firing(10_000)
	if err := m.Observe(context.Background(), snapshot); err != nil {
		b.Fatal(err)
	}
	for b.Loop() {
		if err := m.Observe(context.Background(), snapshot); err != nil {
			b.Fatal(err)
		}
	}
}
