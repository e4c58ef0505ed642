package e2e

import (
	"bytes"
	"compress/gzip"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"os"
	"strconv"
	"strings"
	"testing"
	"time"
)

const otlpPath = "/prometheus/api/v1/otlp/v1/metrics"

// otlpAttributes are n attributes, after the given ones.
func otlpAttributes(n int, given ...string) []any {
	list := []any{}
	add := func(key, value string) {
		list = append(list, map[string]any{"key": key, "value": map[string]any{"stringValue": value}})
	}
	for i := 0; i < len(given); i += 2 {
		add(given[i], given[i+1])
	}
	for i := range n {
		add(fmt.Sprint("k", i), "v")
	}

	return list
}

// otlpPoint is a data point at a time.
func otlpPoint(at time.Time, attributes []any) any {
	return map[string]any{"timeUnixNano": strconv.FormatInt(at.UnixNano(), 10), "asDouble": 1e12, "attributes": attributes}
}

// otlpGauge is a request.
func otlpGauge(t *testing.T, name string, resource []any, points ...any) string {
	t.Helper()

	text, err := json.Marshal(map[string]any{"resourceMetrics": []any{map[string]any{
		"resource":     map[string]any{"attributes": resource},
		"scopeMetrics": []any{map[string]any{"metrics": []any{map[string]any{"name": name, "gauge": map[string]any{"dataPoints": points}}}}},
	}}})
	if err != nil {
		t.Fatal(err)
	}

	return string(text)
}

// value asks for a value, 0 where there is none.
func (s *secured) value(token, expr string) float64 {
	s.t.Helper()

	_, body := s.ask(http.MethodGet, "/prometheus/api/v1/query?query="+url.QueryEscape(expr), "", "Authorization", "Bearer "+token)
	var answer struct {
		Data struct {
			Result []struct{ Value [2]any } `json:"result"`
		} `json:"data"`
	}
	if err := json.Unmarshal([]byte(body), &answer); err != nil {
		s.t.Fatalf("%s: %s", expr, body)
	}
	if len(answer.Data.Result) == 0 {
		return 0
	}
	v, err := strconv.ParseFloat(answer.Data.Result[0].Value[1].(string), 64)
	if err != nil {
		s.t.Fatal(err)
	}

	return v
}

// used returns the processor time of a process, and its resident memory in MiB.
func used(t *testing.T, pid int) (cpu time.Duration, resident int) {
	t.Helper()

	stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		t.Skip("there is no /proc to read")
	}
	_, rest, _ := strings.Cut(string(stat), ") ")
	fields := strings.Fields(rest)
	for _, field := range fields[11:13] {
		ticks, err := strconv.Atoi(field)
		if err != nil {
			t.Fatal(err)
		}
		cpu += time.Duration(ticks) * 10 * time.Millisecond
	}
	pages, err := strconv.Atoi(fields[21])
	if err != nil {
		t.Fatal(err)
	}

	return cpu, pages * os.Getpagesize() >> 20
}

