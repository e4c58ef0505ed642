package engine

import (
	"context"
	"errors"
	"runtime/metrics"
	"sync"
	"time"
)

// errOutOfMemory ends a query that needs more memory than was estimated.
var errOutOfMemory = errors.New("the query needs more memory than limits.query_memory permits; select fewer series, a shorter range or longer steps")

const (
	// guardEvery is how often the heap is looked at while queries run.
	guardEvery = 10 * time.Millisecond
	// heapMetric is what objects occupy, those that are garbage included.
	heapMetric = "/memory/classes/heap/objects:bytes"
)

// memoryGuard ends the most expensive query when the heap grows by more than all
// queries together may occupy: estimates can be wrong.
type memoryGuard struct {
	limit uint64
	heap  func() uint64

	mu      sync.Mutex // Guards the fields below.
	running map[*watched]struct{}
	timer   *time.Timer
}

type watched struct {
	cost   estimate
	before uint64 // The heap when it began.
	cancel context.CancelCauseFunc
}

func newMemoryGuard(memory int64) *memoryGuard {
	return &memoryGuard{limit: uint64(memory), heap: heapObjects, running: map[*watched]struct{}{}}
}

func heapObjects() uint64 {
	sample := []metrics.Sample{{Name: heapMetric}}
	metrics.Read(sample)

	return sample[0].Value.Uint64()
}

// watch has a query cancelled when it must end; the function it returns is called
// when it has ended.
func (g *memoryGuard) watch(cost estimate, cancel context.CancelCauseFunc) (done func()) {
	w := &watched{cost, g.heap(), cancel}
	g.mu.Lock()
	defer g.mu.Unlock()
	if len(g.running) == 0 {
		g.timer = time.AfterFunc(guardEvery, g.look)
	}
	g.running[w] = struct{}{}

	return func() {
		g.mu.Lock()
		defer g.mu.Unlock()
		delete(g.running, w)
		if len(g.running) == 0 {
			g.timer.Stop()
		}
	}
}

func (g *memoryGuard) look() {
	g.mu.Lock()
	defer g.mu.Unlock()
	if len(g.running) == 0 {
		return
	}
	var most *watched
	heap := g.heap()
	for w := range g.running {
		w.before = min(w.before, heap)
		if heap-w.before > g.limit && (most == nil || w.cost.bytes+w.cost.work > most.cost.bytes+most.cost.work) {
			most = w
		}
	}
	if most != nil {
		most.cancel(errOutOfMemory)
		delete(g.running, most)
	}
	if len(g.running) > 0 {
		g.timer.Reset(guardEvery)
	}
}
