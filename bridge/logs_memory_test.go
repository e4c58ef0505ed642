package bridge

import (
	"context"
	"errors"
	"slices"
	"strconv"
	"sync"
	"sync/atomic"
	"time"

	"llmwatch/bridge/logstore"
	"llmwatch/bridge/logstore/entry"
)

// memoryLogs keeps entries in memory and answers by looking at each of them.
type memoryLogs struct {
	mu      sync.Mutex
	kept    []keptEntry // By time.
	seq     uint64
	batches map[string]uint64
	tails   map[*memoryTail]bool
	// fail is returned by everything while it is set; slow is called before each
	// entry that a search finds.
	fail error
	slow func()
	// searching is how many searches are under way.
	searching atomic.Int64
}

type keptEntry struct {
	at entry.Position
	e  entry.Entry
}

func newMemoryLogs() *memoryLogs {
	return &memoryLogs{batches: map[string]uint64{}, tails: map[*memoryTail]bool{}}
}

func (m *memoryLogs) Append(_ context.Context, b *entry.Batch) error {
	m.mu.Lock()
	defer m.mu.Unlock()

	if m.fail != nil {
		return m.fail
	}
	for i := range b.Len() {
		var e entry.Entry
		b.At(i, &e)
		m.seq++
		k := keptEntry{entry.Position{Time: e.Time, Seq: m.seq}, cloned(&e)}
		m.kept = append(m.kept, k)
		for tail := range m.tails {
			tail.offer(k)
		}
	}
	slices.SortFunc(m.kept, func(a, b keptEntry) int { return a.at.Compare(b.at) })

	return nil
}

// cloned copies what is only lent.
func cloned(e *entry.Entry) entry.Entry {
	c := *e
	c.Logger, c.Message = string([]byte(e.Logger)), string([]byte(e.Message))
	c.Fields = slices.Clone(e.Fields)
	for i := range c.Fields {
		c.Fields[i].Value = string([]byte(c.Fields[i].Value))
	}

	return c
}

func (m *memoryLogs) AppendOnce(ctx context.Context, client string, number uint64, b *entry.Batch) (bool, error) {
	m.mu.Lock()
	known := m.batches[client] >= number
	m.mu.Unlock()
	if known {
		return true, nil
	}
	if err := m.Append(ctx, b); err != nil {
		return false, err
	}
	m.mu.Lock()
	m.batches[client] = number
	m.mu.Unlock()

	return false, nil
}

// all returns what is kept, the newest first unless oldest.
func (m *memoryLogs) all(oldest bool) ([]keptEntry, error) {
	m.mu.Lock()
	defer m.mu.Unlock()

	kept := slices.Clone(m.kept)
	if !oldest {
		slices.Reverse(kept)
	}

	return kept, m.fail
}

func (m *memoryLogs) Search(ctx context.Context, q logstore.Query, fn func(entry.Position, *entry.Entry) error) (*entry.Position, error) {
	m.searching.Add(1)
	defer m.searching.Add(-1)
	kept, err := m.all(q.Oldest)
	if err != nil {
		return nil, err
	}
	found, last := 0, entry.Position{}
	for _, k := range kept {
		past := q.After == nil || (k.at.Compare(*q.After) > 0) == q.Oldest && k.at != *q.After
		if !past || !q.Filter.Match(&k.e) {
			continue
		}
		if found == q.Limit {
			return &last, nil
		}
		if m.slow != nil {
			m.slow()
		}
		if ctx.Err() != nil {
			return nil, ctx.Err()
		}
		found, last = found+1, k.at
		e := cloned(&k.e)
		if err := fn(k.at, &e); errors.Is(err, logstore.ErrEnough) {
			return &last, nil
		} else if err != nil {
			return nil, err
		}
	}

	return nil, nil //nolint:nilnil // The end, as documented.
}

func (m *memoryLogs) Around(_ context.Context, id entry.Position, nBefore, nAfter int, field string, fn func(entry.Position, *entry.Entry) error) error {
	kept, err := m.all(true)
	if err != nil {
		return err
	}
	at := slices.IndexFunc(kept, func(k keptEntry) bool { return k.at == id })
	if at < 0 {
		return logstore.ErrNotFound
	}
	same := func(k keptEntry) bool {
		if field == "" {
			return true
		}
		a, _ := k.e.Text(field)
		b, _ := kept[at].e.Text(field)

		return a == b
	}
	before := slices.DeleteFunc(slices.Clone(kept[:at]), func(k keptEntry) bool { return !same(k) })
	after := slices.DeleteFunc(slices.Clone(kept[at+1:]), func(k keptEntry) bool { return !same(k) })
	shown := slices.Concat(before[max(len(before)-nBefore, 0):], kept[at:at+1], after[:min(nAfter, len(after))])
	for _, k := range shown {
		if err := fn(k.at, &k.e); err != nil {
			return err
		}
	}

	return nil
}

