package wal_test

import (
	"bytes"
	"errors"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"

	"llmwatch/bridge/logstore/disk/disktest"
	"llmwatch/bridge/logstore/wal"
)

func read(t testing.TB, fs *disktest.Memory, name string) ([]wal.Record, wal.Report) {
	t.Helper()
	files, err := fs.List()
	if err != nil {
		t.Fatal(err)
	}
	f, err := fs.Open(name)
	if err != nil {
		t.Fatal(err)
	}
	var records []wal.Record
	report, err := wal.Read(f, files[0].Size, nil, func(r wal.Record) error {
		r.Body = bytes.Clone(r.Body)
		records = append(records, r)

		return nil
	})
	if err != nil {
		t.Fatal(err)
	}

	return records, report
}

// sameBody compares bodies by what is in them.
var sameBody = cmp.Comparer(bytes.Equal)

// records are n of various sizes.
func records(n int) []wal.Record {
	r := rand.New(rand.NewPCG(1, 2))
	var all []wal.Record
	for i := range n {
		body := make([]byte, []int{0, 1, 100, 5000, 300_000}[i%5])
		for j := range body {
			body[j] = byte(r.Uint32())
		}
		all = append(all, wal.Record{Kind: byte(i), Seq: uint64(i * 10), Count: 10, Body: body})
	}

	return all
}

func create(t *testing.T) (*disktest.Memory, *wal.Writer) {
	t.Helper()
	fs := disktest.NewMemory()
	w, err := wal.Create(fs, "log", nil)
	if err != nil {
		t.Fatal(err)
	}

	return fs, w
}

func appendAll(t *testing.T, w *wal.Writer, all []wal.Record) {
	t.Helper()
	for _, r := range all {
		if err := w.Append(r); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Commit(); err != nil {
		t.Fatal(err)
	}
}

func TestRecordsComeBack(t *testing.T) {
	fs, w := create(t)
	want := records(20)
	appendAll(t, w, want[:13])
	appendAll(t, w, want[13:])
	got, report := read(t, fs, "log")
	if diff := cmp.Diff(want, got, sameBody); diff != "" || report.Torn != 0 || len(report.Damaged) > 0 {
		t.Errorf("%+v: %s", report, diff)
	}
}

func TestWhatIsCommittedSurvivesAPowerCut(t *testing.T) {
	r := rand.New(rand.NewPCG(3, 4))
	for range 50 {
		fs, w := create(t)
		want := records(20)
		appendAll(t, w, want[:10])
		for _, rec := range want[10:] {
			if err := w.Append(rec); err != nil {
				t.Fatal(err)
			}
		}
		got, report := read(t, fs.PowerCut(r), "log")
		if len(got) < 10 || len(report.Damaged) > 0 {
			t.Fatalf("%d records, %+v", len(got), report)
		}
		if diff := cmp.Diff(want[:len(got)], got, sameBody); diff != "" {
			t.Fatal(diff)
		}
	}
}

func TestRollbackTakesBackWhatWasNotCommitted(t *testing.T) {
	fs, w := create(t)
	all := records(15)
	appendAll(t, w, all[:5])
	failing := errors.New("no space")
	fs.Before = func(operation, _ string) error {
		if operation == "write" {
			return failing
		}

		return nil
	}
	var err error
	for _, r := range all[5:10] {
		err = errors.Join(err, w.Append(r))
	}
	if err = errors.Join(err, w.Commit()); !errors.Is(err, failing) {
		t.Fatalf("it ends with %v", err)
	}
	fs.Before = nil
	if err := w.Rollback(); err != nil {
		t.Fatal(err)
	}
	if err := w.Try(all[5]); err != nil {
		t.Fatal(err)
	}
	if err := w.Rollback(); err != nil {
		t.Fatal(err)
	}
	appendAll(t, w, all[10:])
	got, report := read(t, fs, "log")
	if diff := cmp.Diff(slices.Concat(all[:5], all[10:]), got, sameBody); diff != "" || report.Torn != 0 || len(report.Damaged) > 0 {
		t.Errorf("%+v: %s", report, diff)
	}
}

// TestAFlippedBitCostsOneRecord flips each bit of a small file in turn.
func TestAFlippedBitCostsOneRecord(t *testing.T) {
	fs, w := create(t)
	want := records(4)[:4]
	want[3].Body = want[3].Body[:50]
	appendAll(t, w, want)
	var size int
	fs.Change("log", func(b []byte) []byte { size = len(b); return b })
	for bit := range size * 8 {
		flip := func(b []byte) []byte { b[bit/8] ^= 1 << (bit % 8); return b }
		fs.Change("log", flip)
		got, report := read(t, fs, "log")
		if len(got) < len(want)-1 || report.Torn == 0 && len(report.Damaged) == 0 {
			t.Fatalf("bit %d: %d records, %+v", bit, len(got), report)
		}
		for _, r := range got {
			if !slices.ContainsFunc(want, func(w wal.Record) bool { return cmp.Equal(w, r, sameBody) }) {
				t.Fatalf("bit %d: %+v was never written", bit, r)
			}
		}
		fs.Change("log", flip)
	}
}

// FuzzRead reads arbitrary bytes after sound records.
func FuzzRead(f *testing.F) {
	fs := disktest.NewMemory()
	w, err := wal.Create(fs, "log", nil)
	if err != nil {
		f.Fatal(err)
	}
	for _, r := range records(3) {
		if err := w.Append(r); err != nil {
			f.Fatal(err)
		}
	}
	if err := w.Commit(); err != nil {
		f.Fatal(err)
	}
	fs.Change("log", func(b []byte) []byte { f.Add(b); return b })
	f.Fuzz(func(t *testing.T, file []byte) {
		total := 0
		report, err := wal.Read(bytes.NewReader(file), int64(len(file)), nil, func(r wal.Record) error {
			total += 32 + len(r.Body)

			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
		if total > len(file) || report.Torn > int64(len(file)) {
			t.Fatalf("%d bytes of records of %d, %+v", total, len(file), report)
		}
	})
}
