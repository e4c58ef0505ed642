package metrics

import (
	"cmp"
	"context"
	"maps"
	"slices"
	"time"

	promv1 "github.com/prometheus/client_golang/api/prometheus/v1"
	"github.com/prometheus/common/model"
	"golang.org/x/sync/errgroup"
)

// AppSample is the state of the application in one collection interval: what
// is at its end, and what happened during it. Several programs are added up.
type AppSample struct {
	// Timestamp is the end of the interval.
	Timestamp Time `json:"timestamp"`
	AppTotals
}

// At is the sample's time.
func (s AppSample) At() time.Time { return s.Timestamp.Time }

// AppTotals is what there is and what happened.
type AppTotals struct {
	AppState
	AppEvents
}

// AppState is what there is at a moment.
type AppState struct {
	ActiveJobs             float64 `json:"active_jobs"`
	QueuedJobs             float64 `json:"queued_jobs"`
	QueueSize              float64 `json:"queue_size"`
	DatabaseConnections    float64 `json:"database_connections"`
	MaxDatabaseConnections float64 `json:"max_database_connections"`
	CacheEntries           float64 `json:"cache_entries"`
	CacheBytes             float64 `json:"cache_size_bytes"`
}

// AppEvents is what happened in a period.
type AppEvents struct {
	CompletedJobs        int64 `json:"completed_jobs"`
	FailedJobs           int64 `json:"failed_jobs"`
	CancelledJobs        int64 `json:"cancelled_jobs"`
	CompletedEvaluations int64 `json:"completed_evaluations"`
	CacheHits            int64 `json:"cache_hits"`
	CacheMisses          int64 `json:"cache_misses"`
	// CacheHitRate is the share of hits in percent, null without lookups.
	CacheHitRate  *float64 `json:"cache_hit_rate_percent"`
	ModelRequests int64    `json:"model_requests"`
	InputTokens   int64    `json:"input_tokens"`
	OutputTokens  int64    `json:"output_tokens"`
	CostUSD       float64  `json:"cost_usd"`
}

// AppSummary is the application's part of a summary: the state at its end and
// what happened in the period.
type AppSummary struct {
	AppTotals
	// Jobs and Models tell the same apart, by type and by model.
	Jobs   []JobUsage   `json:"jobs"`
	Models []ModelUsage `json:"models"`
}

// JobUsage tells of the jobs of one type.
type JobUsage struct {
	Type      string  `json:"type"`
	Running   float64 `json:"running"`
	Queued    float64 `json:"queued"`
	Completed int64   `json:"completed"`
	Failed    int64   `json:"failed"`
	Cancelled int64   `json:"cancelled"`
}

// ModelUsage tells of the calls to one model. Times are in milliseconds.
type ModelUsage struct {
	Model            string  `json:"model"`
	Requests         int64   `json:"requests"`
	InputTokens      int64   `json:"input_tokens"`
	OutputTokens     int64   `json:"output_tokens"`
	AvgResponseTime  float64 `json:"avg_response_time_ms"`
	TimeToFirstToken float64 `json:"p95_time_to_first_token_ms"`
}

// The labels of application metrics.
const (
	labelType      = "type"
	labelState     = "state"
	labelJobStatus = "status"
	labelModel     = "gen_ai_request_model"
	labelTokens    = "gen_ai_token_type"
)

// stateExprs are the parts of an AppState, by stat.
var stateExprs = map[string]string{
	"active_jobs":     `sum(llm_jobs{state="running"})`,
	"queued_jobs":     `sum(llm_jobs{state="queued"})`,
	"queue_size":      `sum(llm_queue_depth)`,
	"connections":     `sum(db_client_connection_count{state="used"})`,
	"max_connections": `sum(db_client_connection_max)`,
	"cache_entries":   `sum(llm_cache_entries)`,
	"cache_bytes":     `sum(llm_cache_size_bytes)`,
}

