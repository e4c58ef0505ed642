package bridge

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"time"

	"llmwatch/bridge/logstore"
	"llmwatch/bridge/logstore/entry"
	"llmwatch/bridge/metrics"
)

// Logs is where log entries are; logstore.Store says what its methods promise. Its
// ErrNotFound becomes 404.
type Logs interface {
	Search(ctx context.Context, q logstore.Query, fn func(entry.Position, *entry.Entry) error) (next *entry.Position, err error)
	Around(ctx context.Context, id entry.Position, before, after int, same string, fn func(entry.Position, *entry.Entry) error) error
	Statistics(ctx context.Context, f entry.Filter, buckets int) (logstore.Statistics, error)
	// Tail follows the entries that arrive from now on.
	Tail(filter entry.Filter) LogTail
}

// LogTail hands out entries as they arrive.
type LogTail interface {
	// First is the number of the first entry that it can hand out.
	First() uint64
	// Next waits for entries and hands out those that have arrived, until fn
	// returns logstore.ErrEnough. dropped is how many had to be left out because
	// nobody took them in time. The error is fn's, the context's, or tells that the
	// store has closed.
	Next(ctx context.Context, fn func(entry.Position, *entry.Entry) error) (dropped uint64, err error)
	Close()
}

const (
	defaultLogLimit = 100
	maxLogLimit     = 1000
	// maxNeighbours bounds each side of a log entry's context.
	maxNeighbours = 1000
	// Into how many stretches statistics divide their time.
	defaultLogBuckets = 60
	maxLogBuckets     = 500
	// maxLoggersShown bounds by_logger; the rest is added up under otherLoggers.
	maxLoggersShown = 100
	otherLoggers    = "other"
)

// logPaths are the paths below which logs are read.
func (s *server) logPaths() map[string]endpoints {
	paths := map[string]endpoints{}
	for path, h := range map[string]handler{
		"/logs/search":     s.searchLogs,
		"/logs/context":    s.logContext,
		"/logs/statistics": s.logStatistics,
		"/logs/tail":       s.tailLogs,
		"/export/logs":     s.exportLogs,
	} {
		paths[path] = endpoints{http.MethodGet: h}
	}

	return paths
}

// searchLogs answers one page of entries.
func (s *server) searchLogs(w http.ResponseWriter, r *http.Request) error {
	q, err := s.logQuery(r, defaultLogLimit)
	if err != nil {
		return err
	}
	page := newEntryPage(w)
	wanted := q.Limit
	next, err := s.Logs.Search(r.Context(), q, page.add)
	for ; err == nil && next != nil && page.count < wanted; next, err = s.Logs.Search(r.Context(), q, page.add) {
		if err := page.flush(); err != nil {
			return err
		}
		q.After, q.Limit = next, wanted-page.count
	}
	if err != nil {
		return err
	}
	cursor := "null"
	if next != nil {
		cursor = `"` + next.String() + `"`
	}

	return page.end(`,"next_cursor":` + cursor)
}

// logContext answers an entry with its neighbours.
func (s *server) logContext(w http.ResponseWriter, r *http.Request) error {
	q := r.URL.Query()
	id, err := entry.ParsePosition(q.Get("id"))
	if err != nil {
		return invalidParameter(fmt.Sprintf("id must be the _id of an entry, got %q", short(q.Get("id"))))
	}
	before, err := wholeNumber(q, "before", 10, 0, maxNeighbours)
	if err != nil {
		return err
	}
	after, err := wholeNumber(q, "after", 10, 0, maxNeighbours)
	if err != nil {
		return err
	}
	same, err := oneOf(q, "same", logstore.SameLogger, logstore.SameProcess)
	if err != nil {
		return err
	}
	page := newEntryPage(w)
	err = s.Logs.Around(r.Context(), id, before, after, same, page.send)
	if errors.Is(err, logstore.ErrNotFound) {
		return &Error{http.StatusNotFound, CodeNotFound, "there is no log entry " + id.String() + "; it may be older than what is kept"}
	}
	if err != nil {
		return err
	}

	return page.end("")
}

