package auth

import (
	"context"
	"crypto/subtle"
	"errors"
	"time"
)

// lookAgain is how often it is looked whether an open stream may go on.
const lookAgain = 250 * time.Millisecond

// errNoLonger ends a stream.
var errNoLonger = errors.New("the caller is no longer let in")

// Hold returns a context that ends as soon as a principal has no longer what it
// was let in for: its token was revoked, its session ended, its role changed. It
// is for answers that go on and on; stop ends the watching.
func (g *Guard) Hold(ctx context.Context, p Principal, permission Permission) (held context.Context, stop func()) {
	held, end := context.WithCancelCause(ctx)
	watched := make(chan struct{})
	go func() {
		defer close(watched)
		tick := time.NewTicker(lookAgain)
		defer tick.Stop()
		for {
			select {
			case <-held.Done():
				return
			case <-tick.C:
			}
			// A store that cannot be read for a moment ends nothing.
			if g.revoked(held, p, permission) {
				end(errNoLonger)
			}
		}
	}()

	return held, func() {
		end(context.Canceled)
		<-watched
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
