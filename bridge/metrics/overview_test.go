package metrics

import (
	"encoding/json"
	"errors"
	"math"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/prometheus/common/model"
)

func TestTrendOfAFittedLine(t *testing.T) {
	const m = time.Minute
	for name, tc := range map[string]struct {
		values map[time.Duration]float64
		change float64
		want   string
	}{
		"rising":                            {map[time.Duration]float64{60 * m: 10, 30 * m: 20, 0: 30}, 20, TrendIncreasing},
		"falling":                           {map[time.Duration]float64{60 * m: 30, 30 * m: 20, 0: 10}, -20, TrendDecreasing},
		"flat":                              {map[time.Duration]float64{60 * m: 20, 30 * m: 20, 0: 20}, 0, TrendStable},
		"a rise of less than five points":   {map[time.Duration]float64{60 * m: 20, 0: 24.99}, 4.99, TrendStable},
		"a rise of five points":             {map[time.Duration]float64{60 * m: 20, 0: 25}, 5, TrendIncreasing},
		"a fall of five points":             {map[time.Duration]float64{60 * m: 25, 0: 20}, -5, TrendDecreasing},
		"one peak in the middle":            {map[time.Duration]float64{60 * m: 20, 30 * m: 90, 0: 20}, 0, TrendStable},
		"one point":                         {map[time.Duration]float64{0: 20}, 0, TrendStable},
		"no points":                         {nil, 0, TrendStable},
		"points apart by unequal distances": {map[time.Duration]float64{60 * m: 0, 59 * m: 1, 0: 60}, 60, TrendIncreasing},
	} {
		t.Run(name, func(t *testing.T) {
			change := fittedChange(stream(nil, tc.values).Values)
			if math.Abs(change-tc.change) > 1e-9 {
				t.Errorf("the line rises by %g, want %g", change, tc.change)
			}
			if got := trend(change); got != tc.want {
				t.Errorf("the trend is %s, want %s", got, tc.want)
			}
		})
	}
}

func TestHealthStatusFollowsTheDefaultThresholds(t *testing.T) {
	value := func(x float64) mean { return mean{}.plus(x) }
	for name, tc := range map[string]struct {
		cpu, memory, disk mean
		want              string
	}{
		"nothing is known":                 {mean{}, mean{}, mean{}, StatusUnknown},
		"CPU is not known":                 {mean{}, value(10), value(10), StatusUnknown},
		"memory is not known":              {value(10), mean{}, value(10), StatusUnknown},
		"CPU is not a number":              {value(math.NaN()), value(10), value(10), StatusUnknown},
		"the disk is not known":            {value(10), value(10), mean{}, StatusHealthy},
		"all at their thresholds":          {value(80), value(90), value(85), StatusHealthy},
		"CPU above":                        {value(80.1), value(90), value(85), StatusWarning},
		"disk above":                       {value(80), value(90), value(85.1), StatusWarning},
		"memory above":                     {value(80), value(90.1), value(85), StatusCritical},
		"memory is graver than the others": {value(99), value(99), value(99), StatusCritical},
	} {
		if got := healthStatus(tc.cpu, tc.memory, tc.disk); got != tc.want {
			t.Errorf("%s: %s, want %s", name, got, tc.want)
		}
	}
}

// overviewServer answers an overview's queries.
func overviewServer(system model.Matrix, rules string) func(question) (int, string) {
	return anchoredServer(func(q question) (int, string) {
		switch {
		case strings.HasSuffix(q.path, "/rules"):
			return http.StatusOK, `{"status":"success","data":{"groups":[` + rules + `]}}`
		case strings.Contains(q.Get("query"), "__name__"):
			return value(system)
		case strings.Contains(q.Get("query"), seriesFailed):
			return value(model.Vector{})
		case strings.Contains(q.Get("query"), seriesRequests):
			return value(model.Vector{sample(requests("/a", "GET", "200"), 3), sample(requests("/b", "GET", "500"), 1)})
		default:
			return value(model.Vector{sample(requests("/a", "GET", "200"), 2)})
		}
	})
}

