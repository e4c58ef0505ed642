package auth

import (
	"context"
	"log/slog"
	"sync"
	"time"
)

const (
	// gatherFor is how long reads are gathered before they are written: so much
	// of them a crash can lose.
	gatherFor = 5 * time.Second
	// maxGathered bounds how many different ones are gathered. More are written
	// at once.
	maxGathered = 5000
	// maxStrangers bounds how many different ones come from callers without
	// credentials at once, and strangersEvery is how often one more may; the rest is
	// counted together. Otherwise whoever reaches the port could fill the disk.
	maxStrangers   = 200
	strangersEvery = 2 * time.Second
	// maxTargets and targetsEvery bound what one caller reads in the same manner: the
	// rest is counted by route.
	maxTargets   = 1000
	targetsEvery = 10 * time.Second
	// forgetEvery is how often old entries are let go of.
	forgetEvery = time.Hour
)

// others stands for what is counted together.
const others = "others"

// Auditor writes the audit trail and tells the log. Create it with NewAuditor.
type Auditor struct {
	store  *Store
	logger *slog.Logger
	keep   time.Duration

	mu       sync.Mutex
	gathered map[Entry]*Entry // By what equal ones have in common.
	order    []*Entry
	failure  error

	strangers, targets *throttle
}

// NewAuditor returns an auditor that keeps entries for so long. Run has to be
// called for gathered ones to be written.
func NewAuditor(store *Store, logger *slog.Logger, keep time.Duration) *Auditor {
	return &Auditor{
		store: store, logger: logger.With("logger", "audit"), keep: keep, gathered: map[Entry]*Entry{},
		strangers: newThrottle(maxStrangers, strangersEvery, time.Now), targets: newThrottle(maxTargets, targetsEvery, time.Now),
	}
}

// Record writes an entry now: it is on disk when Record returns. Errors are
// reported and remembered, and do not undo what was done.
func (a *Auditor) Record(ctx context.Context, e Entry) {
	a.write(context.WithoutCancel(ctx), []*Entry{&e})
}

// Gather writes an entry within a few seconds, together with equal ones.
func (a *Auditor) Gather(ctx context.Context, e Entry) {
	key := e
	key.At, key.RequestID = Time{}, ""
	a.mu.Lock()
	one, known := a.gathered[key]
	switch {
	case known:
	case e.Kind == "" && a.strangers.spend("") > 0:
		key = Entry{Actor: e.Actor, Outcome: e.Outcome, Action: others}
		e.Action, e.Target, e.From, e.Status, e.RequestID = key.Action, "", "", 0, ""
		one, known = a.gathered[key]
	case e.Kind != "" && e.Target != "" && a.targets.spend(string(e.Kind)+" "+e.Actor) > 0:
		key.Target, e.Target, e.RequestID = others, others, ""
		one, known = a.gathered[key]
	}
	if known {
		one.Times = max(one.Times, 1) + 1
		one.Until = e.At
	} else {
		a.gathered[key] = &e
		a.order = append(a.order, &e)
	}
	full := len(a.order) >= maxGathered
	a.mu.Unlock()
	if full {
		a.Flush(ctx)
	}
}

// Flush writes what is gathered.
func (a *Auditor) Flush(ctx context.Context) {
	a.mu.Lock()
	entries := a.order
	a.order = nil
	clear(a.gathered)
	a.mu.Unlock()
	if len(entries) > 0 {
		a.write(context.WithoutCancel(ctx), entries)
	}
}

func (a *Auditor) write(ctx context.Context, entries []*Entry) {
	values := make([]Entry, len(entries))
	for i, e := range entries {
		values[i] = *e
	}
	links, err := a.store.Append(ctx, values...)
	a.mu.Lock()
	first := err != nil && a.failure == nil
	a.failure = err
	a.mu.Unlock()
	if first {
		a.logger.ErrorContext(ctx, "the audit trail cannot be written", "err", err)
	}
	for i := range values {
		e := &values[i]
		attrs := []slog.Attr{
			slog.String("actor", e.Actor), slog.String("kind", string(e.Kind)), slog.String("role", string(e.Role)),
			slog.String("action", e.Action), slog.String("target", e.Target), slog.String("outcome", string(e.Outcome)),
			slog.Int("status_code", e.Status), slog.String("from", e.From), slog.String("request_id", e.RequestID),
			slog.Int("times", max(e.Times, 1)), slog.Time("at", e.At.Time),
		}
		if err == nil {
			attrs = append(attrs, slog.String("link", links[i].String()))
		}
		a.logger.LogAttrs(ctx, slog.LevelInfo, "audit", attrs...)
	}
}

// Failure is why the trail could not be written last time, or nil.
func (a *Auditor) Failure() error {
	a.mu.Lock()
	defer a.mu.Unlock()

	return a.failure
}

// Run writes what is gathered, and lets go of what is old, until the context
// ends; then it writes the rest.
func (a *Auditor) Run(ctx context.Context) {
	flush, forget := time.NewTicker(gatherFor), time.NewTicker(forgetEvery)
	defer flush.Stop()
	defer forget.Stop()
	for {
		select {
		case <-ctx.Done():
			a.Flush(ctx)
			return
		case <-flush.C:
			a.Flush(ctx)
		case <-forget.C:
			if err := a.store.Forget(ctx, time.Now().Add(-a.keep)); err != nil && ctx.Err() == nil {
				a.logger.WarnContext(ctx, "old audit entries stay", "err", err)
			}
		}
	}
}
