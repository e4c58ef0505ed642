package bridge

import (
	"bufio"
	"bytes"
	"compress/gzip"
	"context"
	"encoding/csv"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/prometheus/client_golang/prometheus"

	"llmwatch/bridge/logintake"
	"llmwatch/bridge/logintake/jsonlines"
	"llmwatch/bridge/logstore/entry"
	"llmwatch/logship"
)

// putLogs puts a bridge with a log store on the bench.
func putLogs(t testing.TB) (*bench, *memoryLogs) {
	t.Helper()

	logs := newMemoryLogs()

	return put(t, &fakeMetrics{}, func(o *Options) {
		o.Logs = logs
		o.Receivers = map[string]http.Handler{"/logs": logReceiver(t, logs)}
	}), logs
}

func logReceiver(t testing.TB, logs logintake.Store) http.Handler {
	t.Helper()

	in, err := logintake.New(logintake.Options{
		Store: logs, Format: jsonlines.New(logship.NewRedactor()), Registerer: prometheus.NewPedanticRegistry(),
		Now: func() time.Time { return noon },
	})
	if err != nil {
		t.Fatal(err)
	}

	return in
}

// logPage is a page as the API answers it.
type logPage struct {
	Data []struct {
		ID        string `json:"_id"`
		Timestamp string `json:"timestamp"`
		Level     string `json:"level"`
		Logger    string `json:"logger"`
		Message   string `json:"message"`
	} `json:"data"`
	Count int     `json:"count"`
	Next  *string `json:"next_cursor"`
	Error Error   `json:"error"`
}

func (p *logPage) messages() []string {
	var all []string
	for _, e := range p.Data {
		all = append(all, e.Message)
	}

	return all
}

func TestSearchFindsWhatItsParametersAskFor(t *testing.T) {
	b, logs := putLogs(t)
	logs.put(4, func(i int, e *entry.Entry) {
		switch i {
		case 1:
			e.Level, e.Logger = entry.Error, "db.pool"
			e.Fields = []entry.Field{{Name: "request_id", Value: "req-1"}, {Name: "status", Kind: entry.Number, Value: "500"}}
		case 2:
			e.Level, e.Message = entry.Critical, "out of memory"
			e.Fields = []entry.Field{{Name: "a b&c", Value: "x=y"}}
		}
	})
	all := []string{"message 3", "out of memory", "message 1", "message 0"}
	for query, want := range map[string][]string{
		"":                                all,
		"order=newest":                    all,
		"order=oldest":                    {"message 0", "message 1", "out of memory", "message 3"},
		"level=ERROR":                     {"message 1"},
		"level=error,critical":            {"out of memory", "message 1"},
		"level=ERROR&level=FATAL":         {"out of memory", "message 1"},
		"logger=db.pool":                  {"message 1"},
		"logger=db.*":                     {"message 1"},
		"logger=x,db.pool":                {"message 1"},
		"pattern=%5Emessage+%5B01%5D%24":  {"message 1", "message 0"},
		"text=Memory+of":                  {"out of memory"},
		"request_id=req-1":                {"message 1"},
		"field.status=500":                {"message 1"},
		"field.status=1&field.status=500": {"message 1"},
		"field.a+b%26c=x%3Dy":             {"out of memory"},
		"field.status=500&level=INFO":     nil,
		"start=2026-11-23T11:59:59Z":      {"message 3", "out of memory"},
		"end=2026-11-23T11:59:58Z":        {"message 0"},
		"end=1969-01-01T00:00:00Z":        nil,
		"start=-1s":                       {"message 3", "out of memory"},
		"start=9999-01-01T00:00:00Z":      nil,
		"limit=1":                         {"message 3"},
	} {
		var page logPage
		if code := b.get("/logs/search?"+query, &page); code != http.StatusOK || page.Count != len(want) {
			t.Errorf("%s answers %d, count %d", query, code, page.Count)
		}
		if diff := cmp.Diff(want, page.messages()); diff != "" {
			t.Errorf("%s (-want +got):\n%s", query, diff)
		}
	}
}

