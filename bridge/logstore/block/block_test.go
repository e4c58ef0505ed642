package block_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"

	"llmwatch/bridge/logstore/block"
	"llmwatch/bridge/logstore/entry"
	"llmwatch/test/loggen"
)

// rounds is how many random worlds a test looks at.
const rounds = 60

func TestEveryEntryComesBackAsItWas(t *testing.T) {
	for seed := range uint64(rounds) {
		w := newWorld(seed)
		entries := w.entries([]int{1, 5, 60, 700, 3000}[seed%5])
		b, _ := seal(t, block.Options{}, entries)
		requireSame(t, seed, b, entries)
	}
}

// requireSame fails where b does not hold exactly entries.
func requireSame(t *testing.T, seed uint64, b *block.Block, entries []kept) {
	t.Helper()
	want := map[string]int{}
	for i := range entries {
		want[entries[i].String()]++
	}
	err := b.Each(t.Context(), func(seq uint64, e *entry.Entry) error {
		k := keep(seq, e)
		if s := k.String(); want[s] == 0 {
			return fmt.Errorf("not given: %s", s)
		}
		want[k.String()]--

		return nil
	})
	if err != nil {
		t.Fatalf("seed %d: %v", seed, err)
	}
	for s, n := range want {
		if n > 0 {
			t.Fatalf("seed %d: lost: %s", seed, s)
		}
	}
}

// naive answers a search the plain way.
func naive(entries []kept, s block.Search) []kept {
	var found []kept
	for i := range entries {
		e := &entries[i]
		if !s.Filter.Match(&e.Entry) {
			continue
		}
		if s.After != nil {
			if c := e.position().Compare(*s.After); s.Newest && c >= 0 || !s.Newest && c <= 0 {
				continue
			}
		}
		found = append(found, *e)
	}
	slices.SortFunc(found, func(a, b kept) int {
		if s.Newest {
			a, b = b, a
		}

		return a.position().Compare(b.position())
	})

	return found[:min(len(found), s.Limit)]
}

func TestSearchAnswersLikeAPlainScan(t *testing.T) {
	answers := 0
	for seed := range uint64(rounds) {
		w := newWorld(seed)
		entries := w.entries([]int{40, 900, 3000}[seed%3])
		b, _ := seal(t, block.Options{}, entries)
		for range 30 {
			s := block.Search{Filter: w.filter(entries), Newest: w.rng.IntN(2) == 0, Limit: 1 + w.rng.IntN(200)}
			if w.rng.IntN(3) == 0 {
				p := entries[w.rng.IntN(len(entries))].position()
				s.After = &p
			}
			want := naive(entries, s)
			answers += len(want)
			if got := fetch(t, b, s); !slices.Equal(got, texts(want)) {
				t.Fatalf("seed %d: %+v (pattern %v, after %v):\ngot  %d %.600q\nwant %d %.600q", seed, *s.Filter, s.Filter.Pattern, s.After, len(got), got, len(want), texts(want))
			}
		}
	}
	if answers < 10_000 {
		t.Errorf("only %d entries were ever asked for: the test asks for nothing", answers)
	}
}

func texts(entries []kept) []string {
	var list []string
	for i := range entries {
		list = append(list, entries[i].String())
	}

	return list
}

// fetch returns what a search finds, in its order.
func fetch(t testing.TB, b *block.Block, s block.Search) []string {
	t.Helper()
	list, err := ask(t.Context(), b, s)
	if err != nil {
		t.Fatal(err)
	}

	return list
}

func ask(ctx context.Context, b *block.Block, s block.Search) ([]string, error) {
	hits, err := b.Search(ctx, s)
	if err != nil || len(hits) == 0 {
		return nil, err
	}
	list := make([]string, len(hits))
	err = b.Fetch(ctx, hits, func(i int, e *entry.Entry) error {
		k := keep(hits[i].Seq, e)
		list[i] = k.String()
		if e.Time != hits[i].Time {
			return fmt.Errorf("hit at %v is an entry of %d", hits[i].Position, e.Time)
		}

		return nil
	})

	return list, err
}

