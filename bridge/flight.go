package bridge

import (
	"context"
	"sync"
)

// flights has equal work done once at a time, for as long as anybody waits for it.
type flights struct {
	mu      sync.Mutex // Guards the field below and the numbers of those who wait.
	running map[string]*flight
}

type flight struct {
	cancel  context.CancelFunc
	waiting int
	done    chan struct{} // Closed once the fields below are set.
	body    []byte
	err     error
}

// join returns what work makes, which may run for another caller already. It
// keeps the values of the context of the first, and is cancelled with the last.
func (fs *flights) join(ctx context.Context, key string, work func(context.Context) ([]byte, error)) ([]byte, error) {
	f := fs.enter(ctx, key, work)
	defer fs.leave(key, f)
	select {
	case <-f.done:
		return f.body, f.err
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

func (fs *flights) enter(ctx context.Context, key string, work func(context.Context) ([]byte, error)) *flight {
	fs.mu.Lock()
	defer fs.mu.Unlock()
	if f, ok := fs.running[key]; ok {
		f.waiting++
		return f
	}
	ctx, cancel := context.WithCancel(context.WithoutCancel(ctx))
	f := &flight{cancel: cancel, waiting: 1, done: make(chan struct{})}
	if fs.running == nil {
		fs.running = map[string]*flight{}
	}
	fs.running[key] = f
	go func() {
		defer cancel()
		f.body, f.err = work(ctx)
		fs.forget(key, f)
		close(f.done)
	}()

	return f
}

func (fs *flights) leave(key string, f *flight) {
	fs.mu.Lock()
	defer fs.mu.Unlock()
	if f.waiting--; f.waiting > 0 {
		return
	}
	f.cancel()
	// Whoever asks next must not join work that is being given up.
	if fs.running[key] == f {
		delete(fs.running, key)
	}
}

func (fs *flights) forget(key string, f *flight) {
	fs.mu.Lock()
	defer fs.mu.Unlock()
	if fs.running[key] == f {
		delete(fs.running, key)
	}
}
