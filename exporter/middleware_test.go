package exporter

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/go-chi/chi/v5"
	"github.com/google/go-cmp/cmp"
	"github.com/gorilla/mux"
	"github.com/prometheus/client_golang/prometheus"
)

// requestLabels is how the samples of a request are labelled.
func requestLabels(method, route, status string) string {
	return `{http_request_method="` + method + `",http_response_status_code="` + status + `",http_route="` + route + `"}`
}

// serveOnce serves one request through a Middleware, without a network, and
// returns the samples afterwards.
func serveOnce(t *testing.T, r *http.Request, handler http.HandlerFunc) map[string]string {
	t.Helper()

	registry := prometheus.NewPedanticRegistry()
	newTestAPI(t, registry, APIOptions{}).Middleware(handler).ServeHTTP(httptest.NewRecorder(), r)

	return scrape(t, registry)
}

func newRequest(t *testing.T, method, target string, body io.Reader) *http.Request {
	t.Helper()

	return httptest.NewRequestWithContext(t.Context(), method, target, body)
}

func TestMiddlewareCountsTheStatusSent(t *testing.T) {
	tests := []struct {
		name    string
		handler http.HandlerFunc
		want    string
	}{
		{"nothing written", func(http.ResponseWriter, *http.Request) {}, "200"},
		{"body alone", func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write([]byte("x")) }, "200"},
		{"a status", func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusTeapot) }, "418"},
		{"the first of two", func(w http.ResponseWriter, _ *http.Request) {
			w.WriteHeader(http.StatusAccepted)
			w.WriteHeader(http.StatusBadGateway)
		}, "202"},
		{"body, then a status", func(w http.ResponseWriter, _ *http.Request) {
			_, _ = w.Write(nil)
			w.WriteHeader(http.StatusBadGateway)
		}, "200"},
		{"an informational one first", func(w http.ResponseWriter, _ *http.Request) {
			w.WriteHeader(http.StatusEarlyHints)
			w.WriteHeader(http.StatusCreated)
		}, "201"},
		{"an informational one alone", func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusEarlyHints) }, "200"},
		{"flushed", func(w http.ResponseWriter, _ *http.Request) {
			w.(http.Flusher).Flush()
			w.WriteHeader(http.StatusBadGateway)
		}, "200"},
		{"a status of three other digits", func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(999) }, "999"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			got := serveOnce(t, newRequest(t, http.MethodGet, "/", nil), tt.handler)
			series := "http_server_request_duration_seconds_count" + requestLabels("GET", "/", tt.want)
			if got[series] != "1" {
				t.Errorf("%s is %q, want 1", series, got[series])
			}
		})
	}
}

func TestMiddlewareCountsBytes(t *testing.T) {
	write := func(n int) http.HandlerFunc {
		return func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write(make([]byte, n)) }
	}
	tests := []struct {
		name         string
		method, body string
		handler      http.HandlerFunc
		status       string
		read, sent   string
	}{
		{"none", "GET", "", func(http.ResponseWriter, *http.Request) {}, "200", "0", "0"},
		{"several writes", "GET", "", func(w http.ResponseWriter, _ *http.Request) {
			_, _ = w.Write([]byte("ab"))
			_, _ = io.WriteString(w, "cde")
			_, _ = io.Copy(w, strings.NewReader("fghi"))
		}, "200", "0", "9"},
		{"read from", "GET", "", func(w http.ResponseWriter, _ *http.Request) {
			_, _ = w.(io.ReaderFrom).ReadFrom(io.LimitReader(strings.NewReader("abcdef"), 5))
		}, "200", "0", "5"},
		{"HEAD", "HEAD", "", write(100), "200", "0", "0"},
		{"204", "GET", "", func(w http.ResponseWriter, _ *http.Request) {
			w.WriteHeader(http.StatusNoContent)
			_, _ = w.Write([]byte("x"))
		}, "204", "0", "0"},
		{"304", "GET", "", func(w http.ResponseWriter, _ *http.Request) {
			w.WriteHeader(http.StatusNotModified)
			_, _ = w.Write([]byte("x"))
		}, "304", "0", "0"},
		{"a body read in full", "POST", "0123456789", func(_ http.ResponseWriter, r *http.Request) {
			_, _ = io.Copy(io.Discard, r.Body)
		}, "200", "10", "0"},
		{"a body read in part", "POST", "0123456789", func(_ http.ResponseWriter, r *http.Request) {
			_, _ = io.ReadFull(r.Body, make([]byte, 4))
		}, "200", "4", "0"},
		{"a body not read", "POST", "0123456789", write(1), "200", "0", "1"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			registry := prometheus.NewPedanticRegistry()
			exchangeOver(t, registry, tt.handler, func(client *http.Client, url string) {
				r, err := http.NewRequestWithContext(t.Context(), tt.method, url, strings.NewReader(tt.body))
				if err != nil {
					t.Fatal(err)
				}
				do(t, client, r)
			})
			got := scrape(t, registry)
			labels := requestLabels(tt.method, "/", tt.status)
			if n := got["http_server_request_body_size_bytes_sum"+labels]; n != tt.read {
				t.Errorf("%q bytes read, want %s", n, tt.read)
			}
			if n := got["http_server_response_body_size_bytes_sum"+labels]; n != tt.sent {
				t.Errorf("%q bytes sent, want %s", n, tt.sent)
			}
		})
	}
}

