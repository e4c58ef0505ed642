package engine

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/prometheus/common/model"
)

// TestChangedIntervalLeavesNoGap holds that a target whose scrape interval changes,
// as that of this process does after the start, keeps its series: the loop that
// ends must not mark them as gone before the loop that begins has scraped.
func TestChangedIntervalLeavesNoGap(t *testing.T) {
	cfg, value, _ := testConfig(t)
	value.Set(21)
	cfg.CollectionInterval, cfg.CheckInterval = time.Minute, time.Minute
	begin := time.Now()
	_, q := start(t, cfg)
	eventually(t, q, "test:double", 42)

	// The warm-up ends, the targets are synchronised within 5 s, and an ended loop
	// marks its series after two of its intervals.
	tick := time.NewTicker(250 * time.Millisecond)
	defer tick.Stop()
	for time.Since(begin) < warmUp+7*time.Second {
		<-tick.C
		for _, query := range []string{"test_value", "test:double", "up"} {
			got, _, err := q.Query(t.Context(), query, time.Now())
			if v, ok := got.(model.Vector); err != nil || !ok || len(v) != 1 {
				t.Fatalf("%s after the start, %s is %v (%v), want one series", time.Since(begin).Round(time.Millisecond), query, got, err)
			}
		}
	}
}

// TestReloadWithAnotherIntervalLeavesNoGap is the same for a user's own jobs.
func TestReloadWithAnotherIntervalLeavesNoGap(t *testing.T) {
	cfg, _, _ := testConfig(t)
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { fmt.Fprintln(w, "users_metric 1") }))
	defer server.Close()
	target := server.Listener.Addr().String()
	cfg.ConfigFile = filepath.Join(t.TempDir(), "prometheus.yml")
	write := func(interval string) {
		text := fmt.Sprintf("scrape_configs: [{job_name: users, scrape_interval: %s, scrape_timeout: %s, static_configs: [{targets: [%q]}]}]\n",
			interval, interval, target)
		if err := os.WriteFile(cfg.ConfigFile, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	write("500ms")
	e, q := start(t, cfg)
	eventually(t, q, "users_metric", 1)
	write("1m")
	if err := e.Reload(); err != nil {
		t.Fatal(err)
	}
	begin := time.Now()
	tick := time.NewTicker(250 * time.Millisecond)
	defer tick.Stop()
	for time.Since(begin) < 8*time.Second {
		<-tick.C
		got, _, err := q.Query(t.Context(), "users_metric", time.Now())
		if v, ok := got.(model.Vector); err != nil || !ok || len(v) != 1 {
			t.Fatalf("%s after the reload it is %v (%v), want one series", time.Since(begin).Round(time.Millisecond), got, err)
		}
	}
}
