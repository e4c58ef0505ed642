package quota

import (
	"context"
	"sync"
	"time"
)

// Bounds of the work for one principal.
const (
	// workers is how many requests of one principal are worked on at a time, and
	// allWorkers of all.
	workers    = 2
	allWorkers = 4
	// waiting is how many more may wait, for at most workWait.
	waiting  = 62
	workWait = 5 * time.Second
	// workTime is how long one principal's requests may be worked on in workPer.
	workTime = 30 * time.Second
	workPer  = time.Minute
)

// Work bounds how many requests of a principal are worked on at a time, and how
// long in all, so that none can take the whole machine.
type Work struct {
	what   What
	budget *Budget
	all    chan struct{}

	mu    sync.Mutex // Guards turns.
	turns map[string]*turns
}

// turns are those of one principal; they are forgotten when nobody has or awaits one.
type turns struct {
	slots chan struct{}
	users int
}

// NewWork returns a Work for requests of that kind.
func NewWork(what What) *Work {
	return &Work{
		what: what, all: make(chan struct{}, allWorkers), turns: map[string]*turns{},
		budget: NewBudget(what, "time", "seconds of work", workTime.Seconds(), workPer),
	}
}

// Begin waits for a turn, and returns what ends it. The error is a *Refusal, or
// that of the context.
func (w *Work) Begin(ctx context.Context) (end func(), err error) {
	if err := w.budget.Check(ctx); err != nil {
		return nil, err
	}
	p := PrincipalOf(ctx)
	mine, busy := w.join(p)
	if busy {
		return nil, w.busy()
	}
	timeout, cancel := context.WithTimeout(ctx, workWait)
	defer cancel()
	var taken []chan struct{}
	release := func() {
		for _, slots := range taken {
			<-slots
		}
		w.leave(p)
	}
	for _, slots := range []chan struct{}{mine.slots, w.all} {
		select {
		case slots <- struct{}{}:
			taken = append(taken, slots)
		case <-timeout.Done():
			release()
			if err := ctx.Err(); err != nil {
				return nil, err
			}

			return nil, w.busy()
		}
	}
	begin := time.Now()

	return func() {
		w.budget.Spend(ctx, time.Since(begin).Seconds())
		release()
	}, nil
}

func (w *Work) busy() error {
	return &Refusal{w.what, "concurrency", "too many requests of this token are under way; send this one again in a moment", time.Second}
}

// join counts a request of p, unless there are too many.
func (w *Work) join(p Principal) (mine *turns, busy bool) {
	w.mu.Lock()
	defer w.mu.Unlock()

	mine = w.turns[p.ID]
	if mine == nil {
		mine = &turns{slots: make(chan struct{}, workers)}
		w.turns[p.ID] = mine
	}
	if mine.users >= workers+waiting {
		return nil, true
	}
	mine.users++

	return mine, false
}

func (w *Work) leave(p Principal) {
	w.mu.Lock()
	defer w.mu.Unlock()

	if mine := w.turns[p.ID]; mine != nil {
		if mine.users--; mine.users == 0 {
			delete(w.turns, p.ID)
		}
	}
}
