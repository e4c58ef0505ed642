package bridge

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"llmwatch/bridge/metrics"
)

// periodBench has metrics with a sample each minute, or a day in what is longer, that
// remember what they were asked last.
func periodBench(t *testing.T) (b *bench, asked *string) {
	asked = new(string)
	times := func(at time.Time, window time.Duration) []metrics.Time {
		*asked = fmt.Sprint(window, " to ", at.UTC().Format("15:04:05.000"))
		step := time.Minute
		if window > 24*time.Hour {
			step = 24 * time.Hour
		}
		list := []metrics.Time{}
		for next := at.Add(-window).Truncate(step).Add(step); !next.After(at); next = next.Add(step) {
			list = append(list, metrics.Time{Time: next})
		}

		return list
	}
	b = put(t, &fakeMetrics{
		system: func(_ context.Context, at time.Time, window time.Duration, instance string) ([]metrics.SystemSample, error) {
			return each(times(at, window), func(next metrics.Time) metrics.SystemSample {
				return metrics.SystemSample{Timestamp: next, CPU: float64(next.Minute()), Sent: int64(len(instance))}
			}), nil
		},
		api: func(at time.Time, window time.Duration) ([]metrics.APISample, error) {
			return each(times(at, window), func(next metrics.Time) metrics.APISample {
				return metrics.APISample{Timestamp: next, Endpoint: "/a", Method: "GET", StatusCode: 200, RequestCount: int64(next.Minute())}
			}), nil
		},
		app: func(at time.Time, window time.Duration) ([]metrics.AppSample, error) {
			return each(times(at, window), func(next metrics.Time) metrics.AppSample {
				return metrics.AppSample{Timestamp: next, AppTotals: metrics.AppTotals{AppState: metrics.AppState{ActiveJobs: float64(next.Minute())}}}
			}), nil
		},
	}, nil)

	return b, asked
}

// each makes a sample of each time.
func each[T any](times []metrics.Time, sample func(metrics.Time) T) []T {
	list := make([]T, 0, len(times))
	for _, next := range times {
		list = append(list, sample(next))
	}

	return list
}

// sampleKinds are the paths below /metrics/ and /export/ that take a period.
var sampleKinds = []string{"system", "api", "app"}

func TestSamplesAreThoseOfTheirPeriod(t *testing.T) {
	b, asked := periodBench(t)
	for query, want := range map[string]struct {
		asked, start, end string
		minutes           int
	}{
		"":                           {"1h0m0s to 12:00:00.000", "", "", 60},
		"minutes=5":                  {"5m0s to 12:00:00.000", "", "", 5},
		"start=-10m":                 {"10m0s to 12:00:00.000", "11:50:00.000", "12:00:00.000", 10},
		"end=-10m":                   {"1h0m0s to 11:50:00.000", "10:50:00.000", "11:50:00.000", 60},
		"start=-2h&end=-1h":          {"1h0m0s to 11:00:00.000", "10:00:00.000", "11:00:00.000", 60},
		"start=-2h&end=-119m59s":     {"1s to 10:00:01.000", "10:00:00.000", "10:00:01.000", 1},
		"start=-43200m":              {"720h0m0s to 12:00:00.000", "12:00:00.000", "12:00:00.000", 43200},
		"end=2026-11-23T12:00:59Z":   {"1h0m0s to 12:00:00.000", "11:00:00.000", "12:00:00.000", 60}, // A browser's clock.
		"start=2026-10-24T11:59:59Z": {"720h0m1s to 12:00:00.000", "11:59:59.000", "12:00:00.000", 43201},
		"start=2026-11-23T09:00:00.0001Z&end=2026-11-23T12:30:00.0019%2B02:00": {"1h30m0.001s to 10:30:00.001", "09:00:00.000", "10:30:00.001", 91},
	} {
		for _, kind := range sampleKinds {
			var answer struct {
				Minutes    int `json:"time_range_minutes"`
				Start, End string
			}
			*asked = ""
			code := b.get("/metrics/"+kind+"?"+query, &answer)
			if code != http.StatusOK || *asked != want.asked || answer.Minutes != want.minutes || timeOfDay(answer.Start) != want.start || timeOfDay(answer.End) != want.end {
				t.Errorf("%s?%s asks for %s and answers %d %+v, want %+v", kind, query, *asked, code, answer, want)
			}
		}
	}
}

// timeOfDay is what stands between T and Z.
func timeOfDay(text string) string {
	if len(text) < len("2006-01-02T15:04:05.000Z") {
		return text
	}

	return text[11:23]
}

func TestSamplesRefuseAPeriodThatCannotBe(t *testing.T) {
	b, _ := periodBench(t)
	for query, want := range map[string]string{
		"minutes=5&start=-1h":        `minutes and start or end exclude each other; give one or the other`,
		"minutes=5&end=-1h":          `minutes and start or end exclude each other; give one or the other`,
		"start=yesterday":            `start must be a time such as 2024-01-15T10:30:45Z or -1h, got "yesterday"`,
		"end=1h":                     `end must be a time such as 2024-01-15T10:30:45Z or -1h, got "1h"`,
		"start=-1h&end=-2h":          `start must be before end, got "-1h" and "-2h"`,
		"start=-1h&end=-1h":          `start must be before end, got "-1h" and "-1h"`,
		"start=2026-11-23T12:00:10Z": `start must be before end, got "2026-11-23T12:00:10Z" and "now"`,
		"start=2026-11-23T12:00:10Z&end=2026-11-23T12:00:20Z":      `start must be before end, got "2026-11-23T12:00:10Z" and "2026-11-23T12:00:20Z"`,
		"end=2026-11-23T12:01:01Z":                                 `end must not be in the future, got "2026-11-23T12:01:01Z"; here it is 2026-11-23T12:00:00Z`,
		"start=-1h&end=9999-01-01T00:00:00Z":                       `end must not be in the future, got "9999-01-01T00:00:00Z"; here it is 2026-11-23T12:00:00Z`,
		"start=-43202m":                                            `start and end must be at most 43200 minutes apart, got 43202`,
		"start=0001-01-02T00:00:00Z&end=2026-11-23T12:00:00Z":      `start and end must be at most 43200 minutes apart, got 153722868`,
		"start=2026-11-23T11:00:00Z&end=2026-11-23T11:00:00.0009Z": `start must be before end, got "2026-11-23T11:00:00Z" and "2026-11-23T11:00:00.0009Z"`,
	} {
		for _, path := range []string{"/metrics/", "/export/"} {
			for _, kind := range sampleKinds {
				var answer struct{ Error Error }
				if code := b.get(path+kind+"?"+query, &answer); code != http.StatusBadRequest || answer.Error.Message != want {
					t.Errorf("%s%s?%s answers %d %q, want %q", path, kind, query, code, answer.Error.Message, want)
				}
			}
		}
	}
}

