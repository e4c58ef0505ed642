package ruletest

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"go.uber.org/goleak"

	"llmwatch/internal/testtool"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// files writes a rule file and a unit test file, and returns the second's path.
func files(t *testing.T, rules, tests string) string {
	t.Helper()

	dir := t.TempDir()
	for name, text := range map[string]string{"rules.yml": rules, "test.yml": tests} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}

	return filepath.Join(dir, "test.yml")
}

const someRules = `
groups:
  - name: second
    rules:
      - {alert: high, expr: 'twice > 10', for: 1m, labels: {severity: low}, annotations: {summary: 'at {{ $value }} in {{ $externalLabels.region }}'}}
  - name: first
    rules: [{record: twice, expr: 2 * a}]
`

// some is a file of one test that is right.
const some = `
rule_files: [rules.yml]
evaluation_interval: 1m
group_eval_order: [first, second]
tests:
  - name: some
    interval: 30s
    external_labels: {region: eu}
    input_series:
      - {series: 'a{i="1"}', values: '1 6x20'}
      - {series: 'a{i="2"}', values: '5x20'}
    alert_rule_test:
      - {eval_time: 1m59s, alertname: high}
      - {eval_time: 2m, alertname: high, exp_alerts: [{exp_labels: {severity: low, i: 1}, exp_annotations: {summary: at 12 in eu}}]}
    promql_expr_test:
      - {expr: twice, eval_time: 3m, exp_samples: [{labels: 'twice{i="2"}', value: 10}, {labels: 'twice{i="1"}', value: 12}]}
      - {expr: 'a == 99', eval_time: 3m}
`

// TestAgreesWithPromtool runs the same files by both.
func TestAgreesWithPromtool(t *testing.T) {
	promtool := testtool.Find(t, "promtool")
	for name, tc := range map[string]struct {
		old, replacement string
		says             string // Empty where the tests are right.
	}{
		"right":                   {"", "", ""},
		"an alert that fires":     {"exp_alerts: [{exp_labels: {severity: low, i: 1}, exp_annotations: {summary: at 12 in eu}}]", "exp_alerts: []", "high at 2m fires as"},
		"an alert too early":      {"eval_time: 2m, alertname", "eval_time: 1m, alertname", "high at 1m fires as"},
		"another label":           {"i: 1}", "i: 2}", `i="2"`},
		"another annotation":      {"at 12 in eu", "at 12 in us", "at 12 in us"},
		"another value":           {"value: 12", "value: 13", `twice at 3m yields`},
		"something for nothing":   {"a == 99", "a == 5", "a == 5 at 3m yields"},
		"an expression that errs": {"a == 99", "a + on() a", "many-to-many"},
		"an interval off":         {"evaluation_interval: 1m", "evaluation_interval: 50s", "high at 2m"},
		"another order":           {"[first, second]", "[second, first]", "high at 2m"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			path := files(t, someRules, strings.Replace(some, tc.old, tc.replacement, 1))
			tests, failures, err := Run(t.Context(), path)
			if err != nil || tests != 1 {
				t.Fatalf("%d tests, %v", tests, err)
			}
			if all := strings.Join(failures, "\n"); (tc.says == "") != (all == "") || !strings.Contains(all, tc.says) {
				t.Errorf("failures:\n%s\nwant %q", all, tc.says)
			}
			out, err := exec.CommandContext(t.Context(), promtool, "test", "rules", path).CombinedOutput()
			if (err == nil) != (tc.says == "") {
				t.Errorf("promtool says %v:\n%s", err, out)
			}
		})
	}
}

func TestBrokenFilesAreErrors(t *testing.T) {
	for name, tc := range map[string]struct{ rules, tests, says string }{
		"an unknown field":       {someRules, strings.Replace(some, "tests:", "test:", 1), "field test not found"},
		"no tests":               {someRules, "rule_files: [rules.yml]", "there are no tests"},
		"no rule file":           {someRules, strings.Replace(some, "rules.yml", "none.yml", 1), "there is no file"},
		"a broken rule file":     {"groups: [{name: a, rules: [{alert: b, expr: 'up >'}]}]", some, "parse error"},
		"a broken series":        {someRules, strings.Replace(some, "1 6x20", "1 6y20", 1), "input_series"},
		"a rule that fails":      {strings.Replace(someRules, "2 * a", "a + on() a", 1), some, "rule twice at 0s"},
		"an end beyond all time": {someRules, strings.Replace(some, "eval_time: 3m", "eval_time: 100y", 1), "evaluations away"},
	} {
		t.Run(name, func(t *testing.T) {
			_, _, err := Run(t.Context(), files(t, tc.rules, tc.tests))
			if err == nil || !strings.Contains(err.Error(), tc.says) {
				t.Errorf("Run: %v, want an error that says %q", err, tc.says)
			}
		})
	}
	if _, _, err := Run(t.Context(), filepath.Join(t.TempDir(), "none.yml")); err == nil {
		t.Error("a file that is not there passes")
	}
}

// TestWhatNewerPromtoolsKnow holds what the packaged promtool may be too old for.
func TestWhatNewerPromtoolsKnow(t *testing.T) {
	const tests = `
rule_files: [rules.yml]
tests:
  - start_timestamp: 2024-01-15T10:00:00Z
    input_series: [{series: h, values: '{{count:3 sum:4 buckets:[1 2]}}x20'}]
    promql_expr_test:
      - {expr: h, eval_time: 0s, exp_samples: [{labels: h, histogram: '{{count:3 sum:4 buckets:[1 2]}}'}]}
      - {expr: time(), eval_time: 1m, exp_samples: [{labels: '{}', value: 1705312860}]}
`
	if _, failures, err := Run(t.Context(), files(t, someRules, tests)); err != nil || len(failures) > 0 {
		t.Errorf("%v, %v", failures, err)
	}
	for old, replacement := range map[string]string{"histogram: '{{count:3": "histogram: '{{count:4", "start_timestamp: 2024": "start_timestamp: 2023"} {
		if _, failures, err := Run(t.Context(), files(t, someRules, strings.Replace(tests, old, replacement, 1))); err != nil || len(failures) != 1 {
			t.Errorf("%s: %v, %v, want one failure", replacement, failures, err)
		}
	}
}

func TestRulesMayUseAnchoredRanges(t *testing.T) {
	path := files(t, "groups: [{name: a, rules: [{alert: high, expr: 'increase(a[5m] anchored) == 7'}]}]", `
rule_files: [rules.yml]
tests:
  - input_series: [{series: a, values: '0 7x5'}]
    alert_rule_test: [{eval_time: 2m, alertname: high, exp_alerts: [{}]}]
    promql_expr_test: [{eval_time: 2m, expr: 'increase(a[5m] anchored)', exp_samples: [{labels: '{}', value: 7}]}]
`)
	if _, failures, err := Run(t.Context(), path); err != nil || len(failures) > 0 {
		t.Errorf("%v, %v", failures, err)
	}
}
