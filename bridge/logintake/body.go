package logintake

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net/http"
	"net/netip"
	"os"
	"sync"
	"time"
)

const (
	// readTimeout is how long a client may send nothing.
	readTimeout = time.Minute
	// While others wait for room, a client that was waited for as long as slowAfter
	// must have sent slowPace bytes for each second of that.
	slowAfter = 2 * time.Second
	slowPace  = 64 << 10
	// lookForSlow is how often those who wait look for such clients.
	lookForSlow = 250 * time.Millisecond
)

var (
	errStalled = &refusal{http.StatusRequestTimeout, "stalled", "the body took too long to arrive"}
	errSlow    = &refusal{http.StatusRequestTimeout, "stalled", "the body arrived too slowly while others waited; send it again, in smaller requests"}
)

// sentBody is a body as the client sends it. It counts what was sent and how long the
// client was waited for, and gives up on one that sends nothing.
type sentBody struct {
	body    io.Reader
	control *http.ResponseController
	address netip.Addr
	count   int64 // Of the reader alone.

	mu     sync.Mutex // Guards the fields below, which others look at.
	sent   int64
	waited time.Duration
	since  time.Time // When the read began that is under way, zero if none is.
	cut    bool
}

// Read implements io.Reader.
func (b *sentBody) Read(p []byte) (int, error) {
	begin := time.Now()
	if b.begin(begin) {
		return 0, errSlow
	}
	// Not every connection has deadlines; those of tests have none.
	_ = b.control.SetReadDeadline(begin.Add(readTimeout))
	n, err := b.body.Read(p)
	b.count += int64(n)
	switch cut := b.end(begin, n); {
	case err == nil || errors.Is(err, io.EOF):
		return n, err
	case cut:
		return n, errSlow
	case errors.Is(err, os.ErrDeadlineExceeded):
		return n, errStalled // Not 400: sent again, it may arrive.
	default:
		return n, err
	}
}

func (b *sentBody) begin(now time.Time) (cut bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.since = now

	return b.cut
}

func (b *sentBody) end(begin time.Time, n int) (cut bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.sent += int64(n)
	b.waited += time.Since(begin)
	b.since = time.Time{}

	return b.cut
}

// cutIfSlow ends the read under way, and those that follow, if the client is slow. It is
// called again as long as others wait: the deadline may be moved at the same time.
func (b *sentBody) cutIfSlow() {
	b.mu.Lock()
	defer b.mu.Unlock()
	now, waited := time.Now(), b.waited
	if !b.since.IsZero() {
		waited += now.Sub(b.since)
	}
	if b.cut = b.cut || waited >= slowAfter && float64(b.sent) < slowPace*waited.Seconds(); b.cut {
		_ = b.control.SetReadDeadline(now) // As above.
	}
}

// pieceSize is in which pieces a numbered body is gathered.
const pieceSize = 64 << 10

// gather reads a body to its end before it is worked on, so that nobody waits for its
// client but itself. It holds no more room than it has bytes, rounded up. What it returns
// is valid until the pieces are given back.
func (in *Intake) gather(ctx context.Context, sent *sentBody) (body io.Reader, giveBack func(), err error) {
	var pieces []*[pieceSize]byte
	var readers []io.Reader
	giveBack = func() {
		for _, piece := range pieces {
			in.pieces.Put(piece)
		}
		in.gathered.free(sent)
	}
	for err == nil {
		if sent.count > maxAtomicBytes {
			return nil, giveBack, errWholeTooLarge
		}
		if err := in.gathered.take(ctx, sent, pieceSize); err != nil {
			return nil, giveBack, err
		}
		piece, ok := in.pieces.Get().(*[pieceSize]byte)
		if !ok {
			piece = new([pieceSize]byte)
		}
		pieces = append(pieces, piece)
		n := 0
		for n < pieceSize && err == nil {
			var more int
			more, err = sent.Read(piece[n:])
			n += more
		}
		readers = append(readers, bytes.NewReader(piece[:n]))
	}
	if !errors.Is(err, io.EOF) {
		return nil, giveBack, err
	}

	return io.MultiReader(readers...), giveBack, nil
}
