package exporter

import (
	"errors"
	"fmt"
	"log/slog"
	"math"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

// Defaults of AppOptions.
const (
	DefaultMaxLabelValues = 100
	DefaultSourceTTL      = 5 * time.Minute
	DefaultJobTTL         = 7 * 24 * time.Hour
	DefaultMaxJobs        = 10_000
)

// AppOptions configures an App. The zero value is ready for use.
type AppOptions struct {
	// MaxLabelValues is the number of distinct values that each label (job
	// type, model, cache, pool, queue, …) takes; the rest counts as Other.
	// DefaultMaxLabelValues if it is not positive.
	MaxLabelValues int
	// SourceTTL is how long the gauges of a Source count after it was last
	// heard of. DefaultSourceTTL if it is not positive.
	SourceTTL time.Duration
	// JobTTL is how long an unfinished job is shown after it was last heard of.
	// It bounds what jobs cost whose workers died; as it hides a job that hangs,
	// it should be far longer than anyone takes to look at an alert.
	// DefaultJobTTL if it is not positive.
	JobTTL time.Duration
	// MaxJobs is the number of unfinished jobs that are shown at a time.
	// Further ones are counted only when they finish. DefaultMaxJobs if it is
	// not positive.
	MaxJobs int
	// Logger receives a warning about what cannot be recorded. Nothing is
	// logged if it is nil.
	Logger *slog.Logger
	// Now is the clock, time.Now if it is nil.
	Now func() time.Time
}

func (o *AppOptions) setDefaults() {
	if o.MaxLabelValues <= 0 {
		o.MaxLabelValues = DefaultMaxLabelValues
	}
	if o.SourceTTL <= 0 {
		o.SourceTTL = DefaultSourceTTL
	}
	if o.JobTTL <= 0 {
		o.JobTTL = DefaultJobTTL
	}
	if o.MaxJobs <= 0 {
		o.MaxJobs = DefaultMaxJobs
	}
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	if o.Now == nil {
		o.Now = time.Now
	}
}

// App measures what an LLM platform does beside answering requests: jobs,
// evaluations, caches, connection pools, queues, calls of models and their
// cost. In process its methods are called where things happen; a receiver
// drives it for programs in other languages: their jobs are found by id, and
// what each of them reports as its own state adds up by Source.
//
// No method fails. What makes no sense (a negative count, a cost that is not a
// number) is logged and not recorded. All methods are safe for concurrent use.
type App struct {
	options AppOptions
	metrics appMetrics
	limits  appLimits

	mu       sync.Mutex
	jobs     jobTable                 // Guarded by mu.
	sources  map[string]*sourceValues // Guarded by mu, by name.
	tooMany  sync.Once                // Warns that there are too many sources.
	jobsFull sync.Once                // Warns that there are too many jobs.
}

// appLimits bounds the labels of an App. Metrics with the same label share its
// values.
type appLimits struct {
	jobType, evaluation, model, cache, pool, queue, costType *limiter
	operation, provider, errorType                           *limiter
}

// NewApp returns an App whose metrics are registered with registerer. It fails
// if they already are.
func NewApp(registerer prometheus.Registerer, options AppOptions) (*App, error) {
	if registerer == nil {
		return nil, errors.New("registering application metrics: the registerer is nil")
	}
	options.setDefaults()
	folded, err := newFoldCounter(registerer, options.Logger)
	if err != nil {
		return nil, err
	}
	limit := func(label string) *limiter { return newLimiter(label, options.MaxLabelValues, folded) }
	a := &App{
		options: options,
		metrics: newAppMetrics(),
		limits: appLimits{
			jobType: limit("type"), evaluation: limit("evaluation"), model: limit("model"),
			cache: limit("cache"), pool: limit("pool"), queue: limit("queue"), costType: limit("type"),
			operation: limit("gen_ai_operation_name"), provider: limit("gen_ai_provider_name"),
			errorType: limit("error_type"),
		},
		jobs:    newJobTable(),
		sources: make(map[string]*sourceValues),
	}
	if err := registerer.Register((*appCollector)(a)); err != nil {
		return nil, fmt.Errorf("registering application metrics: %w", err)
	}

	return a, nil
}

// SetEvaluationScore records the score that a model reached in an evaluation.
// The last one stays.
func (a *App) SetEvaluationScore(evaluation, model string, score float64) {
	if !a.sensible("evaluation score", score) {
		return
	}
	const metric = "llm_evaluation_score"
	a.metrics.score.WithLabelValues(
		a.limits.evaluation.value(evaluation, metric), a.limits.model.value(model, metric)).Set(score)
}

// AddTrainedTokens counts tokens that a model was trained on.
func (a *App) AddTrainedTokens(model string, tokens int64) {
	if !a.notNegative("trained tokens", float64(tokens)) {
		return
	}
	a.metrics.trained.WithLabelValues(a.limits.model.value(model, "llm_trained_tokens_total")).Add(float64(tokens))
}

// AddCost counts money, in US dollars, spent on a model: type tells on what,
// inference or finetuning say.
func (a *App) AddCost(model, costType string, usd float64) {
	if !a.notNegative("cost", usd) {
		return
	}
	const metric = "llm_cost_usd_total"
	a.metrics.cost.WithLabelValues(
		a.limits.model.value(model, metric), a.limits.costType.value(costType, metric)).Add(usd)
}

// AddCacheRequests counts look-ups in a cache that were answered (hits) and
// that were not (misses).
func (a *App) AddCacheRequests(cache string, hits, misses int64) {
	if !a.notNegative("cache hits", float64(hits)) || !a.notNegative("cache misses", float64(misses)) {
		return
	}
	cache = a.limits.cache.value(cache, "llm_cache_requests_total")
	// Both are there from the first look-up on: a rate needs to see them rise.
	a.metrics.cacheRequests.WithLabelValues(cache, "hit").Add(float64(hits))
	a.metrics.cacheRequests.WithLabelValues(cache, "miss").Add(float64(misses))
}

// sensible tells whether a value is a finite number, and logs if it is not.
func (a *App) sensible(what string, value float64) bool {
	if math.IsNaN(value) || math.IsInf(value, 0) {
		a.options.Logger.Warn("not recorded: not a finite number",
			slog.String("what", what), slog.Float64("value", value))

		return false
	}

	return true
}

// notNegative is sensible for what cannot be below 0.
func (a *App) notNegative(what string, value float64) bool {
	if value < 0 {
		a.options.Logger.Warn("not recorded: below 0", slog.String("what", what), slog.Float64("value", value))

		return false
	}

	return a.sensible(what, value)
}
