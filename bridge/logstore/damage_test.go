package logstore_test

import (
	"errors"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"llmwatch/bridge/logstore"
	"llmwatch/bridge/logstore/disk/disktest"
	"llmwatch/bridge/logstore/entry"
)

// subset checks that everything found is among the lines that were appended, in
// order and unchanged, and returns how many are missing.
func subset(t *testing.T, what string, got, all []line) (missing int) {
	t.Helper()
	known := map[entry.Position]string{}
	for _, l := range all {
		known[l.Position] = l.text
	}
	for i, l := range got {
		if known[l.Position] != l.text {
			t.Fatalf("%s: %v is served as %s, but is %q", what, l.Position, l.text, known[l.Position])
		}
		if i > 0 && got[i-1].Compare(l.Position) >= 0 {
			t.Fatalf("%s: out of order at %v", what, l.Position)
		}
	}

	return len(all) - len(got)
}

// TestADamagedBlockIsLeftOutAndNamed flips a bit at random places of a block: while
// the store is open, and before it is opened.
func TestADamagedBlockIsLeftOutAndNamed(t *testing.T) {
	r := rand.New(rand.NewPCG(50, 0))
	for round := range 40 {
		fs := disktest.NewMemory()
		s := open(t, "", fs, 200)
		w := newWorld(uint64(round))
		all := number(1, w.append(t, s, 1000))
		if err := s.Sync(t.Context()); err != nil {
			t.Fatal(err)
		}
		var blocks []string
		for _, name := range fs.Names() {
			if strings.HasSuffix(name, ".block") {
				blocks = append(blocks, name)
			}
		}
		victim := blocks[r.IntN(len(blocks))]
		flip := func(b []byte) []byte {
			b[r.IntN(len(b))] ^= 1 << r.IntN(8)

			return b
		}
		if round%2 == 0 {
			fs.Change(victim, flip)
		} else {
			shut(t, s)
			fs.Change(victim, flip)
			s = open(t, "", fs, 200)
		}
		got, _ := search(t, s, logstore.Query{Oldest: true})
		missing := subset(t, victim, got, all)
		damaged := s.Stats().Damaged
		if missing > 0 && (len(damaged) != 1 || damaged[victim] == "") {
			t.Fatalf("round %d: %d lines are missing, damaged are %v", round, missing, damaged)
		}
		if missing > 600 {
			t.Fatalf("round %d: %d lines are missing because of one block", round, missing)
		}
		if err := s.Health(); err != nil {
			t.Errorf("a damaged block keeps the store from keeping data: %v", err)
		}
		w.append(t, s, 10)
		shut(t, s)
	}
}

// TestADamagedLogIsReadAroundTheDamage flips a bit of the write-ahead log before
// the store is opened.
func TestADamagedLogIsReadAroundTheDamage(t *testing.T) {
	r := rand.New(rand.NewPCG(51, 0))
	for round := range 40 {
		fs := disktest.NewMemory()
		s := open(t, "", fs, 10_000)
		w := newWorld(uint64(round))
		all := number(1, w.append(t, s, 3000))
		shut(t, s)
		names := fs.Names()
		i := slices.IndexFunc(names, func(n string) bool { return strings.HasSuffix(n, ".wal") })
		fs.Change(names[i], func(b []byte) []byte {
			b[r.IntN(len(b))] ^= 1 << r.IntN(8)

			return b
		})
		s = open(t, "", fs, 10_000)
		got, _ := search(t, s, logstore.Query{Oldest: true})
		missing := subset(t, names[i], got, all)
		if missing > 300 {
			t.Fatalf("round %d: one bit costs %d lines, more than a batch", round, missing)
		}
		if err := s.Sync(t.Context()); err != nil {
			t.Fatal(err)
		}
		again, _ := search(t, s, logstore.Query{Oldest: true})
		assertSame(t, "sealed", again, got)
		// A flip in the last record looks as if it had not been written whole.
		var last uint64
		for _, l := range got {
			last = max(last, l.Seq)
		}
		if st := s.Stats(); missing > 0 && last == uint64(len(all)) && len(st.Damaged) != 1 {
			t.Fatalf("round %d: %d lines are missing, damaged are %v", round, missing, st.Damaged)
		}
		more := w.append(t, s, 50)
		longer, _ := search(t, s, logstore.Query{Oldest: true})
		if len(longer) != len(got)+len(more) {
			t.Fatalf("round %d: %d lines after %d more", round, len(longer), len(more))
		}
		shut(t, s)
	}
}

