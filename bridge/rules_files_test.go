package bridge

import (
	"context"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"llmwatch/bridge/metrics"
)

// fileRule is a rule of a rule file that llmwatch did not write.
func fileRule(name, group string, labels map[string]string) metrics.EvaluatedRule {
	return metrics.EvaluatedRule{
		Name: name, Group: group, File: "/etc/prometheus/" + group + ".yml", Query: "up == 0", For: 2 * time.Minute,
		Labels: labels, Annotations: map[string]string{"description": "It is so.", "cooldown": "1h", "summary": "So"},
		RuleState: metrics.RuleState{Health: "ok", LastEvaluation: noon, EvaluationTime: time.Millisecond},
	}
}

// failingRule is one that cannot be evaluated.
func failingRule(name, group string) metrics.EvaluatedRule {
	r := fileRule(name, group, nil)
	r.Health, r.LastError = "err", `found duplicate series for the match group {customer="secret"} on the right hand-side`

	return r
}

func always[T any](answer T) func(context.Context) (T, error) {
	return func(context.Context) (T, error) { return answer, nil }
}

type ruleList struct {
	Data []struct {
		Name, Severity, Expr, For, Cooldown, Description, Origin, Group, File string
		Default, Enabled                                                      bool
		Labels, Annotations                                                   map[string]string
		State                                                                 *struct {
			Health    string
			LastError string  `json:"last_error"`
			Took      float64 `json:"evaluation_seconds"`
		}
	}
	Count     int
	Recording []struct {
		Name, Group, File string
		State             struct{ Health string }
	}
	Warnings []string
}

func TestRulesOfRuleFilesAreListed(t *testing.T) {
	record := fileRule("job:up:sum", "recording", nil)
	record.Recording = true
	b := put(t, &fakeMetrics{rules: always([]metrics.EvaluatedRule{
		{Name: "cpu", Group: "d", File: "builtin:d.yml", RuleState: metrics.RuleState{Health: "ok", Firing: 1}},
		record,
		fileRule("ErrorBudgetBurn", "burn", map[string]string{"severity": "P1", "long": "1h"}),
		fileRule("ErrorBudgetBurn", "burn", map[string]string{"severity": "warning", "long": "1d"}),
		fileRule("ErrorBudgetBurn", "other", nil),
		fileRule("cpu", "somebody's", map[string]string{"severity": "page"}),
		fileRule("Ünïcode名前 \u202eevil/..", "odd", nil),
	})}, nil)
	var got ruleList
	b.get("/rules", &got)
	var rules []string
	for _, r := range got.Data {
		rules = append(rules, fmt.Sprintf("%s %s %s %s %s", r.Name, r.Group, r.Severity, r.Labels["long"], r.Origin))
	}
	want := []string{
		"ErrorBudgetBurn burn critical 1h file", "ErrorBudgetBurn burn medium 1d file", "ErrorBudgetBurn other medium  file",
		"cpu d high  default", "cpu somebody's critical  file", "Ünïcode名前 \u202eevil/.. odd medium  file",
	}
	if diff := cmp.Diff(want, rules); diff != "" || got.Count != len(want) || len(got.Warnings) != 0 {
		t.Errorf("count %d, warnings %q, rules (-want +got):\n%s", got.Count, got.Warnings, diff)
	}
	r := got.Data[0]
	if r.Expr != "up == 0" || r.For != "2m" || r.Cooldown != "1h" || r.Description != "It is so." || r.File != "/etc/prometheus/burn.yml" ||
		r.Default || !r.Enabled || r.State == nil || r.State.Took != 0.001 || r.Annotations["summary"] != "So" {
		t.Errorf("a rule of a file is shown as %+v", r)
	}
	if len(got.Recording) != 1 || got.Recording[0].Name != "job:up:sum" || got.Recording[0].Group != "recording" || got.Recording[0].State.Health != "ok" {
		t.Errorf("recording rules are %+v", got.Recording)
	}
	for path, want := range map[string]string{
		"cpu": "d", "cpu?group=somebody%27s": "somebody's", "ErrorBudgetBurn": "burn", "ErrorBudgetBurn?group=other": "other",
	} {
		var one oneRule
		if code := b.get("/rules/"+path, &one); code != http.StatusOK || one.Data["group"] != want {
			t.Errorf("GET /rules/%s answered %d: %v", path, code, one.Data)
		}
	}
	for _, ask := range [][2]string{{"PUT", `{"enabled": false}`}, {"DELETE", ``}} {
		b.fails(asking(t, ask[0], "/rules/ErrorBudgetBurn", ask[1]), http.StatusConflict, CodeReadOnly,
			`rule "ErrorBudgetBurn" is in group "burn" of /etc/prometheus/burn.yml, and is changed there`)
	}
}

