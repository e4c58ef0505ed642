package metrics

import (
	"encoding/json"
	"math"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/prometheus/common/model"
)

func TestAppSummary(t *testing.T) {
	values := map[string]float64{
		"active_jobs": 2, "queued_jobs": 3, "queue_size": 12, "connections": 7, "max_connections": 10,
		"cache_entries": 1000, "cache_bytes": 4096,
		"completed": 5, "failed": 1, "cancelled": 1, "completed_evaluations": 2,
		"hits": 3, "misses": 1, "model_requests": 40, "input_tokens": 1000, "output_tokens": 250, "cost": 0.0125,
	}
	c, _ := ask(t, 30*time.Second, anchoredServer(func(q question) (int, string) {
		query := q.Get("query")
		out := model.Vector{}
		switch {
		case strings.Contains(query, "by (type, state)"):
			job := func(kind, key, name string, v float64) *model.Sample {
				return sample(model.Metric{"type": model.LabelValue(kind), model.LabelName(key): model.LabelValue(name)}, v)
			}
			out = model.Vector{
				job("finetuning", "state", "running", 2), job("finetuning", "status", "completed", 3),
				job("evaluation", "state", "queued", 3), job("evaluation", "status", "failed", 1),
				job("evaluation", "status", "cancelled", 1), job("evaluation", "status", "completed", 2),
			}
		case strings.Contains(query, "by ("+labelModel+")"):
			call := func(name, stat string, v float64) *model.Sample {
				return sample(model.Metric{labelModel: model.LabelValue(name), statLabel: model.LabelValue(stat)}, v)
			}
			out = model.Vector{
				call("small", "requests", 10), call("small", "seconds", 5), call("small", "input", 100),
				call("large", "requests", 30), call("large", "seconds", 60), call("large", "output", 250), call("large", "first", 0.4),
				call("idle", "first", math.NaN()),
			}
		default:
			for _, m := range statOf.FindAllStringSubmatch(query, -1) {
				out = append(out, sample(model.Metric{statLabel: model.LabelValue(m[1])}, values[m[1]]))
			}
		}

		return value(out)
	}))
	s, err := c.Summary(t.Context(), noon, time.Hour)
	if err != nil {
		t.Fatal(err)
	}
	rate := 75.0
	want := AppSummary{
		AppTotals: AppTotals{
			AppState: AppState{
				ActiveJobs: 2, QueuedJobs: 3, QueueSize: 12, DatabaseConnections: 7, MaxDatabaseConnections: 10,
				CacheEntries: 1000, CacheBytes: 4096,
			},
			AppEvents: AppEvents{
				CompletedJobs: 5, FailedJobs: 1, CancelledJobs: 1, CompletedEvaluations: 2, CacheHits: 3, CacheMisses: 1,
				CacheHitRate: &rate, ModelRequests: 40, InputTokens: 1000, OutputTokens: 250, CostUSD: 0.0125,
			},
		},
		Jobs: []JobUsage{
			{Type: "evaluation", Queued: 3, Completed: 2, Failed: 1, Cancelled: 1},
			{Type: "finetuning", Running: 2, Completed: 3},
		},
		Models: []ModelUsage{
			{Model: "large", Requests: 30, OutputTokens: 250, AvgResponseTime: 2000, TimeToFirstToken: 400},
			{Model: "small", Requests: 10, InputTokens: 100, AvgResponseTime: 500},
			{Model: "idle"},
		},
	}
	if diff := cmp.Diff(want, s.App); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	if _, err := json.Marshal(s); err != nil {
		t.Errorf("it cannot be shown: %v", err)
	}
}

func TestAppHasOneElementAnInterval(t *testing.T) {
	server := func(values ...map[time.Duration]float64) func(question) (int, string) {
		return anchoredServer(func(question) (int, string) {
			return value(model.Matrix{
				stream(model.Metric{statLabel: "active_jobs"}, values[0]),
				stream(model.Metric{statLabel: "completed"}, values[1]),
			})
		})
	}
	const m = time.Minute
	c, _ := ask(t, time.Minute, server(map[time.Duration]float64{2 * m: 4, 1 * m: 5}, map[time.Duration]float64{1 * m: 3, 0: 2}))
	got, err := c.App(t.Context(), noon, time.Hour)
	if err != nil {
		t.Fatal(err)
	}
	want := []AppSample{
		{Time{noon.Add(-2 * m)}, AppTotals{AppState: AppState{ActiveJobs: 4}}},
		{Time{noon.Add(-1 * m)}, AppTotals{AppState: AppState{ActiveJobs: 5}, AppEvents: AppEvents{CompletedJobs: 3}}},
		{Time{noon}, AppTotals{AppEvents: AppEvents{CompletedJobs: 2}}},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

func TestAppWithoutApplicationMetricsIsEmptyNotNull(t *testing.T) {
	c, _ := ask(t, time.Minute, anchoredServer(func(question) (int, string) { return value(model.Matrix{}) }))
	got, err := c.App(t.Context(), noon, time.Hour)
	if err != nil || got == nil || len(got) != 0 {
		t.Errorf("%v (%v), want an empty list", got, err)
	}
	c, _ = ask(t, time.Minute, anchoredServer(func(question) (int, string) { return http.StatusBadGateway, "" }))
	if _, err := c.App(t.Context(), noon, time.Hour); err == nil {
		t.Error("a server that fails was not noticed")
	}
}
