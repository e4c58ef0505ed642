package exporter

import (
	"context"
	"fmt"
	"runtime/debug"
	"sync"
	"time"
)

// guard runs a function that may fail, panic or hang on behalf of callers that
// must do neither. At most one run is under way at a time: who comes meanwhile
// joins it, and learns at once if it has outlived its time. So a hanging system
// call costs one goroutine, however often it is asked for.
type guard[T any] struct {
	timeout time.Duration

	mu      sync.Mutex
	current *run[T] // Guarded by mu; nil while nothing is under way.
}

// run is one call of the guarded function. The fields below done are written
// before done is closed and read only after it.
type run[T any] struct {
	ctx     context.Context // Ends when callers stop waiting.
	begin   time.Time
	timeout time.Duration

	done  chan struct{}
	value T
	err   error
	took  time.Duration
}

func newGuard[T any](timeout time.Duration) *guard[T] {
	return &guard[T]{timeout: timeout}
}

// start begins a run of f, or joins the one under way.
func (g *guard[T]) start(ctx context.Context, f func(context.Context) (T, error)) *run[T] {
	g.mu.Lock()
	defer g.mu.Unlock()

	if g.current != nil {
		return g.current
	}
	ctx, cancel := context.WithTimeout(ctx, g.timeout)
	r := &run[T]{ctx: ctx, begin: time.Now(), timeout: g.timeout, done: make(chan struct{})}
	g.current = r
	go func() {
		defer cancel()
		r.value, r.err = recovering(ctx, f)
		r.took = time.Since(r.begin)

		// The guard is free before the result is known: who sees the result
		// and starts again must not join a finished run.
		g.mu.Lock()
		g.current = nil
		g.mu.Unlock()
		close(r.done)
	}()

	return r
}

// wait returns what the run returned and how long it took; once the run is
// past its time, an error and how long it has been under way.
func (r *run[T]) wait() (T, time.Duration, error) {
	select {
	case <-r.done:
		return r.value, r.took, r.err
	case <-r.ctx.Done():
	}
	// The context ends after a finished run too.
	select {
	case <-r.done:
		return r.value, r.took, r.err
	default:
		var none T

		return none, time.Since(r.begin), fmt.Errorf("no answer within %s", r.timeout)
	}
}

// recovering calls f and turns a panic into an error that tells where it was.
func recovering[T any](ctx context.Context, f func(context.Context) (T, error)) (value T, err error) {
	defer func() {
		if p := recover(); p != nil {
			err = fmt.Errorf("panic: %v\n%s", p, debug.Stack())
		}
	}()

	return f(ctx)
}
