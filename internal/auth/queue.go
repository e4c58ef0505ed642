package auth

import (
	"context"
	"errors"
	"sync"
	"time"
)

// ErrBusy is for those whose password cannot be checked soon, because those of many
// others are. It says nothing of the password.
var ErrBusy = errors.New("too many passwords are being checked")

// RetryBusy is after how long they may come again.
const RetryBusy = time.Second

// Bounds of the queue.
const (
	// maxOfAddress is how many passwords of one address are checked or wait.
	maxOfAddress = 4
	// maxQueued is how many wait with the same precedence, for each that is checked
	// at a time: a check takes a quarter of a second.
	maxQueued = 6
	// maxQueue is how long one waits.
	maxQueue = 2 * time.Second
)

// precedence is in which order those who wait have their turn. Strangers who guess
// come last, so that a right login does not wait behind thousands of wrong ones.
type precedence int

const (
	familiar precedence = iota // The user has logged in from that address before.
	fresh                      // Nothing wrong came from that address lately.
	suspect                    // Something did, or may have.
	precedences
)

// queue bounds the work that strangers can cause, and how long others wait for it.
type queue struct {
	turns int

	mu      sync.Mutex // Guards the fields below.
	working int
	waiting [precedences][]chan struct{} // Each is closed when its turn has come.
	of      map[string]int               // Who has how many, working or waiting.
}

func newQueue(turns int) *queue { return &queue{turns: turns, of: map[string]int{}} }

// enter waits for a turn; leave has to be called. It fails with ErrBusy at once where
// no place is left, and later where the wait was in vain.
func (q *queue) enter(ctx context.Context, address string, p precedence) (leave func(), err error) {
	turn, err := q.place(address, p)
	if err != nil {
		return nil, err
	}
	leave = func() { q.leave(address) }
	if turn == nil {
		return leave, nil
	}
	timer := time.NewTimer(maxQueue)
	defer timer.Stop()
	select {
	case <-turn:
		return leave, nil
	case <-timer.C:
		err = ErrBusy
	case <-ctx.Done():
		err = ctx.Err()
	}
	if q.withdraw(address, p, turn) {
		return nil, err
	}

	return leave, nil // Its turn came meanwhile.
}

// place takes a turn, or a place in the queue whose turn is awaited.
func (q *queue) place(address string, p precedence) (turn chan struct{}, err error) {
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.of[address] >= maxOfAddress {
		return nil, ErrBusy
	}
	switch {
	case q.working < q.turns:
		q.working++
	case len(q.waiting[p]) >= maxQueued*q.turns:
		return nil, ErrBusy
	default:
		turn = make(chan struct{})
		q.waiting[p] = append(q.waiting[p], turn)
	}
	q.of[address]++

	return turn, nil
}

// withdraw gives a place up, unless its turn has come.
func (q *queue) withdraw(address string, p precedence, turn chan struct{}) bool {
	q.mu.Lock()
	defer q.mu.Unlock()
	for i, other := range q.waiting[p] {
		if other == turn {
			q.waiting[p] = append(q.waiting[p][:i], q.waiting[p][i+1:]...)
			q.forget(address)

			return true
		}
	}

	return false
}

// leave gives the turn to whoever comes next.
func (q *queue) leave(address string) {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.forget(address)
	for p := range q.waiting {
		if len(q.waiting[p]) > 0 {
			close(q.waiting[p][0])
			q.waiting[p] = q.waiting[p][1:]

			return
		}
	}
	q.working--
}

// forget takes one from an address; the lock is held.
func (q *queue) forget(address string) {
	if q.of[address]--; q.of[address] <= 0 {
		delete(q.of, address)
	}
}

// maxAcquainted bounds the pairs that are remembered; any other goes when it is full.
const maxAcquainted = 10_000

// acquaintances are the users who have logged in, with the addresses from which they
// did, since the start.
type acquaintances struct {
	mu  sync.Mutex // Guards the set.
	all map[acquaintance]struct{}
}

type acquaintance struct{ user, address string }

func (a *acquaintances) has(user, address string) bool {
	a.mu.Lock()
	defer a.mu.Unlock()
	_, known := a.all[acquaintance{user, address}]

	return known
}

func (a *acquaintances) add(user, address string) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.all == nil {
		a.all = map[acquaintance]struct{}{}
	}
	for other := range a.all {
		if len(a.all) < maxAcquainted {
			break
		}
		delete(a.all, other)
	}
	a.all[acquaintance{user, address}] = struct{}{}
}
