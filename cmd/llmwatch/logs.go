package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"text/tabwriter"
	"time"
)

type logsCmd struct {
	Search logsSearchCmd `cmd:"" help:"Find log entries."`
	Stats  logsStatsCmd  `cmd:"" help:"Count log entries by level and logger, and show the most frequent errors."`
	Tail   logsTailCmd   `cmd:"" help:"Follow log entries as they arrive."`
}

// logFilterFlags say which entries are wanted.
type logFilterFlags struct {
	Level     []string          `help:"Only entries of these levels: DEBUG, INFO, WARNING, ERROR, CRITICAL." placeholder:"LEVEL"`
	Logger    []string          `help:"Only those of these loggers; api.* is all that begin with api." placeholder:"NAME"`
	Pattern   string            `help:"Only those whose message matches this regular expression (RE2)." placeholder:"REGEX"`
	Text      string            `help:"Only those that hold all these words." placeholder:"WORDS"`
	RequestID string            `help:"Only those of this request." placeholder:"ID"`
	Field     map[string]string `help:"Only those whose field has exactly this value." placeholder:"NAME=VALUE"`
}

func (f *logFilterFlags) query() url.Values {
	q := url.Values{}
	for name, values := range map[string][]string{
		"level": f.Level, "logger": f.Logger, "pattern": {f.Pattern}, "text": {f.Text}, "request_id": {f.RequestID},
	} {
		for _, value := range values {
			setUnlessEmpty(q, name, value)
		}
	}
	for name, value := range f.Field {
		q.Add("field."+name, value)
	}

	return q
}

// logPeriodFlags say of which time besides.
type logPeriodFlags struct {
	logFilterFlags
	Start string `help:"At or after this time: RFC 3339, or back from now such as -1h." placeholder:"TIME"`
	End   string `help:"Before this time." placeholder:"TIME"`
}

func (f *logPeriodFlags) query() url.Values {
	q := f.logFilterFlags.query()
	setUnlessEmpty(q, "start", f.Start)
	setUnlessEmpty(q, "end", f.End)

	return q
}

func setUnlessEmpty(q url.Values, name, value string) {
	if value != "" {
		q.Add(name, value)
	}
}

type logsSearchCmd struct {
	logPeriodFlags
	Order  string `default:"newest" help:"Whether the newest or the oldest come first." placeholder:"ORDER"`
	Limit  int    `default:"100" help:"How many at most, up to 1000." placeholder:"N"`
	Cursor string `help:"The next page, as the end of the one before shows it." placeholder:"CURSOR"`
	clientFlags
}

// Help is shown by `llmwatch logs search --help`.
func (logsSearchCmd) Help() string {
	return `Examples:
  llmwatch logs search --level ERROR --level CRITICAL --start=-1h
  llmwatch logs search --pattern 'database|pool' --limit 20
  llmwatch logs search --request-id req-abc123 --order oldest
  llmwatch logs search --field user_id=42 --json`
}

// Run prints a line for each entry.
func (c *logsSearchCmd) Run(ctx context.Context, out output) error {
	q := c.query()
	setUnlessEmpty(q, "order", c.Order)
	setUnlessEmpty(q, "cursor", c.Cursor)
	q.Set("limit", strconv.Itoa(c.Limit))
	var answer struct {
		Data []logLine `json:"data"`
		Next string    `json:"next_cursor"`
	}
	if printed, err := c.call(ctx, out, http.MethodGet, "/logs/search?"+q.Encode(), nil, &answer); printed || err != nil {
		return err
	}
	width := 0
	for i := range answer.Data {
		width = max(width, len(answer.Data[i].logger))
	}
	for i := range answer.Data {
		fmt.Fprint(out.stdout, answer.Data[i].format(min(width, maxLoggerWidth)))
	}
	if answer.Next != "" {
		fmt.Fprintf(out.stderr, "there is more: --cursor %s\n", answer.Next)
	}

	return nil
}

// maxLoggerWidth bounds the column of loggers.
const maxLoggerWidth = 32

// logLine is an entry with its fields in the order in which they came.
type logLine struct {
	timestamp, level, logger, message string
	fields                            []string // name=value
}

// UnmarshalJSON implements json.Unmarshaler.
func (l *logLine) UnmarshalJSON(text []byte) error {
	*l = logLine{}
	decoder := json.NewDecoder(bytes.NewReader(text))
	if _, err := decoder.Token(); err != nil {
		return err
	}
	for decoder.More() {
		key, err := decoder.Token()
		if err != nil {
			return err
		}
		var value json.RawMessage
		if err := decoder.Decode(&value); err != nil {
			return err
		}
		l.set(fmt.Sprint(key), value)
	}

	return nil
}

func (l *logLine) set(name string, value json.RawMessage) {
	var text string
	isText := json.Unmarshal(value, &text) == nil && value[0] == '"'
	switch name {
	case "timestamp":
		l.timestamp = text
	case "level":
		l.level = text
	case "logger":
		l.logger = harmless(text)
	case "message":
		l.message = harmless(text)
	case "_id":
	default:
		if !isText || strings.ContainsAny(text, " \t\n\"=") || text != harmless(text) {
			text = string(value)
		}
		l.fields = append(l.fields, harmless(name)+"="+text)
	}
}

