package metrics

import (
	"context"
	"errors"
	"fmt"
	"math"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
)

// firingRule is a rule of a group, as the API shows it, with one alert that has
// been active since so long before noon and a duration of two minutes.
func firingRule(name, severity string, since time.Duration, value string) string {
	return alertingRule(name, severity, "firing", since, value)
}

func alertingRule(name, severity, state string, since time.Duration, value string) string {
	return fmt.Sprintf(`{"name":"group of %[1]s","file":"f","interval":60,"rules":[
		{"type":"recording","name":"r","query":"1","health":"ok"},
		{"type":"alerting","name":%[1]q,"query":"x > 1","duration":120,"labels":{},"annotations":{},"health":"ok","state":%[3]q,
		"alerts":[{"state":%[3]q,"activeAt":%[4]q,"value":%[5]q,
			"labels":{"alertname":%[1]q,"severity":%[2]q},"annotations":{"summary":"It is so."}}]}]}`,
		name, severity, state, noon.Add(-since).Format(time.RFC3339Nano), value)
}

func TestFiring(t *testing.T) {
	const m = time.Minute
	rules := firingRule("older", "high", 20*m, "4.5e+01") + "," +
		firingRule("b", "", 10*m, "NaN") + "," +
		firingRule("a", "info", 10*m, "+Inf") + "," +
		alertingRule("pending", "high", "pending", m, "1") + "," +
		firingRule("newest", "page", 5*m+500*time.Millisecond, "not a number")
	c, _ := ask(t, 30*time.Second, overviewServer(nil, rules))
	state, err := c.Alerts(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	alert := func(name, label string, since time.Duration, value float64) FiringAlert {
		return FiringAlert{
			Name:        name,
			Labels:      map[string]string{"alertname": name, "severity": label},
			Annotations: map[string]string{"summary": "It is so."}, Query: "x > 1",
			Since: noon.Add(-since), Fired: noon.Add(2*m - since), Value: value,
		}
	}
	want := []FiringAlert{
		alert("newest", "page", 5*m+500*time.Millisecond, math.NaN()),
		alert("a", "info", 10*m, math.Inf(1)),
		alert("b", "", 10*m, math.NaN()),
		alert("older", "high", 20*m, 45),
	}
	if diff := cmp.Diff(want, state.Firing, cmpopts.EquateNaNs(), cmpopts.IgnoreFields(FiringAlert{}, "Rule")); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

func TestFiringFailsInsteadOfAnsweringNone(t *testing.T) {
	for name, answer := range map[string]func(question) (int, string){
		"a bad gateway":  always(http.StatusBadGateway, ""),
		"half an answer": always(http.StatusOK, `{"status":"success","data":{"groups":[{"name":"x","rules":[`),
		"an error":       always(failure(http.StatusUnprocessableEntity, "execution", "no")),
	} {
		c, _ := ask(t, time.Minute, answer)
		if got, err := c.Alerts(t.Context()); err == nil {
			t.Errorf("%s is taken for %v", name, got)
		}
	}
}

func TestEqualAlertsHaveAnOrder(t *testing.T) {
	var rules []string
	for _, host := range []string{"c", "a", "b"} {
		rules = append(rules, fmt.Sprintf(`{"name":%[1]q,"file":"f","interval":60,"rules":[{"type":"alerting","name":"x","query":"1","duration":0,"health":"ok",
			"alerts":[{"state":"firing","activeAt":"2026-11-23T11:00:00Z","value":"1","labels":{"instance":%[1]q}}]}]}`, host))
	}
	c, _ := ask(t, time.Minute, overviewServer(nil, strings.Join(rules, ",")))
	state, err := c.Alerts(t.Context())
	got := state.Firing
	if err != nil || len(got) != 3 {
		t.Fatalf("%v (%v)", got, err)
	}
	for i, want := range []string{"a", "b", "c"} {
		if got[i].Labels["instance"] != want || got[i].Name != "x" || got[i].Annotations == nil {
			t.Errorf("alert %d is %+v, want instance %s, the rule's name and no nil map", i, got[i], want)
		}
	}
}

func TestAlertState(t *testing.T) {
	const m = time.Minute
	evaluated := func(rule, at string) string {
		return strings.Replace(rule, `"type":"alerting"`, `"type":"alerting","lastEvaluation":"`+at+`"`, 1)
	}
	at := noon.Format(time.RFC3339Nano)
	rules := evaluated(firingRule("fires", "high", 10*m, "1"), at) + "," +
		evaluated(alertingRule("waits", "high", "pending", m, "1"), at) + "," +
		evaluated(alertingRule("waits less", "high", "pending", m/2, "1"), at) + "," +
		evaluated(alertingRule("quiet", "high", "inactive", m, "1"), at) + "," +
		evaluated(alertingRule("unknown", "high", "inactive", m, "1"), "0001-01-01T00:00:00Z")
	c, _ := ask(t, 30*time.Second, overviewServer(nil, rules))
	got, err := c.Alerts(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	names := func(alerts []FiringAlert) string {
		var all []string
		for _, a := range alerts {
			all = append(all, a.Name)
		}

		return strings.Join(all, ", ")
	}
	if names(got.Firing) != "fires" || names(got.Pending) != "waits less, waits" {
		t.Errorf("firing are %s, pending %s; want fires, and the newest pending one first", names(got.Firing), names(got.Pending))
	}
	var notYet []string
	for _, r := range got.Rules {
		if r.LastEvaluation.IsZero() {
			notYet = append(notYet, r.Group+"/"+r.Name)
		}
	}
	if diff := cmp.Diff([]string{"group of unknown/unknown"}, notYet); diff != "" || len(got.Rules) != 5 {
		t.Errorf("%d rules, of which not evaluated (-want +got):\n%s", len(got.Rules), diff)
	}
	if diff := cmp.Diff(map[string][]string{"r": {"1", "1", "1", "1", "1"}}, got.Recorded); diff != "" {
		t.Errorf("recorded (-want +got):\n%s", diff)
	}
	if from := got.Firing[0].Rule; from == nil || from.Name != "fires" || from.Interval != m || from.Health != "ok" {
		t.Errorf("the alert is of the rule %+v", from)
	}
}

func TestAlertsFailInsteadOfAnsweringNone(t *testing.T) {
	for name, answer := range map[string]func(question) (int, string){
		"a server that starts":    always(http.StatusServiceUnavailable, "starting"),
		"no list of groups":       always(http.StatusOK, `{"status":"success","data":{}}`),
		"no data":                 always(http.StatusOK, `{"status":"success","data":null}`),
		"a list that is null":     always(http.StatusOK, `{"status":"success","data":{"groups":null}}`),
		"a page to sign in":       always(http.StatusOK, `<html>sign in</html>`),
		"half an answer":          always(http.StatusOK, `{"status":"success","data":{"groups":[{"name":"x","rules":[`),
		"a rule without its type": always(http.StatusOK, `{"status":"success","data":{"groups":[{"name":"x","rules":[{"name":"y"}]}]}}`),
	} {
		c, _ := ask(t, time.Minute, answer)
		if got, err := c.Alerts(t.Context()); err == nil || got.Rules != nil || got.Firing != nil {
			t.Errorf("%s is taken for %+v (%v)", name, got, err)
		}
		if got, err := c.Rules(t.Context()); err == nil {
			t.Errorf("%s is taken for the rules %+v", name, got)
		}
	}
	c, _ := ask(t, time.Minute, always(http.StatusOK, `{"status":"success","data":{"groups":[]}}`))
	if _, err := c.Alerts(t.Context()); err != nil {
		t.Errorf("a server without rules fails: %v", err)
	}
}

func TestAlertsTellTheWarningsOfTheAnswer(t *testing.T) {
	c, _ := ask(t, time.Minute, always(http.StatusOK, `{"status":"success","data":{"groups":[]},"warnings":["10.0.0.2:10901: connection refused"]}`))
	got, err := c.Alerts(t.Context())
	if err != nil || len(got.Warnings) != 1 || got.Warnings[0] != "10.0.0.2:10901: connection refused" {
		t.Errorf("its warnings are %q (%v)", got.Warnings, err)
	}
}

// Servers that gather the rules of several clusters tell them apart by labels of the
// rules; their alerts lack them.
func TestAlertsOfEqualRulesDifferByTheirRulesLabels(t *testing.T) {
	rule := func(cluster string) string {
		return fmt.Sprintf(`{"type":"alerting","name":"down","query":"up == 0","duration":0,"health":"ok","state":"firing","lastEvaluation":%q,
			"labels":{"severity":"high","cluster":%q,"empty":"","made":"{{ $labels.none }}"},
			"alerts":[{"state":"firing","activeAt":%[1]q,"value":"0","labels":{"alertname":"down","severity":"high","instance":"a"}}]}`,
			noon.Format(time.RFC3339), cluster)
	}
	c, _ := ask(t, time.Minute, always(http.StatusOK, `{"status":"success","data":{"groups":[{"name":"g","file":"f","interval":60,"rules":[`+rule("eu")+","+rule("us")+`]}]}}`))
	got, err := c.Alerts(t.Context())
	if err != nil || len(got.Firing) != 2 {
		t.Fatalf("%+v (%v)", got.Firing, err)
	}
	for i, cluster := range []string{"eu", "us"} {
		want := map[string]string{"alertname": "down", "severity": "high", "instance": "a", "cluster": cluster}
		if diff := cmp.Diff(want, got.Firing[i].Labels); diff != "" {
			t.Errorf("labels (-want +got):\n%s", diff)
		}
	}
	rules, err := c.Rules(t.Context())
	if err != nil || len(rules) != 2 || rules[0].Firing != 1 || rules[1].Firing != 1 {
		t.Errorf("the rules are %+v (%v), want two with one alert each", rules, err)
	}
}

func TestSlowServerIsNamed(t *testing.T) {
	done := make(chan struct{})
	defer close(done)
	c, _ := ask(t, time.Minute, func(question) (int, string) { <-done; return http.StatusOK, "" })
	c.timeout = 50 * time.Millisecond
	_, err := c.Alerts(t.Context())
	if !errors.Is(err, ErrUnavailable) || !strings.Contains(fmt.Sprint(err), "did not answer within 50ms (prometheus.timeout)") {
		t.Errorf("the error is %v", err)
	}
}

func TestExternalLabels(t *testing.T) {
	config := func(yaml string) func(question) (int, string) {
		return always(http.StatusOK, fmt.Sprintf(`{"status":"success","data":{"yaml":%q}}`, yaml))
	}
	for name, tc := range map[string]struct {
		answer func(question) (int, string)
		want   map[string]string
	}{
		"some":                   {config("global:\n  scrape_interval: 1m\n  external_labels:\n    region: eu\n    replica: \"0\"\n"), map[string]string{"region": "eu", "replica": "0"}},
		"none":                   {config("global:\n  scrape_interval: 1m\n"), nil},
		"an empty configuration": {config(""), nil},
	} {
		t.Run(name, func(t *testing.T) {
			c, f := ask(t, time.Minute, tc.answer)
			got, err := c.ExternalLabels(t.Context())
			if err != nil || !cmp.Equal(tc.want, got) {
				t.Errorf("they are %v (%v), want %v", got, err, tc.want)
			}
			if asked := f.questions(""); asked[0].path != "/api/v1/status/config" {
				t.Errorf("it asked %s", asked[0].path)
			}
		})
	}
}

// An alert without its external labels is another alert: nothing but the
// server's own word may take them away.
func TestExternalLabelsAreNotLostInAFailure(t *testing.T) {
	for name, tc := range map[string]struct {
		answer      func(question) (int, string)
		unavailable bool
	}{
		"a bad gateway":         {always(http.StatusBadGateway, ""), true},
		"a server that starts":  {always(http.StatusServiceUnavailable, "starting"), true},
		"a server that is busy": {always(http.StatusTooManyRequests, "slow down"), true},
		"a server that refuses": {always(http.StatusForbidden, "no"), true},
		"half an answer":        {always(http.StatusOK, `{"status":"success","data":{"ya`), true},
		"what is no YAML":       {always(http.StatusOK, `{"status":"success","data":{"yaml":"a: [b"}}`), false},
	} {
		t.Run(name, func(t *testing.T) {
			c, _ := ask(t, time.Minute, tc.answer)
			if got, err := c.ExternalLabels(t.Context()); err == nil || errors.Is(err, ErrUnavailable) != tc.unavailable {
				t.Errorf("it is taken for %v (%v)", got, err)
			}
		})
	}
	t.Run("nobody answers", func(t *testing.T) {
		c, _ := ask(t, time.Minute, always(http.StatusOK, ""))
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		if got, err := c.ExternalLabels(ctx); !errors.Is(err, context.Canceled) {
			t.Errorf("a caller who has left is told %v (%v)", got, err)
		}
	})
}

func TestRulesOfOneNameAreSeveral(t *testing.T) {
	rule := func(kind, name, labels, health, last string) string {
		return fmt.Sprintf(`{"type":%q,"name":%q,"query":"up","duration":60,"labels":%s,"annotations":{"summary":"s"},"health":%q,"lastError":%q,"evaluationTime":0.25,"alerts":[]}`,
			kind, name, labels, health, last)
	}
	groups := `{"name":"a","file":"/a.yml","interval":60,"rules":[` +
		rule("alerting", "burn", `{"long":"1h"}`, "ok", "") + "," + rule("alerting", "burn", `{"long":"1d"}`, "err", "many-to-many") + `]},` +
		`{"name":"b","file":"/b.yml","interval":60,"rules":[` + rule("alerting", "burn", `{}`, "strange", "") + "," + rule("recording", "r", `{}`, "err", "no") + `]}`
	c, _ := ask(t, time.Minute, overviewServer(nil, groups))
	got, err := c.Rules(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	alerting := EvaluatedRule{
		Name: "burn", Group: "a", File: "/a.yml", Query: "up", For: time.Minute, Annotations: map[string]string{"summary": "s"},
		Labels: map[string]string{"long": "1h"}, Interval: time.Minute,
		RuleState: RuleState{Health: "ok", EvaluationTime: 250 * time.Millisecond},
	}
	day, other := alerting, alerting
	day.Labels, day.Health, day.LastError = map[string]string{"long": "1d"}, "err", "many-to-many"
	other.Group, other.File, other.Labels, other.Health = "b", "/b.yml", map[string]string{}, "unknown"
	recording := EvaluatedRule{
		Name: "r", Recording: true, Group: "b", File: "/b.yml", Query: "up", Labels: map[string]string{}, Annotations: map[string]string{},
		Interval: time.Minute, RuleState: RuleState{Health: "err", LastError: "no", EvaluationTime: 250 * time.Millisecond},
	}
	if diff := cmp.Diff([]EvaluatedRule{alerting, day, other, recording}, got); diff != "" {
		t.Errorf("rules (-want +got):\n%s", diff)
	}
	if got[0].Fails() || !got[1].Fails() || !got[3].Fails() {
		t.Error("those with the health err fail, and no others")
	}
}
