package engine

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"time"

	"github.com/prometheus/prometheus/promql"
	"github.com/prometheus/prometheus/promql/parser"
	"github.com/prometheus/prometheus/storage"
	"github.com/prometheus/prometheus/util/stats"
)

// Shares of Config.QueryMemory, and of the queries that are worked on at a time.
const (
	apiShare   = 2 // The HTTP API has two fifths,
	ownShare   = 2 // the page and the REST API as many,
	rulesShare = 1 // and rules the last.
	allShares  = apiShare + ownShare + rulesShare

	// What costs less than this is evaluated at once, beside everything else.
	cheapBytes = 2 << 20
	cheapTime  = 20 * time.Millisecond

	// leastRefused is the estimate of time that a query is not refused for.
	leastRefused = time.Second

	// maxUninterrupted is about the longest that a query goes on after its caller
	// has left, or its time is over.
	maxUninterrupted = 2 * time.Second

	// ruleTimeout bounds one evaluation of a rule: rules that take longer would
	// hold back the others.
	ruleTimeout = 10 * time.Second
)

// queries is the one way to evaluate PromQL. It refuses what would exceed the
// bounds before anything is evaluated, and lets expensive queries wait for each
// other, those of each caller apart: a query of the API cannot keep rules or the
// page waiting.
type queries struct {
	inner    promql.QueryEngine
	parser   parser.Parser
	counter  seriesCounter
	step     time.Duration // Of subqueries that name none.
	maxSteps int
	timeout  time.Duration
	guard    *memoryGuard

	api, own, rules *lane
}

// newQueries bounds an engine as the configuration says.
func newQueries(inner promql.QueryEngine, counter seriesCounter, cfg *Config) *queries {
	limits := cfg.limits()
	atOnce := max(1, runtime.GOMAXPROCS(0)/2)

	return &queries{
		inner: inner, parser: newParser(), counter: counter,
		step: cfg.CheckInterval, maxSteps: limits.steps, timeout: limits.timeout,
		guard: newMemoryGuard(limits.memory),
		api:   newLane(apiShare*limits.memory/allShares, atOnce, max(1, limits.concurrent/2)),
		own:   newLane(ownShare*limits.memory/allShares, atOnce, 0),
		rules: newLane(rulesShare*limits.memory/allShares, max(2, atOnce), 0),
	}
}

// ownQuery marks queries of this process, which come through RoundTripper.
type ownQuery struct{}

func withOwnQuery(ctx context.Context) context.Context {
	return context.WithValue(ctx, ownQuery{}, true)
}

func (q *queries) lane(ctx context.Context) *lane {
	if ctx.Value(ownQuery{}) != nil {
		return q.own
	}

	return q.api
}

// NewInstantQuery implements promql.QueryEngine.
func (q *queries) NewInstantQuery(ctx context.Context, data storage.Queryable, opts promql.QueryOpts, expr string, at time.Time) (promql.Query, error) {
	cost, err := q.estimate(ctx, opts, expr, newGrid(at, at, 0), q.lane(ctx), q.timeout)
	if err != nil {
		return refused(expr, err)
	}
	inner, err := q.inner.NewInstantQuery(ctx, data, opts, expr, at)
	if err != nil {
		return nil, err
	}

	return &query{Query: inner, queries: q, lane: q.lane(ctx), cost: cost}, nil
}

// NewRangeQuery implements promql.QueryEngine.
func (q *queries) NewRangeQuery(ctx context.Context, data storage.Queryable, opts promql.QueryOpts, expr string, start, end time.Time, step time.Duration) (promql.Query, error) {
	if step < time.Millisecond {
		return nil, boundErrorf("the step must be at least 1ms, got %s", step)
	}
	cost, err := q.estimate(ctx, opts, expr, newGrid(start, end, step), q.lane(ctx), q.timeout)
	if err != nil {
		return refused(expr, err)
	}
	inner, err := q.inner.NewRangeQuery(ctx, data, opts, expr, start, end, step)
	if err != nil {
		return nil, err
	}

	return &query{Query: inner, queries: q, lane: q.lane(ctx), cost: cost}, nil
}

// forRules evaluates rules.
func (q *queries) forRules() promql.QueryEngine { return ruleQueries{q} }

type ruleQueries struct{ all *queries }

// NewInstantQuery implements promql.QueryEngine.
func (q ruleQueries) NewInstantQuery(ctx context.Context, data storage.Queryable, opts promql.QueryOpts, expr string, at time.Time) (promql.Query, error) {
	timeout := min(q.all.timeout, ruleTimeout)
	cost, err := q.all.estimate(ctx, opts, expr, newGrid(at, at, 0), q.all.rules, timeout)
	if err != nil {
		return nil, err
	}
	inner, err := q.all.inner.NewInstantQuery(ctx, data, opts, expr, at)
	if err != nil {
		return nil, err
	}

	return &query{Query: inner, queries: q.all, lane: q.all.rules, cost: cost, timeout: timeout}, nil
}

