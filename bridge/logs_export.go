package bridge

import (
	"bytes"
	"encoding/csv"
	"io"
	"net/http"
	"strings"
	"time"

	"llmwatch/bridge/logstore"
	"llmwatch/bridge/logstore/entry"
)

// exportLogs streams all entries that pass the filters of a search as a file.
func (s *server) exportLogs(w http.ResponseWriter, r *http.Request) error {
	format, err := oneOf(r.URL.Query(), "format", formatCSV, formatJSON)
	if err != nil {
		return err
	}
	q, err := s.logQuery(r, maxLogLimit)
	if err != nil {
		return err
	}
	q.Limit = maxLogLimit
	file := newLogFile(w, format, s.Now())
	if r.Method == http.MethodHead {
		return nil
	}
	for {
		n := 0
		next, err := s.Logs.Search(r.Context(), q, func(at entry.Position, e *entry.Entry) error {
			n++

			return file.add(at, e)
		})
		if err == nil {
			err = file.flush()
		}
		if err != nil {
			w.Header().Del("Content-Disposition") // An error that can still be answered is no download.
			return err
		}
		if next == nil {
			return file.end()
		}
		// Of long entries fewer fill the buffer, and more would be looked for in vain.
		q.After, q.Limit = next, min(max(2*n, minLogLimit), maxLogLimit)
	}
}

// minLogLimit is how few entries an export looks for at once.
const minLogLimit = 10

// logFile gathers entries in a format. add sends nothing, as that of a page.
type logFile interface {
	add(at entry.Position, e *entry.Entry) error
	flush() error
	end() error
}

func newLogFile(w http.ResponseWriter, format string, now time.Time) logFile {
	if format == "" {
		format = formatCSV
	}
	announce(w, "logs", format, now)
	if format == formatCSV {
		f := &csvFile{w: w, row: make([]string, len(logColumns))}
		f.csv = csv.NewWriter(&f.buf)

		return f
	}

	return &jsonFile{w: w}
}

// jsonFile is an array with an entry a line.
type jsonFile struct {
	w     io.Writer
	buf   []byte
	count int
}

func (f *jsonFile) add(at entry.Position, e *entry.Entry) error {
	separator := ",\n"
	if f.count == 0 {
		separator = "[\n"
	}
	f.count++
	f.buf = append(f.buf, separator...)
	f.buf = appendEntry(f.buf, at, e)
	if len(f.buf) < pageBuffer {
		return nil
	}

	return logstore.ErrEnough
}

func (f *jsonFile) flush() error {
	if len(f.buf) == 0 {
		return nil
	}
	_, err := f.w.Write(f.buf)
	f.buf = f.buf[:0]

	return err
}

func (f *jsonFile) end() error {
	if f.count == 0 {
		f.buf = append(f.buf, '[')
	}
	f.buf = append(f.buf, "\n]\n"...)

	return f.flush()
}

// logColumns are the columns of a CSV file: the fields that the documentation
// names, and all others as one JSON object.
var logColumns = []string{
	"timestamp", "level", "logger", "message", "module", "function", "line", "thread", "process",
	"request_id", "attributes", idField,
}

type csvFile struct {
	w      io.Writer
	buf    bytes.Buffer
	csv    *csv.Writer // Into buf.
	row    []string
	headed bool
}

func (f *csvFile) add(at entry.Position, e *entry.Entry) error {
	if err := f.head(); err != nil {
		return err
	}
	for i, name := range logColumns {
		text, _ := e.Text(name) // Empty where the entry has none.
		f.row[i] = harmless(text)
	}
	f.row[len(f.row)-2] = attributes(e)
	f.row[len(f.row)-1] = at.String()
	if err := f.csv.Write(f.row); err != nil {
		return err
	}
	if f.buf.Len() < pageBuffer {
		return nil
	}

	return logstore.ErrEnough
}

// attributes are the fields without a column of their own.
func attributes(e *entry.Entry) string {
	var rest entry.Entry
	for _, field := range e.Fields {
		own := false
		for _, column := range logColumns[4 : len(logColumns)-2] {
			own = own || column == field.Name
		}
		if !own {
			rest.Fields = append(rest.Fields, field)
		}
	}
	if len(rest.Fields) == 0 {
		return ""
	}
	// The four that every entry has come first and have their columns.
	bare := entry.AppendJSON(nil, &entry.Entry{})
	all := string(entry.AppendJSON(nil, &rest))

	return "{" + strings.TrimPrefix(all[len(bare)-1:], ",")
}

func (f *csvFile) head() error {
	if f.headed {
		return nil
	}
	f.headed = true

	return f.csv.Write(logColumns)
}

func (f *csvFile) flush() error {
	f.csv.Flush()
	if err := f.csv.Error(); err != nil {
		return err
	}
	_, err := f.buf.WriteTo(f.w)

	return err
}

func (f *csvFile) end() error {
	if err := f.head(); err != nil {
		return err
	}

	return f.flush()
}