func TestSearchRefusesWhatItCannotMean(t *testing.T) {
	b, _ := putLogs(t)
	for query, want := range map[string]string{
		"level=loud":                           `level must be some of DEBUG, INFO, WARNING, ERROR, CRITICAL, got "loud"`,
		"order=up":                             `order must be one of newest, oldest, got "up"`,
		"limit=1001":                           `limit must be a whole number from 1 to 1000, got "1001"`,
		"cursor=x":                             `cursor must be the next_cursor of the page before, got "x"`,
		"start=soon":                           `start must be a time such as 2024-01-15T10:30:45Z or -1h, got "soon"`,
		"start=-1h&end=-2h":                    `start must not be after end, got "-1h" and "-2h"`,
		"field.=1":                             `field. must be followed by the name of a field, such as field.user_id=42`,
		"pattern=ab%5Bc":                       `pattern must be a regular expression of RE2: missing closing ] at character 3 of "ab[c"`,
		"pattern=(ab":                          `pattern must be a regular expression of RE2: missing closing ) at character 4 of "(ab"`,
		"pattern=ab)c":                         `pattern must be a regular expression of RE2: unexpected ) at character 3 of "ab)c"`,
		"pattern=%C3%A9**":                     `pattern must be a regular expression of RE2: invalid nested repetition operator at character 2 of "é**"`,
		"pattern=(%3F%3Dx)":                    `pattern must be a regular expression of RE2: invalid or unsupported Perl syntax at character 1 of "(?=x)"`,
		"pattern=" + strings.Repeat("x", 1001): `pattern must be at most 1000 bytes long, got 1001`,
		"pattern=(x%7B1000%7D%7Cy%7B1000%7D)%7B1%2C2%7D": `pattern must be a regular expression of RE2: invalid repeat count at character 18 of "(x{1000}|y{1000}){1,2}"`,
		"pattern=x%7B1000%7Dy%7B1000%7D":                 `pattern is too large once its repetitions are written out; use smaller ones, or *`,
		"text=" + strings.Repeat("x+", 33):               `text must hold at most 32 words, got 33`,
		"logger=" + strings.Repeat("x,", 101):            `logger must name at most 100 loggers, got 101`,
	} {
		var page logPage
		code := b.get("/logs/search?"+query, &page)
		if code != http.StatusBadRequest || page.Error.Message != want {
			t.Errorf("%s answers %d %q, want %q", query, code, page.Error.Message, want)
		}
	}
}

func TestCatastrophicPatternsAreNot(t *testing.T) {
	b, logs := putLogs(t)
	logs.put(1, func(_ int, e *entry.Entry) { e.Message = strings.Repeat("a", 100_000) + "!" })
	begin := time.Now()
	var page logPage
	if code := b.get("/logs/search?pattern="+url.QueryEscape(`^(a+)+(a|aa)*$`), &page); code != http.StatusOK || page.Count != 0 {
		t.Errorf("answers %d with %d entries", code, page.Count)
	}
	if took := time.Since(begin); took > 5*time.Second {
		t.Errorf("took %s", took)
	}
}

func TestPagesAreStableWhileEntriesArrive(t *testing.T) {
	b, logs := putLogs(t)
	logs.put(25, nil)
	var got []string
	cursor := ""
	for {
		var page logPage
		b.get("/logs/search?limit=10&cursor="+cursor, &page)
		got = append(got, page.messages()...)
		logs.put(3, func(_ int, e *entry.Entry) { e.Time, e.Message = noon.Add(time.Hour).UnixNano(), "new" })
		if page.Next == nil {
			break
		}
		cursor = *page.Next
	}
	if len(got) != 25 || got[0] != "message 24" || got[24] != "message 0" || slices.Contains(got, "new") {
		t.Errorf("pages hold %d: %v", len(got), got)
	}
}

func TestIDsInEntriesDoNotHideOurs(t *testing.T) {
	b, logs := putLogs(t)
	logs.put(1, func(_ int, e *entry.Entry) { e.Fields = []entry.Field{{Name: "_id", Value: "theirs"}} })
	var answer struct {
		Data []map[string]any `json:"data"`
	}
	b.get("/logs/search", &answer)
	if id, err := entry.ParsePosition(fmt.Sprint(answer.Data[0]["_id"])); err != nil || id.Time != noon.UnixNano() || answer.Data[0]["_id_original"] != "theirs" {
		t.Errorf("answers %v", answer.Data[0])
	}
}

