package wal

import (
	"bytes"
	"encoding/binary"
	"errors"
	"hash/crc32"
	"io"

	"llmwatch/bridge/logstore/block"
)

// Report says what Read had to leave out.
type Report struct {
	// Damaged are ranges of bytes with sound records after them.
	Damaged [][2]int64
	// Torn is how many bytes at the end are no whole record: what was being written
	// when the process or the machine stopped.
	Torn int64
}

// Read calls fn with each sound record of a file, in order. The body holds during
// the call.
func Read(file io.ReaderAt, size int64, cipher block.Cipher, fn func(Record) error) (Report, error) {
	r := reader{file: file, size: size, cipher: cipher}
	var report Report
	start := make([]byte, len(magic))
	if size < int64(len(magic)) {
		report.Torn = size // Created, and nothing was durable yet.

		return report, nil
	}
	if err := readFull(file, start, 0); err != nil {
		return report, err
	}
	if string(start) != magic { // Records stand for themselves, whatever became of this.
		report.Damaged = append(report.Damaged, [2]int64{0, int64(len(magic))})
	}
	at := int64(len(magic))
	for at < size {
		rec, next, err := r.at(at)
		if err != nil {
			return report, err
		}
		if next == 0 {
			bad := at
			if at, err = r.resume(at + 1); err != nil {
				return report, err
			}
			if at == size {
				report.Torn = size - bad
			} else {
				report.Damaged = append(report.Damaged, [2]int64{bad, at})
			}

			continue
		}
		if err := fn(rec); err != nil {
			return report, err
		}
		at = next
	}

	return report, nil
}

type reader struct {
	file   io.ReaderAt
	size   int64
	cipher block.Cipher
	body   []byte
	plain  []byte
}

// at reads the record at an offset. Where there is none that is sound, next is 0.
func (r *reader) at(offset int64) (rec Record, next int64, err error) {
	var header [headerSize]byte
	if r.size-offset < headerSize {
		return Record{}, 0, nil
	}
	if err := readFull(r.file, header[:], offset); err != nil {
		return Record{}, 0, err
	}
	get := binary.LittleEndian
	length := int64(get.Uint32(header[4:]))
	if get.Uint32(header[:]) != mark || crc32.Checksum(header[:28], castagnoli) != get.Uint32(header[28:]) ||
		length > MaxBody || offset+headerSize+length > r.size {
		return Record{}, 0, nil
	}
	if int64(cap(r.body)) < length {
		r.body = make([]byte, length)
	}
	body := r.body[:length]
	if err := readFull(r.file, body, offset+headerSize); err != nil {
		return Record{}, 0, err
	}
	if crc32.Checksum(body, castagnoli) != get.Uint32(header[24:]) {
		return Record{}, 0, nil
	}
	if r.cipher != nil {
		clear(header[4:8])
		opened, err := r.cipher.Open(r.plain[:0], body, header[:boundSize])
		if err != nil {
			return Record{}, 0, nil //nolint:nilerr // It is not what was written, as with a wrong checksum.
		}
		r.plain, body = opened, opened
	}

	return Record{header[20], get.Uint64(header[8:]), get.Uint32(header[16:]), body}, offset + headerSize + length, nil
}

// readFull fills p; that the file ends there is no error.
func readFull(file io.ReaderAt, p []byte, offset int64) error {
	n, err := file.ReadAt(p, offset)
	if n == len(p) {
		return nil
	}

	return err
}

// resume looks for the next sound record from an offset on, and returns where it
// begins, or the size of the file.
func (r *reader) resume(offset int64) (int64, error) {
	var pattern [4]byte
	binary.LittleEndian.PutUint32(pattern[:], mark)
	window := make([]byte, 64<<10)
	for offset < r.size {
		n, err := r.file.ReadAt(window[:min(int64(len(window)), r.size-offset)], offset)
		if err != nil && !errors.Is(err, io.EOF) {
			return 0, err
		}
		if n < len(pattern) {
			break
		}
		i := bytes.Index(window[:n], pattern[:])
		if i < 0 {
			offset += int64(n - len(pattern) + 1)
			continue
		}
		offset += int64(i)
		_, next, err := r.at(offset)
		if err != nil {
			return 0, err
		}
		if next > 0 {
			return offset, nil
		}
		offset++
	}

	return r.size, nil
}