// exchangeOver runs requests against a real server with a Middleware, and
// returns once all of them are measured.
func exchangeOver(t *testing.T, registry *prometheus.Registry, handler http.Handler, requests func(*http.Client, string)) {
	t.Helper()

	measured := newTestAPI(t, registry, APIOptions{}).Middleware(handler)
	var handled sync.WaitGroup
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		handled.Add(1)
		defer handled.Done()
		measured.ServeHTTP(w, r)
	}))
	defer handled.Wait() // Close does not wait for the handlers of hijacked connections.
	defer server.Close()
	defer server.Client().CloseIdleConnections()
	requests(server.Client(), server.URL+"/")
}

// do sends a request and returns the status and body of its answer.
func do(t *testing.T, client *http.Client, r *http.Request) (int, string) {
	t.Helper()

	response, err := client.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	body, err := io.ReadAll(response.Body)
	if err != nil {
		t.Fatal(err)
	}

	return response.StatusCode, string(body)
}

func TestMiddlewarePassesPanicsOn(t *testing.T) {
	gone, cancel := context.WithCancel(t.Context())
	cancel()
	boom := errors.New("boom")
	tests := []struct {
		name    string
		request *http.Request
		before  int
		cause   any
		want    string
	}{
		{"a panic", newRequest(t, "GET", "/", nil), 0, boom, "500"},
		{"a panic after the response began", newRequest(t, "GET", "/", nil), 200, "boom", "500"},
		{"an abort", newRequest(t, "GET", "/", nil), 200, http.ErrAbortHandler, "500"},
		{"an abort because the client went away", newRequest(t, "GET", "/", nil).WithContext(gone), 200, http.ErrAbortHandler, "499"},
		{"a panic though the client went away", newRequest(t, "GET", "/", nil).WithContext(gone), 0, boom, "500"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			registry := prometheus.NewPedanticRegistry()
			handler := newTestAPI(t, registry, APIOptions{}).Middleware(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
				if tt.before != 0 {
					w.WriteHeader(tt.before)
				}
				panic(tt.cause)
			}))
			func() {
				defer func() {
					if got := recover(); got != tt.cause {
						t.Errorf("panics with %v, want %v", got, tt.cause)
					}
				}()
				handler.ServeHTTP(httptest.NewRecorder(), tt.request)
			}()
			got := scrape(t, registry)
			series := "http_server_request_duration_seconds_count" + requestLabels("GET", "/", tt.want)
			if got[series] != "1" || got[`http_server_active_requests{http_request_method="GET"}`] != "0" {
				t.Errorf("%s is %q, want 1 and none active: %v", series, got[series], got)
			}
		})
	}

	t.Run("runtime.Goexit", func(t *testing.T) {
		registry := prometheus.NewPedanticRegistry()
		handler := newTestAPI(t, registry, APIOptions{}).Middleware(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {
			runtime.Goexit()
		}))
		request := newRequest(t, "GET", "/", nil)
		var wg sync.WaitGroup
		wg.Go(func() { handler.ServeHTTP(httptest.NewRecorder(), request) })
		wg.Wait()
		if got := scrape(t, registry)["http_server_request_duration_seconds_count"+requestLabels("GET", "/", "500")]; got != "1" {
			t.Errorf("counted %q times as 500, want 1", got)
		}
	})
}

func TestMiddlewareCountsActiveRequests(t *testing.T) {
	registry := prometheus.NewPedanticRegistry()
	var during string
	handler := newTestAPI(t, registry, APIOptions{}).Middleware(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {
		during = scrape(t, registry)[`http_server_active_requests{http_request_method="_OTHER"}`]
	}))
	handler.ServeHTTP(httptest.NewRecorder(), newRequest(t, "BREW", "/", nil))
	after := scrape(t, registry)[`http_server_active_requests{http_request_method="_OTHER"}`]
	if during != "1" || after != "0" {
		t.Errorf("%q during the request and %q after it, want 1 and 0", during, after)
	}
}

