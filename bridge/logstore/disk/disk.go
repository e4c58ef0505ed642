// Package disk is what the log store asks of a file system, so that a test can
// take its place: one that fails, or one that forgets at a power cut what was not
// synchronised.
//
// It must not know what the files hold.
package disk

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"time"
)

// FS is one directory. Names are those of files in it.
type FS interface {
	// Create makes a file that does not exist yet. What is written goes to its end.
	Create(name string) (File, error)
	// Open opens a file for reading.
	Open(name string) (File, error)
	// Rename puts a file in the place of another.
	Rename(from, to string) error
	Remove(name string) error
	// List describes all files, ordered by name.
	List() ([]Info, error)
	// SyncDir makes durable which files there are and what they are called.
	SyncDir() error
}

// File is an open file.
type File interface {
	io.Writer
	io.ReaderAt
	io.Closer
	// Sync makes durable what was written.
	Sync() error
	Truncate(size int64) error
}

// Info describes a file.
type Info struct {
	Name     string
	Size     int64
	Modified time.Time
}

// Dir is a directory of the operating system.
type Dir struct {
	path string
	lock *os.File
}

// lockName is the file whose lock says that a process works in the directory.
const lockName = "LOCK"

// ErrLocked is returned by Use for a directory that is in use.
var ErrLocked = errors.New("another process is using it")

// Use makes the directory at path where it is missing and takes it for this
// process alone, until Close.
func Use(path string) (*Dir, error) {
	if err := os.MkdirAll(path, 0o750); err != nil {
		return nil, err
	}
	lock, err := os.OpenFile(filepath.Join(path, lockName), os.O_RDWR|os.O_CREATE, 0o640)
	if err != nil {
		return nil, err
	}
	if err := lockFile(lock); err != nil {
		lock.Close()

		return nil, fmt.Errorf("%s: %w", path, err)
	}

	return &Dir{path, lock}, nil
}

// Close lets others use the directory.
func (d *Dir) Close() error { return d.lock.Close() }

// Create implements FS.
func (d *Dir) Create(name string) (File, error) {
	return open(d.path, name, os.O_RDWR|os.O_CREATE|os.O_EXCL|os.O_APPEND)
}

// Open implements FS.
func (d *Dir) Open(name string) (File, error) { return open(d.path, name, os.O_RDONLY) }

func open(dir, name string, flag int) (File, error) {
	f, err := os.OpenFile(filepath.Join(dir, name), flag, 0o640)
	if err != nil {
		return nil, err // Not f: a nil pointer in an interface is not nil.
	}

	return f, nil
}

// Rename implements FS.
func (d *Dir) Rename(from, to string) error {
	return os.Rename(filepath.Join(d.path, from), filepath.Join(d.path, to))
}

// Remove implements FS.
func (d *Dir) Remove(name string) error { return os.Remove(filepath.Join(d.path, name)) }

// List implements FS. The lock is not listed.
func (d *Dir) List() ([]Info, error) {
	found, err := os.ReadDir(d.path)
	if err != nil {
		return nil, err
	}
	var all []Info
	for _, f := range found {
		if f.IsDir() || f.Name() == lockName {
			continue
		}
		info, err := f.Info()
		if err != nil {
			return nil, err
		}
		all = append(all, Info{f.Name(), info.Size(), info.ModTime()})
	}

	return all, nil
}

// SyncDir implements FS.
func (d *Dir) SyncDir() error { return syncDir(d.path) }
