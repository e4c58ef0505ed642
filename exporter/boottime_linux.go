package exporter

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
)

// bootTime reads procfs itself: in a container gopsutil subtracts the uptime
// from the clock, which moves by a second now and then.
func (h *host) bootTime(context.Context) (uint64, error) {
	path := filepath.Join(h.procPath, "stat")
	content, err := os.ReadFile(path)
	if err != nil {
		return 0, fmt.Errorf("reading boot time: %w", err)
	}
	seconds, err := parseBootTime(string(content))
	if err != nil {
		return 0, fmt.Errorf("reading boot time from %s: %w", path, err)
	}

	return seconds, nil
}

// parseBootTime finds the line "btime <seconds since the epoch>" of /proc/stat.
func parseBootTime(content string) (uint64, error) {
	for line := range strings.Lines(content) {
		value, ok := strings.CutPrefix(line, "btime ")
		if !ok {
			continue
		}
		seconds, err := strconv.ParseUint(strings.TrimSpace(value), 10, 64)
		if err != nil {
			return 0, fmt.Errorf("line btime: %w", err)
		}

		return seconds, nil
	}

	return 0, errors.New("no line \"btime <seconds>\"")
}
