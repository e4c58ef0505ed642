package bridge

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
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
		return &alert.Unjudged{Since: longAgo.Add(-48 * time.Hour), Reason: reasonRuleMissing, ReasonSince: longAgo.Add(-since)}
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
				source: &judging{answers: map[string][]map[string]string{"x > bool 1": {{"severity": "of the series"}}}}, inputsOf: inputsOfTest,
				state: metrics.AlertState{Rules: tc.rules, Warnings: tc.warnings}, now: longAgo, complete: tc.own, missingAfter: 24 * time.Hour,
				lastSeen: map[string]time.Time{open.Identity(): tc.lastSeen},
				stalled:  func(r *metrics.EvaluatedRule) bool { return p.stalled(r, longAgo) },
			}
			got := e.verdict(t.Context(), &open)
			if got.Ended != tc.ended || !strings.Contains(got.Text, tc.text) || got.Text == "" {
				t.Errorf("it is %+v, want ended %v, %q", got, tc.ended, tc.text)
			}
		})
	}
}

// inputsOfTest stands in for the parser of the engine.
func inputsOfTest(expr string) (Inputs, error) {
	switch expr {
	case "x > 1":
		return Inputs{Condition: expr, Expr: "x > bool 1", Metrics: []string{"x"}}, nil
	case "recorded > 1":
		return Inputs{Condition: expr, Expr: "recorded > bool 1", Metrics: []string{"recorded"}}, nil
	case "rate(y[5m])":
		return Inputs{Condition: expr, Expr: expr, Window: 5 * time.Minute, Metrics: []string{"y"}}, nil
	case "up == 0":
		return Inputs{Condition: expr, Expr: "up == bool 0", Metrics: []string{"up"}}, nil
	default:
		return Inputs{}, errors.New("no PromQL")
	}
}

// judging is a source that answers what a rule goes by.
type judging struct {
	AlertSource
	answers map[string][]map[string]string
	targets []map[string]string
	started time.Time
	fails   error
	silent  error // What it says when it is asked for its start.
	asked   []string
}

func (j *judging) Started(context.Context) (time.Time, error) {
	if j.started.IsZero() {
		return time.Time{}, metrics.ErrNotTold
	}

	return j.started, j.silent
}

func (j *judging) Yields(_ context.Context, expr string, _ time.Time) ([]map[string]string, error) {
	j.asked = append(j.asked, expr)
	if j.fails != nil {
		return nil, j.fails
	}
	all := slices.Clone(j.targets)
	for asked, series := range j.answers {
		in, err := inputsOfTest("x > 1")
		for _, query := range []string{"recorded > 1", "up == 0"} {
			if err == nil && asked != in.Condition && asked != in.Expr {
				in, err = inputsOfTest(query)
			}
		}
		if err != nil || expr != factsExpr(in) {
			return nil, fmt.Errorf("it asks %s: %w", expr, err)
		}
		fact := "data"
		if asked == in.Condition {
			fact = "holds"
		}
		for _, labels := range series {
			labels = maps.Clone(labels)
			labels[factLabel] = fact
			all = append(all, labels)
		}
	}
	copies := make([]map[string]string, len(all))
	for i := range all {
		copies[i] = maps.Clone(all[i])
	}

	return copies, nil
}

