package logstore

import (
	"slices"
	"strings"
)

// retain removes whole blocks that are too old or too much.
func (s *Store) retain() {
	horizon := s.horizon()
	s.mu.Lock()
	var gone []*handle
	for _, h := range s.blocks {
		if h.info.MaxTime < horizon {
			gone = append(gone, h)
		}
	}
	if limit := s.cfg.RetentionSize; limit > 0 {
		total := s.blockBytes.Load() + s.active.size
		for _, h := range s.frozen {
			total += h.size
		}
		for _, h := range gone {
			total -= h.size
		}
		left := without(s.blocks, gone...)
		slices.SortFunc(left, func(a, b *handle) int {
			switch {
			case a.info.MaxTime < b.info.MaxTime:
				return -1
			case a.info.MaxTime > b.info.MaxTime:
				return 1
			}

			return byNumber(a, b)
		})
		for _, h := range left {
			if total <= limit {
				break
			}
			gone = append(gone, h)
			total -= h.size
		}
	}
	if len(gone) > 0 {
		s.replace(nil, gone)
	}
	s.mu.Unlock()
	for _, h := range gone {
		s.log.Debug("a block is past the retention", "file", h.name, "entries", h.info.Rows)
		h.drop()
	}
	s.forgetDamaged()
}

// forgetDamaged removes files that are left out once they are past the retention.
func (s *Store) forgetDamaged() {
	s.mu.RLock()
	n := len(s.damaged)
	s.mu.RUnlock()
	if n == 0 || s.cfg.RetentionTime == 0 {
		return
	}
	files, err := s.fs.List()
	if err != nil {
		return // It is tried again.
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, f := range files {
		_, damaged := s.damaged[f.Name]
		if damaged && !strings.HasSuffix(f.Name, segmentSuffix) && s.cfg.Now().Sub(f.Modified) > s.cfg.RetentionTime &&
			s.fs.Remove(f.Name) == nil {
			delete(s.damaged, f.Name)
		}
	}
}
