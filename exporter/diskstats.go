package exporter

import (
	"context"
	"strings"

	"github.com/prometheus/client_golang/prometheus"
)

type diskCollector struct {
	source        systemSource
	read, written *prometheus.Desc
}

func newDiskCollector(source systemSource) *diskCollector {
	return &diskCollector{
		source: source,
		read: prometheus.NewDesc("node_disk_read_bytes_total",
			"Bytes that have been read from each disk.", []string{"device"}, nil),
		written: prometheus.NewDesc("node_disk_written_bytes_total",
			"Bytes that have been written to each disk.", []string{"device"}, nil),
	}
}

func (c *diskCollector) describe() []*prometheus.Desc {
	return []*prometheus.Desc{c.read, c.written}
}

func (c *diskCollector) collect(ctx context.Context) ([]prometheus.Metric, error) {
	disks, err := c.source.diskBytes(ctx)
	if err != nil {
		return nil, err
	}
	for device := range disks {
		if ignoredDisk(device) {
			delete(disks, device)
		}
	}

	return ioMetrics(disks, c.read, c.written), nil
}

// ignoredDisk reports whether a block device is no disk of its own: memory,
// a loop device, a floppy drive, or a partition, whose traffic its disk counts.
func ignoredDisk(device string) bool {
	stem := strings.TrimRight(device, "0123456789")
	if stem == device {
		return false
	}
	switch stem {
	case "ram", "zram", "loop", "fd":
		return true
	}
	for _, disk := range []string{"hd", "sd", "vd", "xvd"} {
		if letters, ok := strings.CutPrefix(stem, disk); ok && letters != "" && isLower(letters) {
			return true
		}
	}

	// The partitions of nvme0n1 and mmcblk0 are nvme0n1p1 and mmcblk0p1.
	return strings.HasSuffix(stem, "p") && (strings.HasPrefix(stem, "nvme") || strings.HasPrefix(stem, "mmcblk"))
}

func isLower(s string) bool {
	return strings.Trim(s, "abcdefghijklmnopqrstuvwxyz") == ""
}
