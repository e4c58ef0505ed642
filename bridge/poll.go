package bridge

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math"
	"net/url"
	"sync/atomic"
	"time"

	"llmwatch/bridge/alert"
	"llmwatch/bridge/metrics"
)

// AlertSource says which alerts fire. *metrics.Client does.
type AlertSource interface {
	Alerts(ctx context.Context) (metrics.AlertState, error)
	ExternalLabels(ctx context.Context) (map[string]string, error)
	// Started is when the server was started; the error wraps metrics.ErrNotTold
	// where it does not tell.
	Started(ctx context.Context) (time.Time, error)
	// Yields returns the labels of what an expression yields at a moment.
	Yields(ctx context.Context, expr string, at time.Time) ([]map[string]string, error)
}

// Observer takes in what a source says. *alert.Manager does.
type Observer interface {
	Observe(ctx context.Context, s alert.Snapshot) error
}

// Poller keeps the alerts what the metrics server says they are. Level decides,
// not edge: whatever was missed is made up for by the next poll, and a poll that
// fails changes nothing. What is missing in an answer ends only with evidence.
type Poller struct {
	Source   AlertSource
	Observer Observer
	Store    alert.Store
	// Origin is the server that is polled, as the alerts of its rules have it.
	Origin alert.Origin
	// QueryURL leads to an expression in the metrics server once the expression
	// is appended, escaped.
	QueryURL string
	// Every is the time between two polls.
	Every time.Duration
	// Inputs tells what an expression needs to be judged. Where it fails, what the
	// server says of the rule has to do.
	Inputs func(expr string) (Inputs, error)
	// MissingAfter is how long a rule may be missing in the server's answers until
	// its alerts end; 0 for ever. The rules of the embedded engine are never missing.
	MissingAfter time.Duration
	Logger       *slog.Logger

	kick   chan struct{}
	last   *atomic.Int64
	outage *outage
	*pollState

	// Only Run's goroutine uses these.
	away     bool // The last poll failed.
	external map[string]string
	progress progress
	lastSeen map[string]time.Time // By the alert's identity.
	polled   time.Time            // When the last poll began, by the wall clock.
	woken    time.Time            // When this process was last found to have been asleep.
}

// LastSuccess is when the last poll that succeeded began, zero if none has.
func (p *Poller) LastSuccess() time.Time {
	if ns := p.last.Load(); ns != 0 {
		return time.Unix(0, ns)
	}

	return time.Time{}
}

// NewPoller returns a poller that does nothing until Run.
func NewPoller(p Poller) *Poller {
	p.kick, p.last, p.outage, p.pollState = make(chan struct{}, 1), &atomic.Int64{}, &outage{}, newPollState()

	return &p
}

// Kick has the next poll come at once: something has changed.
func (p *Poller) Kick() {
	select {
	case p.kick <- struct{}{}:
	default: // One is on its way already.
	}
}

// Run polls until the context ends.
func (p *Poller) Run(ctx context.Context) {
	tick := time.NewTicker(p.Every)
	defer tick.Stop()
	for {
		begin := time.Now()
		err := p.poll(ctx)
		if err == nil {
			p.last.Store(begin.UnixNano())
		}
		p.noteOutcome(ctx, begin, err)
		p.done(begin)
		switch {
		case ctx.Err() != nil:
			return
		case err != nil && !p.away:
			p.Logger.WarnContext(ctx, "the state of the alerts cannot be fetched; they stay as they are", "err", err)
		case err == nil && p.away:
			p.Logger.InfoContext(ctx, "the state of the alerts is fetched again")
		}
		p.away = err != nil
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		case <-p.kick:
		case <-p.soon:
			p.rest(ctx, begin)
		}
	}
}

func (p *Poller) poll(ctx context.Context) error {
	changes := p.changes.Load()
	state, err := p.Source.Alerts(ctx)
	if err != nil {
		return err
	}
	p.readExternal(ctx)
	open, err := p.Store.Load(ctx, time.Now())
	if err != nil {
		return fmt.Errorf("reading the alerts: %w", err)
	}
	if err := p.endUnreadable(ctx, open); err != nil {
		return err
	}
	names := newNaming(p.external, open)
	s := snapshot(state, func(a metrics.FiringAlert) alert.Seen { return p.seen(a, names) }, open)
	s.Origin = p.Origin
	s.Missing = p.judge(ctx, state, &s, open)

	return p.observe(ctx, changes, s, p.newPolled(state, names))
}

