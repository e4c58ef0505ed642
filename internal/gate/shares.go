package gate

import (
	"net/netip"
	"sync"
)

// shares bounds what each address has of something at a time. It remembers only
// who has something, so it is as large as the connections that are open.
type shares struct {
	most int // 0 for no bound.

	mu  sync.Mutex // Guards the map.
	has map[netip.Addr]int
}

func newShares(most int) *shares { return &shares{most: most, has: map[netip.Addr]int{}} }

// take gives an address one more, if it may have it. It has to be given back.
func (s *shares) take(address netip.Addr) bool {
	if s.most <= 0 {
		return true
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.has[address] >= s.most {
		return false
	}
	s.has[address]++

	return true
}

// giveBack takes one from an address again.
func (s *shares) giveBack(address netip.Addr) {
	if s.most <= 0 {
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.has[address]--; s.has[address] <= 0 {
		delete(s.has, address)
	}
}
