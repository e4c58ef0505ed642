package exporter

import (
	"bytes"
	"errors"
	"log/slog"
	"math"
	"math/rand/v2"
	"os/exec"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"

	"llmwatch/internal/testtool"
)

func newTestAPI(t *testing.T, registerer prometheus.Registerer, options APIOptions) *API {
	t.Helper()

	a, err := NewAPI(registerer, options)
	if err != nil {
		t.Fatal(err)
	}

	return a
}

func record(t *testing.T, a *API, event APIEvent) {
	t.Helper()

	if err := a.Record(event); err != nil {
		t.Fatal(err)
	}
}

// testClock is a clock that stands still until it is moved.
type testClock struct{ now time.Time }

func newTestClock() *testClock {
	return &testClock{now: time.Date(2026, 3, 14, 15, 9, 26, 0, time.UTC)}
}

func (c *testClock) Now() time.Time { return c.now }

func (c *testClock) advance(d time.Duration) { c.now = c.now.Add(d) }

// exposition returns a scrape in which nothing depends on the time of day.
func exposition(t *testing.T, registry *prometheus.Registry) string {
	t.Helper()

	return get(t, registry, nil).Body.String()
}

// lintComplaints are what promlint and promtool have to say about a registry,
// which must be the same.
func lintComplaints(t *testing.T, registry *prometheus.Registry) []string {
	t.Helper()

	problems, err := testutil.GatherAndLint(registry)
	if err != nil {
		t.Fatal(err)
	}
	var complaints []string
	for _, p := range problems {
		complaints = append(complaints, p.Metric+" "+p.Text)
	}

	var stderr bytes.Buffer
	cmd := exec.CommandContext(t.Context(), testtool.Find(t, "promtool"), "check", "metrics")
	cmd.Stdin = get(t, registry, nil).Body
	cmd.Stderr = &stderr
	var exit *exec.ExitError
	if err := cmd.Run(); err != nil && !errors.As(err, &exit) {
		t.Fatal(err)
	}
	var printed []string
	for line := range strings.Lines(stderr.String()) {
		printed = append(printed, strings.TrimSpace(line))
	}
	if diff := cmp.Diff(complaints, printed); diff != "" {
		t.Errorf("complaints (-promlint +promtool):\n%s", diff)
	}

	return complaints
}

func TestAPIExposition(t *testing.T) {
	registry := prometheus.NewPedanticRegistry()
	a := newTestAPI(t, registry, APIOptions{Now: newTestClock().Now})
	record(t, a, APIEvent{
		Method: "post", Route: "/api/v1/generate", Status: 200, Duration: 150500 * time.Microsecond,
		TimeToFirstByte: 20 * time.Millisecond, RequestBytes: 1024, ResponseBytes: 2048,
	})
	record(t, a, APIEvent{
		Method: "GET", Path: "/users/42", Status: 404, Duration: time.Millisecond, RequestBytes: -1, ResponseBytes: -1,
	})
	record(t, a, APIEvent{Method: "BREW", Path: "/pot", Status: 418, Duration: 12 * time.Second, Failed: true})
	record(t, a, APIEvent{Method: "GET", Path: "/pot", Status: 503, Failed: true})
	a.active[methodIndex("GET")].begin()
	golden(t, "api.prom", exposition(t, registry))

	if complaints := lintComplaints(t, registry); len(complaints) != 0 {
		t.Errorf("complaints: %v", complaints)
	}
}

func TestRecordRefuses(t *testing.T) {
	registry := prometheus.NewPedanticRegistry()
	a := newTestAPI(t, registry, APIOptions{})
	tests := []struct {
		name  string
		event APIEvent
		want  string
	}{
		{"no status", APIEvent{}, "status 0, want one from 100 to 999"},
		{"a status of four digits", APIEvent{Status: 1000}, "status 1000"},
		{"a negative duration", APIEvent{Status: 200, Duration: -1}, "duration -1ns"},
		{"a negative time to first byte", APIEvent{Status: 200, TimeToFirstByte: -1}, "time to first byte -1ns"},
		{"a short trace id", APIEvent{Status: 200, TraceID: "abc"}, `trace id "abc"`},
		{"a trace id in upper case", APIEvent{Status: 200, TraceID: strings.Repeat("A", 32)}, "32 hexadecimal digits"},
		{"a trace id of zeros", APIEvent{Status: 200, TraceID: strings.Repeat("0", 32)}, "not all 0"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if err := a.Record(tt.event); err == nil || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("error is %v, want one with %q", err, tt.want)
			}
		})
	}
	if got := scrape(t, registry); len(got) != 0 {
		t.Errorf("got %v, want nothing counted", got)
	}
}

func TestNewAPIRefuses(t *testing.T) {
	if _, err := NewAPI(nil, APIOptions{}); err == nil {
		t.Error("no error without a registerer")
	}
	registry := prometheus.NewRegistry()
	newTestAPI(t, registry, APIOptions{})
	var already prometheus.AlreadyRegisteredError
	if _, err := NewAPI(registry, APIOptions{}); !errors.As(err, &already) {
		t.Errorf("error of a second API is %v, want %T", err, already)
	}
}

