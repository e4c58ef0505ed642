//go:build !linux

package exporter

import (
	"context"
	"fmt"
	"slices"

	"github.com/shirou/gopsutil/v3/disk"
)

func (h *host) mounts(ctx context.Context) ([]mount, error) {
	partitions, err := disk.PartitionsWithContext(ctx, false)
	if err != nil {
		return nil, fmt.Errorf("listing file systems: %w", err)
	}
	mounts := make([]mount, 0, len(partitions))
	for _, p := range partitions {
		mounts = append(mounts, mount{
			device:     p.Device,
			fstype:     p.Fstype,
			mountpoint: p.Mountpoint,
			readonly:   slices.Contains(p.Opts, "ro"),
		})
	}

	return mounts, nil
}