func TestALongPageThatFailsDoesNotLookWhole(t *testing.T) {
	b, logs := putLogs(t)
	logs.put(1000, func(_ int, e *entry.Entry) { e.Message = strings.Repeat("x", 10_000) })
	outside := httptest.NewServer(b.handler)
	defer outside.Close()
	ctx, cancel := context.WithCancelCause(t.Context())
	defer cancel(nil)
	found := 0
	logs.slow = func() {
		if found++; found == 900 {
			cancel(errors.New("enough"))
			time.Sleep(10 * time.Millisecond)
		}
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, outside.URL+Base+"/logs/search?limit=1000", http.NoBody)
	if err != nil {
		t.Fatal(err)
	}
	resp, err := outside.Client().Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err == nil || json.Valid(body) {
		t.Errorf("%d bytes of an answer that was broken off end with %v", len(body), err)
	}
}

func TestContextShowsNeighbours(t *testing.T) {
	b, logs := putLogs(t)
	logs.put(9, func(i int, e *entry.Entry) {
		if i%2 == 1 {
			e.Logger = "db"
		}
		e.Fields = []entry.Field{{Name: "process", Kind: entry.Number, Value: strconv.Itoa(i / 3)}}
	})
	var page logPage
	b.get("/logs/search?text=4", &page)
	id := page.Data[0].ID
	for query, want := range map[string][]string{
		"&before=1&after=2":     {"message 3", "message 4", "message 5", "message 6"},
		"&before=0&after=0":     {"message 4"},
		"&before=1&same=logger": {"message 2", "message 4", "message 6", "message 8"},
		"&same=process":         {"message 3", "message 4", "message 5"},
	} {
		page = logPage{}
		if code := b.get("/logs/context?id="+id+query, &page); code != http.StatusOK {
			t.Errorf("%s answers %d", query, code)
		}
		if diff := cmp.Diff(want, page.messages()); diff != "" {
			t.Errorf("%s (-want +got):\n%s", query, diff)
		}
	}
	for query, want := range map[string]int{"": http.StatusBadRequest, "id=x": http.StatusBadRequest, "id=1.1": http.StatusNotFound, "id=" + id + "&same=host": http.StatusBadRequest} {
		if code := b.get("/logs/context?"+query, nil); code != want {
			t.Errorf("%s answers %d, want %d", query, code, want)
		}
	}
}

func TestStatisticsCount(t *testing.T) {
	b, logs := putLogs(t)
	logs.put(150, func(i int, e *entry.Entry) {
		e.Time--
		e.Logger = fmt.Sprintf("logger%d", i)
		if i < 40 {
			e.Logger = "busy"
		}
		if i == 149 {
			e.Level = entry.Error
		}
	})
	var answer struct {
		Data logStatisticsView `json:"data"`
	}
	if code := b.get("/logs/statistics?hours=1", &answer); code != http.StatusOK {
		t.Fatalf("answers %d", code)
	}
	d := answer.Data
	if d.TotalEntries != 150 || d.ByLevel["INFO"] != 149 || d.ByLevel["ERROR"] != 1 || len(d.ByLevel) != 5 {
		t.Errorf("total %d, by level %v", d.TotalEntries, d.ByLevel)
	}
	if d.ByLogger["busy"] != 40 || len(d.ByLogger) != maxLoggersShown+1 || d.ByLogger[otherLoggers] != 11 {
		t.Errorf("by logger: %d, busy %d, other %d", len(d.ByLogger), d.ByLogger["busy"], d.ByLogger[otherLoggers])
	}
	if len(d.Histogram) != defaultLogBuckets || d.Histogram[59].ByLevel["INFO"] != 59 || len(d.TopErrors) != 1 || d.TopErrors[0].Message != "message 149" {
		t.Errorf("histogram %v, errors %v", d.Histogram, d.TopErrors)
	}
}

