package app

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"

	"llmwatch/bridge"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

var silent = slog.New(slog.DiscardHandler)

// busy returns an address that somebody listens on until the test ends.
func busy(t *testing.T) string {
	t.Helper()

	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = l.Close() }) // Nobody waits for it.

	return l.Addr().String()
}

// client keeps no connections, so that none is mistaken for a leak.
var client = &http.Client{Transport: &http.Transport{DisableKeepAlives: true}}

// get returns status and body.
func get(t *testing.T, url string) (status int, body string) {
	t.Helper()

	resp, err := client.Get(url)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}

	return resp.StatusCode, string(text)
}

func TestPartsStopInReverseOrder(t *testing.T) {
	broken := errors.New("broken")
	for name, fails := range map[string]bool{"after serving": false, "when the start fails": true} {
		t.Run(name, func(t *testing.T) {
			var stopped []string
			ctx, cancel := context.WithCancel(t.Context())
			defer cancel()
			var address string
			a, err := newApp(listening(CommandExporter), silent, func(a *App) error {
				address = a.Addr().String()
				for _, part := range []string{"storage", "engine"} {
					a.onStop(part, func() error {
						stopped = append(stopped, part)
						if conn, err := net.Dial("tcp", address); err == nil {
							conn.Close()
							t.Errorf("the port is open while %s stops", part)
						}

						return fmt.Errorf("%s is stuck", part)
					})
				}
				if fails {
					return broken
				}
				cancel()

				return nil
			})
			if err != nil {
				t.Fatal(err)
			}
			err = a.Run(ctx)
			if !slices.Equal(stopped, []string{"engine", "storage"}) {
				t.Errorf("stopped %v", stopped)
			}
			if errors.Is(err, broken) != fails {
				t.Errorf("Run says %v", err)
			}
			for _, want := range []string{"stopping engine: engine is stuck", "stopping storage: storage is stuck"} {
				if !strings.Contains(err.Error(), want) {
					t.Errorf("Run says %v, want also %q", err, want)
				}
			}
		})
	}
}

func TestPortThatFailsEndsTheProgram(t *testing.T) {
	a, err := newApp(listening(CommandExporter), silent, func(a *App) error { return a.port.listener.Close() })
	if err != nil {
		t.Fatal(err)
	}
	if err := a.Run(t.Context()); err == nil || !strings.Contains(err.Error(), "serving on "+a.Addr().String()) {
		t.Errorf("Run says %v", err)
	}
}

// listening is a configuration that opens any free port.
func listening(command string) *Config {
	c := DefaultConfig(command)
	c.Server.Listen, c.Version = "127.0.0.1:0", Version{"v1.2.3", "abc"}

	return &c
}

// serving runs a program until the test ends and returns its base address.
func serving(t *testing.T, a *App, err error) string {
	t.Helper()

	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error)
	go func() { done <- a.Run(ctx) }()
	t.Cleanup(func() {
		cancel()
		if err := <-done; err != nil {
			t.Errorf("Run ends with %v", err)
		}
	})

	return "http://" + a.Addr().String()
}

// awaitReady waits until the program says that it is ready.
func awaitReady(t *testing.T, base string) {
	t.Helper()

	for {
		status, body := get(t, base+bridge.ReadyPath)
		if status == http.StatusOK {
			return
		}
		if status != http.StatusServiceUnavailable || t.Context().Err() != nil {
			t.Fatalf("%s answers %d %s", bridge.ReadyPath, status, body)
		}
		time.Sleep(time.Millisecond)
	}
}

func TestExporter(t *testing.T) {
	a, err := NewExporter(*listening(CommandExporter), silent)
	base := serving(t, a, err)
	var status int
	var body string
	for status = http.StatusServiceUnavailable; status == http.StatusServiceUnavailable; {
		status, body = get(t, base+"/metrics")
	}
	for _, want := range []string{`llmwatch_build_info{commit="abc",goversion="go`, `version="v1.2.3"} 1`, "node_memory_MemTotal_bytes ", "go_goroutines ", "process_start_time_seconds "} {
		if !strings.Contains(body, want) {
			t.Errorf("/metrics answers %d without %s", status, want)
		}
	}
	if status, body := get(t, base+bridge.Base+"/health"); status != http.StatusOK || !strings.HasPrefix(body, `{"status":"healthy",`) {
		t.Errorf("/health answers %d %s", status, body)
	}
	if status, body := get(t, base+bridge.ReadyPath); status != http.StatusOK {
		t.Errorf("%s answers %d %s", bridge.ReadyPath, status, body)
	}
	if status, body := get(t, base+bridge.Base+"/status"); status != http.StatusNotFound || !strings.Contains(body, `"code":"not_found"`) {
		t.Errorf("any other path answers %d %s", status, body)
	}
}

