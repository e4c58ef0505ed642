package logship

import (
	"bufio"
	"bytes"
	"context"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
)

// serve sends one request through the middleware and returns the response and
// the entries.
func serve(t *testing.T, options MiddlewareOptions, r *http.Request, handler http.HandlerFunc) (*httptest.ResponseRecorder, []map[string]any) {
	t.Helper()

	var out bytes.Buffer
	logger := slog.New(NewHandler(&out, HandlerOptions{}))
	ctx := WithLogger(r.Context(), logger)
	w := httptest.NewRecorder()
	func() {
		defer func() {
			if p := recover(); p != nil {
				w.Header().Set("Panicked", fmt.Sprint(p))
			}
		}()
		NewMiddleware(options)(handler).ServeHTTP(w, r.WithContext(ctx))
	}()
	var entries []map[string]any
	for line := range strings.Lines(out.String()) {
		entries = append(entries, parse(t, line))
	}

	return w, entries
}

func TestMiddlewareLogsARequest(t *testing.T) {
	r := httptest.NewRequest(http.MethodPost, "/api/v1/generate?max_tokens=5&token=abc", strings.NewReader(`{"prompt":"hi","api_key":"sk-x"}`))
	r.Header.Set("Content-Type", "application/json; charset=utf-8")
	r.Header.Set("Authorization", "Bearer abc")
	r.Header.Set("X-Request-ID", "req-abc123")
	w, entries := serve(t, MiddlewareOptions{}, r, func(w http.ResponseWriter, r *http.Request) {
		FromContext(r.Context()).InfoContext(r.Context(), "inside")
		if _, err := io.Copy(io.Discard, r.Body); err != nil {
			t.Error(err)
		}
		r.URL.Path = "/changed"
		w.WriteHeader(http.StatusCreated)
		write(t, w, "hello")
	})
	if len(entries) != 2 || entries[0]["message"] != "inside" || entries[0]["request_id"] != "req-abc123" {
		t.Fatalf("got %v", entries)
	}
	entry := entries[1]
	if took, ok := entry["duration_ms"].(float64); !ok || took < 0 || took > 10_000 {
		t.Errorf("duration_ms is %v", entry["duration_ms"])
	}
	delete(entry, "duration_ms")
	for _, key := range documentedKeys {
		if key != "message" && key != "level" {
			delete(entry, key)
		}
	}
	want := map[string]any{
		"level": "INFO", "message": "Request completed", "request_id": "req-abc123", "method": "POST", "path": "/api/v1/generate",
		"query": "max_tokens=5&token=[REDACTED]", "status_code": 201.0, "response_size": 5.0, "remote_addr": "192.0.2.1:1234",
		"request_headers": map[string]any{"Authorization": Redacted, "Content-Type": "application/json; charset=utf-8", "X-Request-Id": "req-abc123"},
		"request_body":    `{"prompt":"hi","api_key":"[REDACTED]"}`,
	}
	if diff := cmp.Diff(want, entry); diff != "" {
		t.Errorf("(-want +got)\n%s", diff)
	}
	if got := w.Header().Get("X-Request-ID"); got != "req-abc123" {
		t.Errorf("the answer has the id %q", got)
	}
}

func TestMiddlewareOutcomes(t *testing.T) {
	for _, test := range []struct {
		name           string
		handler        http.HandlerFunc
		level, message string
		status         float64
		panicked       string
	}{
		{"nothing written", func(http.ResponseWriter, *http.Request) {}, "INFO", "Request completed", 200, ""},
		{"client error", func(w http.ResponseWriter, _ *http.Request) { http.Error(w, "no", http.StatusNotFound) }, "INFO", "Request completed", 404, ""},
		{"server error", func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusBadGateway) }, "ERROR", "Request completed", 502, ""},
		{"slow", func(http.ResponseWriter, *http.Request) { <-time.After(2 * time.Second) }, "WARNING", "Request completed", 200, ""},
		{"panic", func(http.ResponseWriter, *http.Request) { panic("boom password=hunter2") }, "ERROR", "Request panicked", 500, "boom password=hunter2"},
		{"panic after the header", func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusAccepted); panic("boom") }, "ERROR", "Request panicked", 202, "boom"},
		{"abort", func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) }, "WARNING", "Request aborted", 200, http.ErrAbortHandler.Error()},
	} {
		t.Run(test.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w, entries := serve(t, MiddlewareOptions{}, httptest.NewRequest(http.MethodGet, "/", nil), test.handler)
				if len(entries) != 1 {
					t.Fatalf("got %v", entries)
				}
				entry := entries[0]
				if entry["level"] != test.level || entry["message"] != test.message || entry["status_code"] != test.status {
					t.Errorf("got %v", entry)
				}
				if slow := entry["slow_request"] == true; slow != (test.name == "slow") {
					t.Errorf("slow_request is %v", slow)
				}
				stack, _ := entry["stack"].(string)
				if want := test.message == "Request panicked"; want != strings.Contains(stack, "TestMiddlewareOutcomes") || strings.Contains(fmt.Sprint(entry), "hunter2") {
					t.Errorf("error is %v, stack is %q", entry["error"], stack)
				}
				if got := w.Header().Get("Panicked"); got != test.panicked {
					t.Errorf("the panic went on as %q", got)
				}
			})
		})
	}
}

