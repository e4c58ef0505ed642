package bridge

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"llmwatch/bridge/alert"
	"llmwatch/bridge/metrics"
)

// Inputs is what an expression needs to be judged: Condition is the expression
// itself, Expr yields a series wherever it can be judged, whether or not its
// condition holds; Window is how far back it looks, and
// Metrics names what it reads.
type Inputs struct {
	Condition, Expr string

	Window  time.Duration
	Metrics []string
}

const (
	// lookback is how long a series without new samples has a value.
	lookback = 5 * time.Minute
	// maxSettle bounds how long an alert waits after a start for what its rule looks
	// back on to lie after it.
	maxSettle = time.Hour
	// maxRecorded bounds how many recording rules may read one another.
	maxRecorded = 8
)

// byInputs judges an alert by what its rule had at its last evaluation. An error
// says that the server did not answer.
func (e *evidence) byInputs(ctx context.Context, a *alert.Alert, rule *metrics.EvaluatedRule) (alert.Verdict, error) {
	at := rule.LastEvaluation
	in, err := e.inputs(rule.Query)
	if err != nil { // A dialect of another server: what it says of the rule has to do.
		return ended(reasonOver), nil
	}
	running := e.running(ctx, at)
	if wait := min(e.window(rule.Query, maxRecorded), maxSettle); running < wait {
		return unjudged(fmt.Sprint(reasonStarted, wait)), nil
	}
	f, err := e.factsOf(ctx, in, at)
	switch {
	case ctx.Err() != nil || errors.Is(err, metrics.ErrUnavailable):
		return alert.Verdict{}, err
	case err != nil: // It cannot be asked this way, or needs too much.
		return ended(reasonOver), nil
	case f.holds.match(a, rule, true):
		return unjudged(reasonHolds), nil
	case !f.data.match(a, rule, false):
		return e.withoutData(a, f, running), nil
	// Of a sum over many targets a part may be missing. Rules about the targets
	// themselves know of it.
	case a.Labels["instance"] == "" && a.Labels["job"] != "" && f.changed(a) && !slices.Contains(in.Metrics, "up"):
		return unjudged(reasonGap), nil
	default:
		return ended(reasonOver), nil
	}
}

// withoutData judges an alert whose rule has nothing to go by.
func (e *evidence) withoutData(a *alert.Alert, f *facts, running time.Duration) alert.Verdict {
	switch {
	case running < lookback:
		return unjudged(reasonNoData)
	case slices.ContainsFunc(f.failed, func(t target) bool { return watches(a, t) }):
		return unjudged(reasonDown)
	case slices.ContainsFunc(f.answered, func(t target) bool { return watches(a, t) }):
		return ended("what it watched is not there any more")
	case a.Unjudged != nil && a.Unjudged.Reason == reasonGone && e.now.Sub(a.Unjudged.ReasonSince) >= lookback:
		return alert.Verdict{Ended: true, Kind: alert.EndedStale, Text: "its rule has had no data for " + lookback.String()}
	default:
		return unjudged(reasonGone)
	}
}

// watches reports whether an alert may be about a target: it has no other job and
// no other instance.
func watches(a *alert.Alert, t target) bool {
	for _, name := range []string{"job", "instance"} {
		if value := a.Labels[name]; value != "" && value != t[name] {
			return false
		}
	}

	return true
}

// running is how long the server had been running at a moment; where it does not
// tell, for long.
func (e *evidence) running(ctx context.Context, at time.Time) time.Duration {
	if e.start == nil {
		start, err := e.source.Started(ctx)
		if err != nil && !errors.Is(err, metrics.ErrNotTold) {
			start = e.now // It may have been started just now.
		}
		e.start = &start
	}
	start := *e.start
	if e.woken.After(start) {
		start = e.woken
	}

	return at.Sub(start)
}

func (e *evidence) inputs(expr string) (Inputs, error) {
	if e.inputsOf == nil {
		return Inputs{}, errors.ErrUnsupported
	}

	return e.inputsOf(expr)
}

// window is how far an expression looks back, through the recording rules that it
// reads.
func (e *evidence) window(expr string, depth int) time.Duration {
	in, err := e.inputs(expr)
	if err != nil || depth == 0 {
		return 0
	}
	var deepest time.Duration
	for _, metric := range in.Metrics {
		for _, recorded := range e.state.Recorded[metric] {
			deepest = max(deepest, e.window(recorded, depth-1))
		}
	}

	return in.Window + deepest
}

// yieldsAt is an expression at a moment.
type yieldsAt struct {
	expr string
	at   time.Time
}

// factsOf asks what there is to judge a rule by.
func (e *evidence) factsOf(ctx context.Context, in Inputs, at time.Time) (*facts, error) {
	asked := yieldsAt{factsExpr(in), at}
	if known, ok := e.facts[asked]; ok {
		return known, known.err
	}
	series, err := e.source.Yields(ctx, asked.expr, at)
	if e.facts == nil {
		e.facts = map[yieldsAt]*facts{}
	}
	e.facts[asked] = newFacts(series, err)

	return e.facts[asked], err
}
