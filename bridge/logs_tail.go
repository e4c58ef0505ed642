package bridge

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"time"

	"llmwatch/bridge/logstore"
	"llmwatch/bridge/logstore/entry"
)

const (
	// tailBuffer is how much is sent at once; each reader has one.
	tailBuffer = 32 << 10
	// resumePage is how many entries are looked for at once when a tail is resumed:
	// about what is sent at once.
	resumePage = 100
	// tailRest is how long a tail gathers after it has sent something: a flood of
	// small batches costs each reader no more than twenty events a second.
	tailRest = 50 * time.Millisecond
	// lateness is how much older than their neighbours entries may arrive and still
	// be found when a tail is resumed.
	lateness = time.Hour
	// eventDropped tells how many entries a slow reader missed.
	eventDropped = "dropped"
)

// tailLogs streams entries as they arrive. A reader that comes back with
// Last-Event-ID first gets what it missed.
func (s *server) tailLogs(w http.ResponseWriter, r *http.Request) error {
	filter, err := logFilter(r.URL.Query(), s.Now())
	if err != nil {
		return err
	}
	var last *entry.Position
	if id := r.Header.Get("Last-Event-ID"); id != "" {
		at, err := entry.ParsePosition(id)
		if err != nil {
			return invalidParameter(fmt.Sprintf("Last-Event-ID must be the id of an event of this stream, got %q", short(id)))
		}
		last = &at
	}

	return s.stream(w, r, func(events *eventStream) error {
		ctx, cancel := context.WithCancel(r.Context())
		defer cancel()
		go func() {
			select {
			case <-s.Stopping:
				cancel()
			case <-ctx.Done():
			}
		}()
		tail := s.Logs.Tail(filter) // Before the search, so that nothing falls between the two.
		defer tail.Close()
		stream := &logStream{events: events, first: tail.First()}
		if err := events.retry(reconnect); err != nil {
			return err
		}
		if last != nil {
			if err := s.resume(ctx, stream, filter, *last); err != nil {
				return err
			}
		}

		return stream.follow(ctx, tail)
	})
}

// logStream sends entries as events, several at once where there are.
type logStream struct {
	events *eventStream
	buf    []byte
	// replayed are the entries that were sent from the store and come through the
	// tail as well, which begins with first.
	replayed []uint64
	first    uint64
}

// resume sends what arrived after an entry, as far as it is at most an hour older
// than that. Until all of it has been sent, events carry the id that was come
// back with: a reader that is cut off again gets them again, none is lost.
func (s *server) resume(ctx context.Context, stream *logStream, filter entry.Filter, last entry.Position) error {
	filter.From = max(filter.From, last.Time-int64(lateness))
	q := logstore.Query{Filter: filter, Oldest: true, Limit: resumePage}
	for {
		next, err := s.Logs.Search(ctx, q, func(at entry.Position, e *entry.Entry) error {
			if at.Seq <= last.Seq {
				return nil
			}
			if at.Seq >= stream.first {
				stream.replayed = append(stream.replayed, at.Seq)
			}

			return stream.entry(last, at, e)
		})
		if err == nil {
			err = stream.flush()
		}
		if err != nil || next == nil {
			return err
		}
		q.After = next
	}
}

// follow sends what arrives until the reader goes away.
func (t *logStream) follow(ctx context.Context, tail LogTail) error {
	slices.Sort(t.replayed)
	rest := time.NewTimer(0)
	defer rest.Stop()
	for {
		waiting, cancel := context.WithTimeout(ctx, heartbeat)
		select {
		case <-rest.C:
		case <-ctx.Done():
		}
		dropped, err := tail.Next(waiting, t.gather)
		cancel()
		switch {
		case err == nil:
		case ctx.Err() == nil && errors.Is(err, context.DeadlineExceeded):
			if err := t.events.beat(); err != nil {
				return err
			}
		default:
			return err
		}
		if dropped > 0 {
			if err := t.events.send(eventDropped, "", droppedView{dropped}); err != nil {
				return err
			}
		}
		if err := t.flush(); err != nil {
			return err
		}
		rest.Reset(tailRest)
	}
}

// gather takes an entry of the tail.
func (t *logStream) gather(at entry.Position, e *entry.Entry) error {
	if _, sent := slices.BinarySearch(t.replayed, at.Seq); sent {
		return nil
	}

	return t.entry(at, at, e)
}

// entry adds one event to those that are sent next. It sends nothing: a slow
// reader must not have the store wait.
func (t *logStream) entry(id, at entry.Position, e *entry.Entry) error {
	t.buf = append(t.buf, "id: "...)
	t.buf = append(t.buf, id.String()...)
	t.buf = append(t.buf, "\ndata: "...)
	t.buf = appendEntry(t.buf, at, e)
	t.buf = append(t.buf, "\n\n"...)
	if len(t.buf) < tailBuffer {
		return nil
	}

	return logstore.ErrEnough
}

func (t *logStream) flush() error {
	if len(t.buf) == 0 {
		return nil
	}
	err := t.events.write(t.buf)
	t.buf = t.buf[:0]

	return err
}

type droppedView struct {
	Count uint64 `json:"count"`
}
