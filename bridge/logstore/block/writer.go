package block

import (
	"slices"
	"unsafe"

	"llmwatch/bridge/logstore/entry"
)

// view is a string that shares b's memory, for a call that does not keep it.
func view(b []byte) string { return unsafe.String(unsafe.SliceData(b), len(b)) }

// Bounds of a block's make-up. They decide how well it compresses and how much a
// question has to read; a reader takes what it finds.
const (
	maxGroups  = 512      // Shapes that are kept apart.
	minGroup   = 48       // Rows that are worth a group.
	maxRows    = 8192     // Of a chunk.
	maxText    = 4 << 20  // Bytes of text after which a chunk is full.
	maxColumns = 256      // Of a chunk of mixed rows; fields beyond them are kept together.
	maxKnown   = 10_000   // Names that are remembered over Reset.
	maxEntry   = 48 << 20 // Bytes of an entry: with a full chunk it still fits in a section.
	maxInline  = 256      // Bytes of a text that all rows have in common, kept in the directory.
	maxProbes  = 4        // Shapes of one hash.
)

// Writer gathers entries and makes a block of them. It is used again after Reset,
// and is not safe for use by several goroutines at once.
type Writer struct {
	opt    Options
	names  map[string]uint32
	list   []string // The names by their numbers.
	groups map[uint64]*group
	mixed  [entry.NumLevels]mixed
	rows   int
	size   int
	most   int // Bytes of the longest entry, names included.
	coder  *coder
}

// group is the entries of one logger, level and shape: the names and kinds of their
// fields in their order. What such entries have in common is stored once.
type group struct {
	level   entry.Level
	logger  string
	fields  []field
	rows    positions
	columns []column // The message, then the fields.
}

type field struct {
	name string
	id   uint32
	kind entry.Kind
}

// mixed is the entries of one level whose shape is rare.
type mixed struct {
	rows positions
	text entry.Batch
}

// positions are the times and numbers of rows.
type positions struct {
	times, seqs []uint64
}

func (p *positions) add(time int64, seq uint64) {
	p.times, p.seqs = append(p.times, uint64(time)), append(p.seqs, seq)
}

func (p *positions) reset() { p.times, p.seqs = p.times[:0], p.seqs[:0] }

// column gathers the texts of a field. As long as all are equal there is one.
type column struct {
	values
	rows int
}

func (c *column) add(s string) {
	c.rows++
	if c.rows == 1 {
		c.buf = append(c.buf, s...)

		return
	}
	if len(c.at) == 0 {
		if view(c.buf) == s {
			return
		}
		first := span{0, uint32(len(c.buf))}
		for range c.rows - 1 {
			c.at = append(c.at, first)
		}
	}
	if last := c.at[len(c.at)-1]; view(c.buf[last.start:last.start+last.size]) == s {
		c.at = append(c.at, last)

		return
	}
	c.at = append(c.at, span{uint32(len(c.buf)), uint32(len(s))})
	c.buf = append(c.buf, s...)
}

// get returns the text of row i.
func (c *column) get(i int) []byte {
	if len(c.at) == 0 {
		return c.buf
	}

	return c.values.get(i)
}

func (c *column) reset() { c.buf, c.at, c.rows = c.buf[:0], c.at[:0], 0 }

// NewWriter returns an empty Writer.
func NewWriter(opt Options) *Writer {
	return &Writer{opt: opt, names: map[string]uint32{}, groups: map[uint64]*group{}, coder: newCoder()}
}

// Len is the number of entries so far.
func (w *Writer) Len() int { return w.rows }

// Size is the number of bytes of text so far. It must not grow past entry.MaxBytes.
func (w *Writer) Size() int { return w.size }

// Add copies an entry and its number.
func (w *Writer) Add(seq uint64, e *entry.Entry) {
	w.rows++
	text, names := len(e.Logger)+len(e.Message), 0
	for i := range e.Fields {
		text, names = text+len(e.Fields[i].Value), names+len(e.Fields[i].Name)
	}
	w.size, w.most = w.size+text, max(w.most, text+names)
	g := w.group(e)
	if g == nil {
		m := &w.mixed[e.Level]
		m.rows.add(e.Time, seq)
		m.text.Add(e)

		return
	}
	g.rows.add(e.Time, seq)
	g.columns[0].add(e.Message)
	for i := range e.Fields {
		g.columns[1+i].add(e.Fields[i].Value)
	}
}

