package exporter

import (
	"bytes"
	"compress/gzip"
	"errors"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"testing/synctest"

	"github.com/prometheus/client_golang/prometheus"
)

// get serves one scrape with the given request header.
func get(t *testing.T, gatherer prometheus.Gatherer, header http.Header) *httptest.ResponseRecorder {
	t.Helper()

	return serve(t, Handler(gatherer, HandlerOptions{}), header)
}

func serve(t *testing.T, handler http.Handler, header http.Header) *httptest.ResponseRecorder {
	t.Helper()

	request := httptest.NewRequestWithContext(t.Context(), http.MethodGet, "/metrics", http.NoBody)
	if header != nil {
		request.Header = header
	}
	recorder := httptest.NewRecorder()
	handler.ServeHTTP(recorder, request)

	return recorder
}

// scrape returns the samples of one scrape by series.
func scrape(t *testing.T, gatherer prometheus.Gatherer) map[string]string {
	t.Helper()

	return samples(get(t, gatherer, nil).Body.String())
}

// samples returns the samples of a text exposition by series.
func samples(exposition string) map[string]string {
	got := make(map[string]string)
	for line := range strings.Lines(exposition) {
		if end := strings.LastIndex(line, " "); end > 0 && line[0] != '#' {
			got[line[:end]] = strings.TrimSpace(line[end:])
		}
	}

	return got
}

// broken is a collector whose metrics cannot be gathered.
type broken struct{}

func (broken) Describe(chan<- *prometheus.Desc) {}

func (broken) Collect(ch chan<- prometheus.Metric) {
	ch <- prometheus.NewInvalidMetric(prometheus.NewInvalidDesc(errBroken()), errBroken())
}

func errBroken() error { return errors.New("sensor unplugged") }

func TestHandlerNegotiates(t *testing.T) {
	const protobuf = "application/vnd.google.protobuf; proto=io.prometheus.client.MetricFamily; encoding=delimited"
	registry := registryOf(newSystemCollector(newFakeSource(), SystemOptions{}))
	tests := []struct {
		name   string
		accept string
		want   string
	}{
		{"text by default", "", "text/plain; version=0.0.4"},
		{"OpenMetrics", "application/openmetrics-text;version=1.0.0,text/plain;q=0.5", "application/openmetrics-text; version=1.0.0"},
		{"protobuf", protobuf + ",text/plain;q=0.5", protobuf},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			response := get(t, registry, http.Header{"Accept": {tt.accept}})
			if got := response.Header().Get("Content-Type"); !strings.HasPrefix(got, tt.want) {
				t.Errorf("content type is %q, want %q", got, tt.want)
			}
		})
	}

	t.Run("OpenMetrics ends with its mark and has no created series", func(t *testing.T) {
		body := get(t, registry, http.Header{"Accept": {tests[1].accept}}).Body.String()
		if !strings.HasSuffix(body, "# EOF\n") || strings.Contains(body, "_created") {
			t.Errorf("got:\n%s", body)
		}
	})
	t.Run("host counters have no created timestamps", func(t *testing.T) {
		families, err := registry.Gather()
		if err != nil {
			t.Fatal(err)
		}
		counters := 0
		for _, family := range families {
			for _, metric := range family.GetMetric() {
				if c := metric.GetCounter(); c != nil {
					counters++
					if c.GetCreatedTimestamp() != nil {
						t.Errorf("%s has a created timestamp", family.GetName())
					}
				}
			}
		}
		if counters == 0 {
			t.Error("no counters gathered")
		}
	})
	t.Run("no compression unless configured", func(t *testing.T) {
		response := get(t, registry, http.Header{"Accept-Encoding": {"gzip"}})
		if got := response.Header().Get("Content-Encoding"); got != "" {
			t.Errorf("content encoding is %q, want none", got)
		}
	})
	t.Run("gzip, when configured, for who accepts it", func(t *testing.T) {
		compressing := Handler(registry, HandlerOptions{Compress: true})
		if got := serve(t, compressing, nil).Header().Get("Content-Encoding"); got != "" {
			t.Errorf("content encoding is %q, want none", got)
		}
		response := serve(t, compressing, http.Header{"Accept-Encoding": {"gzip"}})
		if got := response.Header().Get("Content-Encoding"); got != "gzip" {
			t.Fatalf("content encoding is %q, want gzip", got)
		}
		reader, err := gzip.NewReader(response.Body)
		if err != nil {
			t.Fatal(err)
		}
		body, err := io.ReadAll(reader)
		if err != nil {
			t.Fatal(err)
		}
		if !bytes.Contains(body, []byte("node_load1 0.25\n")) {
			t.Errorf("got:\n%s", body)
		}
	})
}

