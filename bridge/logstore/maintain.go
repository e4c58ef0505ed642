package logstore

import (
	"context"
	"errors"
	"fmt"
	"time"

	"llmwatch/bridge/logstore/block"
	"llmwatch/bridge/logstore/entry"
	"llmwatch/bridge/logstore/wal"
)

// maintainer is what the goroutine that seals, merges and removes keeps for
// itself.
type maintainer struct {
	writer  *block.Writer // Nil at rest.
	buf     []byte
	entry   entry.Entry
	retry   time.Time // Sealing failed; not before then.
	backoff time.Duration
	// mergeRetry is when merging, which failed, is tried again. Nothing depends on it.
	mergeRetry time.Time
	sealed     int64     // Bytes of frames sealed since memory was last given back.
	last       time.Time // When something was sealed or merged last.
	// Since seenAt no more than idleRows came after the number seen.
	seen   uint64
	seenAt time.Time
}

const (
	// maxBackoff is the longest time between two attempts to seal.
	maxBackoff   = 10 * time.Second
	mergeBackoff = 5 * time.Minute
	// idleAfter is how long no more than idleRows must have come for what has gathered
	// to be sealed early, and idleText from which size of it on: at rest little memory
	// is held, and nearly all is found in blocks.
	idleAfter = 5 * time.Second
	idleRows  = 1000
	idleText  = 1 << 20
	// maxHeadAge bounds how long entries wait to be sealed, and the write-ahead log.
	maxHeadAge = 30 * time.Minute
	// writerIdle is after how long without sealing the memory of the writer is let go.
	writerIdle = 3 * time.Second
	// freeAfter is how much must have been sealed for memory to be given back to the
	// system explicitly, at rest or when nothing was sealed for calm.
	freeAfter = 16 << 20
	calm      = 20 * time.Second
)

func (s *Store) maintainLoop() {
	ticker := time.NewTicker(s.cfg.tick)
	defer ticker.Stop()
	for {
		select {
		case <-s.sealing:
			s.sealAll()
		case <-ticker.C:
			s.chore()
		case do := <-s.chores:
			do()
		case <-s.stopped.Done():
			return
		}
	}
}

// chore is what is looked after now and then. Merging yields to sealing.
func (s *Store) chore() {
	if s.failing.appending() != nil {
		s.probe()
	}
	s.rest()
	s.sealAll()
	s.retain()
	if s.failing.sealing() == nil && !s.cfg.Now().Before(s.maint.mergeRetry) {
		if _, err := s.mergeOnce(s.stopped); err != nil && s.stopped.Err() == nil {
			s.maint.mergeRetry = s.cfg.Now().Add(mergeBackoff)
			s.log.Warn("small blocks of the log store could not be merged; it is tried again", "error", err)
		}
	}
}

// Sync seals what has gathered, removes what is past the retention and merges small
// blocks, and returns when that is done. The store does it all by itself; this is
// for those who want to see the outcome.
func (s *Store) Sync(ctx context.Context) error {
	if err := s.control(s.rotate); err != nil {
		return wrap("sync", err)
	}
	done := make(chan error, 1)
	select {
	case s.chores <- func() { done <- s.settle(ctx) }:
	case <-ctx.Done():
		return wrap("sync", ctx.Err())
	case <-s.stopped.Done():
		return wrap("sync", ErrClosed)
	}
	if err := <-done; err != nil {
		return wrap("sync", err)
	}

	return nil
}

func (s *Store) settle(ctx context.Context) error {
	s.maint.retry = time.Time{}
	s.sealAll()
	if err := s.failing.sealing(); err != nil {
		return err
	}
	s.retain()
	for {
		if more, err := s.mergeOnce(ctx); !more || err != nil {
			return err
		}
	}
}

// probe tries whether the store can keep data again, without keeping any.
func (s *Store) probe() {
	filler := make([]byte, 64<<10)
	_ = s.control(func() error {
		err := s.repair()
		if err == nil {
			err = s.active.wal.Try(wal.Record{Kind: kindProbe, Seq: s.next, Body: filler})
			if again := s.undo(nil); again != nil {
				err = errors.Join(err, again)
			}
		}
		if err != nil {
			err = fmt.Errorf("%w: %w", ErrUnavailable, err)
		}
		s.failing.setAppending(s.log, err)

		return nil
	})
}

// rest seals what has gathered when hardly anything more comes, or when it is old,
// and gives memory back.
func (s *Store) rest() {
	now := s.cfg.Now()
	s.mu.RLock()
	rows, text, since, waiting, next := s.active.rows, s.active.text, s.active.since, len(s.frozen), s.next
	s.mu.RUnlock()
	if next-s.maint.seen > idleRows {
		s.maint.seen, s.maint.seenAt = next, now
	}
	idle := now.Sub(s.maint.seenAt) >= idleAfter
	if rows > 0 && waiting == 0 && (idle && text >= idleText || now.Sub(since) >= maxHeadAge) {
		if err := s.control(s.rotate); err != nil {
			s.failing.setAppending(s.log, fmt.Errorf("%w: %w", ErrUnavailable, err))
		}

		return
	}
	quiet := now.Sub(s.maint.last)
	if waiting == 0 && quiet >= writerIdle {
		s.maint.writer, s.maint.buf, s.maint.entry = nil, nil, entry.Entry{}
	}
	if waiting == 0 && s.maint.sealed >= freeAfter && (idle || quiet >= calm) {
		s.maint.sealed, s.maint.writer, s.maint.buf, s.maint.entry = 0, nil, nil, entry.Entry{}
		s.cfg.Rest()
	}
}
