package exporter

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/shirou/gopsutil/v3/cpu"
)

// maxIdleJitter is how far, in seconds, a CPU's idle time may appear to run
// backwards before it means that the kernel began to count anew.
const maxIdleJitter = 3

// cpuTimes are the seconds that one CPU spent in each mode since boot. As in
// /proc/stat, user and nice include the time given to guests.
type cpuTimes struct {
	user, nice, system, idle, iowait, irq, softirq, steal float64
}

type cpuCollector struct {
	source  systemSource
	seconds *prometheus.Desc
	last    map[string]cpuTimes // What was reported before, by CPU.
}

func newCPUCollector(source systemSource) *cpuCollector {
	return &cpuCollector{
		source: source,
		seconds: prometheus.NewDesc("node_cpu_seconds_total",
			"Seconds that each CPU has spent in each mode since boot.", []string{"cpu", "mode"}, nil),
	}
}

func (c *cpuCollector) describe() []*prometheus.Desc {
	return []*prometheus.Desc{c.seconds}
}

func (c *cpuCollector) collect(ctx context.Context) ([]prometheus.Metric, error) {
	times, err := c.source.cpuTimes(ctx)
	if err != nil {
		return nil, err
	}
	for name, current := range times {
		if last, ok := c.last[name]; ok {
			times[name] = neverBackwards(last, current)
		}
	}
	c.last = times

	return c.metrics(times), nil
}

func (c *cpuCollector) metrics(times map[string]cpuTimes) []prometheus.Metric {
	metrics := make([]prometheus.Metric, 0, 8*len(times))
	for name, t := range times {
		metrics = append(metrics,
			counter(c.seconds, t.user, name, "user"),
			counter(c.seconds, t.nice, name, "nice"),
			counter(c.seconds, t.system, name, "system"),
			counter(c.seconds, t.idle, name, "idle"),
			counter(c.seconds, t.iowait, name, "iowait"),
			counter(c.seconds, t.irq, name, "irq"),
			counter(c.seconds, t.softirq, name, "softirq"),
			counter(c.seconds, t.steal, name, "steal"))
	}

	return metrics
}

// neverBackwards holds back the small steps back that Linux makes in idle and
// iowait (proc_stat(5)): to Prometheus any step back is a restart from zero,
// and rate() would show the whole uptime as spent in that mode just now. A
// large step of idle is a CPU that was taken offline and does begin anew.
func neverBackwards(last, current cpuTimes) cpuTimes {
	if last.idle-current.idle > maxIdleJitter {
		return current
	}

	return cpuTimes{
		user:    max(last.user, current.user),
		nice:    max(last.nice, current.nice),
		system:  max(last.system, current.system),
		idle:    max(last.idle, current.idle),
		iowait:  max(last.iowait, current.iowait),
		irq:     max(last.irq, current.irq),
		softirq: max(last.softirq, current.softirq),
		steal:   max(last.steal, current.steal),
	}
}

// cpuTimes returns the times by CPU number ("0", "1").
func (h *host) cpuTimes(ctx context.Context) (map[string]cpuTimes, error) {
	stats, err := cpu.TimesWithContext(h.gopsutil(ctx), true)
	if err != nil {
		return nil, fmt.Errorf("reading CPU times: %w", err)
	}
	if len(stats) == 0 {
		return nil, errors.New("reading CPU times: the system reports no CPU")
	}
	times := make(map[string]cpuTimes, len(stats))
	for _, s := range stats {
		times[strings.TrimPrefix(s.CPU, "cpu")] = cpuTimes{
			user: s.User, nice: s.Nice, system: s.System, idle: s.Idle,
			iowait: s.Iowait, irq: s.Irq, softirq: s.Softirq, steal: s.Steal,
		}
	}

	return times, nil
}
