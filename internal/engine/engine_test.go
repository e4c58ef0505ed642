package engine

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/api"
	promv1 "github.com/prometheus/client_golang/api/prometheus/v1"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promhttp"
	"github.com/prometheus/common/model"
	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func testRules() map[string][]byte {
	return map[string][]byte{"recording.yml": []byte(`
groups:
  - name: test-recording
    rules:
      - record: test:double
        expr: 2 * test_value
  - name: test-alerts
    rules:
      - alert: value_is_high
        expr: test:double > 10
        labels: {severity: high}
`)}
}

// testConfig is a valid configuration whose process publishes test_value and
// counts test_requests_total.
func testConfig(t *testing.T) (Config, prometheus.Gauge, prometheus.Counter) {
	t.Helper()

	reg := prometheus.NewRegistry()
	value := prometheus.NewGauge(prometheus.GaugeOpts{Name: "test_value", Help: "A value."})
	requests := prometheus.NewCounter(prometheus.CounterOpts{Name: "test_requests_total", Help: "Requests."})
	reg.MustRegister(value, requests)
	external, err := url.Parse("http://localhost:5000")
	if err != nil {
		t.Fatal(err)
	}

	return Config{
		Dir:                filepath.Join(t.TempDir(), "metrics"),
		Self:               promhttp.HandlerFor(reg, promhttp.HandlerOpts{EnableOpenMetrics: true}),
		Instance:           "here",
		Rules:              testRules,
		CollectionInterval: time.Second,
		CheckInterval:      time.Second,
		RetentionTime:      7 * 24 * time.Hour,
		ExternalURL:        external,
		Logger:             slog.New(slog.DiscardHandler),
	}, value, requests
}

// start runs an engine until the test ends.
func start(t *testing.T, cfg Config) (*Engine, promv1.API) {
	t.Helper()

	e, err := Start(cfg)
	if err != nil {
		t.Fatalf("Start: %v", err)
	}
	t.Cleanup(func() {
		if err := e.Stop(); err != nil {
			t.Errorf("Stop: %v", err)
		}
	})

	return e, client(t, e)
}

func client(t *testing.T, e *Engine) promv1.API {
	t.Helper()

	c, err := api.NewClient(api.Config{Address: "http://engine" + Prefix, RoundTripper: e.RoundTripper()})
	if err != nil {
		t.Fatal(err)
	}

	return promv1.NewAPI(c)
}

// eventually asks until the query answers exactly want, or fails.
func eventually(t *testing.T, q promv1.API, query string, want float64) {
	t.Helper()

	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	var got model.Value
	for {
		var err error
		got, _, err = q.Query(ctx, query, time.Now())
		if err != nil {
			t.Fatalf("query %s: %v; last answer %v", query, err, got)
		}
		if v, ok := got.(model.Vector); ok && len(v) == 1 && float64(v[0].Value) == want {
			return
		}
		<-tick.C
	}
}

func TestEngineScrapesItselfAndEvaluatesRules(t *testing.T) {
	cfg, value, _ := testConfig(t)
	value.Set(21)
	begin := time.Now()
	_, q := start(t, cfg)

	eventually(t, q, `test:double{job="llmwatch",instance="here"}`, 42)
	if took := time.Since(begin); took > 5*time.Second {
		t.Errorf("the first recorded value took %s, want at most 5s", took)
	}
	eventually(t, q, `ALERTS{alertname="value_is_high",alertstate="firing",severity="high"}`, 1)
}

func TestRestartKeepsHistoryAndTheLastCounts(t *testing.T) {
	cfg, _, requests := testConfig(t)
	cfg.CollectionInterval = MaxInterval // Nothing but the warm-up and the last scrape store anything.
	e, err := Start(cfg)
	if err != nil {
		t.Fatal(err)
	}
	eventually(t, client(t, e), "test_requests_total", 0)
	requests.Add(17)
	begin := time.Now()
	if err := e.Stop(); err != nil {
		t.Fatal(err)
	}
	if took := time.Since(begin); took > 5*time.Second {
		t.Errorf("Stop took %s, want under 5s", took)
	}

	cfg.Self = nil
	_, q := start(t, cfg)
	eventually(t, q, `last_over_time(test_requests_total[1m])`, 17)
}

func TestIncreaseIsExact(t *testing.T) {
	cfg, _, requests := testConfig(t)
	_, q := start(t, cfg)
	requests.Add(5)
	eventually(t, q, "test_requests_total", 5)
	requests.Add(2)
	eventually(t, q, "test_requests_total", 7)

	t.Run("a counter's first value counts from its start timestamp", func(t *testing.T) {
		eventually(t, q, "increase(test_requests_total[5m] anchored)", 7)
	})
}

