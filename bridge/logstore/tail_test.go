package logstore_test

import (
	"context"
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"llmwatch/bridge/logstore"
	"llmwatch/bridge/logstore/entry"
)

func TestATailGivesWhatPassesInOrderOfArrival(t *testing.T) {
	s := open(t, t.TempDir(), nil, 1<<20)
	w := newWorld(40)
	w.append(t, s, 50) // Before the tail.
	f := entry.Filter{Levels: 1<<entry.Error | 1<<entry.Info}
	tail := s.Tail(f)
	defer tail.Close()
	all := number(51, w.append(t, s, 2000))
	var want []line
	for _, l := range all {
		if f.Match(&l.e) {
			want = append(want, l)
		}
	}
	var got []line
	for len(got) < len(want) {
		lost, err := tail.Next(within(t, 10*time.Second), func(p entry.Position, e *entry.Entry) error {
			got = append(got, line{p, string(entry.AppendJSON(nil, e)), clone(e)})

			return nil
		})
		if err != nil || lost > 0 {
			t.Fatalf("after %d of %d lines: %d lost, %v", len(got), len(want), lost, err)
		}
	}
	assertSame(t, "tail", got, want)
}

// TestASlowReaderIsToldWhatItLost appends much before the reader looks.
func TestASlowReaderIsToldWhatItLost(t *testing.T) {
	s := open(t, t.TempDir(), nil, 300)
	tail := s.Tail(entry.Filter{})
	defer tail.Close()
	const lines = 2000
	newWorld(41).append(t, s, lines)
	var seen []uint64
	lostSum := uint64(0)
	for lostSum+uint64(len(seen)) < lines {
		lost, err := tail.Next(within(t, 10*time.Second), func(p entry.Position, _ *entry.Entry) error {
			seen = append(seen, p.Seq)

			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
		lostSum += lost
	}
	if lostSum+uint64(len(seen)) != lines || !slices.IsSorted(seen) || lostSum == 0 {
		t.Errorf("%d lines seen and %d lost of %d", len(seen), lostSum, lines)
	}
}

func TestATailGoesOnBehindWhatWasEnough(t *testing.T) {
	s := open(t, t.TempDir(), nil, 1<<20)
	tail := s.Tail(entry.Filter{})
	defer tail.Close()
	want := number(1, newWorld(42).append(t, s, 500))
	if tail.First() != 1 {
		t.Errorf("it begins with %d", tail.First())
	}
	var got []line
	for calls := 1; len(got) < len(want); calls++ {
		lost, err := tail.Next(within(t, 10*time.Second), func(p entry.Position, e *entry.Entry) error {
			got = append(got, line{p, string(entry.AppendJSON(nil, e)), clone(e)})
			if len(got) == 7*calls {
				return logstore.ErrEnough
			}

			return nil
		})
		if err != nil || lost > 0 {
			t.Fatalf("after %d of %d lines: %d lost, %v", len(got), len(want), lost, err)
		}
	}
	assertSame(t, "tail", got, want)
	broken := errors.New("broken")
	newWorld(43).append(t, s, 1)
	if _, err := tail.Next(within(t, 10*time.Second), func(entry.Position, *entry.Entry) error { return broken }); !errors.Is(err, broken) {
		t.Errorf("the reader's own error: %v", err)
	}
}

func TestATailEnds(t *testing.T) {
	s := open(t, t.TempDir(), nil, 300)
	nothing := func(entry.Position, *entry.Entry) error { return nil }
	tail := s.Tail(entry.Filter{})
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := tail.Next(ctx, nothing); !errors.Is(err, context.Canceled) {
		t.Errorf("a caller that has gone: %v", err)
	}
	tail.Close()
	tail.Close()
	if _, err := tail.Next(t.Context(), nothing); !errors.Is(err, logstore.ErrTailClosed) {
		t.Errorf("a closed tail: %v", err)
	}
	other := s.Tail(entry.Filter{})
	shut(t, s)
	if _, err := other.Next(t.Context(), nothing); !errors.Is(err, logstore.ErrTailClosed) {
		t.Errorf("the tail of a closed store: %v", err)
	}
	other.Close()
	late := s.Tail(entry.Filter{})
	if _, err := late.Next(t.Context(), nothing); !errors.Is(err, logstore.ErrTailClosed) {
		t.Errorf("a tail that was asked for too late: %v", err)
	}
	late.Close()
}

func TestATailSeesEachLineOfManyWritersOnce(t *testing.T) {
	s := open(t, t.TempDir(), nil, 1<<20)
	tail := s.Tail(entry.Filter{})
	defer tail.Close()
	j := newJob(4, 50, 3)
	sent := make(chan error, 1)
	go func() { sent <- j.send(context.Background(), s) }()
	seen := map[string]int{}
	for n := 0; n < 4*50*3; {
		if _, err := tail.Next(within(t, 10*time.Second), func(_ entry.Position, e *entry.Entry) error {
			seen[strings.Clone(e.Message)]++
			n++

			return nil
		}); err != nil {
			t.Fatal(err)
		}
	}
	if err := <-sent; err != nil {
		t.Fatal(err)
	}
	if len(seen) != 4*50*3 {
		t.Errorf("%d different lines", len(seen))
	}
}
