package block

import (
	"bytes"
	"encoding/binary"
	"math/bits"
	"slices"
)

// values are the texts of a column: ranges of one buffer.
type values struct {
	buf []byte
	at  []span
}

type span struct{ start, size uint32 }

func (v *values) len() int         { return len(v.at) }
func (v *values) get(i int) []byte { s := v.at[i]; return v.buf[s.start : s.start+s.size] }

func (v *values) add(b []byte) {
	v.at = append(v.at, span{uint32(len(v.buf)), uint32(len(b))})
	v.buf = append(v.buf, b...)
}

// The ways in which the texts of a column are stored.
const (
	textConst    byte = iota // One for all.
	textDict                 // The distinct ones, and which of them each is.
	textNumber               // Numbers, whole or with digits after the point.
	textPacked               // All of one length, with few different letters.
	textTemplate             // Lines that differ in numbers and identifiers.
	textRaw                  // Lengths, and all the rest.
	textSame                 // Those of another column: only variables of lines.
)

// allowed says what putTexts may try; inner columns must not nest without end.
type allowed uint8

const (
	allowTemplate allowed = 1 << iota
	allowDict
)

// putTexts appends the texts of v, whose number the reader knows, in the form that
// is likely the shortest.
func (c *coder) putTexts(dst []byte, v *values, may allowed) []byte {
	if v.len() == 0 {
		return dst
	}
	if isConst(v) {
		return putText(append(dst, textConst), v.get(0))
	}
	repeats := may&allowDict != 0 && c.dict.fill(v)
	if repeats && c.dict.distinct.len()*16 <= v.len() {
		return c.putDict(dst)
	}
	n, numeric := parseNumbers(v)
	var p *pack
	if !numeric {
		p = packing(v)
	}
	switch {
	case repeats && c.dict.pays(v, n, p):
		return c.putDict(dst)
	case numeric:
		return c.putNumbers(dst, n)
	case p != nil:
		return c.putPacked(dst, v, p)
	}
	if may&allowTemplate != 0 && c.lines.split(v) {
		return c.putLines(append(dst, textTemplate), v)
	}

	return c.putRaw(append(dst, textRaw), v)
}

func (c *coder) putDict(dst []byte) []byte {
	distinct, codes := &c.dict.distinct, c.dict.codes // Encoding these needs no other dictionary.
	dst = binary.AppendUvarint(append(dst, textDict), uint64(distinct.len()))

	return c.putInts(c.putTexts(dst, distinct, 0), codes)
}

func isConst(v *values) bool {
	first := v.get(0)
	for i := 1; i < v.len(); i++ {
		if v.at[i] != v.at[0] && !bytes.Equal(v.get(i), first) {
			return false
		}
	}

	return true
}

func (c *coder) putRaw(dst []byte, v *values) []byte {
	sizes, blob := make([]uint64, v.len()), make([]byte, 0, len(v.buf))
	for i := range sizes {
		sizes[i] = uint64(v.at[i].size)
		blob = append(blob, v.get(i)...)
	}

	return c.putBlob(c.putInts(dst, sizes), blob)
}

// dictionary finds the distinct texts of a column.
type dictionary struct {
	distinct values
	codes    []uint64
	slots    []uint32 // 1 + an index of distinct; 0 is free.
}

// maxDistinct bounds a dictionary.
const maxDistinct = 1 << 12

// fill reports whether v has few enough distinct texts for a dictionary.
func (d *dictionary) fill(v *values) bool {
	limit := min(v.len()/2, maxDistinct)
	if limit < 2 {
		return false
	}
	const size = 4 * maxDistinct
	if d.slots == nil {
		d.slots = make([]uint32, size)
	}
	clear(d.slots)
	d.distinct = values{buf: d.distinct.buf[:0], at: d.distinct.at[:0]}
	d.codes = d.codes[:0]
	for i := range v.at {
		if i > 0 && v.at[i] == v.at[i-1] {
			d.codes = append(d.codes, d.codes[i-1])

			continue
		}
		text := v.get(i)
		slot := hash(text) % size
		for d.slots[slot] != 0 && !bytes.Equal(d.distinct.get(int(d.slots[slot]-1)), text) {
			slot = (slot + 1) % size
		}
		if d.slots[slot] == 0 {
			if d.distinct.len() == limit {
				return false
			}
			d.distinct.add(text)
			d.slots[slot] = uint32(d.distinct.len())
		}
		d.codes = append(d.codes, uint64(d.slots[slot]-1))
	}

	return true
}

