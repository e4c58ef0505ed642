package exporter

import (
	"io"
	"net/http"
	"net/http/httptest"
	"strconv"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promhttp"
	"go.opentelemetry.io/contrib/instrumentation/net/http/otelhttp"
	"go.opentelemetry.io/otel/sdk/metric"

	"llmwatch/internal/testtool"
)

// benchRequest is a request that has been routed, and its response writer.
type benchRequest struct {
	request *http.Request
	writer  *benchWriter
}

// benchWriter is a response writer that does nothing, so that the middleware
// alone is measured. Like net/http's it can flush.
type benchWriter struct{ header http.Header }

func (w *benchWriter) Header() http.Header         { return w.header }
func (w *benchWriter) WriteHeader(int)             {}
func (w *benchWriter) Write(p []byte) (int, error) { return len(p), nil }
func (w *benchWriter) Flush()                      {}

// benchRequests returns requests for 8 routes with 4 statuses each.
func benchRequests(tb testing.TB) []benchRequest {
	var requests []benchRequest
	for route := range 8 {
		for _, status := range []int{200, 201, 404, 500} {
			r := httptest.NewRequestWithContext(tb.Context(), http.MethodGet, "/api/v1/r"+strconv.Itoa(route)+"/42", http.NoBody)
			r.Pattern = "GET /api/v1/r" + strconv.Itoa(route) + "/{id}"
			r.Header.Set("X-Bench-Status", strconv.Itoa(status))
			requests = append(requests, benchRequest{r, &benchWriter{http.Header{}}})
		}
	}

	return requests
}

// benchHandler answers with the status that the request asks for.
func benchHandler() http.Handler {
	body := []byte("ok")

	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		status := http.StatusOK
		switch r.Header["X-Bench-Status"][0] {
		case "201":
			status = http.StatusCreated
		case "404":
			status = http.StatusNotFound
		case "500":
			status = http.StatusInternalServerError
		}
		w.WriteHeader(status)
		_, _ = w.Write(body)
	})
}

// middlewares are this package's and its peers' for the same purpose.
func middlewares(tb testing.TB) []struct {
	name string
	wrap func(http.Handler) http.Handler
} {
	measure := func(options APIOptions) func(http.Handler) http.Handler {
		a, err := NewAPI(prometheus.NewRegistry(), options)
		if err != nil {
			tb.Fatal(err)
		}

		return a.Middleware
	}

	return []struct {
		name string
		wrap func(http.Handler) http.Handler
	}{
		{"none", func(next http.Handler) http.Handler { return next }},
		{"llmwatch", measure(APIOptions{NoRequestIDs: true})},
		{"llmwatch+request-id", measure(APIOptions{})},
		{"promhttp", promhttpMiddleware},
		{"otelhttp", func(next http.Handler) http.Handler {
			provider := metric.NewMeterProvider(metric.WithReader(metric.NewManualReader()))

			return otelhttp.NewHandler(next, "bench", otelhttp.WithMeterProvider(provider))
		}},
	}
}

// promhttpMiddleware measures duration and number of requests, without routes.
func promhttpMiddleware(next http.Handler) http.Handler {
	duration := prometheus.NewHistogramVec(prometheus.HistogramOpts{Name: "duration_seconds", Help: "Durations."}, []string{"code", "method"})
	requests := prometheus.NewCounterVec(prometheus.CounterOpts{Name: "requests_total", Help: "Requests."}, []string{"code", "method"})

	return promhttp.InstrumentHandlerDuration(duration, promhttp.InstrumentHandlerCounter(requests, next))
}

func BenchmarkMiddleware(b *testing.B) {
	for _, m := range middlewares(b) {
		for _, goroutines := range []int{1, 8} {
			b.Run(m.name+"/goroutines="+strconv.Itoa(goroutines), func(b *testing.B) {
				handler := m.wrap(benchHandler())
				b.ReportAllocs()
				b.SetParallelism(goroutines)
				if goroutines == 1 {
					requests := benchRequests(b)
					for i := 0; b.Loop(); i++ {
						r := requests[i%len(requests)]
						handler.ServeHTTP(r.writer, r.request)
					}

					return
				}
				b.SetParallelism(goroutines / 2) // On 2 CPUs.
				b.RunParallel(func(pb *testing.PB) {
					requests := benchRequests(b)
					for i := 0; pb.Next(); i++ {
						r := requests[i%len(requests)]
						handler.ServeHTTP(r.writer, r.request)
					}
				})
			})
		}
	}
}

// BenchmarkServer shows what share of a whole request over HTTP the middleware
// is.
func BenchmarkServer(b *testing.B) {
	for _, m := range middlewares(b) {
		b.Run(m.name, func(b *testing.B) {
			mux := http.NewServeMux()
			mux.HandleFunc("GET /users/{id}", func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, "ok") })
			server := httptest.NewServer(m.wrap(mux))
			defer server.Close()
			b.ReportAllocs()
			for b.Loop() {
				response, err := server.Client().Get(server.URL + "/users/42")
				if err != nil {
					b.Fatal(err)
				}
				_, _ = io.Copy(io.Discard, response.Body)
				_ = response.Body.Close()
			}
		})
	}
}

// TestMiddlewareAllocatesNothing stops the clock, because a duration that no
// request had before may need a new bucket.
func TestMiddlewareAllocatesNothing(t *testing.T) {
	if testtool.Race() {
		t.Skip("under the race detector a sync.Pool loses things on purpose")
	}
	stopped := time.Now()
	a := newTestAPI(t, prometheus.NewRegistry(), APIOptions{
		NoRequestIDs: true,
		Now:          func() time.Time { return stopped },
	})
	handler := a.Middleware(benchHandler())
	requests := benchRequests(t)
	serve := func() {
		for _, r := range requests {
			handler.ServeHTTP(r.writer, r.request)
		}
	}
	serve()
	// Response writers are made 64 at a time.
	if n := testing.AllocsPerRun(100, serve) / float64(len(requests)); n > 1.0/32 {
		t.Errorf("%v allocations a request, want 0", n)
	}
}
