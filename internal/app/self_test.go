package app

import (
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"

	"llmwatch/bridge"
	"llmwatch/bridge/alert"
	"llmwatch/bridge/alert/sqlite"
	"llmwatch/bridge/notify"
)

func TestDataDisk(t *testing.T) {
	c := DefaultConfig(CommandServe)
	c.Server.DataDir, c.Metrics.DBPath = t.TempDir(), filepath.Join(t.TempDir(), "not there yet")
	registry := prometheus.NewPedanticRegistry()
	registry.MustRegister(newDiskCollector(&c))
	families, err := registry.Gather()
	if err != nil {
		t.Fatal(err)
	}
	values := map[string]float64{}
	for _, f := range families {
		if len(f.GetMetric()) != 1 || f.GetMetric()[0].GetLabel()[0].GetValue() != "data" {
			t.Errorf("%s is %v, want the one of data", f.GetName(), f.GetMetric())
		}
		values[f.GetName()] = f.GetMetric()[0].GetGauge().GetValue()
	}
	if free, size := values["llmwatch_data_disk_available_bytes"], values["llmwatch_data_disk_size_bytes"]; free <= 0 || size < free {
		t.Errorf("%v bytes of %v are free", free, size)
	}
}

func TestHeartbeat(t *testing.T) {
	beat := make(chan struct{}, 1)
	server := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {
		select {
		case beat <- struct{}{}:
		default:
		}
	}))
	defer server.Close()
	c := DefaultConfig(CommandServe)
	c.Alerts.HeartbeatURL, c.Alerts.CheckInterval = notify.Secret(server.URL), time.Millisecond
	a := &App{logger: silent}
	a.startHeartbeat(&c, prometheus.NewRegistry())
	defer func() {
		if err := a.stop(); err != nil {
			t.Error(err)
		}
	}()
	select {
	case <-beat:
	case <-time.After(10 * time.Second):
		t.Error("nobody was called")
	}
}

func TestHeartbeatIsWithheldWhilePeopleCannotBeTold(t *testing.T) {
	store, err := sqlite.Open(t.Context(), filepath.Join(t.TempDir(), "llmwatch.db"))
	if err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := store.Close(); err != nil {
			t.Error(err)
		}
	}()
	states := map[string]alert.ChannelState{"email": {}, "slack": {}}
	channels := func() map[string]alert.ChannelState { return states }
	never := telling(store, channels, bridge.NewPoller(bridge.Poller{}).LastSuccess, time.Minute)
	if err := never(t.Context()); err == nil || !strings.Contains(err.Error(), "state of the alerts was last fetched") {
		t.Errorf("before the first poll: %v", err)
	}

	well := telling(store, channels, time.Now, time.Minute)
	fires := alert.Alert{ID: "site_down", Name: "site_down", Severity: alert.Critical, Status: alert.Triggered, FiredAt: time.Now(), Fingerprint: "f"}
	owe := func(key string, owed time.Time) {
		t.Helper()
		err := store.Commit(t.Context(), alert.Changes{Notifications: []alert.Notification{{
			Key: key, Channel: "email", Kind: alert.KindFiring, Alerts: []alert.Alert{fires}, AlertIDs: []string{fires.ID}, OwedAt: owed,
		}}})
		if err != nil {
			t.Fatal(err)
		}
	}
	owe("young", time.Now())
	if err := well(t.Context()); err != nil {
		t.Errorf("with a young notification: %v", err)
	}
	owe("old", time.Now().Add(-undelivered-time.Second))
	if err := well(t.Context()); err == nil || !strings.Contains(err.Error(), "a notification by email could not be delivered since") {
		t.Errorf("with an old notification: %v", err)
	}

	states["slack"] = alert.ChannelState{LastAccepted: time.Now()}
	states["email"] = alert.ChannelState{DownSince: time.Now().Add(-time.Hour), Reason: "AUTH 535"}
	if err := well(t.Context()); err != nil {
		t.Errorf("with another channel that works: %v", err)
	}
	if err := store.Commit(t.Context(), alert.Changes{Transitions: []alert.Transition{{Alert: fires}}}); err != nil {
		t.Fatal(err)
	}
	if err := well(t.Context()); err == nil || !strings.Contains(err.Error(), "nobody could be told of the critical alert site_down since") {
		t.Errorf("with a critical alert that no channel took: %v", err)
	}
	states["slack"] = alert.ChannelState{LastAccepted: time.Now(), DownSince: time.Now().Add(-time.Minute), Reason: "404 Not Found"}
	if err := well(t.Context()); err == nil || !strings.Contains(err.Error(), "nobody can be told of alerts: channel email cannot deliver since") ||
		!strings.Contains(err.Error(), "(404 Not Found)") {
		t.Errorf("with all channels down: %v", err)
	}
}

func TestWithoutAnAddressNothingBeats(t *testing.T) {
	c := DefaultConfig(CommandServe)
	a := &App{logger: silent}
	registry := prometheus.NewRegistry()
	a.startHeartbeat(&c, registry)
	if len(a.stops) != 0 {
		t.Error("something was started")
	}
	if n, err := testutil.GatherAndCount(registry); err != nil || n != 0 {
		t.Errorf("%d beats, %v", n, err)
	}
}