// pays reports whether the dictionary of v is likely shorter than v as numbers, or
// packed as p, or compressed.
func (d *dictionary) pays(v *values, n numbers, p *pack) bool {
	total := 0 // Bits.
	switch {
	case len(n.v) > 0:
		_, _, total = spread(n.v)
	case p != nil:
		total = v.len() * len(p.varies) * p.bits
	default:
		for _, s := range v.at {
			total += int(s.size) * 8 / 3
		}
	}
	distinct := d.distinct.len()
	each := total / v.len()

	return distinct*each+v.len()*bits.Len(uint(distinct-1)) < total
}

// texts is a decoded column, or what is needed to make its texts one by one.
type texts interface {
	// append appends text i.
	append(dst []byte, i int) []byte
	// may reports whether r can stand in one of the texts. It may be wrong only by
	// saying yes.
	may(r run) bool
}

// texts reads a column of n texts.
func (r *reader) texts(n int) texts {
	if n == 0 {
		return constTexts(nil)
	}
	switch r.byte() {
	case textConst:
		return constTexts(r.text())
	case textDict:
		return r.dict(n)
	case textNumber:
		return r.numbers(n)
	case textPacked:
		return r.packed(n)
	case textTemplate:
		return r.lines(n)
	case textRaw:
		return r.raw(n)
	}
	r.fail()

	return constTexts(nil)
}

type constTexts []byte

func (t constTexts) append(dst []byte, _ int) []byte { return append(dst, t...) }
func (t constTexts) may(r run) bool                  { return r.mayBeIn(t) }

type dictTexts struct {
	distinct [][]byte
	codes    []uint64
}

func (t *dictTexts) append(dst []byte, i int) []byte { return append(dst, t.distinct[t.codes[i]]...) }

func (t *dictTexts) may(r run) bool { return slices.ContainsFunc(t.distinct, r.mayBeIn) }

func (r *reader) dict(n int) texts {
	count := r.count(maxDistinct)
	inner := r.plainTexts(count)
	codes := r.ints(n)
	if r.failed {
		return constTexts(nil)
	}
	t := &dictTexts{make([][]byte, count), codes}
	var buf []byte
	for i := range t.distinct {
		start := len(buf)
		buf = inner.append(buf, i)
		t.distinct[i] = buf[start:len(buf):len(buf)]
	}
	for _, code := range codes {
		if code >= uint64(count) {
			r.fail()
		}
	}

	return t
}

// plainTexts reads a column that neither a dictionary nor a template may be.
func (r *reader) plainTexts(n int) texts {
	if len(r.b) > 0 && (r.b[0] == textDict || r.b[0] == textTemplate) {
		r.fail()
	}

	return r.texts(n)
}

type rawTexts struct {
	blob []byte
	ends []uint64
}

func (t *rawTexts) get(i int) []byte {
	start := uint64(0)
	if i > 0 {
		start = t.ends[i-1]
	}

	return t.blob[start:t.ends[i]]
}

func (t *rawTexts) append(dst []byte, i int) []byte { return append(dst, t.get(i)...) }
func (t *rawTexts) may(r run) bool                  { return r.mayBeIn(t.blob) }

func (r *reader) raw(n int) texts {
	ends := r.ints(n)
	blob := r.blob()
	if r.failed {
		return constTexts(nil)
	}
	total := uint64(0)
	for i, size := range ends {
		if size > uint64(len(blob)) {
			r.fail()

			return constTexts(nil)
		}
		total += size
		ends[i] = total
	}
	if total != uint64(len(blob)) {
		r.fail()
	}

	return &rawTexts{blob, ends}
}
