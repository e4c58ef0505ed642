package tail

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"time"
)

// file is a followed file.
type file struct {
	identity
	born    int64
	path    string // Where it was found first, which is what its entries say.
	current string // Where it was seen last.
	label   label

	handle *os.File // Nil while it is closed.
	at     position // Up to where its lines are in a batch.

	past []generation // What was in the file before it was truncated, the latest last.

	original *file // It seems to be a copy of that one, which may be truncated next.
	copy     bool  // It is a copy, and goes on where reading the original stopped.
	judged   bool  // It is known whether it is one.
	old      bool  // It was there before anybody asked for it.

	size     int64
	modified time.Time
	grown    time.Time // When it was seen to change last.
	seen     time.Time // When it was found under a name last.
	present  bool      // It was found by the last scan.
	tried    int       // How far the end of what is there was tried in vain.
}

// ended tells a file that its writers are expected to leave.
func (t *file) ended() bool { return !t.present || t.current != t.path || t.copy }

// refresh takes over what the open file has become.
func (t *file) refresh(now time.Time) (links uint64, err error) {
	s, err := statFile(t.handle)
	if err != nil {
		return 0, err
	}
	if s.size != t.size || !s.modified.Equal(t.modified) {
		t.size, t.modified, t.grown, t.tried = s.size, s.modified, now, 0
	}

	return s.links, nil
}

// read returns what is behind the position, as far as it fits, and what is before
// it. Not same says that the file does not hold any more what was read from it.
// Data is nil if the file changed meanwhile, so that only the next look will tell.
func (t *file) read(buf []byte) (before, data []byte, same bool, err error) {
	known := min(t.at.Offset, windowBytes)
	start := t.at.Offset - known
	n, err := t.handle.ReadAt(buf, start)
	if err != nil && !errors.Is(err, io.EOF) {
		return nil, nil, false, err
	}
	if last, ok := t.at.last(); ok && (int64(n) < known || newSpot(last.End, buf[:known]) != last) {
		return nil, nil, false, nil
	}
	// It may have been truncated and filled again meanwhile: then its end is not
	// what was read.
	again := make([]byte, min(n, windowBytes))
	if _, err := t.handle.ReadAt(again, start+int64(n-len(again))); err != nil && !errors.Is(err, io.EOF) {
		return nil, nil, false, err
	}
	if !bytes.Equal(again, buf[n-len(again):n]) {
		return nil, nil, true, nil
	}

	return buf[:known], buf[known:n], true, nil
}

// intact tells whether the file still holds what was read from it.
func (t *file) intact() (bool, error) {
	last, ok := t.at.last()
	if !ok {
		return true, nil
	}
	s, err := spotAt(t.handle, last.End)
	if errors.Is(err, io.EOF) {
		return false, nil
	}

	return s == last, err
}

// generation is what was in a file before it was truncated.
type generation struct {
	At      position `json:"at"`                // Where reading stopped.
	Claimed bool     `json:"claimed,omitempty"` // A copy of it has turned up.
}

// keptGenerations bounds how many truncations may pass before the copies of what
// was in a file are found.
const keptGenerations = 16

// truncate begins anew in a file that was emptied.
func (t *file) truncate() {
	if t.at.Offset > 0 {
		t.past = append(t.past[max(0, len(t.past)+1-keptGenerations):], generation{At: t.at})
	}
	t.at, t.tried = position{}, untried
}

func (t *file) open() error {
	if t.handle != nil {
		return nil
	}
	f, err := os.Open(t.current)
	if err != nil {
		return err
	}
	s, err := statFile(f)
	if err != nil || s.identity != t.identity || differs(s.born, t.born) {
		f.Close()

		return errors.Join(err, errMoved)
	}
	t.handle = f

	return nil
}

// errMoved says that another file has got the name meanwhile.
var errMoved = errors.New("the file has moved")

func (t *file) close() {
	if t.handle != nil {
		t.handle.Close()
		t.handle = nil
	}
}

// startAtEnd leaves out the whole lines that are in the file already.
func (t *file) startAtEnd() error {
	buf := make([]byte, 64<<10)
	for end := t.size; end > 0; {
		n := min(end, int64(len(buf)))
		if _, err := t.handle.ReadAt(buf[:n], end-n); err != nil {
			return fmt.Errorf("find the last line: %w", err)
		}
		if i := bytes.LastIndexByte(buf[:n], '\n'); i >= 0 {
			return t.at.startAt(t.handle, end-n+int64(i)+1)
		}
		end -= n
	}

	return nil
}

// stem is what the names of a file and of its rotated ones have in common.
func stem(path string) string {
	name := filepath.Base(path)
	if i := strings.IndexByte(name[1:], '.'); i >= 0 {
		name = name[:i+1]
	}

	return name
}
