package logship

import (
	"log/slog"
	"strconv"
	"time"
)

// The bounds of a line. Whatever is logged, it is no longer than about
// maxLineBytes and six times maxStringBytes, the most that escaping adds.
const (
	// maxLineBytes is where a line takes no further members.
	maxLineBytes = 256 << 10

	// maxStringBytes is where a text is cut.
	maxStringBytes = 32 << 10

	// maxAttrKeyBytes is where a key is cut.
	maxAttrKeyBytes = 256

	// maxDepth bounds nesting, and so ends what refers to itself.
	maxDepth = 16

	// maxMembers bounds the attributes of a line, those of groups included, which
	// may be written without end by a slog.LogValuer.
	maxMembers = 16 << 10

	// maxPooledBytes is the capacity above which a buffer is left to the garbage
	// collector, as is a stack of more than maxPooledFields.
	maxPooledBytes  = 64 << 10
	maxPooledFields = 128
)

// cutMark ends a text that was cut, and stands for what is nested too deep.
const cutMark = "…"

// field is an attribute whose key has been looked up and whose value has been
// resolved.
type field struct {
	*member
	kind  slog.Kind
	value slog.Value
}

// line encodes one entry, or attributes for later ones.
type line struct {
	*core
	buf    []byte
	fields []field   // A stack: each object has its own part of it.
	seen   []*member // Those of a plain record so far.
	pushed int       // How many fields have been on the stack.
	cut    bool      // Something was left out.
}

// collect pushes attributes onto the stack, with the members of groups without
// a name in their place. It returns the last one with the key logger, which is
// not pushed, if top says that the attributes go among the documented fields.
func (l *line) collect(attrs []slog.Attr, top bool, depth int) (logger slog.Value, named bool) {
	for _, a := range attrs {
		if v, ok := l.push(a, top, depth); ok {
			logger, named = v, true
		}
	}

	return logger, named
}

func (l *line) push(a slog.Attr, top bool, depth int) (logger slog.Value, named bool) {
	if l.pushed++; l.pushed > maxMembers {
		l.cut = true

		return slog.Value{}, false
	}
	v := a.Value
	kind := v.Kind()
	switch {
	case kind == slog.KindLogValuer:
		return l.push(slog.Attr{Key: a.Key, Value: v.Resolve()}, top, depth)
	case kind == slog.KindGroup && len(v.Group()) == 0, kind == slog.KindAny && a.Key == "" && v.Any() == nil:
		return slog.Value{}, false
	case kind == slog.KindGroup && a.Key == "" && depth < maxDepth:
		return l.collect(v.Group(), top, depth+1)
	}
	m := l.memberOf(a.Key, kind)
	if top && m.key == loggerKey && kind != slog.KindGroup {
		return v, true
	}
	l.fields = append(l.fields, field{m.among(top), kind, v})

	return slog.Value{}, false
}

// memberOf looks up the key of an attribute.
func (l *line) memberOf(key string, kind slog.Kind) *member {
	if kind == slog.KindDuration {
		return l.members.duration(key)
	}

	return l.members.get(key)
}

// unique takes the repeated keys out of the fields from base on, all but the last
// of each, and returns the bits of those left.
func (l *line) unique(base int) (bits uint64) {
	fields := l.fields[base:]
	repeated := false
	for i := range fields {
		if bits&fields[i].bit != 0 && !repeated {
			// Of many fields most have a bit in common, so they are not compared.
			repeated = i >= manyFields || holdsKey(fields[:i], fields[i].key)
		}
		bits |= fields[i].bit
	}
	if !repeated {
		return bits
	}
	last := make(map[string]int, len(fields))
	for i := range fields {
		last[fields[i].key] = i
	}
	keep := fields[:0]
	for i, f := range fields {
		if last[f.key] == i {
			keep = append(keep, f)
		}
	}
	l.pop(base + len(keep))

	return bits
}

// manyFields is the number of fields from which repeated keys are looked for with
// a map at once.
const manyFields = 32

// pop shortens the stack, and keeps nothing alive that was on it.
func (l *line) pop(length int) {
	clear(l.fields[length:])
	l.fields = l.fields[:length]
}

func holdsKey(fields []field, key string) bool {
	for i := range fields {
		if fields[i].key == key {
			return true
		}
	}

	return false
}