func TestMiddlewareMeasuresTimes(t *testing.T) {
	clock := newTestClock()
	registry := prometheus.NewPedanticRegistry()
	a := newTestAPI(t, registry, APIOptions{Now: clock.Now})
	stream := func(w http.ResponseWriter, _ *http.Request) {
		clock.advance(2 * time.Second)
		w.WriteHeader(http.StatusEarlyHints)
		clock.advance(time.Second)
		_, _ = w.Write([]byte("first"))
		clock.advance(30 * time.Second)
		_, _ = w.Write([]byte("last"))
		clock.advance(4 * time.Second)
	}
	a.Middleware(http.HandlerFunc(stream)).ServeHTTP(httptest.NewRecorder(), newRequest(t, "GET", "/stream", nil))
	silent := func(http.ResponseWriter, *http.Request) { clock.advance(5 * time.Second) }
	a.Middleware(http.HandlerFunc(silent)).ServeHTTP(httptest.NewRecorder(), newRequest(t, "GET", "/silent", nil))
	got := scrape(t, registry)
	for series, want := range map[string]string{
		"http_server_request_duration_seconds_sum" + requestLabels("GET", "/stream", "200"):                    "37",
		"http_server_request_duration_max_seconds" + requestLabels("GET", "/stream", "200"):                    "37",
		`http_server_time_to_first_byte_seconds_sum{http_request_method="GET",http_route="/stream"}`:           "3",
		"http_server_request_duration_seconds_sum" + requestLabels("GET", "/silent", "200"):                    "5",
		`http_server_time_to_first_byte_seconds_sum{http_request_method="GET",http_route="/silent"}`:           "5",
		`http_server_time_to_first_byte_seconds_bucket{http_request_method="GET",http_route="/silent",le="5"}`: "1",
	} {
		if got[series] != want {
			t.Errorf("%s is %q, want %s", series, got[series], want)
		}
	}
}

func TestMiddlewareFindsRoutes(t *testing.T) {
	ok := func(http.ResponseWriter, *http.Request) {}
	serveMux := http.NewServeMux()
	serveMux.HandleFunc("GET example.com/users/{id}", ok)
	serveMux.HandleFunc("/files/{path...}", ok)

	gorillaRoute := RouteFromTemplate(mux.CurrentRoute)
	gorilla := mux.NewRouter()
	gorilla.Use(NoteRoute(gorillaRoute))
	gorilla.HandleFunc("/users/{id:[0-9]+}", ok).Methods(http.MethodGet)
	gorilla.PathPrefix("/v2").Subrouter().HandleFunc("/jobs/{job}", ok)
	gorilla.NewRoute().Host("hooks.example.com").HandlerFunc(ok)

	chiRoute := RouteFromContext(chi.RouteContext)
	chiRouter := chi.NewRouter()
	chiRouter.Use(NoteRoute(chiRoute))
	chiRouter.Get("/users/{id}", ok)
	chiRouter.Route("/v2", func(r chi.Router) { r.Get("/jobs/{job}", ok) })

	tests := []struct {
		name    string
		options APIOptions
		handler http.Handler
		target  string
		want    string
	}{
		{"ServeMux", APIOptions{}, serveMux, "/users/42", "/users/{id}"},
		{"ServeMux, rest of path", APIOptions{}, serveMux, "/files/a/b/c", "/files/{path...}"},
		{"ServeMux, no route", APIOptions{}, serveMux, "/nothing/42", "/nothing/{id}"},
		{"ServeMux, with a copy of the request", APIOptions{NoRequestIDs: true}, serveMux, "/users/42", "/users/{id}"},
		{"gorilla", APIOptions{}, gorilla, "/users/42", "/users/{id:[0-9]+}"},
		{"gorilla, subrouter", APIOptions{}, gorilla, "/v2/jobs/17", "/v2/jobs/{job}"},
		{"gorilla, no route", APIOptions{}, gorilla, "/nothing/42", "/nothing/{id}"},
		{"gorilla, route without path", APIOptions{}, gorilla, "http://hooks.example.com/push/42", "/push/{id}"},
		{"chi", APIOptions{}, chiRouter, "/users/42", "/users/{id}"},
		{"chi, subrouter", APIOptions{}, chiRouter, "/v2/jobs/17", "/v2/jobs/{job}"},
		{"chi, no route", APIOptions{}, chiRouter, "/nothing/42", "/nothing/{id}"},
		{"function", APIOptions{Route: func(*http.Request) string { return "/mine" }}, serveMux, "/users/42", "/mine"},
		{"without routers, gorilla", APIOptions{Route: gorillaRoute}, http.HandlerFunc(ok), "/users/42", "/users/{id}"},
		{"without routers, chi", APIOptions{Route: chiRoute}, http.HandlerFunc(ok), "/users/42", "/users/{id}"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			registry := prometheus.NewPedanticRegistry()
			a := newTestAPI(t, registry, tt.options)
			a.Middleware(tt.handler).ServeHTTP(httptest.NewRecorder(), newRequest(t, "GET", tt.target, nil))
			got := scrape(t, registry)
			series := `http_server_time_to_first_byte_seconds_count{http_request_method="GET",http_route="` + tt.want + `"}`
			if got[series] != "1" {
				t.Errorf("%s is %q, want 1: %v", series, got[series], got)
			}
		})
	}

	t.Run("gorilla, middleware inside", func(t *testing.T) {
		registry := prometheus.NewPedanticRegistry()
		router := mux.NewRouter()
		router.Use(newTestAPI(t, registry, APIOptions{Route: gorillaRoute}).Middleware)
		router.HandleFunc("/users/{id}", ok)
		router.ServeHTTP(httptest.NewRecorder(), newRequest(t, "GET", "/users/42", nil))
		checkRoute(t, registry, "/users/{id}")
	})
	t.Run("chi, middleware inside", func(t *testing.T) {
		registry := prometheus.NewPedanticRegistry()
		router := chi.NewRouter()
		router.Use(newTestAPI(t, registry, APIOptions{Route: chiRoute}).Middleware)
		router.Get("/users/{id}", ok)
		router.ServeHTTP(httptest.NewRecorder(), newRequest(t, "GET", "/users/42", nil))
		checkRoute(t, registry, "/users/{id}")
	})
}

