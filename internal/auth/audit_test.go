package auth

import (
	"context"
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"log/slog"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

var noon = time.Date(2026, 11, 23, 12, 0, 0, 0, time.UTC)

func entry(i int) Entry {
	return Entry{
		At: Time{noon.Add(time.Duration(i) * time.Second)}, Actor: "ada", Kind: KindSession, Role: Admin,
		Action: fmt.Sprintf("POST /rules %d", i), Outcome: OutcomeOK, Status: 200, From: "192.0.2.1:1",
	}
}

// trail opens a store whose trail has n entries.
func trail(tb testing.TB, n int) (*Store, []Link) {
	tb.Helper()

	s := open(tb)
	var links []Link
	for i := range n {
		link, err := s.Append(tb.Context(), entry(i))
		if err != nil {
			tb.Fatal(err)
		}
		links = append(links, link...)
	}

	return s, links
}

func verdictOf(t *testing.T, s *Store, remembered map[int64][sha256.Size]byte) Verdict {
	t.Helper()

	v, err := s.Verify(t.Context(), remembered)
	if err != nil {
		t.Fatal(err)
	}

	return v
}

func TestTrailProvesItself(t *testing.T) {
	s, links := trail(t, 10)
	v := verdictOf(t, s, map[int64][sha256.Size]byte{3: links[2].Hash, 10: links[9].Hash})
	if len(v.Problems) > 0 || v.Entries != 10 || v.First != 1 || v.Last.Seq != 10 || v.Last.Hash != links[9].Hash || v.Compared != 2 {
		t.Errorf("the verdict is %+v", v)
	}
	seq, hash, err := ParseLink(v.Last.String())
	if err != nil || seq != 10 || hash != links[9].Hash {
		t.Errorf("the link %s reads as %d %x, error %v", &v.Last, seq, hash, err)
	}
	for _, bad := range []string{"", "1", "1:", "x:" + strings.Repeat("0", 64), "1:" + strings.Repeat("0", 63) + "g"} {
		if _, _, err := ParseLink(bad); err == nil {
			t.Errorf("%q is a link", bad)
		}
	}

	t.Run("also after old entries are let go of", func(t *testing.T) {
		if err := s.Forget(t.Context(), noon.Add(4*time.Second)); err != nil {
			t.Fatal(err)
		}
		v := verdictOf(t, s, map[int64][sha256.Size]byte{1: links[0].Hash})
		if len(v.Problems) > 0 || v.Entries != 6 || v.First != 5 {
			t.Errorf("the verdict is %+v", v)
		}
		if err := s.Forget(t.Context(), noon.Add(time.Hour)); err != nil {
			t.Fatal(err)
		}
		if _, err := s.Append(t.Context(), entry(11)); err != nil {
			t.Fatal(err)
		}
		if v := verdictOf(t, s, nil); len(v.Problems) > 0 || v.Entries != 1 || v.First != 11 {
			t.Errorf("the verdict is %+v", v)
		}
	})
}

// bare drops the triggers, as somebody would who wants to cover traces.
const bare = `DROP TRIGGER audit_never_changes; DROP TRIGGER audit_keeps; `

func TestTracesThatSomebodyCovers(t *testing.T) {
	for name, tc := range map[string]struct{ do, says string }{
		"altered":            {`UPDATE audit SET body = replace(body, 'ada', 'eve') WHERE seq = 5`, "entry 5 is altered"},
		"altered, with hash": {`UPDATE audit SET hash = zeroblob(32) WHERE seq = 5`, "entry 5 is altered"},
		"removed":            {`DELETE FROM audit WHERE seq = 5`, "1 entries are missing before entry 6"},
		"removed and closed": {`DELETE FROM audit WHERE seq = 5; UPDATE audit SET seq = seq - 1 WHERE seq > 5`, "entry 5 is altered, or does not follow"},
		"swapped":            {`UPDATE audit SET seq = 99 WHERE seq = 5; UPDATE audit SET seq = 5 WHERE seq = 6; UPDATE audit SET seq = 6 WHERE seq = 99`, "entry 5 is altered"},
		"put in":             {`INSERT INTO audit (seq, body, hash) VALUES (11, '{"at":"2026-11-23T12:00:00.000Z"}', zeroblob(32))`, "entry 11 is altered"},
		"end cut off":        {`DELETE FROM audit WHERE seq > 8`, "the trail ends with entry 8 and should end with 10"},
		"beginning cut off":  {`DELETE FROM audit WHERE seq < 3`, "2 entries are missing before entry 3"},
		"all of it":          {`DELETE FROM audit`, "the trail ends with entry 0 and should end with 10"},
		"last one replaced":  {`UPDATE audit_chain SET last_hash = zeroblob(32)`, "the last entry, 10, is not the one that was written"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s, _ := trail(t, 10)
			if _, err := s.db.Write.ExecContext(t.Context(), bare+tc.do); err != nil {
				t.Fatal(err)
			}
			if v := verdictOf(t, s, nil); !strings.Contains(strings.Join(v.Problems, "\n"), tc.says) {
				t.Errorf("the problems are %q, want %q", v.Problems, tc.says)
			}
		})
	}
}