// harmless replaces what a terminal would take for a command.
func harmless(text string) string {
	return strings.Map(func(r rune) rune {
		if (r < ' ' && r != '\n' && r != '\t') || (r >= 0x7f && r < 0xa0) {
			return '\uFFFD'
		}

		return r
	}, text)
}

// format is the line as people read it. Further lines of a message are indented.
func (l *logLine) format(loggerWidth int) string {
	message := strings.ReplaceAll(strings.TrimRight(l.message, "\n"), "\n", "\n    ")
	fields := strings.Join(l.fields, " ")
	separator := "  "
	if strings.Contains(message, "\n") {
		separator = "\n    "
	}
	line := fmt.Sprintf("%s %-8s %-*s %s", l.timestamp, l.level, loggerWidth, l.logger, message)
	if fields != "" {
		line += separator + fields
	}

	return line + "\n"
}

type logsStatsCmd struct {
	logPeriodFlags
	Hours *int `help:"How many hours back, up to 720, instead of --start and --end; 24 without any of them." placeholder:"N"`
	clientFlags
}

// Help is shown by `llmwatch logs stats --help`.
func (logsStatsCmd) Help() string {
	return `Examples:
  llmwatch logs stats
  llmwatch logs stats --hours 1 --json
  llmwatch logs stats --start=-2h --end=-1h --logger 'api.*' --pattern 'timed? ?out'`
}

// Run prints tables.
func (c *logsStatsCmd) Run(ctx context.Context, out output) error {
	q := c.query()
	if c.Hours != nil {
		q.Set("hours", strconv.Itoa(*c.Hours))
	}
	var answer struct {
		Hours int       `json:"time_range_hours"`
		Start time.Time `json:"start"`
		End   time.Time `json:"end"`
		Data  struct {
			Total     int            `json:"total_entries"`
			ByLevel   map[string]int `json:"by_level"`
			ByLogger  map[string]int `json:"by_logger"`
			TopErrors []struct {
				Message  string    `json:"message"`
				Logger   string    `json:"logger"`
				Count    int       `json:"count"`
				LastSeen time.Time `json:"last_seen"`
			} `json:"top_errors"`
			Store struct {
				Bytes         int64     `json:"bytes"`
				Blocks        int       `json:"blocks"`
				DamagedBlocks int       `json:"damaged_blocks"`
				Oldest        time.Time `json:"oldest"`
			} `json:"store"`
		} `json:"data"`
	}
	if printed, err := c.call(ctx, out, http.MethodGet, "/logs/statistics?"+q.Encode(), nil, &answer); printed || err != nil {
		return err
	}
	d := &answer.Data
	if answer.Start.IsZero() {
		fmt.Fprintf(out.stdout, "%d entries in %d hours", d.Total, answer.Hours)
	} else {
		fmt.Fprintf(out.stdout, "%d entries from %s to %s", d.Total, answer.Start.Format(time.RFC3339), answer.End.Format(time.RFC3339))
	}
	if !d.Store.Oldest.IsZero() {
		fmt.Fprintf(out.stdout, "; in all %d bytes on disk, the oldest entry of %s", d.Store.Bytes, d.Store.Oldest.Format(time.RFC3339))
	}
	if d.Store.DamagedBlocks > 0 {
		fmt.Fprintf(out.stdout, "; %d damaged blocks left out", d.Store.DamagedBlocks)
	}
	fmt.Fprintln(out.stdout)
	w := tabwriter.NewWriter(out.stdout, 0, 0, 2, ' ', 0)
	fmt.Fprintln(w, "\nLEVEL\tENTRIES")
	for _, level := range []string{"CRITICAL", "ERROR", "WARNING", "INFO", "DEBUG"} {
		fmt.Fprintf(w, "%s\t%d\n", level, d.ByLevel[level])
	}
	fmt.Fprintln(w, "\nLOGGER\tENTRIES")
	for _, logger := range byCount(d.ByLogger) {
		fmt.Fprintf(w, "%s\t%d\n", harmless(logger), d.ByLogger[logger])
	}
	if len(d.TopErrors) > 0 {
		fmt.Fprintln(w, "\nCOUNT\tLAST\tLOGGER\tERROR")
	}
	for _, e := range d.TopErrors {
		message, _, _ := strings.Cut(harmless(e.Message), "\n")
		fmt.Fprintf(w, "%d\t%s\t%s\t%s\n", e.Count, e.LastSeen.Format(time.RFC3339), harmless(e.Logger), message)
	}

	return w.Flush()
}

// byCount returns the names with the highest counts first.
func byCount(counts map[string]int) []string {
	names := make([]string, 0, len(counts))
	for name := range counts {
		names = append(names, name)
	}
	slices.SortFunc(names, func(a, b string) int {
		if counts[a] != counts[b] {
			return counts[b] - counts[a]
		}

		return strings.Compare(a, b)
	})

	return names
}
