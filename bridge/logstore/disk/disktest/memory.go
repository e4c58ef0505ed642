// Package disktest has a disk for tests: it fails on demand, and after a power cut
// it knows only what was synchronised, and of the rest whatever chance left.
package disktest

import (
	"io"
	"maps"
	"math/rand/v2"
	"os"
	"slices"
	"strings"
	"sync"
	"time"

	"llmwatch/bridge/logstore/disk"
)

// Memory is a directory in memory. It implements disk.FS.
type Memory struct {
	// Before, where it is set, is called before each operation; its error becomes
	// that of the operation. A write that fails has written half.
	Before func(operation, name string) error

	mu      sync.Mutex
	files   map[string]*content
	durable map[string]*content
	pending []func(map[string]*content) // Changes of files since SyncDir, in order.
}

type content struct {
	data   []byte
	synced int // Durable length; what is before it does not change.
}

// NewMemory returns an empty directory.
func NewMemory() *Memory {
	return &Memory{files: map[string]*content{}, durable: map[string]*content{}}
}

func (m *Memory) before(operation, name string) error {
	if m.Before == nil {
		return nil
	}

	return m.Before(operation, name)
}

// Change alters the bytes of a file, as a failing device would.
func (m *Memory) Change(name string, change func([]byte) []byte) {
	m.mu.Lock()
	defer m.mu.Unlock()
	c := m.files[name]
	c.data = change(slices.Clone(c.data))
	c.synced = len(c.data)
}

// Names returns the names of all files.
func (m *Memory) Names() []string {
	m.mu.Lock()
	defer m.mu.Unlock()
	var names []string
	for name := range m.files {
		names = append(names, name)
	}
	slices.Sort(names)

	return names
}

// PowerCut returns what is found after the power failed now. Files that were not
// synchronised have lost any part of their end, and of the changes of the directory
// any are there.
func (m *Memory) PowerCut(r *rand.Rand) *Memory {
	m.mu.Lock()
	defer m.mu.Unlock()
	left := map[string]*content{}
	maps.Copy(left, m.durable)
	for _, change := range m.pending {
		if r.IntN(2) == 0 {
			change(left)
		}
	}
	after := NewMemory()
	for name, c := range left {
		data := slices.Clone(c.data[:min(c.synced+r.IntN(len(c.data)-min(c.synced, len(c.data))+1), len(c.data))])
		after.files[name] = &content{data, len(data)}
		after.durable[name] = after.files[name]
	}

	return after
}

func (m *Memory) change(what func(map[string]*content)) {
	what(m.files)
	m.pending = append(m.pending, what)
}

// Create implements disk.FS.
func (m *Memory) Create(name string) (disk.File, error) {
	if err := m.before("create", name); err != nil {
		return nil, err
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.files[name] != nil {
		return nil, os.ErrExist
	}
	c := &content{}
	m.change(func(files map[string]*content) { files[name] = c })

	return &file{m, name, c}, nil
}

// Open implements disk.FS.
func (m *Memory) Open(name string) (disk.File, error) {
	if err := m.before("open", name); err != nil {
		return nil, err
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	c := m.files[name]
	if c == nil {
		return nil, os.ErrNotExist
	}

	return &file{m, name, c}, nil
}

// Rename implements disk.FS.
func (m *Memory) Rename(from, to string) error {
	if err := m.before("rename", from); err != nil {
		return err
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	c := m.files[from]
	if c == nil {
		return os.ErrNotExist
	}
	m.change(func(files map[string]*content) {
		delete(files, from)
		files[to] = c
	})

	return nil
}

// Remove implements disk.FS.
func (m *Memory) Remove(name string) error {
	if err := m.before("remove", name); err != nil {
		return err
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.files[name] == nil {
		return os.ErrNotExist
	}
	m.change(func(files map[string]*content) { delete(files, name) })

	return nil
}

// List implements disk.FS.
func (m *Memory) List() ([]disk.Info, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	var all []disk.Info
	for name, c := range m.files {
		all = append(all, disk.Info{Name: name, Size: int64(len(c.data)), Modified: time.Now()})
	}
	slices.SortFunc(all, func(a, b disk.Info) int { return strings.Compare(a.Name, b.Name) })

	return all, nil
}

// SyncDir implements disk.FS.
func (m *Memory) SyncDir() error {
	if err := m.before("syncdir", ""); err != nil {
		return err
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	for _, change := range m.pending {
		change(m.durable)
	}
	m.pending = nil

	return nil
}

type file struct {
	m    *Memory
	name string
	c    *content
}

func (f *file) Write(p []byte) (int, error) {
	err := f.m.before("write", f.name)
	if err != nil {
		p = p[:len(p)/2]
	}
	f.m.mu.Lock()
	defer f.m.mu.Unlock()
	f.c.data = append(f.c.data, p...)

	return len(p), err
}

func (f *file) ReadAt(p []byte, off int64) (int, error) {
	if err := f.m.before("read", f.name); err != nil {
		return 0, err
	}
	f.m.mu.Lock()
	defer f.m.mu.Unlock()
	if off >= int64(len(f.c.data)) {
		return 0, io.EOF
	}
	n := copy(p, f.c.data[off:])
	if n < len(p) {
		return n, io.EOF
	}

	return n, nil
}

func (f *file) Sync() error {
	if err := f.m.before("sync", f.name); err != nil {
		return err
	}
	f.m.mu.Lock()
	defer f.m.mu.Unlock()
	f.c.synced = len(f.c.data)

	return nil
}

func (f *file) Truncate(size int64) error {
	if err := f.m.before("truncate", f.name); err != nil {
		return err
	}
	f.m.mu.Lock()
	defer f.m.mu.Unlock()
	f.c.data = f.c.data[:size]
	f.c.synced = min(f.c.synced, int(size))

	return nil
}

func (f *file) Close() error { return nil }
