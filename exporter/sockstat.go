package exporter

import (
	"context"

	"github.com/prometheus/client_golang/prometheus"
)

// tcpSockets counts TCP sockets in use: listening, connecting or connected.
type tcpSockets struct {
	ipv4    uint64
	ipv6    uint64
	hasIPv6 bool
}

type socketCollector struct {
	source    systemSource
	tcp, tcp6 *prometheus.Desc
}

func newSocketCollector(source systemSource) *socketCollector {
	return &socketCollector{
		source: source,
		tcp: prometheus.NewDesc("node_sockstat_TCP_inuse",
			"TCP sockets over IPv4 in use, listening ones included.", nil, nil),
		tcp6: prometheus.NewDesc("node_sockstat_TCP6_inuse",
			"TCP sockets over IPv6 in use, listening ones included.", nil, nil),
	}
}

func (c *socketCollector) describe() []*prometheus.Desc {
	return []*prometheus.Desc{c.tcp, c.tcp6}
}

func (c *socketCollector) collect(ctx context.Context) ([]prometheus.Metric, error) {
	sockets, err := c.source.tcpSockets(ctx)
	if err != nil {
		return nil, err
	}

	return c.metrics(sockets), nil
}

func (c *socketCollector) metrics(s tcpSockets) []prometheus.Metric {
	metrics := []prometheus.Metric{gauge(c.tcp, float64(s.ipv4))}
	if s.hasIPv6 {
		metrics = append(metrics, gauge(c.tcp6, float64(s.ipv6)))
	}

	return metrics
}
