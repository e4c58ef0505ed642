package auth

import (
	"context"
	"errors"
	"net/http"
	"strconv"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"
)

// TestGuessesOfOthersDoNotDelayALogin has many addresses guess at once, as often as
// they may, again and again.
func TestGuessesOfOthersDoNotDelayALogin(t *testing.T) {
	const check = 250 * time.Millisecond
	for name, tc := range map[string]struct {
		addresses int
		p         precedence
		within    time.Duration
	}{
		"from a new address, beside 10 who guess":     {10, fresh, 2 * time.Second},
		"from a known address, beside 10 who guess":   {10, familiar, 2 * check},
		"from a known address, beside 1000 who guess": {1000, familiar, 2 * check},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				q := newQueue(1)
				ctx, stop := context.WithCancel(t.Context())
				var guessing sync.WaitGroup
				var refused atomic.Int64
				for address := range tc.addresses {
					for i := range 20 {
						guessing.Go(func() {
							p := suspect
							if i == 0 {
								p = fresh
							}
							for ctx.Err() == nil {
								leave, err := q.enter(ctx, strconv.Itoa(address), p)
								if err == nil {
									time.Sleep(check)
									leave()
								} else {
									refused.Add(1)
									time.Sleep(check)
								}
								p = suspect
							}
						})
					}
				}
				time.Sleep(time.Second)
				begin := time.Now()
				leave, err := q.enter(t.Context(), "the admin's", tc.p)
				if took := time.Since(begin); err != nil || took > tc.within {
					t.Errorf("a right password waits %s (%v)", took, err)
				} else {
					leave()
				}
				stop()
				guessing.Wait()
				if len(q.of) != 0 || q.working != 0 || refused.Load() == 0 {
					t.Errorf("afterwards %d are in the queue, %d at work; %d were refused", len(q.of), q.working, refused.Load())
				}
			})
		})
	}
}

func TestQueueIsBounded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		q := newQueue(1)
		first, err := q.enter(t.Context(), "a", fresh)
		if err != nil {
			t.Fatal(err)
		}
		var waiting sync.WaitGroup
		for i := range maxOfAddress - 1 {
			waiting.Go(func() {
				if _, err := q.enter(t.Context(), "a", suspect); !errors.Is(err, ErrBusy) {
					t.Errorf("%d has its turn (%v)", i, err)
				}
			})
		}
		synctest.Wait()
		begin := time.Now()
		if _, err := q.enter(t.Context(), "a", fresh); !errors.Is(err, ErrBusy) || time.Since(begin) != 0 {
			t.Errorf("one more of the address fails with %v after %s", err, time.Since(begin))
		}
		for i := range 2 * maxQueued {
			waiting.Go(func() { _, _ = q.enter(t.Context(), strconv.Itoa(i), fresh) })
		}
		synctest.Wait()
		if len(q.waiting[fresh]) != maxQueued {
			t.Errorf("%d wait, at most %d may", len(q.waiting[fresh]), maxQueued)
		}
		waiting.Wait() // Nobody waits for more than maxQueue.
		if took := time.Since(begin); took != maxQueue {
			t.Errorf("they wait for %s", took)
		}
		gone, leave := context.WithCancel(t.Context())
		leave()
		if _, err := q.enter(gone, "b", fresh); !errors.Is(err, context.Canceled) {
			t.Errorf("who has left fails with %v", err)
		}
		first()
		if len(q.of) != 0 || q.working != 0 {
			t.Errorf("%d are remembered, %d at work", len(q.of), q.working)
		}
	})
}

// TestGuessingDoesNotLockAUserOut is for who has logged in from the same address
// before.
func TestGuessingDoesNotLockAUserOut(t *testing.T) {
	t.Parallel()
	s := open(t)
	addUser(t, s, "ada", Viewer)
	g := guardOf(s)
	login := func(word, remote string) error {
		_, err := g.Login(t.Context(), "ada", word, remote)
		return err
	}
	if err := login(password, "192.0.2.1:1"); err != nil {
		t.Fatal(err)
	}
	clear(g.passwords.verified) // As it is forgotten in time.
	for range attemptsOfUser {
		g.users.spend("ada")
	}
	var throttled *ThrottledError
	if err := login(password, "192.0.2.2:1"); !errors.As(err, &throttled) {
		t.Errorf("from elsewhere: %v", err)
	}
	if err := login(password, "192.0.2.1:7"); err != nil {
		t.Errorf("from where the user has logged in before: %v", err)
	}
}

// TestManyGuessesAreRefusedAtOnce is one address that sends 30 passwords at a time.
func TestManyGuessesAreRefusedAtOnce(t *testing.T) {
	t.Parallel()
	g := guardOf(open(t))
	hold, err := g.passwords.queue.enter(t.Context(), "another", fresh)
	for range g.passwords.queue.turns - 1 {
		_, _ = g.passwords.queue.enter(t.Context(), "another", fresh)
	}
	if err != nil {
		t.Fatal(err)
	}
	defer hold()
	var busy, others atomic.Int64
	var guesses sync.WaitGroup
	for range 15 { // Fewer than the brake of the address permits.
		guesses.Go(func() {
			_, err := g.Authenticate(basic(t, "nobody", "wrong"))
			if errors.Is(err, ErrBusy) {
				busy.Add(1)
			} else {
				others.Add(1)
			}
		})
	}
	begin := time.Now()
	guesses.Wait()
	if took := time.Since(begin); took > maxQueue+time.Second || busy.Load() < 15-maxOfAddress {
		t.Errorf("after %s %d are told to come again, %d are not", took, busy.Load(), others.Load())
	}
	if r := g.addresses.spend(network(ask(t, http.MethodGet, "", "").RemoteAddr)); r != 0 {
		t.Errorf("those that were not checked are counted: %s", r)
	}
}
