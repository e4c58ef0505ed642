package logstore

import (
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"sync/atomic"

	"llmwatch/bridge/logstore/block"
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
