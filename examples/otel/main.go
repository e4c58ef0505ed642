// Command otel is a platform that knows only OpenTelemetry. It needs nothing
// from llmwatch but its address:
//
//	OTEL_EXPORTER_OTLP_ENDPOINT=http://localhost:5000/prometheus/api/v1/otlp \
//	OTEL_SERVICE_NAME=platform go run ./examples/otel
//
// The same variable does for Python (Flask, FastAPI) and every other language
// whose OpenTelemetry SDK exports OTLP over HTTP.
package main

import (
	"context"
	"fmt"
	"log"
	"net/http"
	"net/http/httptest"

	"go.opentelemetry.io/contrib/instrumentation/net/http/otelhttp"
	"go.opentelemetry.io/otel/exporters/otlp/otlpmetric/otlpmetrichttp"
	sdkmetric "go.opentelemetry.io/otel/sdk/metric"
)

func main() {
	if err := run(context.Background()); err != nil {
		log.Fatal(err)
	}
}

func run(ctx context.Context) error {
	// The endpoint comes from OTEL_EXPORTER_OTLP_ENDPOINT.
	exporter, err := otlpmetrichttp.New(ctx)
	if err != nil {
		return err
	}
	provider := sdkmetric.NewMeterProvider(sdkmetric.WithReader(sdkmetric.NewPeriodicReader(exporter)))

	mux := http.NewServeMux()
	mux.HandleFunc("GET /models/{name}", func(w http.ResponseWriter, r *http.Request) {
		fmt.Fprintln(w, "model", r.PathValue("name"))
	})
	mux.HandleFunc("POST /generate", func(w http.ResponseWriter, _ *http.Request) {
		http.Error(w, "no GPU is free", http.StatusServiceUnavailable)
	})
	server := httptest.NewServer(otelhttp.NewHandler(mux, "platform", otelhttp.WithMeterProvider(provider)))
	defer server.Close()

	// Some traffic: five answers and two failures.
	for i := range 5 {
		if err := request(ctx, http.MethodGet, fmt.Sprintf("%s/models/%d", server.URL, i)); err != nil {
			return err
		}
	}
	for range 2 {
		if err := request(ctx, http.MethodPost, server.URL+"/generate"); err != nil {
			return err
		}
	}

	// Shutting down sends what was counted.
	return provider.Shutdown(ctx)
}

func request(ctx context.Context, method, url string) error {
	req, err := http.NewRequestWithContext(ctx, method, url, http.NoBody)
	if err != nil {
		return err
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return err
	}

	return resp.Body.Close()
}