// A whole new chain proves itself too. Only what others remember tells.
func TestNewChainIsFoundByComparison(t *testing.T) {
	_, links := trail(t, 10)
	remembered := map[int64][sha256.Size]byte{}
	for _, l := range links {
		remembered[l.Seq] = l.Hash
	}
	forged, _ := trail(t, 0)
	for i := range 9 {
		e := entry(i)
		e.Actor = "eve"
		if _, err := forged.Append(t.Context(), e); err != nil {
			t.Fatal(err)
		}
	}
	if v := verdictOf(t, forged, nil); len(v.Problems) > 0 {
		t.Errorf("it does not prove itself: %q", v.Problems)
	}
	problems := verdictOf(t, forged, remembered).Problems
	if len(problems) != 10 || !strings.Contains(problems[0], "entry 1 is not the one that is remembered") || !strings.Contains(problems[9], "entry 10 is remembered elsewhere and is missing") {
		t.Errorf("compared, the problems are %q", problems)
	}
}

func TestTrailIsAppendOnly(t *testing.T) {
	s, _ := trail(t, 3)
	for _, query := range []string{`UPDATE audit SET body = '{}'`, `DELETE FROM audit WHERE seq = 3`} {
		if _, err := s.db.Write.ExecContext(t.Context(), query); err == nil || !strings.Contains(err.Error(), "append-only") {
			t.Errorf("%s: %v", query, err)
		}
	}
}

func TestSeveralProcessesWriteOneChain(t *testing.T) {
	path := filepath.Join(t.TempDir(), "llmwatch.db")
	var all sync.WaitGroup
	for range 3 {
		s := openAt(t, path)
		all.Go(func() {
			for i := range 20 {
				if _, err := s.Append(t.Context(), entry(i), entry(i)); err != nil {
					t.Error(err)
				}
			}
		})
	}
	all.Wait()
	if v := verdictOf(t, openAt(t, path), nil); len(v.Problems) > 0 || v.Entries != 120 {
		t.Errorf("the verdict is %+v", v)
	}
}

func TestAuditFilter(t *testing.T) {
	s, _ := trail(t, 10)
	other := entry(10)
	other.Actor, other.Outcome = "eve", OutcomeDenied
	if _, err := s.Append(t.Context(), other); err != nil {
		t.Fatal(err)
	}
	for name, tc := range map[string]struct {
		filter AuditFilter
		want   string
	}{
		"newest first": {AuditFilter{Limit: 3}, "[11 10 9]"},
		"actor":        {AuditFilter{Limit: 3, Actor: "eve"}, "[11]"},
		"outcome":      {AuditFilter{Limit: 2, Outcome: OutcomeOK}, "[10 9]"},
		"time":         {AuditFilter{Limit: 9, Since: noon.Add(2 * time.Second), Until: noon.Add(4 * time.Second)}, "[4 3]"},
	} {
		links, err := s.Audit(t.Context(), tc.filter)
		var got []int64
		for _, l := range links {
			got = append(got, l.Seq)
		}
		if err != nil || fmt.Sprint(got) != tc.want {
			t.Errorf("%s: %v, error %v; want %s", name, got, err, tc.want)
		}
	}
}

