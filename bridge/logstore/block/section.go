package block

import (
	"encoding/binary"
	"fmt"
	"hash/crc32"
	"io"
)

// Cipher keeps what a block says from those who read its bytes. A nil Cipher keeps
// nothing.
type Cipher interface {
	// Overhead is how many bytes longer Seal's result is than the plaintext.
	Overhead() int
	// Seal appends plaintext, encrypted and bound to additional, to dst.
	Seal(dst, plaintext, additional []byte) []byte
	// Open appends the plaintext of what Seal made to dst.
	Open(dst, sealed, additional []byte) ([]byte, error)
}

// CorruptError says that a block, or a part of it, cannot be trusted.
type CorruptError struct {
	// Section names the part: header, footer, summary, directory, filter, or a
	// column by its name.
	Section string
	// Offset is where the part begins.
	Offset int64
	// Reason is what is wrong with it.
	Reason string
}

// Error implements error.
func (e *CorruptError) Error() string {
	return fmt.Sprintf("log block is damaged: %s at byte %d: %s", e.Section, e.Offset, e.Reason)
}

const (
	magic      = "LLMB"
	version    = 1
	headerSize = 16
	footerSize = 24
	sumSize    = 4
	maxSection = 64 << 20
	maxBlock   = 1<<32 - 1
)

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// additional is what a section is bound to: its block and its place in it.
func additional(header []byte, offset int64) []byte {
	return binary.LittleEndian.AppendUint64(append(make([]byte, 0, headerSize+8), header...), uint64(offset))
}

// putSection appends a section to dst, in which the block begins at base.
func putSection(dst []byte, base int, body []byte, cipher Cipher) []byte {
	start := len(dst)
	if cipher == nil {
		dst = append(dst, body...)
	} else {
		dst = cipher.Seal(dst, body, additional(dst[base:base+headerSize], int64(start-base)))
	}

	return binary.LittleEndian.AppendUint32(dst, crc32.Checksum(dst[start:], castagnoli))
}

// place is where a section is, with its sum.
type place struct {
	offset int64
	size   int
}

// section reads one, verified and decrypted. It holds until m is released.
func (b *Block) section(name string, at place, m *memory) ([]byte, error) {
	if at.size < sumSize || at.size > maxSection || at.offset < headerSize || at.offset+int64(at.size) > b.size-footerSize {
		return nil, &CorruptError{name, at.offset, "lies outside of the block"}
	}
	raw := m.bytes.take(at.size)
	if err := readAt(b.r, raw, at.offset); err != nil {
		return nil, fmt.Errorf("read %s of log block: %w", name, err)
	}
	body, sum := raw[:at.size-sumSize], raw[at.size-sumSize:]
	if crc32.Checksum(body, castagnoli) != binary.LittleEndian.Uint32(sum) {
		return nil, &CorruptError{name, at.offset, "its checksum differs"}
	}
	if b.opt.Cipher == nil {
		return body, nil
	}
	plain, err := b.opt.Cipher.Open(m.bytes.take(len(body))[:0], body, additional(b.header[:], at.offset))
	if err != nil {
		return nil, &CorruptError{name, at.offset, "does not decrypt: " + err.Error()}
	}

	return plain, nil
}

// readAt fills p; an end that comes right after it is none.
func readAt(r io.ReaderAt, p []byte, offset int64) error {
	n, err := r.ReadAt(p, offset)
	if n == len(p) {
		return nil
	}

	return err
}
