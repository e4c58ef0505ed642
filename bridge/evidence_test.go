package bridge

import (
	"strings"
	"testing"
	"time"

	"llmwatch/bridge/alert"
	"llmwatch/bridge/metrics"
)

// evaluated is a rule as a server tells of it that evaluated it a minute ago.
func evaluated(name string, change func(*metrics.EvaluatedRule)) metrics.EvaluatedRule {
	r := metrics.EvaluatedRule{
		File: "f", Group: "g", Name: name, Query: "x > 1", Labels: map[string]string{"severity": "high"}, Interval: time.Minute,
		RuleState: metrics.RuleState{Health: "ok", LastEvaluation: longAgo.Add(-time.Minute)},
	}
	if change != nil {
		change(&r)
	}

	return r
}

func of(r metrics.EvaluatedRule) *alert.RuleRef {
	return &alert.RuleRef{File: r.File, Group: r.Group, Name: r.Name, Query: r.Query, Labels: r.Labels}
}

func TestMissingAlertIsJudgedByItsRule(t *testing.T) {
	t.Parallel()
	rule := evaluated("cpu", nil)
	cluster := func(name string) func(*metrics.EvaluatedRule) {
		return func(r *metrics.EvaluatedRule) { r.Labels = map[string]string{"cluster": name} }
	}
	missing := func(since time.Duration) *alert.Unjudged {
		return &alert.Unjudged{Since: longAgo.Add(-since), Reason: reasonRuleMissing}
	}
	for name, tc := range map[string]struct {
		rules    []metrics.EvaluatedRule
		of       *alert.RuleRef
		unjudged *alert.Unjudged
		warnings []string
		own      bool
		lastSeen time.Time
		ended    bool
		text     string
	}{
		"its rule was evaluated":            {rules: []metrics.EvaluatedRule{rule}, of: of(rule), ended: true, text: "the condition does not hold"},
		"its rule is known by name alone":   {rules: []metrics.EvaluatedRule{rule}, ended: true, text: "the condition does not hold"},
		"the answer is partial":             {rules: []metrics.EvaluatedRule{rule}, of: of(rule), warnings: []string{"10.0.0.1 is away"}, text: "partial: 10.0.0.1 is away"},
		"there are no rules":                {of: of(rule), text: reasonRuleMissing},
		"its rule is missing":               {rules: []metrics.EvaluatedRule{evaluated("disk", nil)}, of: of(rule), text: reasonRuleMissing},
		"its rule is missing for long":      {of: of(rule), unjudged: missing(24 * time.Hour), ended: true, text: "has not listed its rule for 24h"},
		"its rule is missing for a while":   {of: of(rule), unjudged: missing(23 * time.Hour), text: reasonRuleMissing},
		"unknown for long for other causes": {of: of(rule), unjudged: &alert.Unjudged{Since: longAgo.Add(-48 * time.Hour), Reason: reasonNotYet}, text: reasonRuleMissing},
		"the own engine has no such rule":   {of: of(rule), own: true, ended: true, text: "does not exist any more"},
		"only another cluster's rule is there": {
			rules: []metrics.EvaluatedRule{evaluated("cpu", cluster("us"))}, of: of(evaluated("cpu", cluster("eu"))), text: reasonRuleMissing,
		},
		"its own cluster's rule is there, too": {
			rules: []metrics.EvaluatedRule{evaluated("cpu", cluster("us")), evaluated("cpu", cluster("eu"))},
			of:    of(evaluated("cpu", cluster("eu"))), ended: true, text: "the condition does not hold",
		},
		"its rule moved to another group": {
			rules: []metrics.EvaluatedRule{evaluated("cpu", func(r *metrics.EvaluatedRule) { r.Group, r.File = "h", "g" })}, of: of(rule), ended: true,
		},
		"its rule fails": {
			rules: []metrics.EvaluatedRule{evaluated("cpu", func(r *metrics.EvaluatedRule) { r.Health, r.LastError = "err", "many-to-many" })},
			of:    of(rule), text: "cannot be evaluated: many-to-many",
		},
		"its rule was not evaluated yet": {
			rules: []metrics.EvaluatedRule{evaluated("cpu", func(r *metrics.EvaluatedRule) { r.LastEvaluation = time.Time{} })}, of: of(rule), text: reasonNotYet,
		},
		"one of two equal rules was not evaluated yet": {
			rules: []metrics.EvaluatedRule{rule, evaluated("cpu", func(r *metrics.EvaluatedRule) { r.LastEvaluation = time.Time{} })}, of: of(rule), text: reasonNotYet,
		},
		"the answer is older than the one before": {rules: []metrics.EvaluatedRule{rule}, of: of(rule), lastSeen: longAgo, text: reasonNotSince},
		"its rule is not evaluated any more": {
			rules: []metrics.EvaluatedRule{evaluated("cpu", func(r *metrics.EvaluatedRule) { r.LastEvaluation = longAgo.Add(-4 * time.Minute) })},
			of:    of(rule), text: reasonStalled,
		},
		"the server's clock is wrong": {
			rules: []metrics.EvaluatedRule{evaluated("cpu", func(r *metrics.EvaluatedRule) { r.LastEvaluation = longAgo.Add(time.Hour) })},
			of:    of(rule), text: reasonStalled, // Until it is seen to go on.
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			open := stored(polled("cpu"), alert.Active)
			open.Rule, open.Unjudged = tc.of, tc.unjudged
			var p progress
			e := evidence{
				state: metrics.AlertState{Rules: tc.rules, Warnings: tc.warnings}, now: longAgo, complete: tc.own, missingAfter: 24 * time.Hour,
				lastSeen: map[string]time.Time{open.Fingerprint: tc.lastSeen},
				stalled:  func(r *metrics.EvaluatedRule) bool { return p.stalled(r, longAgo) },
			}
			got := e.verdict(t.Context(), &open)
			if got.Ended != tc.ended || !strings.Contains(got.Text, tc.text) || got.Text == "" {
				t.Errorf("it is %+v, want ended %v, %q", got, tc.ended, tc.text)
			}
		})
	}
}

