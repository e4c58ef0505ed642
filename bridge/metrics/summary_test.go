package metrics

import (
	"encoding/json"
	"fmt"
	"math"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/prometheus/common/model"
)

func sample(m model.Metric, v float64) *model.Sample {
	return &model.Sample{Metric: m, Value: model.SampleValue(v)}
}

func TestSumUp(t *testing.T) {
	var eleven, top model.Vector
	for i := range 11 {
		eleven = append(eleven, sample(requests(fmt.Sprintf("/%02d", i), "GET", "200"), 1))
	}
	top = append(top, eleven...)
	top = append(top, sample(requests("/10", "GET", "404"), 5))

	usage := func(from, n int) []EndpointUsage {
		var out []EndpointUsage
		for i := range n {
			out = append(out, EndpointUsage{Endpoint: fmt.Sprintf("/%02d", from+i), RequestCount: 1})
		}

		return out
	}
	for name, tc := range map[string]struct {
		counts, durations model.Vector
		want              APISummary
	}{
		"nothing": {nil, nil, APISummary{TopEndpoints: []EndpointUsage{}}},
		"methods and codes of an endpoint are added up; errors are 500 and above": {
			model.Vector{
				sample(requests("/a", "GET", "200"), 6), sample(requests("/a", "POST", "499"), 2),
				sample(requests("/a", "GET", "500"), 1), sample(requests("/b", "GET", "503"), 1),
			},
			model.Vector{
				sample(requests("/a", "GET", "200"), 0.6), sample(requests("/a", "GET", "500"), 3),
				sample(requests("/b", "GET", "503"), 1.4), sample(requests("/gone", "GET", "200"), 99),
			},
			APISummary{
				TotalRequests: 10, ErrorCount: 2, ErrorRate: 20, AvgResponseTime: 500, UniqueEndpoints: 2,
				TopEndpoints: []EndpointUsage{
					{Endpoint: "/a", RequestCount: 9, ErrorCount: 1, AvgResponseTime: 400},
					{Endpoint: "/b", RequestCount: 1, ErrorCount: 1, AvgResponseTime: 1400},
				},
			},
		},
		"what was not used or is no number does not count": {
			model.Vector{
				sample(requests("/a", "GET", "200"), 0), sample(requests("/b", "GET", "200"), -1),
				sample(requests("/c", "GET", "200"), math.NaN()), sample(requests("/d", "GET", "200"), math.Inf(1)),
				sample(requests("/e", "GET", "200"), 1),
			},
			model.Vector{sample(requests("/e", "GET", "200"), math.NaN())},
			APISummary{TotalRequests: 1, UniqueEndpoints: 1, TopEndpoints: []EndpointUsage{{Endpoint: "/e", RequestCount: 1}}},
		},
		"extrapolated counts are rounded, shares and means are not": {
			model.Vector{sample(requests("/a", "GET", "200"), 0.2), sample(requests("/a", "GET", "500"), 0.4)},
			model.Vector{sample(requests("/a", "GET", "500"), 0.3)},
			APISummary{
				TotalRequests: 1, ErrorRate: 66.67, AvgResponseTime: 500, UniqueEndpoints: 1,
				TopEndpoints: []EndpointUsage{{Endpoint: "/a", RequestCount: 1, AvgResponseTime: 500}},
			},
		},
		"the top list is bounded; equal use is ordered by name": {
			eleven, nil, APISummary{TotalRequests: 11, UniqueEndpoints: 11, TopEndpoints: usage(0, 10)},
		},
		"the most used comes first": {
			top, nil,
			APISummary{
				TotalRequests: 16, UniqueEndpoints: 11,
				TopEndpoints: append([]EndpointUsage{{Endpoint: "/10", RequestCount: 6}}, usage(0, 9)...),
			},
		},
	} {
		t.Run(name, func(t *testing.T) {
			got := sumUp(tc.counts, nil, tc.durations)
			if diff := cmp.Diff(tc.want, got); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
			if _, err := json.Marshal(got); err != nil {
				t.Errorf("it cannot be shown: %v", err)
			}
		})
	}
}

func TestRequestsThatFailedBelow500AreErrors(t *testing.T) {
	ok := requests("/a", "GET", "200")
	got := sumUp(model.Vector{sample(ok, 10)}, model.Vector{sample(ok, 3)}, nil)
	if got.TotalRequests != 10 || got.ErrorCount != 3 || got.ErrorRate != 30 || got.TopEndpoints[0].ErrorCount != 3 {
		t.Errorf("3 of 10 requests failed, the summary says %+v", got)
	}
}

// statOf finds what each of several united expressions is called.
var statOf = regexp.MustCompile(`"stat", "(\w+)"`)

