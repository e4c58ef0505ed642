package engine

import (
	"context"
	"errors"
	"time"

	"github.com/prometheus/prometheus/promql"
	"golang.org/x/sync/semaphore"
)

// errBusy is answered where as many expensive queries wait as may.
var errBusy = errors.New("too many expensive queries are being worked on; try again later, or ask for less")

// lane is where the expensive queries of one kind of caller wait for each other.
type lane struct {
	memory int64
	bytes  *semaphore.Weighted // Held until the result is let go.
	turns  *semaphore.Weighted // Held while a query is evaluated.
	queue  chan struct{}       // Those that run or wait; nil for any number.
}

// newLane returns a lane for so many queries at once that together occupy memory,
// where queue more than 0 is how many may run and wait in all.
func newLane(memory int64, atOnce, queue int) *lane {
	l := &lane{memory: memory, bytes: semaphore.NewWeighted(memory), turns: semaphore.NewWeighted(int64(atOnce))}
	if queue > 0 {
		l.queue = make(chan struct{}, queue)
	}

	return l
}

// enter waits until a query may be evaluated. After that, done is called; and
// release once its result is not needed any more.
func (l *lane) enter(ctx context.Context, cost estimate, timeout time.Duration) (done, release func(), err error) {
	leave := func() {}
	if l.queue != nil {
		select {
		case l.queue <- struct{}{}:
			leave = func() { <-l.queue }
		default:
			return nil, nil, errBusy
		}
	}
	ctx, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()
	weight := min(l.memory, int64(cost.bytes))
	if err := l.bytes.Acquire(ctx, weight); err != nil {
		leave()
		return nil, nil, waitError(err)
	}
	if err := l.turns.Acquire(ctx, 1); err != nil {
		l.bytes.Release(weight)
		leave()

		return nil, nil, waitError(err)
	}

	return func() { l.turns.Release(1); leave() }, func() { l.bytes.Release(weight) }, nil
}

// waitError is what the engine itself answers to queries that end in its queue.
func waitError(err error) error {
	if errors.Is(err, context.DeadlineExceeded) {
		return promql.ErrQueryTimeout("the queue of expensive queries")
	}

	return promql.ErrQueryCanceled("the queue of expensive queries")
}
