package e2e

import (
	"encoding/json"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"
)

// writerEnv makes the test program a writer of logs, which the value describes.
const writerEnv = "LLMWATCH_E2E_WRITER"

// writerPlan is what a writer does: for each file some lines, a pause, and then
// what its kind of rotation is.
type writerPlan struct {
	Path   string
	Rotate string // rename, truncate, copytruncate, delete, symlink, hangup (reopens when told), none.
	Files  int
	Lines  int           // In each file.
	Pause  time.Duration // After the lines of a file.
	Each   time.Duration // After every hundred lines.
	Header int           // Bytes that each file begins with; they are a line with no number.
	Plain  bool          // Lines that are not JSON.
	Wait   string        // A file with a number of lines: no file is ended before so many have arrived.
}

func (w writerPlan) total() int { return w.Files * w.Lines }

// numbered is the text of line n. Its checksum shows whether it is whole.
func numbered(n int) string {
	text := fmt.Sprintf("line %d %s", n, strings.Repeat("x", n%97))

	return fmt.Sprintf("%s %08x", text, crc32.ChecksumIEEE([]byte(text)))
}

// numberOf returns what numbered was given.
func numberOf(text string) (int, error) {
	var n int
	if _, err := fmt.Sscanf(text, "line %d ", &n); err != nil || numbered(n) != text {
		return 0, fmt.Errorf("%q is not a whole line", text)
	}

	return n, nil
}

// start runs the plan in a process of its own.
func (w writerPlan) start(t *testing.T) *process {
	t.Helper()

	text, err := json.Marshal(w)
	if err != nil {
		t.Fatal(err)
	}
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}

	return runWith(t, []string{writerEnv + "=" + string(text)}, self)
}

// runWriter is the writer's main.
func runWriter(text string) {
	var w writerPlan
	must(json.Unmarshal([]byte(text), &w))
	hangup := make(chan os.Signal, 100)
	signal.Notify(hangup, syscall.SIGHUP)
	n := 0
	f := w.open(0)
	for i := range w.Files {
		if w.Header > 0 {
			w.line(f, strings.Repeat("=", w.Header-len(w.wrap(""))))
		}
		for j := range w.Lines {
			if w.Each > 0 && j%100 == 99 {
				time.Sleep(w.Each)
			}
			select {
			case <-hangup:
				must(f.Close())
				f = w.open(i)
			default:
			}
			w.line(f, numbered(n))
			n++
		}
		time.Sleep(w.Pause)
		w.wait(n)
		if i < w.Files-1 {
			f = w.rotate(f, i)
		}
	}
	must(f.Close())
}

// wait returns when so many lines have arrived.
func (w writerPlan) wait(n int) {
	for arrived := 0; w.Wait != "" && arrived < n; time.Sleep(10 * time.Millisecond) {
		text, err := os.ReadFile(w.Wait)
		if err == nil {
			arrived, err = strconv.Atoi(string(text))
		}
		if err != nil && !errors.Is(err, fs.ErrNotExist) {
			panic(err)
		}
	}
}

// line writes a line in one call, as loggers do.
func (w writerPlan) line(out io.Writer, text string) {
	_, err := io.WriteString(out, w.wrap(text))
	must(err)
}

func (w writerPlan) wrap(text string) string {
	if w.Plain {
		return text + "\n"
	}

	return `{"timestamp":"2026-01-15T10:30:45.123Z","level":"INFO","logger":"writer","message":"` + text + "\"}\n"
}

func (w writerPlan) open(i int) *os.File {
	path := w.Path
	if w.Rotate == "symlink" {
		path = fmt.Sprintf("%s.%d.target", w.Path, i)
	}
	f, err := os.OpenFile(path, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o644)
	must(err)
	if w.Rotate == "symlink" {
		must(os.Symlink(filepath.Base(path), w.Path+".new"))
		must(os.Rename(w.Path+".new", w.Path))
	}

	return f
}

// rotate ends file i and returns the next one.
func (w writerPlan) rotate(f *os.File, i int) *os.File {
	switch w.Rotate {
	case "rename":
		must(os.Rename(w.Path, fmt.Sprintf("%s.%d", w.Path, i+1)))
	case "delete":
		must(os.Remove(w.Path))
	case "symlink":
	case "copytruncate":
		text, err := os.ReadFile(w.Path)
		must(err)
		must(os.WriteFile(fmt.Sprintf("%s.%d", w.Path, i+1), text, 0o644))
		must(f.Truncate(0))

		return f
	case "truncate":
		must(f.Truncate(0))

		return f
	default: // Somebody else rotates.
		return f
	}
	must(f.Close())

	return w.open(i + 1)
}

func must(err error) {
	if err != nil {
		panic(err)
	}
}

// rotateUntil runs logrotate over a file again and again until the writer ends. A
// writer that is stopped meanwhile writes nothing between copy and truncation:
// that is lost to everybody.
func rotateUntil(t *testing.T, logrotate, directives, path string, writer *process, stop bool) {
	t.Helper()

	dir := t.TempDir()
	config := filepath.Join(dir, "logrotate.conf")
	text := fmt.Sprintf("%s {\nrotate 1000\nmissingok\nnocompress\n%s\n}\n", path, directives)
	if err := os.WriteFile(config, []byte(text), 0o644); err != nil {
		t.Error(err)
		return
	}
	for {
		select {
		case <-writer.exited:
			return
		case <-time.After(300 * time.Millisecond):
		}
		if stop {
			_ = writer.cmd.Process.Signal(syscall.SIGSTOP) // It may have ended.
		}
		out, err := exec.CommandContext(t.Context(), logrotate, "-f", "-s", filepath.Join(dir, "state"), config).CombinedOutput()
		_ = writer.cmd.Process.Signal(syscall.SIGCONT)
		if err != nil {
			t.Errorf("logrotate: %v\n%s", err, out)
			return
		}
	}
}
