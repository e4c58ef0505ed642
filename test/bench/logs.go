package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"github.com/klauspost/compress/gzip"

	"llmwatch/bridge/logstore/entry"
	"llmwatch/test/loggen"
)

const (
	logs = "/api/v1/monitoring/logs"
	// requests is how many times a query is asked; the median counts.
	requests = 15
	// deepPage is a page far from the first, deepLimit the entries on a page.
	deepPage  = 1000
	deepLimit = 100
	// settle is how long a server rests before its size on disk and in memory is
	// looked at.
	settle = 45 * time.Second
)

// logLines are the lines that are sent: as a file, compressed, and what to ask for.
type logLines struct {
	count       int
	plain, gzip string
	first       time.Time
	requestID   string // Of one line in the middle.
}

// generate writes lines of the documented kind.
func (b *bench) generate(count int, source loggen.Source, first time.Time) (*logLines, error) {
	l := &logLines{count: count, first: first, plain: filepath.Join(b.dir, "lines.ndjson"), gzip: filepath.Join(b.dir, "lines.gz")}
	plain, err := os.Create(l.plain)
	if err != nil {
		return nil, err
	}
	defer plain.Close()
	packed, err := os.Create(l.gzip)
	if err != nil {
		return nil, err
	}
	defer packed.Close()
	z := gzip.NewWriter(packed)
	var e entry.Entry
	var buf []byte
	for i := range count {
		source.Next(&e)
		if id, ok := e.Text("request_id"); ok && i >= count/2 && l.requestID == "" {
			l.requestID = id
		}
		buf = append(source.AppendLine(buf[:0], &e), '\n')
		_, err := plain.Write(buf)
		_, zipErr := z.Write(buf)
		if err := errors.Join(err, zipErr); err != nil {
			return nil, err
		}
	}

	return l, z.Close()
}

// logs measures the log store beside a plain SQLite table with the documented
// indexes, on the same lines.
func (b *bench) logs(ctx context.Context, count int) error {
	first := time.Now().Add(-time.Duration(count)*5*time.Millisecond - time.Hour)
	lines, err := b.generate(count, loggen.NewPlatform(1, first), first)
	if err != nil {
		return err
	}
	peer, err := b.sqlite(ctx, lines)
	if err != nil {
		return err
	}
	if err := b.ingest(ctx, "gzip", lines, peer); err != nil {
		return err
	}
	if err := b.ingest(ctx, "plain", lines, peer); err != nil {
		return err
	}
	p := b.running[0]
	rest, err := p.residentMB()
	if err != nil {
		return err
	}
	b.add(row{what: "logs: memory at rest after ingestion", ours: rest, unit: "MB", limit: 50})
	size, err := dirSize(filepath.Join(b.dir, "logs-plain", "logs"))
	if err != nil {
		return err
	}
	b.add(row{what: "logs: on disk a line", ours: size / float64(count), unit: "bytes", limit: 18, peer: "SQLite", peerHas: peer.bytes / float64(count)})
	if err := b.logQueries(ctx, p, lines, peer); err != nil {
		return err
	}
	if err := b.deepPages(ctx, p, peer); err != nil {
		return err
	}
	b.stop()

	return b.documents(ctx, min(count, 200_000))
}

// ingest sends the lines in one request to a fresh server.
func (b *bench) ingest(ctx context.Context, encoding string, lines *logLines, peer *sqlitePeer) error {
	b.stop()
	p, err := b.serve("logs-" + encoding)
	if err != nil {
		return err
	}
	if _, err := p.ready(ctx, logs+"/search?limit=1"); err != nil {
		return err
	}
	name := lines.plain
	if encoding == "gzip" {
		name = lines.gzip
	}
	before, err := p.cpu()
	if err != nil {
		return err
	}
	took, err := p.send(ctx, name, encoding, lines.count)
	if err != nil {
		return err
	}
	b.add(row{
		what: "logs: ingest of a million lines, " + encoding, ours: took.Seconds() * 1e6 / float64(lines.count), unit: "s", limit: 5,
		peer: "SQLite", peerHas: peer.ingest.Seconds() * 1e6 / float64(lines.count),
	})
	time.Sleep(settle)
	after, err := p.cpu()
	if err != nil {
		return err
	}
	b.add(row{
		what: "logs: processor time a line, sealing included, " + encoding, ours: (after - before).Seconds() * 1e6 / float64(lines.count), unit: "µs", limit: 10,
	})
	peak, err := p.peakMB()
	if err != nil {
		return err
	}
	b.add(row{what: "logs: peak memory while ingesting, " + encoding, ours: peak, unit: "MB", limit: 150})

	return nil
}

