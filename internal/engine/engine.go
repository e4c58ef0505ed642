package engine

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	commoncfg "github.com/prometheus/common/config"
	"github.com/prometheus/prometheus/config"
	"github.com/prometheus/prometheus/discovery"
	"github.com/prometheus/prometheus/notifier"
	"github.com/prometheus/prometheus/promql"
	"github.com/prometheus/prometheus/rules"
	"github.com/prometheus/prometheus/scrape"
	"github.com/prometheus/prometheus/storage"
	"github.com/prometheus/prometheus/storage/remote"
	"github.com/prometheus/prometheus/tsdb"
	"github.com/prometheus/prometheus/util/logging"
)

// Prefix is the path below which Handler serves the HTTP API (/api/v1/...) and
// the engine's own metrics (/metrics).
const Prefix = "/prometheus"

const (
	lookback         = 5 * time.Minute
	queryConcurrency = 20
	// Alerts are sent again at least this often, as the server's own default.
	resendDelay = time.Minute
	// An alert whose `for` ran while the process was down goes on if the gap
	// was at most this long.
	outageTolerance = time.Hour
	remoteFlush     = 2 * time.Second

	// warmUp is how long after the start this process is scraped and recorded
	// quickly, so that rates, which need two scrapes, exist within seconds and
	// not after up to two collection intervals.
	warmUp         = 4 * time.Second
	warmUpScrape   = 250 * time.Millisecond
	warmUpRecord   = time.Second
	finalScrapeMax = time.Second
)

// Engine is a running Prometheus server. Its methods may be called from any
// goroutine.
type Engine struct {
	cfg      Config
	registry *prometheus.Registry
	started  time.Time
	handler  http.Handler
	paths    []string // Of the API.

	db       *tsdb.DB
	stats    *tsdb.DBStats
	storage  storage.Storage // The database and, behind it, remote write.
	remote   *remote.Storage
	appends  *appends
	promql   *promql.Engine
	query    *queries // The way to it.
	reserved reserved
	self     *self
	scrape   *scrape.Manager
	rules    *rules.Manager
	loader   *ruleLoader
	notifier *notifier.Manager
	scrapeSD *discovery.Manager
	notifySD *discovery.Manager

	current atomic.Pointer[config.Config] // The configuration in force.

	applyMu  sync.Mutex // Serialises apply; guards lastLoad.
	lastLoad load

	stopSD   context.CancelFunc
	stopping chan struct{}
	running  sync.WaitGroup
	stopOnce sync.Once
}

// load is the outcome of the newest attempt to load the configuration.
type load struct {
	at  time.Time
	err error
}

// Start opens the database, starts every part of the server and returns when
// it answers queries. The configuration must have passed Validate. On an error
// nothing is left running.
func Start(cfg Config) (*Engine, error) {
	if err := cfg.Validate(); err != nil {
		return nil, err
	}
	if err := PrepareDir(cfg.Dir); err != nil {
		return nil, err
	}
	e := &Engine{
		cfg:      cfg,
		registry: prometheus.NewRegistry(),
		started:  time.Now(),
		loader:   newRuleLoader(&cfg),
		stopping: make(chan struct{}),
	}
	initial, err := cfg.load(cfg.CollectionInterval)
	if err != nil {
		return nil, err
	}
	if err := e.open(initial); err != nil {
		return nil, err
	}
	if err := e.build(initial); err != nil {
		return nil, errors.Join(err, e.closeStorage())
	}
	e.run()
	if err := e.apply(warmUpScrape, warmUpRecord); err != nil {
		return nil, errors.Join(err, e.Stop())
	}
	e.running.Go(e.settle)

	return e, nil
}

