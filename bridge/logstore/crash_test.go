package logstore_test

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"llmwatch/bridge/logstore"
)

// The test binary runs itself as the process that is killed.
const (
	crashDir   = "LLMWATCH_TEST_LOGSTORE_DIR"
	crashAcked = "LLMWATCH_TEST_LOGSTORE_ACKED"

	crashClients = 4
	crashLines   = 7
	crashRows    = 300
)

// crashChild appends batches of several clients without end, each from the number
// on that was not acknowledged before, and prints what is acknowledged.
func crashChild(dir string) int {
	cfg := logstore.Config{Dir: dir}
	cfg.Tune(nil, crashRows, 2*time.Millisecond)
	s, err := logstore.Open(cfg)
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	j := newJob(crashClients, 0, crashLines)
	var clients sync.WaitGroup
	for c, acked := range strings.Fields(os.Getenv(crashAcked)) {
		clients.Go(func() {
			last, _ := strconv.Atoi(acked)
			for n := last + 1; ; n++ {
				if _, err := s.AppendOnce(context.Background(), fmt.Sprint("client ", c), uint64(n), j.batch(c, n)); err != nil {
					fmt.Fprintln(os.Stderr, err)
					os.Exit(1)
				}
				fmt.Fprintln(os.Stdout, c, n) // One write: whole or not at all.
			}
		})
	}
	clients.Wait()

	return 0
}

// TestKilledAtAnyMoment kills the process again and again while it appends, seals
// and merges.
func TestKilledAtAnyMoment(t *testing.T) {
	rounds := 10
	if soak() {
		rounds = 300
	}
	dir := t.TempDir()
	r := rand.New(rand.NewPCG(uint64(time.Now().UnixNano()), 0))
	var acked [crashClients]int
	for round := range rounds {
		killed(t, dir, &acked, time.Duration(5+r.IntN(150))*time.Millisecond)
		if round%5 != 4 && round != rounds-1 {
			continue
		}
		s := open(t, dir, nil, crashRows)
		checkAcked(t, s, acked)
		if err := s.Close(); err != nil {
			t.Fatal(err)
		}
	}
	if acked[0] == 0 {
		t.Error("nothing was acknowledged in all rounds")
	}
	t.Logf("acknowledged batches: %v", acked)
}

// killed runs the process, kills it after a time, and notes what it acknowledged.
func killed(t *testing.T, dir string, acked *[crashClients]int, after time.Duration) {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), os.Args[0])
	var out, errOut bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &errOut
	cmd.Env = append(os.Environ(), crashDir+"="+dir, crashAcked+"="+strings.Trim(fmt.Sprint(*acked), "[]"))
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	time.Sleep(after) // The moment is meant to be any.
	if err := cmd.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	var exit *exec.ExitError
	if err := cmd.Wait(); !errors.As(err, &exit) || exit.Exited() {
		t.Fatalf("the process ended by itself: %v\n%s", err, errOut.String())
	}
	for lines := bufio.NewScanner(&out); lines.Scan(); {
		var c, n int
		if _, err := fmt.Sscan(lines.Text(), &c, &n); err != nil {
			t.Fatalf("%q: %v", lines.Text(), err)
		}
		if n != acked[c]+1 {
			t.Fatalf("client %d: batch %d is acknowledged after %d", c, n, acked[c])
		}
		acked[c] = n
	}
}

// checkAcked finds each line of each acknowledged batch exactly once, at most one
// more batch of each client, and that one whole.
func checkAcked(t *testing.T, s *logstore.Store, acked [crashClients]int) {
	t.Helper()
	most := 0
	for _, n := range acked {
		most = max(most, n)
	}
	j := newJob(crashClients, most+1, crashLines)
	for c, n := range acked {
		for i := 1; i <= n; i++ {
			j.acked[fmt.Sprintf("%d.%d", c, i)] = true
		}
	}
	j.check(t, s)
	lines, _ := search(t, s, logstore.Query{})
	sum := 0
	for _, n := range acked {
		sum += n
	}
	if len(lines) < sum*crashLines || len(lines) > (sum+crashClients)*crashLines {
		t.Fatalf("%d lines are there of %d batches of %d lines", len(lines), sum, crashLines)
	}
	if damaged := s.Stats().Damaged; len(damaged) > 0 {
		t.Fatalf("taken for damage: %v", damaged)
	}
}
