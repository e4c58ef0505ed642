package metrics

import (
	"math"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/prometheus/common/model"
)

// bySeries answers range queries with the matrix of the series they read.
func bySeries(answers map[string]model.Matrix) func(question) (int, string) {
	return func(q question) (int, string) {
		for series, matrix := range answers {
			if strings.Contains(q.Get("query"), "("+series+"[") {
				return value(matrix)
			}
		}

		return value(model.Matrix{})
	}
}

func TestAPI(t *testing.T) {
	const s = time.Second
	generate, broken := requests("/api/v1/generate", "POST", "200"), requests("/api/v1/generate", "POST", "503")
	answers := map[string]model.Matrix{
		seriesRequests: {
			stream(generate, map[time.Duration]float64{60 * s: 4, 30 * s: 0, 0: 2}),
			stream(broken, map[time.Duration]float64{60 * s: 3, 0: math.NaN()}),
			stream(requests("/a", "GET", "499"), map[time.Duration]float64{60 * s: 1}),
			stream(requests("/a", "GET", "none"), map[time.Duration]float64{60 * s: 1}),
		},
		seriesDuration:     {stream(generate, map[time.Duration]float64{60 * s: 0.602, 0: math.Inf(1)})},
		seriesRequestSize:  {stream(generate, map[time.Duration]float64{60 * s: 4096})},
		seriesResponseSize: {stream(generate, map[time.Duration]float64{60 * s: 8192})},
	}
	want := func(scale int64) []APISample {
		return []APISample{
			{Timestamp: at(60 * s), Endpoint: "/a", Method: "GET", StatusCode: 0, RequestCount: 1},
			{Timestamp: at(60 * s), Endpoint: "/a", Method: "GET", StatusCode: 499, RequestCount: 1},
			{
				Timestamp: at(60 * s), Endpoint: "/api/v1/generate", Method: "POST", StatusCode: 200,
				ResponseTime: 150.5, RequestBytes: 1024, ResponseBytes: 2048, RequestCount: 4 / scale,
			},
			// 1.5 rounds to 2.
			{Timestamp: at(60 * s), Endpoint: "/api/v1/generate", Method: "POST", StatusCode: 503, RequestCount: 3 - scale + 1, ErrorCount: 3 - scale + 1},
			{Timestamp: at(0), Endpoint: "/api/v1/generate", Method: "POST", StatusCode: 200, RequestCount: 2 / scale},
		}
	}
	for name, tc := range map[string]struct {
		server func(func(question) (int, string)) func(question) (int, string)
		ranges string
		want   []APISample
	}{
		"anchored: exactly one interval":              {anchoredServer, "[30s] anchored))", want(1)},
		"plain: two intervals, half of what they say": {plainServer, "[1m]))", want(2)},
	} {
		t.Run(name, func(t *testing.T) {
			c, server := ask(t, 30*s, tc.server(bySeries(answers)))
			got, err := c.API(t.Context(), noon, 5*time.Minute)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(tc.want, got); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
			for _, q := range server.questions("sum by") {
				if !strings.HasSuffix(q.Get("query"), tc.ranges) {
					t.Errorf("it asked for %s, want %s", q.Get("query"), tc.ranges)
				}
			}
		})
	}
}

func TestAPIAsksForEachIntervalOnce(t *testing.T) {
	for name, tc := range map[string]struct {
		interval, window time.Duration
		pieces           int
	}{
		"30 days by the second":             {time.Second, 30 * 24 * time.Hour, 260},
		"exactly one piece":                 {30 * time.Second, 10_000 * 30 * time.Second, 1},
		"one interval more":                 {30 * time.Second, 10_001 * 30 * time.Second, 2},
		"an hour":                           {30 * time.Second, time.Hour, 1},
		"a window shorter than an interval": {time.Hour, time.Minute, 1},
		"a window of odd length":            {7 * time.Second, time.Minute, 1},
	} {
		t.Run(name, func(t *testing.T) {
			c, server := ask(t, tc.interval, anchoredServer(bySeries(nil)))
			if got, err := c.API(t.Context(), noon, tc.window); err != nil || got == nil || len(got) != 0 {
				t.Fatalf("without API metrics the answer is %v (%v), want an empty list", got, err)
			}
			asked := server.questions(seriesRequests)
			if len(asked) != tc.pieces {
				t.Fatalf("it took %d pieces, want %d", len(asked), tc.pieces)
			}
			next := time.Time{}
			for _, q := range asked {
				from, to := q.at(t, "start"), q.at(t, "end")
				if from.After(to) || to.Sub(from) >= maxSteps*tc.interval {
					t.Errorf("one piece goes from %s to %s", from, to)
				}
				if !next.IsZero() && !from.Equal(next) {
					t.Errorf("a piece begins at %s, want %s", from, next)
				}
				next = to.Add(tc.interval)
			}
			if last := next.Add(-tc.interval); noon.Sub(last) >= tc.interval {
				t.Errorf("the newest interval ends at %s", last)
			}
			if first := asked[0].at(t, "start").Add(-tc.interval); first.After(noon.Add(-tc.window)) {
				t.Errorf("the oldest interval begins at %s", first)
			}
		})
	}
}

// TestPiecesHaveTheSameStepsWhateverTheBounds asks about windows that neither begin
// nor end with an interval.
func TestPiecesHaveTheSameStepsWhateverTheBounds(t *testing.T) {
	c, _ := ask(t, 35*time.Second, always(http.StatusOK, ""))
	const s = time.Second
	first := noon.Truncate(35 * s)
	for name, tc := range map[string]struct {
		at     time.Time
		window time.Duration
		steps  []time.Time
	}{
		"on both bounds":               {first.Add(70 * s), 70 * s, []time.Time{first.Add(35 * s), first.Add(70 * s)}},
		"inside of both":               {first.Add(104 * s), 103 * s, []time.Time{first.Add(35 * s), first.Add(70 * s)}},
		"an interval that has begun":   {first.Add(34 * s), 34 * s, []time.Time{first}},
		"an interval that ends inside": {first.Add(36 * s), 2 * s, []time.Time{first.Add(35 * s)}},
	} {
		var steps []time.Time
		for piece := range c.pieces(tc.at, tc.window) {
			for step := piece.Start; !step.After(piece.End); step = step.Add(piece.Step) {
				steps = append(steps, step)
			}
		}
		if diff := cmp.Diff(tc.steps, steps); diff != "" {
			t.Errorf("%s (-want +got):\n%s", name, diff)
		}
	}
}

func TestAPIFailsAsAWhole(t *testing.T) {
	c, _ := ask(t, 30*time.Second, anchoredServer(func(q question) (int, string) {
		if strings.Contains(q.Get("query"), seriesResponseSize) {
			return http.StatusBadGateway, ""
		}

		return value(model.Matrix{})
	}))
	if got, err := c.API(t.Context(), noon, time.Hour); err == nil || got != nil {
		t.Errorf("one query of four failed and the answer is %v (%v)", got, err)
	}
}