// embedded reports whether the server is the engine inside llmwatch.
func (p *Poller) embedded() bool { return p.Origin.Source == alert.SourceEmbedded }

// noteSleep notes that the engine was asleep with this process: what its rules look
// back on has a gap then, as after a start. Clocks stop while a machine is suspended,
// all but the wall's.
func (p *Poller) noteSleep(now time.Time) {
	now = now.Round(0)
	if p.embedded() && !p.polled.IsZero() && now.Sub(p.polled) > 3*p.Every+time.Minute {
		p.woken = now
	}
	p.polled = now
}

// readExternal reads the labels that the server adds. While it does not tell them,
// those that it told last count: an alert without them would be another one.
func (p *Poller) readExternal(ctx context.Context) {
	external, err := p.Source.ExternalLabels(ctx)
	if err == nil {
		p.external = external
	} else if !errors.Is(err, metrics.ErrNotTold) && ctx.Err() == nil {
		p.Logger.DebugContext(ctx, "the external labels of the metrics server cannot be read; the known ones count", "err", err)
	}
}

// judge gathers the evidence on the open alerts that the snapshot does not hold.
func (p *Poller) judge(ctx context.Context, state metrics.AlertState, s *alert.Snapshot, open []alert.Alert) func(*alert.Alert) alert.Verdict {
	now := time.Now()
	p.progress.note(state.Rules, now)
	p.noteSleep(now)
	e := &evidence{
		source: p.Source, inputsOf: p.Inputs, woken: p.woken,
		state: state, now: now, complete: p.embedded(), missingAfter: p.MissingAfter,
		lastSeen: p.lastSeen, stalled: func(r *metrics.EvaluatedRule) bool { return p.progress.stalled(r, now) },
	}
	held := map[string]bool{}
	for i := range s.Alerts {
		held[ruleIdentity(s.Alerts[i].Labels)] = true
	}
	verdicts := map[string]alert.Verdict{}
	lastSeen := map[string]time.Time{}
	for i := range open {
		a := &open[i]
		id := a.Identity()
		switch {
		case a.Status == alert.Resolved || a.Origin.Kind != alert.FromRule:
		case held[id]:
			lastSeen[id] = e.evaluated(a)
		default:
			lastSeen[id] = p.lastSeen[id]
			verdicts[id] = e.verdict(ctx, a)
		}
	}
	p.lastSeen = lastSeen

	return func(a *alert.Alert) alert.Verdict { return verdicts[a.Identity()] }
}

// ruleIdentity is the identity of a rule's alert with these labels.
func ruleIdentity(labels map[string]string) string {
	return alert.Origin{Kind: alert.FromRule}.Identity(labels)
}

// snapshot holds what fires and, of the alerts that are open, those whose condition
// holds again although their rule's duration has not passed: a server that was
// restarted begins it anew.
func snapshot(state metrics.AlertState, see func(metrics.FiringAlert) alert.Seen, open []alert.Alert) alert.Snapshot {
	s := alert.Snapshot{Complete: true}
	seen := map[string]bool{}
	add := func(a metrics.FiringAlert) {
		one := see(a)
		seen[ruleIdentity(one.Labels)] = true
		s.Alerts = append(s.Alerts, one)
	}
	for _, a := range state.Firing {
		add(a)
	}
	unresolved := map[string]bool{}
	for i := range open {
		if open[i].Status != alert.Resolved && open[i].Origin.Kind == alert.FromRule {
			unresolved[open[i].Identity()] = true
		}
	}
	for _, a := range state.Pending {
		if key := ruleIdentity(see(a).Labels); unresolved[key] && !seen[key] {
			add(a)
		}
	}

	return s
}

func (p *Poller) seen(a metrics.FiringAlert, names *naming) alert.Seen {
	labels, external := names.of(a.Labels)
	seen := alert.Seen{
		Labels:      labels,
		Annotations: a.Annotations,
		StartsAt:    a.Since,
		For:         a.Fired.Sub(a.Since),
	}
	if p.QueryURL != "" && a.Query != "" {
		seen.GeneratorURL = p.QueryURL + url.QueryEscape(a.Query)
	}
	if a.Rule != nil {
		seen.Evaluated = a.Rule.LastEvaluation
		seen.Rule = &alert.RuleRef{
			File: a.Rule.File, Group: a.Rule.Group, Name: a.Rule.Name, Query: a.Rule.Query, Labels: a.Rule.Labels, External: external,
		}
	}
	if !math.IsNaN(a.Value) && !math.IsInf(a.Value, 0) {
		seen.Value = &a.Value
	}

	return seen
}
