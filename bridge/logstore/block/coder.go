package block

import (
	"encoding/binary"
	"sync"

	"github.com/klauspost/compress/fse"
	"github.com/klauspost/compress/huff0"
	"github.com/klauspost/compress/zstd"
)

// coder encodes, with memory that is used again. It is not safe for use by several
// goroutines at once.
type coder struct {
	offsets, steps []uint64
	plane, packed  []byte
	fse            fse.Scratch
	huff           huff0.Scratch
	encoder        *zstd.Encoder
	lines          lines
	dict           dictionary
	siblings       []sibling // Of the column that is encoded.
}

func newCoder() *coder {
	c := &coder{}
	c.huff.Reuse = huff0.ReusePolicyNone

	return c
}

func (c *coder) zstd() *zstd.Encoder {
	if c.encoder == nil {
		var err error
		c.encoder, err = zstd.NewWriter(nil, zstd.WithEncoderConcurrency(1), zstd.WithEncoderCRC(false),
			zstd.WithWindowSize(1<<20), zstd.WithLowerEncoderMem(true))
		if err != nil {
			panic(err) // Only wrong options fail.
		}
	}

	return c.encoder
}

// decoder is the memory of the entropy decoders.
type decoder struct {
	fse  fse.Scratch
	huff huff0.Scratch
	out  []byte
}

var decoders = sync.Pool{New: func() any { return &decoder{} }}

// unzstd decompresses; it starts no goroutine.
var unzstd = sync.OnceValue(func() *zstd.Decoder {
	d, err := zstd.NewReader(nil, zstd.WithDecoderLowmem(true), zstd.WithDecoderMaxMemory(maxSection))
	if err != nil {
		panic(err) // Only wrong options fail.
	}

	return d
})

// plane decodes a plane of n bytes; the result holds until the next call, and is
// of another length where the bytes are damaged.
func (d *decoder) plane(mode byte, packed []byte, n int) []byte {
	if cap(d.out) < n {
		d.out = make([]byte, n+n/4)
	}
	var out []byte
	var err error
	switch {
	case mode == planeZstd:
		out, err = unzstd().DecodeAll(packed, d.out[:0:n])
	case mode == planeFSE && n <= maxEntropy:
		d.fse.DecompressLimit = n
		out, err = fse.Decompress(packed, &d.fse)
	case (mode == planeHuff || mode == planeHuff4) && n <= maxEntropy:
		s, rest, tableErr := huff0.ReadTable(packed, &d.huff)
		if tableErr != nil {
			return nil
		}
		if mode == planeHuff {
			out, err = s.Decoder().Decompress1X(d.out[:0:n], rest)
		} else {
			out, err = s.Decoder().Decompress4X(d.out[:n:n], rest)
		}
	default:
		return nil
	}
	if err != nil {
		return nil
	}

	return out
}

// A section of so many bytes may take so much memory when it is decoded: what makes
// more of less was not written here.
func budget(section int) int { return 32<<20 + 1024*section }

// maxDense is how long a text may be that compresses to nearly nothing.
const maxDense = 8 << 20

// putBlob appends b, compressed where that helps.
func (c *coder) putBlob(dst, b []byte) []byte {
	dst = binary.AppendUvarint(dst, uint64(len(b)))
	if len(b) > 64 {
		c.packed = c.zstd().EncodeAll(b, c.packed[:0])
		if p := c.packed; len(p)+len(p)/64 < len(b) && len(b) <= maxDense+512*len(p) {
			return putText(dst, p)
		}
	}

	return append(append(dst, 0), b...)
}

// blob reads what putBlob wrote. The result may share memory with what is read.
func (r *reader) blob() []byte {
	size := r.count(maxSection)
	packed := r.text()
	if r.failed {
		return nil
	}
	if len(packed) == 0 {
		return r.take(size)
	}
	if !r.allows(size) {
		return nil
	}
	b, err := unzstd().DecodeAll(packed, r.memory.bytes.take(size)[:0])
	if err != nil || len(b) != size {
		r.fail()

		return nil
	}

	return b
}
