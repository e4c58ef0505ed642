package exporter

import (
	"bytes"
	"log/slog"
	"strconv"
	"strings"
	"sync"
	"testing"
	"unicode/utf8"

	"github.com/prometheus/client_golang/prometheus"
)

func newTestLimiter(t *testing.T, limit int, log *bytes.Buffer) (*limiter, *prometheus.Registry) {
	t.Helper()

	registry := prometheus.NewPedanticRegistry()
	folded, err := newFoldCounter(registry, slog.New(slog.NewTextHandler(log, nil)))
	if err != nil {
		t.Fatal(err)
	}

	return newLimiter("colour", limit, folded), registry
}

func TestLimiterKeepsTheFirstValues(t *testing.T) {
	var log bytes.Buffer
	l, registry := newTestLimiter(t, 2, &log)
	for _, step := range []struct{ value, want string }{
		{"red", "red"},
		{"", ""},
		{"other", "other"},
		{"green", "green"},
		{"blue", "other"},
		{"red", "red"},
		{"black", "other"},
		{"green", "green"},
	} {
		if got := l.value(step.value, "paints_total"); got != step.want {
			t.Errorf("%q becomes %q, want %q", step.value, got, step.want)
		}
	}
	if got := scrape(t, registry)[`llmwatch_series_folded_total{metric="paints_total"}`]; got != "2" {
		t.Errorf("folded %q, want 2", got)
	}
	if n := strings.Count(log.String(), "label=colour"); n != 1 {
		t.Errorf("%d warnings, want 1:\n%s", n, log.String())
	}
}

func TestLimiterLeavesRoom(t *testing.T) {
	l, _ := newTestLimiter(t, 4, new(bytes.Buffer))
	var got []string
	for i := range 4 {
		got = append(got, l.admit("guess"+strconv.Itoa(i), "m", 2))
	}
	got = append(got, l.value("template1", "m"), l.value("template2", "m"), l.value("template3", "m"))
	if want := "guess0 guess1 other other template1 template2 other"; strings.Join(got, " ") != want {
		t.Errorf("got %v, want %s", got, want)
	}
}

func TestLimiterMakesLabelValues(t *testing.T) {
	l, _ := newTestLimiter(t, 10, new(bytes.Buffer))
	for name, value := range map[string]string{
		"invalid UTF-8":             "a\xffb",
		"too long":                  strings.Repeat("x", 1000),
		"too long, cut in a rune":   strings.Repeat("x", 127) + "ä",
		"too long, and not UTF-8":   strings.Repeat("x\xff", 1000),
		"too long, of wide runes":   strings.Repeat("語", 100),
		"as long as a value may be": strings.Repeat("y", 128),
	} {
		t.Run(name, func(t *testing.T) {
			got := l.value(value, "m")
			if !utf8.ValidString(got) || len(got) > maxLabelBytes || len(got) < maxLabelBytes-3 && len(value) >= maxLabelBytes {
				t.Errorf("got %q, %d bytes", got, len(got))
			}
			if again := l.value(got, "m"); again != got {
				t.Errorf("got %q again, want %q", again, got)
			}
		})
	}
}

func TestLimiterHoldsUnderConcurrency(t *testing.T) {
	l, _ := newTestLimiter(t, 50, new(bytes.Buffer))
	var wg sync.WaitGroup
	var mu sync.Mutex
	distinct := make(map[string]bool)
	for range 8 {
		wg.Go(func() {
			for i := range 500 {
				got := l.value(strconv.Itoa(i), "m")
				mu.Lock()
				distinct[got] = true
				mu.Unlock()
			}
		})
	}
	wg.Wait()
	if len(distinct) != 51 || !distinct[Other] {
		t.Errorf("%d distinct values, want 50 and other", len(distinct))
	}
}

func TestFoldCounterIsShared(t *testing.T) {
	registry := prometheus.NewPedanticRegistry()
	a := newTestAPI(t, registry, APIOptions{MaxRoutes: 1})
	app := newTestApp(t, registry, AppOptions{MaxLabelValues: 1})
	for range 2 {
		for _, route := range []string{"/a", "/b"} {
			record(t, a, APIEvent{Method: "GET", Route: route, Status: 200})
		}
		for _, model := range []string{"a", "b"} {
			app.AddTrainedTokens(model, 1)
		}
	}
	got := scrape(t, registry)
	for _, metric := range []string{"http_server_request_duration_seconds", "llm_trained_tokens_total"} {
		if n := got[`llmwatch_series_folded_total{metric="`+metric+`"}`]; n != "2" {
			t.Errorf("%s folded %q, want 2", metric, n)
		}
	}
	if n := got[`llm_trained_tokens_total{model="other"}`]; n != "2" {
		t.Errorf("other has %q tokens, want 2", n)
	}
}

func TestFoldCounterRefusesAForeignMetricOfItsName(t *testing.T) {
	registry := prometheus.NewRegistry()
	registry.MustRegister(prometheus.NewCounter(prometheus.CounterOpts{Name: "llmwatch_series_folded_total", Help: "Mine."}))
	if _, err := NewAPI(registry, APIOptions{}); err == nil || !strings.Contains(err.Error(), "folded") {
		t.Errorf("error is %v, want one about the counter of folded series", err)
	}
}
