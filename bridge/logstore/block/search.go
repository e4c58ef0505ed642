package block

import (
	"cmp"
	"context"
	"slices"
	"sort"
	"strconv"

	"llmwatch/bridge/logstore/entry"
)

// Search asks for the first entries that pass a filter, in one of two orders.
type Search struct {
	Filter *entry.Filter
	// Newest asks for the last entries by position, the last one first; else it is
	// the first ones.
	Newest bool
	// After leaves out all that come before it in that order, and itself.
	After *entry.Position
	// Limit is how many are wanted.
	Limit int
}

// Hit is an entry that was found.
type Hit struct {
	entry.Position
	chunk, row uint32
}

// better reports whether p comes before q in the order asked for.
func (s *Search) better(p, q entry.Position) bool {
	if s.Newest {
		p, q = q, p
	}

	return p.Compare(q) < 0
}

// Search returns at most Limit entries, the best ones, best first. Several may run
// at once. It reads the columns that the filter speaks of, where the block's
// summary and filter do not rule out that there is anything.
func (b *Block) Search(ctx context.Context, s Search) ([]Hit, error) {
	q := newQuery(s.Filter)
	if s.Limit <= 0 || !b.relevant(&s) {
		return nil, nil
	}
	if possible, err := b.possible(q); err != nil || !possible {
		return nil, err
	}
	q.prepare()
	chunks, err := b.directory()
	if err != nil {
		return nil, err
	}
	var hits []Hit
	for _, at := range s.order(chunks) {
		c := &chunks[at]
		if len(hits) == s.Limit && !s.better(s.best(c), hits[s.Limit-1].Position) {
			break // The chunks that follow are no better.
		}
		found, err := b.searchChunk(ctx, &s, q, c, hits)
		if err != nil {
			return nil, err
		}
		for i := range found {
			found[i].chunk = uint32(at)
		}
		hits = s.merge(hits, found)
	}

	return hits, nil
}

// relevant reports whether the block has entries of the time asked for.
func (b *Block) relevant(s *Search) bool {
	worst := entry.Position{Time: b.info.MaxTime, Seq: 1<<64 - 1}
	if s.Newest {
		worst = entry.Position{Time: b.info.MinTime}
	}

	return s.Filter.Overlaps(b.info.MinTime, b.info.MaxTime) && (s.After == nil || s.better(*s.After, worst)) &&
		slices.ContainsFunc(b.info.Counts, func(c Count) bool {
			return s.Filter.WantsLevel(c.Level) && s.Filter.WantsLogger(c.Logger)
		})
}

// possible reports whether the fields asked for can be in the block.
func (b *Block) possible(q *query) (bool, error) {
	for i := range q.fields {
		if f := &q.fields[i]; !f.absent && !slices.Contains(standardFields, f.name) {
			if ok, err := b.hasField(f); err != nil || !ok {
				return false, err
			}
		}
	}

	return true, nil
}

var standardFields = []string{"timestamp", "level", "logger", "message"}

// hasField asks the filter for the values of a field.
func (b *Block) hasField(f *fieldTest) (bool, error) {
	id, known := b.ids[f.name]
	switch {
	case !known && !b.rest:
		return false, nil
	case known && !b.names[id-columnNames].filtered:
		return true, nil
	}
	bind := nameHash(f.name)
	m := memories.Get().(*memory)
	defer m.release()
	for _, value := range f.equal {
		if len(value) > maxFiltered {
			return true, nil
		}
		if b.pages == 0 {
			continue
		}
		h := fieldHash(bind, []byte(value))
		at := pageOf(h, b.pages)
		page, err := b.section("filter "+strconv.Itoa(at), place{b.filter.offset + int64(at)*int64(b.filter.size), b.filter.size}, m)
		if err != nil {
			return false, err
		}
		if holds(page, h) {
			return true, nil
		}
	}

	return false, nil
}

