//go:build !linux

package exporter

import (
	"context"
	"fmt"

	"github.com/shirou/gopsutil/v3/net"
)

func (h *host) tcpSockets(ctx context.Context) (tcpSockets, error) {
	ipv4, err := socketsInUse(ctx, "tcp4")
	if err != nil {
		return tcpSockets{}, err
	}
	ipv6, err := socketsInUse(ctx, "tcp6")
	if err != nil {
		return tcpSockets{}, err
	}

	return tcpSockets{ipv4: ipv4, ipv6: ipv6, hasIPv6: true}, nil
}

// socketsInUse counts as Linux does: sockets that only wait for late packets
// are not in use.
func socketsInUse(ctx context.Context, kind string) (uint64, error) {
	connections, err := net.ConnectionsWithContext(ctx, kind)
	if err != nil {
		return 0, fmt.Errorf("listing %s sockets: %w", kind, err)
	}
	var inUse uint64
	for _, c := range connections {
		switch c.Status {
		case "TIME_WAIT", "CLOSED", "CLOSE":
		default:
			inUse++
		}
	}

	return inUse, nil
}
