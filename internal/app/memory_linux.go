package app

import (
	"bufio"
	"bytes"
	"fmt"
	"os"
	"strings"

	"golang.org/x/sys/unix"
)

// forgetStartup gives the pages of the executable that only the start needed
// back to the kernel, which keeps them in its page cache: what is needed again
// is mapped again at the cost of a minor fault. The libraries of the embedded
// engine touch some 10 MB of the file in their initialisers, never to return.
//
// Only read-only mappings of the file are touched, so nothing can be lost.
func forgetStartup() error {
	exe, err := os.Readlink("/proc/self/exe")
	if err != nil {
		return fmt.Errorf("finding the executable: %w", err)
	}
	maps, err := os.ReadFile("/proc/self/maps")
	if err != nil {
		return fmt.Errorf("reading the memory map: %w", err)
	}
	lines := bufio.NewScanner(bytes.NewReader(maps))
	for lines.Scan() {
		var begin, end uintptr
		var mode string
		if _, err := fmt.Sscanf(lines.Text(), "%x-%x %s", &begin, &end, &mode); err != nil ||
			!strings.HasSuffix(lines.Text(), " "+exe) || !strings.HasPrefix(mode, "r-") {
			continue
		}
		if _, _, errno := unix.Syscall(unix.SYS_MADVISE, begin, end-begin, unix.MADV_DONTNEED); errno != 0 {
			return fmt.Errorf("releasing pages of the executable: %w", errno)
		}
	}

	return nil
}
