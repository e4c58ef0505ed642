package alert

import (
	"sync"
	"time"
)

const (
	// clockSet is by how much the clock and the time that passed may differ.
	clockSet = time.Minute
	// settling is how long nothing is given up after a start or after the clock
	// was set: long enough for an attempt.
	settling = 10 * time.Minute
)

// uptime knows for how long the clock has told how much time passed. What it is
// told as passed counts from a start, by a clock that nobody can set.
type uptime struct {
	mu    sync.Mutex // Guards the fields below.
	clock time.Time
	last  time.Duration
	since time.Duration
}

// look is called now and then, with what the clock says. It says whether the clock
// was set since the last time.
func (u *uptime) look(clock time.Time, passed time.Duration) (set bool) {
	u.mu.Lock()
	defer u.mu.Unlock()
	drift := clock.Round(0).Sub(u.clock) - (passed - u.last)
	set = !u.clock.IsZero() && drift.Abs() > clockSet
	if u.clock.IsZero() || set {
		u.since = passed
	}
	u.clock, u.last = clock.Round(0), passed

	return set
}

// settled says whether that has been so for long enough to give something up.
func (u *uptime) settled(passed time.Duration) bool {
	u.mu.Lock()
	defer u.mu.Unlock()

	return !u.clock.IsZero() && passed-u.since >= settling
}
