package exporter

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"
)

// tcpSockets reads the kernel's own sums: walking all connections, as gopsutil
// does, costs more the busier the host is.
func (h *host) tcpSockets(context.Context) (tcpSockets, error) {
	ipv4, err := h.socketsInUse("sockstat", "TCP")
	if err != nil {
		return tcpSockets{}, err
	}
	ipv6, err := h.socketsInUse("sockstat6", "TCP6")
	if errors.Is(err, fs.ErrNotExist) { // IPv6 is switched off.
		return tcpSockets{ipv4: ipv4}, nil
	}
	if err != nil {
		return tcpSockets{}, err
	}

	return tcpSockets{ipv4: ipv4, ipv6: ipv6, hasIPv6: true}, nil
}

func (h *host) socketsInUse(file, protocol string) (uint64, error) {
	path := filepath.Join(h.procPath, "net", file)
	content, err := os.ReadFile(path)
	if err != nil {
		return 0, fmt.Errorf("reading socket counts: %w", err)
	}
	inUse, err := parseSockstat(string(content), protocol)
	if err != nil {
		return 0, fmt.Errorf("reading socket counts from %s: %w", path, err)
	}

	return inUse, nil
}

// parseSockstat returns the sockets of a protocol that are in use. A line is
// the protocol's name, a colon, and pairs of a name and a number:
//
//	TCP: inuse 7 orphan 0 tw 2 alloc 9 mem 1
func parseSockstat(content, protocol string) (uint64, error) {
	for line := range strings.Lines(content) {
		rest, ok := strings.CutPrefix(line, protocol+":")
		if !ok {
			continue
		}
		fields := strings.Fields(rest)
		for i := 0; i+1 < len(fields); i += 2 {
			if fields[i] != "inuse" {
				continue
			}
			inUse, err := strconv.ParseUint(fields[i+1], 10, 64)
			if err != nil {
				return 0, fmt.Errorf("%s sockets in use: %w", protocol, err)
			}

			return inUse, nil
		}
	}

	return 0, fmt.Errorf("no line %q with a pair \"inuse <number>\"", protocol+":")
}
