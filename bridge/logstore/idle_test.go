package logstore_test

import (
	"sync/atomic"
	"testing"
	"time"

	"llmwatch/bridge/logstore"
	"llmwatch/bridge/logstore/disk/disktest"
)

// TestWhatHasGatheredIsSealedWhenHardlyAnythingComes has much arrive and then a
// line a second, as the program's own log has it.
func TestWhatHasGatheredIsSealedWhenHardlyAnythingComes(t *testing.T) {
	w := newWorld(80)
	var now atomic.Int64
	now.Store(w.now)
	s := open(t, "", disktest.NewMemory(), 1<<20, func(c *logstore.Config) {
		c.Tune(disktest.NewMemory(), 1<<20, time.Millisecond)
		c.Now = func() time.Time { return time.Unix(0, now.Load()) }
	})
	w.append(t, s, 12_000)
	deadline := time.Now().Add(20 * time.Second)
	for s.Stats().Waiting > 1000 {
		if time.Now().After(deadline) {
			t.Fatalf("still waiting: %+v", s.Stats())
		}
		now.Add(int64(100 * time.Millisecond))
		w.append(t, s, 1)
		time.Sleep(time.Millisecond) // The maintainer looks at its own pace.
	}
	if st := s.Stats(); st.Blocks == 0 {
		t.Errorf("nothing is sealed: %+v", st)
	}
}
