package logship

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"sync"
	"time"
)

// Overflow is what happens to a line when the buffer of an [Async] is full.
type Overflow int

// The answers to a full buffer.
const (
	Block Overflow = iota // The caller waits for room. Nothing is lost.
	Drop                  // The line is dropped and counted.
)

const (
	// DefaultBufferSize is the documented buffer_size, in lines.
	DefaultBufferSize = 1000

	// maxBufferBytes bounds the buffer whatever the length of its lines.
	maxBufferBytes = 32 << 20

	// maxReusedBytes is the memory that is kept although little of it is used.
	maxReusedBytes = 1 << 20

	// linger is how long a line waits for company before it is written, unless half
	// of the buffer is full. Waking the goroutine costs as much as logging several
	// lines, so it must not be done for each.
	linger = 2 * time.Millisecond
)

// ErrClosed is what writing to something closed fails with.
var ErrClosed = errors.New("log writer is closed")

// AsyncOptions configure an [Async]. The zero value is of use.
type AsyncOptions struct {
	// BufferSize is how many lines may wait. 0 is DefaultBufferSize.
	BufferSize int

	// Overflow is what happens to more.
	Overflow Overflow

	// OnError is told, on the writing goroutine, when lines could not be written.
	// Nil ignores it; Stats counts the lines.
	OnError func(error)
}

// Stats counts lines.
type Stats struct {
	Written uint64 // Given to the writer below, and taken.
	Dropped uint64 // Not taken, because the buffer was full or closed.
	Failed  uint64 // Not taken by the writer below.
}

// Async gives lines to a writer on a goroutine of its own, in their order and
// whole, many in one call. What it holds is lost if the program dies within a few
// milliseconds: Flush or Close before it ends.
type Async struct {
	w       io.Writer
	size    int
	drop    bool
	onError func(error)
	wake    chan struct{} // Holds one wish to write, so that none is missed.
	done    chan struct{} // Closed when the goroutine has ended.
	timer   *time.Timer   // Wakes for a first line after linger.

	mu      sync.Mutex
	room    sync.Cond // Signalled when lines have left.
	pending batch     // Guarded by mu.
	writing int       // Lines taken by the goroutine and not yet written; guarded by mu.
	written chan struct{}
	stats   Stats // Guarded by mu.
	closed  bool  // Guarded by mu.
}

// batch is lines that wait. Its channel is closed once they are written; it is
// made only when somebody waits for that.
type batch struct {
	text   []byte
	lines  int
	kicked bool // The goroutine has been woken for it.
	done   chan struct{}
}

// NewAsync returns an Async that writes to w. It has to be closed.
func NewAsync(w io.Writer, options AsyncOptions) *Async {
	a := &Async{
		w: w, size: options.BufferSize, drop: options.Overflow == Drop, onError: options.OnError,
		wake: make(chan struct{}, 1), done: make(chan struct{}),
	}
	if a.size <= 0 {
		a.size = DefaultBufferSize
	}
	if a.onError == nil {
		a.onError = func(error) {}
	}
	a.room.L = &a.mu
	a.timer = time.AfterFunc(time.Hour, a.kick)
	a.timer.Stop()
	go a.run()

	return a
}

// Write takes one line, and copies it. It fails only with ErrClosed; a line that
// is dropped is a success, for the caller could do nothing about it.
func (a *Async) Write(line []byte) (int, error) {
	a.mu.Lock()
	defer a.mu.Unlock()

	for a.full() && !a.closed {
		if a.drop {
			a.stats.Dropped++

			return len(line), nil
		}
		a.kick()
		a.room.Wait()
	}
	if a.closed {
		a.stats.Dropped++

		return 0, ErrClosed
	}
	p := &a.pending
	p.text = append(p.text, line...)
	p.lines++
	switch {
	case p.kicked:
	case p.lines >= (a.size+1)/2 || len(p.text) > maxBufferBytes/4:
		p.kicked = true
		a.kick()
	case p.lines == 1:
		a.timer.Reset(linger)
	}

	return len(line), nil
}

func (a *Async) full() bool {
	return a.pending.lines+a.writing >= a.size || len(a.pending.text) > maxBufferBytes
}

func (a *Async) kick() {
	select {
	case a.wake <- struct{}{}:
	default:
	}
}

// run writes what is pending until the Async is closed.
func (a *Async) run() {
	defer close(a.done)

	var taken batch
	for closed := false; !closed; {
		<-a.wake
		a.mu.Lock()
		closed = a.closed
		taken, a.pending = a.pending, batch{text: reusable(taken.text)}
		a.writing = taken.lines
		a.written = taken.done
		a.mu.Unlock()

		failed, err := a.write(taken)

		a.mu.Lock()
		a.stats.Failed += uint64(failed)
		a.stats.Written += uint64(taken.lines - failed)
		a.writing = 0
		done := a.written
		a.mu.Unlock()
		a.room.Broadcast()
		if done != nil {
			close(done)
		}
		if err != nil {
			a.onError(fmt.Errorf("write %d log lines: %w", failed, err))
		}
	}
}

// write returns how many lines of a batch could not be written.
func (a *Async) write(b batch) (failed int, err error) {
	if b.lines == 0 {
		return 0, nil
	}
	n, err := a.w.Write(b.text)
	if err == nil && n < len(b.text) {
		err = io.ErrShortWrite
	}
	if err != nil {
		failed = min(b.lines, bytes.Count(b.text[min(n, len(b.text)):], []byte{'\n'}))
	}

	return failed, err
}

// reusable returns the memory of a batch for the next one, unless it is much more
// than was needed.
func reusable(text []byte) []byte {
	if cap(text) > maxReusedBytes && len(text) < cap(text)/8 {
		return nil
	}

	return text[:0]
}

// Flush waits until all lines that were taken before are written, or ctx ends.
func (a *Async) Flush(ctx context.Context) error {
	done := a.awaited()
	if done == nil {
		return nil
	}
	a.kick()
	select {
	case <-done:
		return nil
	case <-ctx.Done():
		return fmt.Errorf("flush log lines: %w", context.Cause(ctx))
	}
}

// awaited returns a channel that is closed when the last line is written, or nil.
func (a *Async) awaited() chan struct{} {
	a.mu.Lock()
	defer a.mu.Unlock()

	channel := &a.pending.done
	if a.pending.lines == 0 {
		if a.writing == 0 {
			return nil
		}
		channel = &a.written
	}
	if *channel == nil {
		*channel = make(chan struct{})
	}

	return *channel
}

// Stats returns the counts so far.
func (a *Async) Stats() Stats {
	a.mu.Lock()
	defer a.mu.Unlock()

	return a.stats
}

// Close writes what is pending and ends the goroutine. It does not close the
// writer below. Closing again does nothing.
func (a *Async) Close() error {
	a.mu.Lock()
	a.closed = true
	a.mu.Unlock()
	a.timer.Stop()
	a.room.Broadcast()
	a.kick()
	<-a.done

	return nil
}

// lockedWriter keeps lines of several goroutines apart.
type lockedWriter struct {
	onError func(error) // May be nil.

	mu sync.Mutex
	w  io.Writer // Guarded by mu.
}

func (l *lockedWriter) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()

	n, err := l.w.Write(p)
	if err != nil && l.onError != nil {
		l.onError(fmt.Errorf("write log line: %w", err))
	}

	return n, err
}

// isLineWriter tells the writers that keep lines apart themselves.
func isLineWriter(w io.Writer) bool {
	switch w.(type) {
	case *Async, *File, *lockedWriter:
		return true
	default:
		return false
	}
}
