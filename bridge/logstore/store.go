package logstore

import (
	"context"
	"log/slog"
	"maps"
	"math"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/sync/semaphore"

	"llmwatch/bridge/logstore/block"
	"llmwatch/bridge/logstore/disk"
	"llmwatch/bridge/logstore/entry"
)

// Store keeps log entries. It is safe for use by several goroutines at once.
type Store struct {
	cfg     Config
	log     *slog.Logger
	fs      disk.FS
	dir     *disk.Dir // Nil where a test brings its own fs.
	files   *openFiles
	metrics *metrics
	options block.Options

	// The committer's alone.
	clients    *clients
	generation uint64
	broken     bool // The active file must be rolled back before anything is appended.

	requests chan *request
	controls chan func()
	sealing  chan struct{} // Something waits to be sealed.
	chores   chan func()   // For the maintainer.
	stop     context.CancelFunc
	stopped  context.Context //nolint:containedctx // It is the life of the goroutines.
	running  sync.WaitGroup
	inflight *semaphore.Weighted // Bytes of text on their way into the log.
	queries  *semaphore.Weighted

	mu      sync.RWMutex // Guards what follows.
	active  *head
	frozen  []*head           // Oldest first.
	blocks  []*handle         // By number; replaced, never changed in place.
	damaged map[string]string // Files that are left out, and why.
	next    uint64            // The number that the next entry gets.
	sealed  chan struct{}     // Closed and replaced when frozen becomes shorter or sealing fails.
	tails   map[*Tail]struct{}
	closed  bool

	failing    failing
	blockBytes atomic.Int64
	maint      maintainer
}

const (
	// maxInFlight bounds the text that is being encoded or waits for the disk.
	maxInFlight = MaxBatchBytes
	// maxFrozen is how many full heads may wait to be sealed before writers wait.
	maxFrozen = 3
	// maxQueries bounds the queries that run at once, and with them their memory.
	maxQueries = 8
)

// Open opens the store, or makes it. What cannot be read is named in the log,
// counted and left out.
func Open(cfg Config) (*Store, error) {
	if err := cfg.Validate(); err != nil {
		return nil, err
	}
	cfg.defaults()
	s := &Store{
		cfg: cfg, log: cfg.Logger, fs: cfg.fs, options: block.Options{Cipher: cfg.Cipher},
		clients: newClients(), damaged: map[string]string{}, tails: map[*Tail]struct{}{},
		requests: make(chan *request), controls: make(chan func()), chores: make(chan func()),
		sealing: make(chan struct{}, 1), sealed: make(chan struct{}),
		inflight: semaphore.NewWeighted(maxInFlight), queries: semaphore.NewWeighted(maxQueries),
	}
	if s.fs == nil {
		dir, err := disk.Use(cfg.Dir)
		if err != nil {
			return nil, wrap("open", err)
		}
		s.dir, s.fs = dir, dir
	}
	s.files = newOpenFiles(s.fs)
	if err := s.recover(); err != nil {
		s.release()

		return nil, wrap("open", err)
	}
	s.metrics = newMetrics(cfg.Registerer, s)
	s.stopped, s.stop = context.WithCancel(context.Background())
	s.running.Go(s.commitLoop)
	s.running.Go(s.maintainLoop)
	if len(s.frozen) > 0 {
		s.wakeSealer()
	}

	return s, nil
}

// Close stops the store. What was acknowledged is on disk; nothing more is needed.
func (s *Store) Close() error {
	s.mu.Lock()
	if s.closed {
		s.mu.Unlock()
		return nil
	}
	s.closed = true
	tails := s.tails
	s.tails = map[*Tail]struct{}{}
	s.mu.Unlock()
	for t := range tails {
		close(t.closed)
	}
	s.stop()
	s.running.Wait()
	s.metrics.unregister()
	err := s.active.wal.Close()
	s.release()

	return err
}

// release gives back what recover and Open took.
func (s *Store) release() {
	s.files.close()
	if s.dir != nil {
		_ = s.dir.Close() // Its lock goes with the process at the latest.
	}
}

// snapshot is what there is to read at one moment. It must be released.
type snapshot struct {
	chunks []chunk
	blocks []*handle
}

// heads are those in memory, oldest first; the lock is held.
func (s *Store) heads() []*head { return append(slices.Clip(s.frozen), s.active) }

// snapshot takes what may hold entries that f wants.
func (s *Store) snapshot(f *entry.Filter) snapshot {
	s.mu.RLock()
	defer s.mu.RUnlock()
	var snap snapshot
	for _, h := range s.blocks {
		if f.Overlaps(h.info.MinTime, h.info.MaxTime) {
			h.acquire()
			snap.blocks = append(snap.blocks, h)
		}
	}
	for _, h := range s.heads() {
		for _, c := range h.all() {
			if c.overlaps(f) {
				snap.chunks = append(snap.chunks, c)
			}
		}
	}

	return snap
}

func (snap *snapshot) release() {
	for _, h := range snap.blocks {
		h.release()
	}
}

// within narrows a filter to what is kept: older entries may still be in a block
// with younger ones.
func (s *Store) within(f entry.Filter) *entry.Filter {
	f.From = max(f.From, s.horizon())

	return &f
}

// horizon is the time before which entries are not kept any more.
func (s *Store) horizon() int64 {
	if s.cfg.RetentionTime == 0 {
		return math.MinInt64
	}

	return s.cfg.Now().Add(-s.cfg.RetentionTime).UnixNano()
}

// Stats says how large the store is.
type Stats struct {
	// Entries are those on disk, Waiting the ones among them that are not in blocks
	// yet.
	Entries, Waiting uint64
	// Bytes are those on disk.
	Bytes  int64
	Blocks int
	// Oldest and Newest are the times of entries, zero where there are none.
	Oldest, Newest time.Time
	// Damaged names the files that are left out, and says why.
	Damaged map[string]string
}

// Stats returns how large the store is now.
func (s *Store) Stats() Stats {
	s.mu.RLock()
	defer s.mu.RUnlock()
	var st Stats
	oldest, newest := int64(math.MaxInt64), int64(math.MinInt64)
	for _, h := range s.blocks {
		st.Entries += uint64(h.info.Rows)
		oldest, newest = min(oldest, h.info.MinTime), max(newest, h.info.MaxTime)
	}
	st.Bytes, st.Blocks = s.blockBytes.Load(), len(s.blocks)
	for _, h := range s.heads() {
		st.Waiting += uint64(h.rows)
		st.Bytes += h.size
		for _, c := range h.all() {
			oldest, newest = min(oldest, c.min), max(newest, c.max)
		}
	}
	st.Entries += st.Waiting
	if st.Entries > 0 {
		oldest = max(oldest, s.horizon())
		st.Oldest, st.Newest = time.Unix(0, oldest).UTC(), time.Unix(0, newest).UTC()
	}
	st.Damaged = make(map[string]string, len(s.damaged))
	maps.Copy(st.Damaged, s.damaged)

	return st
}