// TestATokenThatPushesMetricsStopsNothing does with an ingest token what could
// silence or fill a server.
func TestATokenThatPushesMetricsStopsNothing(t *testing.T) {
	t.Parallel()
	s := secure(t)
	viewer, ingest := s.token("viewer"), s.token("ingest")
	s.start("--collection-interval", "1", "--check-interval", "1")
	push := func(body string, header ...string) (int, string) {
		t.Helper()
		answer, text := s.ask(http.MethodPost, otlpPath, body,
			append([]string{"Authorization", "Bearer " + ingest, "Content-Type", "application/json"}, header...)...)

		return answer.StatusCode, text
	}
	host, err := os.Hostname()
	if err != nil {
		t.Fatal(err)
	}
	own := otlpAttributes(0, "service.name", "llmwatch", "service.instance.id", host)
	waitFor(t, 20*time.Second, "the first scrapes", func() error {
		if s.value(viewer, "count_over_time(node_memory_MemAvailable_bytes[10s])") < 2 {
			return errors.New("there are none")
		}

		return nil
	})

	t.Run("a sample of the future does not stop a scrape", func(t *testing.T) {
		for _, at := range []time.Duration{0, 5 * time.Second, 590 * time.Second} {
			status, text := push(otlpGauge(t, "node_memory_MemAvailable_bytes", own, otlpPoint(time.Now().Add(at), nil)))
			if status != http.StatusOK || !strings.Contains(text, `"rejectedDataPoints":"1"`) {
				t.Errorf("%s ahead: answered %d %s", at, status, text)
			}
		}
		before := s.value(viewer, "timestamp(node_memory_MemAvailable_bytes)")
		waitFor(t, 20*time.Second, "two more scrapes", func() error {
			if now := s.value(viewer, "timestamp(node_memory_MemAvailable_bytes)"); now < before+2 {
				return fmt.Errorf("the newest is of %v", now)
			}

			return nil
		})
	})

	t.Run("what the engine measures is not forged", func(t *testing.T) {
		for _, name := range []string{"up", "ALERTS", "llmwatch:cpu_percent", "llmwatch_build_info", "node_load1"} {
			status, text := push(otlpGauge(t, name, own, otlpPoint(time.Now(), nil)))
			if status != http.StatusOK || !strings.Contains(text, "reserved") {
				t.Errorf("%s: answered %d %s", name, status, text)
			}
		}
		if n := s.value(viewer, `count({__name__=~".+"} == 1e12)`); n != 0 {
			t.Errorf("%v forged series are there", n)
		}
	})

	t.Run("attributes cost time by their number", func(t *testing.T) {
		for name, body := range map[string]string{
			"of a resource": otlpGauge(t, "w", otlpAttributes(100_000), otlpPoint(time.Now(), otlpAttributes(1))),
			"of a point":    otlpGauge(t, "w", otlpAttributes(1), otlpPoint(time.Now(), otlpAttributes(60_000))),
		} {
			var packed bytes.Buffer
			w := gzip.NewWriter(&packed)
			if _, err := w.Write([]byte(body)); err != nil {
				t.Fatal(err)
			}
			if err := w.Close(); err != nil {
				t.Fatal(err)
			}
			before, _ := used(t, s.process.cmd.Process.Pid)
			status, text := push(packed.String(), "Content-Encoding", "gzip")
			after, _ := used(t, s.process.cmd.Process.Pid)
			if status != http.StatusOK || !strings.Contains(text, "at most 128 attributes") {
				t.Errorf("%s: answered %d %.200s", name, status, text)
			}
			if after-before > 2*time.Second {
				t.Errorf("%s: it cost %s", name, after-before)
			}
		}
	})

	t.Run("series are bounded, and who wrote them goes on", func(t *testing.T) {
		service := otlpAttributes(0, "service.name", "evil", "service.instance.id", "a")
		last := 0
		for batch := range 8 {
			points := make([]any, 10_000)
			for i := range points {
				points[i] = otlpPoint(time.Now(), otlpAttributes(0, "k", fmt.Sprint(batch, "-", i)))
			}
			last, _ = push(otlpGauge(t, "x", service, points...))
		}
		if last != http.StatusTooManyRequests {
			t.Errorf("the last request is answered %d", last)
		}
		if n := s.value(viewer, "count(x)"); n != 25_000 {
			t.Errorf("%v series were made, want 25000", n)
		}
		if status, text := push(otlpGauge(t, "x", service, otlpPoint(time.Now().Add(time.Second), otlpAttributes(0, "k", "0-0")))); status != http.StatusOK || strings.Contains(text, "rejected") {
			t.Errorf("a series that exists: answered %d %s", status, text)
		}
		waitFor(t, 20*time.Second, "the refusals to be counted", func() error {
			if n := s.value(viewer, `sum(llmwatch_ingest_refused_total{what="series",token="token-of-ingest"})`); n != 55_000 {
				return fmt.Errorf("%v", n)
			}

			return nil
		})
		if !strings.Contains(s.log(), "pushed data is refused") {
			t.Error("the log does not tell")
		}
	})

	answer, body := s.ask(http.MethodGet, apiBase+"/health", "")
	if answer.StatusCode != http.StatusOK || !strings.Contains(body, `"status":"healthy"`) {
		t.Errorf("health is %d %s", answer.StatusCode, body)
	}
}
