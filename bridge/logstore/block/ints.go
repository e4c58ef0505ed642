package block

import (
	"encoding/binary"
	"math"
	"math/bits"

	"github.com/klauspost/compress/fse"
	"github.com/klauspost/compress/huff0"
)

// Integers are stored as offsets from their least, or as offsets of the steps from
// one to the next, divided by what divides all of them, in planes: the low bytes of
// all, then the next bytes, as far as there are any. Each plane is coded by the
// entropy of its bytes, so that a high byte that is nearly always the same costs
// nearly nothing and a random one costs what it must.
const (
	headSteps   = 1 << 0 // Steps, not the numbers themselves.
	headDivided = 1 << 1
	headWidth   = 2 // Where the number of planes begins.
)

// putInts appends v, whose length the reader knows.
func (c *coder) putInts(dst []byte, v []uint64) []byte {
	if len(v) == 0 {
		return dst
	}
	head, from := byte(0), v
	least, most, cost := spread(v)
	if len(v) > 2 {
		c.steps = c.steps[:0]
		for i := range v[1:] {
			c.steps = append(c.steps, v[i+1]-v[i]+1<<63) // Signed order as unsigned.
		}
		if low, high, stepCost := spread(c.steps); stepCost+stepCost/16 < cost {
			head |= headSteps
			least, most, from = low, high, c.steps
		}
	}
	c.offsets = c.offsets[:0]
	for _, x := range from {
		c.offsets = append(c.offsets, x-least)
	}
	u := c.offsets
	divisor := divisorOf(u)
	if divisor > 1 {
		head |= headDivided
		for i := range u {
			u[i] /= divisor
		}
		most = least + (most-least)/divisor
	}
	width := (bits.Len64(most-least) + 7) / 8
	dst = append(dst, head|byte(width)<<headWidth)
	if head&headSteps != 0 {
		dst = binary.AppendUvarint(dst, v[0])
	}
	dst = binary.AppendUvarint(dst, least)
	if divisor > 1 {
		dst = binary.AppendUvarint(dst, divisor)
	}
	for k := range width {
		plane := c.plane[:0]
		for _, x := range u {
			plane = append(plane, byte(x>>(8*k)))
		}
		c.plane = plane
		dst = c.putPlane(dst, plane)
	}

	return dst
}

// spread returns the least and the most of v and about how many bits the offsets
// from the least take together.
func spread(v []uint64) (least, most uint64, cost int) {
	least, most = v[0], v[0]
	for _, x := range v {
		least, most = min(least, x), max(most, x)
	}
	for _, x := range v {
		cost += bits.Len64(x - least)
	}

	return least, most, cost
}

// divisorOf returns what divides all of u, 1 where nothing does.
func divisorOf(u []uint64) uint64 {
	var d uint64
	for _, x := range u {
		for x != 0 {
			d, x = x, d%x
		}
		if d == 1 {
			return 1
		}
	}

	return max(d, 1)
}

// ints reads n numbers.
func (r *reader) ints(n int) []uint64 {
	if n == 0 {
		return nil
	}
	head := r.byte()
	width := int(head >> headWidth)
	if width > 8 {
		r.fail()
	}
	count, first := n, uint64(0)
	if head&headSteps != 0 {
		count, first = n-1, r.uvarint()
	}
	least, divisor := r.uvarint(), uint64(1)
	if head&headDivided != 0 {
		divisor = r.uvarint()
	}
	if r.failed || !r.allows(8*n) {
		return nil
	}
	v := r.memory.numbers.take(n)
	u := v[n-count:]
	if width == 0 {
		clear(u)
	}
	for k := range width {
		r.plane(u, 8*k)
	}
	for i := range u {
		u[i] = u[i]*divisor + least
	}
	if head&headSteps != 0 {
		v[0] = first
		for i := range u {
			v[i+1] = v[i] + v[i+1] - 1<<63
		}
	}
	if r.failed {
		return nil
	}

	return v
}

// How a plane is coded.
const (
	planeRaw byte = iota
	planeConst
	planeHuff
	planeHuff4
	planeFSE
	planeZstd
)

// maxEntropy is the longest plane that the entropy coders take.
const maxEntropy = 1 << 16

func (c *coder) putPlane(dst, plane []byte) []byte {
	mode, packed := c.packPlane(plane)
	dst = append(dst, mode)
	switch mode {
	case planeRaw:
		return append(dst, plane...)
	case planeConst:
		return append(dst, plane[0])
	}

	return putText(dst, packed)
}

func (c *coder) packPlane(plane []byte) (mode byte, packed []byte) {
	var histogram [256]int
	for _, b := range plane {
		histogram[b]++
	}
	if histogram[plane[0]] == len(plane) {
		return planeConst, nil
	}
	entropy, most := 0.0, 0
	for _, count := range histogram {
		if count > 0 {
			entropy -= float64(count) * math.Log2(float64(count)/float64(len(plane)))
			most = max(most, count)
		}
	}
	var err error
	switch size := len(plane); {
	case size < 32 || entropy > 7.7*float64(size):
		return planeRaw, nil
	case size > maxEntropy:
		mode, packed = planeZstd, c.zstd().EncodeAll(plane, c.packed[:0])
		c.packed = packed
	case most*2 > size:
		mode = planeFSE
		packed, err = fse.Compress(plane, &c.fse)
	case size < 1024:
		mode = planeHuff
		packed, _, err = huff0.Compress1X(plane, &c.huff)
	default:
		mode = planeHuff4
		packed, _, err = huff0.Compress4X(plane, &c.huff)
	}
	if err != nil || len(packed) >= len(plane) {
		return planeRaw, nil
	}

	return mode, packed
}

// plane reads a plane of len(into) bytes. The one that is not shifted sets the
// numbers, the others are added.
func (r *reader) plane(into []uint64, shift int) {
	var plane []byte
	switch mode := r.byte(); mode {
	case planeConst:
		b := uint64(r.byte()) << shift
		if shift == 0 {
			clear(into)
		}
		for i := range into {
			into[i] |= b
		}

		return
	case planeRaw:
		plane = r.take(len(into))
	default:
		packed := r.text()
		if r.failed {
			return
		}
		d := decoders.Get().(*decoder)
		defer decoders.Put(d)
		plane = d.plane(mode, packed, len(into))
	}
	if len(plane) != len(into) {
		r.fail()

		return
	}
	into = into[:len(plane)]
	if shift == 0 {
		for i, b := range plane {
			into[i] = uint64(b)
		}

		return
	}
	for i, b := range plane {
		into[i] |= uint64(b) << shift
	}
}
