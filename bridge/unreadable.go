package bridge

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"llmwatch/bridge/alert"
	"llmwatch/bridge/metrics"
)

const (
	// unreadableAlert is the alert that says that alerts cannot be read. No rule can
	// give it: its alert could not be read either.
	unreadableAlert = "alerts_unreadable"
	// unreadableAfter is how long polls fail until people are told: longer than a
	// server's restart.
	unreadableAfter = 5 * time.Minute
	// unreadableEnd is when the alert ends by itself, in case nobody polls any more.
	unreadableEnd = 24 * time.Hour
)

// outage is since when, and why, no poll succeeds.
type outage struct {
	mu     sync.Mutex
	since  time.Time // Zero while polls succeed.
	reason string
	told   bool
}

// Failure says that the alerts cannot be read, and why: nil while they can, and for
// two intervals after they last could.
func (p *Poller) Failure() error {
	p.outage.mu.Lock()
	defer p.outage.mu.Unlock()
	o := p.outage
	if o.since.IsZero() || !p.LastSuccess().IsZero() && time.Since(p.LastSuccess()) <= 2*p.Every {
		return nil
	}

	return fmt.Errorf("alerts cannot be read since %s: %s", o.since.UTC().Format(time.RFC3339), o.reason)
}

// noteOutcome notes how a poll that began then has ended, and tells people of an
// outage that lasts.
func (p *Poller) noteOutcome(ctx context.Context, begin time.Time, err error) {
	if ctx.Err() != nil {
		return
	}
	p.outage.mu.Lock()
	if err == nil {
		p.outage.since, p.outage.told = time.Time{}, false
		p.outage.mu.Unlock()

		return
	}
	if p.outage.since.IsZero() {
		p.outage.since = begin
	}
	p.outage.reason = reasonOf(err)
	since, reason, told := p.outage.since, p.outage.reason, p.outage.told
	p.outage.mu.Unlock()
	if told || time.Since(since) < unreadableAfter {
		return
	}
	seen := p.unreadable()
	seen.StartsAt, seen.EndsAt = since, time.Now().Add(unreadableEnd)
	seen.Annotations = map[string]string{
		"summary": "Alerts cannot be read",
		"description": fmt.Sprintf("The alerts of %s cannot be read since %s: %s. Those that are known stay as they are; new ones are not told.",
			p.server(), since.UTC().Format(time.RFC3339), reason),
	}
	if err := p.Observer.Observe(ctx, alert.Snapshot{Origin: p.ownOrigin(), Alerts: []alert.Seen{seen}}); err != nil {
		p.Logger.ErrorContext(ctx, "nobody can be told that alerts cannot be read", "err", err)

		return
	}
	p.outage.mu.Lock()
	defer p.outage.mu.Unlock()
	p.outage.told = true
}

// endUnreadable ends the alert of an outage, of an earlier process too.
func (p *Poller) endUnreadable(ctx context.Context, open []alert.Alert) error {
	for i := range open {
		if a := &open[i]; a.Name != unreadableAlert || a.Origin != p.ownOrigin() || a.Status == alert.Resolved {
			continue
		}
		seen := p.unreadable()
		seen.EndsAt = time.Now()

		return p.Observer.Observe(ctx, alert.Snapshot{Origin: p.ownOrigin(), Alerts: []alert.Seen{seen}})
	}

	return nil
}

func (p *Poller) unreadable() alert.Seen {
	return alert.Seen{Labels: map[string]string{"alertname": unreadableAlert, "severity": string(alert.Critical), "source": p.server()}}
}

func (p *Poller) ownOrigin() alert.Origin {
	return alert.Origin{Kind: alert.FromPush, Source: alert.SourceSelf}
}

// server names the server that is polled.
func (p *Poller) server() string {
	if p.embedded() || p.Origin.Source == "" {
		return "the embedded engine"
	}

	return p.Origin.Source
}

// reasonOf is why a poll failed, in words that hold no address: everybody may read
// them. The log has the error.
func reasonOf(err error) string {
	switch {
	case errors.Is(err, metrics.ErrSlow):
		return "the metrics server takes too long to answer (prometheus.timeout)"
	case errors.Is(err, metrics.ErrUnavailable):
		return "the metrics server does not answer, or not as Prometheus does; the log has the error"
	default:
		return "the log has the error"
	}
}