// best is the best position that an entry of c can have.
func (s *Search) best(c *chunk) entry.Position {
	if s.Newest {
		return entry.Position{Time: c.maxTime, Seq: 1<<64 - 1}
	}

	return entry.Position{Time: c.minTime}
}

// order returns the chunks that can have an answer, the best first.
func (s *Search) order(chunks []chunk) []int {
	var order []int
	for i := range chunks {
		if c := &chunks[i]; s.Filter.WantsLevel(c.level) && s.Filter.Overlaps(c.minTime, c.maxTime) {
			order = append(order, i)
		}
	}
	slices.SortFunc(order, func(i, j int) int {
		a, b := s.best(&chunks[i]), s.best(&chunks[j])
		if s.Newest {
			a, b = b, a
		}

		return cmp.Or(a.Compare(b), cmp.Compare(i, j))
	})

	return order
}

// window is how many rows are tested before anybody asks whether to go on.
const window = 256

// searchChunk returns the hits of a chunk that are better than the worst of hits.
func (b *Block) searchChunk(ctx context.Context, s *Search, q *query, c *chunk, hits []Hit) ([]Hit, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	cr := b.open(c)
	defer cr.close()
	tests, none, err := cr.tests(q)
	if err != nil || none {
		return nil, err
	}
	first, last, err := cr.within(s, hits)
	if err != nil {
		return nil, err
	}
	var found []Hit
	for n := 0; n < last-first && len(found) < s.Limit; n++ {
		if n%window == 0 {
			if err := ctx.Err(); err != nil {
				return nil, err
			}
		}
		row := first + n
		if s.Newest {
			row = last - 1 - n
		}
		if passes(tests, row) {
			if err := cr.needPositions(); err != nil {
				return nil, err
			}
			found = append(found, Hit{Position: cr.at(row), row: uint32(row)})
		}
	}

	return found, nil
}

func passes(tests []rowTest, row int) bool {
	for _, test := range tests {
		if !test(row) {
			return false
		}
	}

	return true
}

// within returns the rows that are within the time bounds, beyond After, and better
// than the worst hit where there are enough.
func (cr *rows) within(s *Search, hits []Hit) (first, last int, err error) {
	first, last = 0, cr.rows
	if f := s.Filter; !f.InTime(cr.minTime) || !f.InTime(cr.maxTime) {
		if err := cr.needTimes(); err != nil {
			return 0, 0, err
		}
		first = sort.Search(last, func(i int) bool { return int64(cr.times[i]) >= f.From })
		if f.Until != 0 {
			last = sort.Search(last, func(i int) bool { return int64(cr.times[i]) >= f.Until })
		}
	}
	var worst *entry.Position
	if len(hits) > 0 && len(hits) == s.Limit {
		worst = &hits[len(hits)-1].Position
	}
	low, high := s.After, worst // Strictly between.
	if s.Newest {
		low, high = high, low
	}
	if low != nil && low.Time >= cr.minTime {
		if err := cr.needPositions(); err != nil {
			return 0, 0, err
		}
		first = max(first, sort.Search(cr.rows, func(i int) bool { return cr.at(i).Compare(*low) > 0 }))
	}
	if high != nil && high.Time <= cr.maxTime {
		if err := cr.needPositions(); err != nil {
			return 0, 0, err
		}
		last = min(last, sort.Search(cr.rows, func(i int) bool { return cr.at(i).Compare(*high) >= 0 }))
	}

	return first, last, nil
}

// merge returns the best of two ordered lists.
func (s *Search) merge(a, b []Hit) []Hit {
	if len(a) == 0 || len(b) == 0 {
		return append(a, b...)
	}
	merged := make([]Hit, 0, min(len(a)+len(b), s.Limit))
	for len(merged) < s.Limit && len(a)+len(b) > 0 {
		if len(b) == 0 || len(a) > 0 && s.better(a[0].Position, b[0].Position) {
			merged, a = append(merged, a[0]), a[1:]
		} else {
			merged, b = append(merged, b[0]), b[1:]
		}
	}

	return merged
}
