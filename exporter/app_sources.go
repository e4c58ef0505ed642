package exporter

import (
	"log/slog"
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

// maxSources is how many sources are kept at a time.
const maxSources = 1000

// The gauges that sources set.
const (
	gaugeCacheEntries = iota
	gaugeCacheBytes
	gaugeConnections
	gaugeMaxConnections
	gaugeQueueDepth
	gaugeCount
)

func newSourceGauges() [gaugeCount]*prometheus.Desc {
	return [gaugeCount]*prometheus.Desc{
		gaugeCacheEntries: prometheus.NewDesc("llm_cache_entries", "Entries in a cache.", []string{"cache"}, nil),
		gaugeCacheBytes:   prometheus.NewDesc("llm_cache_size_bytes", "Size of a cache.", []string{"cache"}, nil),
		gaugeConnections: prometheus.NewDesc("db_client_connection_count",
			"Connections in a pool, by state: used or idle.", []string{"pool", "state"}, nil),
		gaugeMaxConnections: prometheus.NewDesc("db_client_connection_max",
			"Connections that a pool may open.", []string{"pool"}, nil),
		gaugeQueueDepth: prometheus.NewDesc("llm_queue_depth", "Tasks waiting in a queue.", []string{"queue"}, nil),
	}
}

// Source is one of several programs that each report their own state: a worker
// process, say. The series show the sum over all sources. What a source set
// counts until it sets it again, or is not heard of for AppOptions.SourceTTL.
// Names past AppOptions.MaxLabelValues share one value, the last one set.
type Source struct {
	app  *App
	name string
}

// sourceValues are what a source set last. App.mu guards them.
type sourceValues struct {
	lastHeard time.Time
	values    map[sourceGauge]float64
}

// sourceGauge names a series: a gauge, the value of its first label and, with
// connections, their state.
type sourceGauge struct {
	gauge       int
	name, state string
}

// Source returns the source of that name and notes that it was heard of. The
// empty name is for the program itself, which is never forgotten. At most 1000
// others are kept; what further ones set is not shown.
func (a *App) Source(name string) Source {
	a.mu.Lock()
	defer a.mu.Unlock()

	a.hear(name)

	return Source{app: a, name: name}
}

// hear notes that a source was heard of and returns its values, nil if there
// are too many sources. The caller holds mu.
func (a *App) hear(name string) *sourceValues {
	now := a.options.Now()
	if source := a.sources[name]; source != nil {
		source.lastHeard = now

		return source
	}
	if name != "" && len(a.sources) >= maxSources {
		a.forgetSources(now)
	}
	if name != "" && len(a.sources) >= maxSources {
		a.tooMany.Do(func() {
			a.options.Logger.Warn("too many sources, further ones are not shown", slog.Int("limit", maxSources))
		})

		return nil
	}
	source := &sourceValues{lastHeard: now, values: make(map[sourceGauge]float64)}
	a.sources[name] = source

	return source
}

// SetCacheEntries tells how many entries a cache holds.
func (s Source) SetCacheEntries(cache string, entries int64) {
	s.set(sourceGauge{gauge: gaugeCacheEntries, name: s.app.limits.cache.value(cache, "llm_cache_entries")}, entries)
}

// SetCacheBytes tells how many bytes a cache takes.
func (s Source) SetCacheBytes(cache string, bytes int64) {
	s.set(sourceGauge{gauge: gaugeCacheBytes, name: s.app.limits.cache.value(cache, "llm_cache_size_bytes")}, bytes)
}

// SetConnections tells how many connections of a pool are used and idle.
func (s Source) SetConnections(pool string, used, idle int64) {
	pool = s.app.limits.pool.value(pool, "db_client_connection_count")
	s.set(sourceGauge{gauge: gaugeConnections, name: pool, state: "used"}, used)
	s.set(sourceGauge{gauge: gaugeConnections, name: pool, state: "idle"}, idle)
}

// SetMaxConnections tells how many connections a pool may open.
func (s Source) SetMaxConnections(pool string, n int64) {
	s.set(sourceGauge{gauge: gaugeMaxConnections, name: s.app.limits.pool.value(pool, "db_client_connection_max")}, n)
}

// SetQueueDepth tells how many tasks wait in a queue.
func (s Source) SetQueueDepth(queue string, tasks int64) {
	s.set(sourceGauge{gauge: gaugeQueueDepth, name: s.app.limits.queue.value(queue, "llm_queue_depth")}, tasks)
}

func (s Source) set(series sourceGauge, value int64) {
	if !s.app.notNegative("gauge", float64(value)) {
		return
	}
	s.app.mu.Lock()
	defer s.app.mu.Unlock()

	if source := s.app.hear(s.name); source != nil {
		source.values[series] = float64(value)
	}
}

// forgetSources drops the sources that have been silent for too long. The
// caller holds mu.
func (a *App) forgetSources(now time.Time) {
	for name, source := range a.sources {
		if name != "" && now.Sub(source.lastHeard) > a.options.SourceTTL {
			delete(a.sources, name)
		}
	}
}

// sourceState returns the sums over all sources. The caller holds mu.
func (a *App) sourceState(now time.Time) []prometheus.Metric {
	a.forgetSources(now)
	sums := make(map[sourceGauge]float64)
	for _, source := range a.sources {
		for series, value := range source.values {
			sums[series] += value
		}
	}
	metrics := make([]prometheus.Metric, 0, len(sums))
	for series, sum := range sums {
		labels := []string{series.name, series.state}
		if series.gauge != gaugeConnections {
			labels = labels[:1]
		}
		metrics = append(metrics, gauge(a.metrics.gauges[series.gauge], sum, labels...))
	}

	return metrics
}