func TestMiddlewareRequestIDs(t *testing.T) {
	for _, test := range []struct {
		id   string
		kept bool
	}{
		{"req-abc123", true},
		{"A.z_0:/+=-", true},
		{strings.Repeat("x", 128), true},
		{strings.Repeat("x", 129), false},
		{"", false},
		{"a b", false},
		{"a\"b", false},
		{"é", false},
		{"\u0161", false}, // Its low byte is a letter.
	} {
		r := httptest.NewRequest(http.MethodGet, "/", nil)
		r.Header["X-Request-Id"] = []string{test.id}
		w, entries := serve(t, MiddlewareOptions{OmitHeaders: true}, r, func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("Seen", RequestID(r.Context()))
		})
		id := w.Header().Get("X-Request-ID")
		if (id == test.id) != test.kept || !isRequestID(id) || entries[0]["request_id"] != id || w.Header().Get("Seen") != id {
			t.Errorf("%q became %q, logged as %v", test.id, id, entries[0]["request_id"])
		}
	}
}

func TestMiddlewareBodies(t *testing.T) {
	for _, test := range []struct {
		name, contentType, body string
		limit                   int
		want                    any
	}{
		{"form", "application/x-www-form-urlencoded", "user=bob&password=x", 0, "user=bob&password=[REDACTED]"},
		{"text", "text/plain", "password=x", 0, "password=[REDACTED]"},
		{"JSON that is cut", "application/json", `{"a":1,"password":"hunter2 and more"}`, 24, `{"a":1,"password":"[REDACTED]"…`},
		{"wrong JSON", "application/problem+json", `password=x`, 0, `password=[REDACTED]`},
		{"binary", "application/octet-stream", "x", 0, nil},
		{"no type", "", "x", 0, nil},
		{"switched off", "text/plain", "x", -1, nil},
		{"empty", "text/plain", "", 0, nil},
	} {
		t.Run(test.name, func(t *testing.T) {
			r := httptest.NewRequest(http.MethodPost, "/", io.NopCloser(strings.NewReader(test.body)))
			r.Header.Set("Content-Type", test.contentType)
			_, entries := serve(t, MiddlewareOptions{BodyLimit: test.limit}, r, func(_ http.ResponseWriter, r *http.Request) {
				if got, err := io.ReadAll(r.Body); err != nil || string(got) != test.body {
					t.Errorf("the handler read %q, %v", got, err)
				}
			})
			if got := entries[0]["request_body"]; got != test.want {
				t.Errorf("got %v, want %v", got, test.want)
			}
		})
	}
}

func TestMiddlewareKeepsTheServersAbilities(t *testing.T) {
	lines := make(chan string, 2) // The server does not wait for handlers that hijacked.
	logger := slog.New(NewHandler(writerFunc(func(p []byte) (int, error) {
		lines <- string(p)

		return len(p), nil
	}), HandlerOptions{}))
	mux := http.NewServeMux()
	release := make(chan struct{})
	mux.HandleFunc("/stream", func(w http.ResponseWriter, _ *http.Request) {
		w.WriteHeader(http.StatusEarlyHints)
		write(t, w, "first\n")
		if err := http.NewResponseController(w).Flush(); err != nil {
			t.Error(err)
		}
		w.(http.Flusher).Flush()
		<-release
		if _, err := io.Copy(w, strings.NewReader("second\n")); err != nil {
			t.Error(err)
		}
	})
	mux.HandleFunc("/hijack", func(w http.ResponseWriter, _ *http.Request) {
		conn, buffer, err := http.NewResponseController(w).Hijack()
		if err != nil {
			t.Error(err)

			return
		}
		defer conn.Close()
		write(t, buffer, "HTTP/1.1 101 Switching Protocols\r\n\r\n")
		if err := buffer.Flush(); err != nil {
			t.Error(err)
		}
	})
	server := httptest.NewServer(NewMiddleware(MiddlewareOptions{Logger: logger})(mux))
	client := server.Client()
	response, err := client.Get(server.URL + "/stream")
	if err != nil {
		t.Fatal(err)
	}
	reader := bufio.NewReader(response.Body)
	if line, err := reader.ReadString('\n'); line != "first\n" {
		t.Errorf("before the end, got %q, %v", line, err)
	}
	close(release)
	if rest, err := io.ReadAll(reader); string(rest) != "second\n" {
		t.Errorf("then got %q, %v", rest, err)
	}
	response.Body.Close()
	response, err = client.Get(server.URL + "/hijack")
	if err != nil || response.StatusCode != http.StatusSwitchingProtocols {
		t.Fatalf("got %v, %v", response, err)
	}
	response.Body.Close()
	client.CloseIdleConnections()
	server.Close()

	for _, want := range []struct{ status, size float64 }{{200, 13}, {101, 0}} {
		entry := parse(t, <-lines)
		if entry["status_code"] != want.status || entry["response_size"] != want.size {
			t.Errorf("got %v", entry)
		}
	}
}

// plainWriter has none of the optional methods.
type plainWriter struct{ http.ResponseWriter }

func TestMiddlewareAddsNoAbilities(t *testing.T) {
	NewMiddleware(MiddlewareOptions{Logger: slog.New(slog.DiscardHandler)})(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		_, flushes := w.(http.Flusher)
		_, hijacks := w.(http.Hijacker)
		if flushes || hijacks {
			t.Errorf("flush %v, hijack %v", flushes, hijacks)
		}
	})).ServeHTTP(plainWriter{httptest.NewRecorder()}, httptest.NewRequestWithContext(context.Background(), http.MethodGet, "/", nil))
}
