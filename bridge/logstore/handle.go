package logstore

import (
	"container/list"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"sync"
	"sync/atomic"

	"llmwatch/bridge/logstore/block"
	"llmwatch/bridge/logstore/disk"
)

const (
	blockSuffix   = ".block"
	segmentSuffix = ".wal"
	tempSuffix    = ".tmp"
)

// blockName names a block after the first and the last number that it stands for.
func blockName(first, last uint64) string {
	return fmt.Sprintf("%016x-%016x%s", first, last, blockSuffix)
}

// segmentName names a file of the write-ahead log after the first number in it.
// The generation tells those apart that begin at the same one.
func segmentName(first, generation uint64) string {
	return fmt.Sprintf("%016x-%08x%s", first, generation, segmentSuffix)
}

// parseName reads the two numbers of a name.
func parseName(name, suffix string) (a, b uint64, ok bool) {
	base, ok := strings.CutSuffix(name, suffix)
	if !ok {
		return 0, 0, false
	}
	n, err := fmt.Sscanf(base, "%x-%x", &a, &b)

	return a, b, err == nil && n == 2 && (blockName(a, b) == name || segmentName(a, b) == name)
}

// handle is a block in use. Its file is removed, when it is to go, after its last
// reader.
type handle struct {
	*block.Block
	store       *Store
	name        string
	first, last uint64 // The numbers that it stands for.
	size        int64
	info        block.Info
	refs        atomic.Int32
	obsolete    atomic.Bool
	digest      atomic.Pointer[digest]
}

// open reads what a block says of itself.
func (s *Store) open(name string, size int64) (*handle, error) {
	first, last, ok := parseName(name, blockSuffix)
	if !ok || first > last {
		return nil, fmt.Errorf("%s is not the name of a block", name)
	}
	h := &handle{store: s, name: name, first: first, last: last, size: size}
	h.refs.Store(1)
	var err error
	if h.Block, err = block.Open(&lazyFile{s.files, name}, size, s.options); err != nil {
		s.files.forget(name)

		return nil, fmt.Errorf("open %s: %w", name, err)
	}
	h.info = *h.Info()

	return h, nil
}

func (h *handle) acquire() { h.refs.Add(1) }

func (h *handle) release() {
	if h.refs.Add(-1) > 0 {
		return
	}
	h.store.files.forget(h.name)
	if !h.obsolete.Load() {
		return
	}
	if err := h.store.fs.Remove(h.name); err != nil && !errors.Is(err, os.ErrNotExist) {
		h.store.log.Warn("a block that is not needed any more stays on disk", "file", h.name, "error", err)
	}
}

// drop gives up the store's own reference and has the file removed.
func (h *handle) drop() {
	h.obsolete.Store(true)
	h.release()
}

// isDamage reports whether an error means that a file does not hold what it
// should, and will not the next time.
func isDamage(err error) bool {
	var corrupt *block.CorruptError

	return errors.As(err, &corrupt) || errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) ||
		errors.Is(err, os.ErrNotExist) || isIOError(err)
}

// skip leaves a damaged block out from now on. Other errors are returned.
func (s *Store) skip(h *handle, err error) error {
	if !isDamage(err) {
		return err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if _, known := s.damaged[h.name]; known {
		return nil
	}
	s.damaged[h.name] = err.Error()
	s.blocks = without(s.blocks, h)
	s.blockBytes.Add(-h.size)
	s.log.Error("a damaged block is left out", "file", h.name, "entries", h.info.Rows, "error", err)
	h.release() // Not drop: somebody may want to rescue it.

	return nil
}

// maxOpenFiles is how many blocks are open at once: there may be more blocks than a
// process may open files.
const maxOpenFiles = 256

// openFiles keeps the files open that were read last.
type openFiles struct {
	fs disk.FS

	mu   sync.Mutex
	open map[string]*list.Element
	used *list.List // Of *openFile, the last used first.
}

type openFile struct {
	name  string
	file  disk.File
	users int
	gone  bool // Closed by its last user.
}

func newOpenFiles(fs disk.FS) *openFiles {
	return &openFiles{fs: fs, open: map[string]*list.Element{}, used: list.New()}
}

// lazyFile is a file that is opened when it is read.
type lazyFile struct {
	files *openFiles
	name  string
}

// ReadAt implements io.ReaderAt.
func (l *lazyFile) ReadAt(p []byte, off int64) (int, error) {
	f, err := l.files.get(l.name)
	if err != nil {
		return 0, err
	}
	defer l.files.put(f)

	return f.file.ReadAt(p, off)
}

func (o *openFiles) get(name string) (*openFile, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if e, ok := o.open[name]; ok {
		o.used.MoveToFront(e)
		f, _ := e.Value.(*openFile)
		f.users++

		return f, nil
	}
	file, err := o.fs.Open(name)
	if err != nil {
		return nil, err
	}
	f := &openFile{name: name, file: file, users: 1}
	o.open[name] = o.used.PushFront(f)
	if o.used.Len() > maxOpenFiles {
		o.remove(o.used.Back())
	}

	return f, nil
}

func (o *openFiles) put(f *openFile) {
	o.mu.Lock()
	defer o.mu.Unlock()
	f.users--
	if f.gone && f.users == 0 {
		f.file.Close()
	}
}

// remove takes a file out; the lock is held.
func (o *openFiles) remove(e *list.Element) {
	f, _ := o.used.Remove(e).(*openFile)
	delete(o.open, f.name)
	f.gone = true
	if f.users == 0 {
		f.file.Close()
	}
}

// forget closes a file that is not read any more.
func (o *openFiles) forget(name string) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if e, ok := o.open[name]; ok {
		o.remove(e)
	}
}

func (o *openFiles) close() {
	o.mu.Lock()
	defer o.mu.Unlock()
	for o.used.Len() > 0 {
		o.remove(o.used.Back())
	}
}
