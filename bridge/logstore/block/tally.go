package block

import (
	"context"

	"llmwatch/bridge/logstore/entry"
)

// Tally takes what Block.Tally finds, in buckets of time: the first one begins at
// From, and each is Step nanoseconds long. Entries outside of all buckets count
// nowhere.
type Tally struct {
	From, Step int64
	Buckets    int
	// Add is told that there are n more entries of a logger and a level in a bucket.
	Add func(logger string, level entry.Level, bucket, n int)
	// Message is given each entry of level ERROR and above, without its fields; nil
	// is not. The texts hold during the call.
	Message func(e *entry.Entry)
}

// Tally counts the entries that pass f. It reads the columns that f speaks of, the
// times of chunks that reach over several buckets, and messages that are wanted.
func (b *Block) Tally(ctx context.Context, f *entry.Filter, t Tally) error {
	s := Search{Filter: f}
	q := newQuery(f)
	if t.Step <= 0 || !b.relevant(&s) {
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
	for i := range chunks {
		if err := ctx.Err(); err != nil {
			return err
		}
		if c := &chunks[i]; f.WantsLevel(c.level) && f.Overlaps(c.minTime, c.maxTime) {
			if err := b.tallyChunk(ctx, &s, q, c, &t); err != nil {
				return err
			}
		}
	}

	return nil
}

// bucket returns the bucket of a time, -1 where there is none.
func (t *Tally) bucket(time int64) int {
	if time < t.From || (time-t.From)/t.Step >= int64(t.Buckets) {
		return -1
	}

	return int((time - t.From) / t.Step)
}

func (b *Block) tallyChunk(ctx context.Context, s *Search, q *query, c *chunk, t *Tally) error {
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
	counting := counter{rows: cr, tally: t}
	if t.Message != nil && c.level >= entry.Error {
		if counting.messages, err = cr.textsOf(columnMessage); err != nil {
			return err
		}
	}
	if counting.loggers, err = cr.textsOf(columnLogger); err != nil {
		return err
	}
	if at := t.bucket(c.minTime); len(tests) == 0 && counting.messages == nil && counting.oneLogger() && last-first == c.rows && at == t.bucket(c.maxTime) {
		counting.add(0, at, c.rows)
		return nil
	}
	if err := cr.needTimes(); err != nil {
		return err
	}

	return counting.each(ctx, tests, first, last)
}

// counter counts the rows of a chunk.
type counter struct {
	*rows
	tally    *Tally
	loggers  texts
	messages texts // Nil where they are not wanted.
	entry    entry.Entry
	text     []byte
}

func (c *counter) oneLogger() bool {
	_, same := c.loggers.(constTexts)

	return same
}

// each counts those rows that pass. Their times are in order, so that neighbours
// are mostly counted at once.
func (c *counter) each(ctx context.Context, tests []rowTest, first, last int) error {
	oneLogger := c.oneLogger()
	bucket, end := -1, c.minTime // Of the rows that wait to be counted, and where it ends.
	since, n := first, 0         // Which they are.
	for row := first; row < last; row++ {
		if row%window == 0 {
			if err := ctx.Err(); err != nil {
				return err
			}
		}
		if !passes(tests, row) {
			continue
		}
		at := int64(c.times[row])
		if at >= end || !oneLogger {
			c.add(since, bucket, n)
			since, n = row, 0
			bucket = c.tally.bucket(at)
			end = c.tally.From + int64(bucket+1)*c.tally.Step
		}
		n++
		if c.messages != nil && bucket >= 0 {
			c.message(row)
		}
	}
	c.add(since, bucket, n)

	return nil
}

// add counts n entries of the logger of a row.
func (c *counter) add(row, bucket, n int) {
	if n == 0 || bucket < 0 {
		return
	}
	c.text = c.loggers.append(c.text[:0], row)
	c.tally.Add(view(c.text), c.level, bucket, n)
}

// message hands out a row without its fields.
func (c *counter) message(row int) {
	c.text = c.loggers.append(c.text[:0], row)
	end := len(c.text)
	c.text = c.messages.append(c.text, row)
	c.entry = entry.Entry{Time: int64(c.times[row]), Level: c.level, Logger: view(c.text[:end]), Message: view(c.text[end:])}
	c.tally.Message(&c.entry)
}
