package e2e

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/klauspost/compress/zstd"

	"llmwatch/internal/testtool"
)

// soak is how many times more is done in `make soak`.
func soak() int {
	if os.Getenv("LLMWATCH_SOAK") != "" {
		return 10
	}

	return 1
}

// logSink is a server that keeps the protocol of numbered batches, and is as
// unreliable as the protocol allows.
type logSink struct {
	t   *testing.T
	url string

	mu      sync.Mutex
	arrived string // A file that holds how many lines have come; empty for none.
	highest map[string]uint64
	count   map[string]int // How often each message came.
	whole   int            // How many numbered lines have come, each counted once.
	asked   int
	decoder *zstd.Decoder
}

func newLogSink(t *testing.T) *logSink {
	t.Helper()

	decoder, err := zstd.NewReader(nil)
	if err != nil {
		t.Fatal(err)
	}
	s := &logSink{t: t, highest: map[string]uint64{}, count: map[string]int{}, decoder: decoder}
	server := httptest.NewServer(s)
	t.Cleanup(func() {
		server.CloseClientConnections()
		server.Close()
		decoder.Close()
	})
	s.url = server.URL

	return s
}

// ServeHTTP answers every tenth request with 503, and keeps every seventh batch
// without an answer.
func (s *logSink) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(r.Body)
	if err != nil {
		return // The shipper was killed.
	}
	s.mu.Lock()
	defer s.mu.Unlock()

	s.asked++
	if s.asked%10 == 0 {
		w.WriteHeader(http.StatusServiceUnavailable)
		return
	}
	lines, err := s.decoder.DecodeAll(body, nil)
	client := r.Header.Get("Llmwatch-Client")
	number, numberErr := strconv.ParseUint(r.Header.Get("Llmwatch-Batch"), 10, 64)
	highest := s.highest[client]
	if err != nil || numberErr != nil || client == "" || number > highest+1 || r.URL.Path != apiBase+"/logs" {
		s.t.Errorf("request %s of %q with batch %q after %d (%v)", r.URL, client, r.Header.Get("Llmwatch-Batch"), highest, err)
		http.Error(w, "wrong", http.StatusBadRequest)
		return
	}
	accepted := bytes.Count(lines, []byte{'\n'})
	if number == highest+1 {
		s.highest[client] = number
		for line := range bytes.Lines(lines) {
			var entry struct{ Message string }
			if err := json.Unmarshal(line, &entry); err != nil {
				s.t.Errorf("%q is not JSON: %v", line, err)
			}
			if _, err := numberOf(entry.Message); err == nil && s.count[entry.Message] == 0 {
				s.whole++
			}
			s.count[entry.Message]++
		}
		s.tell()
	}
	if s.asked%7 == 0 {
		panic(http.ErrAbortHandler)
	}
	fmt.Fprintf(w, `{"success":true,"accepted":%d,"rejected":0,"errors":[],"duplicate":%t}`, accepted, number <= highest)
}

// tell writes how many lines have come where the writer looks.
func (s *logSink) tell() {
	if s.arrived == "" {
		return
	}
	err := os.WriteFile(s.arrived+".new", []byte(strconv.Itoa(len(s.count))), 0o644)
	if err == nil {
		err = os.Rename(s.arrived+".new", s.arrived)
	}
	if err != nil {
		s.t.Error(err)
	}
}

// missing returns how many of the numbered lines have not come.
func (s *logSink) missing(total int) int {
	s.mu.Lock()
	defer s.mu.Unlock()

	return total - s.whole
}