func TestHandlerServesThePrometheusAPI(t *testing.T) {
	cfg, _, _ := testConfig(t)
	e, q := start(t, cfg)
	eventually(t, q, "test_value", 0)

	for path, want := range map[string]string{
		"/prometheus/api/v1/status/buildinfo":                       `"goVersion":"go1.`,
		"/prometheus/api/v1/status/runtimeinfo":                     `"storageRetention":"1w"`,
		"/prometheus/api/v1/targets":                                `"scrapePool":"llmwatch"`,
		"/prometheus/api/v1/rules":                                  `"name":"test-recording"`,
		"/prometheus/api/v1/status/tsdb":                            `"headStats"`,
		"/prometheus/api/v1/status/config":                          `job_name: llmwatch`,
		"/prometheus/api/v1/status/walreplay":                       `"status":"success"`,
		"/prometheus/api/v1/alertmanagers":                          `"activeAlertmanagers"`,
		"/prometheus/api/v1/query_exemplars?query=up&start=0&end=1": `"status":"success"`,
		"/prometheus/metrics":                                       `prometheus_tsdb_head_series`,
	} {
		rec := httptest.NewRecorder()
		e.Handler().ServeHTTP(rec, httptest.NewRequestWithContext(t.Context(), http.MethodGet, path, http.NoBody))
		if rec.Code != http.StatusOK || !strings.Contains(rec.Body.String(), want) {
			t.Errorf("GET %s answered %d without %q: %.300s", path, rec.Code, want, rec.Body)
		}
	}
}

func TestUsersConfiguration(t *testing.T) {
	target := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		fmt.Fprintln(w, "platform_up 3")
	}))
	defer target.Close()
	dir := t.TempDir()
	write := func(name, text string) {
		t.Helper()
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	write("targets.json", `[{"targets": ["`+target.Listener.Addr().String()+`"]}]`)
	write("own.yml", `
groups:
  - name: test-recording
    interval: 1s
    rules: [{record: "test:double", expr: "3 * test_value"}]
`)
	write("prometheus.yml", `
global: {scrape_interval: 1s}
rule_files: [own.yml]
scrape_configs:
  - job_name: platform
    file_sd_configs: [{files: [targets.json]}]
  - job_name: by_dns
    dns_sd_configs: [{names: [localhost], type: A, port: 1}]
  - job_name: by_http
    http_sd_configs: [{url: "http://127.0.0.1:1/targets"}]
`)
	cfg, value, _ := testConfig(t)
	value.Set(2)
	cfg.ConfigFile = filepath.Join(dir, "prometheus.yml")
	e, q := start(t, cfg)

	t.Run("its targets are scraped", func(t *testing.T) { eventually(t, q, "platform_up", 3) })
	t.Run("its group replaces the built-in one of that name", func(t *testing.T) { eventually(t, q, "test:double", 6) })
	t.Run("this process is still scraped", func(t *testing.T) { eventually(t, q, `test_value{job="llmwatch"}`, 2) })
	t.Run("a broken file changes nothing on reload", func(t *testing.T) {
		write("own.yml", "groups: [{name: broken, rules: [{record: x, expr: 'sum('}]}]")
		if err := e.Reload(); err == nil || !strings.Contains(err.Error(), "own.yml") {
			t.Errorf("Reload: %v, want an error that names own.yml", err)
		}
		if e.Status().ReloadError == nil {
			t.Error("Status does not tell of the failed reload")
		}
		value.Set(5)
		eventually(t, q, "test:double", 15)
	})
	t.Run("a mended file takes effect", func(t *testing.T) {
		write("own.yml", "groups: []")
		if err := e.Reload(); err != nil {
			t.Fatal(err)
		}
		eventually(t, q, "test:double", 10)
	})
}

