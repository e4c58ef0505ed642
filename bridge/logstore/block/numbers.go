package block

import (
	"bytes"
	"math"
	"strconv"
	"strings"
)

// numbers are the texts of a column that are all whole numbers or decimals, written
// in one style, so that the same texts come back.
type numbers struct {
	v     []uint64 // Signed, scaled, with the sign bit turned: in order as unsigned.
	scale int      // Digits after the point.
	style byte
}

// How numbers with digits after the point are written.
const (
	styleFixed   byte = iota // With scale digits: 1.50.
	styleTrimmed             // Without zeros at the end, and no point then: 1.5, 1.
	stylePoint               // The same, but never without a point: 1.5, 1.0.
	styles
)

const (
	maxScale  = 9
	maxDigits = 18 // That many fit.
)

var powers = func() (p [maxDigits + 1]int64) {
	p[0] = 1
	for i := 1; i < len(p); i++ {
		p[i] = p[i-1] * 10
	}

	return p
}()

// parseNumbers reports whether every text of v comes back from a number, and which.
func parseNumbers(v *values) (n numbers, ok bool) {
	n.v = make([]uint64, v.len())
	fraction, possible := -1, [styles]bool{true, true, true}
	for i := range n.v {
		text := v.get(i)
		if len(text) == 0 || text[len(text)-1] > '9' || len(text) > maxDigits+2 {
			return numbers{}, false
		}
		after := 0
		if point := bytes.IndexByte(text, '.'); point >= 0 {
			after = len(text) - point - 1
			if after == 0 || after > maxScale {
				return numbers{}, false
			}
		}
		possible[styleFixed] = possible[styleFixed] && (fraction < 0 || fraction == after)
		fraction = after
		n.scale = max(n.scale, after)
		ends0 := after > 0 && text[len(text)-1] == '0'
		possible[styleTrimmed] = possible[styleTrimmed] && !ends0
		possible[stylePoint] = possible[stylePoint] && after > 0 && (!ends0 || after == 1)
	}
	for n.style = 0; n.style < styles && !possible[n.style]; n.style++ {
	}
	if n.style == styles {
		return numbers{}, false
	}
	for i := range n.v {
		x, ok := parseNumber(v.get(i), n.scale)
		if !ok {
			return numbers{}, false
		}
		n.v[i] = uint64(x) ^ 1<<63
	}

	return n, true
}

// parseNumber reads a number as appendNumber writes it, and only such.
func parseNumber(text []byte, scale int) (int64, bool) {
	digits, negative := bytes.CutPrefix(text, []byte("-"))
	x, count, after := int64(0), 0, -1
	for i, b := range digits {
		switch {
		case b == '.' && after < 0 && i > 0:
			after = 0

			continue
		case b < '0' || b > '9':
			return 0, false
		case count == 1 && x == 0 && after < 0:
			return 0, false // A zero before other digits.
		}
		x = x*10 + int64(b-'0')
		count++
		if after >= 0 {
			after++
		}
		if count > maxDigits {
			return 0, false
		}
	}
	missing := scale - max(after, 0)
	if count == 0 || after == 0 || missing < 0 || x > math.MaxInt64/powers[missing] || negative && x == 0 {
		return 0, false
	}
	x *= powers[missing]
	if negative {
		x = -x
	}

	return x, true
}

func (n *numbers) append(dst []byte, i int) []byte {
	x := int64(n.v[i] ^ 1<<63)
	if n.scale == 0 {
		return strconv.AppendInt(dst, x, 10)
	}
	u := uint64(x)
	if x < 0 {
		dst = append(dst, '-')
		u = -u
	}
	unit := uint64(powers[n.scale])
	dst = append(strconv.AppendUint(dst, u/unit, 10), '.')
	start := len(dst)
	rest := u % unit
	for p := unit / 10; p > 0; p /= 10 {
		dst = append(dst, '0'+byte(rest/p%10))
	}
	if n.style == styleFixed {
		return dst
	}
	end := len(dst)
	for end > start && dst[end-1] == '0' {
		end--
	}
	switch {
	case end > start:
		return dst[:end]
	case n.style == stylePoint:
		return dst[:start+1]
	}

	return dst[:start-1]
}

func (n *numbers) may(r run) bool { return strings.Trim(r.text, "0123456789") == "" }

// find returns what text is in the column, if it can be there.
func (n *numbers) find(text []byte) (uint64, bool) {
	x, ok := parseNumber(text, n.scale)
	if !ok {
		return 0, false
	}
	one := numbers{v: []uint64{uint64(x) ^ 1<<63}, scale: n.scale, style: n.style}

	return one.v[0], string(one.append(nil, 0)) == string(text)
}

func (c *coder) putNumbers(dst []byte, n numbers) []byte {
	return c.putInts(append(dst, textNumber, byte(n.scale)<<4|n.style), n.v)
}

func (r *reader) numbers(n int) texts {
	head := r.byte()
	t := &numbers{scale: int(head >> 4), style: head & 15}
	if t.scale > maxScale || t.style >= styles {
		r.fail()
	}
	if t.v = r.ints(n); r.failed {
		return constTexts(nil)
	}

	return t
}
