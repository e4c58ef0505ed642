package app

import (
	"context"
	"encoding/json"
	"errors"
	"log/slog"
	"net/http"
	"slices"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"llmwatch/bridge"
	"llmwatch/bridge/alert"
	"llmwatch/bridge/metrics"
	"llmwatch/internal/auth"
	"llmwatch/internal/settings"
	"llmwatch/logship"
)

// ReloadPath is where a POST reloads.
const ReloadPath = "/-/reload"

// reloader changes the configuration of a running program. Everything that can
// fail comes before the first change.
type reloader struct {
	logger *slog.Logger
	schema *settings.Schema
	reread func() (*Config, error)
	// rules has the engine read its files again, reroute changes who is told,
	// permit what roles may do, and level what is logged. They are nil where there
	// is nothing to change.
	rules   func() error
	reroute func(alert.Routing)
	permit  func(auth.Policy)
	level   func(slog.Level)

	busy    sync.Mutex // Held during a reload, so that there is one at a time.
	started *Config    // What cannot change is as it was at the start.

	mu      sync.Mutex // Guards the fields below.
	current *Config
	last    time.Time // Of the newest success.
	err     error     // Of the newest attempt.
}

// Reloaded says what became of a reload.
type Reloaded struct {
	// Changed are the keys whose new values are in force, RestartNeeded those
	// that cannot change while the program runs.
	Changed       []string
	RestartNeeded []string
}

func newReloader(cfg *Config, logger *slog.Logger) *reloader {
	r := &reloader{
		logger: logger.With("component", "configuration"), schema: Settings(cfg.command),
		reread: cfg.Reread, started: cfg, current: cfg, last: time.Now(),
	}
	if r.reread == nil {
		r.reread = func() (*Config, error) { return cfg, nil }
	}
	if cfg.Log != nil {
		r.level = cfg.Log.SetLevel
	}

	return r
}

// reload reads everything again. What is wrong changes nothing, is remembered
// for health and metrics, and is the error.
func (r *reloader) reload(ctx context.Context) (Reloaded, error) {
	r.busy.Lock()
	defer r.busy.Unlock()

	next, err := r.apply()
	r.mu.Lock()
	before := r.current
	if r.err = err; err == nil {
		r.current, r.last = next, time.Now()
	}
	r.mu.Unlock()
	if err != nil {
		r.logger.ErrorContext(ctx, "the configuration was not reloaded; the one before is in force", "err", err)
		return Reloaded{}, err
	}
	changed, _ := r.schema.Changes(before, next)
	_, fixed := r.schema.Changes(r.started, next)
	result := Reloaded{
		Changed:       slices.DeleteFunc(append([]string{}, changed...), func(key string) bool { return !r.schema.Setting(key).Reload }),
		RestartNeeded: append([]string{}, fixed...),
	}
	r.logger.InfoContext(ctx, "the configuration was reloaded", "changed", result.Changed, "restart_needed", result.RestartNeeded)

	return result, nil
}

// apply takes over what is configured now. An error changed nothing.
func (r *reloader) apply() (*Config, error) {
	next, err := r.reread()
	if err != nil {
		return nil, err
	}
	_, routing, err := next.prepare(r.logger)
	if err != nil {
		return nil, err
	}
	level, err := logship.ParseLevel(next.Logging.Level)
	if err != nil {
		return nil, &ConfigError{err}
	}
	policy, err := next.Security.policy()
	if err != nil {
		return nil, &ConfigError{err}
	}
	if r.rules != nil {
		if err := r.rules(); err != nil {
			return nil, err
		}
	}
	if r.reroute != nil {
		r.reroute(routing)
	}
	if r.permit != nil {
		r.permit(policy)
	}
	if r.level != nil {
		r.level(level)
	}

	return next, nil
}

// channels are the names of the notification channels.
func (r *reloader) channels() []string {
	r.mu.Lock()
	defer r.mu.Unlock()

	return r.current.Notifications.channels()
}

// failure is why the newest reload failed, or nil.
func (r *reloader) failure() error {
	r.mu.Lock()
	defer r.mu.Unlock()

	return r.err
}

// ServeHTTP answers POST /-/reload.
func (r *reloader) ServeHTTP(w http.ResponseWriter, req *http.Request) {
	result, err := r.reload(req.Context())
	if err != nil {
		bridge.WriteError(w, &bridge.Error{Status: http.StatusInternalServerError, Code: "reload_failed", Message: err.Error()})
		return
	}
	body, err := json.Marshal(map[string]any{
		"success": true,
		"data":    map[string][]string{"changed": result.Changed, "restart_needed": result.RestartNeeded},
	})
	if err != nil {
		panic(err) // Lists of texts.
	}
	w.Header().Set("Content-Type", "application/json; charset=utf-8")
	w.Write(append(body, '\n'))
}

var (
	reloadedDesc = prometheus.NewDesc("llmwatch_config_last_reload_successful",
		"Whether the newest attempt to load the configuration succeeded.", nil, nil)
	reloadedAtDesc = prometheus.NewDesc("llmwatch_config_last_reload_success_timestamp_seconds",
		"When the configuration was last loaded.", nil, nil)
)

// Describe implements prometheus.Collector.
func (r *reloader) Describe(descs chan<- *prometheus.Desc) {
	descs <- reloadedDesc
	descs <- reloadedAtDesc
}

// Collect implements prometheus.Collector.
func (r *reloader) Collect(out chan<- prometheus.Metric) {
	r.mu.Lock()
	successful, last := 1.0, float64(r.last.UnixMilli())/1000
	if r.err != nil {
		successful = 0
	}
	r.mu.Unlock()
	out <- prometheus.MustNewConstMetric(reloadedDesc, prometheus.GaugeValue, successful)
	out <- prometheus.MustNewConstMetric(reloadedAtDesc, prometheus.GaugeValue, last)
}

// component shows the configuration on /status.
func (r *reloader) component() bridge.Component {
	r.mu.Lock()
	defer r.mu.Unlock()

	c := bridge.Component{Name: "configuration", Running: true, LastSuccess: metrics.Time{Time: r.last}, Details: map[string]any{"file": r.current.File}}
	if r.err != nil {
		c.LastError = r.err.Error()
	}

	return c
}

// errNotReady is said to those who reload too early.
var errNotReady = errors.New("llmwatch has not started yet")

// Reload reads the configuration again and takes over what can change while the
// program runs. On an error everything stays as it is; it has been logged.
func (a *App) Reload(ctx context.Context) (Reloaded, error) {
	select {
	case <-a.ready:
		return a.reloader.reload(ctx)
	case <-ctx.Done():
		return Reloaded{}, errNotReady
	}
}
