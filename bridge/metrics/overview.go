package metrics

import (
	"context"
	"math"
	"time"

	"github.com/prometheus/common/model"
	"golang.org/x/sync/errgroup"
)

// Overview is the documented state of everything that is measured at one glance.
type Overview struct {
	Timestamp Time           `json:"timestamp"`
	System    SystemHealth   `json:"system_health"`
	API       APIPerformance `json:"api_performance"`
	App       AppTotals      `json:"app"`
	Trends    Trends         `json:"trends"`
	// Newest is when the newest sample behind the answer was taken.
	Newest time.Time `json:"-"`
}

// SystemHealth holds the newest values, in percent.
type SystemHealth struct {
	Status string  `json:"status"`
	CPU    float64 `json:"cpu_usage"`
	Memory float64 `json:"memory_usage"`
	Disk   float64 `json:"disk_usage"`
}

// The states of SystemHealth. Unknown means that no sample is recent.
const (
	StatusHealthy  = "healthy"
	StatusWarning  = "warning"
	StatusCritical = "critical"
	StatusUnknown  = "unknown"
)

// Thresholds of the default rules (rules/default.yml), in percent.
const (
	cpuHigh        = 80
	memoryCritical = 90
	diskHigh       = 85
)

// APIPerformance tells of the last hour's requests; times in milliseconds, the
// rate in percent.
type APIPerformance struct {
	TotalRequests   int64   `json:"total_requests"`
	AvgResponseTime float64 `json:"avg_response_time"`
	ErrorRate       float64 `json:"error_rate"`
	UniqueEndpoints int     `json:"unique_endpoints"`
}

// Trends tells where the last hour was going.
type Trends struct {
	CPU       string  `json:"cpu_trend"`
	Memory    string  `json:"memory_trend"`
	AvgCPU    float64 `json:"avg_cpu_last_hour"`
	AvgMemory float64 `json:"avg_memory_last_hour"`
}

// The directions of a trend.
const (
	TrendIncreasing = "increasing"
	TrendDecreasing = "decreasing"
	TrendStable     = "stable"
)

// trendPoints is by how many percentage points a fitted line must rise or fall
// over the hour to count as a trend.
const trendPoints = 5

// overviewWindow is the period that trends and API performance look at.
const overviewWindow = time.Hour

// Overview returns the state of all hosts together.
func (c *Client) Overview(ctx context.Context) (Overview, error) {
	now := c.now()
	o := Overview{Timestamp: Time{now}}
	var api APIPerformance
	g, gctx := errgroup.WithContext(ctx)
	g.Go(func() error { return c.overviewSystem(gctx, now, &o) })
	g.Go(func() (err error) { api, err = c.performance(gctx, now); return err })
	g.Go(func() (err error) { o.App, err = c.appTotals(gctx, now, overviewWindow); return err })
	if err := g.Wait(); err != nil {
		return Overview{}, err
	}
	o.API = api

	return o, nil
}

func (c *Client) overviewSystem(ctx context.Context, now time.Time, o *Overview) error {
	matrix, err := c.samples(ctx, selectSystem("", seriesCPU, seriesMemory, seriesDisk), now, overviewWindow)
	if err != nil {
		return err
	}
	var latest, averages, changes [3]mean
	for _, series := range matrix {
		if len(series.Values) == 0 {
			continue
		}
		i := map[string]int{seriesCPU: 0, seriesMemory: 1, seriesDisk: 2}[string(series.Metric[model.MetricNameLabel])]
		newest := series.Values[len(series.Values)-1]
		if at := newest.Timestamp.Time(); at.After(o.Newest) {
			o.Newest = at
		}
		// A host that fell silent counts for the hour but not for now.
		if now.Sub(newest.Timestamp.Time()) <= max(3*c.interval, 5*time.Minute) {
			latest[i] = latest[i].plus(float64(newest.Value))
		}
		for _, p := range series.Values {
			averages[i] = averages[i].plus(float64(p.Value))
		}
		changes[i] = changes[i].plus(fittedChange(series.Values))
	}
	o.System = SystemHealth{
		Status: healthStatus(latest[0], latest[1], latest[2]),
		CPU:    latest[0].value(),
		Memory: latest[1].value(),
		Disk:   latest[2].value(),
	}
	o.Trends = Trends{
		CPU:       trend(changes[0].value()),
		Memory:    trend(changes[1].value()),
		AvgCPU:    averages[0].value(),
		AvgMemory: averages[1].value(),
	}

	return nil
}

// performance is the part of an API summary that the overview shows.
func (c *Client) performance(ctx context.Context, now time.Time) (APIPerformance, error) {
	s, err := c.apiTotals(ctx, now, overviewWindow)
	if err != nil {
		return APIPerformance{}, err
	}

	return APIPerformance{
		TotalRequests:   s.TotalRequests,
		AvgResponseTime: s.AvgResponseTime,
		ErrorRate:       s.ErrorRate,
		UniqueEndpoints: s.UniqueEndpoints,
	}, nil
}

func healthStatus(cpu, memory, disk mean) string {
	switch {
	case cpu.n == 0 || memory.n == 0:
		return StatusUnknown
	case memory.value() > memoryCritical:
		return StatusCritical
	case cpu.value() > cpuHigh || disk.value() > diskHigh:
		return StatusWarning
	default:
		return StatusHealthy
	}
}

// fittedChange fits a line through the samples by least squares and returns by
// how much it rises from the first sample's time to the last one's.
func fittedChange(samples []model.SamplePair) float64 {
	if len(samples) < 2 {
		return 0
	}
	t0 := samples[0].Timestamp
	var n, st, sv, stt, stv float64
	for _, s := range samples {
		t, v := float64(s.Timestamp-t0), float64(s.Value)
		n, st, sv, stt, stv = n+1, st+t, sv+v, stt+t*t, stv+t*v
	}
	det := n*stt - st*st
	if det == 0 {
		return 0
	}
	slope := (n*stv - st*sv) / det

	return slope * float64(samples[len(samples)-1].Timestamp-t0)
}

func trend(change float64) string {
	switch {
	case math.Abs(change) < trendPoints:
		return TrendStable
	case change > 0:
		return TrendIncreasing
	default:
		return TrendDecreasing
	}
}