// summaryServer answers a summary's queries with the same value for each stat.
func summaryServer(stat float64, counts model.Vector) func(question) (int, string) {
	return func(q question) (int, string) {
		out := model.Vector{}
		if strings.Contains(q.Get("query"), seriesRequests+"[") {
			out = append(out, counts...)
		}
		for _, m := range statOf.FindAllStringSubmatch(q.Get("query"), -1) {
			out = append(out, sample(model.Metric{statLabel: model.LabelValue(m[1])}, stat))
		}

		return value(out)
	}
}

func TestSummary(t *testing.T) {
	used := model.Vector{sample(requests("/a", "GET", "200"), 7200)}
	system := SystemSummary{AvgCPU: 1.26, MaxCPU: 1.26, AvgMemory: 1.26, MaxMemory: 1.26, AvgDisk: 1.26, DataPoints: 1}
	for name, tc := range map[string]struct {
		stat   float64
		counts model.Vector
		want   Summary
	}{
		"everything is there": {1.256, used, Summary{
			Hours: 2, System: system,
			API: APISummary{
				TotalRequests: 7200, RequestsPerSecond: 1, UniqueEndpoints: 1,
				P50ResponseTime: 1256, P95ResponseTime: 1256, P99ResponseTime: 1256, MaxResponseTime: 1256,
				TopEndpoints: []EndpointUsage{{Endpoint: "/a", RequestCount: 7200}},
			},
		}},
		"without requests there are no percentiles": {
			1.256, nil,
			Summary{Hours: 2, System: system, API: APISummary{TopEndpoints: []EndpointUsage{}}},
		},
		"what is no number is 0": {math.NaN(), used, Summary{
			Hours: 2,
			API: APISummary{
				TotalRequests: 7200, RequestsPerSecond: 1, UniqueEndpoints: 1,
				TopEndpoints: []EndpointUsage{{Endpoint: "/a", RequestCount: 7200}},
			},
		}},
	} {
		t.Run(name, func(t *testing.T) {
			c, server := ask(t, 30*time.Second, anchoredServer(summaryServer(tc.stat, tc.counts)))
			when := noon.Add(-time.Hour)
			got, err := c.Summary(t.Context(), when, 2*time.Hour)
			if err != nil {
				t.Fatal(err)
			}
			if _, err := json.Marshal(got); err != nil {
				t.Errorf("it cannot be shown: %v", err)
			}
			got.App = AppSummary{} // Its own tests look at it.
			if diff := cmp.Diff(tc.want, got); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
			for _, q := range server.questions("[2h]") {
				if !q.at(t, "time").Equal(when) {
					t.Errorf("it asked about %s, want %s", q.Get("time"), when)
				}
			}
		})
	}
}

func TestPercentilesPreferNativeHistograms(t *testing.T) {
	c, server := ask(t, 30*time.Second, anchoredServer(summaryServer(1, nil)))
	if _, err := c.Summary(t.Context(), noon, time.Hour); err != nil {
		t.Fatal(err)
	}
	asked := server.questions("histogram_quantile(0.5,")
	if len(asked) != 1 {
		t.Fatalf("the percentiles took %d queries, want one", len(asked))
	}
	query := asked[0].Get("query")
	for stat, q := range quantiles {
		want := fmt.Sprintf(`label_replace((`+
			`histogram_quantile(%[1]g, sum(rate(http_server_request_duration_seconds[1h]))) or `+
			`histogram_quantile(%[1]g, sum by (le) (rate(http_server_request_duration_seconds_bucket[1h])))), "stat", "%[2]s", "", "")`, q, stat)
		if !strings.Contains(query, want) {
			t.Errorf("%s is not asked for as\n%s\nin\n%s", stat, want, query)
		}
	}
}

func TestNumbersAreFitForJSON(t *testing.T) {
	for x, want := range map[float64]float64{
		0: 0, 1.005: 1, 1.256: 1.26, -1.256: -1.26, 99.999: 100,
		math.Inf(1): 0, math.Inf(-1): 0, math.NaN(): 0, math.MaxFloat64: 0,
	} {
		if got := round(x); got != want {
			t.Errorf("round(%g) is %g, want %g", x, got, want)
		}
	}
	for x, want := range map[float64]int64{
		0: 0, 0.5: 1, 1.4: 1, 12345678901234567: 12345678901234568,
		math.Inf(1): 0, math.NaN(): 0, 1e19: 0, math.MaxInt64: 0,
	} {
		if got := whole(x); got != want {
			t.Errorf("whole(%g) is %d, want %d", x, got, want)
		}
	}
}
