package block

import "sync"

// memory holds what a chunk is decoded to, and is used for one chunk after the other,
// so that a question that reads a thousand chunks needs the memory of one.
type memory struct {
	numbers slab[uint64]
	bytes   slab[byte]
}

// memories are given back to the system when nobody asks for long.
var memories = sync.Pool{New: func() any { return &memory{} }}

// slab hands out parts of larger pieces. Their content is undefined.
type slab[T any] struct {
	pieces [][]T
	piece  int // That is handed out.
	used   int // Of it.
}

const (
	pieceSize = 1 << 16
	maxPieces = 32 // That are kept.
)

func (s *slab[T]) take(n int) []T {
	if n > pieceSize/2 {
		return make([]T, n)
	}
	if s.piece < len(s.pieces) && s.used+n > pieceSize {
		s.piece, s.used = s.piece+1, 0
	}
	if s.piece == len(s.pieces) {
		s.pieces = append(s.pieces, make([]T, pieceSize))
	}
	part := s.pieces[s.piece][s.used : s.used+n : s.used+n]
	s.used += n

	return part
}

// reset takes all back.
func (s *slab[T]) reset() {
	s.piece, s.used = 0, 0
	if len(s.pieces) > maxPieces {
		clear(s.pieces[maxPieces:])
		s.pieces = s.pieces[:maxPieces]
	}
}

// release takes all back that was handed out.
func (m *memory) release() {
	m.numbers.reset()
	m.bytes.reset()
	memories.Put(m)
}
