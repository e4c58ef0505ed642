package app

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/shirou/gopsutil/v3/disk"

	"llmwatch/bridge/alert"
	"llmwatch/bridge/notify/heartbeat"
)

// diskCollector tells how much room the data has, when it is scraped.
type diskCollector struct {
	// dirs are the directories that hold data, by what they hold.
	dirs map[string]string
}

var (
	diskSizeDesc = prometheus.NewDesc("llmwatch_data_disk_size_bytes",
		"Size of the disk that holds data of llmwatch, by what it holds: data, or metrics where those have a directory of their own.", []string{"holds"}, nil)
	diskFreeDesc = prometheus.NewDesc("llmwatch_data_disk_available_bytes",
		"Space on that disk that llmwatch can still use.", []string{"holds"}, nil)
)

func newDiskCollector(cfg *Config) *diskCollector {
	c := &diskCollector{dirs: map[string]string{"data": cfg.Server.DataDir}}
	if cfg.command == CommandServe && cfg.Metrics.DBPath != "" {
		c.dirs["metrics"] = cfg.Metrics.DBPath
	}

	return c
}

// Describe implements prometheus.Collector.
func (c *diskCollector) Describe(descs chan<- *prometheus.Desc) {
	descs <- diskSizeDesc
	descs <- diskFreeDesc
}

// Collect implements prometheus.Collector. A disk that cannot be asked is left
// out; the storage behind it says why.
func (c *diskCollector) Collect(out chan<- prometheus.Metric) {
	for holds, dir := range c.dirs {
		usage, err := disk.Usage(dir)
		if err != nil {
			continue
		}
		out <- prometheus.MustNewConstMetric(diskSizeDesc, prometheus.GaugeValue, float64(usage.Total), holds)
		out <- prometheus.MustNewConstMetric(diskFreeDesc, prometheus.GaugeValue, float64(usage.Free), holds)
	}
}

// undelivered is how long a notification may be owed until something is wrong:
// longer than a receiver's restart, shorter than anybody waits.
const undelivered = 5 * time.Minute

// telling says what keeps people from being told of alerts: all channels are
// down, or a critical alert has reached nobody. lastPoll is when the state of the
// alerts was last fetched.
func telling(store alert.Store, channels func() map[string]alert.ChannelState, lastPoll func() time.Time, checkInterval time.Duration) func(context.Context) error {
	return func(ctx context.Context) error {
		if last := lastPoll(); time.Since(last) > 2*checkInterval {
			return fmt.Errorf("the state of the alerts was last fetched at %s", last.UTC().Format(time.RFC3339))
		}
		states := channels()
		var down []string
		for _, name := range slices.Sorted(maps.Keys(states)) {
			if s := states[name]; !s.DownSince.IsZero() {
				down = append(down, trouble(name, s))
			}
		}
		if len(down) > 0 && len(down) == len(states) {
			return fmt.Errorf("nobody can be told of alerts: %s", strings.Join(down, "; "))
		}

		return untold(ctx, store, states)
	}
}

// maxWaiting bounds the notifications that untold looks at.
const maxWaiting = 1000

// untold names a notification that has waited for undelivered and could be told to
// nobody: of a critical alert that no channel accepted, or of any while no channel
// accepted anything since.
func untold(ctx context.Context, store alert.Store, states map[string]alert.ChannelState) error {
	waiting, err := store.Waiting(ctx, time.Now().Add(-undelivered), maxWaiting)
	if err != nil {
		return fmt.Errorf("reading the alert database: %w", err)
	}
	critical := map[string]alert.Notification{}
	for _, p := range waiting {
		n := p.Notification
		someone := slices.ContainsFunc(slices.Collect(maps.Values(states)), func(s alert.ChannelState) bool { return s.LastAccepted.After(n.OwedAt) })
		// What is owed to a channel that was removed waits in case it comes back.
		if _, there := states[n.Channel]; !someone && (there || len(states) == 0) {
			return fmt.Errorf("a notification by %s could not be delivered since %s", n.Channel, n.OwedAt.UTC().Format(time.RFC3339))
		}
		for _, a := range n.Alerts {
			if n.TellsFiring() && a.Severity == alert.Critical {
				critical[a.ID] = n
			}
		}
	}
	alerts, err := store.Alerts(ctx, slices.Sorted(maps.Keys(critical)))
	if err != nil {
		return fmt.Errorf("reading the alert database: %w", err)
	}
	for _, a := range alerts {
		if a.DeliveredAt.IsZero() && a.Status != alert.Resolved {
			return fmt.Errorf("nobody could be told of the critical alert %s since %s", a.ID, critical[a.ID].OwedAt.UTC().Format(time.RFC3339))
		}
	}

	return nil
}

// startHeartbeat begins to call the configured address while every check is well.
func (a *App) startHeartbeat(cfg *Config, registry *prometheus.Registry, checks ...func(context.Context) error) {
	beats := newBeats(registry)
	if cfg.Alerts.HeartbeatURL == "" {
		return
	}
	heart := &heartbeat.Heart{
		URL: cfg.Alerts.HeartbeatURL, Every: cfg.Alerts.CheckInterval,
		Well: func(ctx context.Context) error {
			var errs []error
			for _, check := range checks {
				errs = append(errs, check(ctx))
			}

			return errors.Join(errs...)
		},
		Beaten: func(o heartbeat.Outcome) { beats.WithLabelValues(string(o)).Inc() },
		Logger: a.logger.With("component", "heartbeat"),
	}
	ctx, cancel := context.WithCancel(context.Background())
	var running sync.WaitGroup
	running.Go(func() {
		if err := heart.Run(ctx); err != nil {
			a.logger.ErrorContext(ctx, "there is no heartbeat", "err", err)
		}
	})
	a.onStop("heartbeat", func() error {
		cancel()
		running.Wait()

		return nil
	})
}

// newBeats counts heartbeats.
func newBeats(registry *prometheus.Registry) *prometheus.CounterVec {
	beats := prometheus.NewCounterVec(prometheus.CounterOpts{
		Name: "llmwatch_heartbeats_total",
		Help: "Heartbeats, by outcome: sent, failed, or withheld because not all was well.",
	}, []string{"outcome"})
	registry.MustRegister(beats)

	return beats
}
