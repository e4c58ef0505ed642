package logstore

import (
	"context"
	"errors"
	"slices"

	"llmwatch/bridge/logstore/entry"
	"llmwatch/bridge/logstore/frame"
)

// Tail gives the entries that pass a filter as they become durable, in order of
// arrival. It reads them where they wait to be sealed and keeps none itself, so
// that a thousand readers need no more memory than one. Writers never wait for it:
// a reader that is too slow loses what is sealed meanwhile. It is for one
// goroutine, but for Close.
type Tail struct {
	store  *Store
	filter entry.Filter

	woken  chan struct{} // There may be more; holds one.
	closed chan struct{}
	first  uint64
	next   uint64 // The number of the next entry to look at.
}

// ErrTailClosed is returned by Next after Close, of the tail or of the store.
var ErrTailClosed = errors.New("the tail is closed")

// Tail begins with the next entry that becomes durable. It must be closed.
func (s *Store) Tail(filter entry.Filter) *Tail {
	t := &Tail{store: s, filter: filter, woken: make(chan struct{}, 1), closed: make(chan struct{})}
	s.mu.Lock()
	defer s.mu.Unlock()
	t.first, t.next = s.next, s.next
	if s.closed {
		close(t.closed)
		return t
	}
	s.tails[t] = struct{}{}

	return t
}

// First is the number of the first entry that can be among those of Next.
func (t *Tail) First() uint64 { return t.first }

// wake tells that there may be more; it never waits.
func (t *Tail) wake() {
	select {
	case t.woken <- struct{}{}:
	default:
	}
}

// Close ends the tail.
func (t *Tail) Close() {
	t.store.mu.Lock()
	defer t.store.mu.Unlock()
	if _, open := t.store.tails[t]; open {
		delete(t.store.tails, t)
		close(t.closed)
	}
}

// Next waits until there are entries, and calls fn with them. Lost is how many the
// reader was too slow for since the call before; among them may be some that would
// not have passed the filter. They came before those that fn is called with or
// after them. fn should not wait: what it looks at is held in memory for it.
func (t *Tail) Next(ctx context.Context, fn func(entry.Position, *entry.Entry) error) (lost uint64, err error) {
	for {
		select {
		case <-t.closed:
			return 0, ErrTailClosed
		default:
		}
		given, lost, err := t.catchUp(fn)
		if given || lost > 0 || err != nil {
			return lost, err
		}
		select {
		case <-t.woken:
		case <-t.closed:
			return 0, ErrTailClosed
		case <-ctx.Done():
			return 0, ctx.Err()
		}
	}
}

// catchUp looks at what became durable since the last time. It reports whether fn
// was called.
func (t *Tail) catchUp(fn func(entry.Position, *entry.Entry) error) (given bool, lost uint64, err error) {
	chunks, next := t.store.since(t.next)
	for i := range chunks {
		c := &chunks[i]
		if c.first > t.next {
			lost += c.first - t.next // They are sealed already.
			t.next = c.first
		}
		if c.overlaps(&t.filter) {
			found, err := t.look(c, fn)
			given = given || found
			if errors.Is(err, ErrEnough) {
				return given, lost, nil
			}
			if err != nil {
				return given, lost, err
			}
		}
		t.next = c.end()
	}
	if next > t.next {
		lost += next - t.next
		t.next = next
	}

	return given, lost, nil
}

// look calls fn with what a chunk holds from the next entry on. The error is fn's.
func (t *Tail) look(c *chunk, fn func(entry.Position, *entry.Entry) error) (given bool, err error) {
	var e entry.Entry
	damage := c.each(func(seq uint64, r *frame.Reader) error {
		if seq < t.next {
			return nil
		}
		t.next = seq + 1
		if !t.filter.WantsLevel(r.Level()) || !t.filter.InTime(r.Time()) {
			return nil
		}
		if !r.Entry(&e) {
			return r.Err()
		}
		if t.filter.Match(&e) {
			given = true
			err = fn(entry.Position{Time: e.Time, Seq: seq}, &e)
		}

		return err
	})
	if damage != nil && err == nil {
		t.store.log.Error("entries in memory could not be followed", "error", damage)
	}

	return given, err
}

// since returns what waits in memory from a number on, and the number that the
// next entry gets.
func (s *Store) since(from uint64) ([]chunk, uint64) {
	s.mu.RLock()
	defer s.mu.RUnlock()
	var chunks []chunk
	for _, h := range s.heads() {
		old, _ := slices.BinarySearchFunc(h.chunks, from, func(c chunk, from uint64) int {
			if c.end() <= from {
				return -1
			}

			return 1
		})
		chunks = append(chunks, h.chunks[old:]...)
		if h.open.count > 0 && h.open.end() > from {
			chunks = append(chunks, h.open)
		}
	}

	return chunks, s.next
}
