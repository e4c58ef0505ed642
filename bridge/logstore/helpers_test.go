package logstore_test

import (
	"context"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"os"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"go.uber.org/goleak"

	"llmwatch/bridge/logstore"
	"llmwatch/bridge/logstore/disk"
	"llmwatch/bridge/logstore/entry"
)

func TestMain(m *testing.M) {
	if dir := os.Getenv(crashDir); dir != "" {
		os.Exit(crashChild(dir))
	}
	goleak.VerifyTestMain(m)
}

// open opens a store in a directory, or on fs where it is not nil, that gathers
// rows entries before it seals them. It is closed at the end of the test.
func open(t testing.TB, dir string, fs disk.FS, rows int, options ...func(*logstore.Config)) *logstore.Store {
	t.Helper()
	cfg := logstore.Config{Dir: dir, Logger: slog.New(slog.NewTextHandler(logWriter{t}, nil))}
	cfg.Tune(fs, rows, 0)
	for _, o := range options {
		o(&cfg)
	}
	s, err := logstore.Open(cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { shut(t, s) })

	return s
}

type logWriter struct{ t testing.TB }

func (w logWriter) Write(p []byte) (int, error) {
	w.t.Log(strings.TrimSpace(string(p)))

	return len(p), nil
}

// line is an entry with its place.
type line struct {
	entry.Position
	text string
	e    entry.Entry
}

// clone copies e and all its texts.
func clone(e *entry.Entry) entry.Entry {
	c := entry.Entry{Time: e.Time, Level: e.Level, Logger: strings.Clone(e.Logger), Message: strings.Clone(e.Message)}
	for _, f := range e.Fields {
		c.Fields = append(c.Fields, entry.Field{Name: strings.Clone(f.Name), Kind: f.Kind, Value: strings.Clone(f.Value)})
	}

	return c
}

// search returns what a query finds.
func search(t testing.TB, s *logstore.Store, q logstore.Query) (lines []line, next *entry.Position) {
	t.Helper()
	next, err := s.Search(context.Background(), q, func(p entry.Position, e *entry.Entry) error {
		c := clone(e)
		lines = append(lines, line{p, string(entry.AppendJSON(nil, e)), c})

		return nil
	})
	if err != nil {
		t.Fatal(err)
	}

	return lines, next
}

// texts are the lines alone.
func texts(lines []line) []string {
	all := []string{}
	for _, l := range lines {
		all = append(all, l.text)
	}

	return all
}

// naive is the plain answer to a query over all lines.
func naive(all []line, q logstore.Query) (found []line, more bool) {
	for _, l := range all {
		order := 0
		if q.After != nil {
			order = l.Compare(*q.After)
		}
		if q.After != nil && (q.Oldest && order <= 0 || !q.Oldest && order >= 0) || !q.Filter.Match(&l.e) {
			continue
		}
		found = append(found, l)
	}
	slices.SortFunc(found, func(a, b line) int {
		if q.Oldest {
			return a.Compare(b.Position)
		}

		return b.Compare(a.Position)
	})
	if q.Limit > 0 && len(found) > q.Limit {
		return found[:q.Limit], true
	}

	return found, false
}

// world makes random entries and queries that have something in common.
type world struct {
	*rand.Rand
	now int64
}

func newWorld(seed uint64) *world {
	return &world{rand.New(rand.NewPCG(seed, 1)), 1_700_000_000_000_000_000}
}

var (
	loggers  = []string{"api.requests", "api.errors", "training", "cache", "äpi", ""}
	wordList = []string{"request", "completed", "failed", "Zeitüberschreitung", "timeout", "ключ", "cache", "miss", "a_b", "x-1", "☃"}
	patterns = []string{"fail", "^request", "(?i)TIMEOUT|miss$", "[0-9]{3}", "ключ.*cache", "nothing has this", "☃", "a|b|c", "^$", "d.*f"}
)

func pick[T any](w *world, list []T) T { return list[w.IntN(len(list))] }