func TestReloadRules(t *testing.T) {
	cfg, value, _ := testConfig(t)
	value.Set(1)
	dir := t.TempDir()
	own, main := filepath.Join(dir, "own.yml"), filepath.Join(dir, "prometheus.yml")
	for path, text := range map[string]string{
		own:  "groups: [{name: own, rules: [{record: 'test:own', expr: '7 * test_value'}]}]",
		main: "{global: {evaluation_interval: 1s}, rule_files: [own.yml]}",
	} {
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	cfg.ConfigFile = main
	files := testRules()
	cfg.Rules = func() map[string][]byte { return files }
	e, q := start(t, cfg)
	eventually(t, q, "test:own", 7)

	// Somebody is writing his own file just now: that is none of the others' business.
	if err := os.WriteFile(own, []byte("groups: [{na"), 0o600); err != nil {
		t.Fatal(err)
	}
	files["more.yml"] = []byte("groups: [{name: more, interval: 1s, rules: [{record: 'test:more', expr: '3 * test_value'}]}]")
	if err := e.ReloadRules(); err != nil {
		t.Fatalf("ReloadRules: %v", err)
	}
	eventually(t, q, "test:more", 3)

	files["more.yml"] = []byte("groups: [{name: more, rules: [{record: 'test:more', expr: 'sum('}]}]")
	if err := e.ReloadRules(); err == nil || !strings.Contains(err.Error(), "more.yml") {
		t.Errorf("ReloadRules of a broken file: %v, want an error that names it", err)
	}
	value.Set(2)
	eventually(t, q, "test:more", 6)
	eventually(t, q, "test:own", 14)
	eventually(t, q, "test:double", 4)
}

func TestCheckExpr(t *testing.T) {
	for expr, want := range map[string]string{
		"up == 0":                        "",
		"1":                              "",
		"increase(up[5m] anchored) > 1":  "",
		"up ==":                          "1:6: parse error: unexpected end of input",
		"up[5m]":                         "it yields range vector, but an alert rule needs an instant vector or a scalar",
		`"text"`:                         "it yields string, but an alert rule needs an instant vector or a scalar",
		"nothing_like_this(up) > 0":      `unknown function with name "nothing_like_this"`,
		"sum(rate(a[5m])) by (b) / a{c=": "unexpected end of input",
	} {
		err := CheckExpr(expr)
		if want == "" && err != nil || want != "" && (err == nil || !strings.Contains(err.Error(), want)) {
			t.Errorf("CheckExpr(%s): %v, want %q", expr, err, want)
		}
	}
}

func TestCheckRules(t *testing.T) {
	good := "groups: [{name: a, rules: [{alert: b, expr: up, annotations: {c: '{{ $value }}'}}]}]"
	if err := CheckRules([]byte(good)); err != nil {
		t.Error(err)
	}
	for name, bad := range map[string]string{
		"a template without end": strings.Replace(good, "}}'", "'", 1),
		"an unknown field":       strings.Replace(good, "expr", "exp", 1),
		"no group name":          strings.Replace(good, "name: a", "name: ''", 1),
	} {
		if err := CheckRules([]byte(bad)); err == nil {
			t.Errorf("%s passes", name)
		} else if strings.Contains(err.Error(), "\n") {
			t.Errorf("%s: %q is more than one line", name, err)
		}
	}
}

func TestValidateNamesWhatIsWrong(t *testing.T) {
	dir := t.TempDir()
	file := func(name, text string) string {
		t.Helper()
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}

		return path
	}
	for _, tc := range []struct {
		name   string
		change func(*Config)
		want   []string
	}{
		{"a missing file", func(c *Config) { c.ConfigFile = filepath.Join(dir, "none.yml") }, []string{"none.yml", "no such file"}},
		{"an unknown key", func(c *Config) { c.ConfigFile = file("unknown.yml", "scrape_config: []\n") }, []string{"unknown.yml", "line 1", "scrape_config"}},
		{"a broken rule file", func(c *Config) {
			file("rules-broken.yml", "groups: [{name: a, rules: [{alert: b, expr: 'up >'}]}]")
			c.ConfigFile = file("with-rules.yml", "rule_files: [rules-broken.yml]")
		}, []string{"rules-broken.yml", "parse error"}},
		{"an interval too short", func(c *Config) { c.CheckInterval = time.Millisecond }, []string{"check interval", "1s", "1ms"}},
		{"no data directory", func(c *Config) { c.Dir = "" }, []string{"data directory"}},
		{"no retention", func(c *Config) { c.RetentionTime = 0 }, []string{"retention"}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			cfg, _, _ := testConfig(t)
			tc.change(&cfg)
			err := cfg.Validate()
			if err == nil {
				t.Fatal("Validate found nothing")
			}
			for _, want := range tc.want {
				if !strings.Contains(err.Error(), want) {
					t.Errorf("%q does not say %q", err, want)
				}
			}
			if strings.Contains(err.Error(), "\n") {
				t.Errorf("%q is more than one line", err)
			}
			if _, err := os.Stat(cfg.Dir); cfg.Dir != "" && err == nil {
				t.Error("Validate made the data directory")
			}
		})
	}
}

func TestStartRefusesADirectoryItCannotWrite(t *testing.T) {
	cfg, _, _ := testConfig(t)
	cfg.Dir = filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(cfg.Dir, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := Start(cfg); err == nil || !strings.Contains(err.Error(), cfg.Dir) {
		t.Errorf("Start: %v, want an error that names %s", err, cfg.Dir)
	}
}

func TestStartRefusesADirectoryInUse(t *testing.T) {
	cfg, _, _ := testConfig(t)
	start(t, cfg)
	if _, err := Start(cfg); err == nil || !strings.Contains(err.Error(), cfg.Dir) {
		t.Errorf("Start: %v, want an error that names %s", err, cfg.Dir)
	}
}

func TestStatus(t *testing.T) {
	cfg, _, _ := testConfig(t)
	e, q := start(t, cfg)
	eventually(t, q, "test_value", 0)

	s := e.Status()
	if s.Targets != 1 || s.Down != 0 || s.Series == 0 || s.Bytes == 0 || s.LastAppend.IsZero() || s.AppendError != nil {
		t.Errorf("Status: %+v", s)
	}
	e.appends.record(io.ErrShortWrite)
	if err := e.Status().AppendError; err == nil || !strings.Contains(err.Error(), "short write") {
		t.Errorf("Status tells %v of a failed append", err)
	}
}