type logStatisticsView struct {
	TotalEntries uint64            `json:"total_entries"`
	ByLevel      map[string]uint64 `json:"by_level"`
	ByLogger     map[string]uint64 `json:"by_logger"`
	Histogram    []logBucketView   `json:"histogram"`
	TopErrors    []logMessageView  `json:"top_errors"`
	Store        logStoreView      `json:"store"`
}

type logBucketView struct {
	Timestamp metrics.Time      `json:"timestamp"`
	ByLevel   map[string]uint64 `json:"by_level"`
}

type logMessageView struct {
	Message  string       `json:"message"`
	Logger   string       `json:"logger"`
	Level    string       `json:"level"`
	Count    uint64       `json:"count"`
	LastSeen metrics.Time `json:"last_seen"`
}

type logStoreView struct {
	Bytes         int64        `json:"bytes"`
	Blocks        int          `json:"blocks"`
	DamagedBlocks int          `json:"damaged_blocks"`
	Oldest        metrics.Time `json:"oldest"`
	Newest        metrics.Time `json:"newest"`
}

// logStatistics counts the entries that a search would find.
func (s *server) logStatistics(w http.ResponseWriter, r *http.Request) error {
	q, now := r.URL.Query(), s.Now()
	filter, err := logFilter(q, now)
	if err != nil {
		return err
	}
	p, err := logPeriods.read(q, now)
	if err != nil {
		return err
	}
	buckets, err := wholeNumber(q, "buckets", defaultLogBuckets, 1, maxLogBuckets)
	if err != nil {
		return err
	}
	filter.Until = max(nanoseconds(p.end), 1)
	filter.From = min(nanoseconds(p.start), filter.Until-1) // Both may be beyond what an entry can have.
	found, err := s.Logs.Statistics(r.Context(), filter, buckets)
	if err != nil {
		return err
	}

	return answerJSON(w, struct {
		single
		Hours int `json:"time_range_hours"`
		bounds
	}{single{Success: true, Data: viewLogStatistics(&found)}, p.in(time.Hour), p.bounds()})
}

func viewLogStatistics(found *logstore.Statistics) logStatisticsView {
	v := logStatisticsView{
		TotalEntries: found.Total,
		ByLevel:      viewLevels(&found.ByLevel),
		ByLogger:     mostOf(found.ByLogger),
		Histogram:    make([]logBucketView, len(found.Histogram)),
		TopErrors:    make([]logMessageView, len(found.TopErrors)),
		Store: logStoreView{
			found.Store.Bytes, found.Store.Blocks, len(found.Store.Damaged),
			metrics.Time{Time: found.Store.Oldest},
			metrics.Time{Time: found.Store.Newest},
		},
	}
	for i := range found.Histogram {
		b := &found.Histogram[i]
		v.Histogram[i] = logBucketView{metrics.Time{Time: b.Start}, viewLevels(&b.ByLevel)}
	}
	for i := range found.TopErrors {
		m := &found.TopErrors[i]
		v.TopErrors[i] = logMessageView{m.Template, m.Logger, m.Level.String(), m.Count, metrics.Time{Time: m.Last}}
	}

	return v
}

// viewLevels has every level, also those without entries.
func viewLevels(counts *logstore.Levels) map[string]uint64 {
	v := make(map[string]uint64, len(counts))
	for _, level := range entry.Levels() {
		v[level.String()] = counts[level]
	}

	return v
}

// mostOf returns the loggers with the most entries, which come first, and the sum
// of the others.
func mostOf(loggers []logstore.LoggerLevels) map[string]uint64 {
	most := make(map[string]uint64, min(len(loggers), maxLoggersShown+1))
	for i := range loggers {
		name := loggers[i].Logger
		if i >= maxLoggersShown {
			name = otherLoggers
		}
		most[name] += loggers[i].ByLevel.Total()
	}

	return most
}
