package logstore

import (
	"cmp"
	"context"
	"errors"
	"maps"
	"runtime"
	"slices"
	"sync"
	"sync/atomic"

	"llmwatch/bridge/logstore/block"
	"llmwatch/bridge/logstore/entry"
	"llmwatch/bridge/logstore/frame"
)

// digest is what is counted in a whole block, kept with it while the step stays
// the same: whoever looks at statistics looks again.
type digest struct {
	step    int64
	origin  int64
	buckets []Levels
	errors  map[errorKey]*errorTally
}

// tallyBlocks counts in blocks, several at once.
func (s *Store) tallyBlocks(ctx context.Context, blocks []*handle, f *entry.Filter, total *tally) error {
	var mu sync.Mutex
	var next atomic.Int64
	var workers sync.WaitGroup
	errs := make([]error, min(runtime.GOMAXPROCS(0), len(blocks)))
	for w := range errs {
		workers.Go(func() {
			for errs[w] == nil {
				i := int(next.Add(1)) - 1
				if i >= len(blocks) {
					return
				}
				part := total.like()
				err := part.addBlock(ctx, blocks[i], f)
				if err != nil {
					if ctx.Err() == nil {
						err = s.skip(blocks[i], err)
					}
					errs[w] = err
					continue
				}
				mu.Lock()
				total.merge(part)
				mu.Unlock()
			}
		})
	}
	workers.Wait()

	return errors.Join(errs...)
}

// addBlock counts in one block. Of a block that lies within the bounds, most is
// known without reading it.
func (t *tally) addBlock(ctx context.Context, h *handle, f *entry.Filter) error {
	if f.From > h.info.MinTime || f.Until <= h.info.MaxTime {
		return t.addPart(ctx, h, f)
	}
	d := h.digest.Load()
	if d == nil || d.step != t.step {
		made, err := t.digest(ctx, h, d)
		if err != nil {
			return err
		}
		d = made
		h.digest.Store(d)
	}
	for i := range h.info.Counts {
		c := &h.info.Counts[i]
		t.logger(c.Logger)[c.Level] += uint64(c.Rows)
	}
	first := t.index(d.origin)
	for i := range d.buckets {
		t.buckets[first+i].add(&d.buckets[i])
	}
	t.mergeErrors(d.errors)

	return nil
}

// digest counts a whole block. What an earlier digest knows of errors is taken
// over.
func (t *tally) digest(ctx context.Context, h *handle, earlier *digest) (*digest, error) {
	part := newTally(h.info.MinTime, after(h.info.MaxTime), t.step)
	if len(part.buckets) == 1 {
		for i := range h.info.Counts {
			c := &h.info.Counts[i]
			part.buckets[0][c.Level] += uint64(c.Rows)
		}
	} else if _, err := part.histogram(ctx, h, &entry.Filter{}); err != nil {
		return nil, err
	}
	d := &digest{step: t.step, origin: part.origin, buckets: part.buckets}
	if earlier != nil {
		d.errors = earlier.errors

		return d, nil
	}
	if err := part.addErrors(ctx, h, &entry.Filter{}); err != nil {
		return nil, err
	}
	part.keepTop(maxDigestErrors)
	d.errors = part.errors

	return d, nil
}

// maxDigestErrors is how many error messages are remembered of a block.
const maxDigestErrors = 50

// histogram counts the entries of a block that pass, and returns how many of each
// level there are.
func (t *tally) histogram(ctx context.Context, h *handle, f *entry.Filter) (sum Levels, err error) {
	counts := make([][entry.NumLevels]int64, len(t.buckets))
	if err := h.Histogram(ctx, f, t.origin, t.step, counts); err != nil {
		return sum, err
	}
	for i := range counts {
		for level, n := range counts[i] {
			t.buckets[i][level] += uint64(n)
			sum[level] += uint64(n)
		}
	}

	return sum, nil
}

// addPart counts in a block that reaches beyond the bounds.
func (t *tally) addPart(ctx context.Context, h *handle, f *entry.Filter) error {
	for i := range h.info.Counts {
		name := h.info.Counts[i].Logger
		if i > 0 && name == h.info.Counts[i-1].Logger {
			continue // They are ordered by logger and level.
		}
		one := *f
		one.Fields = []entry.FieldMatch{{Name: "logger", Values: []string{name}}}
		sum, err := t.histogram(ctx, h, &one)
		if err != nil {
			return err
		}
		if sum.Total() > 0 {
			t.logger(name).add(&sum)
		}
	}

	return t.addErrors(ctx, h, f)
}

// addErrors counts the messages of level ERROR and above.
func (t *tally) addErrors(ctx context.Context, h *handle, f *entry.Filter) error {
	grave := *f
	grave.Levels = 1<<entry.Error | 1<<entry.Critical
	q := block.Search{Filter: &grave, Limit: errorsAtOnce}
	var key []byte
	for {
		hits, err := h.Search(ctx, q)
		if err != nil || len(hits) == 0 {
			return err
		}
		if err := h.Fetch(ctx, hits, func(_ int, e *entry.Entry) error {
			key = t.addError(e, key)

			return nil
		}); err != nil {
			return err
		}
		if len(hits) < errorsAtOnce {
			return nil
		}
		last := hits[len(hits)-1].Position
		q.After = &last
	}
}

// errorsAtOnce bounds the memory for error messages.
const errorsAtOnce = 4096

// keepTop forgets the error messages that occur least.
func (t *tally) keepTop(n int) {
	if len(t.errors) <= n {
		return
	}
	for _, k := range slices.SortedFunc(maps.Keys(t.errors), func(a, b errorKey) int {
		return cmp.Compare(t.errors[b].count, t.errors[a].count)
	})[n:] {
		delete(t.errors, k)
	}
}

// addChunk counts in a chunk that waits to be sealed.
func (t *tally) addChunk(ctx context.Context, c *chunk, f *entry.Filter) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	var e entry.Entry
	var key []byte

	return c.each(func(_ uint64, r *frame.Reader) error {
		if !f.InTime(r.Time()) {
			return nil
		}
		if !r.Entry(&e) {
			return r.Err()
		}
		t.buckets[t.index(e.Time)][e.Level]++
		t.logger(e.Logger)[e.Level]++
		if e.Level >= entry.Error {
			key = t.addError(&e, key)
		}

		return nil
	})
}

// merge adds what was counted over the same range.
func (t *tally) merge(part *tally) {
	for i := range part.buckets {
		t.buckets[i].add(&part.buckets[i])
	}
	for name, levels := range part.loggers {
		t.logger(name).add(levels)
	}
	t.mergeErrors(part.errors)
}

func (t *tally) mergeErrors(found map[errorKey]*errorTally) {
	for k, n := range found {
		known := t.errors[k]
		if known == nil {
			if len(t.errors) >= maxTemplates {
				continue
			}
			known = new(errorTally)
			t.errors[k] = known
		}
		known.count += n.count
		known.last = max(known.last, n.last)
	}
}
