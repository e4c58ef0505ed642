package logstore_test

import (
	"context"
	"fmt"
	"regexp"
	"runtime"
	"sync"
	"syscall"
	"testing"
	"time"

	"llmwatch/bridge/logstore"
	"llmwatch/bridge/logstore/entry"
	"llmwatch/test/loggen"
)

// cpu is the processor time of this process so far.
func cpu() time.Duration {
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		panic(err)
	}

	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

// batches are n loggen entries in batches of size.
func batches(n, size int) []*entry.Batch {
	src := loggen.NewPlatform(1, loggen.Start)
	var all []*entry.Batch
	for n > 0 {
		b := new(entry.Batch)
		loggen.Fill(b, src, min(n, size))
		n -= b.Len()
		all = append(all, b)
	}

	return all
}

// BenchmarkAppend keeps lines durably, with all that happens in the background
// until they are sealed: lines/s, and processor time a line.
func BenchmarkAppend(b *testing.B) {
	const lines = 256 << 10
	for _, c := range []struct{ writers, size int }{{1, 1}, {8, 1}, {1, 100}, {8, 100}, {1, 4000}, {4, 4000}, {1, 40000}} {
		b.Run(fmt.Sprintf("writers=%d/lines=%d", c.writers, c.size), func(b *testing.B) {
			n := lines
			if c.size == 1 {
				n = 4000
			}
			all := batches(n, c.size)
			for b.Loop() {
				b.StopTimer()
				s := open(b, b.TempDir(), nil, 64<<10)
				before, start := cpu(), time.Now()
				b.StartTimer()
				var writers sync.WaitGroup
				for w := range c.writers {
					writers.Go(func() {
						for i := w; i < len(all); i += c.writers {
							if err := s.Append(context.Background(), all[i]); err != nil {
								b.Error(err)
							}
						}
					})
				}
				writers.Wait()
				b.ReportMetric(float64(n)/time.Since(start).Seconds(), "lines/s")
				if err := s.Sync(context.Background()); err != nil {
					b.Error(err)
				}
				b.StopTimer()
				b.ReportMetric(float64((cpu()-before).Nanoseconds())/float64(n), "cpu-ns/line")
				b.ReportMetric(float64(s.Stats().Bytes)/float64(n), "disk-B/line")
				shut(b, s)
				b.StartTimer()
			}
		})
	}
}

var benchQueries = map[string]logstore.Query{
	"newest-errors": {Filter: entry.Filter{Levels: 1 << entry.Error}, Limit: 100},
	"regex-early":   {Filter: entry.Filter{Pattern: regexp.MustCompile(`[Cc]ompleted|hit`)}, Limit: 100},
	"regex-rare":    {Filter: entry.Filter{Pattern: regexp.MustCompile(`no such thing [0-9]+`)}, Limit: 100},
	"newest":        {Limit: 100},
}

// BenchmarkSearch asks a store of a million lines (LLMWATCH_BENCH_LINES for
// others).
func BenchmarkSearch(b *testing.B) {
	s := open(b, b.TempDir(), nil, 64<<10)
	src := loggen.NewPlatform(1, loggen.Start)
	var batch entry.Batch
	for range 100 {
		batch.Reset()
		loggen.Fill(&batch, src, 10_000)
		if err := s.Append(context.Background(), &batch); err != nil {
			b.Fatal(err)
		}
	}
	if err := s.Sync(context.Background()); err != nil {
		b.Fatal(err)
	}
	runtime.GC()
	var id string
	if _, err := s.Search(context.Background(), logstore.Query{Limit: 500_000}, func(_ entry.Position, e *entry.Entry) error {
		if f, ok := e.Field("request_id"); ok {
			id = string(append([]byte(nil), f.Value...))
		}

		return nil
	}); err != nil {
		b.Fatal(err)
	}
	benchQueries["request-id"] = logstore.Query{Filter: entry.Filter{Fields: []entry.FieldMatch{{Name: "request_id", Values: []string{id}}}}, Limit: 100}
	for name, q := range benchQueries {
		b.Run(name, func(b *testing.B) {
			for b.Loop() {
				if _, err := s.Search(context.Background(), q, func(entry.Position, *entry.Entry) error { return nil }); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
	for name, f := range map[string]entry.Filter{
		"all":        {},
		"level":      {Levels: 1 << entry.Error},
		"logger":     {Loggers: []string{"api.*"}},
		"pattern":    benchQueries["regex-rare"].Filter,
		"often":      benchQueries["regex-early"].Filter,
		"request-id": benchQueries["request-id"].Filter,
	} {
		f.From, f.Until = loggen.Start.Add(-time.Hour).UnixNano(), loggen.Start.Add(24*time.Hour).UnixNano()
		b.Run("statistics-"+name, func(b *testing.B) {
			b.ReportAllocs()
			before := cpu()
			for b.Loop() {
				if _, err := s.Statistics(context.Background(), f, 50); err != nil {
					b.Fatal(err)
				}
			}
			b.ReportMetric(float64((cpu()-before).Nanoseconds())/float64(b.N), "cpu-ns/op")
		})
	}
}
