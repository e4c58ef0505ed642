package jsonlines

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"strconv"
	"strings"
	"sync"
	"time"
	"unicode/utf8"

	"llmwatch/bridge/logintake"
	"llmwatch/bridge/logstore/entry"
	"llmwatch/logship"
)

// Format reads lines of JSON. It is safe for concurrent use; get one from New.
type Format struct {
	readers sync.Pool // Of *reader.
}

// New returns a Format. What the redactor takes for secrets is replaced.
func New(redactor *logship.Redactor) *Format {
	return &Format{readers: sync.Pool{New: func() any {
		return &reader{parser: parser{redact: redactor}}
	}}}
}

// Read implements logintake.Format. The lines are those of a file: JSON objects,
// or anything else, which becomes a message. A body that begins with [ and { is an
// array; one whose first line is { alone holds objects that span lines.
func (f *Format) Read(body io.Reader, arrival time.Time, to logintake.Sink) error {
	r := f.readers.Get().(*reader)
	defer f.readers.Put(r)
	r.window.reset(body)
	defer r.window.reset(nil)
	r.arrival, r.sink, r.number = arrival.UnixNano(), to, 0
	defer func() { r.sink = nil }()
	switch r.window.shape() {
	case array:
		return r.elements(true)
	case objects:
		return r.elements(false)
	default:
		return r.lines()
	}
}

// reader reads one body at a time.
type reader struct {
	window  window
	parser  parser
	entry   entry.Entry
	arrival int64
	sink    logintake.Sink
	number  int // Of the line or element, from 1.
}

// lines reads a body of lines.
func (r *reader) lines() error {
	for {
		line, size, err := r.window.line()
		if err == io.EOF { //nolint:errorlint // As readers return it.
			return nil
		}
		if err != nil {
			return err
		}
		r.number++
		if line = bytes.TrimSpace(line); len(line) == 0 {
			continue
		}
		if err := r.take(line, size); err != nil {
			return err
		}
	}
}

// take makes an entry of a line, of which size bytes were sent and at most
// maxLine are here.
func (r *reader) take(line []byte, size int) error {
	if size > maxLine {
		if line[0] == '{' {
			r.sink.Reject(r.number, fmt.Sprintf("an entry must be at most %d bytes long, got %d", maxLine, size))

			return nil
		}

		return r.text(line, size)
	}
	err := r.parser.parse(line)
	if errors.Is(err, errSyntax) {
		return r.text(line, size)
	}
	if err == nil {
		err = r.parser.resolve(&r.entry, r.arrival)
	}
	if err != nil {
		r.sink.Reject(r.number, err.Error())

		return nil
	}

	return r.sink.Add(&r.entry, size)
}

// The fields of a message that was cut.
const (
	truncatedField = "truncated"
	originalSize   = "original_size"
)

// text makes an entry of a line that is not JSON.
func (r *reader) text(line []byte, size int) error {
	message := view(line)
	if size > maxLine {
		message = message[:len(message)-partial(message)]
	}
	if !utf8.ValidString(message) {
		message = strings.ToValidUTF8(message, "\uFFFD")
	}
	r.entry = entry.Entry{
		Time: r.arrival, Level: entry.Info, Message: r.parser.redact.String(message), Fields: r.entry.Fields[:0],
	}
	if size > maxLine {
		r.entry.Fields = append(r.entry.Fields,
			entry.Field{Name: truncatedField, Kind: entry.Bool, Value: "true"},
			entry.Field{Name: originalSize, Kind: entry.Number, Value: strconv.Itoa(size)})
	}

	return r.sink.Add(&r.entry, size)
}

// partial is how many bytes at the end are the beginning of a character.
func partial(s string) int {
	for n := 1; n < utf8.UTFMax && n <= len(s); n++ {
		if c := s[len(s)-n]; utf8.RuneStart(c) {
			if c >= utf8.RuneSelf && !utf8.FullRuneInString(s[len(s)-n:]) {
				return n
			}

			return 0
		}
	}

	return 0
}

// elements reads a body of values that may span lines: those of an array, or
// objects that follow each other.
func (r *reader) elements(inArray bool) error {
	for {
		value, size, err := r.window.element(inArray, r.number == 0)
		if err == io.EOF { //nolint:errorlint // As readers return it.
			return nil
		}
		r.number++
		if broken, ok := errors.AsType[brokenError](err); ok {
			r.sink.Reject(r.number, broken.Error())

			return nil
		}
		if err != nil {
			return err
		}
		if size <= maxLine && value[0] == '{' && errors.Is(r.parser.parse(value), errSyntax) {
			r.sink.Reject(r.number, "not valid JSON; what follows was not read")

			return nil
		}
		if err := r.take(value, size); err != nil {
			return err
		}
	}
}
