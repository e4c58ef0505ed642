package logstore_test

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"regexp"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	gocmp "github.com/google/go-cmp/cmp"

	"llmwatch/bridge/logstore"
	"llmwatch/bridge/logstore/disk/disktest"
	"llmwatch/bridge/logstore/entry"
	"llmwatch/internal/testtool"
)

// naiveStatistics counts one line after the other.
func naiveStatistics(all []line, f *entry.Filter, step time.Duration) logstore.Statistics {
	want := logstore.Statistics{Step: step}
	first := f.From - f.From%int64(step)
	for at := first; at < f.Until; at += int64(step) {
		want.Histogram = append(want.Histogram, logstore.Bucket{Start: time.Unix(0, max(at, f.From)).UTC()})
	}
	counts := map[string]*logstore.Levels{}
	messages := map[logstore.ErrorMessage]*logstore.ErrorMessage{}
	for i := range all {
		e := &all[i].e
		if !f.Match(e) {
			continue
		}
		want.Total++
		want.ByLevel[e.Level]++
		want.Histogram[(e.Time-first)/int64(step)].ByLevel[e.Level]++
		if counts[e.Logger] == nil {
			counts[e.Logger] = new(logstore.Levels)
		}
		counts[e.Logger][e.Level]++
		if e.Level < entry.Error {
			continue
		}
		m := logstore.ErrorMessage{Template: logstore.Template(e.Message), Logger: e.Logger, Level: e.Level}
		if messages[m] == nil {
			messages[m] = &logstore.ErrorMessage{Template: m.Template, Logger: m.Logger, Level: m.Level}
		}
		messages[m].Count++
		if at := time.Unix(0, e.Time).UTC(); at.After(messages[m].Last) {
			messages[m].Last = at
		}
	}
	for name, levels := range counts {
		want.ByLogger = append(want.ByLogger, logstore.LoggerLevels{Logger: name, ByLevel: *levels})
	}
	slices.SortFunc(want.ByLogger, func(a, b logstore.LoggerLevels) int {
		return cmp.Or(cmp.Compare(b.ByLevel.Total(), a.ByLevel.Total()), cmp.Compare(a.Logger, b.Logger))
	})
	for _, m := range messages {
		want.TopErrors = append(want.TopErrors, *m)
	}
	slices.SortFunc(want.TopErrors, func(a, b logstore.ErrorMessage) int {
		return cmp.Or(cmp.Compare(b.Count, a.Count), cmp.Compare(a.Template, b.Template), cmp.Compare(a.Logger, b.Logger), cmp.Compare(a.Level, b.Level))
	})
	want.TopErrors = want.TopErrors[:min(len(want.TopErrors), 20)]

	return want
}

// statisticsQuery is a random filter with bounds, which often lie beyond all entries.
func (w *world) statisticsQuery(start int64) entry.Filter {
	f := w.query().Filter
	switch w.IntN(4) {
	case 0: // As most that people ask.
		f = entry.Filter{Levels: f.Levels, Loggers: f.Loggers}
	case 1:
		f = entry.Filter{}
	}
	f.From = start - 1e9 + w.Int64N(w.now-start+2e9)
	f.Until = f.From + 1 + w.Int64N(2*(w.now-start)+1e6)
	if w.IntN(3) == 0 {
		f.From, f.Until = start-1e9, w.now+1e9
	}

	return f
}

// TestStatisticsCountWhatANaiveScanCounts asks random questions of a store in all
// its states. Where there are more error messages than are remembered of a block,
// the most frequent of all entries are estimated; those that pass a filter are not.
func TestStatisticsCountWhatANaiveScanCounts(t *testing.T) {
	for name, few := range map[string]bool{"few error messages": true, "many error messages": false} {
		t.Run(name, func(t *testing.T) {
			s := open(t, t.TempDir(), nil, 500)
			w := newWorld(20)
			start := w.now
			var entries []entry.Entry
			for range 40 {
				var b entry.Batch
				for range 100 {
					e := w.entry()
					if few {
						e.Message = fmt.Sprintf("%s %d", pick(w, wordList[:3]), w.IntN(2000))
					}
					b.Add(&e)
					entries = append(entries, e)
				}
				if err := s.Append(t.Context(), &b); err != nil {
					t.Fatal(err)
				}
			}
			all := number(1, entries)
			counted := uint64(0)
			for round := range 300 {
				if round == 100 {
					if err := s.Sync(t.Context()); err != nil {
						t.Fatal(err)
					}
				}
				f, n := w.statisticsQuery(start), 1+w.IntN(60)
				got, err := s.Statistics(t.Context(), f, n)
				if err != nil {
					t.Fatal(err)
				}
				want := naiveStatistics(all, &f, got.Step)
				want.Store = got.Store
				if !few && f.Levels == 0 && len(f.Loggers)+len(f.Words)+len(f.Fields) == 0 && f.Pattern == nil {
					want.TopErrors = got.TopErrors
				}
				if diff := gocmp.Diff(want, got); diff != "" {
					t.Fatalf("round %d, %+v (pattern %v) in %d: (-want +got)\n%s", round, f, f.Pattern, n, diff)
				}
				if len(got.Histogram) > n+1 {
					t.Fatalf("round %d: %d buckets, asked for %d", round, len(got.Histogram), n)
				}
				counted += got.Total
			}
			if counted < 50_000 {
				t.Errorf("only %d entries were ever counted: the test asks for nothing", counted)
			}
		})
	}
}