// logLines is a handler's output.
type logLines struct {
	mu    sync.Mutex
	lines []string
}

func (l *logLines) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.lines = append(l.lines, string(p))

	return len(p), nil
}

func entriesOf(t *testing.T, s *Store) []Entry {
	t.Helper()

	links, err := s.Audit(t.Context(), AuditFilter{Limit: 10_000})
	if err != nil {
		t.Fatal(err)
	}
	slices.Reverse(links)
	entries := make([]Entry, len(links))
	for i := range links {
		if entries[i], err = links[i].Entry(); err != nil {
			t.Fatal(err)
		}
	}

	return entries
}

func TestAuditor(t *testing.T) {
	s := open(t)
	log := &logLines{}
	a := NewAuditor(s, slog.New(slog.NewJSONHandler(log, nil)), time.Hour)
	read := Entry{Actor: "ada", Kind: KindToken, Role: Viewer, Action: "GET /alerts", Outcome: OutcomeOK, Status: 200}
	for i := range 3 {
		read.At, read.RequestID = Time{noon.Add(time.Duration(i) * time.Second)}, fmt.Sprint("req-", i)
		a.Gather(t.Context(), read)
	}
	if entries := entriesOf(t, s); len(entries) > 0 {
		t.Errorf("reads are written at once: %+v", entries)
	}
	a.Record(t.Context(), entry(7))
	if entries := entriesOf(t, s); len(entries) != 1 || entries[0].Action != "POST /rules 7" {
		t.Errorf("a change leads to %+v", entries)
	}
	a.Flush(t.Context())
	entries := entriesOf(t, s)
	want := Entry{At: Time{noon}, Until: Time{noon.Add(2 * time.Second)}, Times: 3, Actor: "ada", Kind: KindToken, Role: Viewer, Action: "GET /alerts", Outcome: OutcomeOK, Status: 200, RequestID: "req-0"}
	if len(entries) != 2 || entries[1] != want {
		t.Errorf("the trail is %+v, want at last %+v", entries, want)
	}
	var line struct{ Logger, Actor, Action, Outcome, Link string }
	if len(log.lines) != 2 {
		t.Fatalf("the log is %q", log.lines)
	}
	if err := json.Unmarshal([]byte(log.lines[1]), &line); err != nil || line.Logger != "audit" || line.Actor != "ada" || line.Action != "GET /alerts" || line.Outcome != "ok" {
		t.Errorf("the log has %+v, error %v", line, err)
	}
	if seq, _, err := ParseLink(line.Link); err != nil || seq != 2 {
		t.Errorf("the log remembers %q, error %v", line.Link, err)
	}
	if v := verdictOf(t, s, nil); len(v.Problems) > 0 {
		t.Errorf("the problems are %q", v.Problems)
	}
}

func TestStrangersCannotFillTheTrail(t *testing.T) {
	s := open(t)
	a := NewAuditor(s, silent, time.Hour)
	for i := range 10 * maxStrangers {
		a.Gather(t.Context(), Entry{Actor: "anonymous", Action: "GET unmatched", Outcome: OutcomeDenied, From: strconv.Itoa(i)})
	}
	a.Flush(t.Context())
	entries := entriesOf(t, s)
	if len(entries) != maxStrangers+1 || entries[maxStrangers].Action != "others" || entries[maxStrangers].Times != 9*maxStrangers {
		t.Errorf("%d entries, the last of them %+v", len(entries), entries[len(entries)-1])
	}
}

