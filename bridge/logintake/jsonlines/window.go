package jsonlines

import (
	"bytes"
	"io"
)

const (
	// maxLine is how long a line, or an element, may be.
	maxLine = 1 << 20
	// startSize is that of a window for lines of usual length.
	startSize = 64 << 10
)

// window is the part of a body that is in memory.
type window struct {
	source     io.Reader
	err        error // Why source has ended: io.EOF after its last byte.
	buf        []byte
	start, end int // What of buf is unread.
}

func (w *window) reset(source io.Reader) {
	buf := w.buf
	if len(buf) != startSize {
		buf = make([]byte, startSize) // One that has grown is not kept.
	}
	*w = window{source: source, buf: buf}
}

// fill reads on behind what is unread. It returns false if there is nothing more.
// A full window grows up to the length of a line.
func (w *window) fill() bool {
	if w.err != nil {
		return false
	}
	if w.start > 0 {
		w.end = copy(w.buf, w.buf[w.start:w.end])
		w.start = 0
	}
	if w.end == len(w.buf) {
		grown := make([]byte, 2*len(w.buf))
		copy(grown, w.buf)
		w.buf = grown
	}
	for range 100 {
		n, err := w.source.Read(w.buf[w.end:])
		w.end += n
		w.err = err
		if n > 0 || err != nil {
			return n > 0
		}
	}
	w.err = io.ErrNoProgress

	return false
}

// line returns the next line without its end, valid until the next call, and how
// many bytes it has; beyond maxLine they are left out.
func (w *window) line() (line []byte, size int, err error) {
	seen := 0
	for {
		if i := bytes.IndexByte(w.buf[w.start+seen:w.end], '\n'); i >= 0 {
			line = w.buf[w.start : w.start+seen+i]
			w.start += seen + i + 1

			return line[:min(len(line), maxLine)], len(line), nil
		}
		seen = w.end - w.start
		if seen > maxLine {
			return w.longLine()
		}
		if !w.fill() {
			break
		}
	}
	if w.err != io.EOF || seen == 0 { //nolint:errorlint // As readers return it.
		return nil, 0, w.err
	}
	line = w.buf[w.start:w.end]
	w.start = w.end

	return line, len(line), nil
}

// longLine returns the beginning of a line and goes past the rest.
func (w *window) longLine() (line []byte, size int, err error) {
	line = bytes.Clone(w.buf[w.start : w.start+maxLine])
	for {
		if i := bytes.IndexByte(w.buf[w.start:w.end], '\n'); i >= 0 {
			w.start += i + 1

			return line, size + i, nil
		}
		size += w.end - w.start
		w.start = w.end
		if !w.fill() {
			break
		}
	}
	if w.err != io.EOF { //nolint:errorlint // As readers return it.
		return nil, 0, w.err
	}

	return line, size, nil
}

// shape is how entries follow each other in a body.
type shape int

const (
	lines shape = iota
	array
	objects
)

var byteOrderMark = []byte("\xEF\xBB\xBF")

// shape looks at the beginning of a body, and goes past what is before the first
// entry. A line of text may begin with [ too.
func (w *window) shape() shape {
	for w.end-w.start < len(byteOrderMark) && w.fill() {
	}
	w.start += len(w.buf[w.start:w.end]) - len(bytes.TrimPrefix(w.buf[w.start:w.end], byteOrderMark))
	first, second := w.marks()
	switch {
	case first == '[' && (second == '{' || second == ']'):
		w.start += bytes.IndexByte(w.buf[w.start:w.end], '[') + 1

		return array
	case first == '{' && second == '\n':
		return objects
	}

	return lines
}

// marks returns the first byte that is not white space and what follows it: after
// a bracket the next one that is not white space, after a brace the next one that
// is neither blank nor carriage return. 0 is none within the window.
func (w *window) marks() (first, second byte) {
	at := func(i int) (byte, bool) {
		for w.start+i >= w.end {
			if w.end-w.start == len(w.buf) || !w.fill() {
				return 0, false
			}
		}

		return w.buf[w.start+i], true
	}
	for i := 0; ; i++ {
		c, ok := at(i)
		blank := c == ' ' || c == '\t' || c == '\r'
		switch {
		case !ok:
			return first, 0
		case blank || (c == '\n' && first != '{'):
		case first == 0:
			first = c
		default:
			return first, c
		}
	}
}

// brokenError tells why nothing after it can be read.
type brokenError string

// Error implements error.
func (e brokenError) Error() string { return string(e) }

// element returns the next value of an array, or the next of objects that follow
// each other, as line does.
func (w *window) element(inArray, first bool) (value []byte, size int, err error) {
	c, ok := w.peek()
	if inArray && ok && c == ']' {
		return nil, 0, w.closed()
	}
	if inArray && ok && !first {
		if c != ',' {
			return nil, 0, brokenError("not valid JSON: a comma or ] must follow an element; what follows was not read")
		}
		w.start++
		c, ok = w.peek()
	}
	switch {
	case !ok && w.err != io.EOF: //nolint:errorlint // As readers return it.
		return nil, 0, w.err
	case !ok && inArray:
		return nil, 0, brokenError("not valid JSON: the body ends inside the array")
	case !ok:
		return nil, 0, io.EOF
	case c == ',' || c == ']' || (!inArray && c != '{'):
		return nil, 0, brokenError("not valid JSON: an object must begin here; what follows was not read")
	}

	return w.value()
}

// closed checks that nothing follows an array.
func (w *window) closed() error {
	w.start++
	if _, ok := w.peek(); ok {
		return brokenError("not valid JSON: nothing may follow the array; what follows was not read")
	}

	return w.err
}

// peek goes past white space and returns the byte after it, false if there is none.
func (w *window) peek() (byte, bool) {
	for {
		for ; w.start < w.end; w.start++ {
			switch c := w.buf[w.start]; c {
			case ' ', '\t', '\r', '\n':
			default:
				return c, true
			}
		}
		if !w.fill() {
			return 0, false
		}
	}
}

// value returns the value at start. It only counts brackets, so it need not be
// valid JSON. Of one that is too long nothing but its beginning is kept.
func (w *window) value() (value []byte, size int, err error) {
	var depth int
	var quoted, escaped bool
	var head []byte
	for i := w.start; ; i++ {
		if i == w.end {
			if i-w.start > maxLine {
				if head == nil {
					head = bytes.Clone(w.buf[w.start : w.start+maxLine])
				}
				size += i - w.start
				w.start = i
			}
			i -= w.start
			if !w.fill() {
				return nil, 0, w.cutShort()
			}
		}
		c := w.buf[i]
		scalarEnds := depth == 0 && !quoted && i > w.start && (c == ',' || c == ']' || c == ' ' || c == '\t' || c == '\r' || c == '\n')
		if scalarEnds {
			value, w.start = w.buf[w.start:i], i

			break
		}
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
		case c == '}' || c == ']':
			depth--
		default:
			continue
		}
		if depth == 0 && !quoted && c != '\\' {
			value, w.start = w.buf[w.start:i+1], i+1

			break
		}
	}
	size += len(value)
	if head != nil {
		value = head
	}

	return value[:min(len(value), maxLine)], size, nil
}

// cutShort tells that the body ended inside a value.
func (w *window) cutShort() error {
	if w.err != io.EOF { //nolint:errorlint // As readers return it.
		return w.err
	}

	return brokenError("not valid JSON: the body ends inside an object")
}
