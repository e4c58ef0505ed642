package quota

import (
	"context"
	"fmt"
	"sync"
	"time"
)

// maxPrincipals bounds the principals that are told apart; more share one budget.
const maxPrincipals = 10_000

// Budget gives each principal an amount for a time, which fills up again
// steadily. What is spent beyond it is a debt that is paid off first.
type Budget struct {
	what   What
	reason string
	unit   string
	amount float64 // At most, and at first.
	per    time.Duration

	mu    sync.Mutex // Guards the fields below.
	known map[string]*account
}

type account struct {
	left float64
	at   time.Time // When left was that much.
}

// NewBudget returns a budget of amount for each time per. The names say what is
// refused and which limit that is. An amount of 0 bounds nothing.
func NewBudget(what What, reason, unit string, amount float64, per time.Duration) *Budget {
	return &Budget{what: what, reason: reason, unit: unit, amount: amount, per: per, known: map[string]*account{}}
}

// Check returns a *Refusal where the principal of the context has nothing left.
func (b *Budget) Check(ctx context.Context) error {
	if b.amount <= 0 {
		return nil
	}
	b.mu.Lock()
	defer b.mu.Unlock()

	left := b.accountOf(PrincipalOf(ctx), time.Now()).left
	if left > 0 {
		return nil
	}
	wait := time.Duration((1 - left) / b.amount * float64(b.per))

	return &Refusal{b.what, b.reason, fmt.Sprintf(
		"this token has used up its %.0f %s in %s (limits.%s); send less, or raise the limit", b.amount, b.unit, b.per, b.reason,
	), max(wait, time.Second)}
}

// Spend takes n from the budget of the principal of the context.
func (b *Budget) Spend(ctx context.Context, n float64) {
	if b.amount <= 0 {
		return
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	b.accountOf(PrincipalOf(ctx), time.Now()).left -= n
}

// accountOf returns the account as it is now.
func (b *Budget) accountOf(p Principal, now time.Time) *account {
	a := b.known[p.ID]
	if a == nil {
		if len(b.known) >= maxPrincipals && !b.sweep(now) {
			return b.others(now)
		}
		a = &account{b.amount, now}
		b.known[p.ID] = a
	}
	b.fill(a, now)

	return a
}

func (b *Budget) fill(a *account, now time.Time) {
	passed := max(now.Sub(a.at), 0)
	a.left = min(b.amount, a.left+b.amount*float64(passed)/float64(b.per))
	a.at = now
}

// others is the account of everybody for whom there is no room.
func (b *Budget) others(now time.Time) *account {
	const id = "\x00others"
	a := b.known[id]
	if a == nil {
		a = &account{b.amount, now}
		b.known[id] = a
	}
	b.fill(a, now)

	return a
}

// sweep forgets accounts that are full again, and reports whether there is room.
func (b *Budget) sweep(now time.Time) bool {
	for id, a := range b.known {
		if b.fill(a, now); a.left >= b.amount {
			delete(b.known, id)
		}
	}

	return len(b.known) < maxPrincipals
}