// TestTheTrailGrowsSlowly has strangers, and one who may read, ask for something else
// each time for an hour.
func TestTheTrailGrowsSlowly(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := open(t)
		a := NewAuditor(s, silent, time.Hour)
		for minute := range 60 {
			for i := range 300 {
				n := strconv.Itoa(300*minute + i)
				a.Gather(t.Context(), Entry{Actor: "anonymous", Action: "GET unmatched", Outcome: OutcomeDenied, From: n})
				a.Gather(t.Context(), Entry{Actor: "ada", Kind: KindToken, Role: Viewer, Action: "GET /alerts/{id}", Target: "/alerts/" + n})
			}
			a.Flush(t.Context())
			time.Sleep(time.Minute)
		}
		written := map[string]int{}
		for _, e := range entriesOf(t, s) {
			written[e.Actor]++
		}
		// One more in each minute counts the rest.
		if most := maxStrangers + int(time.Hour/strangersEvery) + 60; written["anonymous"] > most {
			t.Errorf("strangers wrote %d entries, at most %d are right", written["anonymous"], most)
		}
		if most := maxTargets + int(time.Hour/targetsEvery) + 60; written["ada"] > most || written["ada"] < maxTargets {
			t.Errorf("one caller wrote %d entries, at most %d are right", written["ada"], most)
		}
	})
}

func TestAuditorWritesInTime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := open(t)
		a := NewAuditor(s, silent, time.Hour)
		ctx, cancel := context.WithCancel(t.Context())
		done := make(chan struct{})
		go func() { a.Run(ctx); close(done) }()
		a.Gather(ctx, Entry{At: Time{time.Now()}, Actor: "ada", Action: "GET /alerts"})
		time.Sleep(gatherFor + time.Second)
		if entries := entriesOf(t, s); len(entries) != 1 {
			t.Errorf("after %s the trail is %+v", gatherFor, entries)
		}
		a.Gather(ctx, Entry{At: Time{time.Now()}, Actor: "ada", Action: "GET /alerts"})
		cancel()
		<-done
		if entries := entriesOf(t, s); len(entries) != 2 {
			t.Errorf("in the end the trail is %+v", entries)
		}
	})
}

func TestAuditorReportsWhatItCannotWrite(t *testing.T) {
	s := open(t)
	log := &logLines{}
	a := NewAuditor(s, slog.New(slog.NewJSONHandler(log, nil)), time.Hour)
	if _, err := s.db.Write.ExecContext(t.Context(), `ALTER TABLE audit RENAME TO hidden`); err != nil {
		t.Fatal(err)
	}
	a.Record(t.Context(), entry(1))
	a.Record(t.Context(), entry(2))
	if a.Failure() == nil || len(log.lines) != 3 || !strings.Contains(log.lines[0], "cannot be written") || !strings.Contains(log.lines[2], "POST /rules 2") {
		t.Errorf("failure %v, log %q", a.Failure(), log.lines)
	}
	if _, err := s.db.Write.ExecContext(t.Context(), `ALTER TABLE hidden RENAME TO audit`); err != nil {
		t.Fatal(err)
	}
	if a.Record(t.Context(), entry(3)); a.Failure() != nil {
		t.Errorf("afterwards: %v", a.Failure())
	}
}

func BenchmarkGather(b *testing.B) {
	a := NewAuditor(open(b), silent, time.Hour)
	e := Entry{At: Time{noon}, Actor: "ada", Kind: KindToken, Role: Viewer, Action: "GET /alerts", Outcome: OutcomeOK, Status: 200, From: "192.0.2.1"}
	b.ReportAllocs()
	for b.Loop() {
		a.Gather(b.Context(), e)
	}
}

func BenchmarkRecord(b *testing.B) {
	a := NewAuditor(open(b), silent, time.Hour)
	b.ReportAllocs()
	for b.Loop() {
		a.Record(b.Context(), entry(1))
	}
}
