package metrics

import (
	"cmp"
	"context"
	"fmt"
	"maps"
	"math"
	"slices"
	"strings"
	"time"

	"github.com/prometheus/common/model"
	"golang.org/x/sync/errgroup"
)

// Summary is the documented summary of a period.
type Summary struct {
	Hours  float64       `json:"time_period_hours"`
	System SystemSummary `json:"system"`
	API    APISummary    `json:"api"`
	App    AppSummary    `json:"app"`
}

// SystemSummary tells how busy the machine was, in percent.
type SystemSummary struct {
	AvgCPU     float64 `json:"avg_cpu_percent"`
	MaxCPU     float64 `json:"max_cpu_percent"`
	AvgMemory  float64 `json:"avg_memory_percent"`
	MaxMemory  float64 `json:"max_memory_percent"`
	AvgDisk    float64 `json:"avg_disk_percent"`
	DataPoints int64   `json:"data_points"`
}

// APISummary tells of the requests to the platform's API.
type APISummary struct {
	TotalRequests     int64           `json:"total_requests"`
	AvgResponseTime   float64         `json:"avg_response_time_ms"`
	MaxResponseTime   float64         `json:"max_response_time_ms"`
	P50ResponseTime   float64         `json:"p50_response_time_ms"`
	P95ResponseTime   float64         `json:"p95_response_time_ms"`
	P99ResponseTime   float64         `json:"p99_response_time_ms"`
	ErrorCount        int64           `json:"error_count"`
	ErrorRate         float64         `json:"error_rate_percent"`
	RequestsPerSecond float64         `json:"requests_per_second"`
	UniqueEndpoints   int             `json:"unique_endpoints"`
	TopEndpoints      []EndpointUsage `json:"top_endpoints"`
}

// EndpointUsage tells how often an endpoint was used and how that went.
type EndpointUsage struct {
	Endpoint        string  `json:"endpoint"`
	RequestCount    int64   `json:"request_count"`
	ErrorCount      int64   `json:"error_count"`
	AvgResponseTime float64 `json:"avg_response_time_ms"`
}

// topEndpoints is how many endpoints a summary lists.
const topEndpoints = 10

// Summary returns the summary of the window before a moment.
func (c *Client) Summary(ctx context.Context, at time.Time, window time.Duration) (Summary, error) {
	s := Summary{Hours: window.Hours()}
	g, gctx := errgroup.WithContext(ctx)
	g.Go(func() (err error) { s.System, err = c.systemSummary(gctx, at, window); return err })
	g.Go(func() (err error) { s.API, err = c.apiSummary(gctx, at, window); return err })
	g.Go(func() (err error) { s.App, err = c.appSummary(gctx, at, window); return err })

	return s, g.Wait()
}

// statLabel carries which of several united expressions a value answers.
const statLabel = "stat"

// labelled marks the values of an expression, so that several can be asked for
// in one query and told apart in the answer.
func labelled(stat, expr string) string {
	return fmt.Sprintf(`label_replace(%s, "%s", "%s", "", "")`, expr, statLabel, stat)
}

// unite makes one query of several expressions, by stat.
func unite(exprs map[string]string) string {
	united := make([]string, 0, len(exprs))
	for _, stat := range slices.Sorted(maps.Keys(exprs)) {
		united = append(united, labelled(stat, exprs[stat]))
	}

	return strings.Join(united, " or ")
}

// stats asks for several single values in one query.
func (c *Client) stats(ctx context.Context, exprs map[string]string, at time.Time, window time.Duration) (map[string]float64, error) {
	vector, err := c.vector(ctx, unite(exprs), at, window)
	if err != nil {
		return nil, err
	}
	out := make(map[string]float64, len(vector))
	for _, s := range vector {
		out[string(s.Metric[statLabel])] = float64(s.Value)
	}

	return out, nil
}

func (c *Client) systemSummary(ctx context.Context, at time.Time, window time.Duration) (SystemSummary, error) {
	r := rangeOf(window)
	v, err := c.stats(ctx, map[string]string{
		"avg_cpu":    "avg(avg_over_time(" + seriesCPU + r + "))",
		"max_cpu":    "max(max_over_time(" + seriesCPU + r + "))",
		"avg_memory": "avg(avg_over_time(" + seriesMemory + r + "))",
		"max_memory": "max(max_over_time(" + seriesMemory + r + "))",
		"avg_disk":   "avg(avg_over_time(" + seriesDisk + r + "))",
		"points":     "sum(count_over_time(" + seriesCPU + r + "))",
	}, at, window)
	if err != nil {
		return SystemSummary{}, err
	}

	return SystemSummary{
		AvgCPU:     round(v["avg_cpu"]),
		MaxCPU:     round(v["max_cpu"]),
		AvgMemory:  round(v["avg_memory"]),
		MaxMemory:  round(v["max_memory"]),
		AvgDisk:    round(v["avg_disk"]),
		DataPoints: whole(v["points"]),
	}, nil
}

// quantiles are the percentiles of a summary, by the name of their stat.
var quantiles = map[string]float64{"p50": 0.5, "p95": 0.95, "p99": 0.99}