// eventSeries are the counters behind AppEvents, by stat.
var eventSeries = map[string]string{
	"completed":             `llm_jobs_finished_total{status="completed"}`,
	"failed":                `llm_jobs_finished_total{status="failed"}`,
	"cancelled":             `llm_jobs_finished_total{status="cancelled"}`,
	"completed_evaluations": `llm_jobs_finished_total{status="completed",type="evaluation"}`,
	"hits":                  `llm_cache_requests_total{result="hit"}`,
	"misses":                `llm_cache_requests_total{result="miss"}`,
	"model_requests":        `gen_ai_server_request_duration_seconds_count`,
	"input_tokens":          `gen_ai_client_token_usage_sum{gen_ai_token_type="input"}`,
	"output_tokens":         `gen_ai_client_token_usage_sum{gen_ai_token_type="output"}`,
	"cost":                  `llm_cost_usd_total`,
}

// eventExprs are the growths of the counters over a range.
func eventExprs(selector string) map[string]string {
	exprs := make(map[string]string, len(eventSeries))
	for stat, series := range eventSeries {
		exprs[stat] = "sum(increase(" + series + selector + "))"
	}

	return exprs
}

func newState(v map[string]float64) AppState {
	return AppState{
		ActiveJobs:             finite(v["active_jobs"]),
		QueuedJobs:             finite(v["queued_jobs"]),
		QueueSize:              finite(v["queue_size"]),
		DatabaseConnections:    finite(v["connections"]),
		MaxDatabaseConnections: finite(v["max_connections"]),
		CacheEntries:           finite(v["cache_entries"]),
		CacheBytes:             finite(v["cache_bytes"]),
	}
}

// newEvents scales what was counted, see Client.stepRange.
func newEvents(v map[string]float64, scale float64) AppEvents {
	count := func(stat string) int64 { return whole(v[stat] * scale) }
	e := AppEvents{
		CompletedJobs:        count("completed"),
		FailedJobs:           count("failed"),
		CancelledJobs:        count("cancelled"),
		CompletedEvaluations: count("completed_evaluations"),
		CacheHits:            count("hits"),
		CacheMisses:          count("misses"),
		ModelRequests:        count("model_requests"),
		InputTokens:          count("input_tokens"),
		OutputTokens:         count("output_tokens"),
		CostUSD:              finite(v["cost"] * scale),
	}
	if lookups := v["hits"] + v["misses"]; lookups > 0 {
		rate := round(100 * v["hits"] / lookups)
		e.CacheHitRate = &rate
	}

	return e
}

// App returns the application metrics of the window before a moment, oldest first,
// one element for each collection interval in which anything was published.
func (c *Client) App(ctx context.Context, at time.Time, window time.Duration) ([]AppSample, error) {
	selector, scale, err := c.stepRange(ctx)
	if err != nil {
		return nil, err
	}
	exprs := eventExprs(selector)
	maps.Copy(exprs, stateExprs)
	query := unite(exprs)

	out := []AppSample{}
	for p := range c.pieces(at, window) {
		rows, err := c.statsRange(ctx, query, p)
		if err != nil {
			return nil, err
		}
		for step, v := range rows {
			out = append(out, AppSample{Time{step.Time()}, AppTotals{newState(v), newEvents(v, scale)}})
		}
	}
	slices.SortFunc(out, func(a, b AppSample) int { return a.Timestamp.Compare(b.Timestamp.Time) })

	return out, nil
}

// statsRange asks for united single values at each step of a piece.
func (c *Client) statsRange(ctx context.Context, query string, p promv1.Range) (map[model.Time]map[string]float64, error) {
	matrix, err := c.matrix(ctx, query, p)
	if err != nil {
		return nil, err
	}
	rows := map[model.Time]map[string]float64{}
	for _, stream := range matrix {
		stat := string(stream.Metric[statLabel])
		for _, pair := range stream.Values {
			row := rows[pair.Timestamp]
			if row == nil {
				row = make(map[string]float64, len(eventSeries)+len(stateExprs))
				rows[pair.Timestamp] = row
			}
			row[stat] = float64(pair.Value)
		}
	}

	return rows, nil
}

