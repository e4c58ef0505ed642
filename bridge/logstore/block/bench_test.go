package block_test

import (
	"bytes"
	"context"
	"regexp"
	"slices"
	"sync"
	"syscall"
	"testing"
	"time"

	"llmwatch/bridge/logstore/block"
	"llmwatch/bridge/logstore/entry"
	"llmwatch/test/loggen"
)

// Benchmarks seal and search this many lines, in blocks of this many.
const (
	benchLines = 1_000_000
	benchBlock = 1 << 16
)

func sources() map[string]loggen.Source {
	return map[string]loggen.Source{"platform": loggen.NewPlatform(1, loggen.Start), "social": loggen.NewSocial(1, loggen.Start)}
}

// BenchmarkSeal makes blocks: the time is of one entry.
func BenchmarkSeal(b *testing.B) {
	for name, src := range sources() {
		b.Run(name, func(b *testing.B) {
			var lines entry.Batch
			loggen.Fill(&lines, src, benchBlock)
			w := block.NewWriter(block.Options{})
			var e entry.Entry
			var data []byte
			seal := func() {
				w.Reset()
				for i := range lines.Len() {
					lines.At(i, &e)
					w.Add(uint64(i), &e)
				}
				var err error
				if data, _, err = w.Finish(data[:0]); err != nil {
					b.Fatal(err)
				}
			}
			b.ReportAllocs()
			n, before := 0, cpu()
			for b.Loop() {
				if n%benchBlock == 0 {
					seal()
				}
				n++
			}
			reportCPU(b, before)
			b.ReportMetric(float64(len(data))/benchBlock, "bytes/line")
		})
	}
}

// cpu is the time that all processors spent on this process; what else a machine
// does disturbs it least.
func cpu() time.Duration {
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		panic(err)
	}

	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

func reportCPU(b *testing.B, before time.Duration) {
	b.ReportMetric(float64(cpu()-before)/float64(b.N), "cpu-ns/op")
}

// library is a log in blocks.
type library struct {
	blocks []*block.Block
	bytes  int
	ids    []string // Of some entries.
}

var platform = sync.OnceValue(func() *library {
	l, src, w := &library{}, loggen.NewPlatform(1, loggen.Start), block.NewWriter(block.Options{})
	var e entry.Entry
	for seq := range uint64(benchLines) {
		src.Next(&e)
		w.Add(seq, &e)
		if id, ok := e.Field("request_id"); ok && seq%5000 < 2 {
			l.ids = append(l.ids, id.Value)
		}
		if w.Len() < benchBlock && seq < benchLines-1 {
			continue
		}
		data, _, err := w.Finish(nil)
		if err != nil {
			panic(err)
		}
		blk, err := block.Open(bytes.NewReader(data), int64(len(data)), block.Options{})
		if err != nil {
			panic(err)
		}
		l.blocks, l.bytes = append(l.blocks, blk), l.bytes+len(data)
		w.Reset()
	}

	return l
})

// newest asks two blocks at a time, the newest ones first, until it has enough, and
// makes what it found entries.
func (l *library) newest(b *testing.B, f *entry.Filter, limit int) int {
	s := block.Search{Filter: f, Newest: true, Limit: limit}
	found := 0
	for at := len(l.blocks); at > 0 && found < limit; {
		pair := l.blocks[max(at-2, 0):at]
		at -= len(pair)
		hits := make([][]block.Hit, len(pair))
		var wait sync.WaitGroup
		for i, blk := range pair {
			wait.Go(func() {
				var err error
				if hits[i], err = blk.Search(context.Background(), s); err != nil {
					panic(err)
				}
			})
		}
		wait.Wait()
		for i := range slices.Backward(pair) {
			hits[i] = hits[i][:min(len(hits[i]), limit-found)]
			found += len(hits[i])
			if err := pair[i].Fetch(context.Background(), hits[i], func(int, *entry.Entry) error { return nil }); err != nil {
				b.Fatal(err)
			}
		}
	}

	return found
}

// BenchmarkSearch asks a million lines, on two cores.
func BenchmarkSearch(b *testing.B) {
	l := platform()
	for _, c := range []struct {
		name   string
		filter entry.Filter
	}{
		{"newest errors", entry.Filter{Levels: 1 << entry.Error}},
		{"newest", entry.Filter{}},
		{"pattern", entry.Filter{Pattern: regexp.MustCompile(`lr=\d\.9`)}},
		{"pattern of errors", entry.Filter{Pattern: regexp.MustCompile(`refused by 10\.0\.3\.1\d\d`)}},
		{"rare pattern", entry.Filter{Pattern: regexp.MustCompile(`key [0-9a-f]*beef[0-9]cafe`)}},
		{"rare pattern in any case", entry.Filter{Pattern: regexp.MustCompile(`(?i)took .*DEADBEEF`)}},
		{"one of two patterns", entry.Filter{Pattern: regexp.MustCompile(`disk full|quota (exceeded|reached)`)}},
		{"pattern without a letter", entry.Filter{Pattern: regexp.MustCompile(`[a-f]{12}`)}},
		{"absent pattern", entry.Filter{Pattern: regexp.MustCompile(`disk.*full`)}},
		{"absent word", entry.Filter{Words: []string{"unheard"}}},
		{"one status", entry.Filter{Fields: []entry.FieldMatch{{Name: "status_code", Values: []string{"503"}}}}},
		{"absent id", entry.Filter{Fields: []entry.FieldMatch{{Name: "request_id", Values: []string{"req-000000000000"}}}}},
	} {
		b.Run(c.name, func(b *testing.B) {
			found, before := 0, cpu()
			for b.Loop() {
				found = l.newest(b, &c.filter, 100)
			}
			reportCPU(b, before)
			b.ReportMetric(float64(found), "found")
		})
	}
	b.Run("one id", func(b *testing.B) {
		before := cpu()
		for i := 0; b.Loop(); i++ {
			id := l.ids[i%len(l.ids)]
			if n := l.newest(b, &entry.Filter{Fields: []entry.FieldMatch{{Name: "request_id", Values: []string{id}}}}, 100); n != 1 {
				b.Fatalf("%s: %d entries", id, n)
			}
		}
		reportCPU(b, before)
	})
	b.Run("tally", func(b *testing.B) {
		before := cpu()
		for b.Loop() {
			count := block.Tally{From: loggen.Start.UnixNano(), Step: 90e9, Buckets: 60, Add: func(string, entry.Level, int, int) {}}
			for _, blk := range l.blocks {
				if err := blk.Tally(context.Background(), &entry.Filter{}, count); err != nil {
					b.Fatal(err)
				}
			}
		}
		reportCPU(b, before)
	})
	b.ReportMetric(float64(l.bytes)/benchLines, "bytes/line")
}