func TestStatisticsCountWhatASearchFinds(t *testing.T) {
	b, logs := putLogs(t)
	logs.put(40, func(i int, e *entry.Entry) {
		e.Time--
		e.Level, e.Logger = entry.Level(i%5), []string{"api.requests", "db.pool"}[i%2]
		e.Fields = []entry.Field{{Name: "request_id", Value: fmt.Sprint("req-", i%3)}, {Name: "status", Kind: entry.Number, Value: strconv.Itoa(200 + i%4*100)}}
	})
	for query, total := range map[string]uint64{
		"":                            40,
		"level=ERROR":                 8,
		"level=error,critical":        16,
		"logger=db.*":                 20,
		"pattern=%5Emessage+1":        11,
		"text=message+7":              1,
		"request_id=req-1":            13,
		"field.status=500":            10,
		"start=-10s":                  10,
		"end=-10s":                    30,
		"start=-20s&end=-10s":         10,
		"start=2026-11-23T11:59:50Z":  10,
		"start=-20s&level=ERROR":      4,
		"start=1960-01-01T00:00:00Z":  40,
		"start=-1h&text=nothing+such": 0,
		"logger=db.*&field.status=500&request_id=req-2&start=-1h&level=INFO": 1,
	} {
		var found logPage
		b.get("/logs/search?"+query, &found)
		for _, buckets := range []int{1, 7, 500} {
			var answer struct {
				Data logStatisticsView `json:"data"`
			}
			if code := b.get(fmt.Sprintf("/logs/statistics?%s&buckets=%d", query, buckets), &answer); code != http.StatusOK {
				t.Fatalf("%s answers %d", query, code)
			}
			d, inBuckets, byLogger := answer.Data, uint64(0), uint64(0)
			for _, bucket := range d.Histogram {
				for _, n := range bucket.ByLevel {
					inBuckets += n
				}
			}
			for _, n := range d.ByLogger {
				byLogger += n
			}
			if d.TotalEntries != total || uint64(found.Count) != total || inBuckets != total || byLogger != total || len(d.Histogram) != buckets {
				t.Errorf("%s: %d entries, %d in %d buckets, %d by logger, and a search finds %d; want %d", query, d.TotalEntries, inBuckets, len(d.Histogram), byLogger, found.Count, total)
			}
		}
	}
}

func TestStatisticsSayWhichTimeTheyAreAbout(t *testing.T) {
	b, _ := putLogs(t)
	for query, want := range map[string]string{
		"":                                "24  ",
		"hours=720":                       "720  ",
		"start=-90m":                      "2 2026-11-23T10:30:00.000Z 2026-11-23T12:00:00.000Z",
		"end=2026-11-23T10:00:00%2B02:00": "24 2026-11-22T08:00:00.000Z 2026-11-23T08:00:00.000Z",
		"start=2026-11-23T12:00:00Z&end=2026-11-23T12:00:00.001Z": "1 2026-11-23T12:00:00.000Z 2026-11-23T12:00:00.001Z",
		"start=2026-11-23T12:00:00Z&end=2026-11-23T14:00:00Z":     "2 2026-11-23T12:00:00.000Z 2026-11-23T14:00:00.000Z",
		"start=9998-01-01T00:00:00Z&end=9999-01-01T00:00:00Z":     "8760 9998-01-01T00:00:00.000Z 9999-01-01T00:00:00.000Z",
		"start=0001-01-02T00:00:00Z&end=0001-01-03T00:00:00Z":     "24 0001-01-02T00:00:00.000Z 0001-01-03T00:00:00.000Z",
	} {
		var answer struct {
			Hours      int `json:"time_range_hours"`
			Start, End string
		}
		if code := b.get("/logs/statistics?"+query, &answer); code != http.StatusOK || fmt.Sprint(answer.Hours, " ", answer.Start, " ", answer.End) != want {
			t.Errorf("%s answers %d %+v, want %s", query, code, answer, want)
		}
	}
}

func TestStatisticsRefuseWhatTheyCannotMean(t *testing.T) {
	b, _ := putLogs(t)
	for query, want := range map[string]string{
		"hours=0":                    `hours must be a whole number from 1 to 720, got "0"`,
		"hours=24&start=-1h":         `hours and start or end exclude each other; give one or the other`,
		"hours=24&end=-1h":           `hours and start or end exclude each other; give one or the other`,
		"start=-1h&end=-2h":          `start must not be after end, got "-1h" and "-2h"`,
		"start=-1h&end=-1h":          `start must be before end, got "-1h" and "-1h"`,
		"start=2026-11-23T12:00:01Z": `start must be before end, got "2026-11-23T12:00:01Z" and "now"`,
		"end=soon":                   `end must be a time such as 2024-01-15T10:30:45Z or -1h, got "soon"`,
		"buckets=0":                  `buckets must be a whole number from 1 to 500, got "0"`,
		"buckets=501":                `buckets must be a whole number from 1 to 500, got "501"`,
		"level=loud":                 `level must be some of DEBUG, INFO, WARNING, ERROR, CRITICAL, got "loud"`,
		"pattern=(":                  `pattern must be a regular expression of RE2: missing closing ) at character 2 of "("`,
		"field.=1":                   `field. must be followed by the name of a field, such as field.user_id=42`,
	} {
		var answer struct{ Error Error }
		if code := b.get("/logs/statistics?"+query, &answer); code != http.StatusBadRequest || answer.Error.Message != want {
			t.Errorf("%s answers %d %q, want %q", query, code, answer.Error.Message, want)
		}
	}
}