func checkRoute(t *testing.T, registry *prometheus.Registry, route string) {
	t.Helper()

	if got := scrape(t, registry)["http_server_request_duration_seconds_count"+requestLabels("GET", route, "200")]; got != "1" {
		t.Errorf("%s has %q requests, want 1", route, got)
	}
}

func TestHandlersNameTheirRouteAndFailure(t *testing.T) {
	got := serveOnce(t, newRequest(t, "GET", "/proxy/42", nil), func(w http.ResponseWriter, _ *http.Request) {
		outer := &unwrapping{w}
		if !SetRoute(outer, "/proxy/{service}") || !SetFailed(outer) {
			t.Error("no middleware found")
		}
	})
	labels := requestLabels("GET", "/proxy/{service}", "200")
	if got["http_server_failed_requests_total"+labels] != "1" {
		t.Errorf("not counted as failed: %v", got)
	}
	if SetRoute(httptest.NewRecorder(), "/x") || SetFailed(httptest.NewRecorder()) {
		t.Error("found a middleware where there is none")
	}
}

func TestHandlersKnowTheirRouteBetterThanRouters(t *testing.T) {
	registry := prometheus.NewPedanticRegistry()
	router := mux.NewRouter()
	router.Use(NoteRoute(RouteFromTemplate(mux.CurrentRoute)))
	router.HandleFunc("/{rest:.*}", func(w http.ResponseWriter, _ *http.Request) { SetRoute(w, "/known") })
	newTestAPI(t, registry, APIOptions{}).Middleware(router).ServeHTTP(httptest.NewRecorder(), newRequest(t, "GET", "/a/b", nil))
	checkRoute(t, registry, "/known")
}

type unwrapping struct{ http.ResponseWriter }

func (w *unwrapping) Unwrap() http.ResponseWriter { return w.ResponseWriter }

// The kinds of response writers that a server, or other middleware, hands out.
type (
	plainWriter       struct{ http.ResponseWriter }
	flushingWriter    struct{ plainWriter }
	hijackedWriter    struct{ plainWriter }
	flushHijackWriter struct{ hijackedWriter }
)

func (w flushingWriter) Flush()                                       {}
func (w flushHijackWriter) Flush()                                    {}
func (w hijackedWriter) Hijack() (net.Conn, *bufio.ReadWriter, error) { return nil, nil, nil }

func TestResponseWriterCanWhatTheServersCan(t *testing.T) {
	plain := plainWriter{httptest.NewRecorder()}
	for name, tt := range map[string]struct {
		writer           http.ResponseWriter
		flushes, hijacks bool
	}{
		"nothing": {plain, false, false},
		"flush":   {flushingWriter{plain}, true, false},
		"hijack":  {hijackedWriter{plain}, false, true},
		"both":    {flushHijackWriter{hijackedWriter{plain}}, true, true},
	} {
		t.Run(name, func(t *testing.T) {
			handler := func(w http.ResponseWriter, _ *http.Request) {
				_, flushes := w.(http.Flusher)
				_, hijacks := w.(http.Hijacker)
				if flushes != tt.flushes || hijacks != tt.hijacks {
					t.Errorf("flushes %t and hijacks %t, want %t and %t", flushes, hijacks, tt.flushes, tt.hijacks)
				}
				control := http.NewResponseController(w)
				if err := control.Flush(); (err == nil) != tt.flushes {
					t.Errorf("flushing: %v", err)
				}
				if _, _, err := control.Hijack(); (err == nil) != tt.hijacks {
					t.Errorf("hijacking: %v", err)
				}
			}
			a := newTestAPI(t, prometheus.NewRegistry(), APIOptions{})
			a.Middleware(http.HandlerFunc(handler)).ServeHTTP(tt.writer, newRequest(t, "GET", "/", nil))
		})
	}
}

func TestStreamsReachTheClientAsTheyAreWritten(t *testing.T) {
	registry := prometheus.NewPedanticRegistry()
	seen := make(chan struct{})
	stream := func(w http.ResponseWriter, _ *http.Request) {
		_, _ = io.WriteString(w, "data: 1\n")
		if err := http.NewResponseController(w).Flush(); err != nil {
			t.Error(err)
		}
		<-seen
		_, _ = io.WriteString(w, "data: 2\n")
		if err := http.NewResponseController(w).SetWriteDeadline(time.Now().Add(time.Minute)); err != nil {
			t.Error(err)
		}
	}
	exchangeOver(t, registry, http.HandlerFunc(stream), func(client *http.Client, url string) {
		r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, url, http.NoBody)
		if err != nil {
			t.Fatal(err)
		}
		response, err := client.Do(r)
		if err != nil {
			t.Fatal(err)
		}
		defer response.Body.Close()
		lines := bufio.NewReader(response.Body)
		if line, err := lines.ReadString('\n'); line != "data: 1\n" {
			t.Errorf("first line is %q (%v)", line, err)
		}
		close(seen)
		if line, err := lines.ReadString('\n'); line != "data: 2\n" {
			t.Errorf("second line is %q (%v)", line, err)
		}
	})
	checkRoute(t, registry, "/")
}

