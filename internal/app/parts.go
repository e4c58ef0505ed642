package app

import (
	"cmp"
	"context"
	"errors"
	"log/slog"
	"maps"
	"net/http"
	"net/url"
	"os"
	"runtime"
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"

	"llmwatch/bridge"
	"llmwatch/bridge/alert"
	"llmwatch/bridge/metrics"
	"llmwatch/docs/runbooks"
	"llmwatch/exporter"
	"llmwatch/exporter/push"
	"llmwatch/internal/engine"
)

// Check does what NewServe, NewBridge or NewExporter check, and touches nothing.
func (c *Config) Check() error {
	_, _, err := c.prepare(slog.New(slog.DiscardHandler))

	return err
}

// prepare makes everything of the configuration that can be wrong. What is, is a
// *ConfigError. The engine's part is nil for commands without an engine.
func (c *Config) prepare(logger *slog.Logger) (*engine.Config, alert.Routing, error) {
	if err := c.check(); err != nil {
		return nil, alert.Routing{}, err
	}
	var engineCfg *engine.Config
	if c.command == CommandServe {
		var err error
		if engineCfg, err = c.engine(logger); err != nil {
			return nil, alert.Routing{}, err
		}
		if err := engineCfg.Validate(); err != nil {
			return nil, alert.Routing{}, configErrorf("prometheus.config_file: %w", err)
		}
	}
	if c.command == CommandExporter {
		return nil, alert.Routing{}, nil
	}
	routing, err := c.routing(logger)

	return engineCfg, routing, err
}

// NewServe returns everything in one process: exporter, embedded engine and
// bridge. What is wrong with the configuration is a *ConfigError, found before
// anything on disk is touched.
func NewServe(cfg Config, logger *slog.Logger) (*App, error) {
	cfg.command = CommandServe
	own := newOwnLog(logger.Handler())
	logger = slog.New(own.handler)
	engineCfg, routing, err := cfg.prepare(logger)
	if err != nil {
		return nil, err
	}

	return newApp(&cfg, logger, func(a *App) error {
		out, err := publish(&cfg, logger)
		if err != nil {
			return err
		}
		engineCfg.Self, engineCfg.Limited = out.handler, limited(a.gate)
		engineCfg.Series, engineCfg.Refusals, engineCfg.Refuse = out.ingest.series, out.ingest.refusals, refusePush
		if err := engine.PrepareDir(engineCfg.Dir); err != nil {
			return &ConfigError{err}
		}
		// The database is closed after the engine, whose last scrape counts the
		// alerts; and the engine restores the timers of the rules it starts with.
		store, err := a.openStore(&cfg)
		if err != nil {
			return err
		}
		logs, err := a.startLogs(&cfg, own, out.registry, out.ingest)
		if err != nil {
			return err
		}
		loaded := &engineRules{}
		ruleSet, err := a.newRules(store, engineCfg.CheckExpr, loaded.load)
		if err != nil {
			return err
		}
		if err := ruleSet.Load(context.Background()); err != nil {
			return err
		}
		engineCfg.Rules = loaded.current
		// The poller exists only after the engine whose alerts it polls.
		var poller atomic.Pointer[bridge.Poller]
		engineCfg.Changed = func() {
			if p := poller.Load(); p != nil {
				p.Kick()
			}
		}
		engineCfg.ExternalURL = &url.URL{Scheme: a.port.scheme(), Host: a.Addr().String()}
		eng, err := engine.Start(*engineCfg)
		if err != nil {
			return &ConfigError{err}
		}
		a.onStop("engine", eng.Stop)
		loaded.engine.Store(eng)
		a.reloader.rules = eng.Reload
		out.registry.MustRegister(a.reloader, a.gate, &lossCollector{eng.Lost})
		client, err := metrics.New(metrics.Config{
			URL:       "http://engine" + engine.Prefix,
			Transport: eng.RoundTripper(),
			Interval:  cfg.Metrics.CollectionInterval,
		})
		if err != nil {
			return err
		}
		access, err := a.startAccess(&cfg, out.registry)
		if err != nil {
			return err
		}
		alerts := a.startAlerting(&cfg, store, routing, client, logs, out.registry)
		poller.Store(alerts.poller)
		a.startHeartbeat(&cfg, out.registry, telling(store, alerts.manager.Channels, alerts.poller.LastSuccess, cfg.Alerts.CheckInterval), func(context.Context) error { return notStored(eng.Status()) })
		receivers := out.receivers()
		maps.Copy(receivers, logs.receivers())
		a.port.open(bridge.Options{
			Metrics:    client,
			Alerts:     alerts.manager,
			AlertStore: alerts.store,
			Channels:   a.reloader.channels,
			Polled:     alerts.poller,
			Rules:      ruleSet,
			Runbooks:   runbooks.Files,
			Version:    cfg.Version.Version,
			Interval:   cfg.Metrics.CollectionInterval,
			Checks: append(append(access.checks(), storageChecks(eng.Status)...),
				bridge.Check{Name: "alert_polling", Run: alerts.poller.Failure},
				bridge.Check{Name: "configuration", Run: func() error { return cmp.Or(a.reloader.failure(), eng.Status().ReloadError) }},
				logs.check(),
				alerts.check(),
			),
			Components: func() []bridge.Component {
				return []bridge.Component{program(&cfg, eng.Status().Started, a.installation), engineComponent(eng.Status()), logs.component(), alerts.component(), a.reloader.component()}
			},
			Configuration: a.reloader.configuration,
			Receivers:     receivers,
			AlertsRefused: out.ingest.alertsRefused,
			Logs:          logs,
			Mounts: access.addPage(logger, addEngine(a.gate.Bodies(eng.Handler()), known(a.gate.BodiesInTurn(eng.OTLP(), out.ingest.inTurn)), map[string]http.Handler{
				"/metrics": out.handler,
				ReloadPath: a.reloader,
			})),
			Access:     access.door(),
			Turns:      a.gate.Turns,
			Registerer: out.registry,
			Logger:     logger,
			Stopping:   a.port.closing,
			// Until when an alert of a webhook lasts.
			AlertmanagerRepeat: cfg.Alerts.AlertmanagerRepeat,
		})

		return nil
	})
}

