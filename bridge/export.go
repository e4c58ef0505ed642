package bridge

import (
	"bytes"
	"encoding/csv"
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"time"

	"llmwatch/bridge/alert"
	"llmwatch/bridge/metrics"
)

// The formats of exports.
const (
	formatCSV  = "csv"
	formatJSON = "json"
)

// export is a download under way: rows of one kind, written as they come. The
// columns are the fields of the rows' JSON, in their order.
type export struct {
	w     http.ResponseWriter
	table *csv.Writer // Nil where the format is JSON.
	rows  int
}

// beginExport reads the format and answers the headers of a download. sample is a
// row that has every column.
func (s *server) beginExport(w http.ResponseWriter, r *http.Request, kind string, sample any) (*export, error) {
	format, err := oneOf(r.URL.Query(), "format", formatCSV, formatJSON)
	if err != nil {
		return nil, err
	}
	if format == "" {
		format = formatCSV
	}
	e := &export{w: w}
	fields, err := fieldsOf(sample)
	if err != nil {
		return nil, err
	}
	header := make([]string, len(fields))
	for i, f := range fields {
		header[i] = f.name
	}
	announce(w, kind, format, s.Now())
	if format == formatCSV {
		e.table = csv.NewWriter(w)
		err = e.table.Write(header)
	}
	// What fails from here on cuts the answer off instead of ending it.
	w.WriteHeader(http.StatusOK)

	return e, err
}

// announce sets the headers of a download.
func announce(w http.ResponseWriter, kind, format string, now time.Time) {
	h := w.Header()
	h.Set("Content-Disposition", fmt.Sprintf(`attachment; filename="llmwatch-%s-%s.%s"`, kind, now.UTC().Format("20060102T150405Z"), format))
	h.Set("Cache-Control", "no-store")
	h.Set("Content-Type", "application/json; charset=utf-8")
	if format == formatCSV {
		h.Set("Content-Type", "text/csv; charset=utf-8; header=present")
	}
}

// row writes one row.
func (e *export) row(row any) error {
	if e.table == nil {
		separator := ",\n"
		if e.rows == 0 {
			separator = "[\n"
		}
		e.rows++
		text, err := json.Marshal(row)
		if err != nil {
			return err
		}
		_, err = e.w.Write(append([]byte(separator), text...))

		return err
	}
	fields, err := fieldsOf(row)
	if err != nil {
		return err
	}
	e.rows++
	cells := make([]string, len(fields))
	for i, f := range fields {
		cells[i] = f.cell()
	}

	return e.table.Write(cells)
}

// end completes the download.
func (e *export) end() error {
	if e.table != nil {
		e.table.Flush()

		return e.table.Error()
	}
	end := "\n]\n"
	if e.rows == 0 {
		end = "[]\n"
	}
	_, err := e.w.Write([]byte(end))

	return err
}

// namedValue is a member of an object.
type namedValue struct {
	name  string
	value json.RawMessage
}

// fieldsOf returns the members of what v is in JSON, in their order.
func fieldsOf(v any) ([]namedValue, error) {
	text, err := json.Marshal(v)
	if err != nil {
		return nil, err
	}
	decoder := json.NewDecoder(bytes.NewReader(text))
	if _, err := decoder.Token(); err != nil {
		return nil, err
	}
	var fields []namedValue
	for decoder.More() {
		key, err := decoder.Token()
		if err != nil {
			return nil, err
		}
		f := namedValue{name: fmt.Sprint(key)}
		if err := decoder.Decode(&f.value); err != nil {
			return nil, err
		}
		fields = append(fields, f)
	}

	return fields, nil
}

// cell is the value as a cell: texts without quotes, null empty, the rest as JSON
// has it. Texts are made harmless, since much of it comes from outside.
func (f namedValue) cell() string {
	var text string
	if f.value[0] != '"' || json.Unmarshal(f.value, &text) != nil {
		if string(f.value) == "null" {
			return ""
		}

		return string(f.value)
	}

	return harmless(text)
}

// harmless puts an apostrophe in front of a text that a spreadsheet would take for
// a formula.
func harmless(text string) string {
	if strings.ContainsAny(text[:min(1, len(text))], "=+-@\t\r") {
		return "'" + text
	}

	return text
}

// exportSamples answers with what was measured in a period.
func exportSamples[T any](s *server, w http.ResponseWriter, r *http.Request, kind string, ask question[T]) error {
	p, err := samplePeriods.read(r.URL.Query(), s.Now())
	if err != nil {
		return err
	}
	data, err := ask(r.Context(), p.end, p.length())
	if err != nil {
		return err
	}
	var sample T
	e, err := s.beginExport(w, r, kind, sample)
	if err != nil {
		return err
	}
	for i := range data {
		if err := e.row(&data[i]); err != nil {
			return err
		}
	}

	return e.end()
}

func (s *server) exportSystem(w http.ResponseWriter, r *http.Request) error {
	return exportSamples(s, w, r, "system", s.systemOf(r))
}

func (s *server) exportAPI(w http.ResponseWriter, r *http.Request) error {
	return exportSamples(s, w, r, "api", s.Metrics.API)
}

func (s *server) exportApp(w http.ResponseWriter, r *http.Request) error {
	return exportSamples(s, w, r, "app", s.Metrics.App)
}

// alertRow is an alert in an export.
type alertRow struct {
	ID             string            `json:"id"`
	Name           string            `json:"name"`
	Severity       alert.Severity    `json:"severity"`
	Status         alert.Status      `json:"status"`
	Description    string            `json:"description"`
	CreatedAt      metrics.Time      `json:"created_at"`
	FiredAt        metrics.Time      `json:"fired_at"`
	ResolvedAt     metrics.Time      `json:"resolved_at"`
	AcknowledgedBy string            `json:"acknowledged_by"`
	AcknowledgedAt metrics.Time      `json:"acknowledged_at"`
	Comment        string            `json:"comment"`
	Flaps          int               `json:"flaps"`
	Value          *float64          `json:"value"`
	Labels         map[string]string `json:"labels"`
}

func rowOf(a *alert.Alert) alertRow {
	row := alertRow{
		ID: a.ID, Name: a.Name, Severity: a.Severity, Status: a.Status, Description: a.Description,
		CreatedAt: metrics.Time{Time: a.StartsAt}, FiredAt: metrics.Time{Time: a.FiredAt}, ResolvedAt: metrics.Time{Time: a.ResolvedAt},
		Flaps: a.Flaps, Value: a.Value, Labels: notNil(a.Labels),
	}
	if a.Ack != nil {
		row.AcknowledgedBy, row.AcknowledgedAt, row.Comment = a.Ack.By, metrics.Time{Time: a.Ack.At}, a.Ack.Comment
	}

	return row
}

// exportPage is how many alerts are in memory at a time.
const exportPage = 1000

// exportAlerts answers with the history, page by page.
func (s *server) exportAlerts(w http.ResponseWriter, r *http.Request) error {
	filter, err := s.historyFilter(r)
	if err != nil {
		return err
	}
	filter.Limit = exportPage
	page, err := s.AlertStore.List(r.Context(), filter)
	if err != nil {
		return err
	}
	e, err := s.beginExport(w, r, "alerts", alertRow{})
	if err != nil {
		return err
	}
	for {
		for i := range page.Alerts {
			if err := e.row(rowOf(&page.Alerts[i])); err != nil {
				return err
			}
		}
		if page.Next == "" {
			return e.end()
		}
		filter.Cursor = page.Next
		if page, err = s.AlertStore.List(r.Context(), filter); err != nil {
			return err
		}
	}
}
