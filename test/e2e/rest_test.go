package e2e

import (
	"bufio"
	"encoding/json"
	"fmt"
	"math"
	"net"
	"net/http"
	"os"
	"strings"
	"syscall"
	"testing"
	"time"
)

// everyCommand runs the same tests against the embedded engine and against a
// real Prometheus server beside it.
func everyCommand(t *testing.T, test func(t *testing.T, r *rest)) {
	t.Helper()

	t.Run("serve", func(t *testing.T) {
		t.Parallel()
		_, r := llmwatch(t, "serve", "--data-dir", t.TempDir(), "--collection-interval", "1", "--check-interval", "1",
			"--prometheus-config", write(t, "prometheus.yml", "rule_files: ["+write(t, "own.yml", ownRules)+"]"))
		test(t, r)
	})
	t.Run("bridge beside Prometheus", func(t *testing.T) {
		t.Parallel()
		test(t, beside(t).rest)
	})
}

// ownRules fire at once, so that tests need not wait for a real emergency.
const ownRules = `
groups:
  - name: own
    interval: 1s
    rules:
      - alert: always_on
        expr: vector(42)
        labels: {severity: critical}
        annotations: {description: "The value is {{ $value }}."}
      - alert: from_elsewhere
        expr: vector(1)
        labels: {severity: warning}
      - alert: still_pending
        expr: vector(1)
        for: 1h
        labels: {severity: high}
`

func TestSystemMetricsAreThisMachines(t *testing.T) {
	everyCommand(t, func(t *testing.T, r *rest) {
		a := r.samples(3, 30*time.Second)
		last := a.Data[len(a.Data)-1]
		if age := time.Since(last.Timestamp); age > 10*time.Second {
			t.Errorf("the newest sample is %s old", age)
		}
		for i := 1; i < len(a.Data); i++ {
			if !a.Data[i].Timestamp.After(a.Data[i-1].Timestamp) {
				t.Errorf("element %d is not newer than the one before", i)
			}
		}
		near(t, "memory_percent", last.Memory, memoryPercent(t), 1)
		near(t, "disk_usage_percent", last.Disk, diskPercent(t), 1)
		if last.Sent <= 0 || last.Received <= 0 || last.Connections <= 0 {
			t.Errorf("network_bytes_sent %d, network_bytes_recv %d and active_connections %d, want more than none of each",
				last.Sent, last.Received, last.Connections)
		}

		var one systemAnswer
		host, err := os.Hostname()
		if err != nil {
			t.Fatal(err)
		}
		if r.get("/metrics/system?minutes=5&instance="+host, &one); one.Count == 0 {
			t.Error("there are no samples of this instance")
		}
		if r.get("/metrics/system?minutes=5&instance=elsewhere", &one); one.Count != 0 {
			t.Error("there are samples of an instance that does not exist")
		}
	})
}

func TestSummaryAndOverview(t *testing.T) {
	everyCommand(t, func(t *testing.T, r *rest) {
		r.samples(3, 30*time.Second)
		want := memoryPercent(t)

		var s summaryAnswer
		r.get("/metrics/summary?hours=1", &s)
		if s.Data.System.DataPoints < 2 {
			t.Errorf("data_points is %d", s.Data.System.DataPoints)
		}
		near(t, "avg_memory_percent", s.Data.System.AvgMemory, want, 2)

		var o overviewAnswer
		r.get("/dashboard/overview", &o)
		near(t, "memory_usage", o.Data.System.Memory, want, 2)
		if o.Data.System.Status == "unknown" {
			t.Error("system_health is unknown although there are samples")
		}

		var api struct {
			Data  []any `json:"data"`
			Count int   `json:"count"`
		}
		if code := r.get("/metrics/api?minutes=60", &api); code != http.StatusOK || api.Count != 0 || api.Data == nil {
			t.Errorf("metrics/api without API metrics answered %d: %+v", code, api)
		}
	})
}

func TestAlertsThatFire(t *testing.T) {
	everyCommand(t, func(t *testing.T, r *rest) {
		var all alertsAnswer
		waitFor(t, 30*time.Second, "both alerts", func() error {
			all = alertsAnswer{}
			r.get("/alerts", &all)
			if all.Count != 2 {
				return fmt.Errorf("%d alerts: %+v", all.Count, all.Data)
			}

			return nil
		})
		var critical alertsAnswer
		r.get("/alerts?severity=critical", &critical)
		if critical.Count != 1 {
			t.Fatalf("severity=critical answered %+v", critical)
		}
		a := critical.Data[0]
		if want := "always_on_" + time.Now().UTC().Format("20060102"); a.ID != want {
			t.Errorf("id is %q, want %q", a.ID, want)
		}
		if a.Metadata.Value != 42 || a.Metadata.Labels["alertname"] != "always_on" || a.Status != "triggered" {
			t.Errorf("the alert is %+v", a)
		}
		var medium alertsAnswer
		if r.get("/alerts?name=from_elsewhere&limit=1", &medium); medium.Count != 1 || medium.Data[0].Severity != "medium" {
			t.Errorf("severity warning from elsewhere is shown as %+v", medium)
		}
		var none alertsAnswer
		if r.get("/alerts?status=acknowledged", &none); none.Count != 0 {
			t.Errorf("status=acknowledged answered %+v", none)
		}

		var o overviewAnswer
		waitFor(t, 5*time.Second, "the overview to count the alerts", func() error {
			if r.get("/dashboard/overview", &o); o.Data.Alerts.Total != 2 {
				return fmt.Errorf("%+v", o.Data.Alerts)
			}

			return nil
		})
		if o.Data.Alerts.BySeverity["critical"] != 1 || o.Data.Alerts.BySeverity["medium"] != 1 {
			t.Errorf("by_severity is %v", o.Data.Alerts.BySeverity)
		}
	})
}

