package exporter

import (
	"context"
	"errors"
	"fmt"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/shirou/gopsutil/v3/mem"
)

// memory is in bytes.
type memory struct {
	total     uint64
	available uint64 // What programs can get without swapping.
}

type memoryCollector struct {
	source           systemSource
	total, available *prometheus.Desc
}

func newMemoryCollector(source systemSource) *memoryCollector {
	return &memoryCollector{
		source: source,
		total:  prometheus.NewDesc("node_memory_MemTotal_bytes", "Usable memory of the host in bytes.", nil, nil),
		available: prometheus.NewDesc("node_memory_MemAvailable_bytes",
			"Memory in bytes that programs can get without swapping.", nil, nil),
	}
}

func (c *memoryCollector) describe() []*prometheus.Desc {
	return []*prometheus.Desc{c.total, c.available}
}

func (c *memoryCollector) collect(ctx context.Context) ([]prometheus.Metric, error) {
	m, err := c.source.memory(ctx)
	if err != nil {
		return nil, err
	}

	return c.metrics(m), nil
}

func (c *memoryCollector) metrics(m memory) []prometheus.Metric {
	return []prometheus.Metric{
		gauge(c.total, float64(m.total)),
		gauge(c.available, float64(m.available)),
	}
}

func (h *host) memory(ctx context.Context) (memory, error) {
	stat, err := mem.VirtualMemoryWithContext(h.gopsutil(ctx))
	if err != nil {
		return memory{}, fmt.Errorf("reading memory statistics: %w", err)
	}
	// An unreadable /proc/meminfo is no error to gopsutil.
	if stat.Total == 0 {
		return memory{}, errors.New("reading memory statistics: the system reports no memory")
	}

	return memory{total: stat.Total, available: stat.Available}, nil
}
