package bridge

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"regexp"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"llmwatch/bridge/metrics"
)

// errorForm is the documented error, as a client would declare it.
type errorForm struct {
	Success bool `json:"success"`
	Error   struct {
		Code    string `json:"code"`
		Message string `json:"message"`
	} `json:"error"`
}

// fails sends a request that must get this error in the documented form.
func (b *bench) fails(r *http.Request, status int, code, says string) http.Header {
	b.t.Helper()

	resp := b.do(r)
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		b.t.Fatal(err)
	}
	var e errorForm
	if err := json.Unmarshal(body, &e); err != nil {
		b.t.Fatalf("%s %s answered %s: %v", r.Method, r.URL, body, err)
	}
	if resp.StatusCode != status || e.Success || e.Error.Code != code || !strings.Contains(e.Error.Message, says) {
		b.t.Errorf("%s %.100s answered %d %+v, want %d %s with %q", r.Method, r.URL, resp.StatusCode, e.Error, status, code, says)
	}
	if ct := resp.Header.Get("Content-Type"); ct != "application/json; charset=utf-8" {
		b.t.Errorf("%s %s: Content-Type is %q", r.Method, r.URL, ct)
	}

	return resp.Header
}

func request(t testing.TB, method, target string) *http.Request {
	t.Helper()

	return httptest.NewRequestWithContext(t.Context(), method, target, http.NoBody)
}

func TestDocumentedErrors(t *testing.T) {
	b := put(t, &fakeMetrics{}, nil)
	for _, tc := range []struct {
		method, path string
		status       int
		code, says   string
	}{
		{"GET", Base + "/metrics/system?minutes=abc", 400, CodeInvalidParameter, `minutes must be a whole number from 1 to 43200, got "abc"`},
		{"GET", Base + "/metrics/system?minutes=%zz", 400, CodeInvalidParameter, `the query string cannot be read: invalid URL escape "%zz"`},
		{"GET", Base + "/metrics/system?minutes=5;hours=3", 400, CodeInvalidParameter, "the query string cannot be read"},
		{"GET", Base + "/metrics/summary?hours=99999999999999999999", 400, CodeInvalidParameter, "from 1 to 720"},
		{"GET", Base + "/alerts?status=resolved", 400, CodeInvalidParameter, `status must be some of triggered, active, acknowledged, got "resolved"`},
		{"GET", Base + "/alerts?severity=", 400, CodeInvalidParameter, `got ""`},
		{"GET", Base + "/alerts?limit=10001", 400, CodeInvalidParameter, "limit must be a whole number from 1 to 10000"},
		{"GET", Base + "/alerts/history?status=pending", 400, CodeInvalidParameter, "status must be some of resolved, triggered, active, acknowledged"},
		{"GET", Base + "/alerts/history?limit=0", 400, CodeInvalidParameter, "limit must be a whole number from 1 to 10000"},
		{"GET", Base + "/alerts/nothing", 404, CodeNotFound, `there is no alert "nothing"; ` + Base + "/alerts/history lists them"},
		{"GET", Base + "/health/", 404, CodeNotFound, Base + "/openapi.yaml"},
		{"GET", "/", 404, CodeNotFound, "there is nothing at /;"},
		{"GET", "/%0a%ff", 404, CodeNotFound, "/\n"},
		{"GET", "/" + strings.Repeat("x", 100), 404, CodeNotFound, strings.Repeat("x", 63) + "...;"},
		{"PUT", "/nothing", 404, CodeNotFound, ""},
		{"POST", Base + "/health", 405, CodeMethodNotAllowed, "answers GET, HEAD, not POST"},
		{"OPTIONS", Base + "/alerts", 405, CodeMethodNotAllowed, "not OPTIONS"},
	} {
		h := b.fails(request(t, tc.method, tc.path), tc.status, tc.code, tc.says)
		if allow := h.Get("Allow"); (tc.status == 405) != (allow == "GET, HEAD") {
			t.Errorf("%s %s: Allow is %q", tc.method, tc.path, allow)
		}
	}
	if n := b.metrics.asked.Load(); n != 0 {
		t.Errorf("bad requests asked for metrics %d times", n)
	}
}

// leaver does not take its answer.
type leaver struct{ *httptest.ResponseRecorder }

func (leaver) Write([]byte) (int, error) { return 0, syscall.EPIPE }

