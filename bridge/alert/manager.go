package alert

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"slices"
	"sync"
	"time"
)

// Config is what a Manager works with. Store and Logger are required.
type Config struct {
	Store   Store
	Logger  *slog.Logger
	Options Options // LastNumber is ignored: Store knows.
	Routing Routing
	// TickEvery is how often time alone is looked at: pushed alerts that end,
	// reminders, digests. 0 means 15 s.
	TickEvery time.Duration
	// Retention is how long resolved alerts are kept, a day at least; 0 means for
	// ever.
	Retention time.Duration
	// Summary returns the documented metrics summary as it was at a moment, for
	// alerts that fired then. nil leaves it out. It has 5 s; where it fails, the
	// alerts go without.
	Summary func(ctx context.Context, at time.Time) (json.RawMessage, error)
	// Extra returns what a message shows beyond the alerts; nil for nothing. It
	// is asked again for each attempt.
	Extra func(ctx context.Context, n Notification) Extra
	// Settled is told what became of each attempt to deliver, and of each
	// notification that was given up, for metrics, by several goroutines; may be
	// nil.
	Settled func(channel string, kind Kind, state DeliveryState)
	// Installation tells this llmwatch from others in the keys of notifications.
	Installation string
}

// Routing says who is told of what. It may change while a Manager runs.
type Routing struct {
	Policy Policy
	// Notifiers are the channels by name. A notification to a channel that is
	// not there waits for it to come back, for at most a day.
	Notifiers map[string]Notifier
}

const (
	defaultTick = 15 * time.Second
	pruneEvery  = time.Hour
	// asleepAfter is how much later than it should the time is looked at until this
	// process counts as having been asleep.
	asleepAfter    = time.Minute
	summaryTimeout = 5 * time.Second
	// maxSummaries bounds the moments for which one snapshot asks a summary;
	// alerts that fired at further ones go without.
	maxSummaries = 5
	// maxConflicts bounds how often a change is tried again that somebody else
	// forestalled. Only other processes can: inside this one mu orders them.
	maxConflicts = 10
)

// Manager keeps alerts as Reconcile, Plan and people want them, and delivers
// what is owed. All methods may be called at once.
type Manager struct {
	conf Config
	subs subscribers
	// mu orders all changes from load to commit.
	mu sync.Mutex
	// severities is used with mu held.
	severities unknownSeverities
	// listening is since when pushes are received without a gap, tickedAt when time
	// was last looked at; mu guards both.
	listening, tickedAt time.Time
	// routeMu guards routing and is never held while anything else is done.
	routeMu sync.Mutex
	routing Routing

	rerouted  *signal // The routing changed.
	committed *signal // Notifications were put into the outbox.
	channels  channels
	uptime    uptime
	born      time.Time
}

// NewManager returns a Manager that does nothing by itself until Run.
func NewManager(conf Config) *Manager {
	if conf.TickEvery <= 0 {
		conf.TickEvery = defaultTick
	}
	conf.Logger = conf.Logger.With("component", "alerts")

	return &Manager{
		conf: conf, routing: conf.Routing, rerouted: newSignal(), committed: newSignal(),
		channels: newChannels(), born: time.Now(),
		severities: unknownSeverities{logger: conf.Logger, logged: map[string]bool{}},
	}
}

// Reroute changes who is told of what from now on. What is already owed goes
// where it was owed to.
func (m *Manager) Reroute(r Routing) {
	m.routeMu.Lock()
	m.routing = r
	m.routeMu.Unlock()
	// What was wrong with one may have been changed.
	m.channels.release(slices.Collect(maps.Keys(r.Notifiers))...)
	m.rerouted.raise()
}

func (m *Manager) route() Routing {
	m.routeMu.Lock()
	defer m.routeMu.Unlock()

	return m.routing
}

// Observe takes in what a source says now. A fetch that failed or was partial
// must never come here: what is missing in a complete snapshot has ended. Where
// there was no room for some pushed alerts, the error is a *TooManyError, and the
// others were taken in.
func (m *Manager) Observe(ctx context.Context, s Snapshot) error {
	summaries := map[time.Time]json.RawMessage{}
	for {
		var missing []time.Time
		var refused *TooManyError
		err := m.advance(ctx, func(previous []Alert, now time.Time) ([]Transition, error) {
			refused = nil // It may be a further try.
			steps, err := m.reconcile(ctx, previous, s, now, &refused)
			m.severities.log(ctx, steps)
			missing = m.summarize(steps, summaries)
			if err == nil && len(missing) > 0 {
				err = errSummaryMissing
			}

			return steps, err
		})
		switch {
		case err == nil && refused != nil:
			return refused
		case !errors.Is(err, errSummaryMissing):
			return err
		}
		m.fetchSummaries(ctx, missing, summaries) // Outside mu: it may take its time.
	}
}