// send posts a file and returns how long it took until everything was durable.
func (p *process) send(ctx context.Context, name, encoding string, count int) (time.Duration, error) {
	f, err := os.Open(name)
	if err != nil {
		return 0, err
	}
	defer f.Close()
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, "http://"+p.address+logs, f)
	if err != nil {
		return 0, err
	}
	if encoding == "gzip" {
		req.Header.Set("Content-Encoding", encoding)
	}
	begin := time.Now()
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return 0, err
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	if err != nil {
		return 0, err
	}
	took := time.Since(begin)
	var answer struct{ Accepted int }
	if err := json.Unmarshal(text, &answer); err != nil || answer.Accepted != count {
		return 0, fmt.Errorf("POST %s answered %s: %s", logs, resp.Status, text)
	}

	return took, nil
}

// logQueries asks what people ask, of both.
func (b *bench) logQueries(ctx context.Context, p *process, lines *logLines, peer *sqlitePeer) error {
	for _, q := range []struct {
		what, path string
		limit      float64
		sql        string
		args       []any
	}{
		{"newest 100 of level ERROR", "/search?level=ERROR&limit=100", 5, "SELECT line FROM logs WHERE level = 'ERROR' ORDER BY time DESC LIMIT 100", nil},
		{"regex with early stop", "/search?limit=100&pattern=" + url.QueryEscape(`completed|step \d+`), 15, "SELECT line FROM logs WHERE message REGEXP ? ORDER BY time DESC LIMIT 100", []any{`completed|step \d+`}},
		{"rare regex over all", "/search?limit=100&pattern=" + url.QueryEscape(`no such (thing|word) \d+`), 75, "SELECT line FROM logs WHERE message REGEXP ? ORDER BY time DESC LIMIT 100", []any{`no such (thing|word) \d+`}},
		{"one request id", "/search?request_id=" + lines.requestID, 3, "SELECT line FROM logs WHERE request_id = ? ORDER BY time DESC LIMIT 100", []any{lines.requestID}},
		{"counts by level and logger", "/statistics?hours=720", 4, "SELECT level, logger, count(*) FROM logs WHERE time >= 0 GROUP BY level, logger", nil},
		{"counts of a level", "/statistics?hours=720&level=ERROR", 4, "SELECT logger, count(*) FROM logs WHERE level = 'ERROR' GROUP BY logger", nil},
		{"counts of a rare regex", "/statistics?hours=720&pattern=" + url.QueryEscape(`no such (thing|word) \d+`), 75, "SELECT level, logger, count(*) FROM logs WHERE message REGEXP ? GROUP BY level, logger", []any{`no such (thing|word) \d+`}},
	} {
		ours, err := p.median(ctx, logs+q.path, requests)
		if err != nil {
			return err
		}
		theirs, err := peer.median(ctx, q.sql, q.args...)
		if err != nil {
			return err
		}
		b.add(row{what: "logs: " + q.what, ours: milliseconds(ours), unit: "ms", limit: q.limit, peer: "SQLite", peerHas: milliseconds(theirs)})
	}

	return nil
}

