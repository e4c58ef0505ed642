package e2e

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"net/url"
	"os"
	"path/filepath"
	"testing"
	"time"
)

// kept reads all that the log store has of a logger, page by page.
func (r *rest) kept(logger string) map[string]int {
	r.t.Helper()

	count := map[string]int{}
	for cursor := ""; ; {
		var page struct {
			Data []struct {
				Message string `json:"message"`
			} `json:"data"`
			Next *string `json:"next_cursor"`
		}
		r.get("/logs/search?start=-2h&limit=1000&logger="+logger+"&cursor="+url.QueryEscape(cursor), &page)
		for _, e := range page.Data {
			count[e.Message]++
		}
		if page.Next == nil {
			return count
		}
		cursor = *page.Next
	}
}

// TestEveryLineArrivesOnceInServe kills server and shipper at random moments while
// a writer rotates its file.
func TestEveryLineArrivesOnceInServe(t *testing.T) {
	dir := t.TempDir()
	address := freePort(t)
	args := []string{"serve", "--listen", address, "--data-dir", filepath.Join(dir, "data"), "--log-format", "json"}
	server := run(t, binary, args...)
	plan := writerPlan{Path: filepath.Join(dir, "app.log"), Rotate: "rename", Files: 20 * soak(), Lines: 1000, Each: 25 * time.Millisecond, Plain: true}
	s := ship(t, "http://"+address, filepath.Join(dir, "checkpoint"), "--from-start", filepath.Join(dir, "app.log*"))
	writer := plan.start(t)
	kills := 0
	for alive := true; alive; kills++ {
		select {
		case <-writer.exited:
			alive = false
		case <-time.After(rand.N(time.Second)):
		}
		if kills%2 == 0 {
			server.signal(os.Kill)
			server = run(t, binary, args...)
		} else {
			s.p.signal(os.Kill)
			s.start()
		}
	}

	waitFor(t, 30*time.Second, "the server to be ready", func() error {
		if !readyLine.MatchString(server.log.String()) {
			return errors.New("no ready line yet")
		}

		return nil
	})
	r := newREST(t, "http://"+address)
	var count map[string]int
	waitFor(t, 60*time.Second, "all lines to be kept", func() error {
		count = r.kept("app.log")
		if len(count) < plan.total() {
			return fmt.Errorf("%d of %d lines are there", len(count), plan.total())
		}

		return nil
	})
	for n := range plan.total() {
		if got := count[numbered(n)]; got != 1 {
			t.Errorf("line %d is there %d times", n, got)
		}
		delete(count, numbered(n))
	}
	for text := range count {
		t.Errorf("%q is no line", text)
	}
	t.Logf("%d lines, each once, after %d kills", plan.total(), kills)
}