// open opens the database as the configuration wants it.
func (e *Engine) open(cfg *config.Config) error {
	retention := cfg.StorageConfig.TSDBConfig.Retention
	opts := tsdb.DefaultOptions()
	opts.RetentionDuration = time.Duration(retention.Time).Milliseconds()
	opts.MaxBytes = int64(retention.Size)
	opts.MaxPercentage = retention.Percentage
	opts.MaxBlockDuration = maxBlock(time.Duration(retention.Time)).Milliseconds()
	opts.OutOfOrderTimeWindow = cfg.StorageConfig.TSDBConfig.OutOfOrderTimeWindow
	opts.WALCompression = "snappy"
	// One machine's series fit a small hash map; the default one alone is
	// larger than all of them.
	opts.StripeSize = 1 << 9
	opts.EnableExemplarStorage = true
	opts.MaxExemplars = cfg.StorageConfig.ExemplarsConfig.MaxExemplars
	opts.EnableSTAsZeroSample = true

	stats := tsdb.NewDBStats()
	db, err := tsdb.Open(e.cfg.Dir, e.cfg.Logger.With("component", "tsdb"), e.registry, opts, stats)
	if err != nil {
		return fmt.Errorf("opening the time series database in %s: %w", e.cfg.Dir, err)
	}
	e.db, e.stats = db, stats
	e.remote = remote.NewStorage(e.cfg.Logger.With("component", "remote"), e.registry, e.startTime, e.cfg.Dir,
		remoteFlush, scrapeRef{e}, false)
	e.storage = storage.NewFanout(e.cfg.Logger, db, e.remote)
	e.appends = &appends{AppendableV2: e.storage, reserved: &e.reserved}
	db.SetWriteNotified(e.remote)

	return nil
}

// maxBlock is the server's own rule: a tenth of the retention, at most 31 days.
func maxBlock(retention time.Duration) time.Duration {
	const most = 31 * 24 * time.Hour
	if retention == 0 || retention/10 > most {
		return most
	}

	return max(retention/10, time.Duration(tsdb.DefaultBlockDuration)*time.Millisecond)
}

