package tail

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"llmwatch/logship"
)

// sink keeps what is delivered, unless it has an answer ready.
type sink struct {
	answers []error // Taken one by one.
	got     []logship.Batch
	kept    []logship.Batch
}

func (s *sink) Deliver(_ context.Context, b logship.Batch) error {
	b.Lines = bytes.Clone(b.Lines)
	s.got = append(s.got, b)
	if len(s.answers) > 0 {
		err := s.answers[0]
		s.answers = s.answers[1:]
		if err != nil {
			return err
		}
	}
	s.kept = append(s.kept, b)

	return nil
}

// world is a directory with log files, and a follower whose steps the test takes.
type world struct {
	t    *testing.T
	dir  string
	now  time.Time
	sink *sink
	f    *Follower
	c    *courier
}

func newWorld(t *testing.T, options Options) *world {
	t.Helper()

	w := &world{t: t, dir: t.TempDir(), now: time.Now(), sink: &sink{}}
	w.open(options)

	return w
}

// open starts a follower, as a new process would. The patterns are within dir.
func (w *world) open(options Options) {
	w.t.Helper()

	options.Files = append([]string(nil), options.Files...)
	for i, name := range options.Files {
		options.Files[i] = filepath.Join(w.dir, name)
	}
	options.Checkpoint, options.Sink = w.path("checkpoint"), w.sink
	f, err := New(options)
	if err != nil {
		w.t.Fatal(err)
	}
	w.t.Cleanup(func() { _ = f.Close() }) // It may be closed.
	w.f, w.c = f, &courier{ctx: w.t.Context(), results: make(chan error, 1)}
	w.f.scan(w.now)
	w.f.findMoved(w.now)
}

// reopen kills the follower and starts another one.
func (w *world) reopen(options Options) {
	w.t.Helper()

	if err := w.f.Close(); err != nil {
		w.t.Fatal(err)
	}
	w.open(options)
}

func (w *world) path(name string) string { return filepath.Join(w.dir, name) }

func (w *world) write(name, text string) {
	w.t.Helper()

	f, err := os.OpenFile(w.path(name), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o644)
	if err == nil {
		_, err = f.WriteString(text)
	}
	if err == nil {
		err = f.Close()
	}
	if err != nil {
		w.t.Fatal(err)
	}
}

func (w *world) copyFile(from, to string) {
	w.t.Helper()

	text, err := os.ReadFile(w.path(from))
	if err != nil {
		w.t.Fatal(err)
	}
	w.write(to, string(text))
}

func (w *world) do(err error) {
	w.t.Helper()

	if err != nil {
		w.t.Fatal(err)
	}
}

// read gathers and stores a batch, and does not deliver it.
func (w *world) read() {
	w.t.Helper()

	w.f.scan(w.now)
	w.f.gather(w.now, false)
	w.f.part = len(w.f.lines)
	w.do(w.f.save())
}

// step lets time pass, and all happen that can.
func (w *world) step(time time.Duration) {
	w.t.Helper()

	w.now = w.now.Add(time)
	w.f.scan(w.now)
	for {
		if err := w.f.advance(w.c, w.now, false); err != nil {
			w.f.failed(w.c, err)
		}
		if !w.c.under {
			return
		}
		w.f.settle(w.c, <-w.c.results)
	}
}

// numbers makes lines of JSON with the numbers from a to b.
func numbers(a, b int) string {
	var s strings.Builder
	for n := a; n <= b; n++ {
		fmt.Fprintf(&s, "{\"message\":\"%d\"}\n", n)
	}

	return s.String()
}

// expect expects exactly these lines to have been kept, in their order.
func (w *world) expect(want string) {
	w.t.Helper()

	var got strings.Builder
	for _, b := range w.sink.kept {
		got.Write(b.Lines)
	}
	if got.String() != want {
		w.t.Errorf("kept\n%swant\n%s", got.String(), want)
	}
}