func TestExport(t *testing.T) {
	b, logs := putLogs(t)
	logs.put(2500, func(i int, e *entry.Entry) {
		if i == 2499 {
			e.Message = "=a \"quoted\"\nline, é"
			e.Fields = []entry.Field{{Name: "line", Kind: entry.Number, Value: "7"}, {Name: "x", Value: "y"}, {Name: "n", Kind: entry.Number, Value: "1.50"}}
		}
	})
	fetch := func(query string) *http.Response {
		resp := b.do(httptest.NewRequestWithContext(t.Context(), http.MethodGet, Base+"/export/logs?"+query, http.NoBody))
		if resp.StatusCode != http.StatusOK {
			t.Fatalf("%s answers %d", query, resp.StatusCode)
		}

		return resp
	}
	resp := fetch("format=csv")
	rows, err := csv.NewReader(resp.Body).ReadAll()
	resp.Body.Close()
	if err != nil || len(rows) != 2501 {
		t.Fatalf("%d rows, %v", len(rows), err)
	}
	if diff := cmp.Diff(logColumns, rows[0]); diff != "" {
		t.Error(diff)
	}
	want := []string{"2026-11-23T12:00:00.000Z", "INFO", "api", "'=a \"quoted\"\nline, é", "", "", "7", "", "", "", `{"n":1.50,"x":"y"}`}
	if diff := cmp.Diff(want, rows[1][:11]); diff != "" {
		t.Error(diff)
	}
	if name := resp.Header.Get("Content-Disposition"); name != `attachment; filename="llmwatch-logs-20261123T120000Z.csv"` {
		t.Errorf("the file is %s", name)
	}
	resp = fetch("format=json&order=oldest")
	defer resp.Body.Close()
	var entries []map[string]any
	if err := json.NewDecoder(resp.Body).Decode(&entries); err != nil || len(entries) != 2500 || entries[0]["message"] != "message 0" {
		t.Errorf("%d entries, %v", len(entries), err)
	}
	for query, rest := range map[string]string{"level=ERROR&format=json": "[\n]\n", "level=ERROR&format=csv": strings.Join(logColumns, ",") + "\n"} {
		resp := fetch(query)
		body, _ := io.ReadAll(resp.Body)
		resp.Body.Close()
		if string(body) != rest {
			t.Errorf("%s without entries is %q", query, body)
		}
	}
	logs.fail = errors.New("broken")
	if code := b.get("/export/logs", nil); code != http.StatusInternalServerError {
		t.Errorf("a store that fails is answered with %d", code)
	}
}

// event is one server-sent event.
type event struct{ id, name, data string }

// followTail reads events into a channel until the context ends.
func followTail(t *testing.T, b *bench, query, last string) (events <-chan event, stop func()) {
	t.Helper()

	ctx, cancel := context.WithCancel(t.Context())
	req := httptest.NewRequestWithContext(ctx, http.MethodGet, Base+"/logs/tail?"+query, http.NoBody)
	if last != "" {
		req.Header.Set("Last-Event-ID", last)
	}
	read, write := io.Pipe()
	out := make(chan event, 100)
	done := make(chan struct{})
	go func() {
		defer close(done)
		b.handler.ServeHTTP(&pipeWriter{header: http.Header{}, w: write}, req)
		_ = write.Close() // Never fails.
	}()
	go func() {
		defer close(out)
		var e event
		for lines := bufio.NewScanner(read); lines.Scan(); {
			name, value, _ := strings.Cut(lines.Text(), ": ")
			switch name {
			case "id":
				e.id = value
			case "event":
				e.name = value
			case "data":
				e.data = value
				out <- e
				e = event{}
			case "retry", ":":
				out <- event{name: name}
			}
		}
	}()

	return out, func() {
		cancel()
		_ = read.Close() // Never fails.
		<-done
	}
}

// pipeWriter is an answer that is read while it is written.
type pipeWriter struct {
	header http.Header
	w      io.Writer
}

func (p *pipeWriter) Header() http.Header         { return p.header }
func (p *pipeWriter) WriteHeader(int)             {}
func (p *pipeWriter) Write(b []byte) (int, error) { return p.w.Write(b) }
func (p *pipeWriter) Flush()                      {}

