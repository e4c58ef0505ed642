package logstore

import (
	"context"
	"fmt"

	"llmwatch/bridge/logstore/entry"
)

// mergeLeast is how many neighbours are merged at least.
const mergeLeast = 4

// mergeable returns blocks that follow one another and are worth merging. None of
// them has more than half of the entries, so that an entry is written again only
// when its block at least doubles.
func (s *Store) mergeable() []*handle {
	s.mu.RLock()
	defer s.mu.RUnlock()
	for i := range s.blocks {
		rows, most, text := 0, 0, int64(0)
		j := i
		for ; j < len(s.blocks); j++ {
			info := &s.blocks[j].info
			if rows+info.Rows > s.cfg.headRows || text+info.TextBytes > headText {
				break
			}
			rows += info.Rows
			text += info.TextBytes
			most = max(most, info.Rows)
		}
		if j-i >= mergeLeast && most <= rows/2 {
			return s.blocks[i:j]
		}
	}

	return nil
}

// mergeOnce makes one block of several small ones, where there are such.
func (s *Store) mergeOnce(ctx context.Context) (bool, error) {
	small := s.mergeable()
	if small == nil {
		return false, nil
	}
	w := s.writer()
	horizon := s.horizon()
	for _, h := range small {
		err := h.Each(ctx, func(seq uint64, e *entry.Entry) error {
			if e.Time >= horizon {
				w.Add(seq, e)
			}

			return nil
		})
		if err != nil {
			if err := s.skip(h, err); err != nil {
				return false, fmt.Errorf("read %s: %w", h.name, err)
			}

			return true, nil // Without it, next time.
		}
	}
	var merged []*handle
	if w.Len() > 0 {
		h, err := s.finish(w, small[0].first, small[len(small)-1].last)
		if err != nil {
			return false, err
		}
		merged = append(merged, h)
	}
	s.mu.Lock()
	s.replace(merged, small)
	s.mu.Unlock()
	for _, h := range small {
		h.drop()
	}

	return true, nil
}