func TestHijackedConnections(t *testing.T) {
	for name, tt := range map[string]struct {
		status int
		want   string
	}{
		"without a status": {0, "101"},
		"after a 101":      {http.StatusSwitchingProtocols, "101"},
	} {
		t.Run(name, func(t *testing.T) {
			registry := prometheus.NewPedanticRegistry()
			upgrade := func(w http.ResponseWriter, _ *http.Request) {
				if tt.status != 0 {
					w.WriteHeader(tt.status)
				}
				conn, buffer, err := w.(http.Hijacker).Hijack()
				if err != nil {
					t.Error(err)

					return
				}
				defer conn.Close()
				if tt.status == 0 {
					_, _ = buffer.WriteString("HTTP/1.1 101 Switching Protocols\r\n\r\n")
				}
				_, _ = buffer.WriteString("hello\n")
				_ = buffer.Flush()
			}
			exchangeOver(t, registry, http.HandlerFunc(upgrade), func(_ *http.Client, url string) {
				conn, err := new(net.Dialer).DialContext(t.Context(), "tcp", strings.Trim(url, "htp:/"))
				if err != nil {
					t.Fatal(err)
				}
				defer conn.Close()
				_, _ = io.WriteString(conn, "GET / HTTP/1.1\r\nHost: x\r\n\r\n")
				answer, err := io.ReadAll(conn)
				if err != nil || !strings.HasPrefix(string(answer), "HTTP/1.1 101") || !strings.HasSuffix(string(answer), "hello\n") {
					t.Errorf("answer is %q (%v)", answer, err)
				}
			})
			got := scrape(t, registry)["http_server_request_duration_seconds_count"+requestLabels("GET", "/", tt.want)]
			if got != "1" {
				t.Errorf("counted %q times as %s, want 1", got, tt.want)
			}
		})
	}
}

func TestFilesAreSentWhole(t *testing.T) {
	content := strings.Repeat("0123456789abcdef", 1<<16)
	path := filepath.Join(t.TempDir(), "file.txt")
	if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
		t.Fatal(err)
	}
	registry := prometheus.NewPedanticRegistry()
	var readerFrom bool
	handler := func(w http.ResponseWriter, r *http.Request) {
		_, readerFrom = w.(io.ReaderFrom)
		http.ServeFile(w, r, path)
	}
	exchangeOver(t, registry, http.HandlerFunc(handler), func(client *http.Client, url string) {
		r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, url, http.NoBody)
		if err != nil {
			t.Fatal(err)
		}
		if _, body := do(t, client, r); body != content {
			t.Errorf("%d bytes received, want %d", len(body), len(content))
		}
	})
	got := scrape(t, registry)["http_server_response_body_size_bytes_sum"+requestLabels("GET", "/", "200")]
	if number(t, got) != float64(len(content)) || !readerFrom {
		t.Errorf("%s bytes counted, want %d; io.ReaderFrom: %t", got, len(content), readerFrom)
	}
}

func TestMaxBytesReaderStillLimits(t *testing.T) {
	registry := prometheus.NewPedanticRegistry()
	limited := func(w http.ResponseWriter, r *http.Request) {
		_, err := io.ReadAll(http.MaxBytesReader(w, r.Body, 10))
		if _, tooLarge := errors.AsType[*http.MaxBytesError](err); !tooLarge {
			t.Errorf("error is %v, want it to be about the limit", err)
		}
		w.WriteHeader(http.StatusRequestEntityTooLarge)
	}
	exchangeOver(t, registry, http.HandlerFunc(limited), func(client *http.Client, url string) {
		r, err := http.NewRequestWithContext(t.Context(), http.MethodPost, url, strings.NewReader(strings.Repeat("x", 100)))
		if err != nil {
			t.Fatal(err)
		}
		if status, _ := do(t, client, r); status != http.StatusRequestEntityTooLarge {
			t.Errorf("status is %d, want 413", status)
		}
	})
	got := scrape(t, registry)["http_server_request_body_size_bytes_count"+requestLabels("POST", "/", "413")]
	if got != "1" {
		t.Errorf("counted %q times, want 1", got)
	}
}

