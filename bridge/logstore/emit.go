package logstore

import (
	"context"

	"llmwatch/bridge/logstore/block"
	"llmwatch/bridge/logstore/entry"
)

const (
	// emitText is about how much text of results is held at once.
	emitText = 4 << 20
	// firstWindow and maxWindow are how many results are fetched at once: few while
	// their size is not known.
	firstWindow = 16
	maxWindow   = 512
)

// emit calls fn with the entries that were found, in order. They are fetched in
// windows whose size follows that of the entries.
func (c *collector) emit(ctx context.Context, fn func(entry.Position, *entry.Entry) error) error {
	var b entry.Batch
	var e entry.Entry
	place := make([]int, 0, maxWindow) // Of each hit of the window in b, or -1.
	for n := firstWindow; len(c.best) > 0; {
		window := c.best[:min(n, len(c.best))]
		c.best = c.best[len(window):]
		b.Reset()
		place = place[:0]
		for range window {
			place = append(place, -1)
		}
		if err := c.fetch(ctx, window, func(i int, e *entry.Entry) error {
			b.Add(e)
			place[i] = b.Len() - 1

			return nil
		}); err != nil {
			return err
		}
		for i, at := range place {
			if at < 0 {
				continue // Its block turned out to be damaged.
			}
			b.At(at, &e)
			if err := fn(window[i].Position, &e); err != nil {
				return err
			}
		}
		n = min(max(emitText/(b.Size()/len(window)+1), firstWindow), maxWindow)
	}

	return nil
}

// fetch asks each source once for what it has of a window.
func (c *collector) fetch(ctx context.Context, window []hit, fn func(i int, e *entry.Entry) error) error {
	bySource := map[int][]int{}
	for i := range window {
		bySource[window[i].source] = append(bySource[window[i].source], i)
	}
	var hits []block.Hit
	for source, places := range bySource {
		hits = hits[:0]
		for _, i := range places {
			hits = append(hits, window[i].Hit)
		}
		err := c.sources[source].fetch(ctx, hits, func(i int, e *entry.Entry) error { return fn(places[i], e) })
		if err == nil {
			continue
		}
		if err := c.sources[source].failed(ctx, err); err != nil {
			return err
		}
	}

	return nil
}
