package block

import (
	"cmp"
	"encoding/binary"
	"slices"

	"llmwatch/bridge/logstore/entry"
)

// writeGroup writes the rows of a group, chunk by chunk.
func (w *Writer) writeGroup(o *output, g *group) error {
	var v values // A column's texts of one chunk.
	for first := 0; first < len(g.rows.times); {
		last := g.chunkEnd(first)
		n := last - first
		columns, err := w.begin(o, g.level, &g.rows, first, last)
		if err != nil {
			return err
		}
		columns.constant(columnLogger, entry.String, []byte(g.logger))
		w.coder.siblings = g.siblings(columns.count+1, first, last)
		for i := range g.columns {
			id, kind := uint32(columnMessage), entry.String
			if i > 0 {
				id, kind = columnNames+g.fields[i-1].id, g.fields[i-1].kind
			}
			v.buf, v.at = g.columns[i].buf, v.at[:0]
			if at := g.columns[i].at; len(at) > 0 {
				v.at = at[first:last]
			} else {
				v.at = []span{{0, uint32(len(v.buf))}} // One for all n.
			}
			if err := columns.add(id, kind, &v, nil, n); err != nil {
				return err
			}
			w.coder.siblings = nil // The message alone refers to others.
		}
		columns.end()
		first = last
	}

	return nil
}

// siblings returns the fields that vary in those rows, for the message before them.
// The first field's place in the directory is index.
func (g *group) siblings(index, first, last int) []sibling {
	var list []sibling
	for i := range g.fields {
		if column := &g.columns[1+i]; len(column.at) > 0 {
			list = append(list, sibling{index + i, values{column.buf, column.at[first:last]}})
		}
	}

	return list
}

// chunkEnd returns the row after the last of the chunk that begins at first.
func (g *group) chunkEnd(first int) int {
	last := min(first+maxRows, len(g.rows.times))
	text := 0
	for row := first; row < last; row++ {
		for i := range g.columns {
			if at := g.columns[i].at; len(at) > 0 {
				text += int(at[row].size)
			}
		}
		if text > maxText {
			return row + 1
		}
	}

	return last
}

// chunkWriter writes the columns of one chunk and describes them.
type chunkWriter struct {
	w     *Writer
	o     *output
	count int
	about []byte
}

// begin starts a chunk with the positions of its rows.
func (w *Writer) begin(o *output, level entry.Level, rows *positions, first, last int) (*chunkWriter, error) {
	times, seqs := rows.times[first:last], rows.seqs[first:last]
	o.directory = append(o.directory, byte(level))
	o.directory = binary.AppendUvarint(o.directory, uint64(last-first))
	o.directory = binary.AppendUvarint(o.directory, times[0]-uint64(o.info.MinTime))
	o.directory = binary.AppendUvarint(o.directory, times[len(times)-1]-times[0])
	o.chunks++
	w.coder.siblings = nil
	c := &chunkWriter{w: w, o: o}
	o.body = w.coder.putInts(o.body[:0], times)
	if err := c.section(columnTimes, entry.Number, 0); err != nil {
		return nil, err
	}
	o.body = w.coder.putInts(o.body[:0], seqs)

	return c, c.section(columnSeqs, entry.Number, 0)
}

// How the directory describes a column.
const (
	columnInline  = 1 << 4 // One text for all, in the directory.
	columnSparse  = 1 << 5 // Not all rows have it.
	columnKind    = columnInline - 1
	columnFlagSet = columnInline | columnSparse
)

func (c *chunkWriter) constant(id uint32, kind entry.Kind, text []byte) {
	c.about = binary.AppendUvarint(c.about, uint64(id))
	c.about = putText(append(c.about, byte(kind)|columnInline), text)
	c.count++
}

// section writes o.body as the column's section.
func (c *chunkWriter) section(id uint32, kind entry.Kind, flags byte) error {
	size, err := c.o.section(c.o.body)
	c.about = binary.AppendUvarint(c.about, uint64(id))
	c.about = binary.AppendUvarint(append(c.about, byte(kind)|flags), uint64(size))
	c.count++

	return err
}

// add writes a column of n texts, or of those rows that present has a bit for. One
// span in v stands for all.
func (c *chunkWriter) add(id uint32, kind entry.Kind, v *values, present []byte, n int) error {
	body, flags := c.o.body[:0], byte(0)
	if present != nil {
		flags = columnSparse
		body = c.w.coder.putPlane(body, present)
		n = v.len()
	}
	start := len(body)
	if text := v.get(0); n > 1 && len(v.at) == 1 || isConst(v) {
		if present == nil && len(text) <= maxInline {
			c.filter(id, v.at[:1], v, false)
			c.constant(id, kind, text)

			return nil
		}
		v.at = v.at[:1]
	}
	body = c.w.coder.putTexts(body, v, allowDict|allowTemplate)
	c.o.body = body
	if body[start] == textDict {
		c.filter(id, c.w.coder.dict.distinct.at, &c.w.coder.dict.distinct, false)
	} else {
		c.filter(id, v.at, v, kind != entry.String && body[start] == textNumber)
	}

	return c.section(id, kind, flags)
}

