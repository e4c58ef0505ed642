package logstore

import (
	"context"
	"errors"
	"sync"

	"llmwatch/bridge/logstore/entry"
	"llmwatch/bridge/logstore/frame"
)

// Tail gives the entries that pass a filter as they become durable, in order of
// arrival. Writers never wait for it: a reader that is too slow loses some.
type Tail struct {
	store  *Store
	filter entry.Filter
	buffer int

	woken  chan struct{} // There may be more; holds one.
	closed chan struct{}
	done   sync.WaitGroup
	next   uint64 // The number of the next entry to look at; the goroutine's alone.

	mu       sync.Mutex    // Guards what follows.
	ready    chan struct{} // Something was gathered; holds one.
	gathered *gathered
	spare    *gathered
	lost     uint64
}

// gathered are entries that wait for the reader.
type gathered struct {
	batch     entry.Batch
	positions []entry.Position
}

func (g *gathered) reset() {
	g.batch.Reset()
	g.positions = g.positions[:0]
}

// tailText is the most text that waits for a reader.
const tailText = 4 << 20

// ErrTailClosed is returned by Next after Close, of the tail or of the store.
var ErrTailClosed = errors.New("the tail is closed")

// Tail begins with the next entry that becomes durable. At most buffer entries
// wait for the reader. It must be closed.
func (s *Store) Tail(filter entry.Filter, buffer int) *Tail {
	t := &Tail{
		store: s, filter: filter, buffer: max(buffer, 1),
		woken: make(chan struct{}, 1), closed: make(chan struct{}), ready: make(chan struct{}, 1),
		gathered: &gathered{}, spare: &gathered{},
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	t.next = s.next
	if s.closed {
		close(t.closed)
		return t
	}
	s.tails[t] = struct{}{}
	t.done.Go(t.run)

	return t
}

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
	_, open := t.store.tails[t]
	delete(t.store.tails, t)
	t.store.mu.Unlock()
	if open {
		t.end()
	}
}

func (t *Tail) end() {
	close(t.closed)
	t.done.Wait()
}

// Next waits until there are entries, and calls fn with them. Lost is how many the
// reader was too slow for since the call before; among them may be some that would
// not have passed the filter. They came before those that fn is called with or
// after them.
func (t *Tail) Next(ctx context.Context, fn func(entry.Position, *entry.Entry) error) (lost uint64, err error) {
	select {
	case <-t.ready:
	case <-t.closed:
		return 0, ErrTailClosed
	case <-ctx.Done():
		return 0, ctx.Err()
	}
	t.mu.Lock()
	g := t.gathered
	t.gathered, t.spare = t.spare, nil
	lost, t.lost = t.lost, 0
	t.mu.Unlock()
	defer func() {
		g.reset()
		t.mu.Lock()
		t.spare = g
		t.mu.Unlock()
	}()
	var e entry.Entry
	for i := range g.positions {
		g.batch.At(i, &e)
		if err := fn(g.positions[i], &e); err != nil {
			return lost, err
		}
	}

	return lost, nil
}

func (t *Tail) run() {
	for {
		select {
		case <-t.woken:
		case <-t.closed:
			return
		}
		t.catchUp()
	}
}

// catchUp looks at what became durable since the last time.
func (t *Tail) catchUp() {
	chunks, next := t.store.since(t.next)
	for i := range chunks {
		select {
		case <-t.closed:
			return
		default:
		}
		c := &chunks[i]
		if c.first > t.next {
			t.lose(c.first - t.next) // They are sealed already.
		}
		if c.overlaps(&t.filter) {
			t.look(c)
		}
		t.next = c.end()
	}
	if next > t.next {
		t.lose(next - t.next)
		t.next = next
	}
}

func (t *Tail) look(c *chunk) {
	var e entry.Entry
	err := c.each(func(seq uint64, r *frame.Reader) error {
		if seq < t.next || !t.filter.WantsLevel(r.Level()) || !t.filter.InTime(r.Time()) {
			return nil
		}
		if !r.Entry(&e) {
			return r.Err()
		}
		if t.filter.Match(&e) {
			t.gather(entry.Position{Time: e.Time, Seq: seq}, &e)
		}

		return nil
	})
	if err != nil {
		t.store.log.Error("entries in memory could not be followed", "error", err)
	}
}

func (t *Tail) gather(p entry.Position, e *entry.Entry) {
	t.mu.Lock()
	if g := t.gathered; len(g.positions) >= t.buffer || g.batch.Size() >= tailText {
		t.lost++
	} else {
		g.batch.Add(e)
		g.positions = append(g.positions, p)
	}
	t.mu.Unlock()
	t.signal()
}

func (t *Tail) lose(n uint64) {
	t.mu.Lock()
	t.lost += n
	t.mu.Unlock()
	t.signal()
}

func (t *Tail) signal() {
	select {
	case t.ready <- struct{}{}:
	default:
	}
}

// since returns what waits in memory from a number on, and the number that the
// next entry gets.
func (s *Store) since(from uint64) ([]chunk, uint64) {
	s.mu.RLock()
	defer s.mu.RUnlock()
	var chunks []chunk
	for _, h := range s.heads() {
		for _, c := range h.all() {
			if c.end() > from {
				chunks = append(chunks, c)
			}
		}
	}

	return chunks, s.next
}
