// Command middleware is a platform in Go that measures its requests with
// llmwatch's own middleware and publishes them at /metrics:
//
//	go run ./examples/middleware -listen 127.0.0.1:8000
//
// A scrape job for 127.0.0.1:8000 brings them to llmwatch.
package main

import (
	"flag"
	"fmt"
	"log"
	"net/http"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"llmwatch/exporter"
)

func main() {
	listen := flag.String("listen", "127.0.0.1:8000", "address to serve on")
	flag.Parse()

	handler, err := platform()
	if err != nil {
		log.Fatal(err)
	}
	server := &http.Server{Addr: *listen, Handler: handler, ReadHeaderTimeout: 10 * time.Second}
	log.Fatal(server.ListenAndServe())
}

func platform() (http.Handler, error) {
	registry := prometheus.NewRegistry()
	api, err := exporter.NewAPI(registry, exporter.APIOptions{})
	if err != nil {
		return nil, err
	}
	app, err := exporter.NewApp(registry, exporter.AppOptions{})
	if err != nil {
		return nil, err
	}

	routes := http.NewServeMux()
	routes.HandleFunc("GET /models/{name}", func(w http.ResponseWriter, r *http.Request) {
		fmt.Fprintln(w, "model", r.PathValue("name"))
	})
	routes.HandleFunc("POST /generate", func(w http.ResponseWriter, _ *http.Request) {
		app.RecordModelRequest(exporter.ModelRequest{
			Operation: "chat", Provider: "local", Model: "small",
			Duration: 1200 * time.Millisecond, TimeToFirstToken: 90 * time.Millisecond,
			InputTokens: 150, OutputTokens: 40,
		})
		fmt.Fprintln(w, "hello")
	})

	// The platform's own requests are measured, the scrape is not.
	all := http.NewServeMux()
	all.Handle("/", api.Middleware(routes))
	all.Handle("GET /metrics", exporter.Handler(registry, exporter.HandlerOptions{}))

	return all, nil
}
