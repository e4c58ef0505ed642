package block

import "bytes"

// planes are integers that stay as they are stored, because none of their planes is
// compressed, as those of random identifiers are. Few are ever looked at.
type planes struct {
	rows           int
	planes         []plane
	least, divisor uint64
	decoded        []uint64 // The integers, where some plane is compressed.
}

// plane is a byte of each integer, or one for all.
type plane struct {
	bytes []byte // nil: one for all.
	one   byte
}

// planes reads n integers as ints does.
func (r *reader) planes(n int) *planes {
	if p := r.asStored(n); p != nil {
		return p
	}

	return &planes{rows: n, decoded: r.ints(n)}
}

// asStored returns nil, and reads nothing, where integers have to be decoded.
func (r *reader) asStored(n int) *planes {
	in := *r
	head := in.byte()
	width := int(head >> headWidth)
	if head&headSteps != 0 || width > 8 || n == 0 {
		return nil
	}
	p := &planes{rows: n, planes: make([]plane, width), least: in.uvarint(), divisor: 1}
	if head&headDivided != 0 {
		p.divisor = in.uvarint()
	}
	for k := range p.planes {
		switch in.byte() {
		case planeRaw:
			p.planes[k].bytes = in.take(n)
		case planeConst:
			p.planes[k].one = in.byte()
		default:
			return nil
		}
	}
	if in.failed || p.divisor == 0 {
		return nil
	}
	*r = in

	return p
}

// at returns integer i.
func (p *planes) at(i int) uint64 {
	if p.decoded != nil {
		return p.decoded[i]
	}
	var x uint64
	for k := range p.planes {
		b := p.planes[k].one
		if p.planes[k].bytes != nil {
			b = p.planes[k].bytes[i]
		}
		x |= uint64(b) << (8 * k)
	}

	return x*p.divisor + p.least
}

// find calls fn for each row whose integer is x.
func (p *planes) find(x uint64, fn func(row int)) {
	if p.decoded != nil {
		for row, y := range p.decoded {
			if y == x {
				fn(row)
			}
		}

		return
	}
	offset := (x - p.least) / p.divisor
	var scan []byte // The plane to look in first.
	var wanted byte
	for k := range p.planes {
		if p.planes[k].bytes != nil {
			scan, wanted = p.planes[k].bytes, byte(offset>>(8*k))

			break
		}
	}
	for row := 0; row < p.rows; row++ {
		if scan != nil {
			next := bytes.IndexByte(scan[row:], wanted)
			if next < 0 {
				return
			}
			row += next
		}
		if p.at(row) == x {
			fn(row)
		}
	}
}
