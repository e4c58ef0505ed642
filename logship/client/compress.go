package client

import (
	"bytes"
	"fmt"

	"github.com/klauspost/compress/gzip"
	"github.com/klauspost/compress/zstd"
)

// compressor makes bodies smaller. It reuses its memory: a body is good until the
// next one is made.
type compressor struct {
	name string
	gzip *gzip.Writer
	zstd *zstd.Encoder
	buf  bytes.Buffer // Of gzip.
	out  []byte       // Of zstd.
}

// windowBytes is how far back zstd looks for what it has seen.
const windowBytes = 1 << 20

func newCompressor(name string) (*compressor, error) {
	c := &compressor{name: name}
	var err error
	switch name {
	case "", Zstd:
		c.name = Zstd
		c.zstd, err = zstd.NewWriter(nil, zstd.WithEncoderLevel(zstd.SpeedFastest),
			zstd.WithEncoderConcurrency(1), zstd.WithWindowSize(windowBytes), zstd.WithLowerEncoderMem(true))
	case Gzip:
		c.gzip, err = gzip.NewWriterLevel(&c.buf, gzip.BestSpeed)
	case None:
	default:
		err = fmt.Errorf("compression must be gzip, zstd or none, got %q", name)
	}

	return c, err
}

func (c *compressor) compress(lines []byte) []byte {
	switch c.name {
	case Zstd:
		c.out = c.zstd.EncodeAll(lines, c.out[:0])

		return c.out
	case Gzip:
		c.buf.Reset()
		c.gzip.Reset(&c.buf)
		_, _ = c.gzip.Write(lines) // Writing into memory does not fail.
		_ = c.gzip.Close()

		return c.buf.Bytes()
	default:
		return lines
	}
}
