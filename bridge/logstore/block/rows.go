package block

import (
	"cmp"
	"math/bits"

	"llmwatch/bridge/logstore/entry"
)

// rows reads a chunk, column by column as they are needed.
type rows struct {
	b *Block
	*chunk
	positions
	loaded []*loaded // By their order in chunk.columns; nil is not read yet.
	memory *memory
}

// loaded is a column in memory.
type loaded struct {
	texts
	index []int32 // Of each row in texts, -1 where it has none; nil where all have one.
	rest  [][]entry.Field
}

// at returns where the text of a row is, -1 where it has none.
func (l *loaded) at(row int) int {
	if l.index == nil {
		return row
	}

	return int(l.index[row])
}

// open starts to read a chunk. What is read holds until close.
func (b *Block) open(c *chunk) *rows {
	return &rows{b: b, chunk: c, loaded: make([]*loaded, len(c.columns)), memory: memories.Get().(*memory)}
}

func (cr *rows) close() { cr.memory.release() }

// needTimes reads the times of the rows.
func (cr *rows) needTimes() error {
	err := cr.integers(&cr.times, &cr.columns[0])
	if err == nil && (int64(cr.times[0]) != cr.minTime || int64(cr.times[cr.rows-1]) != cr.maxTime) {
		return &CorruptError{cr.b.columnName(columnTimes), int64(cr.columns[0].offset), errDamaged.Error()}
	}

	return err
}

// needSeqs reads the numbers of the rows.
func (cr *rows) needSeqs() error { return cr.integers(&cr.seqs, &cr.columns[1]) }

func (cr *rows) integers(into *[]uint64, info *columnInfo) error {
	if *into != nil {
		return nil
	}

	return cr.b.decode(cr.b.columnName(info.id), info.place(), cr.memory, func(r *reader) { *into = r.ints(cr.rows) })
}

// needPositions reads both.
func (cr *rows) needPositions() error {
	if err := cr.needTimes(); err != nil {
		return err
	}

	return cr.needSeqs()
}

// column reads column i.
func (cr *rows) column(i int) (*loaded, error) {
	if cr.loaded[i] != nil {
		return cr.loaded[i], nil
	}
	info, l := &cr.columns[i], &loaded{}
	if info.size == 0 {
		l.texts = constTexts(info.inline)
	} else if err := cr.read(l, info); err != nil {
		return nil, err
	}
	cr.loaded[i] = l

	return l, nil
}

// read reads a column that has a section.
func (cr *rows) read(l *loaded, info *columnInfo) (err error) {
	var siblingErr error
	err = cr.b.decode(cr.b.columnName(info.id), info.place(), cr.memory, func(r *reader) {
		if info.id == columnMessage {
			r.sibling = func(index int) texts {
				if index >= len(cr.columns) || cr.columns[index].id < columnNames || cr.columns[index].sparse {
					return nil
				}
				var other *loaded
				if other, siblingErr = cr.column(index); siblingErr != nil {
					return nil
				}

				return other.texts
			}
		}
		l.read(r, info, cr.rows)
	})

	return cmp.Or(siblingErr, err)
}

func (l *loaded) read(r *reader, info *columnInfo, n int) {
	if info.id == columnRest {
		l.readRest(r, n)

		return
	}
	if info.sparse {
		n = l.readIndex(r, n)
	}
	l.texts = r.texts(n)
}

// readIndex reads which rows have a text and returns how many have.
func (l *loaded) readIndex(r *reader, n int) int {
	words := r.memory.numbers.take((n + 7) / 8)
	r.plane(words, 0)
	l.index = make([]int32, n)
	count := 0
	for row := range l.index {
		l.index[row] = -1
		if words[row/8]&(1<<(row%8)) != 0 {
			l.index[row] = int32(count)
			count++
		}
	}
	total := 0
	for _, w := range words {
		total += bits.OnesCount64(w)
	}
	if count != total || count == 0 {
		r.fail()
	}

	return count
}

// readRest reads the fields that have no column of their own.
func (l *loaded) readRest(r *reader, n int) {
	raw, ok := r.raw(n).(*rawTexts)
	if !ok {
		return
	}
	l.texts, l.rest = raw, make([][]entry.Field, n)
	for row := range l.rest {
		for in := (&reader{b: raw.get(row)}); len(in.b) > 0 || in.failed; {
			f := entry.Field{Name: view(in.text()), Kind: entry.Kind(in.byte()), Value: view(in.text())}
			if in.failed || f.Kind >= entry.Kinds {
				r.fail()

				return
			}
			l.rest[row] = append(l.rest[row], f)
		}
	}
}

// fill makes e row i of the chunk, with texts in buf, which it returns.
func (cr *rows) fill(e *entry.Entry, row int, buf []byte) ([]byte, error) {
	if err := cr.needTimes(); err != nil {
		return buf, err
	}
	e.Time, e.Level, e.Logger, e.Message, e.Fields = int64(cr.times[row]), cr.level, "", "", e.Fields[:0]
	buf = buf[:0]
	start := make([]int, 0, 32)
	for i := range cr.columns {
		start = append(start, len(buf))
		if i <= columnSeqs {
			continue
		}
		l, err := cr.column(i)
		if err != nil {
			return buf, err
		}
		if at := l.at(row); at >= 0 && l.rest == nil {
			buf = l.append(buf, at)
		}
	}
	start = append(start, len(buf))
	for i := columnSeqs + 1; i < len(cr.columns); i++ {
		info, l := &cr.columns[i], cr.loaded[i]
		text := view(buf[start[i]:start[i+1]])
		switch {
		case info.id == columnLogger:
			e.Logger = text
		case info.id == columnMessage:
			e.Message = text
		case info.id == columnRest:
			e.Fields = append(e.Fields, l.rest[row]...)
		case l.at(row) >= 0:
			e.Fields = append(e.Fields, entry.Field{Name: cr.b.names[info.id-columnNames].name, Kind: info.kind, Value: text})
		}
	}

	return buf, nil
}
