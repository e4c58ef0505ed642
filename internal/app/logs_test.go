package app

import (
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