// filter notes texts of a field for the filter; those of a field with measured
// numbers are not worth it.
func (c *chunkWriter) filter(id uint32, at []span, v *values, measured bool) {
	if id < columnNames {
		return
	}
	o, name := c.o, id-columnNames
	if o.open[name] = o.open[name] || measured; o.open[name] {
		o.hashes[name] = nil

		return
	}
	bind := nameHash(c.w.list[name])
	for _, s := range at {
		if s.size <= maxFiltered {
			o.hashes[name] = append(o.hashes[name], fieldHash(bind, v.buf[s.start:s.start+s.size]))
		}
	}
}

// end adds the chunk to the directory.
func (c *chunkWriter) end() {
	c.o.directory = append(binary.AppendUvarint(c.o.directory, uint64(c.count)), c.about...)
}

// writeMixed writes the mixed rows of a level, chunk by chunk.
func (w *Writer) writeMixed(o *output, level entry.Level) error {
	m := &w.mixed[level]
	order := m.rows.sorted()
	if order == nil {
		order = make([]uint32, len(m.rows.times))
		for i := range order {
			order[i] = uint32(i)
		}
	} else {
		reorder(m.rows.times, order)
		reorder(m.rows.seqs, order)
	}
	var e entry.Entry
	for first := 0; first < len(order); {
		last, text := first, 0
		for last < len(order) && last-first < maxRows && text <= maxText {
			m.text.At(int(order[last]), &e)
			text += len(e.Message) + len(e.Logger)
			for _, f := range e.Fields {
				text += len(f.Value) + len(f.Name)
			}
			last++
		}
		c, err := w.begin(o, level, &m.rows, first, last)
		if err != nil {
			return err
		}
		if err := c.mixed(&m.text, order[first:last]); err != nil {
			return err
		}
		c.end()
		first = last
	}

	return nil
}

// sparse is a column that not all rows have.
type sparse struct {
	name    string
	kind    entry.Kind
	values  values
	present []byte
}

// mixed writes those rows of b.
func (c *chunkWriter) mixed(b *entry.Batch, order []uint32) error {
	columns := c.frequent(b, order)
	byKey := map[sparseKey]*sparse{}
	for _, column := range columns {
		byKey[sparseKey{column.name, column.kind}] = column
	}
	var loggers, messages, rest values
	var e entry.Entry
	var left []byte
	for row, i := range order {
		b.At(int(i), &e)
		loggers.add([]byte(e.Logger))
		messages.add([]byte(e.Message))
		left = left[:0]
		for _, f := range e.Fields {
			column, ok := byKey[sparseKey{f.Name, f.Kind}]
			if !ok {
				left = putText(append(putText(left, f.Name), byte(f.Kind)), f.Value)
				c.keep(f)

				continue
			}
			column.values.add([]byte(f.Value))
			column.present[row/8] |= 1 << (row % 8)
		}
		rest.add(left)
	}
	n := len(order)
	if err := c.add(columnLogger, entry.String, &loggers, nil, n); err != nil {
		return err
	}
	if err := c.add(columnMessage, entry.String, &messages, nil, n); err != nil {
		return err
	}
	for _, s := range columns {
		if s.values.len() == n {
			s.present = nil
		}
		if err := c.add(columnNames+c.w.name(s.name), s.kind, &s.values, s.present, n); err != nil {
			return err
		}
	}
	if len(rest.buf) == 0 {
		return nil
	}
	c.o.hasRest = true
	c.o.body = c.w.coder.putRaw(c.o.body[:0], &rest)

	return c.section(columnRest, entry.String, 0)
}

type sparseKey struct {
	name string
	kind entry.Kind
}

// frequent returns empty columns for the fields that rows have most often.
func (c *chunkWriter) frequent(b *entry.Batch, order []uint32) []*sparse {
	seen := map[sparseKey]int{}
	var e entry.Entry
	for _, i := range order {
		b.At(int(i), &e)
		for _, f := range e.Fields {
			seen[sparseKey{f.Name, f.Kind}]++
		}
	}
	var columns []*sparse
	for key := range seen {
		columns = append(columns, &sparse{name: key.name, kind: key.kind})
	}
	slices.SortFunc(columns, func(a, b *sparse) int {
		return cmp.Or(cmp.Compare(seen[sparseKey{b.name, b.kind}], seen[sparseKey{a.name, a.kind}]),
			cmp.Compare(a.name, b.name), cmp.Compare(a.kind, b.kind))
	})
	columns = columns[:min(len(columns), maxColumns)]
	for _, column := range columns {
		column.present = make([]byte, (len(order)+7)/8)
		c.o.known(c.w.name(column.name))
	}

	return columns
}

// known makes room for a name that no group has.
func (o *output) known(id uint32) {
	for uint32(len(o.open)) <= id {
		o.open, o.hashes = append(o.open, false), append(o.hashes, nil)
	}
}

// keep notes a field of the rest for the filter, whatever its kind: names of the
// rest are found by the filter alone.
func (c *chunkWriter) keep(f entry.Field) {
	if len(f.Value) <= maxFiltered {
		c.o.rest = append(c.o.rest, fieldHash(nameHash(f.Name), []byte(f.Value)))
	}
}
