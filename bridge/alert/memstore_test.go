package alert

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"
	"time"
)

// memStore is a Store in memory: as much of the contract as Manager needs,
// without a database, so that it works in a synctest bubble.
type memStore struct {
	mu     sync.Mutex
	alerts map[string]Alert
	order  []string
	events []Event
	outbox []memPending
	states map[string]ChannelState
	// beforeCommit, if set, runs before each Commit, outside mu.
	beforeCommit func()
	// fail, if set, is what each call returns.
	fail error
}

type memPending struct {
	Pending
	state   DeliveryState
	nextTry time.Time
	since   time.Time
}

func newMemStore() *memStore {
	return &memStore{alerts: map[string]Alert{}, states: map[string]ChannelState{}}
}

func (s *memStore) Load(_ context.Context, now time.Time) ([]Alert, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	var found []Alert
	for _, id := range s.order {
		if a := s.alerts[id]; a.Status != Resolved || a.CooldownEnd().After(now) {
			found = append(found, a)
		}
	}

	return found, s.fail
}

func (s *memStore) LastNumber(_ context.Context, base string) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	n := 0
	for _, a := range s.alerts {
		if IDBase(a.Name, a.FiredAt) == base {
			n = max(n, a.Number())
		}
	}

	return n, s.fail
}

