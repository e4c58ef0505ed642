package exporter

import (
	"sync/atomic"
	"time"
)

// A window keeps maxima for windowSlots slots of time of this length, the
// current one among them: for no less than 2 minutes, for no more than 2.5.
const (
	windowSlot  = 30 * time.Second
	windowSlots = 5
)

// windowBits is how many bits of a slot hold microseconds (19 hours); the rest
// is the number of the slot (250 years).
const windowBits = 36

// window finds the longest of the durations of the last 2 minutes. A slot holds
// its number above its maximum, so a later slot is always the larger number,
// and the atomic maximum of both serves as well.
type window struct {
	slots [windowSlots]atomic.Uint64
}

// observe takes in a duration at a time since some start.
func (w *window) observe(now, d time.Duration) {
	number := windowNumber(now)
	microseconds := uint64((max(d, 0) + time.Microsecond/2) / time.Microsecond)
	value := number<<windowBits | min(microseconds, 1<<windowBits-1)
	slot := &w.slots[number%windowSlots]
	for {
		old := slot.Load()
		if value <= old || slot.CompareAndSwap(old, value) {
			return
		}
	}
}

// max returns the longest duration, and false if there was none.
func (w *window) max(now time.Duration) (time.Duration, bool) {
	number := windowNumber(now)
	var longest uint64
	found := false
	for i := range w.slots {
		value := w.slots[i].Load()
		if value != 0 && value>>windowBits+windowSlots > number {
			found = true
			longest = max(longest, value&(1<<windowBits-1))
		}
	}

	return time.Duration(longest) * time.Microsecond, found
}

// windowNumber counts slots from 1 on; 0 is for slots never used.
func windowNumber(now time.Duration) uint64 {
	return uint64(max(now, 0)/windowSlot) + 1
}