// TestDurationPercentiles reads percentiles from the native buckets as a
// Prometheus would and compares them with those of the durations themselves.
func TestDurationPercentiles(t *testing.T) {
	random := rand.New(rand.NewPCG(1, 2))
	tests := map[string]func() float64{
		"of one duration":          func() float64 { return 0.0123 },
		"of a lower bucket bound":  func() float64 { return 0.25000001 },
		"of an upper bucket bound": func() float64 { return 0.25 },
		"of even ones":             func() float64 { return random.Float64() * 3 },
		"of exponential ones":      func() float64 { return random.ExpFloat64() * 0.08 },
		"of log-normal ones":       func() float64 { return math.Exp(random.NormFloat64()*2 - 4) },
		"of fast ones and slow ones": func() float64 {
			if random.IntN(10) == 0 {
				return 30 + random.Float64()*60
			}

			return 2e-6 + random.Float64()*1e-4
		},
	}
	for name, draw := range tests {
		t.Run(name, func(t *testing.T) {
			registry := prometheus.NewPedanticRegistry()
			a := newTestAPI(t, registry, APIOptions{})
			var truth []float64
			for range 20_000 {
				d := time.Duration(draw() * 1e9)
				truth = append(truth, d.Seconds())
				record(t, a, APIEvent{Method: "GET", Route: "/", Status: 200, Duration: d})
			}
			slices.Sort(truth)
			histogram := nativeOf(t, registry, requestDuration)
			for _, q := range []float64{0.01, 0.5, 0.9, 0.95, 0.99, 0.999, 1} {
				want := truth[int(math.Ceil(q*float64(len(truth))))-1]
				for _, at := range []float64{0, 1} { // Wherever in a bucket one interpolates.
					got := histogram.quantile(q, at)
					if math.Abs(got-want)/want > 0.05 {
						t.Errorf("quantile %v is %v, want %v", q, got, want)
					}
				}
			}
		})
	}
}

// nativeHistogramData is a native histogram with its buckets in order.
type nativeHistogramData struct {
	schema      int32
	count, zero uint64
	buckets     []nativeBucket
}

type nativeBucket struct {
	index int32
	count uint64
}

// nativeOf gathers the single histogram of that name.
func nativeOf(t *testing.T, registry *prometheus.Registry, name string) nativeHistogramData {
	t.Helper()

	families, err := registry.Gather()
	if err != nil {
		t.Fatal(err)
	}
	for _, family := range families {
		if family.GetName() != name || len(family.GetMetric()) != 1 {
			continue
		}
		h := family.GetMetric()[0].GetHistogram()
		data := nativeHistogramData{schema: h.GetSchema(), count: h.GetSampleCount(), zero: h.GetZeroCount()}
		index, count, next := int32(0), int64(0), 0
		for _, span := range h.GetPositiveSpan() {
			index += span.GetOffset()
			for range span.GetLength() {
				count += h.GetPositiveDelta()[next]
				data.buckets = append(data.buckets, nativeBucket{index, uint64(count)})
				next++
				index++
			}
		}

		return data
	}
	t.Fatalf("not one series of %s", name)

	return nativeHistogramData{}
}

// quantile returns the lower (at 0) or upper (at 1) bound of the native bucket
// that holds the quantile.
func (h nativeHistogramData) quantile(q, at float64) float64 {
	base := math.Exp2(math.Exp2(-float64(h.schema)))
	rank := uint64(math.Ceil(q * float64(h.count)))
	seen := h.zero
	for _, bucket := range h.buckets {
		seen += bucket.count
		if seen >= rank {
			return math.Pow(base, float64(bucket.index)-1+at)
		}
	}

	return math.NaN()
}

func TestDurationBucketsAreBounded(t *testing.T) {
	registry := prometheus.NewPedanticRegistry()
	a := newTestAPI(t, registry, APIOptions{})
	for d := time.Nanosecond; d < 1<<60; d += d/40 + 1 {
		record(t, a, APIEvent{Method: "GET", Route: "/", Status: 200, Duration: d})
	}
	buckets := len(nativeOf(t, registry, requestDuration).buckets)
	if buckets > nativeMaxBuckets || buckets < nativeMaxBuckets/4 {
		t.Errorf("%d buckets, want at most %d", buckets, nativeMaxBuckets)
	}
}

func TestLongestRequest(t *testing.T) {
	const series = `http_server_request_duration_max_seconds{http_request_method="GET",http_response_status_code="200",http_route="/"}`
	clock := newTestClock()
	registry := prometheus.NewPedanticRegistry()
	a := newTestAPI(t, registry, APIOptions{Now: clock.Now})
	served := func(d time.Duration) {
		record(t, a, APIEvent{Method: "GET", Route: "/", Status: 200, Duration: d})
	}
	check := func(when, want string) {
		t.Helper()
		if got := scrape(t, registry)[series]; got != want {
			t.Errorf("%s: %q, want %q", when, got, want)
		}
	}
	clock.advance(47 * time.Second)
	served(time.Second)
	served(3*time.Second + 123456*time.Microsecond)
	served(2 * time.Second)
	check("at once", "3.123456")
	clock.advance(119 * time.Second)
	served(500 * time.Millisecond)
	check("2 minutes later", "3.123456")
	clock.advance(31 * time.Second)
	check("2.5 minutes later", "0.5")
	clock.advance(-time.Hour)
	served(4 * time.Second)
	clock.advance(time.Hour)
	check("after a clock that went back", "0.5")
	clock.advance(time.Hour)
	check("without any request", "")
	served(0)
	check("a request without a duration", "0")
	served(100 * time.Hour)
	check("a request longer than a slot can hold", strconv.FormatFloat(float64(1<<windowBits-1)/1e6, 'g', -1, 64))
}

