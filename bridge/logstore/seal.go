package logstore

import (
	"context"
	"fmt"
	"slices"
	"time"

	"llmwatch/bridge/logstore/block"
	"llmwatch/bridge/logstore/frame"
)

// sealAll seals every head that waits.
func (s *Store) sealAll() {
	if s.cfg.Now().Before(s.maint.retry) {
		return
	}
	for s.stopped.Err() == nil {
		s.mu.RLock()
		waiting := s.frozen
		s.mu.RUnlock()
		if len(waiting) == 0 {
			return
		}
		err := s.seal(s.stopped, s.together(waiting))
		if s.stopped.Err() != nil {
			return
		}
		s.failing.setSealing(s.log, err)
		if err != nil {
			s.maint.backoff = min(max(2*s.maint.backoff, s.cfg.tick), maxBackoff)
			s.maint.retry = s.cfg.Now().Add(s.maint.backoff)
			s.mu.Lock()
			close(s.sealed)
			s.sealed = make(chan struct{})
			s.mu.Unlock()

			return
		}
		s.maint.backoff = 0
		s.retain()
	}
}

// together returns the first heads of those that wait, as many as make one block.
func (s *Store) together(waiting []*head) []*head {
	rows := 0
	for i, h := range waiting {
		if rows += h.rows; rows > s.cfg.headRows && i > 0 {
			return waiting[:i]
		}
	}

	return waiting
}

// seal writes heads as blocks, shows these in the place of those, and removes the
// files.
func (s *Store) seal(ctx context.Context, heads []*head) error {
	made, err := s.writeBlocks(ctx, heads)
	if err != nil {
		for _, h := range made {
			h.drop()
		}

		return fmt.Errorf("seal: %w", err)
	}
	s.mu.Lock()
	s.frozen = slices.Clone(s.frozen[len(heads):])
	s.replace(made, nil)
	close(s.sealed)
	s.sealed = make(chan struct{})
	s.mu.Unlock()
	for _, h := range heads {
		s.maint.sealed += int64(h.text)
		if err := s.removeSegment(h.name); err != nil {
			s.log.WarnContext(ctx, "a file of the write-ahead log stays on disk until the next start", "file", h.name, "error", err)
		}
	}

	return nil
}

// replace changes which blocks there are; the lock is held.
func (s *Store) replace(more, less []*handle) {
	all := append(without(s.blocks, less...), more...)
	slices.SortFunc(all, byNumber)
	s.blocks = all
	for _, h := range more {
		delete(s.damaged, h.name) // A damaged one of that name was replaced.
		s.blockBytes.Add(h.size)
	}
	for _, h := range less {
		s.blockBytes.Add(-h.size)
	}
}

// writeBlocks writes blocks of at most blockRows entries. A chunk is never divided:
// after a crash it is either covered by a block or not.
func (s *Store) writeBlocks(ctx context.Context, heads []*head) (made []*handle, err error) {
	w := s.writer()
	var first, last uint64
	finish := func() error {
		h, err := s.finish(w, first, last)
		if h != nil {
			made = append(made, h)
		}

		return err
	}
	for _, head := range heads {
		for _, c := range head.all() {
			if err := ctx.Err(); err != nil {
				return made, err
			}
			if w.Len() > 0 && (w.Len()+c.count > 2*s.cfg.headRows || w.Size()+c.plain > 2*headText) {
				if err := finish(); err != nil {
					return made, err
				}
			}
			if w.Len() == 0 {
				first = c.first
			}
			last = c.end() - 1
			if err := s.addChunk(w, &c); err != nil {
				return made, err
			}
		}
	}

	return made, finish()
}

func (s *Store) addChunk(w *block.Writer, c *chunk) error {
	return c.each(func(seq uint64, r *frame.Reader) error {
		if !r.Entry(&s.maint.entry) {
			return r.Err()
		}
		w.Add(seq, &s.maint.entry)

		return nil
	})
}

// writer returns the writer, empty.
func (s *Store) writer() *block.Writer {
	if s.maint.writer == nil {
		s.maint.writer = block.NewWriter(s.options)
	}
	s.maint.writer.Reset()

	return s.maint.writer
}

// finish makes a block of what w holds, durable under its name.
func (s *Store) finish(w *block.Writer, first, last uint64) (*handle, error) {
	start := time.Now()
	data, _, err := w.Finish(s.maint.buf[:0])
	if err != nil {
		return nil, err
	}
	s.maint.buf = data
	name := blockName(first, last)
	if err := s.writeFile(name, data); err != nil {
		return nil, fmt.Errorf("write %s: %w", name, err)
	}
	h, err := s.open(name, int64(len(data)))
	if err != nil {
		return nil, err
	}
	w.Reset()
	s.maint.last = s.cfg.Now()
	s.metrics.seals.Observe(time.Since(start).Seconds())

	return h, nil
}
