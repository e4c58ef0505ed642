package engine

import (
	"context"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"
)

func TestQueriesRunIntoTheirLimits(t *testing.T) {
	for name, tc := range map[string]struct {
		limit   func(*Config)
		hit     Limit
		status  int
		retries string
		says    string
	}{
		"samples": {func(c *Config) { c.QueryMaxSamples = 10 }, LimitSamples, http.StatusRequestEntityTooLarge, "", "too many samples"},
		"time":    {func(c *Config) { c.QueryTimeout = time.Nanosecond }, LimitTime, http.StatusServiceUnavailable, "1", "timed out"},
		"neither": {func(*Config) {}, 0, http.StatusOK, "", `"status":"success"`},
	} {
		t.Run(name, func(t *testing.T) {
			cfg, _, _ := testConfig(t)
			tc.limit(&cfg)
			var mu sync.Mutex
			var hits []Limit
			cfg.Limited = func(limit Limit) {
				mu.Lock()
				defer mu.Unlock()
				hits = append(hits, limit)
			}
			e, _ := start(t, cfg)
			server := httptest.NewServer(e.Handler())
			defer server.Close()
			defer http.DefaultClient.CloseIdleConnections()
			query := url.Values{"query": {"vector(1)"}, "start": {"1000"}, "end": {"2000"}, "step": {"1"}}
			resp, err := http.Get(server.URL + Prefix + "/api/v1/query_range?" + query.Encode()) // It accepts gzip.
			if err != nil {
				t.Fatal(err)
			}
			defer resp.Body.Close()
			body, err := io.ReadAll(resp.Body)
			if err != nil {
				t.Fatal(err)
			}
			if resp.StatusCode != tc.status || !strings.Contains(string(body), tc.says) || resp.Header.Get("Retry-After") != tc.retries {
				t.Errorf("it answers %d %v %.200s", resp.StatusCode, resp.Header, body)
			}
			mu.Lock()
			defer mu.Unlock()
			if slices.Contains(hits, LimitSamples) != (tc.hit == LimitSamples) || slices.Contains(hits, LimitTime) != (tc.hit == LimitTime) {
				t.Errorf("it tells of %v, want %v", hits, tc.hit)
			}
		})
	}
}

// leaver does not take its answer.
type leaver struct{ *httptest.ResponseRecorder }

func (leaver) Write([]byte) (int, error) { return 0, io.ErrClosedPipe }

// telling tells of the messages that are logged as errors.
type telling struct {
	slog.Handler
	messages chan string
}

func (h *telling) Enabled(_ context.Context, level slog.Level) bool { return level >= slog.LevelError }

func (h *telling) Handle(_ context.Context, r slog.Record) error {
	select {
	case h.messages <- r.Message:
	default:
	}

	return nil
}

func (h *telling) WithAttrs([]slog.Attr) slog.Handler { return h }

func TestClientWhoLeavesIsNotLogged(t *testing.T) {
	cfg, _, _ := testConfig(t)
	told := make(chan string, 100)
	cfg.Logger, cfg.Limited = slog.New(&telling{slog.DiscardHandler, told}), func(Limit) {}
	e, _ := start(t, cfg)
	e.Handler().ServeHTTP(leaver{httptest.NewRecorder()}, httptest.NewRequestWithContext(t.Context(), http.MethodGet, Prefix+"/api/v1/query?query=1", http.NoBody))
	for len(told) > 0 {
		if message := <-told; message == "error writing response" {
			t.Error("the log says: " + message)
		}
	}
}
