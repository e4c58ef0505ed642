package auth

import (
	"context"
	"crypto/subtle"
	"errors"
	"sync"
	"time"
)

// lookAgain is how often it is looked whether an open stream may go on.
const lookAgain = 250 * time.Millisecond

// errNoLonger ends a stream.
var errNoLonger = errors.New("the caller is no longer let in")

// holding are the open streams, by whom and what they were let in for: hundreds of
// pages that one person or token has open cost one look, and not hundreds.
type holding struct {
	mu      sync.Mutex // Guards the map and what is in it.
	watches map[reason]*watch
}

// reason is why a stream was let in.
type reason struct {
	kind, name, key string
	permission      Permission
}

// watch looks after all streams with the same reason.
type watch struct {
	streams map[*stream]struct{}
	stop    context.CancelFunc
	done    chan struct{} // Closed when nobody looks any more.
}

// stream is one that is open.
type stream struct{ end context.CancelCauseFunc }

// Hold returns a context that ends as soon as a principal has no longer what it
// was let in for: its token was revoked, its session ended, its role changed. It
// is for answers that go on and on; stop ends the watching.
func (g *Guard) Hold(ctx context.Context, p Principal, permission Permission) (held context.Context, stop func()) {
	held, end := context.WithCancelCause(ctx)
	why, one := reason{string(p.Kind), p.Name, string(p.key), permission}, &stream{end}
	h := &g.holding
	h.mu.Lock()
	defer h.mu.Unlock()
	w := h.watches[why]
	if w == nil {
		looking, cancel := context.WithCancel(context.WithoutCancel(ctx)) // Others may stay longer.
		w = &watch{streams: map[*stream]struct{}{}, stop: cancel, done: make(chan struct{})}
		h.watches[why] = w
		go g.watch(looking, w, p, permission)
	}
	w.streams[one] = struct{}{}

	return held, func() {
		end(context.Canceled)
		h.mu.Lock()
		delete(w.streams, one)
		last := len(w.streams) == 0
		if last && h.watches[why] == w {
			delete(h.watches, why)
		}
		h.mu.Unlock()
		if last {
			w.stop()
			<-w.done
		}
	}
}

// watch ends the streams of w when a principal may no longer have them.
func (g *Guard) watch(ctx context.Context, w *watch, p Principal, permission Permission) {
	defer close(w.done)
	tick := time.NewTicker(lookAgain)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
		// A store that cannot be read for a moment ends nothing.
		if !g.revoked(ctx, p, permission) {
			continue
		}
		g.holding.mu.Lock()
		for one := range w.streams {
			one.end(errNoLonger)
		}
		g.holding.mu.Unlock()
	}
}

// revoked reports whether somebody who was let in would not be any more.
func (g *Guard) revoked(ctx context.Context, p Principal, permission Permission) bool {
	again, err := g.again(ctx, p)
	if errors.Is(err, ErrWrongCredentials) || errors.Is(err, ErrNotFound) {
		return true
	}

	return err == nil && permission != "" && !g.Policy().Allows(again.Role, permission)
}

// again looks a principal up without its secret.
func (g *Guard) again(ctx context.Context, p Principal) (Principal, error) {
	switch p.Kind {
	case KindToken:
		again, _, err := g.cfg.Store.lookToken(ctx, string(p.key))
		if err == nil && g.cfg.Store.over(again.Expires) {
			err = ErrWrongCredentials
		}

		return again, err
	case KindSession:
		return g.cfg.Store.findSession(ctx, p.key)
	case KindUser:
		role, hash, err := g.cfg.Store.findUser(ctx, p.Name)
		if err == nil && subtle.ConstantTimeCompare([]byte(hash), p.key) != 1 {
			err = ErrWrongCredentials
		}

		return Principal{Role: role}, err
	default:
		return p, nil
	}
}
