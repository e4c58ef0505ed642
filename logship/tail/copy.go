package tail

import (
	"bytes"
	"path/filepath"
	"slices"
	"strings"
	"time"
)

// compareBytes is how much of each end of two files is compared.
const compareBytes = 4 << 10

// mayCopy tells whether the name of t is that of a copy of o that rotation makes:
// longer, and with the same stem.
func (t *file) mayCopy(o *file) bool {
	return t != o && !o.ended() && o.original == nil &&
		len(filepath.Base(t.current)) > len(filepath.Base(o.path)) &&
		strings.HasPrefix(filepath.Base(t.current), stem(o.path))
}

// judge decides about a new file. One that holds what was in another one before
// that was truncated takes over from it. One that holds the same as another is a
// copy, and left alone until either changes. Any other is read from its beginning.
func (f *Follower) judge(t *file, now time.Time) error {
	held := t.original
	t.original = nil
	if err := t.open(); err != nil {
		return err
	}
	if _, err := t.refresh(now); err != nil {
		return err
	}
	for _, o := range f.files {
		if !t.mayCopy(o) || o.open() != nil { // It has moved on: the next scan will find it.
			continue
		}
		equal, err := t.equals(o)
		if err != nil {
			return err
		}
		if equal {
			t.original = o
			if held != o {
				f.log.Info("leaving out a file that holds the same as another", "file", t.current, "original", o.path)
			}

			return nil
		}
		// They differ, unless it was truncated before they were compared.
		same, err := o.intact()
		if err != nil {
			return err
		}
		if !same {
			f.truncated(o)
		}
		if taken, err := f.takeOver(t, o, now); taken || err != nil {
			return err
		}
	}
	t.judged = true

	return nil
}

// takeOver makes t go on where reading o was interrupted, if it is a copy of what
// was in it.
func (f *Follower) takeOver(t, o *file, now time.Time) (taken bool, err error) {
	if len(o.past) == 0 {
		return false, nil
	}
	if _, err := t.refresh(now); err != nil { // The copy was complete before the truncation.
		return false, err
	}
	i := slices.IndexFunc(o.past, func(g generation) bool { return g.At.describes(t.handle, t.size) })
	if i < 0 {
		return false, nil
	}
	g := &o.past[i]
	if g.Claimed { // A second copy holds nothing new.
		err = t.at.startAt(t.handle, t.size)
	} else {
		t.at, err = g.At.resumeIn(t.handle, t.size)
	}
	if err != nil {
		return false, err
	}
	g.Claimed, t.copy, t.judged = true, true, true
	f.dirty = true
	f.log.Info("reading on in the copy of a truncated file", "file", o.path, "copy", t.current, "offset", t.at.Offset)

	return true, nil
}

// equals tells whether t holds what o holds, as far as it goes.
func (t *file) equals(o *file) (bool, error) {
	s, err := statFile(o.handle)
	if err != nil {
		return false, err
	}
	if t.size > s.size {
		return false, nil
	}
	length := min(t.size, compareBytes)
	for _, offset := range []int64{0, t.size - length} {
		a, b := make([]byte, length), make([]byte, length)
		if _, err := t.handle.ReadAt(a, offset); err != nil {
			return false, err
		}
		if n, _ := o.handle.ReadAt(b, offset); n < len(b) || !bytes.Equal(a, b) {
			return false, nil // Less than there was: it has just been truncated.
		}
	}

	return true, nil
}
