package logstore

import (
	"encoding/binary"
	"fmt"
	"sync"

	"github.com/klauspost/compress/s2"

	"llmwatch/bridge/logstore/entry"
	"llmwatch/bridge/logstore/frame"
)

// request is a batch on its way into the write-ahead log, encoded as the body of a
// record:
//
//	client   length and name; empty where the batch has no number
//	number   that the client gave it
//	chunks   to the end
//
// Requests are reused.
type request struct {
	client string
	number uint64
	count  int
	body   []byte
	chunks []chunk // Their data are ranges of body.
	counts []loggerCount

	duplicate bool
	first     uint64
	done      chan error

	encoder frame.Encoder
	entry   entry.Entry
	packed  []byte
}

type loggerCount struct {
	logger string
	counts [entry.NumLevels]int
}

var requests = sync.Pool{New: func() any { return &request{done: make(chan error, 1)} }}

// encode makes r the request to append b. It fails where an entry is too large.
func (r *request) encode(b *entry.Batch, client string, number uint64) error {
	r.client, r.number, r.count, r.duplicate = client, number, b.Len(), false
	r.body = binary.AppendUvarint(r.body[:0], uint64(len(client)))
	r.body = append(r.body, client...)
	r.body = binary.AppendUvarint(r.body, number)
	r.chunks, r.counts = r.chunks[:0], r.counts[:0]
	r.encoder.Reset()
	for i := range b.Len() {
		b.At(i, &r.entry)
		if n := entryBytes(&r.entry); n > MaxEntryBytes {
			return fmt.Errorf("%w: entry %d has %d bytes, at most %d are taken", ErrTooLarge, i+1, n, MaxEntryBytes)
		}
		r.encoder.Add(&r.entry)
		if r.encoder.Size() >= chunkSize {
			r.cut()
		}
	}
	r.cut()
	r.resolve()

	return nil
}

// entryBytes is the length of all texts and names of an entry.
func entryBytes(e *entry.Entry) int {
	n := len(e.Logger) + len(e.Message)
	for i := range e.Fields {
		n += len(e.Fields[i].Name) + len(e.Fields[i].Value)
	}

	return n
}

// cut completes a chunk.
func (r *request) cut() {
	if r.encoder.Len() == 0 {
		return
	}
	r.encoder.Counts(r.add)
	c := chunk{count: r.encoder.Len(), levels: r.encoder.Levels(), data: r.encoder.Bytes()}
	c.min, c.max = r.encoder.Times()
	c.plain = len(c.data)
	if c.plain >= packSize {
		if n := s2.MaxEncodedLen(c.plain); cap(r.packed) < n {
			r.packed = make([]byte, n)
		}
		if packed := s2.Encode(r.packed[:cap(r.packed)], c.data); len(packed) < c.plain {
			c.data, c.packed = packed, true
		}
	}
	r.body = c.appendTo(r.body)
	r.chunks = append(r.chunks, c)
	r.encoder.Reset()
}

// resolve points the chunks into the body, now that it does not move any more.
func (r *request) resolve() {
	_, _, rest, _ := parseClient(r.body)
	for i := range r.chunks {
		r.chunks[i], rest, _ = parseChunk(rest) // It is what cut wrote.
	}
}

func (r *request) add(logger string, n *[entry.NumLevels]int) {
	for i := range r.counts {
		if r.counts[i].logger == logger {
			for level := range n {
				r.counts[i].counts[level] += n[level]
			}

			return
		}
	}
	r.counts = append(r.counts, loggerCount{logger, *n})
}

// maxKeptBody is the largest body whose memory is kept for the next request.
const maxKeptBody = 4 << 20

func (r *request) free() {
	r.client = ""
	clear(r.chunks)
	clear(r.counts)
	if cap(r.body) > maxKeptBody {
		r.body = nil
	}
	requests.Put(r)
}

// parseClient reads the front of a record's body.
func parseClient(body []byte) (client string, number uint64, rest []byte, err error) {
	n, size := binary.Uvarint(body)
	if size <= 0 || n > uint64(len(body)-size) {
		return "", 0, nil, errBody
	}
	client, body = string(body[size:size+int(n)]), body[size+int(n):]
	if number, size = binary.Uvarint(body); size <= 0 {
		return "", 0, nil, errBody
	}

	return client, number, body[size:], nil
}
