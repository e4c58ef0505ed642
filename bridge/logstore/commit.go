package logstore

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"llmwatch/bridge/logstore/entry"
	"llmwatch/bridge/logstore/wal"
)

// The kinds of records in the write-ahead log.
const (
	kindEntries = 1
	kindClients = 2
	kindProbe   = 3 // Never committed.
)

func wrap(what string, err error) error { return fmt.Errorf("log store: %s: %w", what, err) }

// Append keeps all of b, or nothing, and returns when it is durable.
func (s *Store) Append(ctx context.Context, b *entry.Batch) error {
	_, err := s.append(ctx, "", 0, b)

	return err
}

// AppendOnce is Append for a client that numbers its batches upwards. A number at
// or below the highest one kept of that client is a duplicate: nothing changes.
// A client that was idle for 30 days may be forgotten.
func (s *Store) AppendOnce(ctx context.Context, client string, number uint64, b *entry.Batch) (duplicate bool, err error) {
	if client == "" || len(client) > MaxClientName {
		return false, wrap("append", fmt.Errorf("the name of a client must have 1 to %d bytes, got %d", MaxClientName, len(client)))
	}

	return s.append(ctx, client, number, b)
}

func (s *Store) append(ctx context.Context, client string, number uint64, b *entry.Batch) (duplicate bool, err error) {
	if b.Len() == 0 && client == "" {
		return false, nil
	}
	if b.Size() > MaxBatchBytes {
		return false, wrap("append", fmt.Errorf("%w: %d bytes of text, at most %d are taken", ErrTooLarge, b.Size(), MaxBatchBytes))
	}
	weight := int64(max(b.Size(), 1))
	if err := s.inflight.Acquire(ctx, weight); err != nil {
		return false, wrap("append", err)
	}
	defer s.inflight.Release(weight)
	if err := s.room(ctx); err != nil {
		return false, err
	}
	start := time.Now()
	r, _ := requests.Get().(*request)
	defer r.free()
	if err := r.encode(b, client, number); err != nil {
		return false, wrap("append", err)
	}
	if len(r.body) > wal.MaxBody {
		return false, wrap("append", fmt.Errorf("%w: it needs %d bytes in the write-ahead log", ErrTooLarge, len(r.body)))
	}
	select {
	case s.requests <- r:
	case <-ctx.Done():
		return false, wrap("append", ctx.Err())
	case <-s.stopped.Done():
		return false, wrap("append", ErrClosed)
	}
	// From here on it may be kept: what becomes of it must be awaited.
	err = <-r.done
	s.metrics.appends.Observe(time.Since(start).Seconds())
	if err != nil {
		return false, wrap("append", err)
	}

	return r.duplicate, nil
}

// room waits until not too much waits to be sealed.
func (s *Store) room(ctx context.Context) error {
	for {
		s.mu.RLock()
		waiting, sealed := len(s.frozen), s.sealed
		s.mu.RUnlock()
		if waiting <= maxFrozen {
			return nil
		}
		if err := s.failing.sealing(); err != nil {
			return wrap("append", fmt.Errorf("%w: %w", ErrUnavailable, err))
		}
		select {
		case <-sealed:
		case <-ctx.Done():
			return wrap("append", ctx.Err())
		case <-s.stopped.Done():
			return wrap("append", ErrClosed)
		}
	}
}

// commitLoop commits what is requested until the store is closed: everything that
// waits at once.
func (s *Store) commitLoop() {
	var group []*request
	for {
		select {
		case r := <-s.requests:
			group = append(group[:0], r)
			for more := true; more; {
				select {
				case r := <-s.requests:
					group = append(group, r)
				default:
					more = false
				}
			}
			s.commit(group)
			clear(group)
		case do := <-s.controls:
			do()
		case <-s.stopped.Done():
			return
		}
	}
}

// control has the committer do something between two commits.
func (s *Store) control(do func() error) error {
	done := make(chan error, 1)
	select {
	case s.controls <- func() { done <- do() }:
		return <-done
	case <-s.stopped.Done():
		return ErrClosed
	}
}