func TestBridgeNamesItself(t *testing.T) {
	cfg := listening(CommandBridge)
	cfg.Prometheus.URL, cfg.Server.DataDir = "http://"+busy(t), t.TempDir()
	a, err := NewBridge(*cfg, silent)
	base := serving(t, a, err)
	var status int
	var body string
	for status = http.StatusServiceUnavailable; status == http.StatusServiceUnavailable; {
		status, body = get(t, base+bridge.Base+"/status")
	}
	if status != http.StatusOK || !strings.Contains(body, `"name":"llmwatch","running":true`) || !strings.Contains(body, `"version":"v1.2.3"`) {
		t.Errorf("/status answers %d %s", status, body)
	}
	if status, body = get(t, base+"/metrics"); status != http.StatusOK || !strings.Contains(body, "llmwatch_api_requests_total") {
		t.Errorf("/metrics answers %d", status)
	}
}

func TestStartingIsAnswered(t *testing.T) {
	ready := make(chan struct{})
	a, err := newApp(listening(CommandExporter), silent, func(a *App) error {
		<-ready
		a.port.handle(http.HandlerFunc(bridge.NotFound))
		a.port.probes.Started(nil)

		return nil
	})
	base := serving(t, a, err)
	for path, want := range map[string]int{bridge.HealthyPath: http.StatusOK, bridge.ReadyPath: http.StatusServiceUnavailable} {
		if status, body := get(t, base+path); status != want {
			t.Errorf("while it starts %s answers %d %s", path, status, body)
		}
	}
	status, body := get(t, base+bridge.Base+"/health")
	var health struct {
		Status    string
		Timestamp time.Time
		Services  map[string]any
		Problems  []string
	}
	if err := json.Unmarshal([]byte(body), &health); err != nil || status != http.StatusServiceUnavailable || health.Status != "starting" ||
		health.Services == nil || !slices.Equal(health.Problems, []string{"llmwatch is starting"}) || time.Since(health.Timestamp) > time.Minute {
		t.Errorf("while it starts /health answers %d %s (%v)", status, body, err)
	}
	resp, err := client.Get(base + "/anything")
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	if e := readError(t, resp); resp.StatusCode != http.StatusServiceUnavailable || e.Code != bridge.CodeStarting || resp.Header.Get("Retry-After") != "1" {
		t.Errorf("while it starts it answers %d %+v", resp.StatusCode, e)
	}
	close(ready)
	for status = http.StatusServiceUnavailable; status == http.StatusServiceUnavailable; {
		status, _ = get(t, base+"/anything")
	}
	if status != http.StatusNotFound {
		t.Errorf("once it is ready it answers %d", status)
	}
	awaitReady(t, base)
}

// readError reads the documented error form.
func readError(t *testing.T, resp *http.Response) bridge.Error {
	t.Helper()

	body, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	var form struct {
		Success *bool         `json:"success"`
		Error   *bridge.Error `json:"error"`
	}
	if err := json.Unmarshal(body, &form); err != nil || form.Success == nil || *form.Success || form.Error == nil {
		t.Fatalf("not in the error form (%v): %s", err, body)
	}
	if got := resp.Header.Get("Content-Type"); got != "application/json; charset=utf-8" {
		t.Errorf("Content-Type is %q", got)
	}

	return *form.Error
}

// openPort serves a handler until the test ends.
func openPort(t *testing.T, h http.Handler) *port {
	t.Helper()

	p, err := listen("127.0.0.1:0", &webConfig{}, listening(CommandExporter).newGate(), silent)
	if err != nil {
		t.Fatal(err)
	}
	p.handle(h)
	go p.serve()

	return p
}