func TestRulesWarnWhereTheServerIsAway(t *testing.T) {
	b := put(t, &fakeMetrics{rules: func(context.Context) ([]metrics.EvaluatedRule, error) { return nil, metrics.ErrUnavailable }}, nil)
	var got ruleList
	if b.get("/rules", &got); got.Count != 1 || !slices.Equal(got.Warnings, []string{noStates}) {
		t.Errorf("the list is %+v", got)
	}
	b.fails(request(t, http.MethodGet, Base+"/rules/SomeFileRule"), http.StatusServiceUnavailable, CodePrometheusUnavailable, "")
}

func TestRulesThatFailAreNamed(t *testing.T) {
	record := failingRule("job:up:sum", "recording")
	record.Recording = true
	rules := []metrics.EvaluatedRule{
		fileRule("fine", "good", nil), failingRule("ManyToMany", "odd"), record, failingRule("e\u202evil\x1b[31m"+strings.Repeat("x", 1000), "odd"),
	}
	b := put(t, &fakeMetrics{rules: func(context.Context) ([]metrics.EvaluatedRule, error) { return rules, nil }}, nil)
	health := func() healthForm {
		b.pass(healthFresh)
		var h healthForm
		b.get("/health", &h)

		return h
	}
	h := health()
	want := "3 rules cannot be evaluated: ManyToMany (group odd), job:up:sum (group recording), evil [31m" + strings.Repeat("x", 52) + "… (group odd)"
	if h.Status != degraded || !slices.Equal(h.Problems, []string{"rules: " + want}) || h.Services["rules"].Running || h.Services["rules"].Error != want {
		t.Errorf("health is %+v", h)
	}
	if strings.Contains(fmt.Sprint(h), "secret") {
		t.Error("health quotes what a rule found")
	}
	var s struct {
		Data []struct {
			Name      string
			Running   bool
			LastError string `json:"last_error"`
			Details   map[string]any
		}
	}
	b.get("/status", &s)
	i := slices.IndexFunc(s.Data, func(c struct {
		Name      string
		Running   bool
		LastError string `json:"last_error"`
		Details   map[string]any
	},
	) bool {
		return c.Name == "rules"
	})
	if i < 0 {
		t.Fatalf("status lacks the rules: %+v", s)
	}
	c := s.Data[i]
	if !strings.HasPrefix(c.LastError, "ManyToMany: found duplicate series") || c.Details["failing"] != 3.0 || c.Details["recording"] != 1.0 || c.Details["alerting"] != 3.0 {
		t.Errorf("status is %+v", c)
	}

	for i := range 20 {
		rules = append(rules, failingRule(fmt.Sprint("more", i), "odd"))
	}
	if h := health(); len(h.Problems) != 1 || !strings.HasSuffix(h.Problems[0], "more1 (group odd), and 18 more") {
		t.Errorf("problems are %q", h.Problems)
	}
	rules = rules[:1]
	if h := health(); h.Status != healthy || !h.Services["rules"].Running {
		t.Errorf("health is %+v", h)
	}
}
