package logstore_test

import (
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"llmwatch/bridge/logstore"
	"llmwatch/bridge/logstore/disk/disktest"
	"llmwatch/bridge/logstore/entry"
)

// TestWhatHasGatheredIsSealedWhenHardlyAnythingComes has much arrive and then a
// line a second, as the program's own log has it. Memory is given back then.
func TestWhatHasGatheredIsSealedWhenHardlyAnythingComes(t *testing.T) {
	w := newWorld(80)
	var now, rests atomic.Int64
	now.Store(w.now)
	s := open(t, "", disktest.NewMemory(), 1<<20, func(c *logstore.Config) {
		c.Tune(disktest.NewMemory(), 1<<20, time.Millisecond)
		c.Now = func() time.Time { return time.Unix(0, now.Load()) }
		c.Rest = func() { rests.Add(1) }
	})
	w.append(t, s, 12_000)
	var large entry.Batch
	large.Add(&entry.Entry{Time: w.now, Message: strings.Repeat("much ", 2<<20)})
	large.Add(&entry.Entry{Time: w.now, Message: strings.Repeat("more ", 2<<20)})
	if err := s.Append(t.Context(), &large); err != nil {
		t.Fatal(err)
	}
	deadline := time.Now().Add(20 * time.Second)
	for s.Stats().Waiting > 1000 || rests.Load() == 0 {
		if time.Now().After(deadline) {
			t.Fatalf("still waiting: %+v, %d rests", s.Stats(), rests.Load())
		}
		now.Add(int64(100 * time.Millisecond))
		w.append(t, s, 1)
		time.Sleep(time.Millisecond) // The maintainer looks at its own pace.
	}
	if st := s.Stats(); st.Blocks == 0 {
		t.Errorf("nothing is sealed: %+v", st)
	}
}
