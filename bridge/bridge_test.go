package bridge

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"
	"log/slog"
	"maps"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/fstest"
	"time"

	"github.com/getkin/kin-openapi/openapi3"
	"github.com/getkin/kin-openapi/openapi3filter"
	"github.com/getkin/kin-openapi/routers"
	"github.com/getkin/kin-openapi/routers/gorillamux"
	"github.com/google/go-cmp/cmp"
	"github.com/prometheus/client_golang/prometheus"
	"go.uber.org/goleak"

	"llmwatch/bridge/alert"
	"llmwatch/bridge/alert/sqlite"
	"llmwatch/bridge/metrics"
)

func TestMain(m *testing.M) {
	// The document describes itself as text, not as what the text means.
	openapi3filter.RegisterBodyDecoder("application/yaml", openapi3filter.PlainBodyDecoder)
	openapi3filter.RegisterBodyDecoder("text/event-stream", openapi3filter.PlainBodyDecoder)
	// Its own decoder takes the cells apart, and the document only says text.
	openapi3filter.RegisterBodyDecoder("text/csv", openapi3filter.PlainBodyDecoder)
	goleak.VerifyTestMain(m)
}

// noon is when every test begins.
var noon = time.Date(2026, 11, 23, 12, 0, 0, 0, time.UTC)

const interval = 30 * time.Second

// fakeMetrics answers what a test tells it to, and something plausible else.
type fakeMetrics struct {
	system   func(ctx context.Context, at time.Time, window time.Duration, instance string) ([]metrics.SystemSample, error)
	api      func(at time.Time, window time.Duration) ([]metrics.APISample, error)
	app      func(at time.Time, window time.Duration) ([]metrics.AppSample, error)
	summary  func(at time.Time, window time.Duration) (metrics.Summary, error)
	overview func() (metrics.Overview, error)
	newest   func() (time.Time, error)
	rules    func(ctx context.Context) ([]metrics.EvaluatedRule, error)
	asked    atomic.Int64 // Counts calls of all methods but Instances, which comes with System.
}

func (f *fakeMetrics) System(ctx context.Context, at time.Time, window time.Duration, instance string) ([]metrics.SystemSample, error) {
	f.asked.Add(1)
	if f.system != nil {
		return f.system(ctx, at, window, instance)
	}

	return []metrics.SystemSample{{Timestamp: metrics.Time{Time: noon}, CPU: 45.2, Memory: 67.8, Disk: 23.4, Sent: 1, Received: 2, Connections: 3}}, nil
}

func (f *fakeMetrics) Instances(context.Context, time.Time, time.Duration) ([]string, error) {
	return []string{"host-1:9100", "host-2:9100"}, nil
}

func (f *fakeMetrics) API(_ context.Context, at time.Time, window time.Duration) ([]metrics.APISample, error) {
	f.asked.Add(1)
	if f.api != nil {
		return f.api(at, window)
	}

	return []metrics.APISample{{Timestamp: metrics.Time{Time: noon}, Endpoint: "/a", Method: "GET", StatusCode: 500, RequestCount: 2, ErrorCount: 2}}, nil
}

// noApp is what a platform without application metrics has.
var noApp = metrics.AppSummary{Jobs: []metrics.JobUsage{}, Models: []metrics.ModelUsage{}}

func (f *fakeMetrics) App(_ context.Context, at time.Time, window time.Duration) ([]metrics.AppSample, error) {
	f.asked.Add(1)
	if f.app != nil {
		return f.app(at, window)
	}
	rate := 75.0

	return []metrics.AppSample{{
		Timestamp: metrics.Time{Time: noon},
		AppTotals: metrics.AppTotals{
			AppState:  metrics.AppState{ActiveJobs: 2},
			AppEvents: metrics.AppEvents{CacheHits: 3, CacheMisses: 1, CacheHitRate: &rate},
		},
	}}, nil
}