func TestExportsHaveTheRowsOfTheAnswers(t *testing.T) {
	b, _ := periodBench(t)
	for _, query := range []string{"minutes=7", "start=-90m&end=-30m", "start=-2h", "end=-1d", "start=2026-11-23T03:04:05.678Z&end=2026-11-23T04:00:00Z&instance=a"} {
		for _, kind := range sampleKinds {
			var listed struct{ Data json.RawMessage }
			b.get("/metrics/"+kind+"?"+query, &listed)
			rows := b.download("/export/" + kind + "?format=json&" + query).body
			if diff := cmp.Diff(compact(t, listed.Data), compact(t, json.RawMessage(rows))); diff != "" || len(rows) < 100 {
				t.Errorf("%s?%s: (-list +export):\n%s", kind, query, diff)
			}
		}
	}
}

func TestSummariesSayWhichTimeTheyAreAbout(t *testing.T) {
	b, _ := periodBench(t)
	for query, want := range map[string]string{
		"":                    "24  ",
		"hours=2":             "2  ",
		"start=-90m&end=-15m": "1.25 10:30:00.000 11:45:00.000",
		"start=-720h":         "720 12:00:00.000 12:00:00.000",
	} {
		var answer struct {
			Data struct {
				Hours float64 `json:"time_period_hours"`
			} `json:"data"`
			Start, End string
		}
		if code := b.get("/metrics/summary?"+query, &answer); code != http.StatusOK || fmt.Sprint(answer.Data.Hours, " ", timeOfDay(answer.Start), " ", timeOfDay(answer.End)) != want {
			t.Errorf("%s answers %d %+v, want %s", query, code, answer, want)
		}
	}
	for query, want := range map[string]string{
		"hours=2&start=-1h":        `hours and start or end exclude each other; give one or the other`,
		"start=-31d":               `start and end must be at most 720 hours apart, got 744`,
		"end=2026-11-23T13:00:00Z": `end must not be in the future, got "2026-11-23T13:00:00Z"; here it is 2026-11-23T12:00:00Z`,
	} {
		var answer struct{ Error Error }
		if code := b.get("/metrics/summary?"+query, &answer); code != http.StatusBadRequest || answer.Error.Message != want {
			t.Errorf("%s answers %d %q, want %q", query, code, answer.Error.Message, want)
		}
	}
}

// TestAnswersAboutThePastAreKeptForAnInterval asks at noon, when the newest sample
// is of noon, too, and waits.
func TestAnswersAboutThePastAreKeptForAnInterval(t *testing.T) {
	absolute := func(before time.Duration) string { return url.QueryEscape(noon.Add(-before).Format(time.RFC3339)) }
	for query, kept := range map[string]bool{
		"end=" + absolute(time.Hour): true,
		"end=-1h":                    true, // What is meant moves on, but by less than a sample.
		"start=" + absolute(2*time.Hour) + "&end=" + absolute(31*time.Second):   true,
		"end=" + absolute(10*time.Second):                                       false, // The newest sample is a minute old: the next one is overdue.
		"start=" + absolute(time.Hour):                                          true,  // Up to now: until the next sample.
		"start=" + absolute(10*time.Second) + "&end=" + absolute(5*time.Second): false, // Empty: something may still come.
	} {
		b, asked := periodBench(t)
		isKept := func() bool {
			*asked = ""
			b.get("/metrics/api?"+query, nil)

			return *asked == ""
		}
		if isKept() {
			t.Fatalf("%s is answered out of nothing", query)
		}
		if isKept() != kept {
			t.Errorf("%s is kept: %v, want %v", query, !kept, kept)
		}
		if !kept {
			continue
		}
		if b.pass(interval - time.Millisecond); !isKept() {
			t.Errorf("%s is not kept for an interval", query)
		}
		if b.pass(time.Millisecond); isKept() {
			t.Errorf("%s is kept for longer than an interval", query)
		}
	}
}

func TestSystemAnswersNameTheHosts(t *testing.T) {
	b, _ := periodBench(t)
	for _, query := range []string{"", "instance=host-1:9100", "instance=none", "start=-2h&end=-1h"} {
		var answer map[string]any
		b.get("/metrics/system?"+query, &answer)
		if diff := cmp.Diff([]any{"host-1:9100", "host-2:9100"}, answer["instances"]); diff != "" {
			t.Errorf("%s: %s", query, diff)
		}
	}
	for _, kind := range []string{"api", "app"} {
		var answer map[string]any
		if b.get("/metrics/"+kind, &answer); answer["instances"] != nil {
			t.Errorf("%s names hosts: %v", kind, answer["instances"])
		}
	}
}
