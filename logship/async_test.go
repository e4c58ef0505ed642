package logship

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"llmwatch/internal/testtool"
)

// gate is a writer that waits for leave.
type gate struct {
	leave   chan struct{}
	written bytes.Buffer
}

func (g *gate) Write(p []byte) (int, error) {
	<-g.leave

	return g.written.Write(p)
}

func TestAsyncKeepsLinesWholeAndInOrder(t *testing.T) {
	const writers, lines = 8, 2000
	var out bytes.Buffer
	async := NewAsync(&out, AsyncOptions{BufferSize: 64})
	logger := slog.New(NewHandler(async, HandlerOptions{}))
	var group sync.WaitGroup
	for w := range writers {
		group.Go(func() {
			for n := range lines {
				logger.LogAttrs(t.Context(), slog.LevelInfo, "m", slog.Int("w", w), slog.Int("n", n))
			}
		})
	}
	group.Wait()
	if err := async.Close(); err != nil {
		t.Fatal(err)
	}
	next := make([]int, writers)
	for line := range strings.Lines(out.String()) {
		entry := parse(t, line)
		w := int(entry["w"].(float64))
		if entry["n"] != float64(next[w]) {
			t.Fatalf("writer %d: line %v comes where %d should", w, entry["n"], next[w])
		}
		next[w]++
	}
	for w, n := range next {
		if n != lines {
			t.Errorf("writer %d: %d lines", w, n)
		}
	}
	if got, want := async.Stats(), (Stats{Written: writers * lines}); got != want {
		t.Errorf("got %+v, want %+v", got, want)
	}
}

func TestAsyncDropsAndCounts(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := &gate{leave: make(chan struct{})}
		async := NewAsync(g, AsyncOptions{BufferSize: 3, Overflow: Drop})
		for n := range 10 {
			fmt.Fprintf(async, "%d\n", n)
		}
		synctest.Wait()
		if got := async.Stats().Dropped; got != 7 {
			t.Errorf("dropped %d", got)
		}
		close(g.leave)
		closing(t, async)
		if got := g.written.String(); got != "0\n1\n2\n" {
			t.Errorf("wrote %q", got)
		}
		if got, want := async.Stats(), (Stats{Written: 3, Dropped: 7}); got != want {
			t.Errorf("got %+v, want %+v", got, want)
		}
	})
}

func TestAsyncBlocksAndLosesNothing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := &gate{leave: make(chan struct{})}
		async := NewAsync(g, AsyncOptions{BufferSize: 3})
		written := 0
		done := make(chan struct{})
		go func() {
			for n := range 10 {
				fmt.Fprintf(async, "%d\n", n)
				written++
			}
			close(done)
		}()
		synctest.Wait()
		if written != 3 {
			t.Errorf("%d lines went into a buffer of 3", written)
		}
		close(g.leave)
		<-done
		closing(t, async)
		if got := g.written.String(); got != "0\n1\n2\n3\n4\n5\n6\n7\n8\n9\n" {
			t.Errorf("wrote %q", got)
		}
	})
}

func TestAsyncBoundsBytes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := &gate{leave: make(chan struct{})}
		async := NewAsync(g, AsyncOptions{BufferSize: 1 << 20, Overflow: Drop})
		line := bytes.Repeat([]byte("x"), 1<<20)
		for range 100 {
			write(t, async, string(line))
		}
		if got := async.Stats().Dropped; got < 20 {
			t.Errorf("dropped %d of 100 MiB", got)
		}
		close(g.leave)
		closing(t, async)
	})
}

func TestAsyncWritesSoonWithoutFlush(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := &gate{leave: make(chan struct{})}
		close(g.leave)
		async := NewAsync(g, AsyncOptions{})
		defer closing(t, async)
		fmt.Fprintln(async, "a")
		<-time.After(10 * linger)
		synctest.Wait()
		if got := g.written.String(); got != "a\n" {
			t.Errorf("wrote %q", got)
		}
	})
}

func TestAsyncFlush(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := &gate{leave: make(chan struct{}, 10)}
		async := NewAsync(g, AsyncOptions{})
		if err := async.Flush(t.Context()); err != nil {
			t.Errorf("with nothing to do: %v", err)
		}
		fmt.Fprintln(async, "a")
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		if err := async.Flush(ctx); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("with a writer that hangs: %v", err)
		}
		fmt.Fprintln(async, "b")
		g.leave <- struct{}{}
		g.leave <- struct{}{}
		if err := async.Flush(t.Context()); err != nil || g.written.String() != "a\nb\n" {
			t.Errorf("got %v and %q", err, g.written.String())
		}
		closing(t, async)
	})
}

func TestAsyncReportsFailures(t *testing.T) {
	failure := errors.New("disk full")
	var reported error
	async := NewAsync(writerFunc(func(p []byte) (int, error) { return bytes.IndexByte(p, '\n') + 1, failure }), AsyncOptions{OnError: func(err error) { reported = err }})
	fmt.Fprint(async, "a\n")
	fmt.Fprint(async, "b\n")
	fmt.Fprint(async, "c\n")
	closing(t, async)
	if got, want := async.Stats(), (Stats{Written: 1, Failed: 2}); got != want || !errors.Is(reported, failure) {
		t.Errorf("got %+v and %v", got, reported)
	}
}

func TestAsyncAfterClose(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := &gate{leave: make(chan struct{})}
		async := NewAsync(g, AsyncOptions{BufferSize: 1})
		fmt.Fprintln(async, "a")
		blocked := make(chan error)
		go func() {
			_, err := fmt.Fprintln(async, "b")
			blocked <- err
		}()
		synctest.Wait()
		go closing(t, async)
		if err := <-blocked; !errors.Is(err, ErrClosed) {
			t.Errorf("a caller that waited got %v", err)
		}
		close(g.leave)
		closing(t, async)
		closing(t, async)
		if _, err := fmt.Fprintln(async, "c"); !errors.Is(err, ErrClosed) {
			t.Errorf("got %v", err)
		}
		if got, want := async.Stats(), (Stats{Written: 1, Dropped: 2}); got != want || g.written.String() != "a\n" {
			t.Errorf("got %+v and %q", got, g.written.String())
		}
	})
}

func TestAsyncAllocatesOnceALine(t *testing.T) {
	if testtool.Race() {
		t.Skip("the race detector allocates too")
	}
	async := NewAsync(writerFunc(func(p []byte) (int, error) { return len(p), nil }), AsyncOptions{})
	defer closing(t, async)
	logger := slog.New(NewHandler(async, HandlerOptions{Name: "api.requests"}))
	for range 3000 { // The buffers have their size.
		logRequest(t.Context(), logger)
	}
	if got := testing.AllocsPerRun(1000, func() { logRequest(t.Context(), logger) }); got > 1 {
		t.Errorf("%v allocations", got)
	}
}
