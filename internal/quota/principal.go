// Package quota bounds what each principal may write: series, alerts, events,
// log bytes, and the time that is spent on them. It keeps who has used how much
// and counts and reports what is refused.
//
// It must not know HTTP, how a principal was authenticated, or what becomes of
// what was written.
package quota

import "context"

// Principal is who writes: a token or a user where callers are authenticated, the
// client's address where they are not.
type Principal struct {
	// ID tells principals apart.
	ID string
	// Label is the value of the label `token` in metrics, and the name in the log.
	// It must come from a bounded set: clients do not choose it.
	Label string
}

// Anonymous is the label of everybody where callers are not authenticated.
const Anonymous = "anonymous"

type principalKey struct{}

// WithPrincipal returns a context that carries who writes.
func WithPrincipal(ctx context.Context, p Principal) context.Context {
	return context.WithValue(ctx, principalKey{}, p)
}

// PrincipalOf returns who writes. Where nobody said so, all share one principal.
func PrincipalOf(ctx context.Context) Principal {
	if p, ok := ctx.Value(principalKey{}).(Principal); ok {
		return p
	}

	return Principal{Label: Anonymous}
}