func TestBodyIsAskedForOnlyWhenItIsRead(t *testing.T) {
	for name, tt := range map[string]struct {
		read bool
		want string
	}{
		"read":     {true, "HTTP/1.1 100 Continue"},
		"not read": {false, "HTTP/1.1 200 OK"},
	} {
		t.Run(name, func(t *testing.T) {
			registry := prometheus.NewPedanticRegistry()
			handler := func(_ http.ResponseWriter, r *http.Request) {
				if tt.read {
					_, _ = io.Copy(io.Discard, r.Body)
				}
			}
			exchangeOver(t, registry, http.HandlerFunc(handler), func(_ *http.Client, url string) {
				conn, err := new(net.Dialer).DialContext(t.Context(), "tcp", strings.Trim(url, "htp:/"))
				if err != nil {
					t.Fatal(err)
				}
				defer conn.Close()
				_, _ = io.WriteString(conn, "POST / HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Length: 3\r\nExpect: 100-continue\r\n\r\n")
				answer := bufio.NewReader(conn)
				line, err := answer.ReadString('\n')
				if strings.TrimSpace(line) != tt.want {
					t.Errorf("the answer begins with %q (%v), want %s", line, err, tt.want)
				}
				if tt.read {
					_, _ = io.WriteString(conn, "abc")
				}
				_, _ = io.Copy(io.Discard, answer)
			})
			got := scrape(t, registry)["http_server_request_body_size_bytes_sum"+requestLabels("POST", "/", "200")]
			if read := got == "3"; read != tt.read {
				t.Errorf("%q bytes read, want that to be 3: %t", got, tt.read)
			}
		})
	}
}

func TestMiddlewareLeavesTheRequestAsItWas(t *testing.T) {
	body := io.NopCloser(strings.NewReader("abc"))
	r := newRequest(t, "POST", "/", nil)
	r.Body = body
	a := newTestAPI(t, prometheus.NewRegistry(), APIOptions{NoRequestIDs: true})
	a.Middleware(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		if r.Body == body {
			t.Error("the body is not measured")
		}
		_, _ = io.Copy(io.Discard, r.Body)
		_ = r.Body.Close()
	})).ServeHTTP(httptest.NewRecorder(), r)
	if r.Body != body {
		t.Errorf("the body is %T afterwards, want the one it came with", r.Body)
	}

	t.Run("and keeps http.NoBody recognisable", func(t *testing.T) {
		r := newRequest(t, "POST", "/", http.NoBody)
		r.Body = http.NoBody
		a.Middleware(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
			if r.Body != http.NoBody {
				t.Errorf("the body is %T, want http.NoBody", r.Body)
			}
		})).ServeHTTP(httptest.NewRecorder(), r)
	})
}

// TestLateUseHarmsNobody keeps response writers and bodies beyond the end of
// their requests, and uses them while others are served.
func TestLateUseHarmsNobody(t *testing.T) {
	registry := prometheus.NewPedanticRegistry()
	a := newTestAPI(t, registry, APIOptions{NoRequestIDs: true})
	var keptWriter http.ResponseWriter
	var keptBody io.ReadCloser
	keep := a.Middleware(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { keptWriter, keptBody = w, r.Body }))
	first := newRequest(t, "POST", "/", strings.NewReader("secret"))
	keep.ServeHTTP(flushHijackWriter{hijackedWriter{plainWriter{httptest.NewRecorder()}}}, first)

	next := a.Middleware(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		keptWriter.Header().Set("X-Late", "1")
		keptWriter.WriteHeader(http.StatusTeapot)
		_, write := keptWriter.Write([]byte("late"))
		_, writeString := io.WriteString(keptWriter, "late")
		_, readFrom := keptWriter.(io.ReaderFrom).ReadFrom(strings.NewReader("late"))
		flush := http.NewResponseController(keptWriter).Flush()
		_, _, hijack := keptWriter.(http.Hijacker).Hijack()
		_, read := keptBody.Read(make([]byte, 1))
		for name, err := range map[string]error{
			"Write": write, "WriteString": writeString, "ReadFrom": readFrom, "Flush": flush, "Hijack": hijack, "Read": read,
		} {
			if err == nil {
				t.Errorf("late %s succeeds", name)
			}
		}
		if keptWriter.(interface{ Unwrap() http.ResponseWriter }).Unwrap() != nil {
			t.Error("late Unwrap leads to a writer")
		}
		if err := http.NewResponseController(keptWriter).SetReadDeadline(time.Time{}); err == nil {
			t.Error("late SetReadDeadline succeeds")
		}
		keptWriter.(http.Flusher).Flush()
		_ = keptBody.Close()
		_, _ = w.Write([]byte("mine"))
	}))
	for range 3 * len(recorderChunk{}.recorders) {
		answer := httptest.NewRecorder()
		next.ServeHTTP(answer, newRequest(t, "GET", "/", nil))
		if answer.Body.String() != "mine" || answer.Code != 200 || answer.Header().Get("X-Late") != "" {
			t.Fatalf("answer is %d %v %q, want mine alone", answer.Code, answer.Header(), answer.Body)
		}
	}
}

