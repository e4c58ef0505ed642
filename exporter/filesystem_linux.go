package exporter

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

// mounts reads procfs itself: gopsutil renames devices (/dev/mapper/data to
// /dev/dm-3), and does not see that the kernel made a file system read-only
// after an error. The mounts of process 1 are preferred, because a service may
// run with a view of its own, in which its manager made everything read-only.
func (h *host) mounts(context.Context) ([]mount, error) {
	content, err := os.ReadFile(filepath.Join(h.procPath, "1", "mounts"))
	if err != nil {
		content, err = os.ReadFile(filepath.Join(h.procPath, "self", "mounts"))
	}
	if err != nil {
		return nil, fmt.Errorf("reading mounts: %w", err)
	}
	mounts, err := parseMounts(string(content))
	if err != nil {
		return nil, fmt.Errorf("reading mounts below %s: %w", h.procPath, err)
	}

	return mounts, nil
}

// parseMounts reads the format of fstab(5): device, mount point, type, options.
func parseMounts(content string) ([]mount, error) {
	// The kernel writes the bytes that would break the format in octal. In one
	// pass, so that an escaped backslash does not begin another escape.
	unescape := strings.NewReplacer(`\040`, " ", `\011`, "\t", `\012`, "\n", `\043`, "#", `\134`, `\`)
	var mounts []mount
	for line := range strings.Lines(content) {
		fields := strings.Fields(line)
		if len(fields) == 0 {
			continue
		}
		if len(fields) < 4 {
			return nil, fmt.Errorf("line %q has %d fields, want at least 4", strings.TrimSpace(line), len(fields))
		}
		mounts = append(mounts, mount{
			device:     unescape.Replace(fields[0]),
			mountpoint: unescape.Replace(fields[1]),
			fstype:     fields[2],
			readonly:   slices.Contains(strings.Split(fields[3], ","), "ro"),
		})
	}

	return mounts, nil
}