func TestOverview(t *testing.T) {
	const m = time.Minute
	performance := APIPerformance{TotalRequests: 4, AvgResponseTime: 500, ErrorRate: 25, UniqueEndpoints: 2}
	for name, tc := range map[string]struct {
		system model.Matrix
		want   Overview
	}{
		"newest values, means and trends of the hour": {
			model.Matrix{
				stream(of(seriesCPU, "a"), map[time.Duration]float64{50 * m: 20, 25 * m: 30, 1 * m: 40}),
				stream(of(seriesMemory, "a"), map[time.Duration]float64{50 * m: 60, 1 * m: 50}),
				stream(of(seriesDisk, "a"), map[time.Duration]float64{1 * m: 86}),
			},
			Overview{
				System: SystemHealth{StatusWarning, 40, 50, 86},
				Trends: Trends{TrendIncreasing, TrendDecreasing, 30, 55},
				Newest: noon.Add(-m),
			},
		},
		"a host that fell silent counts for the hour but not for now": {
			model.Matrix{
				stream(of(seriesCPU, "a"), map[time.Duration]float64{5*m + time.Second: 100}),
				stream(of(seriesCPU, "b"), map[time.Duration]float64{5 * m: 10}),
				stream(of(seriesMemory, "a"), map[time.Duration]float64{6 * m: 100}),
				stream(of(seriesMemory, "b"), map[time.Duration]float64{4 * m: 20}),
			},
			Overview{
				System: SystemHealth{StatusHealthy, 10, 20, 0},
				Trends: Trends{TrendStable, TrendStable, 55, 60}, Newest: noon.Add(-4 * m),
			},
		},
		"all silent": {
			model.Matrix{
				stream(of(seriesCPU, "a"), map[time.Duration]float64{10 * m: 99}),
				stream(of(seriesMemory, "a"), map[time.Duration]float64{10 * m: 99}),
			},
			Overview{
				System: SystemHealth{Status: StatusUnknown},
				Trends: Trends{TrendStable, TrendStable, 99, 99}, Newest: noon.Add(-10 * m),
			},
		},
		"nothing is recorded yet": {
			model.Matrix{},
			Overview{System: SystemHealth{Status: StatusUnknown}, Trends: Trends{CPU: TrendStable, Memory: TrendStable}},
		},
		"a series without values, and values that are no numbers": {
			model.Matrix{
				&model.SampleStream{Metric: of(seriesDisk, "a"), Values: []model.SamplePair{}},
				stream(of(seriesCPU, "a"), map[time.Duration]float64{1 * m: math.NaN(), 2 * m: 7}),
				stream(of(seriesMemory, "a"), map[time.Duration]float64{1 * m: math.Inf(1), 2 * m: 8}),
			},
			Overview{
				System: SystemHealth{Status: StatusUnknown},
				Trends: Trends{TrendStable, TrendStable, 7, 8}, Newest: noon.Add(-m),
			},
		},
	} {
		t.Run(name, func(t *testing.T) {
			tc.want.Timestamp, tc.want.API = Time{noon}, performance
			c, _ := ask(t, 30*time.Second, overviewServer(tc.system, ""))
			got, err := c.Overview(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(tc.want, got); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
			if _, err := json.Marshal(got); err != nil {
				t.Errorf("it cannot be shown: %v", err)
			}
		})
	}
}

func TestOverviewFailsAsAWhole(t *testing.T) {
	whole := overviewServer(model.Matrix{}, "")
	for name, part := range map[string]func(q question) bool{
		"system": func(q question) bool { return strings.Contains(q.Get("query"), "__name__") },
		"API":    func(q question) bool { return strings.Contains(q.Get("query"), seriesRequests) },
	} {
		c, _ := ask(t, 30*time.Second, func(q question) (int, string) {
			if part(q) {
				return http.StatusBadGateway, ""
			}

			return whole(q)
		})
		if got, err := c.Overview(t.Context()); !errors.Is(err, ErrUnavailable) || !cmp.Equal(got, Overview{}) {
			t.Errorf("without the %s the overview is %+v (%v)", name, got, err)
		}
	}
}
