package logstore_test

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"testing"
	"time"

	gocmp "github.com/google/go-cmp/cmp"

	"llmwatch/bridge/logstore"
	"llmwatch/bridge/logstore/entry"
)

// naiveStatistics counts one line after the other.
func naiveStatistics(all []line, from, until int64, step time.Duration) (total uint64, byLogger []logstore.LoggerLevels, histogram []logstore.Bucket) {
	counts := map[string]*logstore.Levels{}
	first := from - from%int64(step)
	for at := first; at < until; at += int64(step) {
		histogram = append(histogram, logstore.Bucket{Start: time.Unix(0, max(at, from)).UTC()})
	}
	for _, l := range all {
		if l.e.Time < from || l.e.Time >= until {
			continue
		}
		total++
		if counts[l.e.Logger] == nil {
			counts[l.e.Logger] = new(logstore.Levels)
		}
		counts[l.e.Logger][l.e.Level]++
		histogram[(l.e.Time-first)/int64(step)].ByLevel[l.e.Level]++
	}
	for name, levels := range counts {
		byLogger = append(byLogger, logstore.LoggerLevels{Logger: name, ByLevel: *levels})
	}
	slices.SortFunc(byLogger, func(a, b logstore.LoggerLevels) int {
		return cmp.Or(cmp.Compare(b.ByLevel.Total(), a.ByLevel.Total()), cmp.Compare(a.Logger, b.Logger))
	})

	return total, byLogger, histogram
}

func TestStatisticsCountWhatANaiveScanCounts(t *testing.T) {
	s := open(t, t.TempDir(), nil, 500)
	w := newWorld(20)
	start := w.now
	all := number(1, w.append(t, s, 4000))
	for round := range 60 {
		if round == 30 {
			if err := s.Sync(t.Context()); err != nil {
				t.Fatal(err)
			}
		}
		from := start - 1e9 + w.Int64N(w.now-start+2e9)
		until := from + 1 + w.Int64N(2*(w.now-start)+1e6)
		if round%5 == 0 {
			from, until = start-1e9, w.now+1e9
		}
		n := 1 + w.IntN(60)
		got, err := s.Statistics(t.Context(), time.Unix(0, from), time.Unix(0, until), n)
		if err != nil {
			t.Fatal(err)
		}
		total, byLogger, histogram := naiveStatistics(all, from, until, got.Step)
		what := fmt.Sprintf("round %d: %d to %d in %d", round, from, until, n)
		if got.Total != total || got.ByLevel.Total() != total {
			t.Fatalf("%s: %d entries, want %d", what, got.Total, total)
		}
		if diff := gocmp.Diff(byLogger, got.ByLogger); diff != "" {
			t.Fatalf("%s: %s", what, diff)
		}
		if diff := gocmp.Diff(histogram, got.Histogram); diff != "" {
			t.Fatalf("%s: %s", what, diff)
		}
		if len(histogram) > n+1 {
			t.Fatalf("%s: %d buckets", what, len(histogram))
		}
	}
}

func TestStatisticsGatherErrorsByWhatTheyHaveInCommon(t *testing.T) {
	s := open(t, t.TempDir(), nil, 100)
	at := time.Date(2024, 1, 15, 0, 0, 0, 0, time.UTC)
	var b entry.Batch
	for i := range 250 {
		e := entry.Entry{Time: at.UnixNano() + int64(i), Level: entry.Error, Logger: "api.errors", Message: fmt.Sprintf("request req-%x7f failed after %d.5 ms\n  at main.go:%d", i, i, i)}
		if i%5 == 0 {
			e.Level, e.Message = entry.Critical, "out of memory"
		}
		if i%7 == 0 {
			e.Level, e.Message = entry.Warning, fmt.Sprintf("no error %d", i)
		}
		b.Add(&e)
	}
	if err := s.Append(t.Context(), &b); err != nil {
		t.Fatal(err)
	}
	check := func(state string) {
		t.Helper()
		st, err := s.Statistics(t.Context(), at, at.Add(time.Hour), 10)
		if err != nil {
			t.Fatal(err)
		}
		want := []logstore.ErrorMessage{
			{Template: "request <*> failed after <*> ms", Logger: "api.errors", Level: entry.Error, Count: 172, Last: at.Add(249)},
			{Template: "out of memory", Logger: "api.errors", Level: entry.Critical, Count: 42, Last: at.Add(240)},
		}
		if diff := gocmp.Diff(want, st.TopErrors); diff != "" {
			t.Errorf("%s: %s", state, diff)
		}
	}
	check("in memory")
	if err := s.Sync(t.Context()); err != nil {
		t.Fatal(err)
	}
	check("sealed")
	check("asked again")
}

func TestStatisticsRefuseARangeThatEndsBeforeItsStart(t *testing.T) {
	s := open(t, t.TempDir(), nil, 100)
	now := time.Now()
	if _, err := s.Statistics(context.Background(), now, now, 10); err == nil {
		t.Error("an empty range is taken")
	}
}

func TestStatisticsOfAnEmptyStore(t *testing.T) {
	s := open(t, t.TempDir(), nil, 100)
	st, err := s.Statistics(t.Context(), time.Unix(-5, 0), time.Unix(100, 0), 10)
	if err != nil || st.Total != 0 || len(st.Histogram) != 7 || !st.Store.Oldest.IsZero() || st.Store.Bytes == 0 {
		t.Errorf("%+v, %v", st, err)
	}
}
