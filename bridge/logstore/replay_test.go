package logstore

import (
	"fmt"
	"strconv"
	"testing"
	"time"

	"llmwatch/bridge/logstore/entry"
	"llmwatch/bridge/logstore/wal"
)

// FuzzReplay gives recovery arbitrary records, sound by their checksums.
func FuzzReplay(f *testing.F) {
	var b entry.Batch
	for i := range 50 {
		b.Add(&entry.Entry{Time: int64(i), Logger: "x", Message: fmt.Sprint("message ", i)})
	}
	r := request{}
	if err := r.encode(&b, "client", 7); err != nil {
		f.Fatal(err)
	}
	f.Add(byte(kindEntries), uint64(1), uint32(50), r.body)
	c := newClients()
	c.keep("client", 7, time.Unix(5, 0))
	f.Add(byte(kindClients), uint64(1), uint32(0), c.marshal())
	f.Fuzz(func(t *testing.T, kind byte, seq uint64, count uint32, body []byte) {
		s := &Store{cfg: Config{Now: time.Now}, clients: newClients(), next: 1}
		h := &head{}
		if err := s.replay(h, wal.Record{Kind: kind, Seq: seq, Count: count, Body: body}); err != nil {
			if h.rows > 0 {
				t.Errorf("%d rows are taken of a record with an error", h.rows)
			}

			return
		}
		if kind == kindEntries && (h.rows != int(count) || s.next < seq) {
			t.Errorf("%d rows of %d, next is %d", h.rows, count, s.next)
		}
	})
}

func TestClientsAreForgottenWhenIdleOrTooMany(t *testing.T) {
	c := newClients()
	start := time.Unix(1_700_000_000, 0)
	for i := range maxClients + 10 {
		c.keep(strconv.Itoa(i), 5, start.Add(time.Duration(i)*time.Second))
	}
	if len(c.seen) != maxClients || c.has("9", 1) || !c.has("10", 5) || c.has("10", 6) {
		t.Errorf("%d clients are known", len(c.seen))
	}
	back := newClients()
	if err := back.unmarshal(c.marshal()); err != nil || len(back.seen) != maxClients || !back.has("10", 5) {
		t.Errorf("%d clients came back: %v", len(back.seen), err)
	}
	c.keep("10", 3, start.Add(clientIdle)) // Late, and it does not count backwards.
	c.expire(start.Add(clientIdle + time.Hour + 20*time.Minute))
	if !c.has("10", 5) || c.has("11", 5) || !c.has(strconv.Itoa(maxClients), 5) {
		t.Errorf("%d clients are left", len(c.seen))
	}
}

// TestATailSaysHowManyWereSealedBeforeItLooked lets a tail come too late.
func TestATailSaysHowManyWereSealedBeforeItLooked(t *testing.T) {
	s, err := Open(Config{Dir: t.TempDir()})
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = s.Close() }()
	appendLines := func() {
		var b entry.Batch
		for range 10 {
			b.Add(&entry.Entry{Message: "line"})
		}
		if err := s.Append(t.Context(), &b); err != nil {
			t.Fatal(err)
		}
	}
	late := s.Tail(entry.Filter{})
	defer late.Close()
	appendLines()
	if err := s.Sync(t.Context()); err != nil {
		t.Fatal(err)
	}
	appendLines()
	seen := 0
	lost, err := late.Next(t.Context(), func(entry.Position, *entry.Entry) error { seen++; return nil })
	if err != nil || lost != 10 || seen != 10 {
		t.Errorf("%d seen and %d lost, %v", seen, lost, err)
	}
}

func TestTemplates(t *testing.T) {
	for message, want := range map[string]string{
		"request 17 failed":                  "request <*> failed",
		"timeout after 12.5s at 10.0.0.1:80": "timeout after <*> at <*>:<*>",
		"first line\nsecond":                 "first line",
		"req-abc123: no":                     "<*>: no",
		"":                                   "",
		"kaputt: Zeitüberschreitung":         "kaputt: Zeitüberschreitung",
	} {
		if got := string(appendTemplate(nil, message)); got != want {
			t.Errorf("%q has the template %q, want %q", message, got, want)
		}
	}
}
