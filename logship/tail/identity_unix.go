//go:build unix

package tail

import (
	"os"
	"syscall"

	"golang.org/x/sys/unix"
)

func identify(info os.FileInfo) (id identity, links uint64) {
	sys, ok := info.Sys().(*syscall.Stat_t)
	if !ok {
		return identity{}, 1
	}

	return identity{uint64(sys.Dev), sys.Ino}, uint64(sys.Nlink) //nolint:unconvert // The types differ between systems.
}

// lock takes f for this process alone, until it ends.
func lock(f *os.File) error {
	return unix.Flock(int(f.Fd()), unix.LOCK_EX|unix.LOCK_NB)
}
