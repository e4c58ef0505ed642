package app

import (
	"context"
	"errors"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"llmwatch/bridge/alert/sqlite"
	"llmwatch/bridge/ruleset"
	"llmwatch/internal/engine"
	"llmwatch/internal/engine/ruletest"
)

// reloading is a metrics server that answers requests to reload, and a folder of
// rules with somebody else's file.
func reloading(t *testing.T, answer func(w http.ResponseWriter)) *ruleFolder {
	t.Helper()

	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Method != http.MethodPost || r.URL.Path != "/-/reload" {
			t.Errorf("it asks %s %s", r.Method, r.URL)
		}
		answer(w)
	}))
	t.Cleanup(server.Close)
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "theirs.yml"), []byte("theirs"), 0o600); err != nil {
		t.Fatal(err)
	}

	return &ruleFolder{dir: dir, reloadURL: server.URL + "/-/reload"}
}

// holds expects these files in the folder beside somebody else's.
func (f *ruleFolder) holds(t *testing.T, want map[string]string) {
	t.Helper()

	got := map[string]string{}
	entries, err := os.ReadDir(f.dir)
	if err != nil {
		t.Fatal(err)
	}
	for _, entry := range entries {
		content, err := os.ReadFile(filepath.Join(f.dir, entry.Name()))
		if err != nil {
			t.Fatal(err)
		}
		got[entry.Name()] = string(content)
	}
	want["theirs.yml"] = "theirs"
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("the folder (-want +got):\n%s", diff)
	}
}

func files(names ...string) map[string][]byte {
	all := map[string][]byte{}
	for _, name := range names {
		name, content, _ := strings.Cut(name, "=")
		all[name] = []byte(content)
	}

	return all
}

func TestRuleFolder(t *testing.T) {
	reloads := 0
	f := reloading(t, func(http.ResponseWriter) { reloads++ })
	if err := f.load(t.Context(), files("a.yml=1", "b.yml=2")); err != nil {
		t.Fatal(err)
	}
	f.holds(t, map[string]string{"llmwatch-a.yml": "1", "llmwatch-b.yml": "2"})
	if info, err := os.Stat(f.path("a.yml")); err != nil || info.Mode().Perm() != 0o644 {
		t.Errorf("the server may not read it: %v, %v", info, err)
	}
	if err := f.load(t.Context(), files("a.yml=3", "c.yml=4")); err != nil {
		t.Fatal(err)
	}
	f.holds(t, map[string]string{"llmwatch-a.yml": "3", "llmwatch-c.yml": "4"})
	if reloads != 2 {
		t.Errorf("the server was asked to reload %d times, want 2", reloads)
	}
}

func TestRulesThatTheServerRefusesAreTakenBack(t *testing.T) {
	var answers []int
	f := reloading(t, func(w http.ResponseWriter) {
		status := http.StatusOK
		if len(answers) > 0 {
			status, answers = answers[0], answers[1:]
		}
		if status != http.StatusOK {
			http.Error(w, "unknown function\n  in b.yml", status)
		}
	})
	if err := f.load(t.Context(), files("a.yml=1", "b.yml=2")); err != nil {
		t.Fatal(err)
	}
	answers = []int{http.StatusInternalServerError}
	err := f.load(t.Context(), files("a.yml=1", "b.yml=3", "c.yml=4"))
	if err == nil || !strings.Contains(err.Error(), "500 Internal Server Error to /-/reload: unknown function in b.yml") {
		t.Errorf("load: %v", err)
	}
	f.holds(t, map[string]string{"llmwatch-a.yml": "1", "llmwatch-b.yml": "2"})
}

func TestRulesForAServerThatIsAwayAreTakenBack(t *testing.T) {
	server := httptest.NewServer(http.NotFoundHandler())
	server.Close()
	f := &ruleFolder{dir: t.TempDir(), reloadURL: server.URL + "/-/reload"}
	if err := f.load(t.Context(), files("a.yml=1")); err == nil {
		t.Error("load succeeds")
	}
	if left, err := f.read(); err != nil || len(left) != 0 {
		t.Errorf("the folder holds %v, %v", left, err)
	}
}

func TestTheRequestToReloadGoesToNobodyElse(t *testing.T) {
	elsewhere := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		t.Errorf("it asks %s %s with %v", r.Method, r.URL, r.Header)
	}))
	t.Cleanup(elsewhere.Close)
	for _, to := range []string{elsewhere.URL + "/-/reload", "/welcome"} { // The second as a GET, which reloads nothing.
		here := httptest.NewServer(http.RedirectHandler(to, http.StatusFound))
		t.Cleanup(here.Close)
		f := &ruleFolder{dir: t.TempDir(), reloadURL: strings.Replace(here.URL, "//", "//ada:canary-password@", 1) + "/-/reload"}
		if err := f.load(t.Context(), files("a.yml=1")); err == nil || !strings.Contains(err.Error(), "it redirects to") || strings.Contains(err.Error(), "canary") {
			t.Errorf("load: %v", err)
		}
		if left, err := f.read(); err != nil || len(left) != 0 {
			t.Errorf("the folder holds %v, %v", left, err)
		}
	}
}

