package logstore

import (
	"cmp"
	"context"
	"errors"
	"math"
	"runtime"
	"slices"
	"sync"
	"sync/atomic"

	"llmwatch/bridge/logstore/block"
	"llmwatch/bridge/logstore/entry"
)

// Query says which entries are wanted, and in which order.
type Query struct {
	Filter entry.Filter
	// Oldest has the oldest come first instead of the newest.
	Oldest bool
	// After is the position after which to go on: what Search returned as next.
	After *entry.Position
	// Limit is how many are wanted; 0 is all.
	Limit int
}

// pageSize is how many are looked for at once where all are wanted.
const pageSize = 2000

// ErrEnough ends a call of Search or Tail.Next after the entry that it is returned
// for. The next call goes on behind that.
var ErrEnough = errors.New("enough for now")

// Search calls fn with the entries that pass the filter, in order. What fn sees
// holds during the call; an error of fn ends the search and is returned, but for
// ErrEnough. fn should not wait: few searches are made at a time, and others wait
// for them. Next is where to go on, nil at the end. Entries that arrive meanwhile
// change nothing of what is before After.
func (s *Store) Search(ctx context.Context, q Query, fn func(entry.Position, *entry.Entry) error) (next *entry.Position, err error) {
	if err := s.queries.Acquire(ctx, 1); err != nil {
		return nil, wrap("search", err)
	}
	defer s.queries.Release(1)
	var last entry.Position
	next, err = s.pages(ctx, q, func(p entry.Position, e *entry.Entry) error {
		last = p

		return fn(p, e)
	})
	if errors.Is(err, ErrEnough) {
		return &last, nil
	}

	return next, err
}

func (s *Store) pages(ctx context.Context, q Query, fn func(entry.Position, *entry.Entry) error) (next *entry.Position, err error) {
	if q.Limit > 0 && q.Limit <= pageSize {
		return s.page(ctx, q, q.Limit, fn)
	}
	for left := q.Limit; ; left -= pageSize {
		limit := pageSize
		if q.Limit > 0 {
			limit = min(limit, left)
		}
		next, err := s.page(ctx, q, limit, fn)
		if err != nil || next == nil || q.Limit > 0 && left <= pageSize {
			return next, err
		}
		q.After = next
	}
}

func (s *Store) page(ctx context.Context, q Query, limit int, fn func(entry.Position, *entry.Entry) error) (*entry.Position, error) {
	f := s.within(q.Filter)
	if q.After != nil { // What is before it needs not be looked at.
		if q.Oldest {
			f.From = max(f.From, q.After.Time)
		} else if f.Until == 0 || q.After.Time < f.Until {
			f.Until = after(q.After.Time)
		}
	}
	snap := s.snapshot(f)
	defer snap.release()
	c := collector{store: s, newest: !q.Oldest, limit: limit + 1, sources: snap.sources(s)}
	if err := c.collect(ctx, block.Search{Filter: f, Newest: !q.Oldest, After: q.After, Limit: limit + 1}); err != nil {
		return nil, wrap("search", err)
	}
	var next *entry.Position
	if len(c.best) > limit {
		c.best = c.best[:limit]
		next = &entry.Position{Time: c.best[limit-1].Time, Seq: c.best[limit-1].Seq}
	}
	if err := c.emit(ctx, fn); err != nil {
		return nil, wrap("search", err)
	}

	return next, nil
}

// after is the end of a time that is included.
func after(t int64) int64 {
	if t == math.MaxInt64 {
		return t
	}

	return t + 1
}

// hit is an entry that was found, and in which source.
type hit struct {
	block.Hit
	source int
}

// collector finds the best entries of all sources.
type collector struct {
	store   *Store
	newest  bool
	limit   int
	sources []source

	mu   sync.Mutex
	best []hit // In order, at most limit.
}

// before reports whether a comes before b in the order that is asked for.
func (c *collector) before(a, b entry.Position) bool {
	if c.newest {
		a, b = b, a
	}

	return a.Compare(b) < 0
}

// collect asks the sources, those that may have the best first, until the rest
// cannot have better ones.
func (c *collector) collect(ctx context.Context, q block.Search) error {
	slices.SortFunc(c.sources, func(a, b source) int {
		minA, maxA := a.times()
		minB, maxB := b.times()
		if c.newest {
			return cmp.Compare(maxB, maxA)
		}

		return cmp.Compare(minA, minB)
	})
	// The first one alone often is enough.
	for i := range min(1, len(c.sources)) {
		if err := c.ask(ctx, i, q); err != nil {
			return err
		}
	}
	var next atomic.Int64
	next.Store(1)
	var workers sync.WaitGroup
	errs := make([]error, min(runtime.GOMAXPROCS(0), max(len(c.sources)-1, 0)))
	for w := range errs {
		workers.Go(func() {
			for errs[w] == nil {
				i := int(next.Add(1)) - 1
				if i >= len(c.sources) || c.enough(i) {
					return
				}
				errs[w] = c.ask(ctx, i, q)
			}
		})
	}
	workers.Wait()
	for _, err := range errs {
		if err != nil {
			return err
		}
	}

	return nil
}

// worst is the last position that is good enough so far.
func (c *collector) worst() (entry.Position, bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if len(c.best) < c.limit {
		return entry.Position{}, false
	}

	return c.best[len(c.best)-1].Position, true
}

// enough reports whether source i and those after it cannot have better entries.
func (c *collector) enough(i int) bool {
	worst, full := c.worst()
	if !full {
		return false
	}
	least, most := c.sources[i].times()
	if c.newest {
		return most < worst.Time
	}

	return least > worst.Time
}

// ask looks into one source.
func (c *collector) ask(ctx context.Context, i int, q block.Search) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	if worst, full := c.worst(); full { // Only what is better is of interest.
		f := *q.Filter
		if c.newest {
			f.From = max(f.From, worst.Time)
		} else {
			f.Until = after(worst.Time)
		}
		q.Filter = &f
	}
	found, err := c.sources[i].search(ctx, q)
	if err != nil {
		return c.sources[i].failed(ctx, err)
	}
	c.offer(i, found)

	return nil
}

// offer takes the best of what a source has, which is in order.
func (c *collector) offer(source int, found []block.Hit) {
	if len(found) == 0 {
		return
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	merged := make([]hit, 0, min(c.limit, len(c.best)+len(found)))
	i, j := 0, 0
	for len(merged) < c.limit && (i < len(c.best) || j < len(found)) {
		if j == len(found) || i < len(c.best) && c.before(c.best[i].Position, found[j].Position) {
			merged = append(merged, c.best[i])
			i++
		} else {
			merged = append(merged, hit{found[j], source})
			j++
		}
	}
	c.best = merged
}
