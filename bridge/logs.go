package bridge

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"time"

	"llmwatch/bridge/logstore/entry"
	"llmwatch/bridge/metrics"
)

// Logs is where log entries are. Errors that wrap ErrNoEntry become 404.
type Logs interface {
	// Search hands out the entries that pass a filter, the newest first or the
	// oldest. Entry and texts hold until fn returns. next is where the next page
	// begins, nil at the end.
	Search(ctx context.Context, q LogQuery, fn func(entry.Position, *entry.Entry) error) (next *entry.Position, err error)
	// Around hands out an entry and its neighbours, the oldest first.
	Around(ctx context.Context, q LogNeighbours, fn func(entry.Position, *entry.Entry) error) error
	// Statistics counts the entries of a time range.
	Statistics(ctx context.Context, from, until time.Time, buckets int) (LogStatistics, error)
	// Tail follows the entries that arrive from now on.
	Tail(filter entry.Filter, buffer int) LogTail
}

// ErrNoEntry tells that there is no entry of an id.
var ErrNoEntry = errors.New("no such log entry")

// LogQuery asks for one page.
type LogQuery struct {
	Filter entry.Filter
	// Oldest begins with the oldest entries.
	Oldest bool
	// After is where the page before ended; nil is the beginning.
	After *entry.Position
	Limit int
}

// LogNeighbours asks for what surrounds an entry.
type LogNeighbours struct {
	ID            entry.Position
	Before, After int
	// Same is the field that neighbours share with the entry: logger, process or,
	// where it is empty, none.
	Same string
}

// LogTail hands out entries as they arrive.
type LogTail interface {
	// Next waits for entries and hands out those that have arrived. dropped is how
	// many had to be left out before them because nobody took them in time. The
	// error is the context's, or tells that the store has closed.
	Next(ctx context.Context, fn func(entry.Position, *entry.Entry) error) (dropped uint64, err error)
	Close()
}

// LogStatistics is what Statistics counts.
type LogStatistics struct {
	Total     int64
	ByLevel   map[entry.Level]int64
	ByLogger  map[string]int64
	Histogram []LogBucket
	TopErrors []LogMessage
	Store     LogStoreState
}

// LogBucket counts a stretch of time.
type LogBucket struct {
	Start   time.Time
	ByLevel map[entry.Level]int64
}

// LogMessage counts entries of ERROR and above whose messages differ in numbers
// and ids at most.
type LogMessage struct {
	Message, Logger string
	Count           int64
	Last            time.Time
}

// LogStoreState is how much is kept.
type LogStoreState struct {
	Bytes          int64
	Blocks         int
	Damaged        int
	Oldest, Newest time.Time
}

const (
	defaultLogLimit = 100
	maxLogLimit     = 1000
	// maxNeighbours bounds each side of a log entry's context.
	maxNeighbours = 1000
	// logBuckets is in how many stretches statistics divide their time.
	logBuckets = 60
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
		paths[path] = endpoints{http.MethodGet: s.withLogs(h)}
	}

	return paths
}

// withLogs refuses what needs logs where none are kept.
func (s *server) withLogs(h handler) handler {
	return func(w http.ResponseWriter, r *http.Request) error {
		if s.Logs == nil {
			return &Error{http.StatusServiceUnavailable, CodeLogStoreUnavailable, "this llmwatch keeps no logs"}
		}

		return h(w, r)
	}
}

// searchLogs answers one page of entries.
func (s *server) searchLogs(w http.ResponseWriter, r *http.Request) error {
	q, err := s.logQuery(r, defaultLogLimit)
	if err != nil {
		return err
	}
	page := newEntryPage(w)
	next, err := s.Logs.Search(r.Context(), q, page.add)
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
	ask := LogNeighbours{ID: id}
	if ask.Before, err = wholeNumber(q, "before", 10, 0, maxNeighbours); err != nil {
		return err
	}
	if ask.After, err = wholeNumber(q, "after", 10, 0, maxNeighbours); err != nil {
		return err
	}
	if ask.Same, err = oneOf(q, "same", "logger", "process"); err != nil {
		return err
	}
	page := newEntryPage(w)
	err = s.Logs.Around(r.Context(), ask, page.add)
	if errors.Is(err, ErrNoEntry) {
		return &Error{http.StatusNotFound, CodeNotFound, "there is no log entry " + id.String() + "; it may be older than what is kept"}
	}
	if err != nil {
		return err
	}

	return page.end("")
}

type logStatisticsView struct {
	TotalEntries int64            `json:"total_entries"`
	ByLevel      map[string]int64 `json:"by_level"`
	ByLogger     map[string]int64 `json:"by_logger"`
	Histogram    []logBucketView  `json:"histogram"`
	TopErrors    []logMessageView `json:"top_errors"`
	Store        logStoreView     `json:"store"`
}

type logBucketView struct {
	Timestamp metrics.Time     `json:"timestamp"`
	ByLevel   map[string]int64 `json:"by_level"`
}

type logMessageView struct {
	Message  string       `json:"message"`
	Logger   string       `json:"logger"`
	Count    int64        `json:"count"`
	LastSeen metrics.Time `json:"last_seen"`
}

type logStoreView struct {
	Bytes         int64        `json:"bytes"`
	Blocks        int          `json:"blocks"`
	DamagedBlocks int          `json:"damaged_blocks"`
	Oldest        metrics.Time `json:"oldest"`
	Newest        metrics.Time `json:"newest"`
}

// logStatistics counts the entries of the last hours.
func (s *server) logStatistics(w http.ResponseWriter, r *http.Request) error {
	hours, err := wholeNumber(r.URL.Query(), "hours", 24, 1, maxHours)
	if err != nil {
		return err
	}
	now := s.Now()
	found, err := s.Logs.Statistics(r.Context(), now.Add(-time.Duration(hours)*time.Hour), now, logBuckets)
	if err != nil {
		return err
	}

	return answerJSON(w, struct {
		single
		Hours int `json:"time_range_hours"`
	}{single{Success: true, Data: viewLogStatistics(&found)}, hours})
}

func viewLogStatistics(found *LogStatistics) logStatisticsView {
	v := logStatisticsView{
		TotalEntries: found.Total,
		ByLevel:      viewLevels(found.ByLevel),
		ByLogger:     mostOf(found.ByLogger),
		Histogram:    make([]logBucketView, len(found.Histogram)),
		TopErrors:    make([]logMessageView, len(found.TopErrors)),
		Store: logStoreView{
			found.Store.Bytes, found.Store.Blocks, found.Store.Damaged,
			metrics.Time{Time: found.Store.Oldest},
			metrics.Time{Time: found.Store.Newest},
		},
	}
	for i, b := range found.Histogram {
		v.Histogram[i] = logBucketView{metrics.Time{Time: b.Start}, viewLevels(b.ByLevel)}
	}
	for i, m := range found.TopErrors {
		v.TopErrors[i] = logMessageView{m.Message, m.Logger, m.Count, metrics.Time{Time: m.Last}}
	}

	return v
}

// viewLevels has every level, also those without entries.
func viewLevels(counts map[entry.Level]int64) map[string]int64 {
	v := make(map[string]int64, len(entry.Levels()))
	for _, level := range entry.Levels() {
		v[level.String()] = counts[level]
	}

	return v
}