// NewExporter returns the exporter alone.
func NewExporter(cfg Config, logger *slog.Logger) (*App, error) {
	cfg.command = CommandExporter
	if err := cfg.check(); err != nil {
		return nil, err
	}

	return newApp(&cfg, logger, func(a *App) error {
		out, err := publish(&cfg, logger)
		if err != nil {
			return err
		}
		access, err := a.startAccess(&cfg, out.registry)
		if err != nil {
			return err
		}
		mux := http.NewServeMux()
		out.registry.MustRegister(a.reloader, a.gate)
		mux.Handle(ReloadPath, bridge.Guard(access.door(), logger, ReloadPath, a.reloader))
		mux.Handle("/metrics", bridge.Guard(access.door(), logger, "/metrics", a.gate.Turns(out.handler)))
		for path, receiver := range out.receivers() {
			mux.Handle(bridge.Base+path, bridge.Guard(access.door(), logger, bridge.Base+path, receiver))
		}
		checks := []bridge.Check{{Name: "configuration", Run: a.reloader.failure}}
		for path, h := range map[string]http.Handler{
			bridge.Base + "/health": bridge.Health(checks, logger), bridge.HealthyPath: a.port.probes, bridge.ReadyPath: a.port.probes,
		} {
			mux.Handle(path, bridge.Guard(access.door(), logger, path, h))
		}
		mux.Handle("/", bridge.GuardRest(access.door(), logger))
		a.port.handle(mux)
		a.port.probes.Started(checks)

		return nil
	})
}

// NewBridge returns the REST API beside an external metrics server.
func NewBridge(cfg Config, logger *slog.Logger) (*App, error) {
	cfg.command = CommandBridge
	own := newOwnLog(logger.Handler())
	logger = slog.New(own.handler)
	_, routing, err := cfg.prepare(logger)
	if err != nil {
		return nil, err
	}

	return newApp(&cfg, logger, func(a *App) error {
		begin := time.Now()
		registry := newRegistry(&cfg)
		registry.MustRegister(a.reloader, a.gate)
		client, err := metrics.New(metrics.Config{
			URL:      cfg.Prometheus.URL,
			Interval: cfg.Metrics.CollectionInterval,
			Timeout:  cfg.Prometheus.Timeout,
		})
		if err != nil {
			return &ConfigError{err}
		}
		store, err := a.openStore(&cfg)
		if err != nil {
			return err
		}
		in := newIngest(cfg.Limits.Limits, logger, registry)
		logs, err := a.startLogs(&cfg, own, registry, in)
		if err != nil {
			return err
		}
		ruleSet, err := a.startFolderRules(&cfg, store)
		if err != nil {
			return err
		}
		access, err := a.startAccess(&cfg, registry)
		if err != nil {
			return err
		}
		alerts := a.startAlerting(&cfg, store, routing, client, logs, registry)
		a.startHeartbeat(&cfg, registry, telling(store, alerts.manager.Channels, alerts.poller.LastSuccess, cfg.Alerts.CheckInterval))
		a.port.open(bridge.Options{
			Metrics:    client,
			Alerts:     alerts.manager,
			AlertStore: alerts.store,
			Channels:   a.reloader.channels,
			Polled:     alerts.poller,
			Rules:      ruleSet,
			Runbooks:   runbooks.Files,
			Version:    cfg.Version.Version,
			Interval:   cfg.Metrics.CollectionInterval,
			Checks: append(access.checks(), logs.check(), alerts.check(),
				bridge.Check{Name: "alert_polling", Run: alerts.poller.Failure},
				bridge.Check{Name: "configuration", Run: a.reloader.failure}),
			Components: func() []bridge.Component {
				return []bridge.Component{program(&cfg, begin, a.installation), logs.component(), alerts.component(), a.reloader.component()}
			},
			Configuration: a.reloader.configuration,
			Receivers:     logs.receivers(),
			AlertsRefused: in.alertsRefused,
			Logs:          logs,
			Mounts: access.addPage(logger, map[string]http.Handler{
				"/metrics": scraped(&cfg, registry, logger),
				ReloadPath: a.reloader,
			}),
			Access:     access.door(),
			Turns:      a.gate.Turns,
			Registerer: registry,
			Logger:     logger,
			Stopping:   a.port.closing,
			// Until when an alert of a webhook lasts.
			AlertmanagerRepeat: cfg.Alerts.AlertmanagerRepeat,
		})

		return nil
	})
}

