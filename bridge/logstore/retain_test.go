package logstore_test

import (
	"sync/atomic"
	"testing"
	"time"

	"llmwatch/bridge/logstore"
	"llmwatch/bridge/logstore/disk/disktest"
	"llmwatch/bridge/logstore/entry"
)

func TestEntriesPastTheRetentionAreNotAnswered(t *testing.T) {
	w := newWorld(60)
	var now atomic.Int64
	now.Store(w.now)
	fs := disktest.NewMemory()
	s := open(t, "", fs, 300, func(c *logstore.Config) {
		c.RetentionTime = time.Hour
		c.Now = func() time.Time { return time.Unix(0, now.Load()) }
	})
	all := number(1, w.append(t, s, 2000))
	if err := s.Sync(t.Context()); err != nil {
		t.Fatal(err)
	}
	before := s.Stats()
	for _, share := range []int64{1, 2, 3} { // Of the time that the lines span, past the retention.
		horizon := all[0].Time + (w.now-all[0].Time)*share/4
		now.Store(horizon + int64(time.Hour))
		q := logstore.Query{Oldest: true}
		got, _ := search(t, s, q)
		q.Filter.From = horizon
		want, _ := naive(all, q)
		assertSame(t, "past the retention", got, want)
		if err := s.Sync(t.Context()); err != nil {
			t.Fatal(err)
		}
		got, _ = search(t, s, logstore.Query{Oldest: true})
		assertSame(t, "after removal", got, want)
		st, err := s.Statistics(t.Context(), entry.Filter{Until: w.now + 1}, 10)
		if err != nil || st.Total != uint64(len(want)) {
			t.Fatalf("statistics count %d, want %d: %v", st.Total, len(want), err)
		}
	}
	if after := s.Stats(); after.Blocks >= before.Blocks || after.Bytes >= before.Bytes {
		t.Errorf("nothing was removed: %+v, before %+v", after, before)
	}
	now.Store(w.now + 2*int64(time.Hour))
	if err := s.Sync(t.Context()); err != nil {
		t.Fatal(err)
	}
	if st := s.Stats(); st.Blocks != 0 || st.Entries != 0 {
		t.Errorf("all is past the retention, but there is %+v", st)
	}
	if names := fs.Names(); len(names) != 2 { // The version, and the log's newest file.
		t.Errorf("left are %v", names)
	}
}

func TestTheOldestGoWhenTheStoreIsTooLarge(t *testing.T) {
	w := newWorld(61)
	fs := disktest.NewMemory()
	var limit int64 = 40_000
	s := open(t, "", fs, 300, func(c *logstore.Config) { c.RetentionSize = limit })
	all := byPosition(number(1, w.append(t, s, 12_000)))
	if err := s.Sync(t.Context()); err != nil {
		t.Fatal(err)
	}
	files, err := fs.List()
	if err != nil {
		t.Fatal(err)
	}
	var bytes int64
	for _, f := range files {
		bytes += f.Size
	}
	if st := s.Stats(); bytes > limit+1000 || st.Bytes > limit || st.Bytes < limit/2 {
		t.Errorf("%d bytes are on disk, %d it says, the limit is %d", bytes, st.Bytes, limit)
	}
	got, _ := search(t, s, logstore.Query{Oldest: true})
	if len(got) < 100 || len(got) > len(all)-1000 {
		t.Fatalf("%d of %d lines are left", len(got), len(all))
	}
	// Blocks overlap a little in time; beyond that the newest are there.
	newest := all[len(all)-len(got)*9/10:]
	found := map[string]int{}
	for _, l := range got {
		found[l.String()]++
	}
	for _, l := range newest {
		if found[l.String()] != 1 {
			t.Fatalf("%v is not there any more, but older ones are", l.Position)
		}
	}
}

// TestAReaderKeepsABlockThatIsRemoved removes everything while a search runs.
func TestAReaderKeepsABlockThatIsRemoved(t *testing.T) {
	w := newWorld(62)
	var now atomic.Int64
	now.Store(w.now)
	s := open(t, t.TempDir(), nil, 300, func(c *logstore.Config) {
		c.RetentionTime = time.Hour
		c.Now = func() time.Time { return time.Unix(0, now.Load()) }
	})
	w.append(t, s, 1500)
	if err := s.Sync(t.Context()); err != nil {
		t.Fatal(err)
	}
	n := 0
	_, err := s.Search(t.Context(), logstore.Query{Oldest: true, Limit: 1500}, func(entry.Position, *entry.Entry) error {
		if n++; n == 1 {
			now.Store(w.now + 2*int64(time.Hour))
			return s.Sync(t.Context())
		}

		return nil
	})
	if err != nil || n != 1500 {
		t.Errorf("%d lines, %v", n, err)
	}
	if st := s.Stats(); st.Blocks != 0 || len(st.Damaged) != 0 {
		t.Errorf("left: %+v", st)
	}
}