func TestTallyCountsLikeAPlainScan(t *testing.T) {
	type place struct {
		logger string
		level  entry.Level
		bucket int
	}
	counted := 0
	for seed := range uint64(rounds) {
		w := newWorld(seed)
		entries := w.entries(500)
		b, _ := seal(t, block.Options{}, entries)
		for range 10 {
			f := w.filter(entries)
			if w.rng.IntN(3) == 0 {
				f = &entry.Filter{Loggers: f.Loggers}
			}
			from, step := entries[w.rng.IntN(len(entries))].Time-1e8, 1+w.rng.Int64N(1e9)
			got, want := map[place]int{}, map[place]int{}
			var gotMessages, wantMessages []string
			tally := block.Tally{From: from, Step: step, Buckets: 20, Add: func(logger string, level entry.Level, bucket, n int) {
				got[place{strings.Clone(logger), level, bucket}] += n
			}}
			if w.rng.IntN(2) == 0 {
				tally.Message = func(e *entry.Entry) {
					gotMessages = append(gotMessages, fmt.Sprint(e.Time, e.Level, e.Logger, e.Message))
				}
			}
			if err := b.Tally(t.Context(), f, tally); err != nil {
				t.Fatal(err)
			}
			for i := range entries {
				e := &entries[i].Entry
				at := (e.Time - from) / step
				if e.Time < from || at >= 20 || !f.Match(e) {
					continue
				}
				counted++
				want[place{e.Logger, e.Level, int(at)}]++
				if tally.Message != nil && e.Level >= entry.Error {
					wantMessages = append(wantMessages, fmt.Sprint(e.Time, e.Level, e.Logger, e.Message))
				}
			}
			slices.Sort(gotMessages)
			slices.Sort(wantMessages)
			if !maps.Equal(got, want) || !slices.Equal(gotMessages, wantMessages) {
				t.Fatalf("seed %d, %+v (pattern %v) from %d in %d:\ngot  %v %.600q\nwant %v %.600q", seed, f, f.Pattern, from, step, got, gotMessages, want, wantMessages)
			}
		}
	}
	if counted < 10_000 {
		t.Errorf("only %d entries were ever counted: the test asks for nothing", counted)
	}
}

func TestInfoSumsUp(t *testing.T) {
	entries := newWorld(1).entries(2000)
	b, data := seal(t, block.Options{}, entries)
	want := block.Info{MinTime: 1<<63 - 1, MinSeq: 1<<64 - 1}
	counts := map[block.Count]int{}
	for i := range entries {
		e := &entries[i]
		want.MinTime, want.MaxTime = min(want.MinTime, e.Time), max(want.MaxTime, e.Time)
		want.MinSeq, want.MaxSeq = min(want.MinSeq, e.seq), max(want.MaxSeq, e.seq)
		want.Rows++
		want.TextBytes += int64(len(e.Logger) + len(e.Message))
		for _, f := range e.Fields {
			want.TextBytes += int64(len(f.Value))
		}
		counts[block.Count{Logger: e.Logger, Level: e.Level}]++
	}
	got := *b.Info()
	for _, c := range got.Counts {
		if counts[block.Count{Logger: c.Logger, Level: c.Level}] != c.Rows {
			t.Errorf("%+v, want %d", c, counts[block.Count{Logger: c.Logger, Level: c.Level}])
		}
	}
	if len(got.Counts) != len(counts) {
		t.Errorf("%d counts, want %d", len(got.Counts), len(counts))
	}
	if got.Counts = nil; fmt.Sprint(got) != fmt.Sprint(want) {
		t.Errorf("got  %+v\nwant %+v", got, want)
	}
	// The summary suffices: nothing but both ends of the block was read.
	for i := range data[16 : len(data)/2] {
		data[16+i] = 0
	}
	if _, err := block.Open(bytes.NewReader(data), int64(len(data)), block.Options{}); err != nil {
		t.Error(err)
	}
}

func TestAWriterIsUsedAgain(t *testing.T) {
	w := block.NewWriter(block.Options{})
	if _, _, err := w.Finish(nil); err == nil {
		t.Error("a block of nothing was made")
	}
	for seed := range uint64(20) {
		entries := newWorld(seed).entries(400)
		for i := range entries {
			w.Add(entries[i].seq, &entries[i].Entry)
		}
		if w.Len() != len(entries) {
			t.Fatalf("%d entries, want %d", w.Len(), len(entries))
		}
		prefix := []byte("before")
		data, info, err := w.Finish(prefix)
		if err != nil || int64(w.Size()) != info.TextBytes {
			t.Fatal(err, w.Size(), info.TextBytes)
		}
		data = data[len(prefix):]
		b, err := block.Open(bytes.NewReader(data), int64(len(data)), block.Options{})
		if err != nil {
			t.Fatal(err)
		}
		requireSame(t, seed, b, entries)
		w.Reset()
	}
}

