package logintake

import (
	"context"
	"net/http"
	"net/netip"
	"slices"
	"sync"
	"time"
)

// room is what bodies under way share: places, or bytes. One address has at most half of
// it, and while others wait, a body whose client is slow is given up: a slow client holds
// nothing that others need.
type room struct {
	size int64

	mu      sync.Mutex // Guards the fields below.
	used    int64
	of      map[netip.Addr]int64
	waiting []*claim
	holders map[*sentBody]int64
}

// claim is what somebody waits for.
type claim struct {
	body    *sentBody
	n       int64
	granted chan struct{} // Closed when it is given.
}

func newRoom(size int64) *room {
	return &room{size: size, of: map[netip.Addr]int64{}, holders: map[*sentBody]int64{}}
}

var errNoRoom = &refusal{http.StatusTooManyRequests, "too_many_requests", "too many log requests are under way; send this one again"}

// take waits for so much room, which free gives back with all that the body has.
func (r *room) take(ctx context.Context, body *sentBody, n int64) error {
	c := &claim{body, n, make(chan struct{})}
	r.mu.Lock()
	r.waiting = append(r.waiting, c)
	r.grant()
	r.mu.Unlock()
	select {
	case <-c.granted:
		return nil
	default:
	}
	timer, look := time.NewTimer(maxWait), time.NewTicker(lookForSlow)
	defer timer.Stop()
	defer look.Stop()
	for {
		select {
		case <-c.granted:
			return nil
		case <-look.C:
			r.cutSlow()
			continue
		case <-timer.C:
		case <-ctx.Done():
		}

		return r.withdraw(c)
	}
}

// withdraw gives a claim up, unless it was granted meanwhile.
func (r *room) withdraw(c *claim) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	i := slices.Index(r.waiting, c)
	if i < 0 {
		return nil
	}
	r.waiting = slices.Delete(r.waiting, i, i+1)
	r.grant() // Whoever stands behind it may need less.

	return errNoRoom
}

// free gives back all that a body has.
func (r *room) free(body *sentBody) {
	r.mu.Lock()
	defer r.mu.Unlock()
	n := r.holders[body]
	delete(r.holders, body)
	r.used -= n
	if r.of[body.address] -= n; r.of[body.address] <= 0 {
		delete(r.of, body.address)
	}
	r.grant()
}

// grant gives what there is to those who wait: first to the address that has least, and
// of one address in the order in which it asked. The lock is held.
func (r *room) grant() {
	for {
		next := -1
		for i, c := range r.waiting {
			has := r.of[c.body.address]
			fits := r.used+c.n <= r.size && has+c.n <= max(r.size/2, 1)
			if fits && (next < 0 || has < r.of[r.waiting[next].body.address]) {
				next = i
			}
		}
		if next < 0 {
			return
		}
		c := r.waiting[next]
		r.waiting = slices.Delete(r.waiting, next, next+1)
		r.used += c.n
		r.of[c.body.address] += c.n
		r.holders[c.body] += c.n
		close(c.granted)
	}
}

// cutSlow gives up on the bodies that hold room and whose clients are slow.
func (r *room) cutSlow() {
	r.mu.Lock()
	defer r.mu.Unlock()
	for body := range r.holders {
		body.cutIfSlow()
	}
}

// addressAt is who is at the other end. An IPv6 host has a whole /64 to itself.
func addressAt(remote string) netip.Addr {
	peer, err := netip.ParseAddrPort(remote)
	if err != nil {
		return netip.Addr{}
	}
	address := peer.Addr().Unmap().WithZone("")
	if prefix, err := address.Prefix(64); err == nil && address.Is6() {
		return prefix.Addr()
	}

	return address
}
