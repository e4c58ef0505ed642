package auth

import (
	"net/netip"
	"sync"
	"time"
)

// How many wrong attempts are taken at once, and how often one more.
const (
	attemptsOfAddress = 20
	attemptsOfUser    = 10
	addressEvery      = 3 * time.Second
	userEvery         = 10 * time.Second
)

// maxThrottled bounds the memory of a throttle. All who come when it is full
// share one entry, so that many addresses do not help.
const maxThrottled = 10_000

// throttle slows guessing down. Each key may spend so many attempts at once and
// gets them back one by one.
type throttle struct {
	burst int
	every time.Duration
	now   func() time.Time

	mu    sync.Mutex
	spent map[string]time.Time // When all of a key's attempts are back.
}

func newThrottle(burst int, every time.Duration, now func() time.Time) *throttle {
	return &throttle{burst: burst, every: every, now: now, spent: map[string]time.Time{}}
}

// spend takes one attempt before it is known whether it is wrong, so that many
// at once do not get around it. It returns how long to wait where there is none.
func (t *throttle) spend(key string) (wait time.Duration) {
	t.mu.Lock()
	defer t.mu.Unlock()

	now := t.now()
	key = t.place(key, now)
	back := later(t.spent[key], now).Add(t.every)
	if wait = back.Sub(now) - time.Duration(t.burst)*t.every; wait > 0 {
		return wait
	}
	t.spent[key] = back

	return 0
}

// untouched reports whether all of a key's attempts are there.
func (t *throttle) untouched(key string) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	now := t.now()

	return !t.spent[t.place(key, now)].After(now)
}

// refund gives an attempt back that was right.
func (t *throttle) refund(key string) {
	t.mu.Lock()
	defer t.mu.Unlock()

	now := t.now()
	key = t.place(key, now)
	if back := t.spent[key].Add(-t.every); back.After(now) {
		t.spent[key] = back
	} else {
		delete(t.spent, key)
	}
}

// place returns the key under which a key's attempts are.
func (t *throttle) place(key string, now time.Time) string {
	if _, known := t.spent[key]; known || len(t.spent) < maxThrottled {
		return key
	}
	for other, back := range t.spent {
		if !back.After(now) {
			delete(t.spent, other)
		}
	}
	if len(t.spent) < maxThrottled {
		return key
	}

	return ""
}

func later(a, b time.Time) time.Time {
	if a.After(b) {
		return a
	}

	return b
}

// network is an address as guesses are counted by: who has one IPv6 address
// commonly has 2⁶⁴.
func network(remote string) string {
	at, err := netip.ParseAddrPort(remote)
	if err != nil {
		return remote
	}
	address := at.Addr().Unmap().WithZone("")
	if address.Is4() {
		return address.String()
	}
	prefix, err := address.Prefix(64)
	if err != nil {
		return address.String()
	}

	return prefix.String()
}
