package e2e

import (
	"fmt"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"llmwatch/internal/testtool"
)

// outside is a real Prometheus server that scrapes `llmwatch exporter`, and
// `llmwatch bridge` beside it.
type outside struct {
	t          *testing.T
	rest       *rest
	address    string
	config     string
	data       string
	prometheus *process
	bridge     *process
}

func beside(t *testing.T) *outside {
	t.Helper()

	testtool.Find(t, "prometheus")
	exporter := run(t, binary, "exporter", "--listen", "127.0.0.1:0", "--log-format", "json")
	var target string
	waitFor(t, 10*time.Second, "the exporter", func() error {
		m := readyLine.FindStringSubmatch(exporter.log.String())
		if m == nil {
			return fmt.Errorf("it printed %s", exporter.log)
		}
		target = m[1]

		return nil
	})
	root, err := filepath.Abs("../..")
	if err != nil {
		t.Fatal(err)
	}
	host, err := os.Hostname()
	if err != nil {
		t.Fatal(err)
	}
	o := &outside{t: t, address: freePort(t), data: t.TempDir()}
	o.config = write(t, "prometheus.yml", fmt.Sprintf(`
global: {scrape_interval: 1s, evaluation_interval: 1s}
rule_files: [%q, %q]
scrape_configs:
  - job_name: llmwatch
    static_configs: [{targets: [%q], labels: {instance: %q}}]
`, filepath.Join(root, "rules", "*.yml"), write(t, "own.yml", ownRules), target, host))
	o.start()
	o.bridge, o.rest = llmwatch(t, "bridge", "--prometheus-url", "http://"+o.address, "--collection-interval", "1", "--check-interval", "1",
		"--data-dir", t.TempDir())

	return o
}

func (o *outside) start() {
	o.t.Helper()

	o.prometheus = run(o.t, testtool.Find(o.t, "prometheus"), "--config.file", o.config, "--storage.tsdb.path", o.data,
		"--web.listen-address", o.address, "--log.level", "warn", "--web.enable-lifecycle",
		// What fires before Alertmanagers are discovered is otherwise pushed a minute later.
		"--rules.alert.resend-delay", "1s")
	waitFor(o.t, 20*time.Second, "Prometheus", func() error {
		resp, err := http.Get("http://" + o.address + "/-/ready")
		if err != nil {
			return err
		}
		defer resp.Body.Close()
		if resp.StatusCode != http.StatusOK {
			return fmt.Errorf("status %d", resp.StatusCode)
		}

		return nil
	})
}

func TestPrometheusAwayIsReportedAndRecoversByItself(t *testing.T) {
	t.Parallel()
	o := beside(t)
	o.rest.samples(1, 30*time.Second)
	o.prometheus.signal(os.Kill)

	for _, path := range []string{"/metrics/system?minutes=7", "/metrics/api", "/metrics/summary?hours=3"} {
		begin := time.Now()
		resp, body := o.rest.raw(http.MethodGet, apiBase+path, nil)
		expectError(t, path, resp, body, http.StatusServiceUnavailable, "prometheus_unavailable", "")
		if took := time.Since(begin); took > 2*time.Second {
			t.Errorf("GET %s took %s to fail, want at most 2s", path, took)
		}
	}
	expectDegraded(t, o.rest)

	o.start()
	o.rest.samples(1, 10*time.Second)
	waitFor(t, 20*time.Second, "health to recover", func() error {
		var h healthAnswer
		if o.rest.get("/health", &h); h.Status != "healthy" {
			return fmt.Errorf("%+v", h)
		}

		return nil
	})
}

func TestPrometheusThatHangsIsReportedWithinTwoSeconds(t *testing.T) {
	t.Parallel()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close() // Connections are accepted by the kernel and never answered.
	_, r := llmwatch(t, "bridge", "--prometheus-url", "http://"+l.Addr().String(), "--data-dir", t.TempDir())

	begin := time.Now()
	resp, body := r.raw(http.MethodGet, apiBase+"/dashboard/overview", nil)
	expectError(t, "overview", resp, body, http.StatusServiceUnavailable, "prometheus_unavailable", "")
	if took := time.Since(begin); took > 2*time.Second {
		t.Errorf("the error took %s, want at most 2s", took)
	}
	begin = time.Now()
	expectDegraded(t, r)
	if took := time.Since(begin); took > 2*time.Second {
		t.Errorf("health took %s, want at most 2s", took)
	}
}

func expectDegraded(t *testing.T, r *rest) {
	t.Helper()

	var h healthAnswer
	code := r.get("/health", &h)
	if code != http.StatusOK || h.Status != "degraded" || !strings.Contains(strings.Join(h.Problems, " "), "prometheus") {
		t.Errorf("health answered %d %+v, want 200, degraded and prometheus named", code, h)
	}
}
