package gate

import (
	"errors"
	"io"
	"net/http"
	"os"
	"sync/atomic"
	"time"
)

// minPace is how many bytes a second a client must send and read in the long
// run. Whoever is slower holds a connection and a handler for ever.
const minPace = 1 << 10

// renew is how often deadlines are moved: often enough that what was sent since
// hardly counts.
func (g *Gate) renew() time.Duration { return min(time.Second, g.StallTimeout/10) }

// paced is the answer to a request whose client must keep a pace. Streams may
// pause as long as they like: only what is written must be read.
type paced struct {
	http.ResponseWriter
	control *http.ResponseController
	gate    *Gate
	body    *pacedBody
	renewed time.Time // When the write deadline was moved.
}

// pace makes the client of a request keep the pace. end has to be called.
func (g *Gate) pace(w http.ResponseWriter, r *http.Request) *paced {
	p := &paced{ResponseWriter: w, control: http.NewResponseController(w), gate: g}
	if r.Body != nil && r.Body != http.NoBody {
		p.body = &pacedBody{ReadCloser: r.Body, paced: p}
		r.Body = p.body
	}
	p.allow(0) // The deadline of the connection's last answer may be over.

	return p
}

// end gives the client time to take the rest of the answer, and to send what
// nobody has read of its body.
func (p *paced) end() {
	p.allow(0)
	if p.body != nil && !p.body.done.Load() {
		_ = p.control.SetReadDeadline(time.Now().Add(p.gate.StallTimeout)) // Where there is no connection, nobody stalls.
	}
}

// allow gives the client time for so many bytes.
func (p *paced) allow(bytes int) {
	now := time.Now()
	if bytes > 0 && bytes < 64<<10 && now.Sub(p.renewed) < p.gate.renew() {
		return
	}
	p.renewed = now
	_ = p.control.SetWriteDeadline(now.Add(p.gate.StallTimeout + atPace(int64(bytes)))) // As above.
}

// atPace is how long a slow client takes for so many bytes.
func atPace(bytes int64) time.Duration {
	return time.Duration(bytes) * time.Second / minPace
}

// Write implements io.Writer.
func (p *paced) Write(b []byte) (int, error) {
	p.allow(len(b))

	return p.ResponseWriter.Write(b)
}

// Flush implements http.Flusher, which handlers that stream look for.
func (p *paced) Flush() {
	p.allow(0)
	_ = p.control.Flush() // A writer that cannot flush has no buffer of ours.
}

// Unwrap lets http.ResponseController reach what the server offers.
func (p *paced) Unwrap() http.ResponseWriter { return p.ResponseWriter }

// pacedBody is a body that the client must send in time. Only the time counts
// during which somebody waits for it.
type pacedBody struct {
	io.ReadCloser
	paced  *paced
	waited time.Duration
	read   int64
	done   atomic.Bool // Everything was read, or it was closed.
	// renewed is when the read deadline was moved.
	renewed time.Time
}

// Read implements io.Reader.
func (b *pacedBody) Read(p []byte) (int, error) {
	begin := time.Now()
	if begin.Sub(b.renewed) >= b.paced.gate.renew() {
		b.renewed = begin
		_ = b.paced.control.SetReadDeadline(begin.Add(b.paced.gate.StallTimeout + atPace(b.read) - b.waited)) // As above.
	}
	n, err := b.ReadCloser.Read(p)
	b.read += int64(n)
	b.waited += time.Since(begin)
	switch {
	case errors.Is(err, os.ErrDeadlineExceeded):
		b.paced.gate.Count(TooSlow)

		return n, b.paced.gate.Stalled
	case err != nil:
		b.finish()
	}

	return n, err
}

// Close implements io.Closer.
func (b *pacedBody) Close() error {
	b.finish()

	return b.ReadCloser.Close()
}

// finish takes the deadline away: the server reads on to learn whether the
// client goes.
func (b *pacedBody) finish() {
	if !b.done.Swap(true) {
		_ = b.paced.control.SetReadDeadline(time.Time{})
	}
}
