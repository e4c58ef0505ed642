package exporter

import (
	"context"
	"log/slog"
	"strings"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

// DefaultSystemTimeout is how long a part of the SystemCollector may take
// before a scrape goes on without it.
const DefaultSystemTimeout = 500 * time.Millisecond

// SystemOptions configures a SystemCollector. The zero value is ready for use
// on the host itself.
type SystemOptions struct {
	// Timeout bounds each part of the collector, and because all parts run at
	// the same time, the whole collection. DefaultSystemTimeout if it is not
	// positive.
	Timeout time.Duration
	// Logger receives one warning when a part begins to fail and one message
	// when it works again. Nothing is logged if it is nil.
	Logger *slog.Logger
	// ProcPath is where the host's procfs is mounted, "/proc" if empty. A
	// container that watches its host sets it. Only Linux has a use for it.
	ProcPath string
	// RootPath is where the host's root file system is mounted, "/" if empty.
	// Mount points are measured below it and reported without it.
	RootPath string
}

// SystemCollector is a prometheus.Collector for the host: CPU, load, memory,
// file systems, network devices, disks, TCP sockets and boot time, each under
// the name and with the meaning that node_exporter gives it. It is safe for
// concurrent scrapes.
//
// A part that fails, panics or does not answer in time is missing from the
// scrape and is reported by llmwatch_collector_success; it neither delays nor
// harms the others. A part that hangs is not started again before it returns.
type SystemCollector struct {
	logger   *slog.Logger
	parts    []*systemPart
	success  *prometheus.Desc
	duration *prometheus.Desc
}

// subCollector is one part of the SystemCollector. Its collect method is never
// called concurrently and may block.
type subCollector interface {
	describe() []*prometheus.Desc
	collect(ctx context.Context) ([]prometheus.Metric, error)
}

// systemPart is a subCollector with what keeps it from harming others.
type systemPart struct {
	name      string
	collector subCollector
	guard     *guard[[]prometheus.Metric]
	outage    outage
}

// NewSystemCollector returns a collector of the host that the program runs on.
// It reads nothing before the first scrape.
func NewSystemCollector(options SystemOptions) *SystemCollector {
	return newSystemCollector(newHost(options), options)
}

func newSystemCollector(source systemSource, options SystemOptions) *SystemCollector {
	if options.Timeout <= 0 {
		options.Timeout = DefaultSystemTimeout
	}
	if options.Logger == nil {
		options.Logger = slog.New(slog.DiscardHandler)
	}
	c := &SystemCollector{
		logger: options.Logger,
		success: prometheus.NewDesc("llmwatch_collector_success",
			"Whether this part of the system collector delivered its metrics: 1 if so, 0 if it failed or hangs.",
			[]string{"collector"}, nil),
		duration: prometheus.NewDesc("llmwatch_collector_duration_seconds",
			"How long this part of the system collector took, or has been hanging so far.",
			[]string{"collector"}, nil),
	}
	add := func(name string, collector subCollector) {
		c.parts = append(c.parts, &systemPart{
			name:      name,
			collector: collector,
			guard:     newGuard[[]prometheus.Metric](options.Timeout),
		})
	}
	add("boottime", newBootTimeCollector(source))
	add("cpu", newCPUCollector(source))
	add("diskstats", newDiskCollector(source))
	add("filesystem", newFilesystemCollector(source, options.Logger, options.Timeout))
	add("loadavg", newLoadCollector(source))
	add("meminfo", newMemoryCollector(source))
	add("netdev", newNetworkCollector(source))
	add("sockstat", newSocketCollector(source))

	return c
}

// Describe implements prometheus.Collector.
func (c *SystemCollector) Describe(ch chan<- *prometheus.Desc) {
	ch <- c.success
	ch <- c.duration
	for _, part := range c.parts {
		for _, desc := range part.collector.describe() {
			ch <- desc
		}
	}
}

// Collect implements prometheus.Collector. It returns within the timeout of
// SystemOptions whatever the host does. Scrapes at the same time share a run.
func (c *SystemCollector) Collect(ch chan<- prometheus.Metric) {
	runs := make([]*run[[]prometheus.Metric], len(c.parts))
	for i, part := range c.parts {
		runs[i] = part.guard.start(context.Background(), part.collector.collect)
	}
	for i, part := range c.parts {
		metrics, took, err := runs[i].wait()
		part.outage.observe(c.logger, err, slog.String("collector", part.name))
		for _, metric := range metrics {
			ch <- metric
		}
		ch <- gauge(c.success, boolValue(err == nil), part.name)
		ch <- gauge(c.duration, took.Seconds(), part.name)
	}
}

// outage remembers whether something is failing, so that only the change is
// logged and not each scrape that finds it unchanged.
type outage struct {
	mu      sync.Mutex
	failing bool // Guarded by mu.
}

func (o *outage) observe(logger *slog.Logger, err error, what slog.Attr) {
	o.mu.Lock()
	changed := o.failing != (err != nil)
	o.failing = err != nil
	o.mu.Unlock()

	switch {
	case !changed:
	case err != nil:
		logger.Warn("collecting system metrics fails", what, slog.Any("err", err))
	default:
		logger.Info("collecting system metrics works again", what)
	}
}

func gauge(desc *prometheus.Desc, value float64, labels ...string) prometheus.Metric {
	return prometheus.MustNewConstMetric(desc, prometheus.GaugeValue, value, labels...)
}

func counter(desc *prometheus.Desc, value float64, labels ...string) prometheus.Metric {
	return prometheus.MustNewConstMetric(desc, prometheus.CounterValue, value, labels...)
}

// validUTF8 makes a label value of a name that may be any bytes, like a path.
func validUTF8(name string) string {
	return strings.ToValidUTF8(name, "\uFFFD")
}

func boolValue(b bool) float64 {
	if b {
		return 1
	}

	return 0
}
