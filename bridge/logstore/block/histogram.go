package block

import (
	"context"

	"llmwatch/bridge/logstore/entry"
)

// Histogram adds to counts how many entries that pass f are in each bucket, by level:
// the first bucket begins at from, and each is step nanoseconds long. Entries outside
// of all buckets count nowhere.
func (b *Block) Histogram(ctx context.Context, f *entry.Filter, from, step int64, counts [][entry.NumLevels]int64) error {
	s := Search{Filter: f}
	q := newQuery(f)
	if step <= 0 || !b.relevant(&s) {
		return nil
	}
	if possible, err := b.possible(q); err != nil || !possible {
		return err
	}
	q.prepare()
	chunks, err := b.directory()
	if err != nil {
		return err
	}
	for _, at := range s.order(chunks) {
		if err := ctx.Err(); err != nil {
			return err
		}
		if err := b.countChunk(ctx, &s, q, &chunks[at], from, step, counts); err != nil {
			return err
		}
	}

	return nil
}

func (b *Block) countChunk(ctx context.Context, s *Search, q *query, c *chunk, from, step int64, counts [][entry.NumLevels]int64) error {
	bucket := func(time int64) int {
		if time < from || (time-from)/step >= int64(len(counts)) {
			return -1
		}

		return int((time - from) / step)
	}
	low, high := bucket(c.minTime), bucket(c.maxTime)
	if q.unconditional() && q.InTime(c.minTime) && q.InTime(c.maxTime) && low == high && low >= 0 {
		counts[low][c.level] += int64(c.rows)

		return nil
	}
	cr := b.open(c)
	defer cr.close()
	tests, none, err := cr.tests(q)
	if err != nil || none {
		return err
	}
	first, last, err := cr.within(s, nil)
	if err != nil {
		return err
	}
	if err := cr.needTimes(); err != nil {
		return err
	}
	for row := first; row < last; row++ {
		if row%window == 0 {
			if err := ctx.Err(); err != nil {
				return err
			}
		}
		if i := bucket(int64(cr.times[row])); i >= 0 && passes(tests, row) {
			counts[i][c.level]++
		}
	}

	return nil
}

// unconditional reports whether only time and level are asked for.
func (q *query) unconditional() bool {
	return len(q.Loggers) == 0 && q.pattern == nil && len(q.words) == 0 && len(q.fields) == 0
}
