package sqlite

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"llmwatch/bridge/alert"
)

// The test binary runs itself with crashEnv naming the database and pointEnv the
// point where it kills itself.
const (
	crashEnv = "LLMWATCH_TEST_CRASH_DATABASE"
	pointEnv = "LLMWATCH_TEST_CRASH_POINT"
)

// The points in the order in which a delivery passes them.
const (
	beforeCommit = "before the alert is stored"
	beforeSend   = "before the notification is sent"
	beforeMark   = "between send and mark"
	afterMark    = "after the mark"
	nowhere      = "nowhere"
	// writing never ends: it stores batches until it is killed from outside.
	writing = "while it writes"
)

// die ends the process as a power switch does.
func die(reached string) {
	if os.Getenv(pointEnv) == reached {
		if err := syscall.Kill(os.Getpid(), syscall.SIGKILL); err != nil {
			panic(err)
		}
		select {}
	}
}

// crashStore kills the process around the commits of a Store.
type crashStore struct{ *Store }

func (s crashStore) Commit(ctx context.Context, c alert.Changes) error {
	if len(c.Outcomes) > 0 {
		die(beforeMark)
	} else {
		die(beforeCommit)
	}
	err := s.Store.Commit(ctx, c)
	if len(c.Outcomes) > 0 {
		die(afterMark)
	}

	return err
}

// fileReceiver notes the key of each notification in a file.
type fileReceiver string

func (f fileReceiver) Notify(_ context.Context, n alert.Notification, _ alert.Extra) (alert.Result, error) {
	die(beforeSend)
	file, err := os.OpenFile(string(f), os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o600)
	if err != nil {
		return alert.Result{}, err
	}
	_, err = fmt.Fprintln(file, n.Key)

	return alert.Result{}, errors.Join(err, file.Close())
}

// crash is the process that dies: it sees one alert fire, and delivers. Where
// nothing kills it, it ends when nothing is pending.
func crash(path string) {
	ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
	defer cancel()
	store, err := Open(ctx, path)
	if err != nil {
		panic(err)
	}
	if os.Getenv(pointEnv) == writing {
		writeForEver(ctx, store)
	}
	m := alert.NewManager(alert.Config{
		Store: crashStore{store}, Logger: slog.New(slog.NewTextHandler(os.Stderr, nil)),
		Routing: alert.Routing{
			Policy:    alert.Policy{Channels: []string{"email"}},
			Notifiers: map[string]alert.Notifier{"email": fileReceiver(path + ".received")},
		},
		Settled: func(string, alert.Kind, alert.DeliveryState) { cancel() },
	})
	if err := m.Observe(ctx, firing(1)); err != nil {
		panic(err)
	}
	if backlog, err := store.Backlog(ctx); err != nil || len(backlog) == 0 {
		cancel()
	}
	m.Run(ctx)
}

// batch is how many alerts writeForEver stores in one commit.
const batch = 50

func writeForEver(ctx context.Context, s *Store) {
	for {
		last, err := s.LastNumber(ctx, alert.IDBase("a", noon))
		if err != nil {
			panic(err)
		}
		var c alert.Changes
		for i := range batch {
			a := fired("a", last+i+1, noon)
			c.Transitions = append(c.Transitions, alert.Transition{
				Alert: a, Events: []alert.Event{{AlertID: a.ID, At: noon, Kind: alert.EventFired}},
			})
			c.Notifications = append(c.Notifications, alert.Notification{Key: a.ID, Channel: "email", AlertIDs: []string{a.ID}, OwedAt: noon})
		}
		if err := s.Commit(ctx, c); err != nil {
			panic(err)
		}
	}
}

// command runs the test binary as the process that dies at that point.
func command(t *testing.T, path, point string) *exec.Cmd {
	t.Helper()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.CommandContext(t.Context(), self)
	cmd.Env = append(os.Environ(), crashEnv+"="+path, pointEnv+"="+point)
	cmd.Stderr = t.Output()

	return cmd
}

func TestACrashNeitherLosesNorRepeats(t *testing.T) {
	t.Parallel()
	for point, times := range map[string]int{
		beforeCommit: 1,
		beforeSend:   1,
		beforeMark:   2, // The only place where a repetition is possible.
		afterMark:    1,
	} {
		t.Run(point, func(t *testing.T) {
			t.Parallel()
			path := filepath.Join(t.TempDir(), "llmwatch.db")
			if err := command(t, path, point).Run(); err == nil {
				t.Fatal("the process did not die")
			}
			if err := command(t, path, nowhere).Run(); err != nil {
				t.Fatal(err)
			}
			received, err := os.ReadFile(path + ".received")
			if err != nil {
				t.Fatal(err)
			}
			keys := strings.Fields(string(received))
			if len(keys) != times {
				t.Errorf("received %q, want it %d times", keys, times)
			}
			for _, key := range keys {
				if key != keys[0] {
					t.Errorf("received %q, want the same key each time", keys)
				}
			}
			s := openAt(t, path)
			counts, err := s.Count(t.Context())
			if err != nil || len(counts) != 1 || counts[0].Status != alert.Active || counts[0].Alerts != 1 {
				t.Errorf("stored %v, error %v; want one active alert", counts, err)
			}
		})
	}
}

// TestAKilledCommitLeavesNothing kills a process while it stores, and looks for
// halves: alerts without event, or notifications without alert.
func TestAKilledCommitLeavesNothing(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "llmwatch.db")
	var alerts int
	for _, delay := range []time.Duration{20, 35, 50, 80, 120, 200} {
		cmd := command(t, path, writing)
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		kill := time.AfterFunc(delay*time.Millisecond, func() { _ = cmd.Process.Kill() })
		err := cmd.Wait()
		kill.Stop()
		if err == nil {
			t.Fatal("the process ended before it was killed")
		}
		s := openAt(t, path)
		var halves int
		if err := s.db.Read.QueryRowContext(t.Context(), `SELECT count(*), coalesce(sum(
			(SELECT count(*) FROM events WHERE alert_id = a.id) != 1 OR (SELECT count(*) FROM outbox WHERE key = a.id) != 1
			), 0) FROM alerts AS a`).Scan(&alerts, &halves); err != nil {
			t.Fatal(err)
		}
		if halves > 0 || alerts%batch != 0 {
			t.Errorf("killed after %d ms: %d alerts in batches of %d, of which %d are without event or notification", delay, alerts, batch, halves)
		}
	}
	if alerts == 0 {
		t.Error("no process lived long enough to store anything")
	}
}