func TestHandlerErrorHidesNoOtherCollector(t *testing.T) {
	var log bytes.Buffer
	registry := prometheus.NewRegistry()
	registry.MustRegister(newSystemCollector(newFakeSource(), SystemOptions{}), broken{})
	handler := Handler(registry, HandlerOptions{
		Logger:     slog.New(slog.NewTextHandler(&log, nil)),
		Registerer: registry,
	})

	serve(t, handler, nil)
	response := serve(t, handler, nil)
	if response.Code != http.StatusOK {
		t.Errorf("status is %d, want 200", response.Code)
	}
	got := samples(response.Body.String())
	if got["node_load1"] != "0.25" {
		t.Errorf("node_load1 is %q, want 0.25", got["node_load1"])
	}
	if n := got[`promhttp_metric_handler_errors_total{cause="gathering"}`]; n != "1" {
		t.Errorf("errors counted after one scrape: %q, want 1", n)
	}
	if !strings.Contains(log.String(), "sensor unplugged") {
		t.Errorf("want the error logged, got %q", log.String())
	}
}

func TestHandlerWithoutAnyMetricAnswers500(t *testing.T) {
	registry := prometheus.NewRegistry()
	registry.MustRegister(broken{})
	if got := get(t, registry, nil).Code; got != http.StatusInternalServerError {
		t.Errorf("status is %d, want 500", got)
	}
}

// leaver takes so many bytes of an answer.
type leaver struct {
	*httptest.ResponseRecorder
	takes int
}

func (l *leaver) Write(p []byte) (int, error) {
	if l.takes -= len(p); l.takes < 0 {
		return 0, io.ErrClosedPipe
	}

	return l.ResponseRecorder.Write(p)
}

func TestScraperThatLeavesIsNotLogged(t *testing.T) {
	var log bytes.Buffer
	registry := registryOf(newSystemCollector(newFakeSource(), SystemOptions{}))
	handler := Handler(registry, HandlerOptions{Logger: slog.New(slog.NewTextHandler(&log, nil))})
	w := &leaver{httptest.NewRecorder(), 1000}
	handler.ServeHTTP(w, httptest.NewRequestWithContext(t.Context(), http.MethodGet, "/metrics", http.NoBody))
	if w.takes >= 0 || log.Len() > 0 {
		t.Errorf("the scraper takes %d bytes more, and the log says %q", w.takes, log.String())
	}
}

func TestHandlerLimitsRequestsInFlight(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		source := newFakeSource()
		release := make(chan struct{})
		source.hooks["memory"] = func() error { <-release; return nil }
		registry := registryOf(newSystemCollector(source, SystemOptions{}))
		handler := Handler(registry, HandlerOptions{MaxRequestsInFlight: 1})
		first := make(chan int, 1)
		go func() { first <- serve(t, handler, nil).Code }()
		synctest.Wait()

		if got := serve(t, handler, nil).Code; got != http.StatusServiceUnavailable {
			t.Errorf("status of the second request is %d, want 503", got)
		}
		close(release)
		if got := <-first; got != http.StatusOK {
			t.Errorf("status of the first request is %d, want 200", got)
		}
	})
}

func BenchmarkScrape(b *testing.B) {
	registry := prometheus.NewRegistry()
	registry.MustRegister(NewSystemCollector(SystemOptions{}))
	handler := Handler(registry, HandlerOptions{Compress: true})
	for _, format := range []struct{ name, accept string }{
		{"text", "text/plain"},
		{"openmetrics", "application/openmetrics-text;version=1.0.0"},
		{"protobuf", "application/vnd.google.protobuf;proto=io.prometheus.client.MetricFamily;encoding=delimited"},
	} {
		for _, encoding := range []string{"identity", "gzip"} {
			b.Run(format.name+"/"+encoding, func(b *testing.B) {
				request := httptest.NewRequestWithContext(b.Context(), http.MethodGet, "/metrics", http.NoBody)
				request.Header.Set("Accept", format.accept)
				request.Header.Set("Accept-Encoding", encoding)
				b.ReportAllocs()
				var size int
				for b.Loop() {
					recorder := httptest.NewRecorder()
					handler.ServeHTTP(recorder, request)
					size = recorder.Body.Len()
				}
				b.ReportMetric(float64(size), "bytes")
			})
		}
	}
}