// TestStatisticsTakeLittleMemory counts many megabytes of entries that all pass, each
// of level ERROR, and has a caller who goes away.
func TestStatisticsTakeLittleMemory(t *testing.T) {
	s := open(t, "", disktest.NewMemory(), 64<<10)
	const lines, filler = 100_000, 300
	var b entry.Batch
	for i := range lines {
		b.Add(&entry.Entry{
			Time: int64(i), Level: entry.Error, Logger: fmt.Sprint("logger", i%50),
			Message: fmt.Sprint("failure ", i, " of ", strings.Repeat(string(rune('a'+i%26)), filler)),
			Fields:  []entry.Field{{Name: "user", Value: strconv.Itoa(i)}},
		})
	}
	if err := s.Append(t.Context(), &b); err != nil {
		t.Fatal(err)
	}
	if err := s.Sync(t.Context()); err != nil {
		t.Fatal(err)
	}
	f := entry.Filter{Until: lines, Pattern: regexp.MustCompile("failure [0-9]+ of"), Words: []string{"of"}}
	count := func(ctx context.Context) (uint64, error) {
		st, err := s.Statistics(ctx, f, 50)

		return st.Total, err
	}
	if n, err := count(t.Context()); n != lines || err != nil { // It also fills the pools.
		t.Fatalf("%d entries are counted, %v", n, err)
	}
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	if _, err := count(t.Context()); err != nil {
		t.Fatal(err)
	}
	runtime.ReadMemStats(&after)
	if taken := after.TotalAlloc - before.TotalAlloc; taken > lines*filler/4 && !testtool.Race() {
		t.Errorf("%d kB are taken to count %d kB", taken>>10, lines*filler>>10)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := count(ctx); !errors.Is(err, context.Canceled) {
		t.Errorf("counting for a caller who has gone ends with %v", err)
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
		st, err := s.Statistics(t.Context(), entry.Filter{From: at.UnixNano(), Until: at.Add(time.Hour).UnixNano()}, 10)
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

// TestAFrequentErrorIsFoundAmongManyRareOnes has far more different messages than are
// counted at once, and a frequent one that comes late.
func TestAFrequentErrorIsFoundAmongManyRareOnes(t *testing.T) {
	s := open(t, t.TempDir(), nil, 64<<10)
	var b entry.Batch
	for i := range 10_000 {
		e := entry.Entry{Time: int64(i), Level: entry.Error, Message: "failed for " + strings.Repeat("x", i%100) + strings.Repeat("y", i/100)}
		if i > 5000 && i%20 == 0 {
			e.Message = "out of memory"
		}
		b.Add(&e)
	}
	if err := s.Append(t.Context(), &b); err != nil {
		t.Fatal(err)
	}
	for _, state := range []string{"in memory", "sealed", "asked again"} {
		for _, f := range []entry.Filter{{Until: 10_000}, {Until: 10_000, Words: []string{"of"}}, {From: 10, Until: 10_000}} {
			st, err := s.Statistics(t.Context(), f, 10)
			if err != nil || len(st.TopErrors) == 0 || st.TopErrors[0].Template != "out of memory" || st.TopErrors[0].Count != 249 {
				t.Errorf("%s, %+v: the first of %d is %+v, %v", state, f, len(st.TopErrors), st.TopErrors[:min(1, len(st.TopErrors))], err)
			}
		}
		if err := s.Sync(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
}

func TestStatisticsRefuseARangeThatEndsBeforeItsStart(t *testing.T) {
	s := open(t, t.TempDir(), nil, 100)
	for _, f := range []entry.Filter{{From: 5, Until: 5}, {From: 5}, {}} {
		if _, err := s.Statistics(t.Context(), f, 10); err == nil {
			t.Errorf("%+v is taken", f)
		}
	}
}

func TestStatisticsOfAnEmptyStore(t *testing.T) {
	s := open(t, t.TempDir(), nil, 100)
	st, err := s.Statistics(t.Context(), entry.Filter{From: -5e9, Until: 100e9}, 10)
	if err != nil || st.Total != 0 || len(st.Histogram) != 10 || !st.Store.Oldest.IsZero() || st.Store.Bytes == 0 {
		t.Errorf("%+v, %v", st, err)
	}
}