// full tells whether the line takes no more members, and notes it.
func (l *line) full() bool {
	l.cut = l.cut || len(l.buf) > maxLineBytes

	return len(l.buf) > maxLineBytes
}

// member appends one field. A group without members leaves nothing.
func (l *line) member(f *field, depth int) {
	start := len(l.buf)
	l.buf = append(l.buf, f.text...)
	switch {
	case f.sensitive:
		l.buf = append(l.buf, redactedJSON...)
	case f.kind != slog.KindGroup:
		l.value(f.kind, f.value, depth)
	case !l.group(f.value.Group(), depth+1):
		l.buf = l.buf[:start]
	}
}

// group appends an object, or nothing and false if it has no members.
func (l *line) group(attrs []slog.Attr, depth int) bool {
	if depth > maxDepth {
		l.cut = true

		return false
	}
	base, start := len(l.fields), len(l.buf)
	l.collect(attrs, false, depth)
	l.unique(base)
	// Members below push onto the stack, which may move it.
	for i := base; i < len(l.fields) && !l.full(); i++ {
		l.member(&l.fields[i], depth)
	}
	l.pop(base)

	return l.closeObject(start)
}

// closeObject makes an object of the members that were appended from start on:
// the first one's comma becomes the opening brace.
func (l *line) closeObject(start int) bool {
	if len(l.buf) == start {
		return false
	}
	l.buf[start] = '{'
	l.buf = append(l.buf, '}')

	return true
}

// value appends a value of a kind. A group without members is an empty object.
func (l *line) value(kind slog.Kind, v slog.Value, depth int) {
	switch kind {
	case slog.KindString:
		l.string(v.String())
	case slog.KindInt64:
		l.int(v.Int64())
	case slog.KindUint64:
		l.uint(v.Uint64())
	case slog.KindFloat64:
		l.buf = appendFloat(l.buf, v.Float64(), 64)
	case slog.KindBool:
		l.buf = strconv.AppendBool(l.buf, v.Bool())
	case slog.KindDuration:
		l.buf = appendMilliseconds(l.buf, v.Duration())
	case slog.KindTime:
		l.time(v.Time())
	case slog.KindGroup:
		if !l.group(v.Group(), depth+1) {
			l.buf = append(l.buf, "{}"...)
		}
	case slog.KindLogValuer:
		v = v.Resolve()
		l.value(v.Kind(), v, depth+1)
	case slog.KindAny:
		l.any(v.Any(), depth)
	}
}

// string appends a text, cut to its bound, escaped and without its secrets.
func (l *line) string(s string) {
	end := `"`
	if len(s) > maxStringBytes {
		s = s[:maxStringBytes]
		end = cutMark + `"`
		l.cut = true
	}
	escape, suspicious := classify(s)
	if suspicious && l.redactor != nil {
		if clean := l.redactor.scan(s); len(clean) != len(s) || clean != s {
			s, escape = clean, true // The quotes around a mark may need it.
		}
	}
	l.buf = append(l.buf, '"')
	if escape {
		l.buf = appendEscaped(l.buf, s)
	} else {
		l.buf = append(l.buf, s...)
	}
	l.buf = append(l.buf, end...)
}

func (l *line) int(n int64) {
	if n < 0 {
		l.buf = strconv.AppendInt(l.buf, n, 10)

		return
	}
	l.uint(uint64(n))
}

func (l *line) uint(n uint64) {
	if l.redactor != nil && isCardNumber(n) {
		l.buf = append(l.buf, redactedJSON...)

		return
	}
	l.buf = strconv.AppendUint(l.buf, n, 10)
}

// time appends a time. Successive ones are mostly of one second, so that only the
// milliseconds differ.
func (l *line) time(t time.Time) {
	second := t.Unix()
	known := l.second.Load()
	if known == nil || known.unix != second {
		known = &formatted{unix: second, text: appendTime(nil, t)}
		l.second.Store(known)
	}
	start := len(l.buf)
	l.buf = append(l.buf, known.text...)
	millis := t.Nanosecond() / int(time.Millisecond)
	digits := l.buf[start+len(known.text)-len(`000Z"`):]
	digits[0], digits[1], digits[2] = byte('0'+millis/100), byte('0'+millis/10%10), byte('0'+millis%10)
}

// formatted is the text of a second.
type formatted struct {
	unix int64
	text []byte
}
