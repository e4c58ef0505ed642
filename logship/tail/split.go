package tail

import (
	"bytes"
	"regexp"
	"time"
	"unicode/utf8"
)

// DefaultContinuation matches lines that belong to the entry before: the indented
// ones, and what else stack traces of Java, Python, Go, JavaScript and .NET consist
// of. Blank lines within an entry belong to it in any case.
var DefaultContinuation = regexp.MustCompile(`^(?:[ \t})\]]` +
	`|Caused by: |Suppressed: |\.\.\. \d+ (?:more|common frames)|--- End of ` +
	`|Traceback \(most recent call last\)|During handling of the above exception|The above exception was the direct cause` +
	`|goroutine \d+ \[|created by |exit status \d|\S+\.\S+\(.*\)$` +
	`|(?:\w+\.)*(?:\w+(?:Error|Interrupt|Exit|Warning)|\w*Exception)(?:: |$))`)

// splitter takes the bytes of a file apart into entries.
type splitter struct {
	maxBytes int // Of an entry; what is longer is cut.
	maxLines int // Of an entry.

	// continuation tells the lines that belong to the one before; nil if none do.
	continuation *regexp.Regexp
}

// piece is what next takes off: an entry, or bytes that are none, such as a blank
// line.
type piece struct {
	text []byte // Without the end of the line. Empty if it is no entry.
	size int    // How many bytes it takes off. 0: it is not complete yet.
	cut  bool   // Its line was too long.
	rest bool   // The line goes on behind it, and that has to be left out.

	at time.Time // Zero unless a frame around the line says when it was written.
}

// next returns the first piece of data. Quiet says that nothing more has come for
// a while, so that the entry is complete; ended that nothing more will come, so
// that the last line is complete although it has no end.
func (s *splitter) next(data []byte, quiet, ended bool) piece {
	if zeros := len(data) - len(bytes.TrimLeft(data, "\x00")); zeros > 0 {
		return piece{size: zeros} // The hole that a writer leaves who does not append.
	}
	first, n := line(data, ended)
	switch {
	case n == 0 && len(data) > s.maxBytes:
		text := cut(data, s.maxBytes)

		return piece{text: text, size: len(text), cut: true, rest: true}
	case n == 0:
		return piece{}
	case len(first) > s.maxBytes:
		return piece{text: cut(first, s.maxBytes), size: n, cut: true}
	}
	first = bytes.TrimSuffix(first, []byte{'\r'})
	if f, ok := unframe(first); ok {
		return s.unframed(data, f, n, quiet, ended)
	}
	if len(first) == 0 || s.continuation == nil || isObject(first) {
		return piece{text: first, size: n}
	}

	return s.join(data, len(first), n, quiet, ended)
}

// join adds the lines that belong to the first one, which ends at end without and
// at size with its end of line.
func (s *splitter) join(data []byte, end, size int, quiet, ended bool) piece {
	for lines := 1; lines < s.maxLines; lines++ {
		more, n := line(data[size:], ended)
		if n == 0 {
			// A line that would be too long to be added ends the entry whatever it is.
			if !quiet && len(data) <= s.maxBytes {
				return piece{}
			}

			break
		}
		more = bytes.TrimSuffix(more, []byte{'\r'})
		if size+n > s.maxBytes || (len(more) > 0 && !s.continuation.Match(more)) {
			break
		}
		if len(more) > 0 {
			end = size + len(more)
		}
		size += n
	}
	text := data[:end]
	if bytes.IndexByte(text, '\r') >= 0 {
		text = bytes.ReplaceAll(text, []byte("\r\n"), []byte("\n"))
	}

	return piece{text: text, size: size}
}

// line returns the first line of data, and how long it is with its end: 0 if it
// has none.
func line(data []byte, ended bool) (text []byte, size int) {
	i := bytes.IndexByte(data, '\n')
	switch {
	case i >= 0:
		return data[:i], i + 1
	case ended:
		return data, len(data)
	default:
		return nil, 0
	}
}

// cut returns the first bytes of text, and no half rune at their end.
func cut(text []byte, size int) []byte {
	for back := range min(utf8.UTFMax, size) {
		if utf8.RuneStart(text[size-back]) {
			return text[:size-back]
		}
	}

	return text[:size] // It is no UTF-8.
}
