package entry

// Batch holds entries in few allocations. It copies what it is given, and is used
// again after Reset. It is not safe for use by several goroutines at once.
type Batch struct {
	text    []byte
	entries []packed
	fields  []packedField
	names   []string
	known   map[string]uint32
}

// packed and packedField are an entry and a field whose texts are ranges of text.
type packed struct {
	time            int64
	logger, message span
	fields, end     uint32 // A range of Batch.fields.
	level           Level
}

type packedField struct {
	name  uint32 // An index of Batch.names.
	kind  Kind
	value span
}

type span struct{ start, end uint32 }

// maxNames bounds the names that are remembered over Reset: field names may come
// from outside without end.
const maxNames = 10_000

// MaxBytes is the most text that a batch may hold.
const MaxBytes = 1 << 30

// Add copies e to the end. The caller must not let Size grow past MaxBytes.
func (b *Batch) Add(e *Entry) {
	first := uint32(len(b.fields))
	for i := range e.Fields {
		f := &e.Fields[i]
		b.fields = append(b.fields, packedField{b.name(f.Name), f.Kind, b.put(f.Value)})
	}
	b.entries = append(b.entries, packed{e.Time, b.put(e.Logger), b.put(e.Message), first, uint32(len(b.fields)), e.Level})
}

func (b *Batch) put(s string) span {
	start := uint32(len(b.text))
	b.text = append(b.text, s...)

	return span{start, uint32(len(b.text))}
}

func (b *Batch) name(s string) uint32 {
	if i, ok := b.known[s]; ok {
		return i
	}
	if b.known == nil {
		b.known = map[string]uint32{}
	}
	name := string(append([]byte(nil), s...)) // The caller's may be a view of a buffer.
	i := uint32(len(b.names))
	b.names, b.known[name] = append(b.names, name), i

	return i
}

// Len is the number of entries.
func (b *Batch) Len() int { return len(b.entries) }

// Size is the number of bytes of text: what the entries say, without names.
func (b *Batch) Size() int { return len(b.text) }

// At makes e entry i of the batch, reusing e.Fields. Its texts are views that hold
// until Reset.
func (b *Batch) At(i int, e *Entry) {
	p := &b.entries[i]
	e.Time, e.Level = p.time, p.level
	e.Logger, e.Message = b.get(p.logger), b.get(p.message)
	e.Fields = e.Fields[:0]
	for _, f := range b.fields[p.fields:p.end] {
		e.Fields = append(e.Fields, Field{b.names[f.name], f.kind, b.get(f.value)})
	}
}

func (b *Batch) get(s span) string { return view(b.text[s.start:s.end]) }

// Reset empties the batch and keeps its memory.
func (b *Batch) Reset() {
	b.text, b.entries, b.fields = b.text[:0], b.entries[:0], b.fields[:0]
	if len(b.names) > maxNames {
		b.names, b.known = nil, nil
	}
}