// TestLateUseAtTheSameTime does so while the handler returns.
func TestLateUseAtTheSameTime(t *testing.T) {
	a := newTestAPI(t, prometheus.NewRegistry(), APIOptions{NoRequestIDs: true})
	begun, release := make(chan struct{}), make(chan struct{})
	var wg sync.WaitGroup
	handler := a.Middleware(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		wg.Go(func() {
			body, err := io.ReadAll(r.Body)
			if string(body) != "x" || !errors.Is(err, http.ErrBodyReadAfterClose) {
				t.Errorf("read %q (%v), want what was under way and then an error", body, err)
			}
		})
		<-begun
	}))
	r := newRequest(t, "POST", "/", nil)
	r.Body = io.NopCloser(&blockingReader{begun: begun, release: release})
	handler.ServeHTTP(httptest.NewRecorder(), r)
	close(release)
	wg.Wait()
}

// blockingReader tells that a read began and ends it when it is released.
type blockingReader struct{ begun, release chan struct{} }

func (b *blockingReader) Read(p []byte) (int, error) {
	close(b.begun)
	<-b.release

	return copy(p, "x"), nil
}

func TestRequestIDs(t *testing.T) {
	long := strings.Repeat("a", 128)
	tests := []struct {
		name  string
		given []string
		kept  bool
	}{
		{"none", nil, false},
		{"a good one", []string{"req-abc123"}, true},
		{"every character allowed", []string{"aZ09._:/+=-"}, true},
		{"the longest allowed", []string{long}, true},
		{"too long", []string{long + "a"}, false},
		{"empty", []string{""}, false},
		{"a space", []string{"a b"}, false},
		{"a line break", []string{"a\r\nSet-Cookie: x"}, false},
		{"not ASCII", []string{"ä"}, false},
		{"a quote", []string{`a"b`}, false},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			var inContext string
			a := newTestAPI(t, prometheus.NewRegistry(), APIOptions{})
			handler := a.Middleware(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
				inContext = RequestID(r.Context())
			}))
			r := newRequest(t, "GET", "/", nil)
			r.Header["X-Request-Id"] = tt.given
			answer := httptest.NewRecorder()
			handler.ServeHTTP(answer, r)
			got := answer.Header().Get("X-Request-ID")
			if got != inContext || !isRequestID(got) {
				t.Errorf("header has %q and context %q, want the same good id", got, inContext)
			}
			if kept := len(tt.given) > 0 && got == tt.given[0]; kept != tt.kept {
				t.Errorf("id is %q, kept %t, want %t", got, kept, tt.kept)
			}
		})
	}

	t.Run("are all different", func(t *testing.T) {
		seen := make(map[string]bool)
		for range 10_000 {
			seen[newRequestID()] = true
		}
		if len(seen) != 10_000 {
			t.Errorf("%d distinct ids, want 10000", len(seen))
		}
	})
	t.Run("can be switched off", func(t *testing.T) {
		answer := httptest.NewRecorder()
		a := newTestAPI(t, prometheus.NewRegistry(), APIOptions{NoRequestIDs: true})
		a.Middleware(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
			if id := RequestID(r.Context()); id != "" {
				t.Errorf("id is %q", id)
			}
		})).ServeHTTP(answer, newRequest(t, "GET", "/", nil))
		if len(answer.Header()) != 0 {
			t.Errorf("header is %v, want none", answer.Header())
		}
	})
	t.Run("keep the context's own values", func(t *testing.T) {
		type key struct{}
		a := newTestAPI(t, prometheus.NewRegistry(), APIOptions{})
		r := newRequest(t, "GET", "/", nil)
		a.Middleware(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
			if r.Context().Value(key{}) != "mine" {
				t.Error("a value is lost")
			}
		})).ServeHTTP(httptest.NewRecorder(), r.WithContext(context.WithValue(r.Context(), key{}, "mine")))
	})
}

func TestExemplars(t *testing.T) {
	const trace = "0af7651916cd43dd8448eb211c80319c"
	tests := []struct {
		name, traceparent, requestID string
		want                         prometheus.Labels
	}{
		{"a sampled trace", "00-" + trace + "-b7ad6b7169203331-01", "r1", prometheus.Labels{"request_id": "r1", "trace_id": trace}},
		{"a trace that is not sampled", "00-" + trace + "-b7ad6b7169203331-00", "r1", nil},
		{"no trace", "", "r1", nil},
		{
			"the longest request id that fits", "00-" + trace + "-b7ad6b7169203331-01", strings.Repeat("r", 78),
			prometheus.Labels{"request_id": strings.Repeat("r", 78), "trace_id": trace},
		},
		{
			"a request id that does not fit", "00-" + trace + "-b7ad6b7169203331-01", strings.Repeat("r", 79),
			prometheus.Labels{"trace_id": trace},
		},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			registry := prometheus.NewPedanticRegistry()
			r := newRequest(t, "GET", "/", nil)
			r.Header.Set("X-Request-ID", tt.requestID)
			if tt.traceparent != "" {
				r.Header.Set("traceparent", tt.traceparent)
			}
			a := newTestAPI(t, registry, APIOptions{})
			a.Middleware(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {})).ServeHTTP(httptest.NewRecorder(), r)
			if diff := cmp.Diff(tt.want, exemplarOf(t, registry)); diff != "" {
				t.Errorf("exemplar (-want +got):\n%s", diff)
			}
			// Encoding refuses what is too long.
			openMetrics := http.Header{"Accept": {"application/openmetrics-text;version=1.0.0"}}
			if answer := get(t, registry, openMetrics); answer.Code != http.StatusOK {
				t.Errorf("status of a scrape is %d, want 200", answer.Code)
			}
		})
	}
}

