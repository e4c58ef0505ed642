package logstore

import (
	"encoding/binary"
	"errors"
	"fmt"
	"sync"

	"github.com/klauspost/compress/s2"

	"llmwatch/bridge/logstore/entry"
	"llmwatch/bridge/logstore/frame"
)

// chunk is a piece of what waits to be sealed: frames of entries with numbers that
// follow one another.
type chunk struct {
	first    uint64 // Number of the first entry.
	count    int
	min, max int64
	levels   uint8
	plain    int    // Length of the frames.
	data     []byte // The frames, or what s2 made of them.
	packed   bool
}

const (
	// chunkSize is about how long the frames of a chunk are.
	chunkSize = 256 << 10
	// packSize is the length from which frames are worth compressing.
	packSize = 1 << 10
	// openSize is how much small appends gather before they are compressed.
	openSize = chunkSize / 2
)

// overlaps reports whether entries that f wants can be inside.
func (c *chunk) overlaps(f *entry.Filter) bool {
	return c.count > 0 && (f.Levels == 0 || f.Levels&c.levels != 0) && f.Overlaps(c.min, c.max)
}

func (c *chunk) end() uint64 { return c.first + uint64(c.count) }

// buffers are reused for what chunks unpack to.
var buffers = sync.Pool{New: func() any { return new([]byte) }}

// each calls fn with a reader at every entry, in order of arrival. What fn sees
// holds during the call.
func (c *chunk) each(fn func(seq uint64, r *frame.Reader) error) error {
	frames := c.data
	if c.packed {
		buf, _ := buffers.Get().(*[]byte)
		defer buffers.Put(buf)
		if cap(*buf) < c.plain {
			*buf = make([]byte, c.plain)
		}
		var err error
		if frames, err = s2.Decode((*buf)[:c.plain], c.data); err != nil {
			return fmt.Errorf("unpack entries from %d on: %w", c.first, err)
		}
	}
	var r frame.Reader
	r.Reset(frames)
	for seq := c.first; r.Next(); seq++ {
		if err := fn(seq, &r); err != nil {
			return err
		}
	}

	return r.Err()
}

// verify reports what is wrong with a chunk that was read.
func (c *chunk) verify() error {
	if c.packed {
		if n, err := s2.DecodedLen(c.data); err != nil || n != c.plain {
			return errBody
		}
	} else if c.plain != len(c.data) {
		return errBody
	}
	n := 0
	if err := c.each(func(uint64, *frame.Reader) error { n++; return nil }); err != nil {
		return err
	}
	if n != c.count {
		return errBody
	}

	return nil
}

// pack compresses the frames of a chunk.
func (c *chunk) pack() {
	if packed := s2.Encode(nil, c.data); len(packed) < len(c.data) {
		c.data, c.packed = append(make([]byte, 0, len(packed)), packed...), true
	}
}

// appendTo appends c as parseChunk reads it. Its number is that of the record.
func (c *chunk) appendTo(dst []byte) []byte {
	dst = binary.AppendUvarint(dst, uint64(c.count))
	dst = binary.AppendUvarint(dst, uint64(c.min))
	dst = binary.AppendUvarint(dst, uint64(c.max-c.min))
	dst = binary.AppendUvarint(dst, uint64(c.plain))
	packed := byte(0)
	if c.packed {
		packed = 1
	}
	dst = append(dst, c.levels, packed)
	dst = binary.AppendUvarint(dst, uint64(len(c.data)))

	return append(dst, c.data...)
}

var errBody = errors.New("a record of the write-ahead log does not hold what it should")

// parseChunk takes a chunk from the front of b; its data is a view of b.
func parseChunk(b []byte) (c chunk, rest []byte, err error) {
	var v [5]uint64
	next := func() (x uint64) {
		x, n := binary.Uvarint(b)
		if n <= 0 {
			err = errBody
			return 0
		}
		b = b[n:]

		return x
	}
	for i := range 4 {
		v[i] = next()
	}
	if err != nil || len(b) < 2 {
		return c, nil, errBody
	}
	c.levels, c.packed = b[0], b[1] == 1
	b = b[2:]
	if v[4] = next(); err != nil || v[4] > uint64(len(b)) || v[3] > maxPlain {
		return c, nil, errBody
	}
	c.count, c.min, c.max, c.plain = int(v[0]), int64(v[1]), int64(v[1]+v[2]), int(v[3])
	c.data = b[:v[4]]

	return c, b[v[4]:], nil
}

// maxPlain is more than the frames of any chunk have: those of one entry that is
// as large as a batch may be.
const maxPlain = 4 * MaxBatchBytes
