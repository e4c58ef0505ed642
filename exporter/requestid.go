package exporter

import (
	"context"
	"encoding/binary"
	"encoding/hex"
	"math/rand/v2"
	"net/http"
)

// requestIDHeader is X-Request-ID in the form that http.Header keeps.
const requestIDHeader = "X-Request-Id"

// maxRequestIDBytes is the length up to which a client's request id is kept.
const maxRequestIDBytes = 128

// RequestID returns the id that a Middleware gave the request of ctx, or took
// over from its X-Request-ID header. It is empty outside a Middleware.
func RequestID(ctx context.Context) string {
	if c, ok := ctx.Value(requestIDKey{}).(*requestIDContext); ok {
		return c.id[0]
	}

	return ""
}

type requestIDKey struct{}

// requestIDContext is a context with a request id. The id is an array for the
// response header to be a slice of it: that saves an allocation.
type requestIDContext struct {
	context.Context
	id [1]string
}

// Value implements context.Context.
func (c *requestIDContext) Value(key any) any {
	if key == (requestIDKey{}) {
		return c
	}

	return c.Context.Value(key)
}

// withRequestID puts the request's id, or one made for it, into the response
// header and into the context of the request returned.
func withRequestID(w http.ResponseWriter, r *http.Request) (*http.Request, string) {
	ctx := &requestIDContext{Context: r.Context()}
	if values := r.Header[requestIDHeader]; len(values) > 0 && isRequestID(values[0]) {
		ctx.id[0] = values[0]
	} else {
		ctx.id[0] = newRequestID()
	}
	w.Header()[requestIDHeader] = ctx.id[:]

	return r.WithContext(ctx), ctx.id[0] //nolint:contextcheck // It is made of the request's.
}

// newRequestID returns 128 random bits in hexadecimal. They need not be secret.
func newRequestID() string {
	var raw [16]byte
	var id [2 * len(raw)]byte
	binary.NativeEndian.PutUint64(raw[:8], rand.Uint64())
	binary.NativeEndian.PutUint64(raw[8:], rand.Uint64())
	hex.Encode(id[:], raw[:])

	return string(id[:])
}

// isRequestID tells whether an id from outside may be kept: it goes into
// headers, logs and exemplars.
func isRequestID(id string) bool {
	if id == "" || len(id) > maxRequestIDBytes {
		return false
	}
	for i := range len(id) {
		switch c := id[i]; {
		case c >= 'a' && c <= 'z', c >= 'A' && c <= 'Z', c >= '0' && c <= '9':
		case c == '.', c == '_', c == ':', c == '/', c == '+', c == '=', c == '-':
		default:
			return false
		}
	}

	return true
}
