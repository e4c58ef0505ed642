package exporter

import (
	"context"
	"fmt"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/shirou/gopsutil/v3/load"
)

// loadAverages are the numbers of runnable (on Linux also uninterruptible)
// tasks, averaged over 1, 5 and 15 minutes.
type loadAverages struct {
	load1, load5, load15 float64
}

type loadCollector struct {
	source               systemSource
	load1, load5, load15 *prometheus.Desc
}

func newLoadCollector(source systemSource) *loadCollector {
	return &loadCollector{
		source: source,
		load1:  prometheus.NewDesc("node_load1", "Load average over 1 minute.", nil, nil),
		load5:  prometheus.NewDesc("node_load5", "Load average over 5 minutes.", nil, nil),
		load15: prometheus.NewDesc("node_load15", "Load average over 15 minutes.", nil, nil),
	}
}

func (c *loadCollector) describe() []*prometheus.Desc {
	return []*prometheus.Desc{c.load1, c.load5, c.load15}
}

func (c *loadCollector) collect(ctx context.Context) ([]prometheus.Metric, error) {
	averages, err := c.source.loadAverages(ctx)
	if err != nil {
		return nil, err
	}

	return c.metrics(averages), nil
}

func (c *loadCollector) metrics(l loadAverages) []prometheus.Metric {
	return []prometheus.Metric{
		gauge(c.load1, l.load1),
		gauge(c.load5, l.load5),
		gauge(c.load15, l.load15),
	}
}

func (h *host) loadAverages(ctx context.Context) (loadAverages, error) {
	// On Windows gopsutil samples the load in the background, for as long as
	// the context of the first call lives.
	avg, err := load.AvgWithContext(h.gopsutil(context.WithoutCancel(ctx)))
	if err != nil {
		return loadAverages{}, fmt.Errorf("reading load averages: %w", err)
	}

	return loadAverages{load1: avg.Load1, load5: avg.Load5, load15: avg.Load15}, nil
}
