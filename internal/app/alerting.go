package app

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"llmwatch/bridge"
	"llmwatch/bridge/alert"
	"llmwatch/bridge/alert/sqlite"
	"llmwatch/bridge/metrics"
	"llmwatch/internal/engine"
)

// alertRetention is how long resolved alerts and their timelines are kept.
const alertRetention = 90 * 24 * time.Hour

// alerting is everything that alerts live by.
type alerting struct {
	store   *sqlite.Store
	manager *alert.Manager
	poller  *bridge.Poller
	started time.Time
}

// openStore opens the database.
func (a *App) openStore(cfg *Config) (*sqlite.Store, error) {
	file := cfg.databaseFile()
	if err := os.MkdirAll(filepath.Dir(file), 0o750); err != nil {
		return nil, configErrorf("the data directory %s cannot be made: %w", filepath.Dir(file), err)
	}
	store, err := sqlite.Open(context.Background(), file, a.databaseOptions()...)
	if err != nil {
		return nil, &ConfigError{err}
	}
	a.onStop("alert database", store.Close)
	if a.installation, err = store.Installation(context.Background()); err != nil {
		return nil, err
	}

	return store, nil
}

// startAlerting begins to watch and to tell.
func (a *App) startAlerting(cfg *Config, store *sqlite.Store, routing alert.Routing, client *metrics.Client, logs *logs, registry *prometheus.Registry) *alerting {
	settled := newDeliveries(registry)
	registry.MustRegister(&alertCollector{store: store, logger: a.logger}, &ruleCollector{rules: client.Rules, logger: a.logger}, newDiskCollector(cfg))
	al := &alerting{store: store, started: time.Now()}
	al.manager = alert.NewManager(alert.Config{
		Store:  store,
		Logger: a.logger,
		Options: alert.Options{
			DefaultCooldown: cfg.Alerts.DefaultCooldown,
			Push:            alert.PushLimits{Alerts: cfg.Limits.AlertsPerToken, Bytes: cfg.Limits.AlertBytesPerToken},
		},
		Routing:   a.linked(routing),
		TickEvery: min(cfg.Alerts.CheckInterval, 15*time.Second),
		Retention: alertRetention,
		Summary: func(ctx context.Context, at time.Time) (json.RawMessage, error) {
			summary, err := client.Summary(ctx, at, time.Hour)
			if err != nil {
				return nil, err
			}

			return json.Marshal(summary)
		},
		Extra:   (&messages{externalURL: a.externalURL, series: client.Series, trouble: logs.trouble, logger: a.logger}).extra,
		Settled: settled,

		Installation: a.installation,
	})
	a.reloader.reroute = func(r alert.Routing) { al.manager.Reroute(a.linked(r)) }
	al.poller = bridge.NewPoller(bridge.Poller{
		Source:   client,
		Observer: al.manager,
		Store:    store,
		Origin:   alert.Origin{Kind: alert.FromRule, Source: ruleSource(cfg)},
		QueryURL: a.queryURL(cfg),
		Every:    cfg.Alerts.CheckInterval,
		Logger:   a.logger.With("component", "poller"),

		MissingAfter: cfg.Alerts.MissingRuleAfter,
		Inputs: func(expr string) (bridge.Inputs, error) {
			in, err := engine.InputsOf(expr)

			return bridge.Inputs(in), err
		},
	})

	ctx, cancel := context.WithCancel(context.Background())
	var running sync.WaitGroup
	running.Go(func() { al.manager.Run(ctx) })
	running.Go(func() { al.poller.Run(ctx) })
	a.onStop("alerts", func() error {
		cancel()
		running.Wait()

		return nil
	})

	return al
}

// newDeliveries counts what becomes of notifications.
func newDeliveries(registry *prometheus.Registry) func(channel string, kind alert.Kind, state alert.DeliveryState) {
	total := prometheus.NewCounterVec(prometheus.CounterOpts{
		Name: "llmwatch_notification_attempts_total",
		Help: "Attempts to deliver notifications, by channel, kind and outcome: delivered, pending (to be tried again), refused, expired, or withdrawn in favour of newer news.",
	}, []string{"channel", "kind", "outcome"})
	registry.MustRegister(total)

	return func(channel string, kind alert.Kind, state alert.DeliveryState) {
		total.WithLabelValues(channel, string(kind), string(state)).Inc()
	}
}

// alertCollector counts the alerts that are not resolved, when it is scraped.
type alertCollector struct {
	store  alert.Store
	logger *slog.Logger
}

var (
	alertsDesc = prometheus.NewDesc("llmwatch_alerts",
		"Alerts that are not resolved, by status and severity.", []string{"status", "severity"}, nil)
	backlogDesc = prometheus.NewDesc("llmwatch_notifications_pending",
		"Notifications that are owed and not delivered, by channel.", []string{"channel"}, nil)
)

// collectTimeout bounds what a scrape waits for the database.
const collectTimeout = time.Second

// Describe implements prometheus.Collector.
func (c *alertCollector) Describe(descs chan<- *prometheus.Desc) {
	descs <- alertsDesc
	descs <- backlogDesc
}

// Collect implements prometheus.Collector.
func (c *alertCollector) Collect(out chan<- prometheus.Metric) {
	ctx, cancel := context.WithTimeout(context.Background(), collectTimeout)
	defer cancel()
	counts, err := c.store.Count(ctx)
	backlog, backlogErr := c.store.Backlog(ctx)
	if err := errors.Join(err, backlogErr); err != nil {
		c.logger.WarnContext(ctx, "alerts cannot be counted", "err", fmt.Errorf("reading the alert database: %w", err))
		return
	}
	for _, n := range counts {
		out <- prometheus.MustNewConstMetric(alertsDesc, prometheus.GaugeValue, float64(n.Alerts), string(n.Status), string(n.Severity))
	}
	for channel, n := range backlog {
		out <- prometheus.MustNewConstMetric(backlogDesc, prometheus.GaugeValue, float64(n), channel)
	}
}
