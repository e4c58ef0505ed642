package alert

import (
	"context"
	"errors"
	"time"
)

const (
	// giveUpAfter is how long a notification is tried.
	giveUpAfter = 24 * time.Hour
	firstRetry  = time.Second
	lastRetry   = 5 * time.Minute
	// attemptTimeout bounds one attempt; stopTimeout what remains of it when
	// the program is asked to stop.
	attemptTimeout = 30 * time.Second
	stopTimeout    = 3 * time.Second
	// storeRetry is how long a worker waits after the store failed.
	storeRetry = 5 * time.Second
	// giveUpBatch bounds the notifications given up in one transaction.
	giveUpBatch = 100
)

// worker delivers on one channel until it is stopped; done is closed when it has
// ended.
type worker struct {
	stop context.CancelFunc
	done chan struct{}
}

// runWorkers keeps one worker for each channel until ctx ends. It is done when
// all of them have ended.
func (m *Manager) runWorkers(ctx context.Context) {
	workers := map[string]worker{}
	for {
		rerouted := m.rerouted.wait()
		notifiers := m.route().Notifiers
		for channel := range notifiers {
			if _, works := workers[channel]; !works {
				workers[channel] = m.startWorker(ctx, channel)
			}
		}
		for channel, w := range workers {
			if notifiers[channel] == nil {
				// Waiting keeps a channel that soon comes back from having two
				// workers, and its notifications from being sent twice.
				w.stop()
				<-w.done
				delete(workers, channel)
			}
		}
		select {
		case <-rerouted:
		case <-ctx.Done():
			for _, w := range workers {
				w.stop()
				<-w.done
			}

			return
		}
	}
}

func (m *Manager) startWorker(ctx context.Context, channel string) worker {
	ctx, stop := context.WithCancel(ctx)
	w := worker{stop: stop, done: make(chan struct{})}
	go func() {
		defer close(w.done)
		m.work(ctx, channel)
	}()

	return w
}

// work delivers what is due on one channel, one after the other.
func (m *Manager) work(ctx context.Context, channel string) {
	for ctx.Err() == nil {
		committed := m.committed.wait()
		next, err := m.deliverNext(ctx, channel)
		if err != nil && ctx.Err() == nil {
			m.conf.Logger.ErrorContext(ctx, "the outbox could not be read", "channel", channel, "error", err)
			next = pause{until: time.Now().Add(storeRetry), strict: true}
		}
		if next.strict {
			committed = nil
		}
		next.sleep(ctx, committed)
	}
}

// pause is what a worker waits for: a time, in the past for none and zero for
// ever, and new notifications unless it is strict.
type pause struct {
	until  time.Time
	strict bool
}

func (p pause) sleep(ctx context.Context, committed <-chan struct{}) {
	var timeout <-chan time.Time
	if !p.until.IsZero() {
		wait := time.Until(p.until)
		if wait <= 0 {
			return
		}
		timer := time.NewTimer(wait)
		defer timer.Stop()
		timeout = timer.C
	}
	select {
	case <-ctx.Done():
	case <-timeout:
	case <-committed:
	}
}

// deliverNext delivers the next notification of a channel, if one is due, and
// returns when to look again.
func (m *Manager) deliverNext(ctx context.Context, channel string) (pause, error) {
	now := time.Now()
	p, wake, err := m.conf.Store.NextDue(ctx, channel, now)
	if err != nil || p == nil {
		return pause{until: wake}, err
	}
	notifier := m.route().Notifiers[channel]
	if notifier == nil {
		return pause{}, nil // The channel has just been removed, and so will be its worker.
	}
	result, err := m.attempt(ctx, notifier, p.Notification)
	outcome := judge(p, result, err, stamp(time.Now()))
	m.channels.tried(channel, outcome)
	m.record(ctx, p.Notification, outcome)
	m.tellOutcome(p.Notification, outcome)
	if outcome.State == Unsettled && result.RetryAfter > 0 {
		return pause{until: outcome.NextTry, strict: true}, nil
	}

	return pause{until: now}, nil
}

func (m *Manager) tellOutcome(n Notification, o Outcome) {
	if m.conf.Settled != nil {
		m.conf.Settled(n.Channel, n.Kind, o.State)
	}
}