func TestClientWhoLeavesIsNoFailure(t *testing.T) {
	b := put(t, &fakeMetrics{}, nil)
	for _, path := range []string{"/export/alerts", "/export/logs", "/export/system?format=json"} {
		func() {
			defer func() {
				if p := recover(); p != nil && p != http.ErrAbortHandler { //nolint:errorlint // As net/http compares it.
					t.Errorf("%s panics: %v", path, p)
				}
			}()
			b.handler.ServeHTTP(leaver{httptest.NewRecorder()}, request(t, http.MethodGet, Base+path))
		}()
	}
	if log := b.log.String(); !strings.Contains(log, "request completed") || strings.Contains(log, `"level":"WARN"`) || strings.Contains(log, "a request failed") {
		t.Errorf("the log says:\n%s", log)
	}
}

func TestFailuresOfMetrics(t *testing.T) {
	secret := errors.New("dial tcp 10.0.0.1:9090: connection refused")
	for name, tc := range map[string]struct {
		err    error
		status int
		code   string
		logged bool
	}{
		"too much":            {fmt.Errorf("%w: %w", metrics.ErrTooMuch, secret), 413, CodeQueryTooLarge, false},
		"unavailable":         {fmt.Errorf("%w: %w", metrics.ErrUnavailable, secret), 503, CodePrometheusUnavailable, true},
		"anything else":       {secret, 500, CodeInternal, true},
		"an error of its own": {fmt.Errorf("wrapped: %w", &Error{http.StatusConflict, "conflict", "it is so"}), 409, "conflict", false},
		"the caller has left": {fmt.Errorf("asking: %w", context.Canceled), 499, "canceled", false},
	} {
		t.Run(name, func(t *testing.T) {
			b := put(t, &fakeMetrics{
				system: func(context.Context, time.Time, time.Duration, string) ([]metrics.SystemSample, error) {
					return nil, tc.err
				},
				api:      func(time.Time, time.Duration) ([]metrics.APISample, error) { return nil, tc.err },
				summary:  func(time.Time, time.Duration) (metrics.Summary, error) { return metrics.Summary{}, tc.err },
				overview: func() (metrics.Overview, error) { return metrics.Overview{}, tc.err },
			}, nil)
			for _, path := range []string{"/metrics/system", "/metrics/api", "/metrics/summary", "/dashboard/overview"} {
				r := request(t, http.MethodGet, Base+path)
				r.Header.Set(requestIDHeader, "find-me")
				b.fails(r, tc.status, tc.code, "")
			}
			log := b.log.String()
			if strings.Contains(log, "connection refused") != tc.logged || tc.logged && !strings.Contains(log, `"request_id":"find-me"`) {
				t.Errorf("the log says:\n%s", log)
			}
		})
	}
}

func TestErrorsAreNotKept(t *testing.T) {
	fail := true
	b := put(t, &fakeMetrics{overview: func() (metrics.Overview, error) {
		if fail {
			return metrics.Overview{}, metrics.ErrUnavailable
		}

		return (&fakeMetrics{}).Overview(t.Context())
	}}, nil)
	b.fails(request(t, http.MethodGet, Base+"/dashboard/overview"), 503, CodePrometheusUnavailable, "")
	fail = false
	if code := b.get("/dashboard/overview", nil); code != http.StatusOK {
		t.Errorf("once metrics are back the answer is %d", code)
	}
}

func TestPanicIsAnInternalError(t *testing.T) {
	b := put(t, &fakeMetrics{
		system: func(context.Context, time.Time, time.Duration, string) ([]metrics.SystemSample, error) {
			panic("a secret")
		},
		api: func(time.Time, time.Duration) ([]metrics.APISample, error) { panic("a secret") },
	}, func(o *Options) {
		o.Mounts = map[string]http.Handler{"/mounted": http.HandlerFunc(func(http.ResponseWriter, *http.Request) { panic("a secret") })}
	})
	for _, path := range []string{Base + "/metrics/system", Base + "/metrics/api", "/mounted"} {
		r := request(t, http.MethodGet, path)
		r.Header.Set(requestIDHeader, "id-of"+path)
		b.fails(r, 500, CodeInternal, "the log tells more under this request's X-Request-ID")
		found := false
		for line := range strings.Lines(b.log.String()) {
			found = found || strings.Contains(line, `"request_id":"id-of`+path) && strings.Contains(line, "a secret") && strings.Contains(line, "goroutine")
		}
		if !found {
			t.Errorf("%s: the log has no line with request id, panic and stack:\n%s", path, b.log)
		}
	}
}

