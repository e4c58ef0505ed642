package logship

import (
	"encoding/binary"
	"encoding/hex"
	"math/rand/v2"
	"strings"
)

// requestIDHeader is X-Request-ID in the form that http.Header keeps.
const requestIDHeader = "X-Request-Id"

// maxRequestIDBytes is the length up to which a client's request id is kept.
const maxRequestIDBytes = 128

// newRequestID returns 128 random bits in hexadecimal. They need not be secret.
func newRequestID() string {
	var raw [16]byte
	binary.NativeEndian.PutUint64(raw[:8], rand.Uint64())
	binary.NativeEndian.PutUint64(raw[8:], rand.Uint64())

	return hex.EncodeToString(raw[:])
}

// isRequestID tells whether an id from outside may go into headers and logs.
func isRequestID(id string) bool {
	return id != "" && len(id) <= maxRequestIDBytes && strings.IndexFunc(id, func(r rune) bool {
		return r >= 0x80 || !isAlphanumeric(byte(r)) && !strings.ContainsRune("._:/+=-", r)
	}) < 0
}
