package block

import (
	"bytes"
	"math/bits"
	"slices"
	"unicode/utf8"
)

// pack is how texts of one length are stored whose varying letters are few: hex
// digits, base 32, digits. The letters that all have in common are kept once, each
// other one as its number in the alphabet, and as many of those as fit make one
// integer, the first letter the most significant. In ascending bytes the alphabet
// keeps the order of the texts, so that texts which rise make integers which rise.
type pack struct {
	model    []byte // The first text.
	varies   []int  // Where texts differ from it.
	alphabet []byte
	bits     int // Of one letter.
}

// maxPacked is the longest text that is packed, and maxAlphabet the most letters.
const (
	maxPacked   = 256
	maxAlphabet = 64
)

// packing returns how v is packed, nil if it cannot be.
func packing(v *values) *pack {
	model := v.get(0)
	if len(model) == 0 || len(model) > maxPacked {
		return nil
	}
	var differs [maxPacked]bool
	for i := 1; i < v.len(); i++ {
		text := v.get(i)
		if len(text) != len(model) {
			return nil
		}
		for k, b := range text {
			if b != model[k] {
				differs[k] = true
			}
		}
	}
	p := &pack{model: model}
	for k := range model {
		if differs[k] {
			p.varies = append(p.varies, k)
		}
	}
	var used [256]bool
	for i := range v.at {
		text := v.get(i)
		for _, k := range p.varies {
			used[text[k]] = true
		}
	}
	for b := range used {
		if used[b] {
			p.alphabet = append(p.alphabet, byte(b))
		}
	}
	if len(p.alphabet) > maxAlphabet {
		return nil
	}
	p.bits = bits.Len(uint(len(p.alphabet) - 1))

	return p
}

// letters is how many fit into one integer.
func (p *pack) letters() int { return 64 / p.bits }

// words is how many integers a text takes.
func (p *pack) words() int { return (len(p.varies) + p.letters() - 1) / p.letters() }

// word returns the letters of integer w.
func (p *pack) word(w int) []int {
	return p.varies[w*p.letters() : min((w+1)*p.letters(), len(p.varies))]
}

func (c *coder) putPacked(dst []byte, v *values, p *pack) []byte {
	dst = putText(append(dst, textPacked), p.model)
	mask := make([]byte, (len(p.model)+7)/8)
	for _, k := range p.varies {
		mask[k/8] |= 1 << (k % 8)
	}
	dst = putText(append(dst, mask...), p.alphabet)
	var code [256]uint64
	for i, b := range p.alphabet {
		code[b] = uint64(i)
	}
	words := make([]uint64, v.len())
	for w := range p.words() {
		at := p.word(w)
		for i := range words {
			text, x := v.get(i), uint64(0)
			for _, k := range at {
				x = x<<p.bits | code[text[k]]
			}
			words[i] = x
		}
		dst = c.putInts(dst, words)
	}

	return dst
}

type packedTexts struct {
	pack
	letter  [maxAlphabet]byte // The alphabet, for any number of bits.
	columns []*planes
}

func (r *reader) packed(n int) texts {
	t := &packedTexts{pack: pack{model: r.text()}}
	if len(t.model) > maxPacked {
		r.fail()
	}
	mask := r.take((len(t.model) + 7) / 8)
	t.alphabet = r.text()
	if r.failed || len(t.alphabet) < 2 || len(t.alphabet) > maxAlphabet || bytes.Count(mask, []byte{0}) == len(mask) {
		r.fail()

		return constTexts(nil)
	}
	for k := range t.model {
		if mask[k/8]&(1<<(k%8)) != 0 {
			t.varies = append(t.varies, k)
		}
	}
	t.bits = bits.Len(uint(len(t.alphabet) - 1))
	for range t.words() {
		t.columns = append(t.columns, r.planes(n))
	}
	copy(t.letter[:], t.alphabet)
	if r.failed {
		return constTexts(nil)
	}

	return t
}

func (t *packedTexts) append(dst []byte, i int) []byte {
	start := len(dst)
	dst = append(dst, t.model...)
	text := dst[start:]
	for w, column := range t.columns {
		x, at := column.at(i), t.word(w)
		for _, k := range slices.Backward(at) {
			text[k] = t.letter[x&(1<<t.bits-1)]
			x >>= t.bits
		}
	}

	return dst
}

func (t *packedTexts) may(r run) bool {
	has := func(b byte) bool { return bytes.IndexByte(t.alphabet, b) >= 0 || bytes.IndexByte(t.model, b) >= 0 }
	if r.fold && (!isASCII(t.alphabet) || !isASCII(t.model)) {
		return true
	}
	for _, b := range []byte(r.text) {
		if !has(b) && (!r.fold || b < 'a' || !has(b-'a'+'A')) {
			return false
		}
	}

	return true
}

func isASCII(b []byte) bool {
	return !slices.ContainsFunc(b, func(b byte) bool { return b >= utf8.RuneSelf })
}

// find returns the integers that text is packed to, nil where it cannot be one of
// the column's.
func (t *packedTexts) find(text []byte) []uint64 {
	if len(text) != len(t.model) {
		return nil
	}
	words := make([]uint64, len(t.columns))
	rest := bytes.Clone(t.model)
	for w := range words {
		for _, k := range t.word(w) {
			code := bytes.IndexByte(t.alphabet, text[k])
			if code < 0 {
				return nil
			}
			words[w] = words[w]<<t.bits | uint64(code)
			rest[k] = text[k]
		}
	}
	if !bytes.Equal(rest, text) {
		return nil
	}

	return words
}

// rowsOf returns the rows whose text is one of those wanted.
func (t *packedTexts) rowsOf(wanted []string) map[int]bool {
	rows := map[int]bool{}
	for _, text := range wanted {
		words := t.find([]byte(text))
		if len(words) == 0 {
			continue
		}
		t.columns[0].find(words[0], func(row int) {
			for w := 1; w < len(words); w++ {
				if t.columns[w].at(row) != words[w] {
					return
				}
			}
			rows[row] = true
		})
	}

	return rows
}