// group returns the group of e's shape, nil where there are too many.
func (w *Writer) group(e *entry.Entry) *group {
	key := shape(e)
	for range maxProbes {
		g, ok := w.groups[key]
		switch {
		case !ok && len(w.groups) < maxGroups:
			g = w.newGroup(e)
			w.groups[key] = g

			return g
		case !ok:
			return nil
		case g.fits(e):
			return g
		}
		key++
	}

	return nil
}

// shape is a hash that is quick rather than good: fits has the last word.
func shape(e *entry.Entry) uint64 {
	mix := func(h uint64, s string) uint64 {
		h ^= uint64(len(s)) << 48
		if len(s) > 0 {
			h ^= uint64(s[0])<<32 ^ uint64(s[len(s)/2])<<40 ^ uint64(s[len(s)-1])
		}
		h *= 0x9e3779b97f4a7c15

		return h ^ h>>29
	}
	h := mix(uint64(e.Level), e.Logger)
	for i := range e.Fields {
		h = mix(h^uint64(e.Fields[i].Kind)<<16, e.Fields[i].Name)
	}

	return h
}

func (g *group) fits(e *entry.Entry) bool {
	if g.level != e.Level || len(g.fields) != len(e.Fields) || g.logger != e.Logger {
		return false
	}
	for i := range g.fields {
		if f := &e.Fields[i]; g.fields[i].kind != f.Kind || g.fields[i].name != f.Name {
			return false
		}
	}

	return true
}

func (w *Writer) newGroup(e *entry.Entry) *group {
	g := &group{level: e.Level, logger: clone(e.Logger), columns: make([]column, 1+len(e.Fields))}
	for _, f := range e.Fields {
		id := w.name(f.Name)
		g.fields = append(g.fields, field{w.list[id], id, f.Kind})
	}

	return g
}

// name returns the number of a field's name.
func (w *Writer) name(s string) uint32 {
	id, ok := w.names[s]
	if !ok {
		s, id = clone(s), uint32(len(w.list))
		w.names[s], w.list = id, append(w.list, s)
	}

	return id
}

// clone copies what may be a view of a buffer.
func clone(s string) string { return string(append([]byte(nil), s...)) }

// Reset empties the writer and keeps memory that the next block is likely to need.
func (w *Writer) Reset() {
	if len(w.list) > maxKnown {
		clear(w.names)
		clear(w.groups)
		w.list = nil
	}
	for key, g := range w.groups {
		if len(g.rows.times) == 0 {
			delete(w.groups, key)

			continue
		}
		g.rows.reset()
		for i := range g.columns {
			g.columns[i].reset()
		}
	}
	for i := range w.mixed {
		w.mixed[i].rows.reset()
		w.mixed[i].text.Reset()
	}
	w.rows, w.size, w.most = 0, 0, 0
}

// sorted returns the order of the rows by position, nil if they are in order.
func (p *positions) sorted() []uint32 {
	compare := func(a, b int) int { return p.at(a).Compare(p.at(b)) }
	n, i := len(p.times), 1
	for i < n && compare(i-1, i) < 0 {
		i++
	}
	if i >= n {
		return nil
	}
	order := make([]uint32, n)
	for i := range order {
		order[i] = uint32(i)
	}
	slices.SortFunc(order, func(a, b uint32) int { return compare(int(a), int(b)) })

	return order
}

func (p *positions) at(i int) entry.Position {
	return entry.Position{Time: int64(p.times[i]), Seq: p.seqs[i]}
}

// reorder puts v into that order.
func reorder[T any](v []T, order []uint32) {
	sorted := make([]T, len(v))
	for i, from := range order {
		sorted[i] = v[from]
	}
	copy(v, sorted)
}

// sort puts the rows of a group in order.
func (g *group) sort() {
	order := g.rows.sorted()
	if order == nil {
		return
	}
	reorder(g.rows.times, order)
	reorder(g.rows.seqs, order)
	for i := range g.columns {
		if at := g.columns[i].at; len(at) > 0 {
			reorder(at, order)
		}
	}
}
