package exporter

import (
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"strings"
	"sync"
	"sync/atomic"
	"unicode/utf8"

	"github.com/prometheus/client_golang/prometheus"
)

// Other is the label value that stands for every value past a limit.
const Other = "other"

// maxLabelBytes is the length that longer label values are cut to.
const maxLabelBytes = 128

// limiter bounds the distinct values of one label: the first ones that come
// are kept, all others become Other. Known values cost one map lookup without
// a lock.
type limiter struct {
	label  string
	limit  int
	folded *foldCounter

	known  atomic.Pointer[map[string]struct{}] // Never changed, only replaced.
	mu     sync.Mutex                          // Held to replace known.
	warned sync.Once
}

func newLimiter(label string, limit int, folded *foldCounter) *limiter {
	l := &limiter{label: label, limit: limit, folded: folded}
	l.known.Store(&map[string]struct{}{})

	return l
}

// value returns the value to use for v in a series of metric.
func (l *limiter) value(v, metric string) string {
	return l.admit(v, metric, l.limit)
}

// admit is value with a limit of its own for new values: those of less worth
// leave room for others.
func (l *limiter) admit(v, metric string, limit int) string {
	if _, ok := (*l.known.Load())[v]; ok || v == "" || v == Other {
		return v
	}
	v = boundedLabel(v)
	if l.add(v, limit) {
		return v
	}
	l.folded.total.WithLabelValues(metric).Inc()
	l.warned.Do(func() {
		l.folded.logger.Warn("too many values of a label, further ones are counted as "+Other,
			slog.String("label", l.label), slog.Int("limit", limit), slog.String("metric", metric))
	})

	return Other
}

// add makes v a known value if there is room, and tells whether it is one.
func (l *limiter) add(v string, limit int) bool {
	if known := *l.known.Load(); len(known) >= limit {
		_, ok := known[v]

		return ok
	}
	l.mu.Lock()
	defer l.mu.Unlock()

	known := *l.known.Load()
	if _, ok := known[v]; ok || len(known) >= limit {
		return ok
	}
	known = maps.Clone(known)
	known[strings.Clone(v)] = struct{}{} // v may be a small part of a long string.
	l.known.Store(&known)

	return true
}

// boundedLabel makes a label value of any bytes: valid UTF-8 and not too long.
func boundedLabel(v string) string {
	v = validUTF8(v)
	if len(v) <= maxLabelBytes {
		return v
	}
	end := maxLabelBytes
	for !utf8.RuneStart(v[end]) {
		end--
	}

	return v[:end]
}

// foldCounter counts what limiters fold. All users of a registry share one
// counter.
type foldCounter struct {
	total  *prometheus.CounterVec
	logger *slog.Logger
}

func newFoldCounter(registerer prometheus.Registerer, logger *slog.Logger) (*foldCounter, error) {
	total := prometheus.NewCounterVec(prometheus.CounterOpts{
		Name: "llmwatch_series_folded_total",
		Help: "Observations of this metric that were counted under the label value " + Other +
			" because the label had too many values.",
	}, []string{"metric"})
	if err := registerer.Register(total); err != nil {
		var already prometheus.AlreadyRegisteredError
		if !errors.As(err, &already) {
			return nil, fmt.Errorf("registering the counter of folded series: %w", err)
		}
		existing, ok := already.ExistingCollector.(*prometheus.CounterVec)
		if !ok {
			return nil, fmt.Errorf("registering the counter of folded series: %w", err)
		}
		total = existing
	}

	return &foldCounter{total: total, logger: logger}, nil
}
