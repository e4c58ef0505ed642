package metrics

import (
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
	got, err := c.Firing(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	alert := func(name, label, severity string, since time.Duration, value float64) FiringAlert {
		return FiringAlert{
			Name: name, Severity: severity,
			Labels:      map[string]string{"alertname": name, "severity": label},
			Annotations: map[string]string{"summary": "It is so."},
			Since:       noon.Add(-since), Fired: noon.Add(2*m - since), Value: value,
		}
	}
	want := []FiringAlert{
		alert("newest", "page", "critical", 5*m+500*time.Millisecond, math.NaN()),
		alert("a", "info", "low", 10*m, math.Inf(1)),
		alert("b", "", "medium", 10*m, math.NaN()),
		alert("older", "high", "high", 20*m, 45),
	}
	if diff := cmp.Diff(want, got, cmpopts.EquateNaNs()); diff != "" {
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
		if got, err := c.Firing(t.Context()); err == nil {
			t.Errorf("%s is taken for %v", name, got)
		}
	}
}

func TestSeverities(t *testing.T) {
	for label, want := range map[string]string{
		"critical": "critical", "high": "high", "medium": "medium", "low": "low",
		"page": "critical", "warning": "medium", "info": "low",
		"": "medium", "disaster": "medium", "HIGH": "medium",
	} {
		if got := severityOf(label); got != want {
			t.Errorf("%q is %s, want %s", label, got, want)
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
	got, err := c.Firing(t.Context())
	if err != nil || len(got) != 3 {
		t.Fatalf("%v (%v)", got, err)
	}
	for i, want := range []string{"a", "b", "c"} {
		if got[i].Labels["instance"] != want || got[i].Name != "x" || got[i].Annotations == nil {
			t.Errorf("alert %d is %+v, want instance %s, the rule's name and no nil map", i, got[i], want)
		}
	}
}