// engine returns the configuration of the embedded engine; the parts that
// exist only once the port is open are filled in later.
func (c *Config) engine(logger *slog.Logger) (*engine.Config, error) {
	host, err := os.Hostname()
	if err != nil {
		return nil, err
	}

	return &engine.Config{
		Dir:                c.metricsDir(),
		ConfigFile:         c.Prometheus.ConfigFile,
		Self:               http.NotFoundHandler(),
		Instance:           host,
		CollectionInterval: c.Metrics.CollectionInterval,
		CheckInterval:      c.Alerts.CheckInterval,
		RetentionTime:      c.Metrics.RetentionDays,
		RetentionSize:      c.Metrics.RetentionSize,
		QueryTimeout:       c.Limits.QueryTimeout,
		QueryMaxSamples:    c.Limits.QueryMaxSamples,
		QueryMaxSteps:      c.Limits.QueryMaxSteps,
		QueryMemory:        c.Limits.QueryMemory,
		QueryConcurrency:   c.Limits.ConcurrentQueries,
		ExternalURL:        &url.URL{Scheme: "http", Host: c.Server.Listen},
		Logger:             quiet(logger),
	}, nil
}

// published is everything that is behind /metrics, and the receivers through
// which programs in other languages add to it.
type published struct {
	registry *prometheus.Registry
	handler  http.Handler
	receiver *push.Receiver
	ingest   *ingest
}

func publish(cfg *Config, logger *slog.Logger) (*published, error) {
	registry := newRegistry(cfg)
	registry.MustRegister(exporter.NewSystemCollector(exporter.SystemOptions{
		Logger: logger, ProcPath: cfg.Metrics.ProcPath, RootPath: cfg.Metrics.RootPath,
	}))
	api, err := exporter.NewAPI(registry, exporter.APIOptions{Logger: logger})
	if err != nil {
		return nil, err
	}
	app, err := exporter.NewApp(registry, exporter.AppOptions{Logger: logger})
	if err != nil {
		return nil, err
	}
	in := newIngest(cfg.Limits.Limits, logger, registry)
	receiver, err := push.New(push.Options{API: api, App: app, Quota: in.events, Logger: logger, Registerer: registry})
	if err != nil {
		return nil, err
	}

	return &published{
		registry: registry,
		handler:  scraped(cfg, registry, logger),
		receiver: receiver,
		ingest:   in,
	}, nil
}

// scraped is what scrapers are answered. The gate bounds how many come from outside
// at a time and says so in the documented form; the engine's own come beside them.
func scraped(cfg *Config, registry *prometheus.Registry, logger *slog.Logger) http.Handler {
	return exporter.Handler(registry, exporter.HandlerOptions{
		Logger: logger, MaxRequestsInFlight: cfg.Limits.ConcurrentQueries + exporter.DefaultMaxRequestsInFlight,
	})
}

// newRegistry returns a registry with what this process tells of itself.
func newRegistry(cfg *Config) *prometheus.Registry {
	build := prometheus.NewGauge(prometheus.GaugeOpts{
		Name: "llmwatch_build_info",
		Help: "Always 1; the labels tell which build is running.",
		ConstLabels: prometheus.Labels{
			"version": cfg.Version.Version, "commit": cfg.Version.Commit, "goversion": runtime.Version(),
		},
	})
	build.Set(1)
	registry := prometheus.NewRegistry()
	registry.MustRegister(build, collectors.NewGoCollector(),
		collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))

	return registry
}

// receivers are the push receivers by path below the base of the REST API.
func (p *published) receivers() map[string]http.Handler {
	return map[string]http.Handler{"/metrics/api": known(p.receiver.API()), "/metrics/app": known(p.receiver.App())}
}

func program(cfg *Config, since time.Time, installation string) bridge.Component {
	return bridge.Component{
		Name:    "llmwatch",
		Running: true,
		Since:   metrics.Time{Time: since},
		Details: map[string]any{
			"version": cfg.Version.Version, "commit": cfg.Version.Commit, "go_version": runtime.Version(),
			"installation": installation, "goroutines": runtime.NumGoroutine(),
		},
	}
}

func engineComponent(s engine.Status) bridge.Component {
	c := bridge.Component{
		Name:        "prometheus",
		Running:     true,
		Since:       metrics.Time{Time: s.Started},
		LastSuccess: metrics.Time{Time: s.LastAppend},
		Details: map[string]any{
			"series": s.Series, "blocks": s.Blocks, "bytes": s.Bytes,
			"targets": s.Targets, "targets_down": s.Down,
			"last_reload": metrics.Time{Time: s.LastReload},
		},
	}
	if err := errors.Join(notStored(s), partlyStored(s), s.ReloadError); err != nil {
		c.LastError = err.Error()
	}

	return c
}