// TestLongestRequestIsNeverMissed checks the promise itself: with scrapes at
// most 2 minutes apart, the greatest scraped value is the greatest duration.
func TestLongestRequestIsNeverMissed(t *testing.T) {
	random := rand.New(rand.NewPCG(3, 4))
	for range 300 {
		var w window
		now := time.Duration(random.Int64N(int64(time.Hour)))
		var truth, scraped time.Duration
		for range 20 {
			next := now + time.Duration(random.Int64N(int64(2*time.Minute)+1))
			for range 3 {
				now += time.Duration(random.Int64N(int64(next-now) + 1))
				d := time.Duration(random.Int64N(1e6)) * time.Microsecond
				w.observe(now, d)
				truth = max(truth, d)
			}
			now = next
			longest, _ := w.max(now)
			scraped = max(scraped, longest)
		}
		if scraped != truth {
			t.Fatalf("scraped %v, want %v", scraped, truth)
		}
	}
}

func TestManyPathsStayBounded(t *testing.T) {
	const paths = 100_000
	var log bytes.Buffer
	registry := prometheus.NewRegistry()
	a := newTestAPI(t, registry, APIOptions{Logger: slog.New(slog.NewTextHandler(&log, nil))})
	before := heap()
	for i := range paths {
		record(t, a, APIEvent{Method: "GET", Path: "/" + word(i), Status: 200})
	}
	if grown := heap() - before; grown > 20<<20 {
		t.Errorf("memory grew by %d bytes, want at most 20 MiB", grown)
	}
	got := scrape(t, registry)
	routes := 0
	for series := range got {
		if strings.HasPrefix(series, "http_server_request_duration_seconds_count{") {
			routes++
		}
	}
	if routes != DefaultMaxRoutes+1 {
		t.Errorf("%d routes, want %d and other", routes, DefaultMaxRoutes)
	}
	other := got[`http_server_request_duration_seconds_count{http_request_method="GET",http_response_status_code="200",http_route="other"}`]
	folded := got[`llmwatch_series_folded_total{metric="http_server_request_duration_seconds"}`]
	if number(t, other) != paths-DefaultMaxRoutes || number(t, folded) != paths-DefaultMaxRoutes {
		t.Errorf("other has %s requests and %s are folded, want %d", other, folded, paths-DefaultMaxRoutes)
	}
	if n := strings.Count(log.String(), "too many values"); n != 1 {
		t.Errorf("%d warnings, want 1", n)
	}
	runtime.KeepAlive(a)
}

func number(t *testing.T, value string) float64 {
	t.Helper()

	n, err := strconv.ParseFloat(value, 64)
	if err != nil {
		t.Fatal(err)
	}

	return n
}

// word returns the i-th word of six letters, which no normalisation folds.
func word(i int) string {
	letters := make([]byte, 6)
	for place := range letters {
		letters[place] = 'a' + byte(i%26)
		i /= 26
	}

	return string(letters)
}

// heap returns the bytes in use.
func heap() int64 {
	runtime.GC()
	var stats runtime.MemStats
	runtime.ReadMemStats(&stats)

	return int64(stats.HeapAlloc)
}

func TestGuessedRoutesLeaveRoomForTemplates(t *testing.T) {
	registry := prometheus.NewPedanticRegistry()
	a := newTestAPI(t, registry, APIOptions{MaxRoutes: 10, Route: RouteFromPattern})
	for i := range 100 {
		record(t, a, APIEvent{Method: "GET", Path: "/" + word(i), Status: 404})
	}
	record(t, a, APIEvent{Method: "GET", Route: "/users/{id}", Status: 200})
	const series = `http_server_request_duration_seconds_count{http_request_method="GET",http_response_status_code="200",http_route="/users/{id}"}`
	if got := scrape(t, registry)[series]; got != "1" {
		t.Errorf("%s is %q, want 1", series, got)
	}
}

func TestMethodNamesAndIndexesAgree(t *testing.T) {
	seen := make(map[string]bool)
	for i := range methodCount {
		name := methodName(i)
		if methodIndex(name) != i || seen[name] {
			t.Errorf("method %d is %s, whose index is %d", i, name, methodIndex(name))
		}
		seen[name] = true
	}
	for _, method := range []string{"", "get", "PROPFIND", "X"} {
		if got := methodName(methodIndex(method)); got != "_OTHER" {
			t.Errorf("%q becomes %s, want _OTHER", method, got)
		}
	}
}
