package exporter

import (
	"bytes"
	"errors"
	"log/slog"
	"os/exec"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"

	"llmwatch/internal/testtool"
)

// knownComplaints is what linters say about the two names that node_exporter
// takes over from /proc/meminfo, and that everyone's dashboards rely on.
func knownComplaints() []string {
	const text = " metric names should be written in 'snake_case' not 'camelCase'"

	return []string{"node_memory_MemAvailable_bytes" + text, "node_memory_MemTotal_bytes" + text}
}

func registryOf(collectors ...prometheus.Collector) *prometheus.Registry {
	registry := prometheus.NewPedanticRegistry()
	registry.MustRegister(collectors...)

	return registry
}

// success returns llmwatch_collector_success by collector, after checking that
// the collector's own metrics are there exactly if it is 1.
func success(t *testing.T, registry *prometheus.Registry) map[string]bool {
	t.Helper()

	series := scrape(t, registry)
	got := make(map[string]bool)
	for collector, example := range map[string]string{
		"boottime":   `node_boot_time_seconds`,
		"cpu":        `node_cpu_seconds_total{cpu="0",mode="idle"}`,
		"diskstats":  `node_disk_read_bytes_total{device="sda"}`,
		"filesystem": `node_filesystem_readonly{device="overlay",fstype="overlay",mountpoint="/"}`,
		"loadavg":    `node_load1`,
		"meminfo":    `node_memory_MemTotal_bytes`,
		"netdev":     `node_network_receive_bytes_total{device="eth0"}`,
		"sockstat":   `node_sockstat_TCP_inuse`,
	} {
		got[collector] = series[`llmwatch_collector_success{collector="`+collector+`"}`] == "1"
		if _, present := series[example]; present != got[collector] {
			t.Errorf("success of %s is %t, but presence of %s is %t", collector, got[collector], example, present)
		}
	}

	return got
}

// allBut returns a success map in which only the named collectors fail.
func allBut(failing ...string) map[string]bool {
	want := map[string]bool{
		"boottime": true, "cpu": true, "diskstats": true, "filesystem": true,
		"loadavg": true, "meminfo": true, "netdev": true, "sockstat": true,
	}
	for _, collector := range failing {
		want[collector] = false
	}

	return want
}

func TestSystemCollectorExposition(t *testing.T) {
	synctest.Test(t, func(t *testing.T) { // Stops the clock: all durations are 0.
		registry := registryOf(newSystemCollector(newFakeSource(), SystemOptions{}))
		exposition := get(t, registry, nil).Body.String()
		golden(t, "system.prom", exposition)

		problems, err := testutil.GatherAndLint(registry)
		if err != nil {
			t.Fatal(err)
		}
		var complaints []string
		for _, p := range problems {
			complaints = append(complaints, p.Metric+" "+p.Text)
		}
		if diff := cmp.Diff(knownComplaints(), complaints); diff != "" {
			t.Errorf("complaints of promlint (-want +got):\n%s", diff)
		}
	})
}

func TestSystemCollectorPassesPromtool(t *testing.T) {
	promtool := testtool.Find(t, "promtool")
	registry := registryOf(newSystemCollector(newFakeSource(), SystemOptions{}))

	var stderr bytes.Buffer
	cmd := exec.CommandContext(t.Context(), promtool, "check", "metrics")
	cmd.Stdin = get(t, registry, nil).Body
	cmd.Stderr = &stderr
	var exit *exec.ExitError
	if err := cmd.Run(); err != nil && !errors.As(err, &exit) {
		t.Fatal(err)
	}
	complaints := strings.Split(strings.TrimSpace(stderr.String()), "\n")
	if diff := cmp.Diff(knownComplaints(), complaints); diff != "" {
		t.Errorf("complaints of promtool check metrics (-want +got):\n%s", diff)
	}
}

