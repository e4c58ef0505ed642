package bridge

import (
	"context"
	"fmt"
	"log/slog"
	"maps"
	"math"
	"net/url"
	"slices"
	"sync/atomic"
	"time"

	"llmwatch/bridge/alert"
	"llmwatch/bridge/metrics"
)

// AlertSource says which alerts fire. *metrics.Client does.
type AlertSource interface {
	Alerts(ctx context.Context) (metrics.AlertState, error)
	ExternalLabels(ctx context.Context) (map[string]string, error)
}

// Observer takes in what a source says. *alert.Manager does.
type Observer interface {
	Observe(ctx context.Context, s alert.Snapshot) error
}

// Poller keeps the alerts what the metrics server says they are. Level decides,
// not edge: whatever was missed is made up for by the next poll, and a poll that
// fails changes nothing.
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
	Every  time.Duration
	Logger *slog.Logger

	kick chan struct{}
	away bool // The last poll failed; only Run's goroutine uses it.
	last *atomic.Int64
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
	p.kick, p.last = make(chan struct{}, 1), &atomic.Int64{}

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
		}
	}
}

func (p *Poller) poll(ctx context.Context) error {
	state, err := p.Source.Alerts(ctx)
	if err != nil {
		return err
	}
	external, err := p.Source.ExternalLabels(ctx)
	if err != nil {
		return err
	}
	open, err := p.Store.Load(ctx, time.Now())
	if err != nil {
		return fmt.Errorf("reading the alerts: %w", err)
	}

	s := snapshot(state, func(a metrics.FiringAlert) alert.Seen { return p.seen(a, external) }, open)
	s.Origin = p.Origin

	return p.Observer.Observe(ctx, s)
}

// snapshot is complete: what is missing in it has ended. So it also holds, of
// the alerts that are open, those whose condition holds again although their
// rule's duration has not passed (a server that was restarted begins it anew),
// and those whose rule was not evaluated yet. Of these only what a poll has seen
// before: what others pushed under a rule's name must not become the server's own.
func snapshot(state metrics.AlertState, see func(metrics.FiringAlert) alert.Seen, open []alert.Alert) alert.Snapshot {
	s := alert.Snapshot{Complete: true}
	seen := map[string]bool{}
	add := func(a metrics.FiringAlert) {
		one := see(a)
		seen[alert.Fingerprint(one.Labels)] = true
		s.Alerts = append(s.Alerts, one)
	}
	for _, a := range state.Firing {
		add(a)
	}
	unresolved := map[string]bool{}
	for i := range open {
		if open[i].Status != alert.Resolved {
			unresolved[open[i].Fingerprint] = true
		}
	}
	for _, a := range state.Pending {
		if key := alert.Fingerprint(see(a).Labels); unresolved[key] && !seen[key] {
			add(a)
		}
	}
	for i := range open {
		a := &open[i]
		if a.Polled && unresolved[a.Fingerprint] && !seen[a.Fingerprint] && slices.Contains(state.Unknown, a.Name) {
			s.Alerts = append(s.Alerts, alert.Seen{
				Labels: a.Labels, Annotations: a.Annotations, Value: a.Value, GeneratorURL: a.GeneratorURL, StartsAt: a.StartsAt,
			})
		}
	}

	return s
}

func (p *Poller) seen(a metrics.FiringAlert, external map[string]string) alert.Seen {
	seen := alert.Seen{
		Labels:      maps.Clone(a.Labels),
		Annotations: a.Annotations,
		StartsAt:    a.Since,
		For:         a.Fired.Sub(a.Since),
	}
	if p.QueryURL != "" && a.Query != "" {
		seen.GeneratorURL = p.QueryURL + url.QueryEscape(a.Query)
	}
	// The server adds its external labels to what it pushes and not to what it
	// answers; the same alert must have the same labels both ways.
	for name, value := range external {
		if _, has := seen.Labels[name]; !has {
			seen.Labels[name] = value
		}
	}
	if !math.IsNaN(a.Value) && !math.IsInf(a.Value, 0) {
		seen.Value = &a.Value
	}

	return seen
}