func (c *Client) appSummary(ctx context.Context, at time.Time, window time.Duration) (AppSummary, error) {
	selector, err := c.increaseRange(ctx, window)
	if err != nil {
		return AppSummary{}, err
	}
	var s AppSummary
	g, gctx := errgroup.WithContext(ctx)
	g.Go(func() (err error) { s.AppTotals, err = c.appTotals(gctx, at, window); return err })
	g.Go(func() (err error) { s.Jobs, err = c.jobs(gctx, at, window, selector); return err })
	g.Go(func() (err error) { s.Models, err = c.models(gctx, at, window, selector); return err })

	return s, g.Wait()
}

// appTotals is an application summary without its breakdowns.
func (c *Client) appTotals(ctx context.Context, at time.Time, window time.Duration) (AppTotals, error) {
	selector, err := c.increaseRange(ctx, window)
	if err != nil {
		return AppTotals{}, err
	}
	exprs := eventExprs(selector)
	maps.Copy(exprs, stateExprs)
	v, err := c.stats(ctx, exprs, at, window)

	return AppTotals{newState(v), newEvents(v, 1)}, err
}

// jobs tells the jobs apart by type.
func (c *Client) jobs(ctx context.Context, at time.Time, window time.Duration, selector string) ([]JobUsage, error) {
	vector, err := c.vector(ctx, "sum by (type, state) (llm_jobs) or sum by (type, status) (increase(llm_jobs_finished_total"+selector+"))", at, window)
	if err != nil {
		return nil, err
	}
	byType := map[string]*JobUsage{}
	for _, s := range vector {
		name := string(s.Metric[labelType])
		job := byType[name]
		if job == nil {
			job = &JobUsage{Type: name}
			byType[name] = job
		}
		switch v := float64(s.Value); string(s.Metric[labelState] + s.Metric[labelJobStatus]) {
		case "running":
			job.Running = finite(v)
		case "queued":
			job.Queued = finite(v)
		case "completed":
			job.Completed = whole(v)
		case "failed":
			job.Failed = whole(v)
		case "cancelled":
			job.Cancelled = whole(v)
		}
	}
	out := make([]JobUsage, 0, len(byType))
	for _, job := range byType {
		out = append(out, *job)
	}
	slices.SortFunc(out, func(a, b JobUsage) int { return cmp.Compare(a.Type, b.Type) })

	return out, nil
}

// models tells the model calls apart by model, the most used first.
func (c *Client) models(ctx context.Context, at time.Time, window time.Duration, selector string) ([]ModelUsage, error) {
	const byModel = "sum by (" + labelModel + ") "
	grown := func(stat, series string) string {
		return labelled(stat, byModel+"(increase("+series+selector+"))")
	}
	const first = "gen_ai_server_time_to_first_token_seconds_bucket"
	vector, err := c.vector(ctx, grown("requests", "gen_ai_server_request_duration_seconds_count")+
		" or "+grown("seconds", "gen_ai_server_request_duration_seconds_sum")+
		" or "+grown("input", `gen_ai_client_token_usage_sum{`+labelTokens+`="input"}`)+
		" or "+grown("output", `gen_ai_client_token_usage_sum{`+labelTokens+`="output"}`)+
		" or "+labelled("first", "histogram_quantile(0.95, sum by (le, "+labelModel+") (rate("+first+rangeOf(window)+")))"),
		at, window)
	if err != nil {
		return nil, err
	}
	byName := map[string]map[string]float64{}
	for _, s := range vector {
		name := string(s.Metric[labelModel])
		if byName[name] == nil {
			byName[name] = map[string]float64{}
		}
		byName[name][string(s.Metric[statLabel])] = float64(s.Value)
	}
	out := make([]ModelUsage, 0, len(byName))
	for name, v := range byName {
		out = append(out, ModelUsage{
			Model:            name,
			Requests:         whole(v["requests"]),
			InputTokens:      whole(v["input"]),
			OutputTokens:     whole(v["output"]),
			AvgResponseTime:  round(1000 * v["seconds"] / max(v["requests"], 1)),
			TimeToFirstToken: round(1000 * v["first"]),
		})
	}
	slices.SortFunc(out, func(a, b ModelUsage) int {
		return cmp.Or(-cmp.Compare(a.Requests, b.Requests), cmp.Compare(a.Model, b.Model))
	})

	return out, nil
}
