package app

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"strings"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"llmwatch/bridge"
	"llmwatch/bridge/alert"
	"llmwatch/bridge/logintake"
	"llmwatch/bridge/logintake/jsonlines"
	"llmwatch/bridge/logstore"
	"llmwatch/bridge/logstore/entry"
	"llmwatch/bridge/metrics"
	"llmwatch/logship"
)

// Logs says which log entries are kept.
type Logs struct {
	RetentionTime time.Duration `yaml:"retention_time" flag:"logs-retention-time" help:"How long entries are kept, by their own time; 0 for ever."`
	RetentionSize int64         `yaml:"retention_size" flag:"logs-retention-size" unit:"bytes" help:"How many bytes are kept at most on disk, the oldest going first; 0 for no bound."`
	Files         []string      `yaml:"files" flag:"logs-files" help:"Log files to follow, as paths or patterns such as /var/log/app/*.log*; rotated files should match too."`
}

func defaultLogs() Logs {
	return Logs{RetentionTime: 30 * 24 * time.Hour, RetentionSize: 10 << 30}
}

// Validate checks what the store demands.
func (l *Logs) Validate() error {
	if least := int64(logstore.LeastRetentionSize); l.RetentionSize != 0 && l.RetentionSize < least {
		return fmt.Errorf("retention_size must be 0 or at least %d bytes, got %d", least, l.RetentionSize)
	}

	return nil
}

// logs is everything that log entries live by.
type logs struct {
	store   *logstore.Store
	intake  http.Handler
	started time.Time
}

// startLogs opens the log store. From then on what the program itself logs is kept
// in it as well.
func (a *App) startLogs(cfg *Config, own *ownLog, registry prometheus.Registerer, in *ingest) (*logs, error) {
	store, err := logstore.Open(logstore.Config{
		Dir:           cfg.logsDir(),
		Cipher:        a.logCipher(),
		RetentionTime: cfg.Logs.RetentionTime,
		RetentionSize: cfg.Logs.RetentionSize,
		Registerer:    registry,
		Rest:          func() { giveBack(a.logger) },
		// What the store says of itself must not come back into it.
		Logger: slog.New(own.shown).With("component", "log store"),
	})
	if err != nil {
		return nil, configErrorf("the log store %s cannot be opened: %w", cfg.logsDir(), err)
	}
	a.onStop("log store", store.Close)
	l := &logs{store: store, started: time.Now()}
	l.intake, err = logintake.New(logintake.Options{
		Store: store, Format: jsonlines.New(logship.NewRedactor()), Quota: in.logs, Registerer: registry, Logger: a.logger,
	})
	if err != nil {
		return nil, err
	}
	a.onStop("own log", own.start(store, registry))

	return l, a.followFiles(cfg, store)
}

// receivers are the handlers of what is sent here, by path below Base.
func (l *logs) receivers() map[string]http.Handler {
	return map[string]http.Handler{"/logs": known(l.intake)}
}

// check is what /health looks at.
func (l *logs) check() bridge.Check {
	return bridge.Check{Name: "log_store", Fatal: true, Run: l.store.Health}
}

// component is what /status shows.
func (l *logs) component() bridge.Component {
	s := l.store.Stats()
	c := bridge.Component{
		Name: "log_store", Running: true, Since: metrics.Time{Time: l.started},
		Details: map[string]any{
			"entries": s.Entries, "bytes": s.Bytes, "blocks": s.Blocks, "damaged": s.Damaged,
			"oldest": metrics.Time{Time: s.Oldest}, "newest": metrics.Time{Time: s.Newest},
		},
	}
	if err := l.store.Health(); err != nil {
		c.LastError = err.Error()
	}

	return c
}

// troubleLines are how many lines a message shows, troubleWindow the time before
// it that they are of, troubleSearched how many are looked at for them.
const (
	troubleLines    = 5
	troubleWindow   = 10 * time.Minute
	troubleSearched = 500
)

// pathLabels are the labels under which metrics name what log lines call path.
var pathLabels = []string{"path", "http_route", "route", "endpoint"}

// trouble are the newest lines of level WARNING and above before a time that may
// concern an alert, as messages show them: those of its logger and of its path,
// where its labels name them. llmwatch's own lines are shown where nobody else's
// are: they explain alerts about llmwatch, and would hide what explains others.
func (l *logs) trouble(ctx context.Context, a *alert.Alert, until time.Time) ([]string, error) {
	filter := entry.Filter{
		From: until.Add(-troubleWindow).UnixNano(), Until: until.UnixNano() + 1,
		Levels: 1<<entry.Warning | 1<<entry.Error | 1<<entry.Critical,
	}
	if name := a.Labels["logger"]; name != "" {
		filter.Loggers = []string{name, name + ".*"}
	}
	for _, label := range pathLabels {
		// A template of paths is in no log line.
		if path := a.Labels[label]; path != "" && !strings.Contains(path, "{") {
			filter.Fields = append(filter.Fields, entry.FieldMatch{Name: "path", Values: []string{path}})
			break
		}
	}
	var others, own []string
	errEnough := errors.New("enough lines")
	_, err := l.store.Search(ctx, logstore.Query{Filter: filter, Limit: troubleSearched}, func(_ entry.Position, e *entry.Entry) error {
		lines := &others
		if e.Logger == ownLogger || strings.HasPrefix(e.Logger, ownLogger+".") {
			lines = &own
		}
		if len(*lines) < troubleLines {
			message, _, _ := strings.Cut(e.Message, "\n")
			*lines = append(*lines, fmt.Sprintf("%s %s %s: %s", entry.FormatTime(e.Time), e.Level, e.Logger, message))
		}
		if len(others) == troubleLines {
			return errEnough
		}

		return nil
	})
	if errors.Is(err, errEnough) {
		err = nil
	}
	if len(others) == 0 {
		others = own
	}

	return others, err
}

// Tail, with the other methods of the store, makes it what the REST API reads.
func (l *logs) Tail(filter entry.Filter) bridge.LogTail {
	return l.store.Tail(filter)
}

// Search implements bridge.Logs.
func (l *logs) Search(ctx context.Context, q logstore.Query, fn func(entry.Position, *entry.Entry) error) (*entry.Position, error) {
	return l.store.Search(ctx, q, fn)
}

// Around implements bridge.Logs.
func (l *logs) Around(ctx context.Context, id entry.Position, before, after int, same string, fn func(entry.Position, *entry.Entry) error) error {
	return l.store.Around(ctx, id, before, after, same, fn)
}

// Statistics implements bridge.Logs.
func (l *logs) Statistics(ctx context.Context, f entry.Filter, buckets int) (logstore.Statistics, error) {
	return l.store.Statistics(ctx, f, buckets)
}
