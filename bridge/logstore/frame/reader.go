package frame

import (
	"encoding/binary"
	"errors"
	"unsafe"

	"llmwatch/bridge/logstore/entry"
)

// errDamaged says that bytes are no frame.
var errDamaged = errors.New("damaged frame of log entries")

// Reader goes through the entries of frames that follow one another.
type Reader struct {
	rest    []byte // After the frame that is being read.
	entries []byte // Of that frame, not read yet.
	left    uint32 // Their number.
	names   []string
	last    int64
	body    []byte // Of the current entry, from its logger on.
	level   entry.Level
	err     error
}

// Reset starts over with other frames. They must stay as they are for as long as
// the entries are used.
func (r *Reader) Reset(frames []byte) {
	*r = Reader{rest: frames, names: r.names[:0]}
}

// Next goes to the next entry. It is false at the end and where Err says why.
func (r *Reader) Next() bool {
	for r.left == 0 {
		if len(r.rest) == 0 || r.err != nil {
			return false
		}
		r.err = r.open()
	}
	if r.err != nil {
		return false
	}
	body, ok := cut(&r.entries)
	delta, n := binary.Varint(body)
	if !ok || n <= 0 || n >= len(body) || entry.Level(body[n]) > entry.Critical {
		return r.fail()
	}
	r.left--
	r.last += delta
	r.level = entry.Level(body[n])
	r.body = body[n+1:]

	return true
}

func (r *Reader) fail() bool {
	r.err = errDamaged

	return false
}

// open begins the next frame.
func (r *Reader) open() error {
	b := r.rest
	if len(b) < headerSize {
		return errDamaged
	}
	size, count := uint64(binary.LittleEndian.Uint32(b)), binary.LittleEndian.Uint32(b[4:])
	b = b[headerSize:]
	if size > uint64(len(b)) {
		return errDamaged
	}
	r.entries, b = b[:size], b[size:]
	r.left, r.last, r.names = count, 0, r.names[:0]
	names, ok := number(&b)
	if !ok || names > uint64(len(b)) {
		return errDamaged
	}
	for range names {
		name, ok := cut(&b)
		if !ok {
			return errDamaged
		}
		r.names = append(r.names, view(name))
	}
	r.rest = b

	return nil
}

// Err says why Next was false before the end.
func (r *Reader) Err() error { return r.err }

// Time is that of the current entry.
func (r *Reader) Time() int64 { return r.last }

// Level is that of the current entry.
func (r *Reader) Level() entry.Level { return r.level }

// Entry makes e the current entry, reusing e.Fields. Its texts are views of the
// frames. It is false where Err says why.
func (r *Reader) Entry(e *entry.Entry) bool {
	b := r.body
	e.Time, e.Level, e.Fields = r.last, r.level, e.Fields[:0]
	logger, ok := number(&b)
	message, ok2 := cut(&b)
	fields, ok3 := number(&b)
	if !ok || !ok2 || !ok3 || logger >= uint64(len(r.names)) || fields > uint64(len(b)) {
		return r.fail()
	}
	e.Logger, e.Message = r.names[logger], view(message)
	for range fields {
		ref, ok := number(&b)
		value, ok2 := cut(&b)
		kind := entry.Kind(ref & (1<<kindBits - 1))
		if !ok || !ok2 || kind >= entry.Kinds || ref>>kindBits >= uint64(len(r.names)) {
			return r.fail()
		}
		e.Fields = append(e.Fields, entry.Field{Name: r.names[ref>>kindBits], Kind: kind, Value: view(value)})
	}

	return true
}

// number takes a number from the front of b.
func number(b *[]byte) (uint64, bool) {
	v, n := binary.Uvarint(*b)
	if n <= 0 {
		return 0, false
	}
	*b = (*b)[n:]

	return v, true
}

// cut takes a length and as many bytes from the front of b.
func cut(b *[]byte) ([]byte, bool) {
	n, ok := number(b)
	if !ok || n > uint64(len(*b)) {
		return nil, false
	}
	part := (*b)[:n]
	*b = (*b)[n:]

	return part, true
}

// view is a string that shares b's memory.
func view(b []byte) string { return unsafe.String(unsafe.SliceData(b), len(b)) }