func TestMissingAlertIsJudgedByWhatItsRuleGoesBy(t *testing.T) {
	t.Parallel()
	type series = map[string]string
	host := func(name string) series { return series{"job": "node", "instance": name} }
	target := func(name string, answered, failed bool) []series {
		var facts []series
		add := func(fact string) {
			labels := host(name)
			labels[factLabel] = fact
			facts = append(facts, labels)
		}
		if answered {
			add("partly")
		}
		if failed {
			add("failed")
		} else {
			add("answered")
		}

		return facts
	}
	query := func(q string) func(*metrics.EvaluatedRule) {
		return func(r *metrics.EvaluatedRule) { r.Query = q }
	}
	at := longAgo.Add(-time.Minute) // When the rule was evaluated.
	away := errors.New("away")
	for name, tc := range map[string]struct {
		labels   []string // Of the alert; those of host a where nil.
		query    string
		source   judging
		woken    time.Time
		unjudged time.Duration // For how long.
		ended    bool
		text     string
	}{
		"there is a value, and it is below": {
			source: judging{answers: map[string][]series{"x > bool 1": {host("b"), host("a")}}}, ended: true, text: "does not hold",
		},
		"that of another host is no evidence": {
			source: judging{answers: map[string][]series{"x > bool 1": {host("b")}}, targets: slices.Concat(target("a", false, true))}, text: reasonDown,
		},
		"the condition holds": {
			source: judging{answers: map[string][]series{"x > 1": {host("a")}, "x > bool 1": {host("a")}}}, text: reasonHolds,
		},
		"the condition holds for another host": {
			source: judging{answers: map[string][]series{"x > 1": {host("b")}, "x > bool 1": {host("a"), host("b")}}}, ended: true, text: "does not hold",
		},
		"its target does not answer":         {source: judging{targets: slices.Concat(target("a", false, true), target("b", true, false))}, text: reasonDown},
		"its target did not answer just now": {source: judging{targets: slices.Concat(target("a", true, true))}, text: reasonDown},
		"its target answers, without it":     {source: judging{targets: slices.Concat(target("a", true, false), target("b", false, true))}, ended: true, text: "not there any more"},
		"nothing tells of its target":        {source: judging{targets: slices.Concat(target("b", true, true))}, text: reasonGone},
		"nothing tells of its target for a while": {
			source: judging{targets: slices.Concat(target("b", true, true))}, unjudged: 5 * time.Minute, ended: true, text: "no data for 5m",
		},
		"nothing tells of its target, and before something else was wrong": {
			source: judging{targets: slices.Concat(target("b", true, true))}, unjudged: 4 * time.Minute, text: reasonGone,
		},
		"a job of which no target answers": {
			labels: []string{"job", "node"}, source: judging{targets: slices.Concat(target("a", false, true))}, unjudged: time.Hour, text: reasonDown,
		},
		"a sum of which a part has just gone": {
			labels: []string{"job", "node"},
			source: judging{answers: map[string][]series{"x > bool 1": {{"job": "node"}}}, targets: slices.Concat(target("a", true, true), target("b", true, false))},
			text:   reasonGap,
		},
		"a sum of which a part is gone for long": {
			labels: []string{"job", "node"},
			source: judging{answers: map[string][]series{"x > bool 1": {{"job": "node"}}}, targets: slices.Concat(target("a", false, true), target("b", true, false))},
			ended:  true, text: "does not hold",
		},
		"targets that are counted have come back": {
			labels: []string{"job", "node"}, query: "up == 0",
			source: judging{answers: map[string][]series{"up == bool 0": {{"job": "node"}}}, targets: slices.Concat(target("a", true, true))},
			ended:  true, text: "does not hold",
		},
		"the server has just started": {source: judging{started: at.Add(-time.Minute), targets: slices.Concat(target("a", true, false))}, text: reasonNoData},
		"the server has just started, and there is a value": {
			source: judging{started: at.Add(-time.Minute), answers: map[string][]series{"x > bool 1": {host("a")}}}, ended: true, text: "does not hold",
		},
		"the server has just started, and what it records looks back": {
			query: "recorded > 1", source: judging{started: at.Add(-4 * time.Minute), answers: map[string][]series{"recorded > bool 1": {host("a")}}},
			text: reasonStarted + "5m0s",
		},
		"the server has run for as long": {
			query: "recorded > 1", source: judging{started: at.Add(-5 * time.Minute), answers: map[string][]series{"recorded > bool 1": {host("a")}}},
			ended: true, text: "does not hold",
		},
		"this process was asleep": {
			query: "recorded > 1", woken: at.Add(-time.Minute), source: judging{started: at.Add(-time.Hour), answers: map[string][]series{"recorded > bool 1": {host("a")}}},
			text: reasonStarted + "5m0s",
		},
		"nobody knows when the server was started": {
			query:  "recorded > 1",
			source: judging{started: at.Add(-time.Hour), answers: map[string][]series{"recorded > bool 1": {host("a")}}, silent: away},
			text:   reasonStarted,
		},
		"what it goes by cannot be asked":           {source: judging{fails: fmt.Errorf("%w: 502", metrics.ErrUnavailable)}, text: reasonNoAnswer},
		"what it goes by cannot be asked like this": {source: judging{fails: errors.New("duplicate series")}, ended: true, text: "does not hold"},
		"what it goes by is too much to ask":        {source: judging{fails: metrics.ErrTooMuch}, ended: true, text: "does not hold"},
		"an expression of another dialect":          {query: "foreign", ended: true, text: "does not hold"},
		"labels that the rule gives count not":      {labels: []string{"job", "node", "instance", "a", "team", "ours"}, source: judging{answers: map[string][]series{"x > bool 1": {{"job": "node", "instance": "a", "team": "theirs"}}}}, ended: true, text: "does not hold"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			labels := tc.labels
			if labels == nil {
				labels = []string{"job", "node", "instance", "a"}
			}
			rule := evaluated("cpu", query(cmp.Or(tc.query, "x > 1")))
			rule.Labels["team"] = "ours"
			open := stored(polled("cpu", append(labels, "region", "eu")...), alert.Active)
			open.Rule = of(rule)
			open.Rule.External = series{"region": "eu"}
			if tc.unjudged > 0 {
				open.Unjudged = &alert.Unjudged{Since: longAgo.Add(-time.Hour), Reason: reasonGone, ReasonSince: longAgo.Add(-tc.unjudged)}
			}
			e := evidence{
				source: &tc.source, inputsOf: inputsOfTest, woken: tc.woken, now: longAgo,
				state:   metrics.AlertState{Rules: []metrics.EvaluatedRule{rule}, Recorded: map[string][]string{"recorded": {"rate(y[5m])"}}},
				stalled: func(*metrics.EvaluatedRule) bool { return false },
			}
			got := e.verdict(t.Context(), &open)
			if got.Ended != tc.ended || !strings.Contains(got.Text, tc.text) {
				t.Errorf("it is %+v, want ended %v, %q", got, tc.ended, tc.text)
			}
			again := len(tc.source.asked)
			if e.verdict(t.Context(), &open); len(tc.source.asked) != again {
				t.Errorf("to judge it again it asks %v", tc.source.asked[again:])
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