// NewRangeQuery implements promql.QueryEngine. Rules ask for one moment alone.
func (ruleQueries) NewRangeQuery(context.Context, storage.Queryable, promql.QueryOpts, string, time.Time, time.Time, time.Duration) (promql.Query, error) {
	return nil, errors.New("rules are evaluated at one time")
}

// costError says that a query was refused for what it would cost. It is answered
// as the server answers a query that ran into its bound of samples.
type costError struct{ error }

func (e costError) Unwrap() error { return e.error }

// estimate returns what a query will cost, or a costError where that is more than
// it may.
func (q *queries) estimate(ctx context.Context, opts promql.QueryOpts, expr string, g grid, l *lane, timeout time.Duration) (estimate, error) {
	parsed, err := q.parser.ParseExpr(expr)
	if err != nil {
		return estimate{}, err
	}
	ctx, cancel := context.WithTimeout(ctx, countTime)
	defer cancel()
	c := costs{
		counter: q.counter, lookback: lookbackOf(opts), defaultStep: milliseconds(q.step),
		maxSteps: float64(q.maxSteps), outer: g, ctx: ctx,
	}
	cost, err := c.estimate(parsed)
	switch {
	case err != nil:
		return cost, costError{err}
	case cost.bytes > float64(l.memory):
		return cost, costError{boundErrorf(
			"the query would need about %s of memory, more than its share of limits.query_memory, %s; select fewer series, a shorter range or longer steps, or aggregate with a recording rule",
			megabytes(cost.bytes), megabytes(float64(l.memory)))}
	case timeOf(cost.longest) > maxUninterrupted:
		return cost, costError{boundErrorf(
			"the query would work on the windows of one series for about %s, more than the %s that it may; use a shorter range or longer steps, or aggregate with a recording rule",
			timeOf(cost.longest).Round(time.Second), maxUninterrupted)}
	case cost.duration() > max(timeout, leastRefused):
		return cost, costError{boundErrorf(
			"the query would take about %s, more than the %s that it may; select fewer series, a shorter range or longer steps, or aggregate with a recording rule",
			cost.duration().Round(time.Second), timeout)}
	}

	return cost, nil
}

func megabytes(n float64) string { return fmt.Sprintf("%.0f MB", n/(1<<20)) }

// query waits for its turn and for its memory, where it is expensive.
type query struct {
	promql.Query
	queries *queries
	lane    *lane
	cost    estimate
	timeout time.Duration // Of a rule; the others have the engine's.
	release func()
}

// Exec implements promql.Query.
func (q *query) Exec(ctx context.Context) *promql.Result {
	if q.timeout > 0 {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, q.timeout)
		defer cancel()
	}
	if q.cost.bytes > cheapBytes || q.cost.duration() > cheapTime {
		done, release, err := q.lane.enter(ctx, q.cost, q.queries.timeout)
		if err != nil {
			return &promql.Result{Err: err}
		}
		q.release = release
		defer done()
	}
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	defer q.queries.guard.watch(q.cost, cancel)()
	result := q.Query.Exec(ctx)
	if result.Err != nil && errors.Is(context.Cause(ctx), errOutOfMemory) {
		result.Err = costError{errOutOfMemory}
	}
	if size := answerBytes(result.Value); result.Err == nil && size > float64(q.lane.memory) {
		// Native histograms are known only now, and much longer when written.
		return &promql.Result{Err: costError{boundErrorf(
			"the answer would be about %s long, more than the query's share of limits.query_memory, %s; select fewer series, a shorter range or longer steps",
			megabytes(size), megabytes(float64(q.lane.memory)))}}
	}

	return result
}

// Close implements promql.Query. The result occupies memory until then.
func (q *query) Close() {
	q.Query.Close()
	if q.release != nil {
		q.release()
		q.release = nil
	}
}

// refused is the outcome of a query that is not evaluated. What is wrong with its
// text fails at once; what it would cost, only when it is executed, as other
// queries that ran into a bound.
func refused(expr string, err error) (promql.Query, error) {
	if cost, ok := errors.AsType[costError](err); ok {
		return refusedQuery{expr, cost}, nil
	}

	return nil, err
}

type refusedQuery struct {
	expr string
	err  error
}

func (q refusedQuery) Exec(context.Context) *promql.Result { return &promql.Result{Err: q.err} }
func (refusedQuery) Close()                                {}
func (refusedQuery) Cancel()                               {}
func (refusedQuery) Statement() parser.Statement           { return &parser.EvalStmt{} }
func (q refusedQuery) String() string                      { return q.expr }
func (refusedQuery) Stats() *stats.Statistics {
	return &stats.Statistics{Timers: stats.NewQueryTimers(), Samples: stats.NewQuerySamples(false)}
}