// Tick looks at what time alone changes.
func (m *Manager) Tick(ctx context.Context) error {
	if m.uptime.look(time.Now(), time.Since(m.born)) {
		m.conf.Logger.WarnContext(ctx, "the clock was set; what waits to be delivered is tried at once")
		for channel := range m.route().Notifiers {
			m.channels.refresh(channel)
		}
		m.committed.raise()
	}

	return errors.Join(
		m.advance(ctx, func(previous []Alert, now time.Time) ([]Transition, error) {
			return Expire(previous, now, m.options(now)), nil
		}),
		m.giveUp(ctx),
	)
}

// Acknowledge notes that by takes care of the alert, for a time where lasts is
// not 0, and returns the alert. Where somebody already does, nothing changes.
// The error is ErrNotFound or ErrResolved where the alert is.
func (m *Manager) Acknowledge(ctx context.Context, id, by, comment string, lasts time.Duration) (Alert, error) {
	var result Alert
	err := m.change(ctx, func(now time.Time) (Changes, error) {
		found, err := m.conf.Store.Alerts(ctx, []string{id})
		switch {
		case err != nil:
			return Changes{}, err
		case len(found) == 0:
			return Changes{}, ErrNotFound
		case found[0].Status == Resolved:
			return Changes{}, ErrResolved
		}
		ack := Ack{By: by, Comment: comment, At: now}
		if lasts > 0 {
			ack.ExpiresAt = now.Add(lasts)
		}
		step, owed, ok := acknowledge(found[0], ack)
		if !ok {
			result = found[0]

			return Changes{}, nil
		}
		result = step.Alert
		result.Version++

		return Changes{Transitions: []Transition{step}, Notifications: owed}, nil
	})
	if err != nil {
		return Alert{}, fmt.Errorf("acknowledge alert %s: %w", id, err)
	}

	return result, nil
}

// Subscribe returns the alerts that change from now on, as they are then, until
// cancel is called. All subscribers share them, and must not change them. One that
// lags behind misses some.
func (m *Manager) Subscribe() (changes <-chan *Alert, cancel func()) { return m.subs.add() }

// Test sends a test notification to a channel at once, past the outbox, and
// returns what the receiver said. Where it was accepted, a pause of the channel
// ends. ErrNotFound where there is no such channel.
func (m *Manager) Test(ctx context.Context, channel string) (Result, error) {
	notifier := m.route().Notifiers[channel]
	if notifier == nil {
		return Result{}, fmt.Errorf("send a test notification to channel %q: %w", channel, ErrNotFound)
	}
	now := stamp(time.Now())
	n := Notification{Key: fmt.Sprintf("test/%d/%s", now.UnixMilli(), channel), Channel: channel, Kind: KindTest, OwedAt: now}
	result, err := m.attempt(ctx, notifier, n)
	if ctx.Err() != nil {
		return result, err // It says nothing about the channel that nobody waited.
	}
	before := m.channels.state(channel)
	after := before.tried(judge(&Pending{Notification: n}, result, err, stamp(time.Now()), 0, false), result)
	storeErr := m.change(ctx, func(now time.Time) (c Changes, _ error) {
		c.note(channel, before, after, m.route(), now)

		return c, nil
	})
	if storeErr != nil {
		m.conf.Logger.ErrorContext(ctx, "how it went on a channel could not be stored", "channel", channel, "error", storeErr)
	}
	m.noted(ctx, channel, before, after)
	if err == nil || result.Partial {
		m.channels.release(channel)
	}

	return result, err
}