// deepPages holds a page far from the first against the first.
func (b *bench) deepPages(ctx context.Context, p *process, peer *sqlitePeer) error {
	path := fmt.Sprintf("%s/search?limit=%d", logs, deepLimit)
	first, err := p.median(ctx, path, requests)
	if err != nil {
		return err
	}
	cursor := ""
	for range deepPage - 1 {
		if cursor, err = p.nextCursor(ctx, path+"&cursor="+cursor); err != nil {
			return err
		}
	}
	deep, err := p.median(ctx, path+"&cursor="+cursor, requests)
	if err != nil {
		return err
	}
	theirs, err := peer.median(ctx, fmt.Sprintf("SELECT line FROM logs ORDER BY time DESC LIMIT %d OFFSET %d", deepLimit, deepLimit*(deepPage-1)))
	if err != nil {
		return err
	}
	b.add(row{what: "logs: page 1", ours: milliseconds(first), unit: "ms", limit: 15})
	b.add(row{
		what: fmt.Sprintf("logs: page %d", deepPage), ours: milliseconds(deep), unit: "ms", limit: milliseconds(first)*1.5 + 0.5,
		peer: "SQLite", peerHas: milliseconds(theirs),
	})

	return nil
}

func (p *process) nextCursor(ctx context.Context, path string) (string, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+p.address+path, http.NoBody)
	if err != nil {
		return "", err
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return "", err
	}
	defer resp.Body.Close()
	var answer struct {
		Next string `json:"next_cursor"`
	}
	if err := json.NewDecoder(resp.Body).Decode(&answer); err != nil || answer.Next == "" {
		return "", fmt.Errorf("GET %s has no next page: %s, %w", path, resp.Status, err)
	}

	return answer.Next, nil
}

// documents measures JSON of another shape: nested, and with long ids.
func (b *bench) documents(ctx context.Context, count int) error {
	first := time.Now().Add(-time.Hour)
	lines, err := b.generate(count, loggen.NewSocial(1, first), first)
	if err != nil {
		return err
	}
	p, err := b.serve("logs-documents")
	if err != nil {
		return err
	}
	if _, err := p.ready(ctx, logs+"/search?limit=1"); err != nil {
		return err
	}
	if _, err := p.send(ctx, lines.plain, "plain", count); err != nil {
		return err
	}
	time.Sleep(settle)
	size, err := dirSize(filepath.Join(b.dir, "logs-documents", "logs"))
	if err != nil {
		return err
	}
	b.add(row{what: "logs: on disk a nested document", ours: size / float64(count), unit: "bytes", limit: 122})
	b.stop()

	return nil
}

// dirSize adds up the files below a directory.
func dirSize(dir string) (float64, error) {
	var size float64
	err := filepath.WalkDir(dir, func(_ string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		info, err := d.Info()
		if errors.Is(err, fs.ErrNotExist) {
			return nil // Merged away meanwhile.
		}
		if err == nil {
			size += float64(info.Size())
		}

		return err
	})

	return size, err
}

// peakMB is the highest resident memory so far, in millions of bytes.
func (p *process) peakMB() (float64, error) {
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", p.cmd.Process.Pid))
	if err != nil {
		return 0, err
	}
	for line := range strings.Lines(string(text)) {
		var kb float64
		if n, _ := fmt.Sscanf(line, "VmHWM: %f kB", &kb); n == 1 {
			return kb * 1024 / 1e6, nil
		}
	}

	return 0, fmt.Errorf("no VmHWM for process %d", p.cmd.Process.Pid)
}

// cpu is the processor time that the process has used.
func (p *process) cpu() (time.Duration, error) {
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", p.cmd.Process.Pid))
	if err != nil {
		return 0, err
	}
	_, rest, _ := strings.Cut(string(text), ") ") // The name may hold spaces.
	fields := strings.Fields(rest)
	const user, system, tick = 11, 12, 10 * time.Millisecond // As proc(5) counts, from the state on.
	if len(fields) <= system {
		return 0, fmt.Errorf("process %d has no times", p.cmd.Process.Pid)
	}
	var ticks [2]int64
	for i, at := range []int{user, system} {
		if ticks[i], err = strconv.ParseInt(fields[at], 10, 64); err != nil {
			return 0, err
		}
	}

	return time.Duration(ticks[0]+ticks[1]) * tick, nil
}