func TestRulesAreReadOnlyWithoutAFolder(t *testing.T) {
	err := (&ruleFolder{}).load(t.Context(), nil)
	if !errors.Is(err, ruleset.ErrReadOnly) || !strings.Contains(err.Error(), "--rules-dir") {
		t.Errorf("load: %v", err)
	}
}

func TestRulesFolderThatIsMissingIsSaid(t *testing.T) {
	c := listening(CommandBridge)
	c.Prometheus.URL, c.Prometheus.RulesDir = "http://localhost:9090", filepath.Join(t.TempDir(), "none")
	expectConfigError(t, "a folder that is missing", c.Check(),
		"prometheus.rules_dir (LLMWATCH_PROMETHEUS_RULES_DIR, --rules-dir) must be a folder that exists, got "+strconv.Quote(c.Prometheus.RulesDir))
}

// ruleStore is an alert database of a test's own.
func ruleStore(t *testing.T) *sqlite.Store {
	t.Helper()

	store, err := sqlite.Open(t.Context(), filepath.Join(t.TempDir(), "llmwatch.db"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := store.Close(); err != nil {
			t.Error(err)
		}
	})

	return store
}

// TestTheDocumentedCustomRule evaluates the file that becomes of it: more than 5
// failed jobs, for 10 minutes.
func TestTheDocumentedCustomRule(t *testing.T) {
	dir := t.TempDir()
	set, err := (&App{logger: silent}).newRules(ruleStore(t), engine.CheckExpr, func(_ context.Context, files map[string][]byte) error {
		return os.WriteFile(filepath.Join(dir, "rule.yml"), files["custom-high_fine_tuning_failures.yml"], 0o600)
	})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := set.Create(t.Context(), ruleset.Change{
		Name: "high_fine_tuning_failures", Description: new("High rate of fine-tuning job failures"), Severity: new("high"),
		Expr: new(`sum(increase(llm_jobs_finished_total{type="finetuning",status="failed"}[1h] anchored)) > 5`),
		For:  new(10 * time.Minute), Cooldown: new(30 * time.Minute),
	}); err != nil {
		t.Fatal(err)
	}
	const tests = `
rule_files: [rule.yml]
evaluation_interval: 30s
tests:
  - name: 6 failures are too many after 10 minutes, 5 are not
    interval: 30s
    input_series:
      - {series: 'llm_jobs_finished_total{type="finetuning",status="failed",model="a"}', values: '0 3x60 4x60'}
      - {series: 'llm_jobs_finished_total{type="finetuning",status="failed",model="b"}', values: '0 2x120'}
      - {series: 'llm_jobs_finished_total{type="evaluation",status="failed"}', values: '0 9x120'}
      - {series: 'llm_jobs_finished_total{type="finetuning",status="completed"}', values: '0 9x120'}
    alert_rule_test:
      - {alertname: high_fine_tuning_failures, eval_time: 30m, exp_alerts: []}
      - {alertname: high_fine_tuning_failures, eval_time: 40m30s, exp_alerts: []}
      - alertname: high_fine_tuning_failures
        eval_time: 41m
        exp_alerts:
          - exp_labels: {severity: high}
            exp_annotations: {description: High rate of fine-tuning job failures, cooldown: 30m, threshold: "5"}
`
	path := filepath.Join(dir, "test.yml")
	if err := os.WriteFile(path, []byte(tests), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, failures, err := ruletest.Run(t.Context(), path); err != nil || len(failures) > 0 {
		t.Errorf("%v\n%s", err, strings.Join(failures, "\n"))
	}
}

// TestRulesReachAServerThatComesLater begins while the server refuses.
func TestRulesReachAServerThatComesLater(t *testing.T) {
	asked := 0
	f := reloading(t, func(w http.ResponseWriter) {
		if asked++; asked < 5 {
			w.WriteHeader(http.StatusServiceUnavailable)
		}
	})
	var log strings.Builder
	a := &App{logger: slog.New(slog.NewTextHandler(&log, nil))}
	set, err := a.newRules(ruleStore(t), engine.CheckExpr, f.load)
	if err != nil {
		t.Fatal(err)
	}
	a.loadUntilTaken(t.Context(), set, time.Millisecond)
	if files, err := f.read(); err != nil || files["default.yml"] == nil || files["recording.yml"] == nil {
		t.Errorf("the folder holds %d files, %v", len(files), err)
	}
	if n := strings.Count(log.String(), "it is tried again every check interval"); n != 1 {
		t.Errorf("it logs %d times that it tries again, want once:\n%s", n, &log)
	}
}