// build makes the managers; nothing runs yet.
func (e *Engine) build(cfg *config.Config) error {
	log := func(component string) *slog.Logger { return e.cfg.Logger.With("component", component) }

	e.promql = promql.NewEngine(promql.EngineOpts{
		Logger:                   log("query"),
		Reg:                      e.registry,
		MaxSamples:               e.cfg.limits().samples,
		Timeout:                  e.cfg.limits().timeout,
		LookbackDelta:            lookback,
		NoStepSubqueryIntervalFn: func(int64) int64 { return e.cfg.CheckInterval.Milliseconds() },
		EnableAtModifier:         true,
		EnableNegativeOffset:     true,
		Parser:                   newParser(),
	})
	e.query = newQueries(e.promql, databaseCounter{e.db}, &e.cfg)
	e.self = newSelf(e.cfg.Self)
	e.notifier = notifier.NewManager(&notifier.Options{QueueCapacity: 10_000, Registerer: e.registry},
		cfg.GlobalConfig.MetricNameValidationScheme, log("notifier"))

	var err error
	e.scrape, err = scrape.NewManager(&scrape.Options{
		ParseST:                  true,
		DiscoveryReloadOnStartup: true,
		HTTPClientOptions:        []commoncfg.HTTPClientOption{commoncfg.WithDialContextFunc(e.self.dial)},
	}, log("scrape"), logging.NewJSONFileLogger, nil, e.appends, e.registry)
	if err != nil {
		return fmt.Errorf("making the scrape manager: %w", err)
	}
	e.rules = rules.NewManager(&rules.ManagerOptions{
		NameValidationScheme:   cfg.GlobalConfig.MetricNameValidationScheme,
		Appendable:             e.storage,
		Queryable:              e.db,
		QueryFunc:              rules.EngineQueryFunc(e.query.forRules(), e.storage),
		NotifyFunc:             e.notify(rules.SendAlerts(e.notifier, e.cfg.ExternalURL.String())),
		Context:                context.Background(),
		ExternalURL:            e.cfg.ExternalURL,
		Registerer:             e.registry,
		Logger:                 log("rules"),
		OutageTolerance:        outageTolerance,
		ResendDelay:            resendDelay,
		GroupLoader:            e.loader,
		DefaultRuleQueryOffset: func() time.Duration { return time.Duration(e.current.Load().GlobalConfig.RuleQueryOffset) },
		Parser:                 newParser(),
	})

	sdMetrics, err := discovery.CreateAndRegisterSDMetrics(e.registry)
	if err != nil {
		return fmt.Errorf("registering the metrics of service discovery: %w", err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	e.stopSD = cancel
	e.scrapeSD = discovery.NewManager(ctx, log("discovery"), e.registry, sdMetrics, discovery.Name("scrape"))
	e.notifySD = discovery.NewManager(ctx, log("discovery"), e.registry, sdMetrics, discovery.Name("notify"))
	if e.scrapeSD == nil || e.notifySD == nil {
		cancel()
		return errors.New("making the managers of service discovery failed")
	}
	e.current.Store(cfg)
	e.reserved.targets, e.reserved.rules = e.scrape.TargetsActive, e.rules.RuleGroups
	e.handler = watchLimits(e.boundRequests(e.newHandler(Prefix, admin{DB: e.db, stats: e.stats})), e.cfg.Limited)

	return nil
}

// notify tells Changed of alerts beside sending them.
func (e *Engine) notify(send rules.NotifyFunc) rules.NotifyFunc {
	if e.cfg.Changed == nil {
		return send
	}

	return func(ctx context.Context, expr string, alerts ...*rules.Alert) {
		send(ctx, expr, alerts...)
		if len(alerts) > 0 {
			e.cfg.Changed()
		}
	}
}

// run starts the managers. Each ends when its own Stop is called.
func (e *Engine) run() {
	start := func(name string, f func() error) {
		e.running.Go(func() {
			if err := f(); err != nil && !errors.Is(err, context.Canceled) && !errors.Is(err, http.ErrServerClosed) {
				e.cfg.Logger.Error("a part of the engine ended", "component", name, "err", err)
			}
		})
	}
	start("self", func() error { return e.self.server.Serve(e.self) })
	start("scrape discovery", e.scrapeSD.Run)
	start("notify discovery", e.notifySD.Run)
	start("scrape", func() error { return e.scrape.Run(e.scrapeSD.SyncCh()) })
	start("notifier", func() error { e.notifier.Run(e.notifySD.SyncCh()); return nil })
	start("rules", func() error { e.rules.Run(); return nil })
}

// settle ends the warm-up.
func (e *Engine) settle() {
	timer := time.NewTimer(warmUp)
	defer timer.Stop()
	select {
	case <-e.stopping:
	case <-timer.C:
		if err := e.Reload(); err != nil {
			e.cfg.Logger.Error("going over to the configured intervals failed", "err", err)
		}
	}
}

// Reload reads the configuration and the rule files again. If anything in them
// is wrong, everything stays as it is and the error says what.
func (e *Engine) Reload() error {
	return e.apply(e.cfg.CollectionInterval, e.cfg.CollectionInterval)
}

// Stop scrapes this process a last time, ends every part of the server in
// reverse order of the data flow and closes the database.
func (e *Engine) Stop() error {
	var err error
	e.stopOnce.Do(func() {
		close(e.stopping)
		e.scrapeLast()
		e.stopSD()
		e.rules.Stop()
		e.notifier.Stop()
		e.scrape.Stop()
		err = e.self.server.Close()
		e.running.Wait()
		err = errors.Join(err, e.closeStorage())
	})

	return err
}

// scrapeLast has this process scraped once more, so that what was counted since
// the last scrape is not lost when the counters start again from zero.
func (e *Engine) scrapeLast() {
	if e.cfg.Self == nil || e.apply(warmUpScrape, e.cfg.CollectionInterval) != nil {
		return
	}
	// The first answer may belong to a scrape that began before; the second
	// one can only be requested after the first was stored.
	want := e.self.scrapes.Load() + 2
	deadline := time.NewTimer(finalScrapeMax)
	defer deadline.Stop()
	tick := time.NewTicker(warmUpScrape / 10)
	defer tick.Stop()
	for e.self.scrapes.Load() < want {
		select {
		case <-tick.C:
		case <-deadline.C:
			return
		}
	}
}

func (e *Engine) closeStorage() error {
	if err := e.storage.Close(); err != nil {
		return fmt.Errorf("closing the time series database: %w", err)
	}

	return nil
}

// Handler serves the HTTP API and the engine's own metrics below Prefix, to others: it
// hides what may be secret in the configuration.
func (e *Engine) Handler() http.Handler { return scrubbed(Prefix, e.handler) }

// Paths are the templates of all paths of the HTTP API, as the server registers them:
// /label/:name/values. Some are there several times.
func (e *Engine) Paths() []string { return slices.Clone(e.paths) }

// startTime is what remote write must not reach behind.
func (e *Engine) startTime() (int64, error) {
	t, err := e.db.StartTime()
	if err != nil {
		return 0, err
	}

	return t + 2*tsdb.DefaultBlockDuration, nil
}

// scrapeRef hands the scrape manager to remote write, which is made before it.
type scrapeRef struct{ e *Engine }

func (r scrapeRef) Get() (*scrape.Manager, error) {
	if r.e.scrape == nil {
		return nil, errors.New("the scrape manager is not ready")
	}

	return r.e.scrape, nil
}
