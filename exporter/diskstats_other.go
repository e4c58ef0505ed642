//go:build !linux

package exporter

import (
	"context"
	"fmt"

	"github.com/shirou/gopsutil/v3/disk"
)

func (h *host) diskBytes(ctx context.Context) (map[string]ioBytes, error) {
	stats, err := disk.IOCountersWithContext(ctx)
	if err != nil {
		return nil, fmt.Errorf("reading disk counters: %w", err)
	}
	disks := make(map[string]ioBytes, len(stats))
	for name, s := range stats {
		disks[name] = ioBytes{in: s.ReadBytes, out: s.WriteBytes}
	}

	return disks, nil
}
