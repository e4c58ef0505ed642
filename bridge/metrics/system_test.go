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

func at(before time.Duration) Time { return Time{noon.Add(-before)} }

// oneHost answers CPU and memory of one host at the moments given.
func oneHost(cpu map[time.Duration]float64) model.Matrix {
	memory := map[time.Duration]float64{}
	for before := range cpu {
		memory[before] = 50
	}

	return model.Matrix{stream(of(seriesCPU, "a"), cpu), stream(of(seriesMemory, "a"), memory)}
}

func TestSystemJoinsSeriesByInterval(t *testing.T) {
	const s = time.Second
	for name, tc := range map[string]struct {
		matrix model.Matrix
		want   []SystemSample
	}{
		"one element an interval, oldest first, the newest sample of each": {
			oneHost(map[time.Duration]float64{50 * s: 1, 40 * s: 2, 30 * s: 3, 20 * s: 4, 10 * s: 5}),
			[]SystemSample{
				{Timestamp: at(30 * s), CPU: 3, Memory: 50},
				{Timestamp: at(10 * s), CPU: 5, Memory: 50},
			},
		},
		"series a moment apart make one element": {
			model.Matrix{
				stream(of(seriesCPU, "a"), map[time.Duration]float64{20 * s: 12.345}),
				stream(of(seriesMemory, "a"), map[time.Duration]float64{19 * s: 67.8}),
				stream(of(seriesDisk, "a"), map[time.Duration]float64{18 * s: 23.4}),
				stream(of(seriesSent, "a"), map[time.Duration]float64{18 * s: 1048576}),
				stream(of(seriesReceived, "a"), map[time.Duration]float64{18 * s: 2097152}),
				stream(of(seriesConnections, "a"), map[time.Duration]float64{18 * s: 42}),
			},
			[]SystemSample{{
				Timestamp: at(18 * s), CPU: 12.35, Memory: 67.8, Disk: 23.4,
				Sent: 1048576, Received: 2097152, Connections: 42,
			}},
		},
		"several hosts: means of percentages, sums of the rest": {
			model.Matrix{
				stream(of(seriesCPU, "a"), map[time.Duration]float64{20 * s: 10}),
				stream(of(seriesCPU, "b"), map[time.Duration]float64{15 * s: 30}),
				stream(of(seriesMemory, "a"), map[time.Duration]float64{20 * s: 40}),
				stream(of(seriesMemory, "b"), map[time.Duration]float64{15 * s: 50}),
				stream(of(seriesDisk, "a"), map[time.Duration]float64{20 * s: 60}),
				stream(of(seriesSent, "a"), map[time.Duration]float64{20 * s: 100}),
				stream(of(seriesSent, "b"), map[time.Duration]float64{15 * s: 23}),
				stream(of(seriesConnections, "a"), map[time.Duration]float64{20 * s: 7}),
				stream(of(seriesConnections, "b"), map[time.Duration]float64{15 * s: 8}),
			},
			[]SystemSample{{Timestamp: at(15 * s), CPU: 20, Memory: 45, Disk: 60, Sent: 123, Connections: 15}},
		},
		"what cannot tell CPU and memory is left out": {
			model.Matrix{
				stream(of(seriesCPU, "a"), map[time.Duration]float64{10 * s: 1, 40 * s: 1}),
				stream(of(seriesMemory, "a"), map[time.Duration]float64{10 * s: 2, 70 * s: 2}),
			},
			[]SystemSample{{Timestamp: at(10 * s), CPU: 1, Memory: 2}},
		},
		"no host's NaN or infinity hides the others": {
			model.Matrix{
				stream(of(seriesCPU, "a"), map[time.Duration]float64{10 * s: math.NaN()}),
				stream(of(seriesCPU, "b"), map[time.Duration]float64{10 * s: 30}),
				stream(of(seriesMemory, "a"), map[time.Duration]float64{10 * s: 40}),
				stream(of(seriesDisk, "a"), map[time.Duration]float64{10 * s: math.Inf(1)}),
				stream(of(seriesSent, "a"), map[time.Duration]float64{10 * s: math.Inf(-1)}),
				stream(of(seriesReceived, "a"), map[time.Duration]float64{10 * s: math.NaN()}),
				stream(of(seriesConnections, "a"), map[time.Duration]float64{10 * s: 1e300}),
			},
			[]SystemSample{{Timestamp: at(10 * s), CPU: 30, Memory: 40}},
		},
		"a CPU that is only NaN is none": {
			model.Matrix{
				stream(of(seriesCPU, "a"), map[time.Duration]float64{10 * s: math.NaN()}),
				stream(of(seriesMemory, "a"), map[time.Duration]float64{10 * s: 40}),
			},
			[]SystemSample{},
		},
		"nothing": {model.Matrix{}, []SystemSample{}},
	} {
		t.Run(name, func(t *testing.T) {
			c, _ := ask(t, 30*s, func(question) (int, string) { return value(tc.matrix) })
			got, err := c.System(t.Context(), noon, time.Hour, "")
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(tc.want, got); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
}

func TestSystemAsksForLongWindowsInPieces(t *testing.T) {
	for name, closed := range map[string]bool{"Prometheus 3, ranges open on the left": false, "Prometheus 2, ranges closed": true} {
		t.Run(name, func(t *testing.T) {
			const interval, window = 35 * time.Second, 60 * time.Hour // 35 s divide neither a day nor the time since 1970.
			sent := stream(of(seriesSent, "a"), nil)
			// Several samples an interval, and one at the first moment of a piece.
			for before := window; before > 0; before -= 5 * time.Second {
				sent.Values = append(sent.Values, model.SamplePair{Timestamp: model.TimeFromUnixNano(noon.Add(-before).UnixNano()), Value: 1})
			}
			cpu := &model.SampleStream{Metric: of(seriesCPU, "a"), Values: sent.Values}
			memory := &model.SampleStream{Metric: of(seriesMemory, "a"), Values: sent.Values}

			c, server := ask(t, interval, func(q question) (int, string) {
				end := model.TimeFromUnixNano(q.at(t, "time").UnixNano())
				_, text, _ := strings.Cut(q.Get("query"), "[")
				width, err := model.ParseDuration(strings.TrimSuffix(text, "]"))
				if err != nil {
					t.Errorf("the range of %q: %v", q.Get("query"), err)
				}
				begin := end.Add(-time.Duration(width))
				if time.Duration(width) > systemPiece {
					t.Errorf("one query reads %s, want at most %s", width, systemPiece)
				}
				var out model.Matrix
				for _, series := range []*model.SampleStream{cpu, memory, sent} {
					piece := &model.SampleStream{Metric: series.Metric}
					for _, v := range series.Values {
						if v.Timestamp <= end && (v.Timestamp > begin || closed && v.Timestamp == begin) {
							piece.Values = append(piece.Values, v)
						}
					}
					out = append(out, piece)
				}

				return value(out)
			})
			got, err := c.System(t.Context(), noon, window, "")
			if err != nil {
				t.Fatal(err)
			}
			if n := len(server.questions("")); n != 3 {
				t.Errorf("60 hours took %d queries, want 3", n)
			}
			slots := int(window/interval) + 1
			if len(got) < slots-1 || len(got) > slots+1 {
				t.Errorf("there are %d elements, want about %d", len(got), slots)
			}
			for i, s := range got {
				if s.Sent != 1 {
					t.Fatalf("element %d at %s counts %d bytes, want 1: its host counts twice", i, s.Timestamp, s.Sent)
				}
			}
		})
	}
}

func TestSystemQuotesTheInstance(t *testing.T) {
	for instance, want := range map[string]string{
		"":                        `}[1h]`,
		"host-1:9100":             `,instance="host-1:9100"}[1h]`,
		`a"} or vector(1) #`:      `,instance="a\"} or vector(1) #"}[1h]`,
		"line\nbreak\\":           `,instance="line\nbreak\\"}[1h]`,
		"{}[]()'`" + "\x00\u2028": `,instance="{}[]()'` + "`" + `\x00\u2028"}[1h]`,
	} {
		c, server := ask(t, time.Minute, func(question) (int, string) { return value(model.Matrix{}) })
		if _, err := c.System(t.Context(), noon, time.Hour, instance); err != nil {
			t.Fatal(err)
		}
		query := server.questions("")[0].Get("query")
		if !strings.HasPrefix(query, `{__name__=~"llmwatch:cpu_percent|`) || !strings.HasSuffix(query, want) || strings.Count(query, "instance=") > 1 {
			t.Errorf("instance %q makes %s, want %s at the end", instance, query, want)
		}
	}
}

func TestInstances(t *testing.T) {
	c, server := ask(t, time.Minute, func(question) (int, string) {
		return value(model.Vector{
			{Metric: model.Metric{"instance": "b:1"}, Value: 1}, {Metric: model.Metric{"instance": "a:1"}, Value: 1}, {Metric: model.Metric{}, Value: 1},
		})
	})
	past := noon.Add(-24 * time.Hour)
	got, err := c.Instances(t.Context(), past, 90*time.Minute)
	if diff := cmp.Diff([]string{"a:1", "b:1"}, got); diff != "" || err != nil {
		t.Errorf("(-want +got):\n%s%v", diff, err)
	}
	if q := server.questions("")[0]; q.Get("query") != "group by (instance) (present_over_time(llmwatch:cpu_percent[1h30m]))" || !q.at(t, "time").Equal(past) {
		t.Errorf("asks for %s at %s", q.Get("query"), q.at(t, "time"))
	}
	c, _ = ask(t, time.Minute, func(question) (int, string) { return value(model.Vector{}) })
	if got, err := c.Instances(t.Context(), past, time.Hour); got == nil || len(got) != 0 || err != nil {
		t.Errorf("without hosts the answer is %v (%v), want an empty list", got, err)
	}
}

func TestNewest(t *testing.T) {
	for name, tc := range map[string]struct {
		vector model.Vector
		want   time.Time
	}{
		"keeps milliseconds":       {model.Vector{{Value: 1763900000.123}}, time.UnixMilli(1763900000123)},
		"zero where none is known": {model.Vector{}, time.Time{}},
	} {
		c, _ := ask(t, time.Minute, func(question) (int, string) { return value(tc.vector) })
		if got, err := c.Newest(t.Context()); err != nil || !got.Equal(tc.want) {
			t.Errorf("%s: got %s (%v), want %s", name, got, err, tc.want)
		}
	}
	c, _ := ask(t, time.Minute, always(http.StatusBadGateway, ""))
	if got, err := c.Newest(t.Context()); err == nil || !got.IsZero() {
		t.Errorf("a failure answers %s and %v", got, err)
	}
}
