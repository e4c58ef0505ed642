package logstore

import (
	"context"
	"errors"
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
	rare    bool // Errors that occur less often are left out of errors.
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
// known without reading it, unless more is asked than levels and loggers.
func (t *tally) addBlock(ctx context.Context, h *handle, f *entry.Filter) error {
	if f.From > h.info.MinTime || f.Until <= h.info.MaxTime || f.Pattern != nil || len(f.Words)+len(f.Fields) > 0 {
		return t.scan(ctx, h, f, t.addError)
	}
	d := h.digest.Load()
	if len(f.Loggers) > 0 {
		if d == nil || d.rare {
			return t.scan(ctx, h, f, t.addError)
		}
		t.mergeErrors(d.errors, f)

		return t.scan(ctx, h, f, nil)
	}
	if d == nil || d.step != t.step {
		made, err := t.digest(ctx, h, d)
		if err != nil {
			return err
		}
		d = made
		h.digest.Store(d)
	}
	if f.Levels != 0 && d.rare {
		return t.scan(ctx, h, f, t.addError)
	}
	t.mergeDigest(d, h.info.Counts, f)

	return nil
}

// mergeDigest adds a whole block, of which f wants some levels.
func (t *tally) mergeDigest(d *digest, counts []block.Count, f *entry.Filter) {
	for i := range counts {
		if c := &counts[i]; f.WantsLevel(c.Level) {
			t.logger(c.Logger)[c.Level] += uint64(c.Rows)
		}
	}
	first := t.index(d.origin)
	for i := range d.buckets {
		for level, n := range d.buckets[i] {
			if f.WantsLevel(entry.Level(level)) {
				t.buckets[first+i][level] += n
			}
		}
	}
	t.mergeErrors(d.errors, f)
}

// digest counts a whole block. What an earlier digest knows of errors is taken
// over.
func (t *tally) digest(ctx context.Context, h *handle, earlier *digest) (*digest, error) {
	part := newTally(h.info.MinTime, after(h.info.MaxTime), t.step)
	message := part.addError
	if earlier != nil {
		message = nil
	}
	if err := part.scan(ctx, h, &entry.Filter{}, message); err != nil {
		return nil, err
	}
	d := &digest{step: t.step, origin: part.origin, buckets: part.buckets}
	if earlier != nil {
		d.errors, d.rare = earlier.errors, earlier.rare

		return d, nil
	}
	d.rare = len(part.errors) > maxDigestErrors
	part.keepTop(maxDigestErrors)
	d.errors = part.errors

	return d, nil
}

// maxDigestErrors is how many error messages are remembered of a block.
const maxDigestErrors = 50

// scan counts the entries of a block that pass. message takes those of level ERROR
// and above; nil does not.
func (t *tally) scan(ctx context.Context, h *handle, f *entry.Filter, message func(*entry.Entry)) error {
	return h.Tally(ctx, f, block.Tally{From: t.origin, Step: t.step, Buckets: len(t.buckets), Add: t.add, Message: message})
}

// keepTop forgets the error messages that occur least.
func (t *tally) keepTop(n int) {
	if len(t.errors) <= n {
		return
	}
	counts := make([]uint64, 0, len(t.errors))
	for _, e := range t.errors {
		counts = append(counts, e.count)
	}
	slices.Sort(counts)
	spare := len(counts) - n
	least := counts[spare]
	fewer, _ := slices.BinarySearch(counts, least)
	equal := spare - fewer // That go, too.
	for k, e := range t.errors {
		if e.count == least && equal > 0 {
			equal--
			delete(t.errors, k)
		} else if e.count < least {
			delete(t.errors, k)
		}
	}
}

// addChunk counts in a chunk that waits to be sealed.
func (t *tally) addChunk(ctx context.Context, c *chunk, f *entry.Filter) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	var e entry.Entry

	return c.each(func(_ uint64, r *frame.Reader) error {
		if !f.InTime(r.Time()) || !f.WantsLevel(r.Level()) {
			return nil
		}
		if !r.Entry(&e) {
			return r.Err()
		}
		if !f.Match(&e) {
			return nil
		}
		t.add(e.Logger, e.Level, t.index(e.Time), 1)
		if e.Level >= entry.Error {
			t.addError(&e)
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
	t.mergeErrors(part.errors, &entry.Filter{})
}

// mergeErrors adds the messages of levels and loggers that f wants.
func (t *tally) mergeErrors(found map[errorKey]*errorTally, f *entry.Filter) {
	for k, n := range found {
		if !f.WantsLevel(k.level) || !f.WantsLogger(k.logger) {
			continue
		}
		known := t.errors[k]
		if known == nil {
			t.makeRoom()
			known = new(errorTally)
			t.errors[k] = known
		}
		known.count += n.count
		known.last = max(known.last, n.last)
	}
}
