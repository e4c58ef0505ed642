package alert

import (
	"testing"
	"time"
)

func TestAlertsWithTheSameFingerprintAreTwo(t *testing.T) {
	t.Parallel()
	one := Seen{Labels: map[string]string{"8yn0iYCKYHlIj4-BwPqk": "x", "alertname": "a"}}
	two := Seen{Labels: map[string]string{"GReLUrM4wMqfg9yzV3KQ": "x", "alertname": "a"}}
	if Fingerprint(one.Labels) != Fingerprint(two.Labels) {
		t.Fatal("their fingerprints differ")
	}
	w := newWorld(t)
	w.observe(Snapshot{Complete: true, Alerts: []Seen{one, two}})
	w.wait(time.Minute)
	w.observe(Snapshot{Complete: true, Missing: ended, Alerts: []Seen{two}})
	if w.alerts[a1].Status != Resolved || w.alerts[a2].Status == Resolved || len(w.alerts) != 2 {
		t.Errorf("the alerts are %v, want the first one resolved", w.states())
	}
}

func TestCovers(t *testing.T) {
	t.Parallel()
	const expr = "http://p/graph?g0.expr=up+%3D%3D+0"
	rule := Seen{
		Labels:   map[string]string{"alertname": "down", "job": "a", "cluster": "x", "replica": "0"},
		Rule:     &RuleRef{External: map[string]string{"cluster": "x", "replica": "0"}, Query: "up == 0"},
		StartsAt: begin.Add(-5 * time.Minute), For: 5 * time.Minute,
	}
	cases := map[string]struct {
		labels map[string]string
		url    string
		starts time.Duration // After the rule fired.
		want   bool
	}{
		"the same":                               {map[string]string{"alertname": "down", "job": "a", "cluster": "x", "replica": "0"}, "", 0, true},
		"without an external label":              {map[string]string{"alertname": "down", "job": "a", "cluster": "x"}, "", time.Hour, true},
		"another value of an external label":     {map[string]string{"alertname": "down", "job": "a", "cluster": "y"}, expr, 0, false},
		"another value":                          {map[string]string{"alertname": "down", "job": "b"}, expr, 0, false},
		"another expression":                     {map[string]string{"alertname": "down", "job": "a"}, "http://p/graph?g0.expr=up", 0, false},
		"without an own label":                   {map[string]string{"alertname": "down", "cluster": "x"}, expr, time.Minute, true},
		"without an own label and an expression": {map[string]string{"alertname": "down", "cluster": "x"}, "", 0, false},
		"without an own label at another time":   {map[string]string{"alertname": "down", "cluster": "x"}, expr, 3 * time.Minute, false},
		"with one more":                          {map[string]string{"alertname": "down", "job": "a", "env": "live"}, expr, 0, true},
		"with one more and one less":             {map[string]string{"alertname": "down", "env": "live"}, expr, 0, false},
		"with another name":                      {map[string]string{"alertname": "up", "job": "a"}, expr, 0, false},
		"without a name":                         {map[string]string{"job": "a"}, expr, 0, false},
	}
	for name, c := range cases {
		push := Seen{Labels: c.labels, GeneratorURL: c.url, StartsAt: begin.Add(c.starts)}
		if got := rule.Covers(&push); got != c.want {
			t.Errorf("%s: %t, want %t", name, got, c.want)
		}
	}
}