// attempt calls the notifier. An end of ctx leaves it stopTimeout.
func (m *Manager) attempt(ctx context.Context, notifier Notifier, n Notification) (Result, error) {
	attemptCtx, cancel := context.WithTimeout(context.WithoutCancel(ctx), attemptTimeout)
	defer cancel()
	defer context.AfterFunc(ctx, func() {
		hurry := time.AfterFunc(stopTimeout, cancel)
		context.AfterFunc(attemptCtx, func() { hurry.Stop() })
	})()
	var extra Extra
	if m.conf.Extra != nil {
		extra = m.conf.Extra(attemptCtx, n)
	}

	return notifier.Notify(attemptCtx, n, extra)
}

// judge turns an attempt into its outcome.
func judge(p *Pending, r Result, err error, at time.Time) Outcome {
	o := Outcome{Key: p.Notification.Key, At: at, Text: r.Text}
	if err != nil {
		o.Text = err.Error()
	}
	switch {
	case err == nil:
		o.State = Delivered
		o.Recovered = p.Attempts > 0
	case !r.Retry && !errors.Is(err, context.Canceled) && !errors.Is(err, context.DeadlineExceeded):
		o.State = Refused
	default:
		o.State = Unsettled
		o.NextTry = at.Add(max(backoff(p.Attempts), min(r.RetryAfter, giveUpAfter)))
	}

	return o
}

// backoff is how long to wait after so many failures and one more.
func backoff(failures int) time.Duration {
	if failures >= 9 {
		return lastRetry
	}

	return min(firstRetry<<failures, lastRetry)
}

// record settles a notification. What cannot be stored now is stored later: to
// go on would be to send it again. It is tried once even when ctx has ended.
func (m *Manager) record(ctx context.Context, n Notification, o Outcome) {
	for {
		err := m.settle(context.WithoutCancel(ctx), n, o)
		if err == nil || errors.Is(err, ErrSettled) {
			return
		}
		m.conf.Logger.ErrorContext(ctx, "what became of a notification could not be stored", "key", n.Key, "error", err)
		if ctx.Err() != nil {
			return
		}
		pause{until: time.Now().Add(storeRetry)}.sleep(ctx, nil)
	}
}

// settle stores an outcome, what it makes of the alerts, and its events.
func (m *Manager) settle(ctx context.Context, n Notification, o Outcome) error {
	return m.change(ctx, func(time.Time) (Changes, error) {
		c := Changes{Outcomes: []Outcome{o}, Events: outcomeEvents(n, o)}
		if o.State != Delivered || !(n.TellsFiring() || n.tellsEnd()) {
			return c, nil
		}
		alerts, err := m.conf.Store.Alerts(ctx, n.AlertIDs)
		for _, a := range alerts {
			step, ok := deliverEnd(a, n.OwedAt, o.At)
			if n.TellsFiring() {
				step, ok = deliver(a, o.At)
			}
			if ok {
				c.Transitions = append(c.Transitions, step)
			}
		}

		return c, err
	})
}

// outcomeEvents tell an outcome in the timelines of the alerts. Failures of a
// digest, of which there may be hundreds in a day, are told only in those that
// it shows in full.
func outcomeEvents(n Notification, o Outcome) []Event {
	e := Event{At: o.At, Channel: n.Channel, Text: o.Text}
	ids := n.AlertIDs
	switch o.State {
	case Delivered:
		e.Kind = EventDelivered
	case Refused:
		e.Kind = EventRefused
	case Expired:
		e.Kind = EventExpired
	default:
		e.Kind = EventAttempt
		ids = ids[:len(n.Alerts)]
	}
	if e.Text = string(n.Kind); o.Text != "" {
		e.Text += ": " + o.Text
	}
	events := make([]Event, len(ids))
	for i, id := range ids {
		e.AlertID = id
		events[i] = e
	}

	return events
}

// giveUp settles the notifications that were tried for too long, those to
// channels that are no more included.
func (m *Manager) giveUp(ctx context.Context) error {
	for {
		var overdue []Pending
		var outcomes []Outcome
		err := m.change(ctx, func(now time.Time) (c Changes, err error) {
			if overdue, err = m.conf.Store.Overdue(ctx, now.Add(-giveUpAfter), giveUpBatch); err != nil {
				return c, err
			}
			for _, p := range overdue {
				o := Outcome{Key: p.Notification.Key, State: Expired, At: now, Text: "not delivered within " + giveUpAfter.String()}
				c.Outcomes = append(c.Outcomes, o)
				c.Events = append(c.Events, outcomeEvents(p.Notification, o)...)
			}
			outcomes = c.Outcomes

			return c, nil
		})
		if err != nil || len(overdue) == 0 {
			return err
		}
		for i, p := range overdue {
			m.tellOutcome(p.Notification, outcomes[i])
		}
	}
}
