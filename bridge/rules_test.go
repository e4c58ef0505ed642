package bridge

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"testing/fstest"
	"time"

	"github.com/google/go-cmp/cmp"

	"llmwatch/bridge/alert"
	"llmwatch/bridge/metrics"
	"llmwatch/bridge/ruleset"
)

// ruleSet is one default rule, and what a test adds.
func ruleSet(t testing.TB, store alert.RuleStore, load func() error) *ruleset.Set {
	t.Helper()

	set, err := ruleset.New(ruleset.Config{
		Store: store,
		Defaults: fstest.MapFS{"default.yml": {Data: []byte(
			"groups: [{name: d, rules: [{alert: cpu, expr: cpu > 80, for: 5m, labels: {severity: high}, annotations: {description: CPU is high}}]}]",
		)}},
		CheckExpr: func(expr string) error {
			if strings.HasSuffix(expr, "(") {
				return errors.New("1:5: parse error: unclosed left parenthesis")
			}

			return nil
		},
		CheckFile: func([]byte) error { return nil },
		Load:      func(context.Context, map[string][]byte) error { return load() },
		Logger:    slog.New(slog.DiscardHandler),
		Now:       func() time.Time { return noon },
	})
	if err != nil {
		t.Fatal(err)
	}

	return set
}

func asking(t testing.TB, method, path, body string) *http.Request {
	t.Helper()

	return httptest.NewRequestWithContext(t.Context(), method, Base+path, strings.NewReader(body))
}

// ask sends a body below the API's base and decodes the answer.
func (b *bench) ask(method, path, body string, into any) (status int, header http.Header) {
	b.t.Helper()

	r := asking(b.t, method, path, body)
	resp := b.do(r)
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	if err != nil {
		b.t.Fatal(err)
	}
	if into != nil {
		if err := json.Unmarshal(text, into); err != nil {
			b.t.Fatalf("%s %s answered %s: %v", method, path, text, err)
		}
	}

	return resp.StatusCode, resp.Header
}

const customRule = `{"name": "high_fine_tuning_failures", "description": "High rate of fine-tuning job failures", "severity": "high",
	"expr": "failed_jobs > 5", "for": 600, "cooldown": "30m", "labels": {"team": "ml"}, "annotations": {"summary": "Jobs fail"}}`

type oneRule struct {
	Data map[string]any `json:"data"`
}

func TestRuleOverREST(t *testing.T) {
	b := put(t, &fakeMetrics{}, nil)
	b.metrics.rules = func(context.Context) ([]metrics.EvaluatedRule, error) {
		return []metrics.EvaluatedRule{
			{Name: "high_fine_tuning_failures", Group: "llmwatch-custom-high_fine_tuning_failures", File: "builtin:custom.yml", RuleState: metrics.RuleState{Health: "ok", LastEvaluation: noon, EvaluationTime: 5 * time.Millisecond, Firing: 2, Pending: 1}},
			{Name: "cpu", Group: "d", File: "builtin:d.yml", RuleState: metrics.RuleState{Health: "err", LastError: "many-to-many matching", LastEvaluation: noon}},
		}, nil
	}
	var created oneRule
	status, header := b.ask("POST", "/rules", customRule, &created)
	if got := header.Get("Location"); status != http.StatusCreated || got != Base+"/rules/high_fine_tuning_failures" {
		t.Fatalf("POST answered %d, Location %q", status, got)
	}
	stamp := "2026-11-23T12:00:00.000Z"
	want := map[string]any{
		"name": "high_fine_tuning_failures", "description": "High rate of fine-tuning job failures", "severity": "high",
		"expr": "failed_jobs > 5", "for": "10m", "cooldown": "30m",
		"labels": map[string]any{"team": "ml"}, "annotations": map[string]any{"summary": "Jobs fail"},
		"enabled": true, "default": false, "overridden": false, "created_at": stamp, "updated_at": stamp,
		"origin": "custom", "group": "llmwatch-custom-high_fine_tuning_failures", "file": "builtin:custom.yml",
		"state": map[string]any{"health": "ok", "last_error": "", "last_evaluation": stamp, "evaluation_seconds": 0.005, "firing": 2.0, "pending": 1.0},
	}
	if diff := cmp.Diff(want, created.Data); diff != "" {
		t.Errorf("POST (-want +got):\n%s", diff)
	}
	var read oneRule
	if b.get("/rules/high_fine_tuning_failures", &read); !cmp.Equal(want, read.Data) {
		t.Errorf("GET (-want +got):\n%s", cmp.Diff(want, read.Data))
	}
	var all struct {
		Data  []map[string]any `json:"data"`
		Count int              `json:"count"`
	}
	b.get("/rules", &all)
	if all.Count != 2 || all.Data[0]["name"] != "cpu" || all.Data[0]["default"] != true || all.Data[0]["created_at"] != nil || all.Data[0]["cooldown"] != nil {
		t.Errorf("GET /rules: %v", all)
	}
	if state, _ := all.Data[0]["state"].(map[string]any); state["last_error"] != "many-to-many matching" {
		t.Errorf("the state of cpu is %v", state)
	}

	var changed oneRule
	if status, _ := b.ask("PUT", "/rules/cpu", `{"expr": "cpu > 95"}`, &changed); status != http.StatusOK ||
		changed.Data["overridden"] != true || changed.Data["for"] != "5m" {
		t.Errorf("PUT answered %d: %v", status, changed.Data)
	}
	if status, _ := b.ask("PUT", "/rules/cpu", `{"enabled": false}`, &changed); status != http.StatusOK ||
		changed.Data["enabled"] != false || changed.Data["state"] != nil {
		t.Errorf("PUT answered %d: %v", status, changed.Data)
	}
	for _, path := range []string{"/rules/cpu", "/rules/high_fine_tuning_failures"} {
		if status, _ := b.ask("DELETE", path, "", nil); status != http.StatusOK {
			t.Errorf("DELETE %s answered %d", path, status)
		}
	}
	b.metrics.rules = nil
	if b.get("/rules", &all); all.Count != 1 || all.Data[0]["overridden"] != false {
		t.Errorf("in the end there are %v", all)
	}
	if status, header := b.ask("PUT", "/rules/other", `{"expr": "up == 0"}`, nil); status != http.StatusCreated || header.Get("Location") == "" {
		t.Errorf("PUT of a new one answered %d", status)
	}
}

