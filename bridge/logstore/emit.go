package logstore

import (
	"context"
	"errors"

	"llmwatch/bridge/logstore/block"
	"llmwatch/bridge/logstore/entry"
)

const (
	// maxWindow is how many results are fetched at once.
	maxWindow = 512
	// emitText is about how much text of results is held at once.
	emitText = 8 << 20
)

// errFull says that the results of a window are larger than they may be together.
var errFull = errors.New("too much for one window")

// emit calls fn with the entries that were found, in order. They are fetched in
// windows, because sources know no order, and because fetching takes apart whole
// columns. Where a window turns out to be too large, it is tried again with fewer.
func (c *collector) emit(ctx context.Context, fn func(entry.Position, *entry.Entry) error) error {
	w := window{place: make([]int, 0, min(len(c.best), maxWindow))}
	for n := maxWindow; len(c.best) > 0; {
		w.hits = c.best[:min(n, len(c.best))]
		err := c.fetch(ctx, &w)
		if errors.Is(err, errFull) {
			n = max(len(w.hits)/4, 1)
			continue
		}
		if err == nil {
			err = w.emit(fn)
		}
		if err != nil {
			return err
		}
		c.best = c.best[len(w.hits):]
	}

	return nil
}

// window holds some of the results, fetched.
type window struct {
	hits  []hit
	batch entry.Batch
	place []int // Of each hit in batch; -1 where it could not be fetched.
}

func (w *window) reset() {
	w.batch.Reset()
	w.place = w.place[:0]
	for range w.hits {
		w.place = append(w.place, -1)
	}
}

// keep takes hit i.
func (w *window) keep(i int, e *entry.Entry) error {
	if w.batch.Size() > emitText && len(w.hits) > 1 {
		return errFull
	}
	w.batch.Add(e)
	w.place[i] = w.batch.Len() - 1

	return nil
}

func (w *window) emit(fn func(entry.Position, *entry.Entry) error) error {
	var e entry.Entry
	for i, at := range w.place {
		if at < 0 {
			continue // Its block turned out to be damaged.
		}
		w.batch.At(at, &e)
		if err := fn(w.hits[i].Position, &e); err != nil {
			return err
		}
	}

	return nil
}

// fetch asks each source once for what it has of a window.
func (c *collector) fetch(ctx context.Context, w *window) error {
	w.reset()
	bySource := map[int][]int{}
	for i := range w.hits {
		bySource[w.hits[i].source] = append(bySource[w.hits[i].source], i)
	}
	var hits []block.Hit
	for source, places := range bySource {
		hits = hits[:0]
		for _, i := range places {
			hits = append(hits, w.hits[i].Hit)
		}
		err := c.sources[source].fetch(ctx, hits, func(i int, e *entry.Entry) error { return w.keep(places[i], e) })
		if errors.Is(err, errFull) {
			return err
		}
		if err == nil {
			continue
		}
		if err := c.sources[source].failed(ctx, err); err != nil {
			return err
		}
	}

	return nil
}
