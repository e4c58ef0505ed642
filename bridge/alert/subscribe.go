package alert

import "sync"

// subscriberBuffer is how many changes a subscriber may lag behind.
const subscriberBuffer = 256

// subscribers hands each change of an alert to everybody who wants to know.
type subscribers struct {
	mu   sync.Mutex
	next int
	all  map[int]chan *Alert // Guarded by mu.
}

// add returns the changes from now on, and what ends them.
func (s *subscribers) add() (changes <-chan *Alert, cancel func()) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.all == nil {
		s.all = map[int]chan *Alert{}
	}
	key := s.next
	s.next++
	c := make(chan *Alert, subscriberBuffer)
	s.all[key] = c

	return c, func() {
		s.mu.Lock()
		defer s.mu.Unlock()
		if _, subscribed := s.all[key]; subscribed {
			delete(s.all, key)
			close(c)
		}
	}
}

// publish never waits: who is too slow misses changes. All get the same alerts,
// which nobody may change.
func (s *subscribers) publish(ts []Transition) {
	s.mu.Lock()
	defer s.mu.Unlock()
	alerts := make([]*Alert, len(ts))
	for i := range ts {
		a := ts[i].Alert
		a.Version++
		alerts[i] = &a
	}
	for _, c := range s.all {
		for _, a := range alerts {
			select {
			case c <- a:
			default:
			}
		}
	}
}
