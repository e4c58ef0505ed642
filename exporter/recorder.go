package exporter

import (
	"bufio"
	"errors"
	"io"
	"math"
	"net"
	"net/http"
	"sync/atomic"
	"time"
)

// errReturned is what a handler gets that goes on writing after it returned.
var errReturned = errors.New("response used after its handler returned")

// recorderChunk makes one allocation serve many requests. A recorder is never
// used for a second request: a handler that keeps its response writer after it
// returned must not write into somebody else's response.
type recorderChunk struct {
	used      int
	recorders [64]recorder
}

// recorder observes what a handler does with its request body and its response.
type recorder struct {
	// gate counts the calls under way, and is negative once the handler has
	// returned. Late calls then fail and no longer reach writer and body, which
	// the last call under way forgets.
	gate   atomic.Int32
	writer http.ResponseWriter
	body   io.ReadCloser
	clock  func() time.Duration

	route     string // By SetRoute.
	failed    bool   // By SetFailed.
	hijacked  bool
	status    int // 0 until the response begins.
	firstByte time.Duration
	read      atomic.Int64 // A proxy may read on while its handler returns.
	written   int64
}

// newRecorder returns a recorder that no request has used.
func (a *API) newRecorder() *recorder {
	chunk := a.recorders.Get().(*recorderChunk)
	rec := &chunk.recorders[chunk.used]
	chunk.used++
	if chunk.used < len(chunk.recorders) {
		a.recorders.Put(chunk)
	}

	return rec
}

// enter begins a call and returns false if the handler has already returned.
func (r *recorder) enter() bool {
	for {
		calls := r.gate.Load()
		if calls < 0 {
			return false
		}
		if r.gate.CompareAndSwap(calls, calls+1) {
			return true
		}
	}
}

// leave ends a call that entered.
func (r *recorder) leave() {
	if r.gate.Add(-1) == math.MinInt32 {
		r.forget()
	}
}

// close lets no more calls enter. It does not wait for those under way.
func (r *recorder) close() {
	if r.gate.Add(math.MinInt32) == math.MinInt32 {
		r.forget()
	}
}

func (r *recorder) forget() {
	r.writer, r.body = nil, nil
}

func (r *recorder) self() *recorder { return r }

// wrapped returns the recorder as a response writer that can flush and be
// hijacked exactly if the one below it can: older code asks by type assertion.
func (r *recorder) wrapped() http.ResponseWriter {
	_, flushes := r.writer.(http.Flusher)
	_, hijacks := r.writer.(http.Hijacker)
	switch {
	case flushes && hijacks:
		return flushHijackRecorder{r}
	case flushes:
		return flushRecorder{r}
	case hijacks:
		return hijackRecorder{r}
	default:
		return r
	}
}

// Header implements http.ResponseWriter.
func (r *recorder) Header() http.Header {
	if !r.enter() {
		return http.Header{}
	}
	defer r.leave()

	return r.writer.Header()
}

// WriteHeader implements http.ResponseWriter.
func (r *recorder) WriteHeader(status int) {
	if !r.enter() {
		return
	}
	defer r.leave()

	r.begin(status)
	r.writer.WriteHeader(status)
}

// begin notes the status that the response begins with. Informational ones are
// not the response yet, but for 101, after which there is no other.
func (r *recorder) begin(status int) {
	if r.status == 0 && (status >= 200 || status == http.StatusSwitchingProtocols) && status <= 999 {
		r.status = status
		r.firstByte = r.clock()
	}
}

// Write implements http.ResponseWriter.
func (r *recorder) Write(p []byte) (int, error) {
	if !r.enter() {
		return 0, errReturned
	}
	defer r.leave()

	r.begin(http.StatusOK)
	n, err := r.writer.Write(p)
	r.written += int64(n)

	return n, err
}

// WriteString implements io.StringWriter: net/http has it too, and it saves a
// copy.
func (r *recorder) WriteString(s string) (int, error) {
	if !r.enter() {
		return 0, errReturned
	}
	defer r.leave()

	r.begin(http.StatusOK)
	n, err := io.WriteString(r.writer, s)
	r.written += int64(n)

	return n, err
}

// ReadFrom implements io.ReaderFrom, so that net/http can send files without
// copying them.
func (r *recorder) ReadFrom(source io.Reader) (int64, error) {
	to, ok := r.Unwrap().(io.ReaderFrom)
	if !ok {
		return io.Copy(struct{ io.Writer }{r}, source)
	}
	if !r.enter() {
		return 0, errReturned
	}
	defer r.leave()

	r.begin(http.StatusOK)
	n, err := to.ReadFrom(source)
	r.written += n

	return n, err
}

// Unwrap is for http.ResponseController.
func (r *recorder) Unwrap() http.ResponseWriter {
	if !r.enter() {
		return nil
	}
	defer r.leave()

	return r.writer
}

func (r *recorder) flush() error {
	if !r.enter() {
		return errReturned
	}
	defer r.leave()

	r.begin(http.StatusOK)
	if flusher, ok := r.writer.(interface{ FlushError() error }); ok {
		return flusher.FlushError()
	}
	r.writer.(http.Flusher).Flush()

	return nil
}

func (r *recorder) hijack() (net.Conn, *bufio.ReadWriter, error) {
	if !r.enter() {
		return nil, nil, errReturned
	}
	defer r.leave()

	conn, buffer, err := r.writer.(http.Hijacker).Hijack()
	if err == nil {
		r.hijacked = true
	}

	return conn, buffer, err
}

// flushRecorder is a recorder over a writer that can flush.
type flushRecorder struct{ *recorder }

func (r flushRecorder) Flush()            { _ = r.flush() }
func (r flushRecorder) FlushError() error { return r.flush() }

// hijackRecorder is a recorder over a writer that can be hijacked.
type hijackRecorder struct{ *recorder }

func (r hijackRecorder) Hijack() (net.Conn, *bufio.ReadWriter, error) { return r.hijack() }

// flushHijackRecorder is a recorder over a writer that can do both.
type flushHijackRecorder struct{ *recorder }

func (r flushHijackRecorder) Flush()                                       { _ = r.flush() }
func (r flushHijackRecorder) FlushError() error                            { return r.flush() }
func (r flushHijackRecorder) Hijack() (net.Conn, *bufio.ReadWriter, error) { return r.hijack() }

// bodyRecorder is the recorder as the request body. It reads when the handler
// does and not before, so the server asks for the body (100 Continue) no
// earlier than without it.
type bodyRecorder struct{ *recorder }

// Read implements io.Reader.
func (b bodyRecorder) Read(p []byte) (int, error) {
	if !b.enter() {
		return 0, http.ErrBodyReadAfterClose
	}
	defer b.leave()

	n, err := b.body.Read(p)
	b.read.Add(int64(n))

	return n, err
}

// Close implements io.Closer.
func (b bodyRecorder) Close() error {
	if !b.enter() {
		return nil
	}
	defer b.leave()

	return b.body.Close()
}