func (c *Client) apiSummary(ctx context.Context, at time.Time, window time.Duration) (APISummary, error) {
	var s APISummary
	var times map[string]float64
	g, gctx := errgroup.WithContext(ctx)
	g.Go(func() (err error) { s, err = c.apiTotals(gctx, at, window); return err })
	g.Go(func() (err error) { times, err = c.percentiles(gctx, at, window); return err })
	if err := g.Wait(); err != nil {
		return APISummary{}, err
	}
	if s.TotalRequests > 0 {
		s.P50ResponseTime = round(1000 * times["p50"])
		s.P95ResponseTime = round(1000 * times["p95"])
		s.P99ResponseTime = round(1000 * times["p99"])
		s.MaxResponseTime = round(1000 * times["max"])
	}

	return s, nil
}

// apiTotals is an API summary without percentiles.
func (c *Client) apiTotals(ctx context.Context, at time.Time, window time.Duration) (APISummary, error) {
	selector, err := c.increaseRange(ctx, window)
	if err != nil {
		return APISummary{}, err
	}
	grown := func(series string) string { return byEndpoint + "(increase(" + series + selector + "))" }

	var counts, failed, durations model.Vector
	g, gctx := errgroup.WithContext(ctx)
	g.Go(func() (err error) { counts, err = c.vector(gctx, grown(seriesRequests), at, window); return err })
	g.Go(func() (err error) { failed, err = c.vector(gctx, grown(seriesFailed), at, window); return err })
	g.Go(func() (err error) { durations, err = c.vector(gctx, grown(seriesDuration), at, window); return err })
	if err := g.Wait(); err != nil {
		return APISummary{}, err
	}
	s := sumUp(counts, failed, durations)
	s.RequestsPerSecond = round(float64(s.TotalRequests) / window.Seconds())

	return s, nil
}

// percentiles reads them from native histograms, which are finer, and where
// there are none from classic ones. The maximum is the longest request itself
// where the platform publishes it, and a bucket's bound otherwise.
func (c *Client) percentiles(ctx context.Context, at time.Time, window time.Duration) (map[string]float64, error) {
	r := rangeOf(window)
	name := strings.TrimSuffix(seriesRequests, "_count")
	quantile := func(q float64) string {
		return fmt.Sprintf("(histogram_quantile(%[1]g, sum(rate(%[2]s%[3]s))) or histogram_quantile(%[1]g, sum by (le) (rate(%[2]s_bucket%[3]s))))",
			q, name, r)
	}
	exprs := map[string]string{"max": "(max(max_over_time(" + seriesLongest + r + ")) or " + quantile(1) + ")"}
	for stat, q := range quantiles {
		exprs[stat] = quantile(q)
	}

	return c.stats(ctx, exprs, at, window)
}

// use is what happened at some endpoints.
type use struct{ requests, errors, seconds float64 }

func (u use) plus(v use) use {
	return use{u.requests + v.requests, u.errors + v.errors, u.seconds + v.seconds}
}

func byEndpointOf(vector model.Vector) map[endpoint]float64 {
	out := make(map[endpoint]float64, len(vector))
	for _, s := range vector {
		out[endpointOf(s.Metric)] = finite(float64(s.Value))
	}

	return out
}

// sumUp turns what each endpoint counted into the totals and the top list.
func sumUp(counts, failed, durations model.Vector) APISummary {
	seconds, failures := byEndpointOf(durations), byEndpointOf(failed)
	routes := map[string]use{}
	var all use
	for _, s := range counts {
		e, n := endpointOf(s.Metric), float64(s.Value)
		if !(n > 0) || math.IsInf(n, 1) { // NaN is not greater than 0 either.
			continue
		}
		u := use{requests: n, errors: min(failures[e], n), seconds: seconds[e]}
		if e.status() >= 500 {
			u.errors = n
		}
		all, routes[e.route] = all.plus(u), routes[e.route].plus(u)
	}
	top := make([]EndpointUsage, 0, len(routes))
	for route, u := range routes {
		top = append(top, EndpointUsage{
			Endpoint:        route,
			RequestCount:    whole(u.requests),
			ErrorCount:      whole(u.errors),
			AvgResponseTime: round(1000 * u.seconds / u.requests),
		})
	}
	slices.SortFunc(top, func(a, b EndpointUsage) int {
		return cmp.Or(-cmp.Compare(a.RequestCount, b.RequestCount), cmp.Compare(a.Endpoint, b.Endpoint))
	})

	return APISummary{
		TotalRequests:   whole(all.requests),
		ErrorCount:      whole(all.errors),
		ErrorRate:       round(100 * all.errors / all.requests),
		AvgResponseTime: round(1000 * all.seconds / all.requests),
		UniqueEndpoints: len(routes),
		TopEndpoints:    top[:min(len(top), topEndpoints)],
	}
}

// whole rounds a count that a server without exact increases may have
// extrapolated; what no int64 can hold, NaN included, is 0.
func whole(n float64) int64 {
	if !(math.Abs(n) < math.MaxInt64) {
		return 0
	}

	return int64(math.Round(n))
}