// commit makes a group durable, shows it to readers, and answers.
func (s *Store) commit(group []*request) {
	now := s.cfg.Now()
	err := s.write(group)
	if err != nil {
		err = fmt.Errorf("%w: %w", ErrUnavailable, err)
	} else {
		s.publish(group, now)
	}
	s.failing.setAppending(s.log, err)
	full := s.active.full(s.cfg.headRows)
	for _, r := range group {
		r.done <- err // Not r after this: it is used again.
	}
	if full {
		if err := s.rotate(); err != nil {
			s.failing.setAppending(s.log, fmt.Errorf("%w: %w", ErrUnavailable, err))
		}
	}
}

// write appends a group to the log and makes it durable, or changes nothing.
func (s *Store) write(group []*request) error {
	if err := s.repair(); err != nil {
		return err
	}
	w := s.active.wal
	next := s.next
	var fresh map[string]uint64 // Of this group.
	for _, r := range group {
		if r.client != "" {
			if last, ok := fresh[r.client]; s.clients.has(r.client, r.number) || ok && r.number <= last {
				r.duplicate = true
				continue
			}
			if fresh == nil {
				fresh = map[string]uint64{}
			}
			fresh[r.client] = r.number
		}
		r.first = next
		for i := range r.chunks {
			r.chunks[i].first = next
			next += uint64(r.chunks[i].count)
		}
		if err := w.Append(wal.Record{Kind: kindEntries, Seq: r.first, Count: uint32(r.count), Body: r.body}); err != nil {
			return s.undo(err)
		}
	}
	start := time.Now()
	if err := w.Commit(); err != nil {
		return s.undo(err)
	}
	s.metrics.fsyncs.Observe(time.Since(start).Seconds())

	return nil
}

// undo takes back what was not made durable. Where that fails too, it is tried
// again before the next append.
func (s *Store) undo(err error) error {
	s.broken = true
	if again := s.repair(); again != nil {
		return errors.Join(err, again)
	}

	return err
}

func (s *Store) repair() error {
	if !s.broken {
		return nil
	}
	if err := s.active.wal.Rollback(); err != nil {
		return fmt.Errorf("take back what was not written whole: %w", err)
	}
	s.broken = false

	return nil
}

// publish shows readers what is durable now.
func (s *Store) publish(group []*request, now time.Time) {
	var more []chunk
	for _, r := range group {
		if r.duplicate {
			s.metrics.duplicates.Inc()
			continue
		}
		if r.client != "" {
			s.clients.keep(r.client, r.number, now)
		}
		more = append(more, r.chunks...)
		s.metrics.count(r.counts)
	}
	grown := s.active.with(more)
	grown.size = grown.wal.Size()
	if s.active.rows == 0 {
		grown.since = now
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.active = grown
	for i := range more {
		s.next = more[i].end()
	}
	if len(more) > 0 {
		for t := range s.tails {
			t.wake()
		}
	}
}

// rotate goes on in a new file and has the old one sealed.
func (s *Store) rotate() error {
	if s.active.rows == 0 && s.active.wal != nil {
		return nil
	}
	now := s.cfg.Now()
	s.clients.expire(now)
	grown, err := s.segment(now)
	if err != nil {
		return err
	}
	old := s.active
	s.mu.Lock()
	retired := *old
	retired.wal = nil
	s.frozen = append(slices.Clip(s.frozen), &retired)
	s.active = grown
	s.mu.Unlock()
	_ = old.wal.Close() // All of it is durable.
	s.wakeSealer()

	return nil
}

// segment begins a file of the write-ahead log with the numbers of all clients.
func (s *Store) segment(now time.Time) (*head, error) {
	s.generation++
	name := segmentName(s.next, s.generation)
	w, err := wal.Create(s.fs, name, s.cfg.Cipher)
	if err != nil {
		return nil, err
	}
	err = w.Append(wal.Record{Kind: kindClients, Seq: s.next, Body: s.clients.marshal()})
	if err == nil {
		err = w.Commit()
	}
	if err != nil {
		_ = w.Close()
		_ = s.fs.Remove(name) // It holds nothing that is not in the file before it.

		return nil, fmt.Errorf("begin %s: %w", name, err)
	}

	return &head{name: name, wal: w, since: now, size: w.Size()}, nil
}

func (s *Store) wakeSealer() {
	select {
	case s.sealing <- struct{}{}:
	default:
	}
}
