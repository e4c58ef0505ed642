//go:build !linux

package exporter

import (
	"context"
	"fmt"

	gopsutilhost "github.com/shirou/gopsutil/v3/host"
)

func (h *host) bootTime(ctx context.Context) (uint64, error) {
	seconds, err := gopsutilhost.BootTimeWithContext(ctx)
	if err != nil {
		return 0, fmt.Errorf("reading boot time: %w", err)
	}

	return seconds, nil
}