func (f *fakeMetrics) Summary(_ context.Context, at time.Time, window time.Duration) (metrics.Summary, error) {
	f.asked.Add(1)
	if f.summary != nil {
		return f.summary(at, window)
	}

	return metrics.Summary{
		Hours: window.Hours(), System: metrics.SystemSummary{AvgCPU: 45.2, DataPoints: 120},
		API: metrics.APISummary{TotalRequests: 1, TopEndpoints: []metrics.EndpointUsage{{Endpoint: "/a", RequestCount: 1}}},
		App: noApp,
	}, nil
}

func (f *fakeMetrics) Overview(context.Context) (metrics.Overview, error) {
	f.asked.Add(1)
	if f.overview != nil {
		return f.overview()
	}

	return metrics.Overview{
		Timestamp: metrics.Time{Time: noon}, System: metrics.SystemHealth{Status: metrics.StatusHealthy},
		Trends: metrics.Trends{CPU: metrics.TrendStable, Memory: metrics.TrendIncreasing}, Newest: noon,
	}, nil
}

func (f *fakeMetrics) Newest(context.Context) (time.Time, error) {
	f.asked.Add(1)
	if f.newest != nil {
		return f.newest()
	}

	return noon, nil
}

func (f *fakeMetrics) Rules(ctx context.Context) ([]metrics.EvaluatedRule, error) {
	f.asked.Add(1)
	if f.rules != nil {
		return f.rules(ctx)
	}

	return nil, nil
}

// bench is a bridge on the bench: what goes in and what it says and logs.
type bench struct {
	t       testing.TB
	metrics *fakeMetrics
	handler http.Handler
	reg     *prometheus.Registry
	log     *logBuffer
	clock   atomic.Int64 // Nanoseconds since noon.
	store   *sqlite.Store
	manager *alert.Manager // Its clock is the real one.
}

type logBuffer struct {
	mu  sync.Mutex
	buf bytes.Buffer
}

func (b *logBuffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()

	return b.buf.Write(p)
}

func (b *logBuffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()

	return b.buf.String()
}

// wrapped gives handlers a writer of its own, as those who count turns do.
func wrapped(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { next.ServeHTTP(&wrapper{w}, r) })
}

type wrapper struct{ http.ResponseWriter }

func (w *wrapper) Flush() { _ = http.NewResponseController(w.ResponseWriter).Flush() }

func (w *wrapper) Unwrap() http.ResponseWriter { return w.ResponseWriter }

// put puts a bridge on the bench; change may be nil.
func put(t testing.TB, m *fakeMetrics, change func(*Options)) *bench {
	t.Helper()

	b := &bench{t: t, metrics: m, reg: prometheus.NewPedanticRegistry(), log: &logBuffer{}}
	b.store, b.manager = alerting(t)
	opts := Options{
		Metrics: m, Interval: interval, Registerer: b.reg,
		Alerts: b.manager, AlertStore: b.store, Channels: func() []string { return []string{"broken", "mail"} }, Version: "v1.2.3",
		Logger: slog.New(slog.NewJSONHandler(b.log, &slog.HandlerOptions{Level: slog.LevelDebug})),
		Rules:  ruleSet(t, b.store, func() error { return nil }),
		Now:    b.now,
		Logs:   readableLogs(),
		Turns:  wrapped,
		Runbooks: fstest.MapFS{
			"cpu.md": {Data: []byte("# The processor\n\nLook at `top`, then at [disk](disk.md).\n")}, "disk.md": {Data: []byte("# The disk")}, "notes.txt": {},
		},

		Configuration: func() []Setting { return []Setting{{Key: "x.y", Value: "1", Default: "1", Origin: "default"}} },
	}
	if change != nil {
		change(&opts)
	}
	opts.tableOfTest = append(opts.tableOfTest, Routes...)
	for mount := range opts.Mounts { // Tests mount what llmwatch does not have.
		if !slices.ContainsFunc(opts.tableOfTest, func(r Route) bool { return r.Path == mount }) {
			opts.tableOfTest = append(opts.tableOfTest, Route{mount, get(NeedRead)})
		}
	}
	b.handler = New(opts)

	return b
}

func (b *bench) now() time.Time { return noon.Add(time.Duration(b.clock.Load())) }