func TestATornEndIsNoDamage(t *testing.T) {
	fs := disktest.NewMemory()
	s := open(t, "", fs, 10_000)
	all := number(1, newWorld(52).append(t, s, 500))
	shut(t, s)
	names := fs.Names()
	i := slices.IndexFunc(names, func(n string) bool { return strings.HasSuffix(n, ".wal") })
	fs.Change(names[i], func(b []byte) []byte { return append(b, b[len(b)/2:len(b)/2+100]...) })
	s = open(t, "", fs, 10_000)
	got, _ := search(t, s, logstore.Query{Oldest: true})
	assertSame(t, "after a torn end", got, byPosition(all))
	if damaged := s.Stats().Damaged; len(damaged) > 0 {
		t.Errorf("damaged: %v", damaged)
	}
}

func byPosition(all []line) []line {
	sorted, _ := naive(all, logstore.Query{Oldest: true})

	return sorted
}

func TestADirectoryOfANewerVersionIsRefused(t *testing.T) {
	dir := t.TempDir()
	s := open(t, dir, nil, 100)
	shut(t, s)
	if err := os.WriteFile(filepath.Join(dir, "VERSION"), []byte(`{"version":2}`), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := logstore.Open(logstore.Config{Dir: dir}); !errors.Is(err, logstore.ErrNewer) {
		t.Errorf("opening ends with %v", err)
	}
}

func TestOneProcessAtATime(t *testing.T) {
	dir := t.TempDir()
	s := open(t, dir, nil, 100)
	if _, err := logstore.Open(logstore.Config{Dir: dir}); err == nil || !strings.Contains(err.Error(), dir) {
		t.Errorf("opening a second time ends with %v", err)
	}
	shut(t, s)
	open(t, dir, nil, 100)
}

func TestAClosedStoreRefuses(t *testing.T) {
	s := open(t, t.TempDir(), nil, 100)
	shut(t, s)
	var b entry.Batch
	b.Add(&entry.Entry{Message: "x"})
	if err := s.Append(t.Context(), &b); !errors.Is(err, logstore.ErrClosed) {
		t.Errorf("appending to it: %v", err)
	}
}

func TestConfigNamesWhatIsWrong(t *testing.T) {
	for want, cfg := range map[string]logstore.Config{
		"directory":      {},
		"retention time": {Dir: "x", RetentionTime: -1},
		"retention size": {Dir: "x", RetentionSize: 1},
	} {
		if err := cfg.Validate(); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%+v: %v", cfg, err)
		}
	}
}

func TestWhatIsTooLargeIsRefused(t *testing.T) {
	s := open(t, t.TempDir(), nil, 100)
	var b entry.Batch
	refused := func(what string) {
		t.Helper()
		if err := s.Append(t.Context(), &b); !errors.Is(err, logstore.ErrTooLarge) {
			t.Errorf("%s ends with %v", what, err)
		}
		b.Reset()
	}
	b.Add(&entry.Entry{Message: "fits"})
	b.Add(&entry.Entry{Message: strings.Repeat("x", logstore.MaxEntryBytes+1)})
	refused("a large entry")
	for range 5 {
		b.Add(&entry.Entry{Message: strings.Repeat("x", logstore.MaxBatchBytes/4)})
	}
	refused("a large batch")
	b.Add(&entry.Entry{Message: strings.Repeat("y", logstore.MaxEntryBytes)})
	if err := errors.Join(s.Append(t.Context(), &b), s.Sync(t.Context())); err != nil {
		t.Error(err)
	}
	if got, _ := search(t, s, logstore.Query{}); len(got) != 1 || len(got[0].e.Message) != logstore.MaxEntryBytes {
		t.Errorf("%d lines", len(got))
	}
}
