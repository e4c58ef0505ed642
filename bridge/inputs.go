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

// Inputs is what an expression needs to be judged: Expr yields a series wherever it
// can be, whether or not its condition holds; Window is how far back it looks, and
// Metrics names what it reads.
type Inputs struct {
	Expr    string
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
	running := e.running(ctx, at)
	in, err := e.inputs(rule.Query)
	if err != nil { // A dialect of another server.
		return e.byTargets(ctx, a, at)
	}
	if wait := min(e.window(rule.Query, maxRecorded), maxSettle); running < wait {
		return unjudged(fmt.Sprint(reasonStarted, wait)), nil
	}
	holds, err := e.yields(ctx, rule.Query, at)
	if err != nil {
		return alert.Verdict{}, err
	}
	if holds.match(a, rule, true) {
		return unjudged(reasonHolds), nil
	}
	judgeable, err := e.yields(ctx, in.Expr, at)
	switch {
	case errors.Is(err, metrics.ErrTooMuch):
		return e.byTargets(ctx, a, at)
	case err != nil:
		return alert.Verdict{}, err
	case !judgeable.match(a, rule, false):
		return e.withoutData(ctx, a, at, running)
	// Of a sum over many targets a part may be missing. Rules about the targets
	// themselves know of it.
	case a.Labels["instance"] == "" && a.Labels["job"] != "" && !slices.Contains(in.Metrics, "up"):
		targets, err := e.watched(ctx, a, at)
		if err != nil || !targets.changed {
			return ended(reasonOver), err
		}

		return unjudged(reasonGap), nil
	default:
		return ended(reasonOver), nil
	}
}

// byTargets judges an alert whose rule was evaluated, where nothing else can be
// asked.
func (e *evidence) byTargets(ctx context.Context, a *alert.Alert, at time.Time) (alert.Verdict, error) {
	targets, err := e.watched(ctx, a, at)
	switch {
	case err != nil:
		return alert.Verdict{}, err
	case targets.failed && a.Labels["job"]+a.Labels["instance"] != "":
		return unjudged(reasonDown), nil
	default:
		return ended(reasonOver), nil
	}
}

// withoutData judges an alert whose rule has nothing to go by.
func (e *evidence) withoutData(ctx context.Context, a *alert.Alert, at time.Time, running time.Duration) (alert.Verdict, error) {
	targets, err := e.watched(ctx, a, at)
	switch {
	case err != nil:
		return alert.Verdict{}, err
	case running < lookback:
		return unjudged(reasonNoData), nil
	case targets.failed:
		return unjudged(reasonDown), nil
	case targets.answered:
		return ended("what it watched is not there any more"), nil
	case a.Unjudged != nil && e.now.Sub(a.Unjudged.Since) >= lookback:
		return ended("its rule has had no data for " + lookback.String()), nil
	default:
		return unjudged(reasonGone), nil
	}
}

// watched is how the targets do that an alert may be about.
type watched struct {
	answered bool // One has answered all the scrapes of the last minutes.
	failed   bool // One has not.
	changed  bool // One has answered some of them.
}

func (e *evidence) watched(ctx context.Context, a *alert.Alert, at time.Time) (watched, error) {
	targets, err := e.targetsAt(ctx, at)
	var w watched
	for i := range targets {
		if t := &targets[i]; watches(a, t) {
			w.answered = w.answered || !t.Failed
			w.failed = w.failed || t.Failed
			w.changed = w.changed || t.Failed && t.Answered
		}
	}

	return w, err
}

// watches reports whether an alert may be about a target: it has no other job and
// no other instance.
func watches(a *alert.Alert, t *metrics.Target) bool {
	for _, name := range []string{"job", "instance"} {
		if value := a.Labels[name]; value != "" && value != t.Labels[name] {
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

func (e *evidence) targetsAt(ctx context.Context, at time.Time) ([]metrics.Target, error) {
	if known, ok := e.targets[at]; ok {
		return known, nil
	}
	targets, err := e.source.Targets(ctx, at)
	if err != nil {
		return nil, err
	}
	if e.targets == nil {
		e.targets = map[time.Time][]metrics.Target{}
	}
	e.targets[at] = targets

	return targets, nil
}

// yieldsAt is an expression at a moment.
type yieldsAt struct {
	expr string
	at   time.Time
}

func (e *evidence) yields(ctx context.Context, expr string, at time.Time) (*results, error) {
	q := yieldsAt{expr, at}
	if known, ok := e.results[q]; ok {
		return known, known.err
	}
	series, err := e.source.Yields(ctx, expr, at)
	if e.results == nil {
		e.results = map[yieldsAt]*results{}
	}
	e.results[q] = newResults(series, err)

	return e.results[q], err
}
