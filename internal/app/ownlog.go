package app

import (
	"bytes"
	"context"
	"log/slog"
	"strings"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"llmwatch/bridge/logintake"
	"llmwatch/bridge/logintake/jsonlines"
	"llmwatch/bridge/logstore/entry"
	"llmwatch/logship"
)

// ownLogger is the name under which llmwatch's own log is kept; the component
// follows it after a dot.
const (
	ownLogger      = "llmwatch"
	componentField = "component"
)

const (
	// ownEvery is how long a line waits to be kept, with others.
	ownEvery = 500 * time.Millisecond
	// ownBuffer bounds the bytes of lines that wait.
	ownBuffer = 1 << 20
	// ownTimeout bounds an attempt to keep them.
	ownTimeout = 10 * time.Second
)

// ownLog keeps what the program itself logs, beside showing it. It never holds the
// program up: lines that there is no room for are dropped and counted. What goes
// wrong in keeping is shown only, and so never comes back.
type ownLog struct {
	shown   slog.Handler
	handler slog.Handler // Both shows and keeps.
	dropped prometheus.Counter

	mu    sync.Mutex // Guards lines.
	lines []byte
}

// newOwnLog returns an ownLog that gathers until it is started.
func newOwnLog(shown slog.Handler) *ownLog {
	l := &ownLog{
		shown: shown,
		dropped: prometheus.NewCounter(prometheus.CounterOpts{
			Name: "llmwatch_own_log_dropped_total",
			Help: "Lines of llmwatch's own log that were shown but not kept, because they could not be kept in time.",
		}),
	}
	// The level is that of what is shown.
	kept := logship.NewHandler(l, logship.HandlerOptions{Level: slog.Level(-1 << 20), Name: ownLogger})
	l.handler = &teeHandler{shown, kept}

	return l
}

// Write implements io.Writer: it takes a line.
func (l *ownLog) Write(line []byte) (int, error) {
	l.mu.Lock()
	room := len(l.lines)+len(line) <= ownBuffer
	if room {
		l.lines = append(l.lines, line...)
	}
	l.mu.Unlock()
	if !room {
		l.dropped.Inc()
	}

	return len(line), nil
}

// start begins to keep lines, and returns how it is ended: what was logged until
// then is kept.
func (l *ownLog) start(store logintake.Store, registry prometheus.Registerer) (stop func() error) {
	registry.MustRegister(l.dropped)
	k := &ownKeeper{ownLog: l, log: slog.New(l.shown), store: store, format: jsonlines.New(logship.NewRedactor())}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan struct{})
	go func() {
		defer close(done)
		k.run(ctx)
	}()

	return func() error {
		cancel()
		<-done

		return nil
	}
}

// ownKeeper keeps lines in the background.
type ownKeeper struct {
	*ownLog

	log    *slog.Logger // It shows only.
	store  logintake.Store
	format *jsonlines.Format
	batch  entry.Batch
	spare  []byte
	failed bool
}

func (k *ownKeeper) run(ctx context.Context) {
	every := time.NewTicker(ownEvery)
	defer every.Stop()
	for ctx.Err() == nil {
		select {
		case <-ctx.Done():
		case <-every.C:
		}
		k.keep(context.WithoutCancel(ctx))
	}
}

// keep stores what has gathered. Lines that cannot be stored wait for the next
// time, as long as there is room.
func (k *ownKeeper) keep(ctx context.Context) {
	k.mu.Lock()
	lines := k.lines
	k.lines = k.spare[:0]
	k.mu.Unlock()
	k.spare = lines
	if len(lines) == 0 && k.batch.Len() == 0 {
		return
	}
	if k.batch.Size() > ownBuffer {
		k.dropped.Add(float64(bytes.Count(lines, []byte{'\n'})))
	} else if err := k.format.Read(bytes.NewReader(lines), time.Now(), k); err != nil {
		k.log.ErrorContext(ctx, "llmwatch's own log cannot be read", "err", err)
	}
	ctx, cancel := context.WithTimeout(ctx, ownTimeout)
	defer cancel()
	err := k.store.Append(ctx, &k.batch)
	if err == nil {
		k.batch.Reset()
	}
	if (err != nil) != k.failed {
		k.failed = err != nil
		if k.failed {
			k.log.ErrorContext(ctx, "llmwatch's own log cannot be kept", "err", err)
		} else {
			k.log.InfoContext(ctx, "llmwatch's own log is kept again")
		}
	}
}

// Add implements logintake.Sink.
func (k *ownKeeper) Add(e *entry.Entry, _ int) error {
	for i, f := range e.Fields {
		if f.Name == componentField && e.Logger == ownLogger {
			e.Logger += "." + strings.ReplaceAll(f.Value, " ", "_")
			e.Fields = append(e.Fields[:i:i], e.Fields[i+1:]...)

			break
		}
	}
	k.batch.Add(e)

	return nil
}

// Reject implements logintake.Sink.
func (*ownKeeper) Reject(int, string) {}

// teeHandler gives each record to two handlers. What the first one leaves out, the
// second one does not get.
type teeHandler struct{ first, second slog.Handler }

// Enabled implements slog.Handler.
func (t *teeHandler) Enabled(ctx context.Context, level slog.Level) bool {
	return t.first.Enabled(ctx, level)
}

// Handle implements slog.Handler.
func (t *teeHandler) Handle(ctx context.Context, r slog.Record) error {
	err := t.first.Handle(ctx, r.Clone())
	_ = t.second.Handle(ctx, r) // It writes into memory.

	return err
}

// WithAttrs implements slog.Handler.
func (t *teeHandler) WithAttrs(attrs []slog.Attr) slog.Handler {
	return &teeHandler{t.first.WithAttrs(attrs), t.second.WithAttrs(attrs)}
}

// WithGroup implements slog.Handler.
func (t *teeHandler) WithGroup(name string) slog.Handler {
	return &teeHandler{t.first.WithGroup(name), t.second.WithGroup(name)}
}
