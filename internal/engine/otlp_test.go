package engine

import (
	"net/http/httptest"
	"runtime"
	"testing"
	"time"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/exporters/otlp/otlpmetric/otlpmetrichttp"
	"go.opentelemetry.io/otel/metric"
	sdkmetric "go.opentelemetry.io/otel/sdk/metric"
	"go.opentelemetry.io/otel/sdk/resource"
)

func TestOTLPMetricsArriveUnderTheirPrometheusNames(t *testing.T) {
	cfg, _, _ := testConfig(t)
	e, q := start(t, cfg)
	server := httptest.NewServer(e.Handler())
	defer server.Close()

	exporter, err := otlpmetrichttp.New(t.Context(), otlpmetrichttp.WithEndpointURL(server.URL+Prefix+"/api/v1/otlp/v1/metrics"))
	if err != nil {
		t.Fatal(err)
	}
	provider := sdkmetric.NewMeterProvider(
		sdkmetric.WithReader(sdkmetric.NewPeriodicReader(exporter, sdkmetric.WithInterval(time.Hour))),
		sdkmetric.WithResource(resource.NewSchemaless(
			attribute.String("service.name", "platform"), attribute.String("service.instance.id", "worker-1"))),
	)
	duration, err := provider.Meter("test").Float64Histogram("http.server.request.duration", metric.WithUnit("s"))
	if err != nil {
		t.Fatal(err)
	}
	for range 7 {
		duration.Record(t.Context(), 0.25, metric.WithAttributes(
			attribute.String("http.route", "/users/{id}"),
			attribute.String("http.request.method", "GET"),
			attribute.Int("http.response.status_code", 200)))
	}
	// A program that counts and ends within one millisecond has no start before
	// its first sample.
	for begin := time.Now(); time.Since(begin) < 3*time.Millisecond; {
		runtime.Gosched()
	}
	// Shutting the provider down sends what it holds.
	if err := provider.Shutdown(t.Context()); err != nil {
		t.Fatal(err)
	}

	const series = `http_server_request_duration_seconds_count{job="platform",instance="worker-1",http_route="/users/{id}",http_request_method="GET",http_response_status_code="200"}`
	eventually(t, q, series, 7)
	t.Run("the first value counts from the program's start", func(t *testing.T) {
		eventually(t, q, "increase("+series+"[5m] anchored)", 7)
	})
}