func message(e event) string {
	var m struct{ Message string }
	_ = json.Unmarshal([]byte(e.data), &m) // What is no entry has no message.

	return m.Message
}

func TestTailSendsWhatArrivesAndShowsThatItIsAlive(t *testing.T) {
	b, logs := putLogs(t)
	synctest.Test(t, func(t *testing.T) {
		events, stop := followTail(t, b, "level=ERROR", "")
		defer stop()
		if e := <-events; e.name != "retry" {
			t.Errorf("begins with %v", e)
		}
		synctest.Wait()
		logs.put(2, func(i int, e *entry.Entry) { e.Level = entry.Info + entry.Level(2*i) })
		if e := <-events; message(e) != "message 1" {
			t.Errorf("got %v", e)
		}
		begin := time.Now()
		if e := <-events; e.name != ":" || time.Since(begin) != heartbeat {
			t.Errorf("got %v after %s", e, time.Since(begin))
		}
	})
}

func TestTailIsResumedWithoutLoss(t *testing.T) {
	b, logs := putLogs(t)
	logs.put(3, nil)
	var page logPage
	b.get("/logs/search?order=oldest", &page)
	last := page.Data[1].ID
	// One that is late: older than what was seen, but it arrived afterwards.
	logs.put(1, func(_ int, e *entry.Entry) { e.Time, e.Message = noon.Add(-time.Minute).UnixNano(), "late" })
	synctest.Test(t, func(t *testing.T) {
		events, stop := followTail(t, b, "", last)
		defer stop()
		<-events
		for _, want := range []string{"late", "message 2"} {
			if e := <-events; message(e) != want || e.id != last {
				t.Errorf("got %v, want %s", e, want)
			}
		}
		synctest.Wait()
		logs.put(1, nil)
		if e := <-events; message(e) != "message 0" || e.id == last {
			t.Errorf("got %v", e)
		}
	})
}

func TestTailTellsHowMuchASlowReaderMissed(t *testing.T) {
	b, logs := putLogs(t)
	synctest.Test(t, func(t *testing.T) {
		events, stop := followTail(t, b, "", "")
		defer stop()
		<-events
		synctest.Wait()
		logs.put(3*tailHolds, nil)
		dropped, seen := 0, 0
		for e := range events {
			if e.name == "dropped" {
				var d struct{ Count int }
				if err := json.Unmarshal([]byte(e.data), &d); err != nil {
					t.Fatal(err)
				}
				dropped += d.Count
			} else if e.data != "" && e.name == "" {
				seen++
			}
			if dropped+seen == 3*tailHolds {
				break
			}
		}
		if dropped == 0 {
			t.Error("nothing was dropped")
		}
	})
}

// onlooker is a client who sees whether it is sent something during a search.
type onlooker struct {
	*httptest.ResponseRecorder
	logs   *memoryLogs
	during int
	until  int // How much it reads.
	leave  func()
}

func (o *onlooker) Write(p []byte) (int, error) {
	if o.logs.searching.Load() > 0 {
		o.during++
	}
	n, err := o.ResponseRecorder.Write(p)
	if o.until > 0 && o.Body.Len() >= o.until {
		o.leave()
	}

	return n, err
}

func TestNobodyReadsWhileASearchIsUnderWay(t *testing.T) {
	b, logs := putLogs(t)
	const entries = 900
	logs.put(entries, func(_ int, e *entry.Entry) { e.Message = strings.Repeat("long ", 400) })
	var page logPage
	b.get("/logs/search?order=oldest&limit=1", &page)
	for path, last := range map[string]string{
		"/logs/search?limit=1000": "", "/export/logs?format=json": "", "/export/logs?format=csv": "", "/logs/tail": page.Data[0].ID,
	} {
		ctx, leave := context.WithCancel(t.Context())
		r := httptest.NewRequestWithContext(ctx, http.MethodGet, Base+path, http.NoBody)
		o := &onlooker{ResponseRecorder: httptest.NewRecorder(), logs: logs, leave: leave}
		if last != "" {
			r.Header.Set("Last-Event-ID", last)
			o.until = (entries - 1) * 2000
		}
		b.handler.ServeHTTP(o, r)
		leave()
		if got := strings.Count(o.Body.String(), "long long"); o.during > 0 || got < entries-1 {
			t.Errorf("%s is sent %d times during a search, and has %d of its entries", path, o.during, got)
		}
	}
}

