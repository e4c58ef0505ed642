package bridge

import (
	"context"
	"fmt"
	"maps"
	"strings"
	"time"

	"llmwatch/bridge/alert"
	"llmwatch/bridge/metrics"
)

// reasonOver is why an alert ends that was judged.
const reasonOver = "the condition does not hold any more"

// The reasons why an alert cannot be judged. A target and a server have no address
// here: everybody who sees alerts reads them.
const (
	reasonPartial     = "the metrics server's answer is partial: "
	reasonRuleMissing = "the metrics server's answer does not hold its rule"
	reasonRuleFails   = "its rule cannot be evaluated: "
	reasonNotYet      = "its rule has not been evaluated since the metrics server was started"
	reasonNotSince    = "its rule has not been evaluated since the alert was last seen"
	reasonStalled     = "its rule is not evaluated any more; the last time was "
	reasonNoAnswer    = "the metrics server does not answer what its rule goes by"
	reasonHolds       = "its condition holds, although the metrics server does not list it"
	reasonStarted     = "the metrics server has not run for as long as its rule looks back: "
	reasonNoData      = "its rule has no data since the metrics server was started"
	reasonDown        = "its rule has no data, and what it watches did not answer the last scrapes"
	reasonGap         = "a part of what its rule sums up did not answer the last scrapes"
	reasonGone        = "its rule has no data"
)

// evidence judges the alerts that a poll does not hold. That one is missing is no
// evidence: its rule has to be there and to have been evaluated, and to have had what
// it needs to be judged.
type evidence struct {
	source AlertSource
	state  metrics.AlertState
	now    time.Time
	// complete says that a rule that is not in the answer does not exist: the
	// server is the engine inside llmwatch, which answers for itself alone.
	complete bool
	// lastSeen is the evaluation that last showed an alert, by identity.
	lastSeen map[string]time.Time
	// stalled reports whether a rule is not evaluated any more.
	stalled func(*metrics.EvaluatedRule) bool
	// missingAfter is how long a rule may be missing until its alerts end; 0 for
	// ever.
	missingAfter time.Duration
	// inputsOf tells what an expression needs; it may be nil.
	inputsOf func(expr string) (Inputs, error)
	// woken is when this process, and the engine in it, was last found asleep.
	woken time.Time

	// What was asked already in this poll.
	start *time.Time
	facts map[yieldsAt]*facts
}

// verdict judges an alert.
func (e *evidence) verdict(ctx context.Context, a *alert.Alert) alert.Verdict {
	if len(e.state.Warnings) > 0 {
		return unjudged(reasonPartial + strings.Join(e.state.Warnings, "; "))
	}
	rules := e.rulesOf(a)
	if len(rules) == 0 {
		return e.ruleMissing(a)
	}
	var v alert.Verdict
	for _, rule := range rules {
		if v = e.byRule(ctx, a, rule); !v.Ended {
			break
		}
	}

	return v
}

// rulesOf returns the rules that can give the alert: those of its name and with the
// labels of the rule that gave it.
func (e *evidence) rulesOf(a *alert.Alert) []*metrics.EvaluatedRule {
	var rules []*metrics.EvaluatedRule
	for i := range e.state.Rules {
		rule := &e.state.Rules[i]
		if rule.Name == a.Name && (a.Rule == nil || maps.Equal(rule.Labels, a.Rule.Labels)) {
			rules = append(rules, rule)
		}
	}

	return rules
}

// evaluated is when the rules that give the alert were last evaluated.
func (e *evidence) evaluated(a *alert.Alert) time.Time {
	var last time.Time
	for _, rule := range e.rulesOf(a) {
		if rule.LastEvaluation.After(last) {
			last = rule.LastEvaluation
		}
	}

	return last
}

func (e *evidence) ruleMissing(a *alert.Alert) alert.Verdict {
	if e.complete {
		return alert.Verdict{Ended: true, Kind: alert.EndedRule, Text: "its rule does not exist any more"}
	}
	if u := a.Unjudged; e.missingAfter > 0 && u != nil && u.Reason == reasonRuleMissing && e.now.Sub(u.ReasonSince) >= e.missingAfter {
		return alert.Verdict{Ended: true, Kind: alert.EndedStale, Text: fmt.Sprintf("the metrics server has not listed its rule for %s", e.missingAfter)}
	}

	return unjudged(reasonRuleMissing)
}

func (e *evidence) byRule(ctx context.Context, a *alert.Alert, rule *metrics.EvaluatedRule) alert.Verdict {
	switch {
	case rule.Health == "err":
		return unjudged(reasonRuleFails + rule.LastError)
	case rule.LastEvaluation.IsZero():
		return unjudged(reasonNotYet)
	case !rule.LastEvaluation.After(e.lastSeen[a.Identity()]):
		return unjudged(reasonNotSince)
	case e.stalled(rule):
		return unjudged(reasonStalled + rule.LastEvaluation.UTC().Format(time.RFC3339))
	}
	v, err := e.byInputs(ctx, a, rule)
	if err != nil {
		return unjudged(reasonNoAnswer)
	}

	return v
}

func unjudged(reason string) alert.Verdict { return alert.Verdict{Text: reason} }

func ended(why string) alert.Verdict { return alert.Verdict{Ended: true, Text: why} }