func TestRuleRequestsThatFail(t *testing.T) {
	b := put(t, &fakeMetrics{}, nil)
	for _, tc := range []struct {
		method, path, body string
		status             int
		code, message      string
	}{
		{"POST", "/rules", `{"name": "a", "expr": "sum("}`, 400, CodeInvalidParameter, "expr: 1:5: parse error: unclosed left parenthesis"},
		{"POST", "/rules", `{"expr": "up"}`, 400, CodeInvalidParameter, "name is missing"},
		{"POST", "/rules", `{"name": "a", "exp": "up"}`, 400, CodeBadRequest, `the body must be one JSON object: json: unknown field "exp"`},
		{"POST", "/rules", `{"name": "a", "expr": "up"} {}`, 400, CodeBadRequest, `the body must be one JSON object: something follows it`},
		{"POST", "/rules", ``, 400, CodeBadRequest, `the body must be one JSON object: EOF`},
		{"POST", "/rules", `{"name": "a", "expr": "up", "for": "soon"}`, 400, CodeInvalidParameter, `for and cooldown must be a duration such as 10m, or a number of seconds, got "soon"`},
		{"POST", "/rules", `{"name": "a", "expr": "up", "cooldown": -1}`, 400, CodeInvalidParameter, `for and cooldown must be a duration such as 10m, or a number of seconds, got -1`},
		{"POST", "/rules", `{"name": "cpu", "expr": "up"}`, 409, CodeExists, `there is a rule "cpu" already; PUT ` + Base + `/rules/cpu changes it`},
		{"PUT", "/rules/cpu", `{"name": "gpu"}`, 400, CodeInvalidParameter, `name must be "cpu" as in the path, or absent, got "gpu": a rule cannot be renamed`},
		{"GET", "/rules/none", ``, 404, CodeNotFound, `there is no rule "none"; ` + Base + `/rules lists them`},
		{"DELETE", "/rules/none", ``, 404, CodeNotFound, `there is no rule "none"; ` + Base + `/rules lists them`},
		{"DELETE", "/rules/cpu", ``, 409, CodeDefaultRule, `"cpu" is a default rule and cannot be deleted; PUT {"enabled": false} to ` + Base + `/rules/cpu disables it`},
		{"POST", "/rules", `"` + strings.Repeat("x", maxRuleBody) + `"`, 413, CodeTooLarge, "the body must be at most 1048576 bytes"},
	} {
		t.Run(tc.method+" "+tc.path+" "+tc.code, func(t *testing.T) { b.fails(asking(t, tc.method, tc.path, tc.body), tc.status, tc.code, tc.message) })
	}
}

// refusing is a bridge whose metrics server takes no rules.
func refusing(t *testing.T, why error) *bench {
	t.Helper()

	return put(t, &fakeMetrics{}, func(o *Options) {
		store, _ := alerting(t)
		o.Rules = ruleSet(t, store, func() error { return why })
	})
}

func TestRulesThatAreNotTakenSayWhy(t *testing.T) {
	t.Run("by a server that refuses them", func(t *testing.T) {
		b := refusing(t, errors.New("the metrics server answered 403"))
		b.fails(asking(t, "POST", "/rules", `{"name": "a", "expr": "up"}`), 503, CodeRulesNotLoaded,
			"the rules could not be loaded: the metrics server answered 403; nothing has changed")
	})
	t.Run("where nobody said how", func(t *testing.T) {
		b := refusing(t, ruleset.ErrReadOnly)
		b.fails(asking(t, "POST", "/rules", `{"name": "a", "expr": "up"}`), 409, CodeReadOnly, "rules cannot be changed here")
	})
}

func TestRulesAreShownWithoutTheirStateWhileThereIsNone(t *testing.T) {
	b := put(t, &fakeMetrics{}, nil)
	b.metrics.rules = func(context.Context) ([]metrics.EvaluatedRule, error) { return nil, metrics.ErrUnavailable }
	var got oneRule
	if status := b.get("/rules/cpu", &got); status != http.StatusOK || got.Data["state"] != nil {
		t.Errorf("GET answered %d: %v", status, got.Data)
	}
}

func FuzzRule(f *testing.F) {
	f.Add(customRule)
	f.Add(`{"name": "a", "for": 1e300, "cooldown": "1h30m", "labels": null, "enabled": false}`)
	f.Fuzz(func(t *testing.T, body string) {
		w := httptest.NewRecorder()
		change, err := readRule(w, httptest.NewRequestWithContext(t.Context(), http.MethodPost, Base+"/rules", strings.NewReader(body)))
		if err == nil && (change.For != nil && *change.For < 0 || change.Cooldown != nil && *change.Cooldown < 0) {
			t.Errorf("%q has a negative duration: %+v", body, change)
		}
		if err != nil && asError(err).Status != http.StatusBadRequest {
			t.Errorf("%q: %v", body, err)
		}
	})
}