func TestRuleOfAServerWithAWrongClockIsSeenToGoOn(t *testing.T) {
	t.Parallel()
	var p progress
	now := longAgo
	step := func(evaluation time.Time) bool {
		r := evaluated("cpu", func(r *metrics.EvaluatedRule) { r.LastEvaluation = evaluation })
		p.note([]metrics.EvaluatedRule{r}, now)

		return p.stalled(&r, now)
	}
	slow := -time.Hour
	for i, want := range []bool{true, false, false} { // The first time nothing is known of it.
		if got := step(now.Add(slow)); got != want {
			t.Errorf("at look %d it is stalled: %v, want %v", i, got, want)
		}
		now = now.Add(time.Minute)
	}
	stopped := now.Add(slow)
	step(stopped)
	now = now.Add(4 * time.Minute)
	if !step(stopped) {
		t.Error("it has stopped, and is not stalled")
	}
	if step(now) {
		t.Error("it was evaluated just now, and is stalled")
	}
}

func TestNaming(t *testing.T) {
	t.Parallel()
	eu := map[string]string{"region": "eu"}
	known := stored(polled("cpu", "region", "eu"), alert.Active)
	known.Rule = &alert.RuleRef{External: eu}
	bare := stored(polled("cpu"), alert.Active)
	bare.Rule = &alert.RuleRef{}
	older := stored(polled("cpu", "region", "eu"), alert.Active)
	for name, tc := range map[string]struct {
		external map[string]string
		open     []alert.Alert
		region   string
	}{
		"external labels are added":                         {eu, nil, "eu"},
		"an open alert keeps those it has":                  {map[string]string{"region": "us"}, []alert.Alert{known}, "eu"},
		"it keeps them when the server does not tell them":  {nil, []alert.Alert{known}, "eu"},
		"it gets none that were unknown when it fired":      {eu, []alert.Alert{bare}, ""},
		"one of an older version is known by the same ones": {eu, []alert.Alert{older}, "eu"},
		"one that is resolved does not count": {nil, []alert.Alert{func() alert.Alert {
			a := known
			a.Status = alert.Resolved

			return a
		}()}, ""},
	} {
		labels, external := newNaming(tc.external, tc.open).of(polled("cpu").Labels)
		if labels["region"] != tc.region || external["region"] != tc.region {
			t.Errorf("%s: the region is %q, of which %q is external; want %q", name, labels["region"], external["region"], tc.region)
		}
	}
}
