package tail

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"
)

const (
	// deletedAfter is how long a deleted file that has been read is kept open for
	// a writer that still has it. It takes up its space meanwhile.
	deletedAfter = 5 * time.Second

	// closedAfter is how long a file that does not grow is kept open.
	closedAfter = 5 * time.Minute

	// forgottenAfter is how long a file is remembered that is not found any more.
	// It may come back under a name, and must not be read again then.
	forgottenAfter = 24 * time.Hour
)

// compressed are the endings of backups whose lines were read before.
var compressed = []string{".gz", ".bz2", ".xz", ".zst", ".lz4", ".lzma", ".zip", ".Z", ".7z", ".br"}

func isCompressed(path string) bool {
	return slices.ContainsFunc(compressed, func(ending string) bool { return strings.HasSuffix(path, ending) })
}

// scan finds the files, new ones and those that have moved.
func (f *Follower) scan(now time.Time) {
	for _, t := range f.files {
		t.present = false
	}
	var found []*file
	for _, p := range f.patterns {
		paths, err := filepath.Glob(p.text)
		f.report(p.text, err) // It was checked before.
		for _, path := range paths {
			if isCompressed(path) {
				continue
			}
			t, err := f.meet(path, now)
			if !errors.Is(err, fs.ErrNotExist) && !errors.Is(err, errMoved) && (!errors.Is(err, errIrregular) || path == p.text) {
				f.report(path, err)
			}
			if t != nil {
				t.old = p.fresh && !f.options.FromStart
				found = append(found, t)
			}
		}
	}
	// What was written first goes first: rotated files before the one they were.
	slices.SortStableFunc(found, func(a, b *file) int { return a.modified.Compare(b.modified) })
	for _, t := range found {
		if err := f.adopt(t); err != nil {
			t.close()
			f.report(t.path, err)
		}
	}
	for i := range f.patterns {
		f.patterns[i].fresh = false
	}
	for _, t := range f.files {
		if !t.judged && t.size > 0 {
			f.report(t.current, f.judge(t, now))
		}
	}
	f.files = slices.DeleteFunc(f.files, func(t *file) bool { return f.leave(t, now) })
}

// errIrregular is what directories, pipes and devices are met with.
var errIrregular = errors.New("it is no regular file")

// meet looks at what has a name now, and returns a file that is new.
func (f *Follower) meet(path string, now time.Time) (*file, error) {
	s, err := statPath(path)
	if err != nil {
		return nil, err
	}
	if !s.regular {
		return nil, errIrregular
	}
	if t := f.byID[s.identity]; t != nil && !differs(t.born, s.born) {
		return nil, f.again(t, path, s, now)
	}
	t := &file{identity: s.identity, born: s.born, path: path, current: path, label: newLabel(path), seen: now, present: true}
	if err := t.open(); err != nil {
		return nil, err
	}
	if _, err := t.refresh(now); err != nil {
		t.close()

		return nil, err
	}

	return t, nil
}

// again is told where a known file is now.
func (f *Follower) again(t *file, path string, s status, now time.Time) error {
	if t.present && t.current != path {
		return nil // Two names, of which one may be a link.
	}
	if t.current != path {
		f.log.Info("file was renamed", "from", t.current, "to", path)
	}
	t.current, t.present, t.seen = path, true, now
	if t.handle == nil && (s.size != t.size || !s.modified.Equal(t.modified) || s.size > t.at.Offset) {
		return t.open()
	}

	return nil
}

// adopt takes a new file in. What was there before anybody asked for it is left
// out.
func (f *Follower) adopt(t *file) error {
	if o := f.byID[t.identity]; o != nil {
		if !differs(o.born, t.born) { // It was met twice in one scan.
			t.close()

			return nil
		}
		// The other one was deleted while it was closed.
		f.files = slices.DeleteFunc(f.files, func(x *file) bool { return x == o })
	}
	if o := f.remounted(t); o != nil {
		delete(f.byID, o.identity)
		o.identity, o.born, o.handle, o.size, o.present, o.seen = t.identity, t.born, t.handle, t.size, true, t.seen
		f.byID[o.identity] = o

		return nil
	}
	if t.old {
		if err := t.startAtEnd(); err != nil {
			return err
		}
		t.judged = true
	}
	f.files = append(f.files, t)
	f.byID[t.identity] = t
	f.dirty = true
	f.log.Info("following file", "file", t.path, "offset", t.at.Offset, "size", t.size)

	return nil
}

// remounted returns the file that t was before its file system got another device
// number.
func (f *Follower) remounted(t *file) *file {
	for _, o := range f.files {
		if o.handle == nil && !o.present && o.Device != t.Device && o.current == t.current && o.at.describes(t.handle, t.size) {
			return o
		}
	}

	return nil
}

// leave closes a file that does not grow, and tells whether to forget it.
func (f *Follower) leave(t *file, now time.Time) bool {
	if t.handle == nil {
		return f.forget(t, now.Sub(t.seen) > forgottenAfter)
	}
	links, err := t.refresh(now)
	if err != nil {
		f.report(t.current, err) // Network file systems lose deleted files so.
		t.close()

		return false
	}
	if t.at.Offset != t.size && t.original == nil {
		return false // There is more, or less: it was truncated while nobody looked.
	}
	idle := now.Sub(t.grown)
	gone := links == 0 && !t.present
	if gone && idle > deletedAfter {
		f.log.Info("file was deleted", "file", t.current)
		t.close()

		return f.forget(t, true)
	}
	if idle > closedAfter && t.original == nil {
		t.close()
	}

	return false
}

func (f *Follower) forget(t *file, yes bool) bool {
	if yes {
		delete(f.byID, t.identity)
		f.dirty = true
	}

	return yes
}

// report logs what is wrong with a file, once.
func (f *Follower) report(path string, err error) {
	switch {
	case err == nil:
		delete(f.reported, path)
	case f.reported[path] != err.Error():
		f.reported[path] = err.Error()
		f.log.Warn("cannot follow file", "file", path, "error", err)
	}
}

// findMoved looks for the files of the checkpoint that have left their names
// while nobody looked, beside where they were.
func (f *Follower) findMoved(now time.Time) {
	for _, t := range f.files {
		if t.present {
			continue
		}
		dir := filepath.Dir(t.current)
		entries, err := os.ReadDir(dir)
		if err != nil {
			continue // The directory has gone too.
		}
		for _, e := range entries {
			path := filepath.Join(dir, e.Name())
			if !strings.HasPrefix(e.Name(), stem(t.path)) || isCompressed(path) {
				continue
			}
			s, err := statPath(path)
			if err != nil || s.identity != t.identity || differs(s.born, t.born) {
				continue
			}
			t.current, t.seen = path, now
			f.report(path, t.open())
		}
	}
}
