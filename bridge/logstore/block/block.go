package block

import (
	"encoding/binary"
	"fmt"
	"hash/crc32"
	"io"
	"sync/atomic"

	"llmwatch/bridge/logstore/entry"
)

// Options are those of writing and of reading.
type Options struct {
	// Cipher encrypts; nil does not.
	Cipher Cipher
}

// Info is what a block says of its entries as a whole.
type Info struct {
	MinTime, MaxTime int64
	MinSeq, MaxSeq   uint64
	Rows             int
	// TextBytes is how long the texts of the entries are, without names.
	TextBytes int64
	// Counts are ordered by logger and level.
	Counts []Count
}

// Count is how many entries a logger wrote at a level.
type Count struct {
	Logger string
	Level  entry.Level
	Rows   int
}

// Block reads a block. Several goroutines may use it at once.
type Block struct {
	r      io.ReaderAt
	size   int64
	opt    Options
	header [headerSize]byte
	summary
	ids    map[string]uint32
	chunks atomic.Pointer[[]chunk] // Once they were needed.
}

// Open reads what a block of size bytes says of itself, and nothing else of it.
func Open(r io.ReaderAt, size int64, opt Options) (*Block, error) {
	b := &Block{r: r, size: size, opt: opt}
	if size < headerSize+footerSize || size > maxBlock {
		return nil, &CorruptError{"header", 0, fmt.Sprintf("a block cannot have %d bytes", size)}
	}
	if err := readAt(r, b.header[:], 0); err != nil {
		return nil, fmt.Errorf("read header of log block: %w", err)
	}
	switch {
	case string(b.header[:4]) != magic:
		return nil, &CorruptError{"header", 0, "it is not that of a log block"}
	case b.header[4] != version:
		return nil, fmt.Errorf("log block has version %d, want %d", b.header[4], version)
	}
	var footer [footerSize]byte
	footerAt := size - footerSize
	if err := readAt(r, footer[:], footerAt); err != nil {
		return nil, fmt.Errorf("read footer of log block: %w", err)
	}
	sum := crc32.Update(crc32.Checksum(b.header[:], castagnoli), castagnoli, footer[:footerSize-sumSize])
	switch {
	case sum != binary.LittleEndian.Uint32(footer[footerSize-sumSize:]):
		return nil, &CorruptError{"footer", footerAt, "the checksum of header and footer differs"}
	case binary.LittleEndian.Uint64(footer[12:]) != uint64(size):
		return nil, &CorruptError{"footer", footerAt, fmt.Sprintf("the block has %d bytes, not %d", size, binary.LittleEndian.Uint64(footer[12:]))}
	}
	at := place{int64(binary.LittleEndian.Uint64(footer[:])), int(binary.LittleEndian.Uint32(footer[8:]))}
	err := b.decode("summary", at, &memory{}, func(r *reader) {
		inner := newReader(r.blob(), r.memory)
		b.summary = inner.summary()
		r.failed = r.failed || inner.failed
	})
	if err != nil {
		return nil, err
	}
	b.ids = make(map[string]uint32, len(b.names))
	for i, n := range b.names {
		b.ids[n.name] = columnNames + uint32(i)
	}

	return b, nil
}

// Info returns what the block says of its entries. It is not to be changed.
func (b *Block) Info() *Info { return &b.info }

// decode reads a section and takes it apart.
func (b *Block) decode(name string, at place, m *memory, take func(r *reader)) error {
	body, err := b.section(name, at, m)
	if err != nil {
		return err
	}
	r := newReader(body, m)
	if take(r); r.failed || len(r.b) > 0 {
		return &CorruptError{name, at.offset, errDamaged.Error()}
	}

	return nil
}

// directory returns the chunks.
func (b *Block) directory() ([]chunk, error) {
	if known := b.chunks.Load(); known != nil {
		return *known, nil
	}
	m := memories.Get().(*memory)
	defer m.release()
	var chunks []chunk
	if err := b.decode("directory", b.summary.directory, m, func(r *reader) { chunks = r.directory(&b.summary) }); err != nil {
		return nil, err
	}
	b.chunks.Store(&chunks)

	return chunks, nil
}

// columnName is how errors name a column.
func (b *Block) columnName(id uint32) string {
	switch id {
	case columnTimes:
		return "times"
	case columnSeqs:
		return "numbers"
	case columnLogger:
		return "logger"
	case columnMessage:
		return "message"
	case columnRest:
		return "other fields"
	}

	return "field " + b.names[id-columnNames].name
}
