package tail

import (
	"os"
	"time"
)

// identity is what a file keeps while its name changes.
type identity struct {
	Device uint64 `json:"device"`
	Inode  uint64 `json:"inode"`
}

// status is what is looked at of a file.
type status struct {
	identity
	born     int64 // When it was made, in nanoseconds; 0 if that is not known.
	size     int64
	modified time.Time
	links    uint64
	regular  bool
}

// differs tells two files of which one has got the inode of the other.
func differs(born, other int64) bool { return born != 0 && other != 0 && born != other }

// portableStatus is what every system tells.
func portableStatus(info os.FileInfo) status {
	s := status{size: info.Size(), modified: info.ModTime(), links: 1, regular: info.Mode().IsRegular()}
	s.identity, s.links = identify(info)

	return s
}
