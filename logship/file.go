package logship

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"sync"
)

// DefaultMaxSize and DefaultBackupCount are the documented max_size, in bytes, and
// backup_count.
const (
	DefaultMaxSize     = 10 << 20
	DefaultBackupCount = 5
)

// FileOptions configure a [File].
type FileOptions struct {
	// MaxSize is how many bytes the file may have before a line goes to a new one.
	// A longer line has a file alone. 0 never rotates.
	MaxSize int64

	// BackupCount is how many rotated files are kept: name.1 is the newest. 0 never
	// rotates.
	BackupCount int

	// Compress turns rotated files into name.N.gz, in the background.
	Compress bool

	// Mode is that of new files. 0 is 0640.
	Mode os.FileMode

	// OnError is told when a file cannot be rotated, which is tried again when it
	// has grown by an eighth, or compressed, which is tried again when the next one
	// is rotated. It must not use the File. Nil ignores it. No line is lost.
	OnError func(error)
}

// File is a log file that rotates between lines when it is full. Several
// goroutines may write to it; a Write may hold many lines, and none is torn.
// Programs that follow the file see renames: name to name.1, name.1 to name.2.
type File struct {
	path    string
	options FileOptions
	worker  sync.WaitGroup // Compresses.

	mu      sync.Mutex
	f       *os.File // Nil when closed; guarded by mu, as all below.
	size    int64
	torn    bool      // The last line lacks its end, because writing it failed.
	backups []*backup // The newest first.
	active  bool      // The worker is there.
	retryAt int64     // The size at which to try to rotate again after a failure.
}

// OpenFile opens a log file to append to, and makes its folder if need be.
func OpenFile(path string, options FileOptions) (*File, error) {
	if options.Mode == 0 {
		options.Mode = 0o640
	}
	if options.OnError == nil {
		options.OnError = func(error) {}
	}
	f := &File{path: path, options: options}
	if err := os.MkdirAll(filepath.Dir(path), 0o750); err != nil {
		return nil, fmt.Errorf("create log folder: %w", err)
	}
	f.mu.Lock()
	defer f.mu.Unlock()

	if err := f.open(); err != nil {
		return nil, err
	}
	f.findBackups()
	f.compress()

	return f, nil
}

// open opens the file under its name and, if that works, lets go of the one that
// was open.
func (f *File) open() error {
	file, err := os.OpenFile(f.path, os.O_APPEND|os.O_CREATE|os.O_WRONLY, f.options.Mode)
	if err != nil {
		return fmt.Errorf("open log file: %w", err)
	}
	info, err := file.Stat()
	if err != nil {
		file.Close()

		return fmt.Errorf("open log file: %w", err)
	}
	if f.f != nil {
		f.f.Close()
	}
	f.f, f.size, f.torn, f.retryAt = file, info.Size(), false, 0

	return nil
}

// Write appends lines. An error says what failed; the lines before it are written.
func (f *File) Write(p []byte) (written int, err error) {
	f.mu.Lock()
	defer f.mu.Unlock()

	if f.f == nil {
		return 0, ErrClosed
	}
	for written < len(p) {
		n := f.fitting(p[written:])
		if n == 0 {
			f.makeRoom()
			n = max(f.fitting(p[written:]), lineLength(p[written:]))
		}
		n, err = f.append(p[written : written+n])
		written += n
		if err != nil {
			return written, err
		}
	}

	return written, nil
}

// fitting returns the length of the lines that the file has room for.
func (f *File) fitting(p []byte) int {
	if f.options.MaxSize <= 0 || f.options.BackupCount <= 0 {
		return len(p)
	}
	room := max(f.options.MaxSize, f.retryAt) - f.size
	switch {
	case room >= int64(len(p)):
		return len(p)
	case room <= 0:
		return 0
	default:
		return bytes.LastIndexByte(p[:room], '\n') + 1
	}
}

// lineLength returns the length of the first line.
func lineLength(p []byte) int {
	if i := bytes.IndexByte(p, '\n'); i >= 0 {
		return i + 1
	}

	return len(p)
}

// append writes to the open file. After a failure, the next line starts anew.
func (f *File) append(p []byte) (int, error) {
	if f.torn {
		n, err := f.f.Write([]byte{'\n'})
		f.size += int64(n)
		if err != nil {
			return 0, fmt.Errorf("write log file: %w", err)
		}
		f.torn = false
	}
	n, err := f.f.Write(p)
	f.size += int64(n)
	if err != nil {
		f.torn = n > 0 && p[n-1] != '\n'

		return n, fmt.Errorf("write log file: %w", err)
	}

	return n, nil
}

// makeRoom rotates, unless somebody else has cut the file. If that fails, the
// lines go on into the old file: losing them would be worse than its size.
func (f *File) makeRoom() {
	if info, err := f.f.Stat(); err == nil && info.Size() < f.size {
		f.size = info.Size()

		return
	}
	if f.size == 0 {
		return
	}
	if err := f.rotate(); err != nil {
		f.retryAt = f.size + f.options.MaxSize/8 + 1
		f.options.OnError(err)
	}
}

// Rotate begins a new file now. It does nothing to an empty one.
func (f *File) Rotate() error {
	f.mu.Lock()
	defer f.mu.Unlock()

	if f.f == nil {
		return ErrClosed
	}
	if f.size == 0 {
		return nil
	}

	return f.rotate()
}

// Reopen opens the file under its name again, after another program has moved it
// away. If that fails, the lines go on into the one that is open.
func (f *File) Reopen() error {
	f.mu.Lock()
	defer f.mu.Unlock()

	if f.f == nil {
		return ErrClosed
	}

	return f.open()
}

// Close waits for compression and closes the file. Closing again does nothing.
func (f *File) Close() error {
	f.mu.Lock()
	file := f.f
	f.f = nil
	f.mu.Unlock()
	f.worker.Wait()
	if file == nil {
		return nil
	}
	if err := file.Close(); err != nil && !errors.Is(err, os.ErrClosed) {
		return fmt.Errorf("close log file: %w", err)
	}

	return nil
}