func (b *bench) pass(d time.Duration) { b.clock.Add(int64(d)) }

// do sends a request. What is in the OpenAPI document must conform to it.
func (b *bench) do(r *http.Request) *http.Response {
	b.t.Helper()

	w := httptest.NewRecorder()
	b.handler.ServeHTTP(w, r)
	resp := w.Result()
	if r.Method != http.MethodHead && strings.HasPrefix(r.URL.Path, Base) {
		conforms(b.t, r, resp, w.Body.Bytes())
	}

	return resp
}

// get asks below the API's base and decodes the answer.
func (b *bench) get(path string, into any) int {
	b.t.Helper()

	resp := b.do(httptest.NewRequestWithContext(b.t.Context(), http.MethodGet, Base+path, http.NoBody))
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		b.t.Fatal(err)
	}
	if into != nil {
		if err := json.Unmarshal(body, into); err != nil {
			b.t.Fatalf("GET %s answered %s: %v", path, body, err)
		}
	}

	return resp.StatusCode
}

var document = sync.OnceValues(func() (*openapi3.T, error) { return openapi3.NewLoader().LoadFromData(openAPI) })

func documented(tb testing.TB) (*openapi3.T, routers.Router) {
	tb.Helper()

	doc, err := document()
	if err != nil {
		tb.Fatalf("the OpenAPI document cannot be read: %v", err)
	}
	router, err := gorillamux.NewRouter(doc)
	if err != nil {
		tb.Fatal(err)
	}

	return doc, router
}

// conforms holds an answer against the OpenAPI document.
func conforms(tb testing.TB, r *http.Request, resp *http.Response, body []byte) {
	tb.Helper()

	_, router := documented(tb)
	req := r.Clone(context.Background())
	req.URL.Host, req.Host = "", ""
	route, params, err := router.FindRoute(req)
	if err != nil {
		wrongMethod := errors.Is(err, routers.ErrMethodNotAllowed) && resp.StatusCode == http.StatusMethodNotAllowed
		if resp.StatusCode != http.StatusNotFound && !wrongMethod {
			tb.Errorf("%s answers %d and is not in the OpenAPI document: %v", r.URL, resp.StatusCode, err)
		}

		return
	}
	err = openapi3filter.ValidateResponse(context.Background(), &openapi3filter.ResponseValidationInput{
		RequestValidationInput: &openapi3filter.RequestValidationInput{Request: req, PathParams: params, Route: route},
		Status:                 resp.StatusCode,
		Header:                 resp.Header,
		Body:                   io.NopCloser(bytes.NewReader(body)),
		Options:                &openapi3filter.Options{IncludeResponseStatus: true},
	})
	if err != nil {
		tb.Errorf("%s does not conform to the OpenAPI document: %v\n%s", r.URL, err, body)
	}
}

func TestDocumentAndRouterHaveTheSamePaths(t *testing.T) {
	doc, _ := documented(t)
	if err := doc.Validate(t.Context()); err != nil {
		t.Errorf("the OpenAPI document is invalid: %v", err)
	}
	inDocument := map[string][]string{}
	for path, item := range doc.Paths.Map() {
		inDocument[path] = slices.Sorted(maps.Keys(item.Operations()))
	}
	inRouter := map[string][]string{}
	receivers := map[string]http.Handler{}
	for _, path := range []string{"/metrics/api", "/metrics/app", "/logs"} {
		receivers[path] = http.NotFoundHandler()
	}
	for path, methods := range (&server{Options: Options{Receivers: receivers}}).paths() {
		inRouter[path] = slices.Sorted(maps.Keys(methods))
	}
	if diff := cmp.Diff(inDocument, inRouter); diff != "" {
		t.Errorf("(-document +router):\n%s", diff)
	}
	if base := doc.Servers[0].URL; base != Base {
		t.Errorf("the document's base is %s, the router's %s", base, Base)
	}
}

