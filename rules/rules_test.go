package rules

import (
	"bytes"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"go.yaml.in/yaml/v3"

	"llmwatch/internal/testtool"
)

// ruleFile is as much of Prometheus's rule file format as the files here use.
type ruleFile struct {
	Groups []group `yaml:"groups"`
}

type group struct {
	Name  string `yaml:"name"`
	Rules []rule `yaml:"rules"`
}

type rule struct {
	Record        string            `yaml:"record,omitempty"`
	Alert         string            `yaml:"alert,omitempty"`
	Expr          string            `yaml:"expr"`
	For           string            `yaml:"for,omitempty"`
	KeepFiringFor string            `yaml:"keep_firing_for,omitempty"`
	Labels        map[string]string `yaml:"labels,omitempty"`
	Annotations   map[string]string `yaml:"annotations,omitempty"`
}

// comparison finds the number that an alert's expression compares with.
var comparison = regexp.MustCompile(`(?:[<>]=?|==)\s*([0-9.]+)$`)

func TestFilesEmbedsRuleFilesAndNothingElse(t *testing.T) {
	want, err := filepath.Glob("*.yml")
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	err = fs.WalkDir(Files, ".", func(path string, entry fs.DirEntry, err error) error {
		if !entry.IsDir() {
			got = append(got, path)
		}

		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("embedded files (-on disk +embedded):\n%s", diff)
	}
}

func TestPromtoolAcceptsRules(t *testing.T) {
	promtool := testtool.Find(t, "promtool")
	for name := range load(t) {
		t.Run(name, func(t *testing.T) {
			run(t, promtool, "check", "rules", "--lint=all", "--lint-fatal", name)
		})
	}
}

func TestPromtoolUnitTestsPass(t *testing.T) {
	promtool := testtool.Find(t, "promtool")
	for _, path := range unitTests(t) {
		t.Run(filepath.Base(path), func(t *testing.T) {
			t.Parallel()
			run(t, promtool, "test", "rules", path)
		})
	}
}

func TestDefaultAlertsAreTheDocumentedOnes(t *testing.T) {
	type documented struct{ Alert, Comparison, For, Severity, Cooldown string }
	want := []documented{
		{"high_cpu_usage", "> 80", "5m", "high", "30m"},
		{"critical_memory_usage", "> 90", "3m", "critical", "30m"},
		{"high_api_error_rate", "> 10", "5m", "high", "30m"},
		{"slow_response_times", "> 5", "10m", "medium", "30m"},
		{"low_disk_space", "> 85", "5m", "high", "30m"},
		// 15 minutes with the 13 that its series spans.
		{"system_unavailability", "== 0", "2m", "critical", "30m"},
	}
	var got []documented
	for _, r := range rulesOf(load(t)["default.yml"]) {
		got = append(got, documented{
			r.Alert, comparison.FindString(r.Expr), r.For, r.Labels["severity"], r.Annotations["cooldown"],
		})
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("default alerts (-documented +default.yml):\n%s", diff)
	}
}

func TestAlertsCarryWhatProgramsAndPeopleRead(t *testing.T) {
	for _, r := range alerts(t) {
		t.Run(r.Alert, func(t *testing.T) {
			if severity := r.Labels["severity"]; !slices.Contains([]string{"critical", "high", "medium", "low"}, severity) {
				t.Errorf("severity %q, want critical, high, medium or low", severity)
			}
			if r.For == "" {
				t.Error("no for")
			}
			if cooldown, err := time.ParseDuration(r.Annotations["cooldown"]); err != nil || cooldown <= 0 {
				t.Errorf("cooldown %q, want a positive duration", r.Annotations["cooldown"])
			}

			match := comparison.FindStringSubmatch(strings.TrimSpace(r.Expr))
			if match == nil {
				t.Fatalf("expression %q does not end in a comparison with a number", r.Expr)
			}
			threshold := r.Annotations["threshold"]
			if threshold != match[1] {
				t.Errorf("threshold %q, but the expression compares with %q", threshold, match[1])
			}

			if summary := r.Annotations["summary"]; summary == "" || strings.Contains(summary, "{{") {
				t.Errorf("summary %q, want a sentence without values", summary)
			}
			for _, part := range []string{"$value", "$labels.job", threshold} {
				if !strings.Contains(r.Annotations["description"], part) {
					t.Errorf("description %q does not name %s", r.Annotations["description"], part)
				}
			}
		})
	}
}

// exporterNames are the names, published by exporters, that rules may read. A
// name that is in no list is a typing error until somebody adds it here.
var exporterNames = []string{
	// node_exporter.
	"node_cpu_seconds_total",
	"node_filesystem_avail_bytes", "node_filesystem_free_bytes", "node_filesystem_readonly", "node_filesystem_size_bytes",
	"node_memory_MemAvailable_bytes", "node_memory_MemTotal_bytes",
	"node_network_receive_bytes_total", "node_network_transmit_bytes_total",
	"node_sockstat_TCP6_inuse", "node_sockstat_TCP_inuse",
	// OpenTelemetry's HTTP semantic conventions.
	"http_server_request_duration_seconds_count", "http_server_request_duration_seconds_sum",
	// OpenTelemetry's database and generative AI conventions.
	"db_client_connection_count", "db_client_connection_max",
	"gen_ai_server_time_to_first_token_seconds_bucket",
	// llmwatch's log store.
	"llmwatch_log_entries_total",
	// llmwatch's exporter.
	"llm_cache_requests_total", "llm_job_last_progress_timestamp_seconds", "llm_job_nonfinite_loss_total",
	"llm_job_queue_wait_seconds_bucket", "llm_jobs_finished_total", "llm_queue_depth",
	// Prometheus, and llmwatch about itself.
	"up",
	"llmwatch_data_disk_available_bytes", "llmwatch_data_disk_size_bytes", "llmwatch_log_store_failing", "llmwatch_rule_evaluation_failing",
	"llmwatch_scrape_samples_lost_total", "llmwatch_ingest_refused_total",
	"llmwatch_notification_attempts_total",
}

func TestRulesReadOnlySeriesThatExist(t *testing.T) {
	files := load(t)
	known := slices.Clone(exporterNames)
	for _, r := range rulesOf(files["recording.yml"]) {
		for _, name := range metricNames(r.Expr) {
			if !slices.Contains(known, name) {
				t.Errorf("%s reads %s, which no exporter publishes and no rule above it records", r.Record, name)
			}
		}
		if !strings.HasPrefix(r.Record, "llmwatch:") || slices.Contains(known, r.Record) {
			t.Errorf("recorded name %q, want a new one that begins with llmwatch:", r.Record)
		}
		known = append(known, r.Record)
	}
	for _, r := range alerts(t) {
		for _, name := range metricNames(r.Expr) {
			if !slices.Contains(known, name) {
				t.Errorf("%s reads %s, which no exporter publishes and recording.yml does not record", r.Alert, name)
			}
		}
	}
}

func TestMetricNamesFindsNamesAlone(t *testing.T) {
	expr := `100 * sum by (job) (rate(a_total{b=~"c|d"}[5m] offset 1h)) or on (e) f:g:h5m unless i == bool 3`
	if diff := cmp.Diff([]string{"a_total", "f:g:h5m", "i"}, metricNames(expr)); diff != "" {
		t.Errorf("metric names (-want +got):\n%s", diff)
	}
}

var (
	// notNames matches what may hold words that are not metric names: label
	// matchers, ranges and lists of labels.
	notNames = regexp.MustCompile(`\{[^}]*\}|\[[^\]]*\]|\b(by|without|on|ignoring|group_left|group_right)\s*\([^)]*\)`)
	word     = regexp.MustCompile(`\b[a-zA-Z_:][a-zA-Z0-9_:]*\b(\s*\()?`)
	keywords = []string{"and", "or", "unless", "bool", "offset"}
)

// metricNames returns the names of the series that expr selects. It knows the
// constructs of the files here, not all of PromQL.
func metricNames(expr string) []string {
	var names []string
	for _, w := range word.FindAllString(notNames.ReplaceAllString(expr, ""), -1) {
		isFunction := strings.HasSuffix(w, "(")
		if !isFunction && !slices.Contains(keywords, w) {
			names = append(names, w)
		}
	}

	return names
}

// load parses the embedded rule files, by name.
func load(t *testing.T) map[string]ruleFile {
	t.Helper()

	names, err := fs.Glob(Files, "*.yml")
	if err != nil {
		t.Fatal(err)
	}
	files := make(map[string]ruleFile, len(names))
	for _, name := range names {
		text, err := Files.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		var file ruleFile
		decoder := yaml.NewDecoder(bytes.NewReader(text))
		decoder.KnownFields(true)
		if err := decoder.Decode(&file); err != nil {
			t.Fatalf("parse %s: %v", name, err)
		}
		files[name] = file
	}

	return files
}

func marshal(t *testing.T, file ruleFile) []byte {
	t.Helper()

	text, err := yaml.Marshal(file)
	if err != nil {
		t.Fatal(err)
	}

	return text
}

func rulesOf(file ruleFile) []rule {
	var all []rule
	for _, group := range file.Groups {
		all = append(all, group.Rules...)
	}

	return all
}

// alerts returns the alert rules of all files.
func alerts(t *testing.T) []rule {
	t.Helper()

	var all []rule
	for _, file := range load(t) {
		for _, r := range rulesOf(file) {
			if r.Alert != "" {
				all = append(all, r)
			}
		}
	}
	if len(all) == 0 {
		t.Fatal("the rule files hold no alert")
	}

	return all
}

func unitTests(t *testing.T) []string {
	t.Helper()

	paths, err := filepath.Glob("tests/*.yml")
	if err != nil || len(paths) == 0 {
		t.Fatalf("no unit tests in tests/ (%v)", err)
	}

	return paths
}

// run runs a program that has to succeed.
func run(t *testing.T, program string, args ...string) {
	t.Helper()

	if out, err := exec.CommandContext(t.Context(), program, args...).CombinedOutput(); err != nil {
		t.Errorf("%s %s: %v\n%s", filepath.Base(program), strings.Join(args, " "), err, out)
	}
}

// readFile returns the text of a file that has to exist.
func readFile(t *testing.T, path string) string {
	t.Helper()

	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}

	return string(text)
}
