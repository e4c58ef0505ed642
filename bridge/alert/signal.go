package alert

import "sync"

// signal wakes all who wait for it. Create it with newSignal.
type signal struct {
	mu sync.Mutex
	c  chan struct{} // Guarded by mu; closed and replaced when raised.
}

func newSignal() *signal { return &signal{c: make(chan struct{})} }

// wait returns what is closed when the signal is next raised. Who takes it
// before looking at the state misses nothing.
func (s *signal) wait() <-chan struct{} {
	s.mu.Lock()
	defer s.mu.Unlock()

	return s.c
}

func (s *signal) raise() {
	s.mu.Lock()
	defer s.mu.Unlock()
	close(s.c)
	s.c = make(chan struct{})
}
