package logstore_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"

	"llmwatch/bridge/logstore"
	"llmwatch/bridge/logstore/entry"
)

// TestSearchFindsWhatANaiveScanFinds asks random questions of a store in all its
// states: everything in memory, partly sealed, merged, opened again.
func TestSearchFindsWhatANaiveScanFinds(t *testing.T) {
	dir := t.TempDir()
	w := newWorld(1)
	s := open(t, dir, nil, 500)
	var all []line
	ask := func(state string) {
		t.Helper()
		for i := range 150 {
			q := w.query()
			want, more := naive(all, q)
			got, next := search(t, s, q)
			assertSame(t, fmt.Sprintf("%s, query %d: %+v", state, i, q), got, want)
			if (next != nil) != more {
				t.Fatalf("%s, query %d: next is %v, but more is %v", state, i, next, more)
			}
		}
	}
	grow := func(n int) {
		t.Helper()
		all = append(all, number(uint64(len(all)+1), w.append(t, s, n))...)
	}
	grow(300)
	ask("in memory")
	grow(2000)
	ask("while sealing")
	if err := s.Sync(t.Context()); err != nil {
		t.Fatal(err)
	}
	ask("sealed")
	for range 20 { // Small blocks, which are merged.
		grow(30)
		if err := s.Sync(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	if n := s.Stats().Blocks; n > 12 {
		t.Errorf("%d blocks are left of 20 small ones and a few full ones", n)
	}
	ask("merged")
	grow(300)
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	s = open(t, dir, nil, 500)
	ask("opened again")
}

// TestSearchIsRightWhileLinesArrive asks in pages while another goroutine appends,
// and everything is sealed and merged meanwhile: what was there at the beginning
// is found exactly once, in order.
func TestSearchIsRightWhileLinesArrive(t *testing.T) {
	s := open(t, t.TempDir(), nil, 300)
	w := newWorld(2)
	all := number(1, w.append(t, s, 3000))
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	var writer sync.WaitGroup
	writer.Go(func() {
		more := newWorld(3)
		more.now = w.now + 1_000_000_000
		for ctx.Err() == nil {
			more.append(t, s, 100)
			if err := s.Sync(ctx); err != nil && ctx.Err() == nil {
				t.Error(err)
			}
		}
	})
	for round := range 20 {
		q := w.query()
		q.Filter.Until, q.After, q.Limit = w.now+1, nil, 37
		whole := q
		whole.Limit = 0
		want, _ := naive(all, whole)
		var got []line
		for {
			page, next := search(t, s, q)
			got = append(got, page...)
			if next == nil {
				break
			}
			q.After = next
		}
		assertSame(t, fmt.Sprintf("round %d: %+v", round, whole), got, want)
	}
	cancel()
	writer.Wait()
}

func TestSearchWithoutALimitFindsAll(t *testing.T) {
	s := open(t, t.TempDir(), nil, 2000)
	w := newWorld(4)
	all := number(1, w.append(t, s, 9000))
	for _, limit := range []int{0, 5000} {
		q := logstore.Query{Oldest: true, Limit: limit}
		want, more := naive(all, q)
		got, next := search(t, s, q)
		assertSame(t, fmt.Sprint("limit ", limit), got, want)
		if (next != nil) != more {
			t.Errorf("limit %d: next is %v", limit, next)
		}
	}
}

func TestAnAcknowledgedLineIsFoundAtOnce(t *testing.T) {
	s := open(t, t.TempDir(), nil, 100)
	for i := range 300 {
		var b entry.Batch
		b.Add(&entry.Entry{Time: int64(i), Message: fmt.Sprint("line ", i)})
		if err := s.Append(t.Context(), &b); err != nil {
			t.Fatal(err)
		}
		got, _ := search(t, s, logstore.Query{Limit: 1})
		if len(got) != 1 || got[0].e.Message != fmt.Sprint("line ", i) {
			t.Fatalf("after line %d: %v", i, texts(got))
		}
	}
}

func TestASearchStopsWhenTheCallerGoesAway(t *testing.T) {
	s := open(t, t.TempDir(), nil, 500)
	newWorld(5).append(t, s, 3000)
	ctx, cancel := context.WithCancel(t.Context())
	seen := 0
	_, err := s.Search(ctx, logstore.Query{}, func(entry.Position, *entry.Entry) error {
		if seen++; seen == 10 {
			cancel()
		}

		return nil
	})
	if !errors.Is(err, context.Canceled) {
		t.Errorf("the search ended with %v after %d lines", err, seen)
	}
	if seen > 2500 {
		t.Errorf("%d lines were given to a caller that had gone", seen)
	}
}

func TestASearchGoesOnBehindWhatWasEnough(t *testing.T) {
	s := open(t, t.TempDir(), nil, 500)
	w := newWorld(7)
	all := number(1, w.append(t, s, 3000))
	q := logstore.Query{Oldest: true}
	want, _ := naive(all, q)
	var got []line
	for piece := 1; ; piece++ {
		next, err := s.Search(t.Context(), q, func(p entry.Position, e *entry.Entry) error {
			got = append(got, line{p, string(entry.AppendJSON(nil, e)), clone(e)})
			if len(got) == 700*piece {
				return logstore.ErrEnough
			}

			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
		if q.After = next; next == nil {
			break
		}
	}
	assertSame(t, "pieces", got, want)
}

func TestAnErrorOfTheReaderEndsTheSearch(t *testing.T) {
	s := open(t, t.TempDir(), nil, 500)
	newWorld(6).append(t, s, 100)
	enough := errors.New("enough")
	if _, err := s.Search(t.Context(), logstore.Query{}, func(entry.Position, *entry.Entry) error { return enough }); !errors.Is(err, enough) {
		t.Errorf("the search ended with %v", err)
	}
}

// TestLargeResultsAreGivenInOrder has results that do not fit in memory at once
// among small ones.
func TestLargeResultsAreGivenInOrder(t *testing.T) {
	s := open(t, t.TempDir(), nil, 40)
	var all []entry.Entry
	for i := range 100 {
		e := entry.Entry{Time: int64(i / 3), Message: fmt.Sprint("small ", i)}
		if i%4 == 0 {
			e.Message = strings.Repeat(string(rune('a'+i%26)), 1<<20)
		}
		var b entry.Batch
		b.Add(&e)
		if err := s.Append(t.Context(), &b); err != nil {
			t.Fatal(err)
		}
		all = append(all, e)
	}
	if err := s.Sync(t.Context()); err != nil {
		t.Fatal(err)
	}
	for _, oldest := range []bool{true, false} {
		q := logstore.Query{Oldest: oldest}
		got, _ := search(t, s, q)
		want, _ := naive(number(1, all), q)
		if !slices.Equal(texts(got), texts(want)) {
			t.Errorf("%d lines are given, or in another order (oldest first: %v)", len(got), oldest)
		}
	}
}

// TestEntriesOfOneTimeAreInOrderOfArrival has the same time in all blocks.
func TestEntriesOfOneTimeAreInOrderOfArrival(t *testing.T) {
	s := open(t, t.TempDir(), nil, 60)
	w := newWorld(7)
	var all []entry.Entry
	for range 30 {
		var b entry.Batch
		for range 20 {
			e := w.entry()
			e.Time = 5
			b.Add(&e)
			all = append(all, e)
		}
		if err := s.Append(t.Context(), &b); err != nil {
			t.Fatal(err)
		}
	}
	for _, state := range []string{"partly sealed", "sealed"} {
		for _, oldest := range []bool{true, false} {
			for _, limit := range []int{7, 100, 1000} {
				q := logstore.Query{Oldest: oldest, Limit: limit}
				want, _ := naive(number(1, all), q)
				got, _ := search(t, s, q)
				assertSame(t, fmt.Sprintf("%s, oldest first: %v, limit %d", state, oldest, limit), got, want)
			}
		}
		if err := s.Sync(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
}
