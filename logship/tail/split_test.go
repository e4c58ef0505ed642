package tail

import (
	"bytes"
	"regexp"
	"slices"
	"strings"
	"testing"
)

func splitAll(s *splitter, data []byte, quiet, ended bool) (entries []string, rest string) {
	skip := false
	for len(data) > 0 {
		if skip {
			_, n := line(data, ended)
			if n == 0 {
				return entries, ""
			}
			data, skip = data[n:], false

			continue
		}
		p := s.next(data, quiet, ended)
		if p.size == 0 {
			break
		}
		if len(p.text) > 0 {
			entries = append(entries, string(p.text))
		}
		data, skip = data[p.size:], p.rest
	}

	return entries, string(data)
}

func TestSplitterTakesWholeLinesAndJoinsStackTraces(t *testing.T) {
	s := &splitter{maxBytes: 200, maxLines: 10, continuation: DefaultContinuation}
	for name, c := range map[string]struct {
		data    string
		quiet   bool
		ended   bool
		entries []string
		rest    string
	}{
		"a line waits for the next one":         {data: "a\nb\n", entries: []string{"a"}, rest: "b\n"},
		"unless it is quiet":                    {data: "a\nb\n", quiet: true, entries: []string{"a", "b"}},
		"half a line waits although quiet":      {data: "a\nhal", quiet: true, entries: []string{"a"}, rest: "hal"},
		"unless its writer has left":            {data: "a\nhal", quiet: true, ended: true, entries: []string{"a", "hal"}},
		"JSON waits for nothing":                {data: "{\"a\":1}\n{\"a\":2}\n", entries: []string{`{"a":1}`, `{"a":2}`}},
		"blank lines are none":                  {data: "\n\r\n{}\n\n", entries: []string{"{}"}},
		"carriage returns end lines too":        {data: "a\r\n\tb\r\n", quiet: true, entries: []string{"a\n\tb"}},
		"the hole of a truncation is left out":  {data: "\x00\x00\x00a\n", quiet: true, entries: []string{"a"}},
		"indented lines belong to the first":    {data: "E x\n  at a\n\tat b\nnext\n", entries: []string{"E x\n  at a\n\tat b"}, rest: "next\n"},
		"an error message is an entry":          {data: "a\nError: disk full\n", quiet: true, entries: []string{"a", "Error: disk full"}},
		"a call in a sentence is one":           {data: "a\nretry of db.get(x) failed\n", quiet: true, entries: []string{"a", "retry of db.get(x) failed"}},
		"a line too long is cut":                {data: strings.Repeat("x", 300) + "\nnext\n", quiet: true, entries: []string{strings.Repeat("x", 200), "next"}},
		"and cut before it has ended":           {data: strings.Repeat("x", 300), entries: []string{strings.Repeat("x", 200)}},
		"but not within a rune":                 {data: strings.Repeat("é", 150) + "\n", quiet: true, entries: []string{strings.Repeat("é", 100)}},
		"a rune before the cut stays":           {data: "x" + strings.Repeat("é", 150) + "\n", quiet: true, entries: []string{"x" + strings.Repeat("é", 99)}},
		"an entry has so many lines":            {data: "a\n" + strings.Repeat(" b\n", 12), quiet: true, entries: []string{"a" + strings.Repeat("\n b", 9), " b\n b\n b"}},
		"and so many bytes":                     {data: "a\n " + strings.Repeat("b", 150) + "\n " + strings.Repeat("c", 150) + "\n", quiet: true, entries: []string{"a\n " + strings.Repeat("b", 150), " " + strings.Repeat("c", 150)}},
		"the rest of a line too long ends more": {data: "a\n " + strings.Repeat("b", 300), entries: []string{"a", " " + strings.Repeat("b", 199)}},
	} {
		t.Run(name, func(t *testing.T) {
			entries, rest := splitAll(s, []byte(c.data), c.quiet, c.ended)
			if !slices.Equal(entries, c.entries) || rest != c.rest {
				t.Errorf("got %q and %q, want %q and %q", entries, rest, c.entries, c.rest)
			}
		})
	}
}

func TestStackTracesAreOneEntry(t *testing.T) {
	s := &splitter{maxBytes: 1 << 16, maxLines: 100, continuation: DefaultContinuation}
	for name, trace := range map[string]string{
		"Java": `2024-01-15 10:30:45 ERROR Request failed
java.lang.IllegalStateException: no such model
	at com.example.Model.load(Model.java:42)
	... 12 more
Caused by: java.io.FileNotFoundException: model.bin
	at java.base/java.io.FileInputStream.open0(Native Method)`,
		"Python": `2024-01-15 10:30:45,123 ERROR app: failed
Traceback (most recent call last):
  File "app.py", line 3, in handler
    raise ValueError("no")
ValueError: no

During handling of the above exception, another exception occurred:

Traceback (most recent call last):
  File "app.py", line 9, in main
requests.exceptions.ConnectionError: refused`,
		"Go": `panic: runtime error: index out of range [3] with length 3

goroutine 1 [running]:
main.(*server).serve(0xc000012345, {0x1, 0x2})
	/src/main.go:12 +0x1d
net/http.HandlerFunc.ServeHTTP(0x1)
	/usr/local/go/src/net/http/server.go:2136 +0x29
created by main.main in goroutine 1
	/src/main.go:8 +0x25
exit status 2`,
		"JavaScript": `TypeError: x is not a function
    at Object.<anonymous> (/app/index.js:3:1)
    at Module._compile (node:internal/modules/cjs/loader:1241:14)`,
	} {
		t.Run(name, func(t *testing.T) {
			entries, _ := splitAll(s, []byte("before\n\n"+trace+"\n2024-01-15 10:30:46 INFO after\n"), true, false)
			want := []string{"before", trace, "2024-01-15 10:30:46 INFO after"}
			if name == "JavaScript" { // Its first line says nothing of its own.
				want = []string{"before\n\n" + trace, want[2]}
			}
			if !slices.Equal(entries, want) {
				t.Errorf("got %q", entries)
			}
		})
	}
}

func FuzzSplit(f *testing.F) {
	f.Add([]byte("a\n b\n{\"x\":1}\n\x00\x00c\r\n"), 3)
	f.Add([]byte("0123456789012345678901234567890123456789\r\n at\n"), 33)
	s := &splitter{maxBytes: 32, maxLines: 3, continuation: regexp.MustCompile(`^ `)}
	f.Fuzz(func(t *testing.T, data []byte, part int) {
		entries, rest := splitAll(s, data, true, true)
		if rest != "" {
			t.Errorf("%q is left of %q", rest, data)
		}
		for _, e := range entries {
			if len(e) > s.maxBytes || len(e) == 0 || strings.Count(e, "\n") >= s.maxLines {
				t.Errorf("%q is an entry of %q", e, data)
			}
		}
		// What is taken of the first bytes is what is taken when all are there.
		if part < 0 || part > len(data) {
			return
		}
		if p := s.next(data[:part], false, false); len(p.text) > 0 {
			if q := s.next(data, true, false); !bytes.Equal(p.text, q.text) {
				t.Errorf("%q begins with %q, and its first %d bytes with %q", data, q.text, part, p.text)
			}
		}
	})
}