// Run ticks and delivers until ctx ends. Attempts under way then may end within
// a few seconds.
func (m *Manager) Run(ctx context.Context) {
	var running sync.WaitGroup
	defer running.Wait()
	running.Go(func() {
		m.recall(ctx)
		m.runWorkers(ctx)
	})
	tick := time.NewTicker(m.conf.TickEvery)
	defer tick.Stop()
	var pruned time.Time
	for {
		if err := m.Tick(ctx); err != nil && ctx.Err() == nil {
			m.conf.Logger.ErrorContext(ctx, "alerts could not be brought up to date", "error", err)
		}
		if now := time.Now(); m.conf.Retention > 0 && now.Sub(pruned) >= pruneEvery {
			pruned = now
			if _, err := m.conf.Store.Prune(ctx, now.Add(-max(m.conf.Retention, giveUpAfter))); err != nil && ctx.Err() == nil {
				m.conf.Logger.ErrorContext(ctx, "old alerts could not be deleted", "error", err)
			}
		}
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
	}
}

// advance takes all alerts that matter one step further.
func (m *Manager) advance(ctx context.Context, step func(previous []Alert, now time.Time) ([]Transition, error)) error {
	return m.change(ctx, func(now time.Time) (Changes, error) {
		previous, err := m.conf.Store.Load(ctx, now)
		if err != nil {
			return Changes{}, err
		}
		steps, err := step(previous, now)
		if err != nil {
			return Changes{}, err
		}
		policy := m.route().Policy
		var sent History
		if policy.MaxPerHour > 0 {
			if sent, err = m.conf.Store.Sent(ctx, now.Add(-time.Hour)); err != nil {
				return Changes{}, err
			}
		}
		var c Changes
		c.Transitions, c.Notifications = advance(previous, steps, policy, sent, now)

		return c, nil
	})
}

// change commits what decide makes of the present state, and decides anew where
// somebody else was faster.
func (m *Manager) change(ctx context.Context, decide func(now time.Time) (Changes, error)) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	for attempt := 1; ; attempt++ {
		c, err := decide(stamp(time.Now()))
		if err != nil {
			return err
		}
		if c.empty() {
			return nil
		}
		err = m.conf.Store.Commit(ctx, c)
		if err == nil {
			m.subs.publish(c.Transitions)
			if len(c.Notifications) > 0 {
				m.channels.hurry(c.Notifications)
				m.committed.raise()
			}

			return nil
		}
		if !errors.Is(err, ErrConflict) || attempt == maxConflicts {
			return err
		}
	}
}

// options are those of the configuration, and since when pushes are received: since
// the start, or since this process was last found to have been asleep. Of all clocks
// only the wall's goes on then.
func (m *Manager) options(now time.Time) Options {
	if m.tickedAt.IsZero() || now.Sub(m.tickedAt) > m.conf.TickEvery+asleepAfter {
		m.listening = now
	}
	m.tickedAt = now
	o := m.conf.Options
	o.ListeningSince = m.listening

	return o
}

func (m *Manager) reconcile(ctx context.Context, previous []Alert, s Snapshot, now time.Time, refused **TooManyError) ([]Transition, error) {
	var failed error
	o := m.options(now)
	o.Refused = func(e *TooManyError) { *refused = e }
	o.LastNumber = func(base string) int {
		n, err := m.conf.Store.LastNumber(ctx, base)
		failed = errors.Join(failed, err)

		return n
	}
	steps := Reconcile(previous, s, now, o)

	return steps, failed
}

// errSummaryMissing ends a change that needs summaries first.
var errSummaryMissing = errors.New("the summary of a moment is not known yet")

// summarize gives new alerts the summary of the minute in which they fired, and
// returns the minutes that are not known yet.
func (m *Manager) summarize(steps []Transition, known map[time.Time]json.RawMessage) (missing []time.Time) {
	if m.conf.Summary == nil {
		return nil
	}
	wanted := map[time.Time]bool{}
	for i := range steps {
		a := &steps[i].Alert
		if a.Version > 0 {
			continue
		}
		minute := a.FiredAt.Truncate(time.Minute)
		summary, ok := known[minute]
		if a.Summary = summary; !ok && len(known)+len(wanted) < maxSummaries {
			wanted[minute] = true
		}
	}

	return slices.SortedFunc(maps.Keys(wanted), time.Time.Compare)
}

func (m *Manager) fetchSummaries(ctx context.Context, moments []time.Time, into map[time.Time]json.RawMessage) {
	ctx, cancel := context.WithTimeout(ctx, summaryTimeout)
	defer cancel()
	for _, at := range moments {
		summary, err := m.conf.Summary(ctx, at)
		if err != nil {
			m.conf.Logger.WarnContext(ctx, "an alert goes without the summary of its moment", "at", at, "error", err)
		}
		into[at] = summary
	}
}
