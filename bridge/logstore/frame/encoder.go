// Package frame writes entries as plain bytes, quickly made and quickly read in
// their order: the form in which they wait in memory and in the write-ahead log
// until they are sealed into a block.
//
// A frame is its entries followed by the names that they use:
//
//	4 bytes   length of the entries
//	4 bytes   number of entries
//	entries   each: length of the rest; time, as difference to the entry before;
//	          level; logger, message, number of fields;
//	          each field: name and kind, value
//	names     their number; each: length and text
//
// Lengths, numbers and references to names are varints. Frames may follow one
// another. Damage is for others to find: here it is an error or other entries,
// never a panic.
//
// It must not know files, compression or the store.
package frame

import (
	"encoding/binary"
	"math"

	"llmwatch/bridge/logstore/entry"
)

// headerSize is that of the two lengths in front.
const headerSize = 8

// kindBits are the low bits of a reference to a field's name.
const kindBits = 3

// Encoder makes a frame of the entries that it is given. It is used again after
// Reset, and is not safe for use by several goroutines at once.
type Encoder struct {
	buf     []byte
	scratch []byte
	last    int64
	names   []string
	known   map[string]uint32
	// recent finds most names without the map: the slot depends on the name's
	// length and ends.
	recent [128]uint32
	counts map[uint32]*[entry.NumLevels]int

	count    int
	min, max int64
	levels   uint8
}

// Reset empties the encoder and keeps its memory.
func (c *Encoder) Reset() {
	if c.known == nil {
		c.known, c.counts = map[string]uint32{}, map[uint32]*[entry.NumLevels]int{}
	}
	clear(c.known)
	clear(c.counts)
	c.buf = append(c.buf[:0], make([]byte, headerSize)...)
	c.names, c.last, c.count, c.levels = c.names[:0], 0, 0, 0
	c.min, c.max = math.MaxInt64, 0
}

// Add copies e to the end. Reset must have been called before the first one.
func (c *Encoder) Add(e *entry.Entry) {
	s := binary.AppendVarint(c.scratch[:0], e.Time-c.last)
	s = append(s, byte(e.Level))
	logger := c.ref(e.Logger)
	s = binary.AppendUvarint(s, uint64(logger))
	s = binary.AppendUvarint(s, uint64(len(e.Message)))
	s = append(s, e.Message...)
	s = binary.AppendUvarint(s, uint64(len(e.Fields)))
	for i := range e.Fields {
		f := &e.Fields[i]
		s = binary.AppendUvarint(s, uint64(c.ref(f.Name))<<kindBits|uint64(f.Kind))
		s = binary.AppendUvarint(s, uint64(len(f.Value)))
		s = append(s, f.Value...)
	}
	c.scratch = s
	c.buf = binary.AppendUvarint(c.buf, uint64(len(s)))
	c.buf = append(c.buf, s...)
	c.last = e.Time
	c.count++
	c.min, c.max = min(c.min, e.Time), max(c.max, e.Time)
	c.levels |= 1 << e.Level
	n := c.counts[logger]
	if n == nil {
		n = new([entry.NumLevels]int)
		c.counts[logger] = n
	}
	n[e.Level]++
}

// ref is the number of a name, which it gets when it is first used.
func (c *Encoder) ref(name string) uint32 {
	slot := &c.recent[0]
	if n := len(name); n > 0 {
		slot = &c.recent[(n*31+int(name[0])*7+int(name[n-1]))%len(c.recent)]
	}
	if i := *slot; int(i) < len(c.names) && c.names[i] == name {
		return i
	}
	i, ok := c.known[name]
	if !ok {
		i = uint32(len(c.names))
		own := string(append([]byte(nil), name...)) // The caller's may be a view of a buffer.
		c.names = append(c.names, own)
		c.known[own] = i
	}
	*slot = i

	return i
}

// Len is the number of entries so far, Size about their bytes.
func (c *Encoder) Len() int { return c.count }

// Size is about the length of the frame so far.
func (c *Encoder) Size() int { return len(c.buf) }

// Times are the least and the greatest time.
func (c *Encoder) Times() (least, most int64) { return c.min, c.max }

// Levels has bit 1<<level for each level that occurs.
func (c *Encoder) Levels() uint8 { return c.levels }

// Counts calls fn with the number of entries of each logger, by level. The name
// may be kept.
func (c *Encoder) Counts(fn func(logger string, byLevel *[entry.NumLevels]int)) {
	for logger, n := range c.counts {
		fn(c.names[logger], n)
	}
}

// Bytes completes the frame and returns it. It holds until Reset.
func (c *Encoder) Bytes() []byte {
	binary.LittleEndian.PutUint32(c.buf, uint32(len(c.buf)-headerSize))
	binary.LittleEndian.PutUint32(c.buf[4:], uint32(c.count))
	c.buf = binary.AppendUvarint(c.buf, uint64(len(c.names)))
	for _, name := range c.names {
		c.buf = binary.AppendUvarint(c.buf, uint64(len(name)))
		c.buf = append(c.buf, name...)
	}

	return c.buf
}
