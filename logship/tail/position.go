package tail

import (
	"hash/crc64"
	"io"
	"slices"
)

const (
	// windowBytes is how much before a position is looked at to recognise a file.
	windowBytes = 1 << 10

	// keptSpots bounds the marks of a file.
	keptSpots = 10
)

var crcTable = crc64.MakeTable(crc64.ECMA)

// position says how far a file has been read, and what was there.
type position struct {
	Offset int64 `json:"offset"`

	// Rest says that the rest of the line at Offset has to be left out.
	Rest bool `json:"rest,omitempty"`

	// Spots are marks of what was read: the first and the latest ones. They grow
	// with the file, so that files which begin alike are told apart. The last one
	// is at Offset, unless that is 0.
	Spots []spot `json:"spots,omitempty"`
}

// spot is the checksum of the bytes before an offset, up to windowBytes of them.
type spot struct {
	End int64  `json:"end"`
	Sum uint64 `json:"sum"`
}

// newSpot makes a mark at end, which the bytes of before end at.
func newSpot(end int64, before []byte) spot {
	before = before[max(0, len(before)-int(min(end, windowBytes))):]

	return spot{end, crc64.Checksum(before, crcTable)}
}

// spotAt makes a mark at end of a file.
func spotAt(r io.ReaderAt, end int64) (spot, error) {
	before := make([]byte, min(end, windowBytes))
	if _, err := r.ReadAt(before, end-int64(len(before))); err != nil {
		return spot{}, err
	}

	return newSpot(end, before), nil
}

// advance moves the position to offset, which the bytes of before end at.
func (p *position) advance(offset int64, before []byte) {
	p.Offset = offset
	if len(p.Spots) == keptSpots {
		p.Spots = slices.Delete(p.Spots, 1, 2)
	}
	p.Spots = append(p.Spots, newSpot(offset, before))
}

// startAt sets the position in a file that is not to be read from its beginning.
func (p *position) startAt(r io.ReaderAt, offset int64) error {
	*p = position{}
	if offset == 0 {
		return nil
	}
	s, err := spotAt(r, offset)
	if err != nil {
		return err
	}
	p.Offset, p.Spots = offset, []spot{s}

	return nil
}

// last is the mark at Offset.
func (p *position) last() (s spot, ok bool) {
	if len(p.Spots) == 0 {
		return spot{}, false
	}

	return p.Spots[len(p.Spots)-1], true
}

// describes tells whether a file of that size has what was read, up to its end
// at least: as a copy has that was made while the original was read.
func (p *position) describes(r io.ReaderAt, size int64) bool {
	fits := 0
	for i, s := range p.Spots {
		if s.End > size {
			break
		}
		if got, err := spotAt(r, s.End); err != nil || got != s {
			return false
		}
		if i > 0 || len(p.Spots) < keptSpots {
			fits++ // The first of many may be far from the rest.
		}
	}

	return fits > 0
}

// resumeIn returns where to go on in a copy of that size.
func (p *position) resumeIn(r io.ReaderAt, size int64) (position, error) {
	if size >= p.Offset {
		return position{p.Offset, p.Rest, slices.Clone(p.Spots)}, nil
	}
	var q position
	err := q.startAt(r, size)

	return q, err
}
