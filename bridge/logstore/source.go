package logstore

import (
	"cmp"
	"context"
	"slices"

	"llmwatch/bridge/logstore/block"
	"llmwatch/bridge/logstore/entry"
	"llmwatch/bridge/logstore/frame"
)

// source is a part of the store that can be searched on its own.
type source interface {
	times() (least, most int64)
	// search and fetch mean what those of a block do.
	search(ctx context.Context, q block.Search) ([]block.Hit, error)
	fetch(ctx context.Context, hits []block.Hit, fn func(i int, e *entry.Entry) error) error
	// failed returns an error of the two, or nil where the source is left out from
	// now on.
	failed(ctx context.Context, err error) error
}

func (snap *snapshot) sources(s *Store) []source {
	all := make([]source, 0, len(snap.blocks)+len(snap.chunks))
	for _, h := range snap.blocks {
		all = append(all, blockSource{s, h})
	}
	for i := range snap.chunks {
		all = append(all, &chunkSource{snap.chunks[i]})
	}

	return all
}

type blockSource struct {
	store *Store
	*handle
}

func (b blockSource) times() (least, most int64) { return b.info.MinTime, b.info.MaxTime }

func (b blockSource) search(ctx context.Context, q block.Search) ([]block.Hit, error) {
	return b.Search(ctx, q)
}

func (b blockSource) fetch(ctx context.Context, hits []block.Hit, fn func(int, *entry.Entry) error) error {
	return b.Fetch(ctx, hits, fn)
}

func (b blockSource) failed(ctx context.Context, err error) error {
	if ctx.Err() != nil {
		return err
	}

	return b.store.skip(b.handle, err)
}

type chunkSource struct{ chunk }

func (c *chunkSource) times() (least, most int64) { return c.min, c.max }

func (c *chunkSource) failed(_ context.Context, err error) error { return err }

func (c *chunkSource) search(ctx context.Context, q block.Search) ([]block.Hit, error) {
	if !c.overlaps(q.Filter) {
		return nil, nil
	}
	var found []block.Hit
	var e entry.Entry
	err := c.each(func(seq uint64, r *frame.Reader) error {
		p := entry.Position{Time: r.Time(), Seq: seq}
		if !q.Filter.InTime(p.Time) || !q.Filter.WantsLevel(r.Level()) || !beyond(&q, p) {
			return nil
		}
		if !r.Entry(&e) {
			return r.Err()
		}
		if !q.Filter.Match(&e) {
			return nil
		}
		found = append(found, block.Hit{Position: p})
		if len(found) >= 2*q.Limit+1000 {
			found = best(found, &q)
			return ctx.Err()
		}

		return nil
	})

	return best(found, &q), err
}

// beyond reports whether p comes after what was seen already.
func beyond(q *block.Search, p entry.Position) bool {
	switch {
	case q.After == nil:
		return true
	case q.Newest:
		return p.Compare(*q.After) < 0
	default:
		return p.Compare(*q.After) > 0
	}
}

// best orders hits and cuts them at the limit.
func best(hits []block.Hit, q *block.Search) []block.Hit {
	slices.SortFunc(hits, func(a, b block.Hit) int {
		if q.Newest {
			a, b = b, a
		}

		return a.Compare(b.Position)
	})
	if q.Limit > 0 && len(hits) > q.Limit {
		hits = hits[:q.Limit]
	}

	return hits
}

func (c *chunkSource) fetch(ctx context.Context, hits []block.Hit, fn func(int, *entry.Entry) error) error {
	order := make([]int, len(hits)) // By number.
	for i := range order {
		order[i] = i
	}
	slices.SortFunc(order, func(a, b int) int { return cmp.Compare(hits[a].Seq, hits[b].Seq) })
	var e entry.Entry

	return c.each(func(seq uint64, r *frame.Reader) error {
		if len(order) == 0 || hits[order[0]].Seq != seq {
			return nil
		}
		if !r.Entry(&e) {
			return r.Err()
		}
		i := order[0]
		order = order[1:]
		if err := ctx.Err(); err != nil {
			return err
		}

		return fn(i, &e)
	})
}
