package tail

import (
	"bytes"
	"time"
)

// framed is a line in the format in which container runtimes keep what containers
// print, of Kubernetes's Container Runtime Interface:
//
//	2016-10-06T00:17:09.669794202Z stdout F The content of the log entry
//
// P instead of F says that the runtime cut a long line, which goes on in the next.
type framed struct {
	at      time.Time
	stream  string
	partial bool
	text    []byte
}

const (
	leastStamp = len("2006-01-02T15:04:05Z")
	mostStamp  = len("2006-01-02T15:04:05.999999999+00:00")
)

// unframe takes a line out of its frame, if it has one.
func unframe(line []byte) (f framed, ok bool) {
	space := bytes.IndexByte(line[:min(len(line), mostStamp+1)], ' ')
	if space < leastStamp || line[4] != '-' {
		return f, false
	}
	rest := line[space+1:]
	for _, stream := range []string{"stdout", "stderr"} {
		tagged, found := bytes.CutPrefix(rest, []byte(stream+" "))
		if !found || len(tagged) == 0 || (tagged[0] != 'F' && tagged[0] != 'P') {
			continue
		}
		if len(tagged) > 1 && tagged[1] != ' ' {
			return f, false
		}
		at, err := time.Parse(time.RFC3339Nano, string(line[:space]))

		return framed{at, stream, tagged[0] == 'P', tagged[min(len(tagged), 2):]}, err == nil
	}

	return f, false
}

// unframed returns the entry at the beginning of data, whose first line is a framed
// one of size bytes: its parts joined, and the lines that belong to it.
func (s *splitter) unframed(data []byte, first framed, size int, quiet, ended bool) (p piece) {
	p = piece{text: bytes.Clone(first.text), size: size, at: first.at}
	defer func() { p.text = bytes.TrimRight(p.text, "\n") }() // Blank lines at the end.
	partial := first.partial
	begin := 0 // Of the line that is being put together, in p.text.
	for lines := 1; ; lines++ {
		if !partial && (s.continuation == nil || begin == 0 && isObject(p.text) || lines >= s.maxLines) {
			return p
		}
		more, n := line(data[p.size:], ended)
		if n == 0 {
			if quiet || len(data) > s.maxBytes {
				return p
			}

			return piece{}
		}
		next, ok := unframe(bytes.TrimSuffix(more, []byte{'\r'}))
		if !ok || next.stream != first.stream || p.size+n > s.maxBytes {
			return p
		}
		if !partial {
			if len(next.text) > 0 && !next.partial && !s.continuation.Match(next.text) {
				return p
			}
			p.text = append(p.text, '\n')
			begin = len(p.text)
		}
		p.text = append(p.text, next.text...)
		p.size += n
		partial = next.partial
	}
}

func isObject(text []byte) bool {
	return len(text) > 1 && text[0] == '{' && text[len(text)-1] == '}'
}