func TestPanicInTheMiddleOfAnAnswerBreaksTheConnection(t *testing.T) {
	b := put(t, &fakeMetrics{}, func(o *Options) {
		o.Mounts = map[string]http.Handler{"/mounted": http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			fmt.Fprint(w, "half")
			w.(http.Flusher).Flush()
			panic("oops")
		})}
	})
	outside := httptest.NewServer(b.handler)
	defer outside.Close()
	resp, err := outside.Client().Get(outside.URL + "/mounted")
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	if body, err := io.ReadAll(resp.Body); err == nil {
		t.Errorf("half an answer looks whole: %s", body)
	}
}

func TestMountedHandlersCanFlush(t *testing.T) {
	more := make(chan struct{})
	b := put(t, &fakeMetrics{}, func(o *Options) {
		o.Mounts = map[string]http.Handler{"/stream": http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			fmt.Fprintln(w, "one")
			w.(http.Flusher).Flush()
			<-more
		})}
	})
	outside := httptest.NewServer(b.handler)
	defer outside.Close()
	resp, err := outside.Client().Get(outside.URL + "/stream")
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	line, err := bufio.NewReader(resp.Body).ReadString('\n') // Hangs if nothing was flushed.
	close(more)
	if err != nil || line != "one\n" {
		t.Errorf("the first line is %q (%v)", line, err)
	}
}

var madeID = regexp.MustCompile(`^req-[A-Z2-7]{26}$`)

func TestRequestID(t *testing.T) {
	b := put(t, &fakeMetrics{}, nil)
	for name, tc := range map[string]struct {
		id   string
		kept bool
	}{
		"an id from outside":        {"req-abc123", true},
		"a trace in other notation": {"00-4bf92f3577b34da6a3ce929d0e0e4736/01:x=y+z", true},
		"none":                      {"", false},
		"a line break":              {"a\nb", false},
		"a line break at the end":   {"a\n", false},
		"an escape sequence":        {"\x1b[31m", false},
		"a quote":                   {`a"b`, false},
		"letters beyond ASCII":      {"ä", false},
		"128 characters":            {strings.Repeat("a", 128), true},
		"129 characters":            {strings.Repeat("a", 129), false},
	} {
		t.Run(name, func(t *testing.T) {
			for _, path := range []string{Base + "/status", "/nothing"} {
				r := request(t, http.MethodGet, path)
				r.Header.Set(requestIDHeader, tc.id)
				resp := b.do(r)
				resp.Body.Close()
				got := resp.Header.Get(requestIDHeader)
				if tc.kept && got != tc.id || !tc.kept && !madeID.MatchString(got) {
					t.Errorf("%s: %q became %q", path, tc.id, got)
				}
				if want, _ := json.Marshal(got); !strings.Contains(b.log.String(), `"request_id":`+string(want)) {
					t.Errorf("%s: the log does not tell %q", path, got)
				}
			}
		})
	}
}

func FuzzQuery(f *testing.F) {
	for _, seed := range []string{
		"", "minutes=60", "minutes=abc&hours=-1", "limit=%zz", "status=triggered&severity=high&name=x&limit=1", "instance=%22%7D", "since=-1h&until=2024-01-15T10:30:45Z&cursor=1.2", ";", "a=b=c&&", "minutes=1&minutes=2", "hours=0x10",
	} {
		f.Add(seed)
	}
	store, manager := alerting(f)
	h := New(Options{
		Metrics: &fakeMetrics{}, Alerts: manager, AlertStore: store, Interval: interval, Registerer: prometheus.NewRegistry(),
		Logger: slog.New(slog.DiscardHandler), Now: func() time.Time { return noon },
	})
	f.Fuzz(func(t *testing.T, query string) {
		for _, path := range []string{"/metrics/system", "/metrics/api", "/metrics/summary", "/alerts", "/alerts/history", "/dashboard/overview", "/health", "/status"} {
			r := httptest.NewRequestWithContext(t.Context(), http.MethodGet, Base+path, http.NoBody)
			r.URL.RawQuery = query
			w := httptest.NewRecorder()
			h.ServeHTTP(w, r)
			if w.Code != http.StatusOK && w.Code != http.StatusBadRequest {
				t.Errorf("%s?%q answers %d", path, query, w.Code)
			}
			if !json.Valid(w.Body.Bytes()) {
				t.Errorf("%s?%q answers %q", path, query, w.Body)
			}
			conforms(t, r, w.Result(), w.Body.Bytes())
		}
	})
}