func TestSystemCollectorSurvivesItsParts(t *testing.T) {
	tests := []struct {
		name   string
		method string
		hook   func() error
		want   map[string]bool
		log    string
	}{
		{"an error", "memory", func() error { return errors.New("out of order") }, allBut("meminfo"), "out of order"},
		{"a panic", "cpuTimes", func() error { panic("index out of range") }, allBut("cpu"), "panic: index out of range"},
		{"no mounts", "mounts", func() error { return errors.New("no procfs") }, allBut("filesystem"), "no procfs"},
		{"a mount point's error", "usage /data", func() error { return errors.New("stale handle") }, allBut(), "stale handle"},
		{"a mount point's panic", "usage /data", func() error { panic("odd") }, allBut(), "panic: odd"},
	}
	for _, tt := range tests {
		t.Run(tt.name+" is contained and logged once", func(t *testing.T) {
			var log bytes.Buffer
			source := newFakeSource()
			logger := slog.New(slog.NewTextHandler(&log, nil))
			registry := registryOf(newSystemCollector(source, SystemOptions{Logger: logger}))

			source.hooks[tt.method] = tt.hook
			for range 3 {
				if diff := cmp.Diff(tt.want, success(t, registry)); diff != "" {
					t.Errorf("success (-want +got):\n%s", diff)
				}
			}
			if n := strings.Count(log.String(), "\n"); n != 1 || !strings.Contains(log.String(), tt.log) ||
				!strings.Contains(log.String(), "level=WARN") {
				t.Errorf("want one warning with %q, got:\n%s", tt.log, log.String())
			}

			log.Reset()
			delete(source.hooks, tt.method)
			for range 3 {
				if diff := cmp.Diff(allBut(), success(t, registry)); diff != "" {
					t.Errorf("success after repair (-want +got):\n%s", diff)
				}
			}
			if n := strings.Count(log.String(), "\n"); n != 1 || !strings.Contains(log.String(), "works again") {
				t.Errorf("want one message that it works again, got:\n%s", log.String())
			}
		})
	}
}

func TestSystemCollectorHang(t *testing.T) {
	synctest.Test(t, func(t *testing.T) { // The clock moves only while everything waits.
		var log bytes.Buffer
		source := newFakeSource()
		logger := slog.New(slog.NewTextHandler(&log, nil))
		registry := registryOf(newSystemCollector(source, SystemOptions{Timeout: time.Second, Logger: logger}))

		release := make(chan struct{})
		hang := func() error { <-release; return nil }
		source.hooks["memory"], source.hooks["tcpSockets"] = hang, hang

		// The first scrape waits for both together, the next ones not at all.
		for i, want := range []time.Duration{time.Second, 0, 0} {
			begin := time.Now()
			if diff := cmp.Diff(allBut("meminfo", "sockstat"), success(t, registry)); diff != "" {
				t.Errorf("success while hanging (-want +got):\n%s", diff)
			}
			if got := time.Since(begin); got != want {
				t.Errorf("scrape %d took %s, want %s", i+1, got, want)
			}
		}
		if n := source.calls["memory"].Load(); n != 1 {
			t.Errorf("the hanging source was called %d times, want 1", n)
		}

		<-time.After(9 * time.Second)
		const duration = `llmwatch_collector_duration_seconds{collector="meminfo"}`
		if got := scrape(t, registry)[duration]; got != "10" {
			t.Errorf("duration after hanging for 10 s is %s", got)
		}

		close(release)
		synctest.Wait()
		if diff := cmp.Diff(allBut(), success(t, registry)); diff != "" {
			t.Errorf("success once the source is back (-want +got):\n%s", diff)
		}

		warnings := strings.Count(log.String(), `collector=meminfo err="no answer within 1s"`)
		if all := strings.Count(log.String(), "collector=meminfo"); warnings != 1 || all != 2 {
			t.Errorf("want one warning and one recovery of meminfo, got:\n%s", log.String())
		}
	})
}

func TestSystemCollectorHangingMountHidesNoOther(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		source := newFakeSource()
		registry := registryOf(newSystemCollector(source, SystemOptions{}))
		release := make(chan struct{})
		source.hooks["usage /data"] = func() error { <-release; return nil }

		for range 3 {
			series := scrape(t, registry)
			const root = `{device="overlay",fstype="overlay",mountpoint="/"}`
			const data = `{device="/dev/sda1",fstype="ext4",mountpoint="/data"}`
			if got := series["node_filesystem_avail_bytes"+root]; got != "200" {
				t.Errorf("space on / is %q, want 200", got)
			}
			if got, ok := series["node_filesystem_avail_bytes"+data]; ok {
				t.Errorf("space on the hanging /data is %s, want no sample", got)
			}
			if got := series["node_filesystem_device_error"+data]; got != "1" {
				t.Errorf("device error of the hanging /data is %q, want 1", got)
			}
		}
		if n := source.calls["usage /data"].Load(); n != 1 {
			t.Errorf("the hanging mount point was measured %d times, want 1", n)
		}
		close(release)
	})
}

func TestSystemCollectorConcurrentScrapesShareRun(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		source := newFakeSource()
		registry := registryOf(newSystemCollector(source, SystemOptions{}))
		source.hooks["memory"] = func() error { <-time.After(DefaultSystemTimeout / 2); return nil }

		var scrapes sync.WaitGroup
		for range 4 {
			scrapes.Go(func() {
				if diff := cmp.Diff(allBut(), success(t, registry)); diff != "" {
					t.Errorf("success (-want +got):\n%s", diff)
				}
			})
		}
		scrapes.Wait()
		if n := source.calls["memory"].Load(); n != 1 {
			t.Errorf("4 concurrent scrapes read the memory %d times, want 1", n)
		}
	})
}
