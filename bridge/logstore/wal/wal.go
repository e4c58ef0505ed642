// Package wal is the write-ahead log: files of checksummed records that are
// written at their end, made durable in groups, and read once after a start. What
// is not whole is left out and named.
//
// A file begins with 8 bytes that say what it is and in which version. A record is
// a header of 32 bytes and a body:
//
//	4 bytes   the mark of a record
//	4 bytes   length of the body
//	8 bytes   number of the first entry
//	4 bytes   number of entries
//	1 byte    kind
//	3 bytes   0
//	4 bytes   CRC32-C of the body
//	4 bytes   CRC32-C of the header up to here
//
// All numbers are little endian. With a cipher the body is sealed, with the first
// 24 bytes of the header (the length as 0) as additional data.
//
// It must not know what an entry is.
package wal

import (
	"encoding/binary"
	"fmt"
	"hash/crc32"

	"llmwatch/bridge/logstore/block"
	"llmwatch/bridge/logstore/disk"
)

// magic is what a file begins with; the last byte is the version.
const magic = "llmwWAL\x01"

const (
	mark       = 0x6c77e1ad
	headerSize = 32
	boundSize  = 24 // Of the header that the cipher binds to the body.
)

// MaxBody is the most that the body of a record may have.
const MaxBody = 256 << 20

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// Record is one record.
type Record struct {
	Kind byte
	// Seq is the number of its first entry, Count how many it has.
	Seq   uint64
	Count uint32
	Body  []byte
}

// Writer writes one file. It is not safe for use by several goroutines at once.
type Writer struct {
	file   disk.File
	cipher block.Cipher
	buf    []byte
	sealed []byte
	size   int64 // Written.
	good   int64 // Durable.
	broken bool  // What is beyond good must be cut off first.
}

// flushSize is how much is gathered before it is written.
const flushSize = 256 << 10

// Create makes the file and makes it durable that it is there.
func Create(fs disk.FS, name string, cipher block.Cipher) (*Writer, error) {
	f, err := fs.Create(name)
	if err != nil {
		return nil, fmt.Errorf("create %s: %w", name, err)
	}
	w := &Writer{file: f, cipher: cipher, buf: []byte(magic)}
	err = w.Commit()
	if err == nil {
		err = fs.SyncDir()
	}
	if err != nil {
		f.Close()
		_ = fs.Remove(name) // It holds nothing; the next start removes it otherwise.

		return nil, fmt.Errorf("create %s: %w", name, err)
	}

	return w, nil
}

// Append adds a record. It is durable after the next Commit.
func (w *Writer) Append(r Record) error {
	var header [headerSize]byte
	put := binary.LittleEndian
	put.PutUint32(header[:], mark)
	put.PutUint64(header[8:], r.Seq)
	put.PutUint32(header[16:], r.Count)
	header[20] = r.Kind
	body := r.Body
	if w.cipher != nil {
		w.sealed = w.cipher.Seal(w.sealed[:0], body, header[:boundSize])
		body = w.sealed
	}
	put.PutUint32(header[4:], uint32(len(body)))
	put.PutUint32(header[24:], crc32.Checksum(body, castagnoli))
	put.PutUint32(header[28:], crc32.Checksum(header[:28], castagnoli))
	w.buf = append(w.buf, header[:]...)
	if len(body) < flushSize {
		w.buf = append(w.buf, body...)
		if len(w.buf) < flushSize {
			return nil
		}
	}
	if err := w.flush(w.buf); err != nil {
		return err
	}
	w.buf = w.buf[:0]
	if len(body) >= flushSize {
		return w.flush(body)
	}

	return nil
}

func (w *Writer) flush(b []byte) error {
	if len(b) == 0 {
		return nil
	}
	w.broken = true // Until it is durable.
	n, err := w.file.Write(b)
	w.size += int64(n)

	return err
}

// Commit makes durable what was appended.
func (w *Writer) Commit() error {
	if err := w.flush(w.buf); err != nil {
		return err
	}
	w.buf = w.buf[:0]
	if err := w.file.Sync(); err != nil {
		return err
	}
	w.good, w.broken = w.size, false
	if cap(w.sealed) > flushSize {
		w.sealed = nil
	}

	return nil
}

// Try writes a record and has the device take it, without committing it: Rollback
// must follow.
func (w *Writer) Try(r Record) error {
	err := w.Append(r)
	if err == nil {
		err = w.flush(w.buf)
	}
	if err != nil {
		return err
	}

	return w.file.Sync()
}

// Rollback takes back what was appended since the last Commit that succeeded. It
// must succeed before anything more is appended.
func (w *Writer) Rollback() error {
	w.buf = w.buf[:0]
	if !w.broken {
		return nil
	}
	if err := w.file.Truncate(w.good); err != nil {
		return err
	}
	w.size = w.good
	if err := w.file.Sync(); err != nil {
		return err
	}
	w.broken = false

	return nil
}

// Size is how long the file is.
func (w *Writer) Size() int64 { return w.size }

// Close closes the file.
func (w *Writer) Close() error { return w.file.Close() }