func TestBadInputGetsTheDocumentedError(t *testing.T) {
	everyCommand(t, func(t *testing.T, r *rest) {
		for _, tc := range []struct {
			method, path string
			status       int
			code, says   string
		}{
			{"GET", apiBase + "/metrics/system?minutes=abc", 400, "invalid_parameter", `minutes must be a whole number from 1 to 43200, got "abc"`},
			{"GET", apiBase + "/metrics/system?minutes=0", 400, "invalid_parameter", `got "0"`},
			{"GET", apiBase + "/metrics/system?minutes=-1", 400, "invalid_parameter", `got "-1"`},
			{"GET", apiBase + "/metrics/system?minutes=1e9", 400, "invalid_parameter", `got "1e9"`},
			{"GET", apiBase + "/metrics/system?minutes=", 400, "invalid_parameter", `got ""`},
			{"GET", apiBase + "/metrics/system?minutes=43201", 400, "invalid_parameter", "43200"},
			{"GET", apiBase + "/metrics/api?minutes=1.5", 400, "invalid_parameter", `got "1.5"`},
			{"GET", apiBase + "/metrics/summary?hours=721", 400, "invalid_parameter", "720"},
			{"GET", apiBase + "/alerts?severity=grave", 400, "invalid_parameter", "critical, high, medium, low"},
			{"GET", apiBase + "/alerts?limit=0", 400, "invalid_parameter", "limit"},
			{"GET", apiBase + "/nothing", 404, "not_found", "openapi.yaml"},
			{"GET", "/nothing/at/all", 404, "not_found", "/nothing/at/all"},
			{"GET", apiBase + "//health", 404, "not_found", ""},
			{"POST", apiBase + "/health", 405, "method_not_allowed", "GET, HEAD"},
			{"DELETE", apiBase + "/metrics/system", 405, "method_not_allowed", "DELETE"},
			{"BREW", apiBase + "/alerts", 405, "method_not_allowed", "BREW"},
		} {
			resp, body := r.raw(tc.method, tc.path, nil)
			expectError(t, tc.method+" "+tc.path, resp, body, tc.status, tc.code, tc.says)
		}
		resp, body := r.raw("GET", apiBase+"/health", http.Header{"X-Padding": {strings.Repeat("a", 64<<10)}})
		expectError(t, "64 kB of headers", resp, body, 431, "header_too_large", "32768")
		resp, body = r.raw("GET", apiBase+"/metrics/system?minutes="+strings.Repeat("9", 5000), nil)
		expectError(t, "a long value", resp, body, 400, "invalid_parameter", "...")
	})
}

func TestMalformedRequestsGetTheDocumentedError(t *testing.T) {
	_, r := llmwatch(t, "serve", "--data-dir", t.TempDir())
	conn, err := net.Dial("tcp", strings.TrimPrefix(r.base, "http://"))
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	fmt.Fprint(conn, "GET / HTTP/1.1\r\nno colon here\r\n\r\n")
	resp, err := http.ReadResponse(bufio.NewReader(conn), nil)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	var e errorAnswer
	if err := json.NewDecoder(resp.Body).Decode(&e); err != nil || resp.StatusCode != http.StatusBadRequest || e.Error.Code != "bad_request" {
		t.Errorf("a malformed header was answered %d %+v (%v)", resp.StatusCode, e, err)
	}
}

func expectError(t *testing.T, what string, resp *http.Response, body []byte, status int, code, says string) {
	t.Helper()

	var e errorAnswer
	if err := json.Unmarshal(body, &e); err != nil {
		t.Errorf("%s: the answer is not in the error form: %.200s", what, body)
		return
	}
	if resp.StatusCode != status || e.Success || e.Error.Code != code || !strings.Contains(e.Error.Message, says) {
		t.Errorf("%s: answered %d %+v, want %d %s with %q", what, resp.StatusCode, e.Error, status, code, says)
	}
	if strings.Contains(string(body), "goroutine") || len(body) > 1000 {
		t.Errorf("%s: the answer tells too much: %.300s", what, body)
	}
	if got := resp.Header.Get("Content-Type"); !strings.HasPrefix(got, "application/json") {
		t.Errorf("%s: Content-Type is %q", what, got)
	}
}

func near(t *testing.T, what string, got, want, within float64) {
	t.Helper()

	if math.Abs(got-want) > within {
		t.Errorf("%s is %g, the machine itself says %g", what, got, want)
	}
}

// memoryPercent is the used memory by /proc/meminfo.
func memoryPercent(t *testing.T) float64 {
	t.Helper()

	text, err := os.ReadFile("/proc/meminfo")
	if err != nil {
		t.Skipf("this test compares with Linux's own figures: %v", err)
	}
	values := map[string]float64{}
	for line := range strings.Lines(string(text)) {
		var key string
		var kb float64
		if n, _ := fmt.Sscanf(line, "%s %f", &key, &kb); n == 2 {
			values[strings.TrimSuffix(key, ":")] = kb
		}
	}

	return 100 * (1 - values["MemAvailable"]/values["MemTotal"])
}

// diskPercent is the used share of the root filesystem as df counts it.
func diskPercent(t *testing.T) float64 {
	t.Helper()

	var s syscall.Statfs_t
	if err := syscall.Statfs("/", &s); err != nil {
		t.Fatal(err)
	}
	used := float64(s.Blocks - s.Bfree)

	return 100 * used / (used + float64(s.Bavail))
}
