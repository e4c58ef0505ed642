package gate

import (
	"net/http"
	"net/netip"
	"sync"
	"time"

	"golang.org/x/time/rate"
)

// maxClients bounds the addresses that are told apart; more share one budget.
const maxClients = 10_000

// forgetAfter is when an address that was silent is forgotten, if room is needed.
// Its budget is full again long before.
const forgetAfter = 10 * time.Second

// clients gives each address its budget of requests.
type clients struct {
	perSecond int

	mu     sync.Mutex // Guards the fields below.
	known  map[netip.Addr]*client
	others *rate.Limiter
	swept  time.Time
}

type client struct {
	budget *rate.Limiter
	seen   time.Time
}

func newClients(perSecond int) *clients {
	c := &clients{perSecond: perSecond, known: map[netip.Addr]*client{}}
	c.others = c.newBudget()

	return c
}

func (c *clients) newBudget() *rate.Limiter {
	return rate.NewLimiter(rate.Limit(c.perSecond), 2*c.perSecond)
}

// allow takes one request from an address's budget, if it has one left.
func (c *clients) allow(address netip.Addr, now time.Time) bool {
	if c.perSecond <= 0 {
		return true
	}

	return c.budgetOf(address, now).AllowN(now, 1)
}

func (c *clients) budgetOf(address netip.Addr, now time.Time) *rate.Limiter {
	c.mu.Lock()
	defer c.mu.Unlock()

	one := c.known[address]
	if one == nil {
		if len(c.known) >= maxClients && !c.sweep(now) {
			return c.others
		}
		one = &client{budget: c.newBudget()}
		c.known[address] = one
	}
	one.seen = now

	return one.budget
}

// sweep forgets who was silent, at most once a second, and reports whether
// there is room.
func (c *clients) sweep(now time.Time) bool {
	if now.Sub(c.swept) < time.Second {
		return false
	}
	c.swept = now
	for address, one := range c.known {
		if now.Sub(one.seen) >= forgetAfter {
			delete(c.known, address)
		}
	}

	return len(c.known) < maxClients
}

// AddressOf is who sends a request.
func AddressOf(r *http.Request) netip.Addr { return addressAt(r.RemoteAddr) }

// addressAt is who is at the other end. An IPv6 host has a whole /64 to itself.
func addressAt(remote string) netip.Addr {
	peer, err := netip.ParseAddrPort(remote)
	if err != nil {
		return netip.Addr{}
	}
	address := peer.Addr().Unmap()
	if prefix, err := address.WithZone("").Prefix(64); err == nil && address.Is6() {
		return prefix.Addr()
	}

	return address
}
