package exporter

import (
	"context"

	"github.com/prometheus/client_golang/prometheus"
)

type bootTimeCollector struct {
	source   systemSource
	bootTime *prometheus.Desc
}

func newBootTimeCollector(source systemSource) *bootTimeCollector {
	return &bootTimeCollector{
		source: source,
		bootTime: prometheus.NewDesc("node_boot_time_seconds",
			"When the host was booted, in seconds since the Unix epoch.", nil, nil),
	}
}

func (c *bootTimeCollector) describe() []*prometheus.Desc {
	return []*prometheus.Desc{c.bootTime}
}

func (c *bootTimeCollector) collect(ctx context.Context) ([]prometheus.Metric, error) {
	seconds, err := c.source.bootTime(ctx)
	if err != nil {
		return nil, err
	}

	return []prometheus.Metric{gauge(c.bootTime, float64(seconds))}, nil
}
