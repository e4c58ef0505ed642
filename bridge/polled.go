package bridge

import (
	"context"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"llmwatch/bridge/alert"
	"llmwatch/bridge/metrics"
)

// Polled is what is known of the server whose rules are polled. *Poller knows it.
type Polled interface {
	// Uncovered returns the pushed alerts that the server's rules do not give
	// themselves. It may have the server asked first.
	Uncovered(ctx context.Context, pushed []alert.Seen) []alert.Seen
	// Evaluates reports whether the server said, when it was last asked, that the
	// alert fires.
	Evaluates(a *alert.Alert) bool
	// ChangeRules has rules changed while no poll is looked at. What a poll found
	// that began before is forgotten.
	ChangeRules(change func() error) error
}

const (
	// pushPatience is how long a push waits for a poll that tells whether it is
	// about an alert of the polled server.
	pushPatience = 2 * time.Second
	// pushRest is the shortest time between two polls for the sake of pushes.
	pushRest = time.Second
	// staleAfter is how long what the server said counts as what it says.
	staleAfter = 5 * time.Minute
)

// pollState is what others than its own goroutine use of a Poller.
type pollState struct {
	soon    chan struct{} // As kick, but not more often than each pushRest.
	changes atomic.Int64  // Counts changes of rules, when they begin and when they end.
	looking sync.Mutex    // Held while a poll is observed, or a rule changes.

	mu    sync.Mutex
	known *polledAlerts // Of the last poll that succeeded; nil before.
	begun time.Time     // When the last poll began that has ended.
	ended chan struct{} // Closed when the next poll ends.
}

func newPollState() *pollState {
	return &pollState{soon: make(chan struct{}, 1), ended: make(chan struct{})}
}

// polledAlerts is what a poll found.
type polledAlerts struct {
	rules  map[string]bool         // The names of the rules.
	alerts map[string][]alert.Seen // Firing and pending ones by name.
	firing map[string]bool         // By identity.
}

func (p *Poller) newPolled(state metrics.AlertState, names *naming) *polledAlerts {
	known := &polledAlerts{map[string]bool{}, map[string][]alert.Seen{}, map[string]bool{}}
	for i := range state.Rules {
		known.rules[state.Rules[i].Name] = true
	}
	for i, list := range [][]metrics.FiringAlert{state.Firing, state.Pending} {
		for _, a := range list {
			seen := p.seen(a, names)
			known.rules[a.Name] = true
			known.alerts[a.Name] = append(known.alerts[a.Name], seen)
			if i == 0 {
				known.firing[ruleIdentity(seen.Labels)] = true
			}
		}
	}

	return known
}

// covers reports whether the polled server gives a pushed alert itself.
func (k *polledAlerts) covers(push *alert.Seen) bool {
	alerts := k.alerts[push.Labels["alertname"]]

	return slices.ContainsFunc(alerts, func(s alert.Seen) bool { return s.Covers(push) })
}

// observe hands on what a poll found, unless rules have changed since it began:
// then it may still tell of those that are gone.
func (p *Poller) observe(ctx context.Context, changes int64, s alert.Snapshot, known *polledAlerts) error {
	p.looking.Lock()
	defer p.looking.Unlock()
	if p.changes.Load() != changes {
		p.Kick()

		return nil
	}
	if err := p.Observer.Observe(ctx, s); err != nil {
		return err
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.known = known

	return nil
}

// done notes that the poll that began then has ended.
func (p *pollState) done(begun time.Time) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.begun = begun
	close(p.ended)
	p.ended = make(chan struct{})
}

// rest waits until pushRest has passed since then, or something has changed.
func (p *Poller) rest(ctx context.Context, since time.Time) {
	timer := time.NewTimer(time.Until(since.Add(pushRest)))
	defer timer.Stop()
	select {
	case <-ctx.Done():
	case <-timer.C:
	case <-p.kick:
	}
}

func (p *pollState) lastKnown() *polledAlerts {
	p.mu.Lock()
	defer p.mu.Unlock()

	return p.known
}

// ask has a poll come soon.
func (p *pollState) ask() {
	select {
	case p.soon <- struct{}{}:
	default:
	}
}

// await waits for a poll that begins from now on.
func (p *pollState) await(ctx context.Context) {
	ctx, cancel := context.WithTimeout(ctx, pushPatience)
	defer cancel()
	now := time.Now()
	p.ask()
	for {
		p.mu.Lock()
		begun, ended := p.begun, p.ended
		p.mu.Unlock()
		if !begun.Before(now) {
			return
		}
		select {
		case <-ctx.Done():
			return
		case <-ended:
		}
	}
}

// Uncovered implements Polled. A push that tells of a rule of the server makes the
// next poll come sooner, and is a pushed alert only if that poll does not give it.
func (p *Poller) Uncovered(ctx context.Context, pushed []alert.Seen) []alert.Seen {
	now := time.Now()
	known := p.lastKnown()
	ofRule := func(s alert.Seen) bool { return known == nil || known.rules[s.Labels["alertname"]] }
	if !slices.ContainsFunc(pushed, ofRule) {
		return pushed
	}
	unclear := func(s alert.Seen) bool {
		return ofRule(s) && !hasEnded(&s, now) && (known == nil || !known.covers(&s))
	}
	if slices.ContainsFunc(pushed, unclear) {
		p.await(ctx)
		known = p.lastKnown()
	} else {
		p.ask()
	}
	if known == nil {
		return pushed
	}

	return slices.DeleteFunc(slices.Clone(pushed), func(s alert.Seen) bool { return !hasEnded(&s, now) && known.covers(&s) })
}

// hasEnded reports whether a push says that the alert has ended. It may then end
// what was pushed before, whatever the polled server says.
func hasEnded(s *alert.Seen, now time.Time) bool { return !s.EndsAt.IsZero() && !s.EndsAt.After(now) }

// Evaluates implements Polled.
func (p *Poller) Evaluates(a *alert.Alert) bool {
	known := p.lastKnown()
	fresh := time.Since(p.LastSuccess()) < max(staleAfter, 3*p.Every)

	return known != nil && fresh && a.Origin.Kind == alert.FromRule && known.firing[a.Identity()]
}

// ChangeRules implements Polled.
func (p *Poller) ChangeRules(change func() error) error {
	p.looking.Lock()
	defer p.looking.Unlock()
	p.changes.Add(1)
	defer p.Kick()
	defer p.changes.Add(1)

	return change()
}
