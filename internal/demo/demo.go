// Package demo is a small simulated LLM platform: it answers requests, trains,
// evaluates, caches and logs as a real one would, has its clients, and now and then
// trouble. It is instrumented with the public packages of this module and nothing
// else, as somebody else's platform would be.
//
// It must not know llmwatch's server: it publishes /metrics and writes a log, and
// whoever starts it has both collected.
package demo

import (
	"context"
	_ "embed"
	"encoding/json"
	"log/slog"
	"math/rand/v2"
	"net/http"
	"sync"
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"llmwatch/exporter"
	"llmwatch/logship"
)

// Rules are alert rules for the platform that fire soon enough to be watched. They
// are a Prometheus rule file.
//
//go:embed rules.yml
var Rules []byte

// Options say how a platform behaves. Logger is required.
type Options struct {
	// Seed decides everything but the time that things take.
	Seed uint64
	// Rate is how many requests a second its clients send; DefaultRate if it is not
	// positive.
	Rate float64
	// Logger gets the platform's log.
	Logger *slog.Logger
}

// DefaultRate is the requests a second of a platform's clients.
const DefaultRate = 25

// The instruments' names of what the platform has.
const (
	cacheName    = "responses"
	poolName     = "postgres"
	queueName    = "tasks"
	poolSize     = 20
	maxCacheSize = 5000
)

// PagerPath is where the platform's operators are told of alerts, in the form of
// Alertmanager's webhook.
const PagerPath = "/pager"

// Platform is a simulated platform.
type Platform struct {
	opts    Options
	api     *exporter.API
	app     *exporter.App
	state   exporter.Source
	metrics http.Handler
	started time.Time
	now     func() time.Time

	cached   atomic.Int64 // Entries in the cache.
	inFlight atomic.Int64 // Requests that hold a connection of the pool.
	queued   atomic.Int64 // Tasks in the queue.
}

// New returns a platform at rest.
func New(opts Options) (*Platform, error) {
	if opts.Rate <= 0 {
		opts.Rate = DefaultRate
	}
	registry := prometheus.NewRegistry()
	api, err := exporter.NewAPI(registry, exporter.APIOptions{Logger: opts.Logger})
	if err != nil {
		return nil, err
	}
	app, err := exporter.NewApp(registry, exporter.AppOptions{Logger: opts.Logger})
	if err != nil {
		return nil, err
	}

	return &Platform{
		opts: opts, api: api, app: app, state: app.Source(""),
		metrics: exporter.Handler(registry, exporter.HandlerOptions{Logger: opts.Logger}),
		started: time.Now(), now: time.Now,
	}, nil
}

// logger returns the platform's logger of that name.
func (p *Platform) logger(name string) *slog.Logger { return p.opts.Logger.With("logger", name) }

func (p *Platform) trouble() trouble { return troubleAt(p.now().Sub(p.started)) }

// random returns the n-th source of chance of a kind, the same for the same seed.
func (p *Platform) random(kind, n uint64) *rand.Rand {
	return rand.New(rand.NewPCG(p.opts.Seed, kind<<48|n))
}

// The kinds of chance.
const (
	chanceOfRequest uint64 = iota
	chanceOfAnswer
	chanceOfJob
	chanceOfEvaluation
	chanceOfState
)

// Handler is the platform's HTTP side: its API and /metrics.
func (p *Platform) Handler() http.Handler {
	logged := logship.NewMiddleware(logship.MiddlewareOptions{
		Logger: p.logger("api.requests"), SlowRequest: 4 * time.Second, OmitHeaders: true, BodyLimit: -1,
	})
	all := http.NewServeMux()
	all.Handle("/", logged(p.api.Middleware(p.routes())))
	all.Handle("GET /metrics", p.metrics)
	all.HandleFunc("POST "+PagerPath, p.page)

	return all
}

// page takes a notification. Nobody is woken up.
func (p *Platform) page(w http.ResponseWriter, r *http.Request) {
	var notification struct {
		Status string `json:"status"`
		Labels struct {
			Name string `json:"alertname"`
		} `json:"groupLabels"`
	}
	if err := json.NewDecoder(http.MaxBytesReader(w, r.Body, 1<<20)).Decode(&notification); err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)

		return
	}
	p.logger("pager").InfoContext(r.Context(), "Notification received", "alert", notification.Labels.Name, "status", notification.Status)
	w.WriteHeader(http.StatusNoContent)
}

// Run has clients send requests to the platform at base, such as
// http://127.0.0.1:8000, and jobs run, until ctx ends.
func (p *Platform) Run(ctx context.Context, base string) {
	var running sync.WaitGroup
	running.Go(func() { p.clients(ctx, base) })
	running.Go(func() { p.train(ctx) })
	running.Go(func() { p.evaluate(ctx) })
	running.Go(func() { p.operate(ctx) })
	running.Wait()
}

// pause waits, and reports whether there is time left.
func pause(ctx context.Context, d time.Duration) bool {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-ctx.Done():
		return false
	case <-timer.C:
		return true
	}
}
