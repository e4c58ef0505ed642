package push

import (
	"bytes"
	"fmt"
	"io"
	"strings"
)

// Bounds of one item. The parser takes 45 times the size of the worst item.
const (
	maxItemBytes = 64 << 10
	maxItemDepth = 32
)

// splitter finds the items in a stream: the elements of an array, or objects
// that follow each other, as a rule one a line. It only counts brackets, so an
// item need not be valid JSON.
//
// Outside an array a line that begins with { begins an item, whatever was
// before; so an object may span lines, but one that was cut short takes none of
// the next lines with it. Inside an array nothing after an error can be trusted.
type splitter struct {
	source io.Reader
	limit  int64 // Bytes that may be read from source.
	read   int64
	err    error // Why source has ended: io.EOF after its last byte.

	window     []byte // As long as an item may be.
	start, end int    // What of window is unread.

	begun, array, afterElement, closed bool
}

func (s *splitter) reset(source io.Reader, limit int64) {
	*s = splitter{source: source, limit: limit, window: s.window}
}

// next returns the next item, which is valid until the call after it, or a
// rejection in place of one. Any other error is the end: io.EOF or why source
// could not be read on.
func (s *splitter) next() ([]byte, error) {
	c, ok := s.peek()
	if ok && !s.begun {
		s.begun = true
		if c == '[' {
			s.array = true
			s.start++
			c, ok = s.peek()
		}
	}
	switch {
	case s.array:
		return s.element(c, ok)
	case !ok:
		return nil, s.err
	case c != '{':
		line := s.skipLine()

		return nil, syntaxError("an event must be a JSON object, got " + shorten(line))
	}

	return s.value()
}

// element returns the next element of an array. c is the next byte, which may
// be a comma or ] before it.
func (s *splitter) element(c byte, ok bool) ([]byte, error) {
	switch {
	case !ok || s.closed:
	case c == ']':
		s.start++
		s.closed = true
		c, ok = s.peek()
	case s.afterElement && c != ',':
		return nil, s.resync("a comma or ] must follow an element of the array")
	case s.afterElement:
		s.start++
		if c, ok = s.peek(); ok && c == ']' {
			return nil, s.resync("an element must follow the comma")
		}
	}
	switch {
	case !ok && s.err != io.EOF, !ok && s.closed: //nolint:errorlint // As readers return it.
		return nil, s.err
	case !ok:
		return nil, s.resync("the array must end with ]")
	case s.closed:
		return nil, s.resync("nothing may follow the array")
	}
	s.afterElement = true
	if c == '{' || c == '[' || c == '"' {
		return s.value()
	}

	return s.scalar()
}

// value returns the object, array or string that begins at start.
func (s *splitter) value() ([]byte, error) {
	var (
		depth                      int
		quoted, escaped, lineBegin bool
		problem                    rejection
	)
	for i := s.start; ; i++ {
		if i == s.end {
			if s.start == 0 && s.end == len(s.window) {
				problem = rejection(fmt.Sprintf("an event must be at most %d bytes long", maxItemBytes))
				s.start = s.end
			}
			i -= s.start
			if !s.fill() {
				return nil, s.cutShort()
			}
		}
		c := s.window[i]
		if c == '\n' && quoted || c == '{' && lineBegin && !s.array {
			s.start = i

			return nil, s.brokenOff(c)
		}
		lineBegin = c == '\n'
		switch {
		case escaped:
			escaped = false
		case quoted:
			escaped = c == '\\'
			quoted = c != '"'
		case c == '"':
			quoted = true
		case c == '{' || c == '[':
			depth++
			if depth > maxItemDepth {
				problem = rejection(fmt.Sprintf("an event must be nested at most %d deep", maxItemDepth))
			}
		case c == '}' || c == ']':
			depth--
		}
		if depth == 0 && !quoted {
			item := s.window[s.start : i+1]
			s.start = i + 1
			if problem != "" {
				return nil, problem
			}

			return item, nil
		}
	}
}

// scalar returns the number, literal or whatever else begins at start, up to
// what could end an element.
func (s *splitter) scalar() ([]byte, error) {
	for i := s.start; ; i++ {
		if i == s.end {
			if s.start == 0 && s.end == len(s.window) {
				return nil, s.resync("an element of the array must be a JSON object")
			}
			i -= s.start
			if !s.fill() {
				return nil, s.cutShort()
			}
		}
		if bytes.IndexByte([]byte(",] \t\r\n"), s.window[i]) >= 0 {
			item := s.window[s.start:i]
			s.start = i

			return item, nil
		}
	}
}

// cutShort tells that source ended inside an item.
func (s *splitter) cutShort() error {
	s.start = s.end
	if s.err != io.EOF { //nolint:errorlint // As readers return it.
		return s.err
	}

	return s.resync("the body ends inside an event")
}

// brokenOff tells that an item ended with its line, before c.
func (s *splitter) brokenOff(c byte) error {
	if s.array {
		return s.resync("a string must end on the line it begins on")
	}
	if c == '\n' {
		return syntaxError("not valid JSON: a string must end on the line it begins on")
	}

	return syntaxError("not valid JSON: an object must end before the next line that begins with {")
}

// resync skips what cannot be trusted after a syntax error: the rest of the
// line, or of the array. It returns the error that tells so.
func (s *splitter) resync(what string) error {
	if s.array {
		s.start = s.end
		s.err = io.EOF
		s.closed = true

		return syntaxError("not valid JSON: " + what + "; the rest of the array was not read")
	}
	s.skipLine()

	return syntaxError("not valid JSON: " + what)
}

// skipLine skips the rest of the line and returns how it begins.
func (s *splitter) skipLine() string {
	line, _, _ := strings.Cut(string(s.window[s.start:min(s.end, s.start+2*maxShown)]), "\n")
	for {
		if i := bytes.IndexByte(s.window[s.start:s.end], '\n'); i >= 0 {
			s.start += i + 1

			return line
		}
		s.start = s.end
		if !s.fill() {
			return line
		}
	}
}

// peek skips white space and returns the byte after it, false if there is none.
func (s *splitter) peek() (byte, bool) {
	for {
		for ; s.start < s.end; s.start++ {
			switch c := s.window[s.start]; c {
			case ' ', '\t', '\r', '\n':
			default:
				return c, true
			}
		}
		if !s.fill() {
			return 0, false
		}
	}
}

// fill moves what is unread to the front of window and reads on behind it. It
// returns false if there is nothing more to read. There must be room.
func (s *splitter) fill() bool {
	if s.err != nil {
		return false
	}
	s.end = copy(s.window, s.window[s.start:s.end])
	s.start = 0
	// One byte more than allowed tells a body that is too large from one that
	// just fits.
	room := min(int64(len(s.window)-s.end), s.limit-s.read+1)
	for range 100 {
		n, err := s.source.Read(s.window[s.end : s.end+int(room)])
		s.read += int64(n)
		s.end += n
		s.err = err
		if s.read > s.limit {
			s.end, s.err = 0, errDecodedTooLarge(s.limit)
		}
		if n > 0 || s.err != nil {
			return s.end > 0 && n > 0 && s.read <= s.limit
		}
	}
	s.err = io.ErrNoProgress

	return false
}