func (m *memoryLogs) Statistics(_ context.Context, filter entry.Filter, buckets int) (logstore.Statistics, error) {
	kept, err := m.all(true)
	step := time.Duration(filter.Until-filter.From) / time.Duration(buckets)
	from := time.Unix(0, filter.From)
	s := logstore.Statistics{
		Step: step, Histogram: make([]logstore.Bucket, buckets),
		Store: logstore.Stats{Bytes: 1000, Blocks: 1, Oldest: from, Newest: time.Unix(0, filter.Until)},
	}
	for i := range s.Histogram {
		s.Histogram[i].Start = from.Add(time.Duration(i) * step)
	}
	byLogger := map[string]*logstore.LoggerLevels{}
	for _, k := range kept {
		if !filter.Match(&k.e) {
			continue
		}
		s.Total++
		s.ByLevel[k.e.Level]++
		if byLogger[k.e.Logger] == nil {
			byLogger[k.e.Logger] = &logstore.LoggerLevels{Logger: k.e.Logger}
		}
		byLogger[k.e.Logger].ByLevel[k.e.Level]++
		s.Histogram[min((k.at.Time-filter.From)/int64(step), int64(buckets-1))].ByLevel[k.e.Level]++
		if k.e.Level >= entry.Error {
			s.TopErrors = append(s.TopErrors, logstore.ErrorMessage{
				Template: k.e.Message, Logger: k.e.Logger, Level: k.e.Level, Count: 1, Last: time.Unix(0, k.at.Time),
			})
		}
	}
	for _, counts := range byLogger {
		s.ByLogger = append(s.ByLogger, *counts)
	}
	slices.SortFunc(s.ByLogger, func(a, b logstore.LoggerLevels) int { return int(b.ByLevel.Total()) - int(a.ByLevel.Total()) })

	return s, err
}

// tailHolds is the bound of a memoryTail.
const tailHolds = 4096

// memoryTail holds what has arrived, up to a bound.
type memoryTail struct {
	logs    *memoryLogs
	first   uint64
	filter  entry.Filter
	arrived chan keptEntry
	mu      sync.Mutex
	dropped uint64
}

func (m *memoryLogs) Tail(filter entry.Filter) LogTail {
	m.mu.Lock()
	defer m.mu.Unlock()

	t := &memoryTail{logs: m, filter: filter, first: m.seq + 1, arrived: make(chan keptEntry, tailHolds)}
	m.tails[t] = true

	return t
}

func (t *memoryTail) offer(k keptEntry) {
	if !t.filter.Match(&k.e) {
		return
	}
	select {
	case t.arrived <- k:
	default:
		t.mu.Lock()
		t.dropped++
		t.mu.Unlock()
	}
}

func (t *memoryTail) First() uint64 { return t.first }

func (t *memoryTail) Next(ctx context.Context, fn func(entry.Position, *entry.Entry) error) (uint64, error) {
	select {
	case k := <-t.arrived:
		t.mu.Lock()
		dropped := t.dropped
		t.dropped = 0
		t.mu.Unlock()

		err := fn(k.at, &k.e)
		for len(t.arrived) > 0 && err == nil {
			k = <-t.arrived
			err = fn(k.at, &k.e)
		}
		if errors.Is(err, logstore.ErrEnough) {
			err = nil
		}

		return dropped, err
	case <-ctx.Done():
		return 0, ctx.Err()
	}
}

func (t *memoryTail) Close() {
	t.logs.mu.Lock()
	defer t.logs.mu.Unlock()

	delete(t.logs.tails, t)
}

// put stores entries with numbered messages, a second apart, the last at noon.
func (m *memoryLogs) put(n int, change func(i int, e *entry.Entry)) {
	var b entry.Batch
	for i := range n {
		e := entry.Entry{
			Time: noon.Add(time.Duration(i-n+1) * time.Second).UnixNano(), Level: entry.Info, Logger: "api", Message: "message " + strconv.Itoa(i),
		}
		if change != nil {
			change(i, &e)
		}
		b.Add(&e)
	}
	_ = m.Append(context.Background(), &b) // In memory it fails when told to.
}

// readableLog is the entry that every bridge on the bench has.
var readableLog = entry.Position{Time: noon.UnixNano(), Seq: 1}

func readableLogs() *memoryLogs {
	m := newMemoryLogs()
	m.put(1, nil)

	return m
}
