package logstore

import (
	"github.com/prometheus/client_golang/prometheus"

	"llmwatch/bridge/logstore/entry"
)

// maxLoggers bounds the label logger: names of loggers come from outside. What is
// beyond is counted as otherLogger.
const (
	maxLoggers  = 100
	otherLogger = "other"
)

type metrics struct {
	reg        prometheus.Registerer
	all        []prometheus.Collector
	entries    *prometheus.CounterVec
	loggers    map[string]*[entry.NumLevels]prometheus.Counter // The committer's alone.
	appends    prometheus.Histogram
	fsyncs     prometheus.Histogram
	seals      prometheus.Histogram
	duplicates prometheus.Counter
}

func newMetrics(reg prometheus.Registerer, s *Store) *metrics {
	m := &metrics{
		reg: reg,
		entries: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "llmwatch_log_entries_total",
			Help: "Log entries kept, by level and logger; beyond 100 loggers, by logger \"other\".",
		}, []string{"level", "logger"}),
		loggers: map[string]*[entry.NumLevels]prometheus.Counter{},
		appends: prometheus.NewHistogram(prometheus.HistogramOpts{
			Name:    "llmwatch_log_append_duration_seconds",
			Help:    "Time from handing a batch to the log store until it is durable.",
			Buckets: prometheus.ExponentialBuckets(0.0005, 4, 8),
		}),
		fsyncs: prometheus.NewHistogram(prometheus.HistogramOpts{
			Name:    "llmwatch_log_fsync_duration_seconds",
			Help:    "Time to make the write-ahead log of the log store durable.",
			Buckets: prometheus.ExponentialBuckets(0.0005, 4, 8),
		}),
		seals: prometheus.NewHistogram(prometheus.HistogramOpts{
			Name:    "llmwatch_log_seal_duration_seconds",
			Help:    "Time to write gathered log entries, or merged blocks, as one block.",
			Buckets: prometheus.ExponentialBuckets(0.01, 4, 6),
		}),
		duplicates: prometheus.NewCounter(prometheus.CounterOpts{
			Name: "llmwatch_log_duplicate_batches_total",
			Help: "Numbered batches that were sent again after they had been kept.",
		}),
	}
	gauge := func(name, help string, value func() float64) prometheus.Collector {
		return prometheus.NewGaugeFunc(prometheus.GaugeOpts{Name: name, Help: help}, value)
	}
	m.all = []prometheus.Collector{
		m.entries, m.appends, m.fsyncs, m.seals, m.duplicates,
		gauge("llmwatch_log_store_bytes", "Bytes of the log store on disk.", func() float64 { return float64(s.Stats().Bytes) }),
		gauge("llmwatch_log_store_blocks", "Sealed blocks of the log store.", func() float64 { return float64(s.Stats().Blocks) }),
		gauge("llmwatch_log_store_damaged_blocks", "Files of the log store that are damaged and left out.", func() float64 {
			return float64(len(s.Stats().Damaged))
		}),
		gauge("llmwatch_log_store_failing", "1 while the log store cannot keep data.", func() float64 {
			if s.Health() != nil {
				return 1
			}

			return 0
		}),
	}
	reg.MustRegister(m.all...)

	return m
}

// unregister lets another store of the process take the names.
func (m *metrics) unregister() {
	for _, c := range m.all {
		m.reg.Unregister(c)
	}
}

func (m *metrics) count(counts []loggerCount) {
	for i := range counts {
		c := &counts[i]
		name := c.logger
		counters := m.loggers[name]
		if counters == nil {
			if len(m.loggers) >= maxLoggers {
				name = otherLogger
				counters = m.loggers[name]
			}
			if counters == nil {
				counters = new([entry.NumLevels]prometheus.Counter)
				m.loggers[name] = counters
			}
		}
		for level, n := range c.counts {
			if n == 0 {
				continue
			}
			if counters[level] == nil {
				counters[level] = m.entries.WithLabelValues(entry.Level(level).String(), name)
			}
			counters[level].Add(float64(n))
		}
	}
}
