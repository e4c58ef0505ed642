package logstore_test

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"llmwatch/bridge/logstore"
	"llmwatch/bridge/logstore/disk/disktest"
	"llmwatch/bridge/logstore/entry"
)

// soak reports whether there is time for the long rounds.
func soak() bool { return os.Getenv("LLMWATCH_SOAK") != "" }

// job sends numbered batches of several clients and remembers what was
// acknowledged.
type job struct {
	clients, batches, lines int
	// expired is up to which number batches are past the retention.
	expired int

	mu    sync.Mutex
	acked map[string]bool // By client and number.
}

func (j *job) batch(client, number int) *entry.Batch {
	var b entry.Batch
	for i := range j.lines {
		b.Add(&entry.Entry{
			Time: int64(number*1_000_000 + i), Logger: "job", Message: fmt.Sprintf("client %d batch %d line %d", client, number, i),
			Fields: []entry.Field{{Name: "pad", Value: strings.Repeat("x", (client*7+number*3+i)%50)}},
		})
	}

	return &b
}

// send sends what was not acknowledged yet. It stops at the first error.
func (j *job) send(ctx context.Context, s *logstore.Store) error {
	return j.sendUpTo(ctx, s, j.batches)
}

// sendUpTo sends the batches up to a number.
func (j *job) sendUpTo(ctx context.Context, s *logstore.Store, last int) error {
	var clients sync.WaitGroup
	errs := make([]error, j.clients)
	for c := range j.clients {
		clients.Go(func() {
			for n := 1; n <= last && errs[c] == nil; n++ {
				key := fmt.Sprintf("%d.%d", c, n)
				j.mu.Lock()
				done := j.acked[key]
				j.mu.Unlock()
				if done {
					continue
				}
				if _, errs[c] = s.AppendOnce(ctx, fmt.Sprint("client ", c), uint64(n), j.batch(c, n)); errs[c] == nil {
					j.mu.Lock()
					j.acked[key] = true
					j.mu.Unlock()
				}
			}
		})
	}
	clients.Wait()

	return errors.Join(errs...)
}

// check finds every acknowledged line exactly once, and of the others none twice
// and no half batch.
func (j *job) check(t testing.TB, s *logstore.Store) {
	t.Helper()
	count := map[string]int{}
	lines, _ := search(t, s, logstore.Query{})
	for _, l := range lines {
		count[l.e.Message]++
	}
	for c := range j.clients {
		for n := 1; n <= j.batches; n++ {
			found := 0
			for i := range j.lines {
				k := count[fmt.Sprintf("client %d batch %d line %d", c, n, i)]
				if k > 1 {
					t.Fatalf("client %d batch %d line %d is there %d times", c, n, i, k)
				}
				found += k
			}
			if n <= j.expired {
				if found > 0 {
					t.Fatalf("client %d batch %d is past the retention, and %d lines of it are there", c, n, found)
				}

				continue
			}
			if found != 0 && found != j.lines || found == 0 && j.acked[fmt.Sprintf("%d.%d", c, n)] {
				t.Fatalf("client %d batch %d (acknowledged: %v): %d of %d lines are there", c, n, j.acked[fmt.Sprintf("%d.%d", c, n)], found, j.lines)
			}
		}
	}
}

func newJob(clients, batches, lines int) *job {
	return &job{clients: clients, batches: batches, lines: lines, acked: map[string]bool{}}
}

// retain has the batches up to expired be past the retention.
func (j *job) retain(cfg *logstore.Config) {
	if j.expired == 0 {
		return
	}
	horizon := time.Unix(0, int64(j.expired)*1_000_000+500_000)
	cfg.RetentionTime = time.Hour
	cfg.Now = func() time.Time { return horizon.Add(time.Hour) }
}

// disturbed is the job that the tests below disturb. Its first blocks are past the
// retention as soon as they are sealed.
func disturbed() *job {
	j := newJob(2, 14, 3)
	j.expired = 7

	return j
}

// work is what the tests below disturb: appends, sealing, merging, retention, and
// opening again.
func (j *job) work(ctx context.Context, fs *disktest.Memory, report func(error)) (*logstore.Store, error) {
	cfg := logstore.Config{}
	j.retain(&cfg)
	cfg.Tune(fs, 40, time.Hour)
	s, err := logstore.Open(cfg)
	if err != nil {
		return nil, err
	}
	for n := 6; n < j.batches; n++ { // Small blocks, which are merged in the end.
		report(j.sendUpTo(ctx, s, n))
		report(s.Sync(ctx))
	}
	report(s.Close())
	if s, err = logstore.Open(cfg); err != nil {
		return nil, err
	}
	report(j.send(ctx, s))
	report(s.Sync(ctx))

	return s, nil
}

// countOperations runs the work undisturbed and returns how many operations on the
// disk it needs.
func countOperations(t *testing.T, j *job) int {
	t.Helper()
	var mu sync.Mutex
	n := 0
	fs := disktest.NewMemory()
	fs.Before = func(string, string) error {
		mu.Lock()
		defer mu.Unlock()
		n++

		return nil
	}
	s, err := j.work(t.Context(), fs, func(err error) {
		if err != nil {
			t.Error(err)
		}
	})
	if err != nil {
		t.Fatal(err)
	}
	j.check(t, s)
	if st := s.Stats(); st.Blocks == 0 || st.Waiting > 0 {
		t.Fatalf("the work sealed nothing: %+v", st)
	}
	shut(t, s)

	return n
}

