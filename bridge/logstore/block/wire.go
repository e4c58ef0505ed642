package block

import (
	"encoding/binary"
	"errors"
)

// errDamaged is what a decoder says of bytes that no encoder wrote.
var errDamaged = errors.New("does not decode")

// reader takes an encoded section apart. After a failure it yields zeros; callers
// look at failed once, before they use what they read.
type reader struct {
	b      []byte
	budget int // The memory that decoding may still take.
	memory *memory
	failed bool
	// sibling returns another column of the same rows by its place in the directory;
	// nil if there is none. It is set where that may be asked for.
	sibling func(index int) texts
}

// newReader returns a reader of a section. What it decodes holds until m is released.
func newReader(section []byte, m *memory) *reader {
	return &reader{b: section, budget: budget(len(section)), memory: m}
}

// allows accounts for memory and fails where it is too much.
func (r *reader) allows(bytes int) bool {
	if r.budget -= bytes; r.budget < 0 {
		r.fail()
	}

	return !r.failed
}

func (r *reader) fail() { r.b, r.failed = nil, true }

func (r *reader) uvarint() uint64 {
	v, n := binary.Uvarint(r.b)
	if n <= 0 {
		r.fail()

		return 0
	}
	r.b = r.b[n:]

	return v
}

// count reads a number that must not exceed most.
func (r *reader) count(most int) int {
	v := r.uvarint()
	if v > uint64(most) {
		r.fail()

		return 0
	}

	return int(v)
}

func (r *reader) byte() byte {
	b := r.take(1)
	if b == nil {
		return 0
	}

	return b[0]
}

// take returns the next n bytes, nil where there are fewer.
func (r *reader) take(n int) []byte {
	if n < 0 || n > len(r.b) {
		r.fail()

		return nil
	}
	b := r.b[:n:n]
	r.b = r.b[n:]

	return b
}

// text reads what putText wrote.
func (r *reader) text() []byte { return r.take(r.count(len(r.b))) }

func putText[T string | []byte](dst []byte, s T) []byte {
	return append(binary.AppendUvarint(dst, uint64(len(s))), s...)
}
