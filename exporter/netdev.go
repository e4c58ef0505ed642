package exporter

import (
	"context"
	"fmt"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/shirou/gopsutil/v3/net"
)

type networkCollector struct {
	source            systemSource
	receive, transmit *prometheus.Desc
}

func newNetworkCollector(source systemSource) *networkCollector {
	return &networkCollector{
		source: source,
		receive: prometheus.NewDesc("node_network_receive_bytes_total",
			"Bytes that each network device has received.", []string{"device"}, nil),
		transmit: prometheus.NewDesc("node_network_transmit_bytes_total",
			"Bytes that each network device has transmitted.", []string{"device"}, nil),
	}
}

func (c *networkCollector) describe() []*prometheus.Desc {
	return []*prometheus.Desc{c.receive, c.transmit}
}

func (c *networkCollector) collect(ctx context.Context) ([]prometheus.Metric, error) {
	devices, err := c.source.networkBytes(ctx)
	if err != nil {
		return nil, err
	}

	return ioMetrics(devices, c.receive, c.transmit), nil
}

// ioMetrics returns the two counters of each device.
func ioMetrics(devices map[string]ioBytes, in, out *prometheus.Desc) []prometheus.Metric {
	metrics := make([]prometheus.Metric, 0, 2*len(devices))
	for device, bytes := range devices {
		metrics = append(metrics,
			counter(in, float64(bytes.in), device),
			counter(out, float64(bytes.out), device))
	}

	return metrics
}

// networkBytes returns what each network device has moved, by its name.
func (h *host) networkBytes(ctx context.Context) (map[string]ioBytes, error) {
	stats, err := net.IOCountersWithContext(h.gopsutil(ctx), true)
	if err != nil {
		return nil, fmt.Errorf("reading network device counters: %w", err)
	}
	devices := make(map[string]ioBytes, len(stats))
	for _, s := range stats {
		devices[validUTF8(s.Name)] = ioBytes{in: s.BytesRecv, out: s.BytesSent}
	}

	return devices, nil
}
