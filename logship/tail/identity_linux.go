package tail

import (
	"os"
	"time"

	"golang.org/x/sys/unix"
)

const statxMask = unix.STATX_BASIC_STATS | unix.STATX_BTIME

func statPath(path string) (status, error) {
	var x unix.Statx_t
	if err := unix.Statx(unix.AT_FDCWD, path, 0, statxMask, &x); err == nil {
		return fromStatx(&x), nil
	}
	// Some containers forbid that call.
	info, err := os.Stat(path)
	if err != nil {
		return status{}, err
	}

	return portableStatus(info), nil
}

func statFile(f *os.File) (status, error) {
	var x unix.Statx_t
	if err := unix.Statx(int(f.Fd()), "", unix.AT_EMPTY_PATH, statxMask, &x); err == nil {
		return fromStatx(&x), nil
	}
	info, err := f.Stat()
	if err != nil {
		return status{}, err
	}

	return portableStatus(info), nil
}

func fromStatx(x *unix.Statx_t) status {
	s := status{
		identity: identity{unix.Mkdev(x.Dev_major, x.Dev_minor), x.Ino},
		size:     int64(x.Size),
		modified: time.Unix(x.Mtime.Sec, int64(x.Mtime.Nsec)),
		links:    uint64(x.Nlink),
		regular:  x.Mode&unix.S_IFMT == unix.S_IFREG,
	}
	if x.Mask&unix.STATX_BTIME != 0 {
		s.born = x.Btime.Sec*int64(time.Second) + int64(x.Btime.Nsec)
	}

	return s
}
