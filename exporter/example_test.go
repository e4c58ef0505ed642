package exporter

import (
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"

	"github.com/gorilla/mux"
	"github.com/prometheus/client_golang/prometheus"
)

// The routes of an http.ServeMux are found without any configuration.
func ExampleAPI_Middleware() {
	registry := prometheus.NewRegistry()
	api, err := NewAPI(registry, APIOptions{})
	if err != nil {
		fmt.Println(err)

		return
	}
	routes := http.NewServeMux()
	routes.HandleFunc("GET /users/{id}", func(w http.ResponseWriter, r *http.Request) {
		_, _ = fmt.Fprintf(w, "user %s, request %s", r.PathValue("id"), RequestID(r.Context()))
	})
	routes.Handle("GET /metrics", Handler(registry, HandlerOptions{}))
	server := api.Middleware(routes)

	request := httptest.NewRequest(http.MethodGet, "/users/42", http.NoBody)
	request.Header.Set("X-Request-ID", "req-abc123")
	answer := httptest.NewRecorder()
	server.ServeHTTP(answer, request)
	fmt.Println(answer.Body)
	printCounts(registry)
	// Output:
	// user 42, request req-abc123
	// GET 200 /users/{id}: 1
}

// With gorilla/mux, NoteRoute tells the middleware around the router which
// route it took; requests without a route are measured too.
func ExampleNoteRoute() {
	registry := prometheus.NewRegistry()
	api, err := NewAPI(registry, APIOptions{})
	if err != nil {
		fmt.Println(err)

		return
	}
	router := mux.NewRouter()
	router.Use(NoteRoute(RouteFromTemplate(mux.CurrentRoute)))
	router.HandleFunc("/jobs/{job}", func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, "ok") })
	server := api.Middleware(router)

	for _, target := range []string{"/jobs/ft-17", "/job/ft-17"} {
		server.ServeHTTP(httptest.NewRecorder(), httptest.NewRequest(http.MethodGet, target, http.NoBody))
	}
	printCounts(registry)
	// Output:
	// GET 200 /jobs/{job}: 1
	// GET 404 /job/ft-17: 1
}

// A program that learns of its jobs elsewhere finds them by id.
func ExampleApp_Job() {
	registry := prometheus.NewRegistry()
	app, err := NewApp(registry, AppOptions{})
	if err != nil {
		fmt.Println(err)

		return
	}
	job := app.Job("ft-2024-01", "finetuning")
	job.Queued()
	job.Start()
	for step := range int64(3) {
		job.Progress(step, 1/float64(step+1))
	}
	app.Job("ft-2024-01", "finetuning").Complete()
	job.Fail() // Too late: nothing changes.

	families, err := registry.Gather()
	if err != nil {
		fmt.Println(err)

		return
	}
	for _, family := range families {
		if family.GetName() == "llm_jobs_finished_total" {
			for _, metric := range family.GetMetric() {
				fmt.Println(metric.GetLabel()[0].GetValue(), metric.GetCounter().GetValue())
			}
		}
	}
	// Output:
	// cancelled 0
	// completed 1
	// failed 0
}

// printCounts prints how many requests were measured.
func printCounts(registry *prometheus.Registry) {
	families, err := registry.Gather()
	if err != nil {
		fmt.Println(err)

		return
	}
	for _, family := range families {
		if family.GetName() != "http_server_request_duration_seconds" {
			continue
		}
		for _, metric := range family.GetMetric() {
			labels := metric.GetLabel()
			fmt.Printf("%s %s %s: %d\n", labels[0].GetValue(), labels[1].GetValue(), labels[2].GetValue(),
				metric.GetHistogram().GetSampleCount())
		}
	}
}