func (s *memStore) Commit(_ context.Context, c Changes) error {
	if s.beforeCommit != nil {
		s.beforeCommit()
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.fail != nil {
		return s.fail
	}
	for _, t := range c.Transitions {
		if s.alerts[t.Alert.ID].Version != t.Alert.Version {
			return fmt.Errorf("alert %s: %w", t.Alert.ID, ErrConflict)
		}
	}
	for _, t := range c.Transitions {
		if t.Alert.Version == 0 {
			s.order = append(s.order, t.Alert.ID)
		}
		t.Alert.Version++
		s.alerts[t.Alert.ID] = t.Alert
		s.events = append(s.events, t.Events...)
	}
	s.events = append(s.events, c.Events...)
	for _, n := range c.Notifications {
		for i := range s.outbox {
			if p := &s.outbox[i]; p.Notification.Channel == n.Channel && p.Notification.Subject() == n.Subject() && p.nextTry.After(n.OwedAt) {
				p.nextTry = n.OwedAt
			}
			if p := &s.outbox[i]; n.Urgent() && p.Notification.Channel == n.Channel && p.nextTry.After(n.OwedAt.Add(UrgentRetry)) {
				p.nextTry = n.OwedAt.Add(UrgentRetry)
			}
		}
		s.outbox = append(s.outbox, memPending{Pending: Pending{Notification: n}, state: Unsettled, nextTry: n.OwedAt, since: n.OwedAt})
	}
	for _, o := range c.Outcomes {
		s.settle(o)
	}
	maps.Copy(s.states, c.Channels)

	return nil
}

func (s *memStore) find(key string) *memPending {
	i := slices.IndexFunc(s.outbox, func(p memPending) bool { return p.Notification.Key == key })
	if i < 0 {
		return nil
	}

	return &s.outbox[i]
}

func (s *memStore) settle(o Outcome) {
	p := s.find(o.Key)
	p.state, p.nextTry = o.State, o.NextTry
	if o.State == Unsettled {
		p.Attempts++
		p.Notification.Progress = o.Progress
		if o.Overtaken {
			p.Attempts = max(p.Attempts, OvertakenAfter)
		}
	}
	if o.Recovered {
		for i := range s.outbox {
			s.outbox[i].nextTry = o.At
		}
	}
	if next := s.find(o.Successor); next != nil {
		next.Attempts = max(next.Attempts, p.Attempts)
		next.Notification.Progress.Untold = next.Notification.Progress.Untold || o.Progress.Untold
		if p.since.Before(next.since) {
			next.since = p.since
		}
	}
}

func (s *memStore) Successor(_ context.Context, n Notification) (string, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	after := false
	for _, p := range s.outbox {
		if after && p.state == Unsettled && p.Notification.Channel == n.Channel &&
			(len(p.Notification.AlertIDs) > 1) == (len(n.AlertIDs) > 1) && p.Notification.Subject() == n.Subject() {
			return p.Notification.Key, s.fail
		}
		after = after || p.Notification.Key == n.Key
	}

	return "", s.fail
}

func (s *memStore) UrgentWaits(_ context.Context, channel string) (bool, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	waits := slices.ContainsFunc(s.outbox, func(p memPending) bool {
		return p.state == Unsettled && p.Notification.Channel == channel && p.Notification.Urgent()
	})

	return waits, s.fail
}

func (s *memStore) ChannelStates(context.Context) (map[string]ChannelState, error) {
	s.mu.Lock()
	defer s.mu.Unlock()

	return maps.Clone(s.states), s.fail
}

func (s *memStore) Waiting(_ context.Context, then time.Time, limit int) ([]Pending, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	var waiting []Pending
	for _, p := range s.outbox {
		if p.state == Unsettled && p.since.Before(then) && len(waiting) < limit {
			waiting = append(waiting, p.Pending)
		}
	}

	return waiting, s.fail
}

func (s *memStore) Alerts(_ context.Context, ids []string) ([]Alert, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	var found []Alert
	for _, id := range ids {
		if a, ok := s.alerts[id]; ok {
			found = append(found, a)
		}
	}

	return found, s.fail
}

func (s *memStore) Timeline(_ context.Context, id string) ([]Event, error) {
	s.mu.Lock()
	defer s.mu.Unlock()

	return slices.DeleteFunc(slices.Clone(s.events), func(e Event) bool { return e.AlertID != id }), s.fail
}

func (s *memStore) List(context.Context, Filter) (Page, error) {
	s.mu.Lock()
	defer s.mu.Unlock()

	return Page{Alerts: slices.Collect(maps.Values(s.alerts))}, s.fail
}

func (s *memStore) Count(context.Context) ([]Count, error) { return nil, s.fail }

func (s *memStore) Sent(_ context.Context, since time.Time) (History, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	sent := map[string]time.Time{}
	for _, p := range s.outbox {
		if n := p.Notification; n.TellsFiring() && n.OwedAt.After(since) {
			sent[strings.TrimSuffix(n.Key, n.Channel)] = n.OwedAt
		}
	}

	return slices.Collect(maps.Values(sent)), s.fail
}

func (s *memStore) NextDue(_ context.Context, channel string, now time.Time) (*Pending, time.Time, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if p, _ := s.firstDue(channel, now, true); p != nil {
		return p, time.Time{}, s.fail
	}
	p, wake := s.firstDue(channel, now, false)

	return p, wake, s.fail
}

func (s *memStore) firstDue(channel string, now time.Time, urgent bool) (*Pending, time.Time) {
	var wake time.Time
	blocked := map[string]bool{}
	for i := range s.outbox {
		p := &s.outbox[i]
		if p.state != Unsettled || p.Notification.Channel != channel || blocked[p.Notification.Subject()] {
			continue
		}
		blocked[p.Notification.Subject()] = true
		if urgent && !p.Notification.Urgent() {
			continue
		}
		if !p.nextTry.After(now) {
			pending := p.Pending

			return &pending, time.Time{}
		}
		if wake.IsZero() || p.nextTry.Before(wake) {
			wake = p.nextTry
		}
		if p.Attempts < OvertakenAfter {
			break
		}
	}

	return nil, wake
}

func (s *memStore) Overdue(_ context.Context, then time.Time, limit int) ([]Pending, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	var overdue []Pending
	for _, p := range s.outbox {
		if p.state == Unsettled && p.Notification.OwedAt.Before(then) && len(overdue) < limit {
			overdue = append(overdue, p.Pending)
		}
	}

	return overdue, s.fail
}

func (s *memStore) Backlog(context.Context) (map[string]int, error) { return nil, s.fail }

func (s *memStore) LastOutcomes(context.Context) (map[string]ChannelState, error) {
	s.mu.Lock()
	defer s.mu.Unlock()

	return LastOutcomes(s.events), s.fail
}

func (s *memStore) Prune(_ context.Context, then time.Time) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	before := len(s.order)
	s.order = slices.DeleteFunc(s.order, func(id string) bool {
		a := s.alerts[id]
		old := a.Status == Resolved && a.ResolvedAt.Before(then)
		if old {
			delete(s.alerts, id)
		}

		return old
	})

	return before - len(s.order), s.fail
}