// readable returns all paths that answer GET with an end, with an alert's id where
// they want one.
func (b *bench) readable() []string {
	b.t.Helper()

	b.fire(seen("readable", "low", longAgo))
	var paths []string
	for path, methods := range (&server{}).paths() {
		switch {
		case methods[http.MethodGet] == nil || Endless(Base+path):
		case path == "/logs/context":
			paths = append(paths, path+"?id="+readableLog.String())
		default:
			paths = append(paths, strings.NewReplacer("{id}", "readable_20240115", "{name}", "cpu").Replace(path))
		}
	}

	return paths
}

func TestEveryPathAnswers(t *testing.T) {
	b := put(t, &fakeMetrics{}, func(o *Options) {
		o.Checks = []Check{{Name: "storage", Run: func() error { return nil }}}
		o.Components = func() []Component {
			return []Component{{Name: "x", Running: true, Since: metrics.Time{Time: noon}, Details: map[string]any{"n": 1}}}
		}
	})
	for _, path := range b.readable() {
		if code := b.get(path, nil); code != http.StatusOK {
			t.Errorf("GET %s answers %d", path, code)
		}
	}
}

func TestHeadIsGetWithoutBody(t *testing.T) {
	b := put(t, &fakeMetrics{}, nil)
	outside := httptest.NewServer(b.handler)
	defer outside.Close()
	for _, path := range b.readable() {
		get, err := outside.Client().Get(outside.URL + Base + path)
		if err != nil {
			t.Fatal(err)
		}
		get.Body.Close()
		head, err := outside.Client().Head(outside.URL + Base + path)
		if err != nil {
			t.Fatal(err)
		}
		head.Body.Close()
		if head.StatusCode != http.StatusOK || head.Header.Get("Content-Type") != get.Header.Get("Content-Type") {
			t.Errorf("HEAD %s answers %d %s, want 200 %s", path, head.StatusCode, head.Header.Get("Content-Type"), get.Header.Get("Content-Type"))
		}
	}
}

func TestParametersReachMetrics(t *testing.T) {
	type question struct {
		Window   time.Duration
		Instance string
		At       time.Time
	}
	var got question
	b := put(t, &fakeMetrics{
		system: func(_ context.Context, at time.Time, window time.Duration, instance string) ([]metrics.SystemSample, error) {
			got = question{Window: window, Instance: instance, At: at}
			return []metrics.SystemSample{}, nil
		},
		api: func(at time.Time, window time.Duration) ([]metrics.APISample, error) {
			got = question{Window: window, At: at}
			return []metrics.APISample{}, nil
		},
		app: func(at time.Time, window time.Duration) ([]metrics.AppSample, error) {
			got = question{Window: window, At: at}
			return []metrics.AppSample{}, nil
		},
		summary: func(at time.Time, window time.Duration) (metrics.Summary, error) {
			got = question{Window: window, At: at}
			return metrics.Summary{API: metrics.APISummary{TopEndpoints: []metrics.EndpointUsage{}}, App: noApp}, nil
		},
	}, nil)
	for path, want := range map[string]question{
		"/metrics/system":                          {Window: time.Hour, At: noon},
		"/metrics/system?minutes=1":                {Window: time.Minute, At: noon},
		"/metrics/system?minutes=43200&instance=a": {Window: 720 * time.Hour, Instance: "a", At: noon},
		"/metrics/system?instance=a%22%7D%20%23":   {Window: time.Hour, Instance: `a"} #`, At: noon},
		"/metrics/api":                             {Window: time.Hour, At: noon},
		"/metrics/api?minutes=5":                   {Window: 5 * time.Minute, At: noon},
		"/metrics/summary":                         {Window: 24 * time.Hour, At: noon},
		"/metrics/summary?hours=720":               {Window: 720 * time.Hour, At: noon},
		"/metrics/summary?start=-90m&end=-1h":      {Window: 30 * time.Minute, At: noon.Add(-time.Hour)},
		"/metrics/summary?end=-1h":                 {Window: 24 * time.Hour, At: noon.Add(-time.Hour)},
	} {
		got = question{}
		if code := b.get(path, nil); code != http.StatusOK || got != want {
			t.Errorf("%s asks for %+v and answers %d, want %+v", path, got, code, want)
		}
	}
}
