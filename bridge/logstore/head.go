package logstore

import (
	"slices"
	"time"

	"github.com/klauspost/compress/s2"

	"llmwatch/bridge/logstore/wal"
)

// headRows and headText are how many entries, or bytes of frames, are gathered
// before they are sealed.
const (
	headRows = 64 << 10
	headText = 48 << 20
)

// head is what one file of the write-ahead log holds, in memory. The committer
// alone changes it, under Store.mu; what a reader copied of it stays as it was.
type head struct {
	name   string
	wal    *wal.Writer // Of the one that is appended to.
	chunks []chunk
	// open gathers small appends; its data is plain and grows.
	open  chunk
	rows  int
	text  int // Bytes of frames.
	since time.Time
	size  int64 // Of the file.
}

// full reports whether it is time to seal.
func (h *head) full(rows int) bool { return h.rows >= rows || h.text >= headText }

// all returns the chunks with what is open, for a reader to keep.
func (h *head) all() []chunk {
	chunks := slices.Clip(h.chunks)
	if h.open.count > 0 {
		chunks = append(chunks, h.open)
	}

	return chunks
}

// with returns what h becomes with more chunks, without changing what readers have
// of it. Their data is copied.
func (h *head) with(more []chunk) *head {
	n := *h
	for i := range more {
		c := more[i]
		n.rows += c.count
		n.text += c.plain
		if c.plain >= openSize {
			n.close()
			c.data = slices.Clone(c.data)
			n.chunks = append(n.chunks, c)
			continue
		}
		n.gather(&c)
	}

	return &n
}

// gather adds a small chunk to the open one.
func (h *head) gather(c *chunk) {
	o := &h.open
	if o.count > 0 && o.end() != c.first { // What was between them was damaged.
		h.close()
	}
	if o.count == 0 {
		*o = chunk{first: c.first, min: c.min, max: c.max}
	}
	if c.packed {
		buf, _ := buffers.Get().(*[]byte)
		defer buffers.Put(buf)
		*buf = slices.Grow((*buf)[:0], c.plain)
		frames, err := s2.Decode((*buf)[:c.plain], c.data)
		if err != nil {
			panic(err) // This process packed it, or found its checksum right.
		}
		o.data = append(o.data, frames...)
	} else {
		o.data = append(o.data, c.data...)
	}
	o.count += c.count
	o.min, o.max = min(o.min, c.min), max(o.max, c.max)
	o.levels |= c.levels
	if o.plain = len(o.data); o.plain >= openSize {
		h.close()
	}
}

// close compresses what is open.
func (h *head) close() {
	if h.open.count == 0 {
		return
	}
	h.open.pack()
	h.chunks = append(h.chunks, h.open)
	h.open = chunk{}
}
