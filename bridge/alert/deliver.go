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
	// partialRetry is how long recipients that did not accept what others did
	// are left alone at first: greylisting takes minutes.
	partialRetry = 30 * time.Second
	// maxWait is the longest time between two attempts.
	maxWait = time.Hour
	// attemptTimeout bounds one attempt beyond the timeout of its channel, in case
	// that one fails to; stopTimeout what remains of an attempt when the program is
	// asked to stop.
	attemptTimeout = 6 * time.Minute
	stopTimeout    = 3 * time.Second
	extraTimeout   = 5 * time.Second
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
		committed, released := m.committed.wait(), m.channels.released.wait()
		next, err := m.deliverNext(ctx, channel)
		if err != nil && ctx.Err() == nil {
			m.conf.Logger.ErrorContext(ctx, "the outbox could not be read", "channel", channel, "error", err)
			next = pause{until: time.Now().Add(storeRetry), strict: true}
		}
		if next.strict {
			committed = released
		}
		next.sleep(ctx, committed)
	}
}

// pause is what a worker waits for: a time, in the past for none and zero for
// ever, and new notifications or, where it is strict, the end of its channel's
// pause.
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
	until, fresh := m.channels.pause(channel)
	if !until.IsZero() {
		return pause{until: until, strict: true}, nil
	}
	now := time.Now()
	due := now
	if fresh {
		due = now.Add(maxWait)
	}
	p, wake, err := m.conf.Store.NextDue(ctx, channel, due)
	if err != nil && fresh {
		m.channels.refresh(channel)
	}
	if err != nil || p == nil {
		return pause{until: wake}, err
	}
	notifier := m.route().Notifiers[channel]
	if notifier == nil {
		return pause{}, nil // The channel has just been removed, and so will be its worker.
	}
	if withdrawn, err := m.review(ctx, p); err != nil || withdrawn {
		if fresh {
			m.channels.refresh(channel)
		}

		return pause{until: now}, err
	}
	result, err := m.attempt(ctx, notifier, p.Notification)
	before := m.channels.state(channel)
	outcome := judge(p, result, err, stamp(time.Now()), before.Failures, m.urgent(ctx, p))
	after := before.tried(outcome, result)
	if ctx.Err() != nil && outcome.State != Delivered {
		after = before // It was we who ended it.
	}
	m.record(ctx, p.Notification, settlement{outcome, result, before, after})
	m.noted(ctx, channel, before, after)
	m.tellOutcome(p.Notification, outcome)

	return pause{until: now}, nil
}

// settlement is what an attempt leads to: what becomes of the notification, and
// the state of its channel before and after.
type settlement struct {
	Outcome
	result        Result
	before, after ChannelState
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
	if m.conf.Extra != nil && len(n.Alerts) > 0 && !n.Progress.Short {
		extraCtx, cancel := context.WithTimeout(attemptCtx, extraTimeout)
		extra = m.conf.Extra(extraCtx, n)
		cancel()
	}
	if n.Installation = m.conf.Installation; n.Installation != "" {
		n.Key = n.Installation + "/" + n.Key
	}

	return notifier.Notify(attemptCtx, n, extra)
}

// judge turns an attempt into its outcome. The channel has failed so many times
// before, since it last accepted something; urgent says that a critical alert waits
// there.
func judge(p *Pending, r Result, err error, at time.Time, failures int, urgent bool) Outcome {
	n := &p.Notification
	o := Outcome{Key: n.Key, At: at, Text: r.Text, State: Unsettled, Progress: n.Progress}
	if err != nil {
		o.Text = err.Error()
	}
	o.Progress.Done = union(n.Progress.Done, r.Done)
	ended := errors.Is(err, context.Canceled) || errors.Is(err, context.DeadlineExceeded)
	switch {
	case err == nil:
		o.State, o.Recovered = Delivered, p.Attempts > 0 || failures > 0
	case r.Partial:
		o.NextTry, o.Overtaken = at.Add(max(partialRetry, backoff(p.Attempts))), true
	case r.Login:
		o.NextTry = at.Add(loginRetries[min(failures, len(loginRetries)-1)])
	case r.Outage:
		o.NextTry = at.Add(max(partialRetry, shorten(backoff(failures), urgent)))
	case r.Retry || ended:
		o.NextTry = at.Add(max(shorten(backoff(p.Attempts), urgent), min(r.RetryAfter, lastRetry)))
	case n.Kind != KindTest && !n.Progress.Short:
		o.Progress.Short, o.NextTry = true, at
	default:
		o.State = Refused
	}

	return o
}

// loginRetries are the pauses after refused logins: no more than any mail server
// bears without locking the account.
var loginRetries = [...]time.Duration{5 * time.Minute, 15 * time.Minute, 30 * time.Minute, maxWait}

// shorten shortens a pause where a critical alert waits.
func shorten(pause time.Duration, urgent bool) time.Duration {
	if urgent {
		return min(pause, UrgentRetry)
	}

	return pause
}

// urgent says whether a critical alert waits on the channel of a notification.
func (m *Manager) urgent(ctx context.Context, p *Pending) bool {
	if p.Notification.Urgent() {
		return true
	}
	waits, err := m.conf.Store.UrgentWaits(context.WithoutCancel(ctx), p.Notification.Channel)

	return waits || err != nil
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
func (m *Manager) record(ctx context.Context, n Notification, s settlement) {
	for {
		err := m.settle(context.WithoutCancel(ctx), n, s)
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

// settle stores an outcome, what it makes of the alerts and the channel, and its
// events.
func (m *Manager) settle(ctx context.Context, n Notification, s settlement) error {
	return m.change(ctx, func(now time.Time) (Changes, error) {
		c := Changes{Outcomes: []Outcome{s.Outcome}, Events: outcomeEvents(n, s.Outcome)}
		c.note(n.Channel, s.before, s.after, m.route(), now)
		if accepted := s.State == Delivered || s.result.Partial; !accepted || (!n.TellsFiring() && !n.tellsEnd()) {
			return c, nil
		}
		alerts, err := m.conf.Store.Alerts(ctx, n.AlertIDs)
		for _, a := range alerts {
			step, ok := deliverEnd(a, n.OwedAt, s.At)
			if n.TellsFiring() {
				step, ok = deliver(a, s.At)
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
	case Withdrawn:
		e.Kind = EventWithdrawn
	default:
		e.Kind = EventAttempt
		ids = ids[:min(len(ids), len(n.Alerts))]
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
	if !m.uptime.settled(time.Since(m.born)) {
		return nil // They may not have been tried for long, whatever the clock says.
	}
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
			m.conf.Logger.ErrorContext(ctx, "a notification was given up", "channel", p.Notification.Channel, "kind", string(p.Notification.Kind),
				"about", p.Notification.Subject(), "alerts", max(len(p.Notification.AlertIDs), 1), "owed_at", p.Notification.OwedAt, "attempts", p.Attempts)
		}
	}
}
