package logstore

import (
	"container/list"
	"sync"

	"llmwatch/bridge/logstore/disk"
)

// maxOpenFiles is how many blocks are open at once: there may be more blocks than a
// process may open files.
const maxOpenFiles = 256

// openFiles keeps the files open that were read last.
type openFiles struct {
	fs disk.FS

	mu     sync.Mutex
	open   map[string]*list.Element
	used   *list.List // Of *openFile, the last used first.
	closed bool
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
	if o.closed {
		return nil, ErrClosed
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

// close closes those that nobody reads; queries that still run end with ErrClosed.
func (o *openFiles) close() {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.closed = true
	for o.used.Len() > 0 {
		o.remove(o.used.Back())
	}
}
