package block

import (
	"encoding/binary"

	"llmwatch/bridge/logstore/entry"
)

// summary is what a block says of itself without its columns being read.
type summary struct {
	info      Info
	names     []fieldName
	directory place
	filter    place // Of the first page.
	pages     int
	rest      bool // There are fields whose names are not in names.
}

// fieldName is a field that entries of the block have. filtered says that the
// filter holds every value that is short enough.
type fieldName struct {
	name     string
	filtered bool
}

func (s *summary) append(dst []byte) []byte {
	i := &s.info
	dst = binary.AppendUvarint(dst, uint64(i.MinTime))
	dst = binary.AppendUvarint(dst, uint64(i.MaxTime))
	dst = binary.AppendUvarint(dst, i.MinSeq)
	dst = binary.AppendUvarint(dst, i.MaxSeq)
	dst = binary.AppendUvarint(dst, uint64(i.Rows))
	dst = binary.AppendUvarint(dst, uint64(i.TextBytes))
	dst = binary.AppendUvarint(dst, uint64(len(i.Counts)))
	for _, c := range i.Counts {
		dst = append(putText(dst, c.Logger), byte(c.Level))
		dst = binary.AppendUvarint(dst, uint64(c.Rows))
	}
	dst = binary.AppendUvarint(dst, uint64(len(s.names)))
	for _, n := range s.names {
		dst = append(putText(dst, n.name), flag(n.filtered))
	}
	for _, p := range []place{s.directory, s.filter} {
		dst = binary.AppendUvarint(dst, uint64(p.offset))
		dst = binary.AppendUvarint(dst, uint64(p.size))
	}

	return append(binary.AppendUvarint(dst, uint64(s.pages)), flag(s.rest))
}

func flag(b bool) byte {
	if b {
		return 1
	}

	return 0
}

// summary reads what append wrote.
func (r *reader) summary() (s summary) {
	i := &s.info
	i.MinTime, i.MaxTime = int64(r.uvarint()), int64(r.uvarint())
	i.MinSeq, i.MaxSeq = r.uvarint(), r.uvarint()
	i.Rows, i.TextBytes = r.count(1<<31-1), int64(r.uvarint())
	if i.MinTime < 0 || i.MaxTime < i.MinTime || i.MaxSeq < i.MinSeq || i.TextBytes < 0 {
		r.fail()
	}
	for range r.count(len(r.b)) {
		c := Count{Logger: string(r.text()), Level: entry.Level(r.byte()), Rows: r.count(i.Rows)}
		if int(c.Level) >= entry.NumLevels {
			r.fail()
		}
		i.Counts = append(i.Counts, c)
	}
	for range r.count(len(r.b)) {
		s.names = append(s.names, fieldName{string(r.text()), r.byte() == 1})
	}
	for _, p := range []*place{&s.directory, &s.filter} {
		p.offset, p.size = int64(r.count(maxBlock)), r.count(maxSection)
	}
	s.pages, s.rest = r.count(maxBlock/filterLine), r.byte() == 1
	if len(r.b) > 0 {
		r.fail()
	}

	return s
}

// chunk is some rows of one level, ordered by position, and their columns.
type chunk struct {
	level            entry.Level
	rows             int
	minTime, maxTime int64
	columns          []columnInfo
}

// columnInfo says where a column is, or, if its size is 0, what all its texts are.
// Blocks that stay open keep one for each column: it is small.
type columnInfo struct {
	inline       string
	offset, size uint32
	id           uint32
	kind         entry.Kind
	sparse       bool
}

func (c *columnInfo) place() place { return place{int64(c.offset), int(c.size)} }

// directory reads the chunks of a block with that summary.
func (r *reader) directory(s *summary) []chunk {
	count := r.count(s.info.Rows)
	r.b = r.blob()
	var chunks []chunk
	offset, rows := int64(headerSize), 0
	for range count {
		c := chunk{level: entry.Level(r.byte()), rows: r.count(s.info.Rows - rows)}
		c.minTime = s.info.MinTime + int64(r.uvarint())
		c.maxTime = c.minTime + int64(r.uvarint())
		rows += c.rows
		if int(c.level) >= entry.NumLevels || c.rows == 0 || c.rows > maxRows || c.minTime < s.info.MinTime || c.maxTime < c.minTime || c.maxTime > s.info.MaxTime {
			r.fail()
		}
		for range r.count(len(r.b)) {
			i := columnInfo{id: uint32(r.count(columnNames + len(s.names) - 1))}
			flags := r.byte()
			i.kind, i.sparse = entry.Kind(flags&columnKind), flags&columnSparse != 0
			if flags&columnInline != 0 {
				i.inline = string(r.text())
			} else {
				i.offset, i.size = uint32(offset), uint32(r.count(maxSection))
				offset += int64(i.size)
			}
			if i.kind >= entry.Kinds || flags&^(columnFlagSet|columnKind) != 0 {
				r.fail()
			}
			c.columns = append(c.columns, i)
		}
		if r.failed || len(c.columns) < 2 || c.columns[0].id != columnTimes || c.columns[1].id != columnSeqs {
			r.fail()

			return nil
		}
		chunks = append(chunks, c)
	}
	if len(r.b) > 0 || rows != s.info.Rows || offset != s.directory.offset {
		r.fail()
	}

	return chunks
}