// TestPowerCutAtEachStep cuts the power at each operation on the disk in turn,
// starts again on what is left, and has the clients send again what was not
// acknowledged.
func TestPowerCutAtEachStep(t *testing.T) {
	n := countOperations(t, disturbed())
	t.Logf("%d operations", n)
	rounds := 1
	if soak() {
		rounds = 20
	}
	for round := range rounds {
		r := rand.New(rand.NewPCG(uint64(round), 7))
		for at := range n {
			j := disturbed()
			fs := disktest.NewMemory()
			var mu sync.Mutex
			left := at
			fs.Before = func(string, string) error {
				mu.Lock()
				defer mu.Unlock()
				if left--; left < 0 {
					return errors.New("the power is off")
				}

				return nil
			}
			ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
			s, err := j.work(ctx, fs, func(error) {})
			if err == nil {
				shut(t, s)
			}
			cancel()
			after := fs.PowerCut(r)
			s = open(t, "", after, 40, j.retain)
			j.check(t, s)
			if err := j.send(t.Context(), s); err != nil {
				t.Fatalf("power cut at operation %d: %v", at, err)
			}
			if err := s.Sync(t.Context()); err != nil {
				t.Fatalf("power cut at operation %d: %v", at, err)
			}
			j.check(t, s)
			if t.Failed() {
				t.Fatalf("power cut at operation %d of round %d", at, round)
			}
			if damaged := s.Stats().Damaged; len(damaged) > 0 {
				t.Fatalf("power cut at operation %d: taken for damage: %v", at, damaged)
			}
			shut(t, s)
		}
	}
}

// TestAFailureAtEachStepLosesNothing has each operation on the disk fail in turn,
// once or a few times, as on a full or a failing disk. The store goes on by itself.
func TestAFailureAtEachStepLosesNothing(t *testing.T) {
	n := countOperations(t, disturbed())
	for _, failure := range []error{syscall.ENOSPC, syscall.EIO} {
		for _, times := range []int{1, 3} {
			for at := range n {
				j := disturbed()
				fs := disktest.NewMemory()
				var mu sync.Mutex
				count := 0
				fs.Before = func(operation, _ string) error {
					mu.Lock()
					defer mu.Unlock()
					if count++; count > at && count <= at+times && operation != "read" && operation != "open" {
						return failure
					}

					return nil
				}
				s, err := j.work(t.Context(), fs, func(error) {})
				for attempt := 0; err != nil; attempt++ { // It failed to open, and says so.
					if attempt > times {
						t.Fatalf("%v at operation %d: it does not open any more: %v", failure, at, err)
					}
					s, err = j.work(t.Context(), fs, func(error) {})
				}
				j.check(t, s)
				if err := j.send(t.Context(), s); err != nil {
					t.Fatalf("%v at operation %d: %v", failure, at, err)
				}
				shut(t, s) // What was taken back must not be there after a start.
				s = open(t, "", fs, 40, j.retain)
				j.check(t, s)
				if damaged := s.Stats().Damaged; len(damaged) > 0 {
					t.Fatalf("%v at operation %d: taken for damage: %v", failure, at, damaged)
				}
				if err := s.Sync(t.Context()); err != nil {
					t.Fatalf("%v at operation %d: %v", failure, at, err)
				}
				j.check(t, s)
				if len(j.acked) != j.clients*j.batches {
					t.Fatalf("%v at operation %d: %d batches are acknowledged", failure, at, len(j.acked))
				}
				if err := s.Health(); err != nil {
					t.Fatalf("%v at operation %d: still %v", failure, at, err)
				}
				shut(t, s)
				s = open(t, "", fs, 40, j.retain)
				j.check(t, s)
				shut(t, s)
			}
		}
	}
}

// TestAFullDisk fills the disk for a while.
func TestAFullDisk(t *testing.T) {
	fs := disktest.NewMemory()
	var mu sync.Mutex
	full := false
	fs.Before = func(operation, _ string) error {
		mu.Lock()
		defer mu.Unlock()
		if full && (operation == "write" || operation == "create") {
			return syscall.ENOSPC
		}

		return nil
	}
	fill := func(is bool) {
		mu.Lock()
		defer mu.Unlock()
		full = is
	}
	s := open(t, "", fs, 50, func(c *logstore.Config) { c.Tune(fs, 50, 5*time.Millisecond) })
	w := newWorld(9)
	all := number(1, w.append(t, s, 40))
	fill(true)
	var b entry.Batch
	b.Add(&entry.Entry{Message: "too much"})
	err := s.Append(t.Context(), &b)
	if !errors.Is(err, logstore.ErrUnavailable) || !errors.Is(err, syscall.ENOSPC) {
		t.Errorf("appending to a full disk: %v", err)
	}
	if err := s.Health(); !errors.Is(err, syscall.ENOSPC) {
		t.Errorf("health says %v", err)
	}
	got, _ := search(t, s, logstore.Query{Oldest: true})
	want, _ := naive(all, logstore.Query{Oldest: true})
	assertSame(t, "on a full disk", got, want)
	fill(false)
	for deadline := time.Now().Add(10 * time.Second); s.Health() != nil; time.Sleep(time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("health still says %v", s.Health())
		}
	}
	all = append(all, number(uint64(len(all)+1), w.append(t, s, 200))...)
	got, _ = search(t, s, logstore.Query{Oldest: true})
	want, _ = naive(all, logstore.Query{Oldest: true})
	assertSame(t, "with space again", got, want)
}
