package block

import (
	"cmp"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"slices"

	"llmwatch/bridge/logstore/entry"
)

// Columns that every chunk may have have numbers below those of the names.
const (
	columnTimes = iota
	columnSeqs
	columnLogger
	columnMessage
	columnRest
	columnNames // The first name.
)

// output is a block in the making.
type output struct {
	buf       []byte
	base      int // Where the block begins in buf.
	cipher    Cipher
	directory []byte
	chunks    int
	hashes    [][]uint64 // By name; what the filter will hold.
	open      []bool     // By name: has values that the filter does not hold.
	hasRest   bool
	rest      []uint64 // What the filter will hold of fields that have no column.
	body      []byte
	info      Info
	counts    map[Count]int
}

// Finish appends the block of all entries so far to dst. The writer must be Reset
// before it is used again.
func (w *Writer) Finish(dst []byte) ([]byte, Info, error) {
	if w.rows == 0 {
		return dst, Info{}, errors.New("a log block needs an entry")
	}
	if w.most > maxEntry {
		return dst, Info{}, fmt.Errorf("an entry of %d bytes is too large for a log block, which takes %d", w.most, maxEntry)
	}
	groups := w.gather()
	o := &output{
		buf: dst, base: len(dst), cipher: w.opt.Cipher, hashes: make([][]uint64, len(w.list)), open: make([]bool, len(w.list)),
		info: Info{MinTime: 1<<63 - 1, MinSeq: 1<<64 - 1, Rows: w.rows, TextBytes: int64(w.size)}, counts: map[Count]int{},
	}
	for _, g := range groups {
		o.cover(&g.rows)
		o.counts[Count{Logger: g.logger, Level: g.level}] += len(g.rows.times)
	}
	for level := range w.mixed {
		o.coverMixed(&w.mixed[level])
	}
	o.header()
	for _, g := range groups {
		if err := w.writeGroup(o, g); err != nil {
			return dst, Info{}, err
		}
	}
	for level := range w.mixed {
		if err := w.writeMixed(o, entry.Level(level)); err != nil {
			return dst, Info{}, err
		}
	}
	o.finish(w)

	return o.buf, o.info, nil
}

// gather sorts the groups, and moves the rows of small ones to the mixed ones.
func (w *Writer) gather() []*group {
	var groups []*group
	for _, g := range w.groups {
		switch n := len(g.rows.times); {
		case n == 0:
		case n < minGroup:
			w.mix(g)
		default:
			g.sort()
			groups = append(groups, g)
		}
	}
	slices.SortFunc(groups, func(a, b *group) int {
		return cmp.Or(cmp.Compare(b.level, a.level), cmp.Compare(a.logger, b.logger),
			a.rows.at(0).Compare(b.rows.at(0)))
	})

	return groups
}

// mix moves the rows of a group to the mixed ones.
func (w *Writer) mix(g *group) {
	m := &w.mixed[g.level]
	e := entry.Entry{Level: g.level, Logger: g.logger, Fields: make([]entry.Field, len(g.fields))}
	for row, time := range g.rows.times {
		e.Time, e.Message = int64(time), view(g.columns[0].get(row))
		for i, f := range g.fields {
			e.Fields[i] = entry.Field{Name: f.name, Kind: f.kind, Value: view(g.columns[1+i].get(row))}
		}
		m.rows.add(e.Time, g.rows.seqs[row])
		m.text.Add(&e)
	}
	g.rows.reset()
}

// cover extends what the block says of itself.
func (o *output) cover(rows *positions) {
	for i, time := range rows.times {
		o.info.MinTime, o.info.MaxTime = min(o.info.MinTime, int64(time)), max(o.info.MaxTime, int64(time))
		o.info.MinSeq, o.info.MaxSeq = min(o.info.MinSeq, rows.seqs[i]), max(o.info.MaxSeq, rows.seqs[i])
	}
}

func (o *output) coverMixed(m *mixed) {
	o.cover(&m.rows)
	var e entry.Entry
	for i := range m.rows.times {
		m.text.At(i, &e)
		key := Count{Logger: e.Logger, Level: e.Level}
		if _, ok := o.counts[key]; !ok {
			key.Logger = clone(key.Logger)
		}
		o.counts[key]++
	}
}

// header begins the block. It bears what tells one block from another, because
// sealed sections are bound to it.
func (o *output) header() {
	o.buf = append(o.buf, magic...)
	o.buf = append(o.buf, version, 0, 0, 0)
	o.buf = binary.LittleEndian.AppendUint64(o.buf, o.info.MinSeq)
}

// section appends a section and returns its size.
func (o *output) section(body []byte) (int, error) {
	if len(body) > maxSection-1024 {
		return 0, errors.New("an entry is too large for a log block")
	}
	start := len(o.buf)
	o.buf = putSection(o.buf, o.base, body, o.cipher)

	return len(o.buf) - start, nil
}

// finish appends all that stands after the columns.
func (o *output) finish(w *Writer) {
	at := func() int64 { return int64(len(o.buf) - o.base) }
	directoryAt := at()
	directory := w.coder.putBlob(binary.AppendUvarint(nil, uint64(o.chunks)), o.directory)
	o.buf = putSection(o.buf, o.base, directory, o.cipher)
	filterAt := at()
	hashes := o.rest
	for _, h := range o.hashes {
		hashes = append(hashes, h...)
	}
	slices.Sort(hashes)
	pages := buildFilter(slices.Compact(hashes))
	for _, page := range pages {
		o.buf = putSection(o.buf, o.base, page, o.cipher)
	}
	for count, rows := range o.counts {
		o.info.Counts = append(o.info.Counts, Count{count.Logger, count.Level, rows})
	}
	slices.SortFunc(o.info.Counts, func(a, b Count) int {
		return cmp.Or(cmp.Compare(a.Logger, b.Logger), cmp.Compare(a.Level, b.Level))
	})
	s := summary{info: o.info, directory: place{directoryAt, int(filterAt - directoryAt)}, pages: len(pages), rest: o.hasRest}
	if len(pages) > 0 {
		s.filter = place{filterAt, int(at()-filterAt) / len(pages)}
	}
	for id, name := range w.list {
		s.names = append(s.names, fieldName{name, !o.open[id]})
	}
	summaryAt := at()
	o.buf = putSection(o.buf, o.base, w.coder.putBlob(nil, s.append(nil)), o.cipher)
	footer := binary.LittleEndian.AppendUint64(nil, uint64(summaryAt))
	footer = binary.LittleEndian.AppendUint32(footer, uint32(at()-summaryAt))
	footer = binary.LittleEndian.AppendUint64(footer, uint64(at()+footerSize))
	sum := crc32.Update(crc32.Checksum(o.buf[o.base:o.base+headerSize], castagnoli), castagnoli, footer)
	o.buf = binary.LittleEndian.AppendUint32(append(o.buf, footer...), sum)
}