func TestHalfAFileIsCutOff(t *testing.T) {
	b, logs := putLogs(t)
	logs.put(2*maxLogLimit, nil)
	found := 0
	logs.slow = func() {
		if found++; found == maxLogLimit {
			logs.mu.Lock()
			defer logs.mu.Unlock()
			logs.fail = errors.New("the disk is gone")
		}
	}
	w := httptest.NewRecorder()
	defer func() {
		if p := recover(); p != http.ErrAbortHandler || strings.Contains(w.Body.String(), `"success"`) { //nolint:errorlint // As net/http compares it.
			t.Errorf("it ends with %v and %s", p, w.Body.String()[max(w.Body.Len()-200, 0):])
		}
	}()
	b.handler.ServeHTTP(w, request(t, http.MethodGet, Base+"/export/logs?format=json"))
}

func TestTailRefusesBadIDs(t *testing.T) {
	b, _ := putLogs(t)
	req := httptest.NewRequestWithContext(t.Context(), http.MethodGet, Base+"/logs/tail", http.NoBody)
	req.Header.Set("Last-Event-ID", "x")
	resp := b.do(req)
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusBadRequest {
		t.Errorf("answers %d", resp.StatusCode)
	}
}

// send posts a body to /logs.
func (b *bench) send(body io.Reader, header ...string) (int, string) {
	b.t.Helper()

	req := httptest.NewRequestWithContext(b.t.Context(), http.MethodPost, Base+"/logs", body)
	for i := 0; i < len(header); i += 2 {
		req.Header.Set(header[i], header[i+1])
	}
	resp := b.do(req)
	defer resp.Body.Close()
	answer, err := io.ReadAll(resp.Body)
	if err != nil {
		b.t.Fatal(err)
	}

	return resp.StatusCode, strings.TrimSpace(string(answer))
}

func TestLogsAreTakenInAndFound(t *testing.T) {
	b, _ := putLogs(t)
	var compressed bytes.Buffer
	z := gzip.NewWriter(&compressed)
	fmt.Fprintln(z, `{"message":"zipped","password":"hunter2"}`)
	if err := z.Close(); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		body   io.Reader
		header []string
		want   string
	}{
		{strings.NewReader("{\"message\":\"one\"}\nplain text\n"), nil, `200 {"success":true,"accepted":2,"rejected":0,"errors":[]}`},
		{strings.NewReader("[{\"message\":\"two\"},{\"timestamp\":-1}]"), nil, `200 {"success":true,"accepted":1,"rejected":1,"errors":[{"line":2,"error":"timestamp must not be before 1970, got \"-1\""}]}`},
		{&compressed, []string{"Content-Encoding", "gzip"}, `200 {"success":true,"accepted":1,"rejected":0,"errors":[]}`},
		{strings.NewReader("once"), []string{"Llmwatch-Client", "a", "Llmwatch-Batch", "1"}, `200 {"success":true,"accepted":1,"rejected":0,"errors":[]}`},
		{strings.NewReader("once"), []string{"Llmwatch-Client", "a", "Llmwatch-Batch", "1"}, `200 {"success":true,"accepted":1,"rejected":0,"errors":[],"duplicate":true}`},
		{strings.NewReader(""), nil, `200 {"success":true,"accepted":0,"rejected":0,"errors":[]}`},
	} {
		code, answer := b.send(c.body, c.header...)
		if got := fmt.Sprint(code, " ", answer); got != c.want {
			t.Errorf("answers %s, want %s", got, c.want)
		}
	}
	var page logPage
	b.get("/logs/search?order=oldest", &page)
	if diff := cmp.Diff([]string{"one", "plain text", "two", "zipped", "once"}, page.messages()); diff != "" {
		t.Error(diff)
	}
	if b.get("/logs/search?field.password=hunter2", &page); len(page.Data) != 0 {
		t.Error("a password was kept")
	}
}

func TestLogsThatCannotBeKeptAreRefused(t *testing.T) {
	b, logs := putLogs(t)
	logs.fail = errors.New("disk full")
	code, answer := b.send(strings.NewReader("x"))
	if want := `{"success":false,"error":{"code":"log_store_unavailable","message":"log entries cannot be kept now: disk full"}}`; code != http.StatusServiceUnavailable || answer != want {
		t.Errorf("answers %d %s", code, answer)
	}
}
