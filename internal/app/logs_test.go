package app

import (
	"errors"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/prometheus/client_golang/prometheus"

	"llmwatch/bridge/alert"
	"llmwatch/bridge/logstore"
	"llmwatch/bridge/logstore/entry"
)

func TestMessagesQuoteWhatMayConcernTheAlert(t *testing.T) {
	store, err := logstore.Open(logstore.Config{Dir: t.TempDir(), Registerer: prometheus.NewRegistry()})
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = store.Close() }() // Nothing is written after the last append.
	until := time.Date(2026, 11, 24, 12, 0, 0, 0, time.UTC)
	var b entry.Batch
	at := func(before time.Duration, level entry.Level, logger, message, path string) {
		e := entry.Entry{Time: until.Add(-before).UnixNano(), Level: level, Logger: logger, Message: message}
		if path != "" {
			e.Fields = []entry.Field{{Name: "path", Value: path}}
		}
		b.Add(&e)
	}
	at(troubleWindow+1, entry.Error, "old", "too old", "")
	at(-time.Second, entry.Error, "new", "too new", "")
	at(0, entry.Critical, "db", "down\nTraceback", "")
	at(time.Second, entry.Info, "api", "no trouble", "")
	at(2*time.Second, entry.Error, "llmwatch.poller", "own", "")
	at(time.Minute, entry.Warning, "api.requests", "slow", "/v1/generate")
	at(2*time.Minute, entry.Error, "apis", "another", "/v1/embed")
	if err := store.Append(t.Context(), &b); err != nil {
		t.Fatal(err)
	}
	const (
		down = "2026-11-24T12:00:00.000Z CRITICAL db: down"
		own  = "2026-11-24T11:59:58.000Z ERROR llmwatch.poller: own"
		slow = "2026-11-24T11:59:00.000Z WARNING api.requests: slow"
		last = "2026-11-24T11:58:00.000Z ERROR apis: another"
	)
	for name, tc := range map[string]struct {
		labels map[string]string
		want   []string
	}{
		"without a hint all of others":  {nil, []string{down, slow, last}},
		"a logger and those below it":   {map[string]string{"logger": "api"}, []string{slow}},
		"own lines where asked for":     {map[string]string{"logger": "llmwatch"}, []string{own}},
		"a path":                        {map[string]string{"http_route": "/v1/embed"}, []string{last}},
		"a template of paths is no one": {map[string]string{"http_route": "/v1/{model}"}, []string{down, slow, last}},
		"nothing matches":               {map[string]string{"path": "/elsewhere"}, nil},
	} {
		t.Run(name, func(t *testing.T) {
			got, err := (&logs{store: store}).trouble(t.Context(), &alert.Alert{Labels: tc.labels}, until)
			if err != nil || !cmp.Equal(tc.want, got) {
				t.Errorf("%v, %q, want %q", err, got, tc.want)
			}
		})
	}

	var many entry.Batch
	for range 2 * troubleLines {
		many.Add(&entry.Entry{Time: until.UnixNano(), Level: entry.Error, Logger: "loop", Message: "again"})
	}
	if err := store.Append(t.Context(), &many); err != nil {
		t.Fatal(err)
	}
	if got, err := (&logs{store: store}).trouble(t.Context(), &alert.Alert{}, until); err != nil || len(got) != troubleLines {
		t.Errorf("%d lines, %v, want %d", len(got), err, troubleLines)
	}
}

func TestConfiguredFilesAreFollowedAndRememberedOverRestarts(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "app.log")
	cfg := listening(CommandServe)
	cfg.Server.DataDir = filepath.Join(dir, "data")
	cfg.Logs.Files = []string{path + "*"}
	write := func(text string) {
		f, err := os.OpenFile(path, os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o600)
		if err != nil {
			t.Fatal(err)
		}
		_, err = f.WriteString(text)
		if err := errors.Join(err, f.Close()); err != nil {
			t.Fatal(err)
		}
	}
	write("before the first start\n")
	for round, lines := range []string{"one\n{\"message\":\"two\",\"password\":\"hunter2\"}\n", "three\n"} {
		a := &App{logger: slog.New(slog.DiscardHandler)}
		registry := prometheus.NewRegistry()
		l, err := a.startLogs(cfg, newOwnLog(slog.DiscardHandler), registry, newIngest(cfg.Limits.Limits, a.logger, registry))
		if err != nil {
			t.Fatal(err)
		}
		if round == 0 { // Let it note where the file ends.
			waitUntil(t, func() bool {
				_, err := os.Stat(filepath.Join(cfg.logsDir(), "followed", "checkpoint"))
				return err == nil
			})
		}
		write(lines)
		want := 2 + round
		waitUntil(t, func() bool { return l.store.Stats().Entries >= uint64(want) })
		if err := a.stop(); err != nil {
			t.Fatal(err)
		}
	}
	store, err := logstore.Open(logstore.Config{Dir: cfg.logsDir()})
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = store.Close() }() // Nothing was written.
	var got []string
	_, err = store.Search(t.Context(), logstore.Query{Oldest: true}, func(_ entry.Position, e *entry.Entry) error {
		password, _ := e.Text("password")
		got = append(got, strings.TrimSpace(e.Message+" "+password))

		return nil
	})
	if want := []string{"one", "two [REDACTED]", "three"}; err != nil || !cmp.Equal(want, got) {
		t.Errorf("%v, kept are %q", err, got)
	}
}

// waitUntil waits for what other goroutines do.
func waitUntil(t *testing.T, done func() bool) {
	t.Helper()

	for deadline := time.Now().Add(20 * time.Second); !done(); time.Sleep(10 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatal("it did not happen within 20s")
		}
	}
}
