package app

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/prometheus/client_golang/prometheus"

	"llmwatch/bridge/logstore"
	"llmwatch/bridge/logstore/entry"
)

func TestMessagesQuoteTheNewestErrors(t *testing.T) {
	store, err := logstore.Open(logstore.Config{Dir: t.TempDir(), Registerer: prometheus.NewRegistry()})
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = store.Close() }() // Nothing is written after the last append.
	until := time.Date(2026, 11, 24, 12, 0, 0, 0, time.UTC)
	var b entry.Batch
	for _, e := range []entry.Entry{
		{Time: until.Add(-errorWindow - 1).UnixNano(), Level: entry.Error, Message: "too old"},
		{Time: until.Add(time.Second).UnixNano(), Level: entry.Error, Message: "too new"},
		{Time: until.UnixNano(), Level: entry.Critical, Logger: "db", Message: "down\nTraceback"},
		{Time: until.Add(-time.Second).UnixNano(), Level: entry.Warning, Message: "no error"},
		{Time: until.Add(-time.Minute).UnixNano(), Level: entry.Error, Logger: "api", Message: "failed"},
	} {
		b.Add(&e)
	}
	if err := store.Append(t.Context(), &b); err != nil {
		t.Fatal(err)
	}
	got, err := (&logs{store: store}).newestErrors(t.Context(), until)
	want := []string{"2026-11-24T12:00:00.000Z CRITICAL db: down", "2026-11-24T11:59:00.000Z ERROR api: failed"}
	if err != nil || !cmp.Equal(want, got) {
		t.Errorf("%v, %q", err, got)
	}
}