// exemplarOf returns the labels of the only exemplar of the durations.
func exemplarOf(t *testing.T, registry *prometheus.Registry) prometheus.Labels {
	t.Helper()

	families, err := registry.Gather()
	if err != nil {
		t.Fatal(err)
	}
	var labels prometheus.Labels
	for _, family := range families {
		if family.GetName() != requestDuration {
			continue
		}
		for _, bucket := range family.GetMetric()[0].GetHistogram().GetBucket() {
			for _, label := range bucket.GetExemplar().GetLabel() {
				if labels == nil {
					labels = make(prometheus.Labels)
				}
				labels[label.GetName()] = label.GetValue()
			}
		}
	}

	return labels
}

func TestParseTraceparent(t *testing.T) {
	const rest = "-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-"
	tests := []struct {
		name, header string
		ok, sampled  bool
	}{
		{"sampled", "00" + rest + "01", true, true},
		{"not sampled", "00" + rest + "00", true, false},
		{"random flag", "00" + rest + "02", true, false},
		{"both flags", "00" + rest + "03", true, true},
		{"all flags", "00" + rest + "ff", true, true},
		{"other flags", "00" + rest + "fe", true, false},
		{"later version", "cc" + rest + "01", true, true},
		{"later version that goes on", "cc" + rest + "01-what-comes", true, true},
		{"later version that goes on without a dash", "cc" + rest + "01.what", false, false},
		{"version 00 that goes on", "00" + rest + "01-x", false, false},
		{"version ff", "ff" + rest + "01", false, false},
		{"empty", "", false, false},
		{"too short", "00" + rest + "0", false, false},
		{"upper case", "00-0AF7651916CD43DD8448EB211C80319C-b7ad6b7169203331-01", false, false},
		{"upper-case version", "CC" + rest + "01", false, false},
		{"not hexadecimal", "00-0af7651916cd43dd8448eb211c80319g-b7ad6b7169203331-01", false, false},
		{"trace id of zeros", "00-" + strings.Repeat("0", 32) + "-b7ad6b7169203331-01", false, false},
		{"parent id of zeros", "00-0af7651916cd43dd8448eb211c80319c-0000000000000000-01", false, false},
		{"parent id not hexadecimal", "00-0af7651916cd43dd8448eb211c80319c-b7ad6b716920333z-01", false, false},
		{"flags not hexadecimal", "00" + rest + "0x", false, false},
		{"no dashes", "00_0af7651916cd43dd8448eb211c80319c_b7ad6b7169203331_01", false, false},
		{"space in front", " 00" + rest + "01", false, false},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			got, ok := parseTraceparent(tt.header)
			if ok != tt.ok || got.sampled != tt.sampled {
				t.Errorf("valid %t, sampled %t, want %t and %t", ok, got.sampled, tt.ok, tt.sampled)
			}
			if ok && got.traceID != "0af7651916cd43dd8448eb211c80319c" {
				t.Errorf("trace id is %q", got.traceID)
			}
		})
	}
}

func FuzzParseTraceparent(f *testing.F) {
	f.Add("00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01")
	f.Add("cc-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-00-x")
	f.Add("")
	f.Fuzz(func(t *testing.T, header string) {
		got, ok := parseTraceparent(header)
		if !ok && got != (traceparent{}) {
			t.Errorf("%q is not valid but gives %v", header, got)
		}
		if ok && (len(got.traceID) != 32 || !strings.HasPrefix(header[3:], got.traceID) || !isLowerHex(got.traceID)) {
			t.Errorf("%q gives %v", header, got)
		}
	})
}

func TestMiddlewareIsSafeForConcurrentUse(t *testing.T) {
	registry := prometheus.NewPedanticRegistry()
	a := newTestAPI(t, registry, APIOptions{MaxRoutes: 4})
	handler := a.Middleware(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		w.WriteHeader(200 + len(body))
		_, _ = w.Write(bytes.ToUpper(body))
	}))
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() {
			for i := range 200 {
				r := newRequest(t, "POST", "/"+word(i%6), strings.NewReader(strings.Repeat("x", i%4)))
				answer := httptest.NewRecorder()
				handler.ServeHTTP(answer, r)
				if answer.Code != 200+i%4 || answer.Body.Len() != i%4 {
					t.Errorf("answer is %d with %d bytes, want %d", answer.Code, answer.Body.Len(), i%4)
				}
			}
		})
	}
	wg.Go(func() {
		for range 20 {
			scrape(t, registry)
		}
	})
	wg.Wait()
	total := 0.0
	for series, value := range scrape(t, registry) {
		if strings.HasPrefix(series, "http_server_request_duration_seconds_count{") {
			total += number(t, value)
		}
	}
	if total != 8*200 {
		t.Errorf("%v requests counted, want %d", total, 8*200)
	}
}