func (w *world) entry() entry.Entry {
	w.now += w.Int64N(3) * 500_000 // Often equal.
	e := entry.Entry{Time: w.now, Level: pick(w, entry.Levels()), Logger: pick(w, loggers)}
	if w.IntN(10) == 0 { // Late.
		e.Time = max(0, e.Time-w.Int64N(20_000_000))
	}
	var m []string
	for range w.IntN(6) {
		m = append(m, pick(w, wordList))
	}
	if w.IntN(3) == 0 {
		m = append(m, strconv.Itoa(w.IntN(2000)))
	}
	e.Message = strings.Join(m, " ")
	if w.IntN(50) == 0 {
		e.Message += "\n" + strings.Repeat("  at frame "+pick(w, wordList)+"\n", w.IntN(200))
	}
	add := func(name string, kind entry.Kind, value string) {
		if w.IntN(4) > 0 {
			e.Fields = append(e.Fields, entry.Field{Name: name, Kind: kind, Value: value})
		}
	}
	add("request_id", entry.String, fmt.Sprintf("req-%04x", w.IntN(3000)))
	add("status", entry.Number, pick(w, []string{"200", "404", "500", "2e2", "-0"}))
	add("user", entry.String, pick(w, wordList))
	add("process", entry.Number, strconv.Itoa(w.IntN(3)))
	add("ok", entry.Bool, pick(w, []string{"true", "false"}))
	add("none", entry.Null, "null")
	add("tags", entry.JSON, pick(w, []string{"[]", `["a",1]`, `{"a":[]}`}))

	return e
}

func (w *world) query() logstore.Query {
	q := logstore.Query{Oldest: w.IntN(2) == 0, Limit: pick(w, []int{1, 3, 10, 100, 1000})}
	f := &q.Filter
	at := func() int64 { return w.now - w.Int64N(w.now-1_699_999_999_000_000_000) }
	if w.IntN(3) == 0 {
		f.From = at()
	}
	if w.IntN(3) == 0 {
		f.Until = at()
	}
	if w.IntN(2) == 0 {
		f.Levels = uint8(w.IntN(32))
	}
	if w.IntN(3) == 0 {
		f.Loggers = []string{pick(w, loggers), "api*"}[:1+w.IntN(2)]
	}
	if w.IntN(4) == 0 {
		f.Pattern = regexp.MustCompile(pick(w, patterns))
	}
	if w.IntN(5) == 0 {
		f.Words = []string{pick(w, wordList)}
	}
	if w.IntN(3) == 0 {
		f.Fields = []entry.FieldMatch{{Name: pick(w, []string{"status", "user", "ok", "none", "absent", "level", "process", "tags"}), Values: []string{pick(w, []string{"200", "500", "request", "true", "null", "", "ERROR", "1", "[]"})}}}
	}
	if w.IntN(6) == 0 {
		f.Fields = append(f.Fields, entry.FieldMatch{Name: "request_id", Values: []string{fmt.Sprintf("req-%04x", w.IntN(3000))}})
	}
	if w.IntN(3) == 0 {
		q.After = &entry.Position{Time: at(), Seq: w.Uint64N(3000)}
	}

	return q
}

// append makes n random entries and appends them in batches of random size.
func (w *world) append(t testing.TB, s *logstore.Store, n int) []entry.Entry {
	t.Helper()
	var made []entry.Entry
	for n > 0 {
		var b entry.Batch
		for range min(n, 1+w.IntN(300)) {
			e := w.entry()
			b.Add(&e)
			made = append(made, e)
		}
		n -= b.Len()
		if err := s.Append(context.Background(), &b); err != nil {
			t.Fatal(err)
		}
	}

	return made
}

// number gives entries the numbers from first on, as one writer gets them.
func number(first uint64, entries []entry.Entry) []line {
	var lines []line
	for i := range entries {
		e := clone(&entries[i])
		lines = append(lines, line{entry.Position{Time: e.Time, Seq: first + uint64(i)}, string(entry.AppendJSON(nil, &entries[i])), e})
	}

	return lines
}

func assertSame(t testing.TB, what string, got, want []line) {
	t.Helper()
	if diff := cmp.Diff(texts(want), texts(got)); diff != "" {
		t.Fatalf("%s: %s", what, diff)
	}
	for i := range got {
		if got[i].Position != want[i].Position {
			t.Fatalf("%s: line %d is at %v, want %v", what, i, got[i].Position, want[i].Position)
		}
	}
}

func within(t testing.TB, d time.Duration) context.Context {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), d)
	t.Cleanup(cancel)

	return ctx
}

// shut closes a store; closing it again changes nothing.
func shut(t testing.TB, s *logstore.Store) {
	t.Helper()
	if err := s.Close(); err != nil {
		t.Errorf("close: %v", err)
	}
}