func TestMalformedRequestsGetTheDocumentedError(t *testing.T) {
	p := openPort(t, http.NotFoundHandler())
	defer func() {
		if err := p.close(); err != nil {
			t.Error(err)
		}
	}()
	for name, tc := range map[string]struct {
		request    string
		status     int
		code, says string
	}{
		"not HTTP at all":          {"hello\r\n\r\n", 400, bridge.CodeBadRequest, "the request is malformed"},
		"no colon in a header":     {"GET / HTTP/1.1\r\nno colon here\r\n\r\n", 400, bridge.CodeBadRequest, "the request is malformed"},
		"no Host":                  {"GET / HTTP/1.1\r\n\r\n", 400, bridge.CodeBadRequest, "the request is malformed: missing required Host header"},
		"a header's name":          {"GET / HTTP/1.1\r\nHost: a\r\nä: b\r\n\r\n", 400, bridge.CodeBadRequest, "the request is malformed"},
		"another version":          {"GET / HTTP/7.0\r\nHost: a\r\n\r\n", 505, bridge.CodeBadRequest, "unsupported protocol version"},
		"an encoding nobody knows": {"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: brew\r\n\r\n", 501, bridge.CodeBadRequest, "the request is malformed"},
		"40 kB of headers":         {"GET / HTTP/1.1\r\nHost: a\r\nX: " + strings.Repeat("a", 40<<10), 431, "header_too_large", "larger than 32768 bytes"},
	} {
		for how, size := range map[string]int{"at once": len(tc.request), "in pieces": max(len(tc.request)/50, 1)} {
			t.Run(name+" "+how, func(t *testing.T) {
				conn, err := net.Dial("tcp", p.listener.Addr().String())
				if err != nil {
					t.Fatal(err)
				}
				defer conn.Close()
				go func() {
					for piece := range slices.Chunk([]byte(tc.request), size) {
						if _, err := conn.Write(piece); err != nil {
							return // It has been answered and closed.
						}
					}
				}()
				resp, err := http.ReadResponse(bufio.NewReader(conn), nil)
				if err != nil {
					t.Fatal(err)
				}
				defer resp.Body.Close()
				e := readError(t, resp)
				if resp.StatusCode != tc.status || e.Code != tc.code || !strings.Contains(e.Message, tc.says) || !resp.Close {
					t.Errorf("answered %d %+v, want %d %s with %q", resp.StatusCode, e, tc.status, tc.code, tc.says)
				}
			})
		}
	}
}

func TestAnswersOfHandlersStayAsTheyAre(t *testing.T) {
	// Short text over a connection that is closed looks like net/http's own.
	text := "HTTP/1.1 400 Bad Request" + string(ownAnswer) + "400 Bad Request: not ours"
	p := openPort(t, http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.WriteHeader(http.StatusBadRequest)
		fmt.Fprint(w, text)
	}))
	defer func() {
		if err := p.close(); err != nil {
			t.Error(err)
		}
	}()
	if status, body := get(t, "http://"+p.listener.Addr().String()); status != http.StatusBadRequest || body != text {
		t.Errorf("answered %d %q", status, body)
	}
}

func TestCloseLetsRequestsUnderWayFinish(t *testing.T) {
	for name, finishes := range map[string]bool{"that finish": true, "but not for ever": false} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			begun, finish := make(chan struct{}), make(chan struct{})
			p := openPort(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				close(begun)
				select {
				case <-finish:
				case <-r.Context().Done():
				}
				fmt.Fprint(w, "done")
			}))
			answered := make(chan string)
			go func() {
				resp, err := client.Get("http://" + p.listener.Addr().String())
				if err != nil {
					answered <- "nothing: " + err.Error()
					return
				}
				defer resp.Body.Close()
				body, _ := io.ReadAll(resp.Body)
				answered <- "it: " + string(body)
			}()
			<-begun
			closed := make(chan error)
			go func() { closed <- p.close() }()
			want := "nothing: "
			if finishes {
				close(finish)
				want = "it: done"
			}
			if got := <-answered; !strings.HasPrefix(got, want) {
				t.Errorf("the request under way was answered %q, want %q", got, want)
			}
			if err := <-closed; err != nil {
				t.Errorf("close says %v", err)
			}
		})
	}
}

func TestForgetStartup(t *testing.T) {
	if err := forgetStartup(); err != nil {
		t.Error(err)
	}
}
