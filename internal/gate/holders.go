package gate

import (
	"net/http"
	"sync"
	"time"
)

const (
	// dawdle is how long the holder of a turn may take to read one piece of its
	// answer while others wait for turns. Alone it may take as long as its pace.
	dawdle = 5 * time.Second
	// dawdleLook is how often those who wait look for such holders.
	dawdleLook = time.Second
)

// holders are the requests that have a turn.
type holders struct {
	mu  sync.Mutex // Guards the map and the times of those in it.
	all map[*holder]struct{}
}

// holder is the answer to a request that has a turn.
type holder struct {
	http.ResponseWriter
	of   *holders
	kind Kind
	// since is when the write began that is under way, zero if none is.
	since time.Time
}

func (hs *holders) add(w http.ResponseWriter, kind Kind) *holder {
	h := &holder{ResponseWriter: w, of: hs, kind: kind}
	hs.mu.Lock()
	defer hs.mu.Unlock()
	if hs.all == nil {
		hs.all = map[*holder]struct{}{}
	}
	hs.all[h] = struct{}{}

	return h
}

func (hs *holders) remove(h *holder) {
	hs.mu.Lock()
	defer hs.mu.Unlock()
	delete(hs.all, h)
}

// cutDawdlers ends the answers of a kind that nobody reads, and returns their
// number.
func (hs *holders) cutDawdlers(kind Kind, now time.Time) (cut int) {
	hs.mu.Lock()
	defer hs.mu.Unlock()
	for h := range hs.all {
		if h.kind != kind || h.since.IsZero() || now.Sub(h.since) < dawdle {
			continue
		}
		// Where there is no connection, nobody dawdles.
		if http.NewResponseController(h.ResponseWriter).SetWriteDeadline(now) == nil {
			cut++
		}
		h.since = time.Time{} // Once is enough.
	}

	return cut
}

// Write implements io.Writer.
func (h *holder) Write(p []byte) (int, error) {
	h.writes(time.Now())
	defer h.writes(time.Time{})

	return h.ResponseWriter.Write(p)
}

func (h *holder) writes(since time.Time) {
	h.of.mu.Lock()
	defer h.of.mu.Unlock()
	h.since = since
}

// Flush implements http.Flusher, which handlers that stream look for.
func (h *holder) Flush() {
	_ = http.NewResponseController(h.ResponseWriter).Flush() // A writer that cannot flush has no buffer of ours.
}

// Unwrap lets http.ResponseController reach what the server offers.
func (h *holder) Unwrap() http.ResponseWriter { return h.ResponseWriter }