func TestShapesWithoutEnd(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 1))
	entries := make([]kept, 4000)
	for i := range entries {
		e := entry.Entry{Time: int64(i), Level: entry.Info, Logger: fmt.Sprint("logger", i)}
		for k := range 5 {
			e.Fields = append(e.Fields, entry.Field{Name: fmt.Sprint("name", rng.Uint64()), Kind: entry.Number, Value: strconv.Itoa(k)})
		}
		entries[i] = kept{uint64(i), e}
	}
	b, _ := seal(t, block.Options{}, entries)
	requireSame(t, 0, b, entries)
	for i := range 50 {
		f := entries[i*71].Fields[i%5]
		s := block.Search{Filter: &entry.Filter{Fields: []entry.FieldMatch{{Name: f.Name, Values: []string{f.Value}}}}, Limit: 10}
		if got := fetch(t, b, s); !slices.Equal(got, texts(naive(entries, s))) {
			t.Errorf("%v: got %v", f, got)
		}
	}
}

func TestLargeTexts(t *testing.T) {
	var entries []kept
	for i := range 40 {
		text := bytes.Repeat([]byte{'a' + byte(i%3)}, 1<<20)
		e := entry.Entry{Time: int64(i), Message: string(text), Fields: []entry.Field{{Name: "f", Value: string(text[i:])}}}
		entries = append(entries, kept{uint64(i), e})
	}
	b, data := seal(t, block.Options{}, entries)
	requireSame(t, 0, b, entries)
	if len(data) > 4<<20 {
		t.Errorf("%d bytes for 80 MB of three letters", len(data))
	}
}

func TestAnEntryThatIsTooLargeIsRefused(t *testing.T) {
	w := block.NewWriter(block.Options{})
	large := kept{1, entry.Entry{Message: strings.Repeat("a", 49<<20)}}
	w.Add(large.seq, &large.Entry)
	if data, _, err := w.Finish([]byte("x")); err == nil || string(data) != "x" {
		t.Fatalf("%d bytes, %v", len(data), err)
	}
	w.Reset()
	large.Message = large.Message[:47<<20]
	w.Add(large.seq, &large.Entry)
	data, _, err := w.Finish(nil)
	if err != nil {
		t.Fatal(err)
	}
	b, err := block.Open(bytes.NewReader(data), int64(len(data)), block.Options{})
	if err != nil {
		t.Fatal(err)
	}
	requireSame(t, 0, b, []kept{large})
}

func TestACancelledQuestionIsNotAnswered(t *testing.T) {
	entries := newWorld(1).entries(1000)
	b, _ := seal(t, block.Options{}, entries)
	ctx, cancel := context.WithCancel(t.Context())
	hits, err := b.Search(ctx, block.Search{Filter: &entry.Filter{}, Limit: 10})
	if err != nil || len(hits) != 10 {
		t.Fatal(len(hits), err)
	}
	cancel()
	_, errs := b.Search(ctx, block.Search{Filter: &entry.Filter{}, Limit: 10})
	for name, err := range map[string]error{
		"Search": errs,
		"Fetch":  b.Fetch(ctx, hits, func(int, *entry.Entry) error { return nil }),
		"Each":   b.Each(ctx, func(uint64, *entry.Entry) error { return nil }),
		"Tally":  b.Tally(ctx, &entry.Filter{}, block.Tally{Step: 1 << 60, Buckets: 2, Add: func(string, entry.Level, int, int) {}}),
	} {
		if !errors.Is(err, context.Canceled) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestPlatformAndSocialLogs(t *testing.T) {
	for name, src := range map[string]loggen.Source{"platform": loggen.NewPlatform(1, loggen.Start), "social": loggen.NewSocial(1, loggen.Start)} {
		entries := make([]kept, 10_000)
		var e entry.Entry
		for i := range entries {
			src.Next(&e)
			entries[i] = keep(uint64(i), &e)
		}
		b, data := seal(t, block.Options{}, entries)
		t.Logf("%s: %.2f bytes a line", name, float64(len(data))/float64(len(entries)))
		requireSame(t, 0, b, entries)
	}
}

func TestSeveralMayAskAtOnce(t *testing.T) {
	w := newWorld(3)
	entries := w.entries(2000)
	b, _ := seal(t, block.Options{}, entries)
	var wait sync.WaitGroup
	for range 4 {
		s := block.Search{Filter: w.filter(entries), Limit: 100}
		want := texts(naive(entries, s))
		wait.Go(func() {
			for range 5 {
				if got, err := ask(t.Context(), b, s); err != nil || !slices.Equal(got, want) {
					t.Errorf("%+v: got %d entries, want %d; %v", *s.Filter, len(got), len(want), err)
				}
			}
		})
	}
	wait.Wait()
}