// expect waits for all numbered lines as long as more of them come, and expects
// each once and nothing else.
func (s *logSink) expect(total int) {
	s.t.Helper()

	for before := total + 1; ; {
		missing := s.missing(total)
		if missing == 0 {
			break
		}
		if missing == before {
			s.t.Fatalf("%d of %d lines are missing, and no more come", missing, total)
		}
		before = missing
		waitWhile(20*time.Second, func() bool { return s.missing(total) == missing })
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	doubled, torn, headers := 0, 0, 0
	for text, n := range s.count {
		if strings.HasPrefix(text, "===") {
			headers += n
			continue
		}
		if _, err := numberOf(text); err != nil {
			torn++
			s.t.Log(err)
		}
		doubled += n - 1
	}
	if doubled > 0 || torn > 0 {
		s.t.Errorf("%d lines came twice, %d are torn", doubled, torn)
	}
	s.t.Logf("%d lines, each once, in %d requests, %d headers", total, s.asked, headers)
}

// waitWhile returns when the condition holds no more, or after a time.
func waitWhile(most time.Duration, holds func() bool) {
	for deadline := time.Now().Add(most); holds() && time.Now().Before(deadline); {
		time.Sleep(25 * time.Millisecond)
	}
}

// shipper is llmwatch logship, which can be killed and started again.
type shipper struct {
	t    *testing.T
	args []string
	p    *process
}

func ship(t *testing.T, url, checkpoint string, args ...string) *shipper {
	t.Helper()

	s := &shipper{t: t, args: append([]string{"logship", "--to", url, "--checkpoint", checkpoint, "--log-format", "json", "--poll", "50ms", "--quiet", "200ms"}, args...)}
	s.start()

	return s
}

// start returns when the shipper can be told to stop.
func (s *shipper) start() {
	s.t.Helper()

	s.p = run(s.t, binary, s.args...)
	waitFor(s.t, 20*time.Second, "the shipper to start", func() error {
		if !strings.Contains(s.p.log.String(), "shipping logs") {
			return errors.New("it has said nothing")
		}

		return nil
	})
}

// trouble ends the shipper at random moments until the writer has ended, and
// starts it again.
func (s *shipper) trouble(writer *process, how os.Signal) {
	s.t.Helper()

	for rounds := 0; ; rounds++ {
		select {
		case <-writer.exited:
			s.t.Logf("the shipper was ended %d times", rounds)

			return
		case <-time.After(rand.N(400 * time.Millisecond)):
		}
		code, took := s.p.signal(how)
		if how == terminate && (code != 0 || took > 5*time.Second) {
			s.t.Errorf("SIGTERM ended it with code %d after %s, want 0 within 5s", code, took)
		}
		s.start()
	}
}

// TestEveryLineArrivesOnce has the cases that lose lines elsewhere, each with a
// shipper that lives and with one that is killed again and again.
func TestEveryLineArrivesOnce(t *testing.T) {
	const glob = "app.log*"
	cases := map[string]struct {
		plan  writerPlan
		files string
		lossy bool
	}{
		"50 renames without pause":               {writerPlan{Rotate: "rename", Files: 50, Lines: 2000}, glob, false},
		"rename every 50 ms":                     {writerPlan{Rotate: "rename", Files: 50, Lines: 2000, Pause: 50 * time.Millisecond, Plain: true}, glob, false},
		"rename every second":                    {writerPlan{Rotate: "rename", Files: 10, Lines: 2000, Pause: time.Second}, "app.log", false},
		"truncate a second after the last write": {writerPlan{Rotate: "truncate", Files: 10, Lines: 2000, Pause: time.Second}, "app.log", true},
		"every file begins with the same 1.5 kB": {writerPlan{Rotate: "rename", Files: 10, Lines: 2000, Pause: 500 * time.Millisecond, Header: 1500}, glob, false},
		"copy and truncate":                      {writerPlan{Rotate: "copytruncate", Files: 10, Lines: 2000, Pause: 100 * time.Millisecond, Header: 1500}, glob, false},
		"delete a second after the last write":   {writerPlan{Rotate: "delete", Files: 5, Lines: 2000, Pause: time.Second}, "app.log", true},
		"symbolic link moves on":                 {writerPlan{Rotate: "symlink", Files: 5, Lines: 2000, Pause: time.Second}, "app.log", true},
	}
	for name, c := range cases {
		for _, how := range []os.Signal{nil, terminate, os.Kill} {
			if how == terminate && c.plan.Pause != 50*time.Millisecond {
				continue // Once is enough: it is the gentler death.
			}
			t.Run(fmt.Sprintf("%s, %s", name, shipperIs(how)), func(t *testing.T) {
				t.Parallel()
				dir := t.TempDir()
				plan := c.plan
				plan.Path = filepath.Join(dir, "app.log")
				plan.Files *= soak()
				sink := newLogSink(t)
				if c.lossy && how != nil {
					// What was there and is not any more when the shipper comes back, nobody can
					// read.
					plan.Wait = filepath.Join(dir, "arrived")
					sink.mu.Lock()
					sink.arrived = plan.Wait
					sink.mu.Unlock()
				}
				s := ship(t, sink.url, filepath.Join(dir, "checkpoint"), "--from-start", filepath.Join(dir, c.files))
				writer := plan.start(t)
				if how != nil {
					s.trouble(writer, how)
				}
				<-writer.exited
				sink.expect(plan.total())
				if code, took := s.p.signal(terminate); code != 0 || took > 5*time.Second {
					t.Errorf("SIGTERM ended it with code %d after %s, want 0 within 5s", code, took)
				}
			})
		}
	}
}

func shipperIs(ended os.Signal) string {
	switch ended {
	case nil:
		return "shipper lives"
	case os.Kill:
		return "shipper is killed"
	default:
		return "shipper restarts"
	}
}

func TestEveryLineArrivesOnceBesideLogrotate(t *testing.T) {
	logrotate := testtool.Find(t, "logrotate")
	for name, directives := range map[string]string{
		"rename":       "create\npostrotate\nkill -HUP %d\nendscript",
		"copytruncate": "copytruncate",
	} {
		for _, how := range []os.Signal{nil, os.Kill} {
			t.Run(name+", "+shipperIs(how), func(t *testing.T) {
				t.Parallel()
				dir := t.TempDir()
				plan := writerPlan{
					Path: filepath.Join(dir, "app.log"), Rotate: "hangup", Files: 4 * soak(), Lines: 5000, Each: 20 * time.Millisecond, Plain: true,
				}
				sink := newLogSink(t)
				s := ship(t, sink.url, filepath.Join(dir, "checkpoint"), "--from-start", filepath.Join(dir, "app.log*"))
				writer := plan.start(t)
				text := directives
				if name == "rename" {
					text = fmt.Sprintf(text, writer.cmd.Process.Pid)
				}
				rotated := make(chan struct{})
				go func() {
					defer close(rotated)
					rotateUntil(t, logrotate, text, plan.Path, writer, name == "copytruncate")
				}()
				if how != nil {
					s.trouble(writer, how)
				}
				<-rotated
				sink.expect(plan.total())
			})
		}
	}
}
