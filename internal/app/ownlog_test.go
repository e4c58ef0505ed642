package app

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"log/slog"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"

	"llmwatch/bridge/logstore/entry"
)

// keptLines is a store that keeps entries as JSON.
type keptLines struct {
	mu    sync.Mutex
	lines []string
	fail  error
}

func (k *keptLines) Append(_ context.Context, b *entry.Batch) error {
	k.mu.Lock()
	defer k.mu.Unlock()

	if k.fail != nil {
		return k.fail
	}
	var e entry.Entry
	for i := range b.Len() {
		b.At(i, &e)
		k.lines = append(k.lines, string(entry.AppendJSON(nil, &e)))
	}

	return nil
}

func (k *keptLines) AppendOnce(context.Context, string, uint64, *entry.Batch) (bool, error) {
	return false, errors.New("the own log is not numbered")
}

func (k *keptLines) set(err error) {
	k.mu.Lock()
	defer k.mu.Unlock()

	k.fail = err
}

func (k *keptLines) all(t *testing.T) []map[string]any {
	t.Helper()
	k.mu.Lock()
	defer k.mu.Unlock()

	var all []map[string]any
	for _, line := range k.lines {
		var e map[string]any
		if err := json.Unmarshal([]byte(line), &e); err != nil {
			t.Fatal(err)
		}
		all = append(all, e)
	}

	return all
}

func TestOwnLogIsShownAndKeptUnderItsName(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var shown bytes.Buffer
		own := newOwnLog(slog.NewJSONHandler(&shown, nil))
		log := slog.New(own.handler)
		log.Info("early", "n", 1)
		var store keptLines
		stop := own.start(&store, prometheus.NewRegistry())
		log.With("component", "rules").Warn("part", "password", "hunter2")
		log.With("logger", "audit").Info("audited")
		log.Debug("not shown")
		time.Sleep(2 * ownEvery)
		if n := len(store.all(t)); n != 3 {
			t.Fatalf("%d lines are kept", n)
		}
		log.Info("late")
		if err := stop(); err != nil {
			t.Fatal(err)
		}
		var got []string
		for _, e := range store.all(t) {
			got = append(got, e["logger"].(string)+" "+e["level"].(string)+" "+e["message"].(string))
		}
		if want := "llmwatch INFO early, llmwatch.rules WARNING part, audit INFO audited, llmwatch INFO late"; strings.Join(got, ", ") != want {
			t.Errorf("kept: %s", strings.Join(got, ", "))
		}
		part := store.all(t)[1]
		if _, twice := part["component"]; twice || part["password"] != "[REDACTED]" {
			t.Errorf("kept: %v", part)
		}
		if n := strings.Count(shown.String(), "\n"); n != 4 {
			t.Errorf("%d lines are shown", n)
		}
	})
}

func TestOwnLogThatCannotBeKeptIsShownAndNeverBlocks(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var shown bytes.Buffer
		own := newOwnLog(slog.NewTextHandler(&shown, nil))
		store := keptLines{fail: errors.New("no space left on device")}
		stop := own.start(&store, prometheus.NewRegistry())
		log := slog.New(own.handler)
		log.Info("before")
		time.Sleep(10 * ownEvery)
		synctest.Wait()
		if n := strings.Count(shown.String(), "no space left on device"); n != 1 {
			t.Errorf("the failure is shown %d times", n)
		}
		long := strings.Repeat("x", 10_000)
		for range 1000 { // 10 MB.
			log.Info("long", "text", long)
		}
		store.set(nil)
		time.Sleep(2 * ownEvery)
		synctest.Wait()
		dropped := testutil.ToFloat64(own.dropped)
		kept := store.all(t)
		if kept[0]["message"] != "before" || len(kept)+int(dropped) != 1001 || dropped == 0 {
			t.Errorf("%d are kept, %v dropped", len(kept), dropped)
		}
		if !strings.Contains(shown.String(), "is kept again") {
			t.Error("that lines are kept again is not shown")
		}
		if err := stop(); err != nil {
			t.Fatal(err)
		}
	})
}
