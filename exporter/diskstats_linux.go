package exporter

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
)

// sectorSize is the unit of /proc/diskstats in bytes, whatever the disk's own
// sector size is.
const sectorSize = 512

// diskBytes reads procfs itself, because gopsutil looks up the serial number
// and the label of each device whenever it is asked for the counters.
func (h *host) diskBytes(context.Context) (map[string]ioBytes, error) {
	path := filepath.Join(h.procPath, "diskstats")
	content, err := os.ReadFile(path)
	if err != nil {
		return nil, fmt.Errorf("reading disk counters: %w", err)
	}
	disks, err := parseDiskstats(string(content))
	if err != nil {
		return nil, fmt.Errorf("reading disk counters from %s: %w", path, err)
	}

	return disks, nil
}

// parseDiskstats reads the format of the kernel's
// Documentation/admin-guide/iostats.rst: major, minor, name, then the counters,
// of which the third is sectors read and the seventh sectors written.
func parseDiskstats(content string) (map[string]ioBytes, error) {
	disks := make(map[string]ioBytes)
	for line := range strings.Lines(content) {
		fields := strings.Fields(line)
		if len(fields) == 0 {
			continue
		}
		if len(fields) < 10 {
			return nil, fmt.Errorf("line %q has %d fields, want at least 10", strings.TrimSpace(line), len(fields))
		}
		read, err := strconv.ParseUint(fields[5], 10, 64)
		if err != nil {
			return nil, fmt.Errorf("sectors read from %s: %w", fields[2], err)
		}
		written, err := strconv.ParseUint(fields[9], 10, 64)
		if err != nil {
			return nil, fmt.Errorf("sectors written to %s: %w", fields[2], err)
		}
		disks[validUTF8(fields[2])] = ioBytes{in: read * sectorSize, out: written * sectorSize}
	}

	return disks, nil
}
