package logship

import (
	"context"
	"io"
	"log/slog"
	"os"
	"slices"
	"strconv"
	"sync"
	"sync/atomic"
)

// HandlerOptions configure a [Handler]. The zero value logs from INFO on, without
// a logger's name, and redacts the documented names.
type HandlerOptions struct {
	// Level is the least level that is logged. Nil is INFO.
	Level slog.Leveler

	// Name is the field logger, unless an attribute of that key says otherwise.
	Name string

	// Redactor finds the secrets. Nil is one for the documented names.
	Redactor *Redactor

	// Unredacted writes secrets out. It is for tests and tools.
	Unredacted bool
}

// Handler is a slog.Handler that writes the documented entry: one line of JSON
// with the fields timestamp, level, logger, message, module, function, line,
// thread and process, in this order, and then the attributes, of the context
// first. Groups are objects.
//
//   - The attribute logger, outside groups, sets the field of that name. Any other
//     attribute with the key of a documented field gets an underscore behind.
//   - Of a key given twice in an object the last value counts: an attribute of
//     the call replaces one of With, which replaces one of the context.
//   - The field function is the bare name of the function; a function literal
//     goes by the function that it is in. The field thread is always 0, because
//     Go has no threads that a program could tell apart.
//   - Durations are milliseconds, and their key gets "_ms" behind unless it has
//     it. Times are as in timestamp. NaN and infinities are strings.
//   - Errors, fmt.Stringer and encoding.TextMarshaler are strings, json.Marshaler
//     is what it says, bytes are text if they are UTF-8 and else base64. A method
//     of them that panics is reported in its value.
//   - Texts are cut at 32 KiB, nesting at 16 levels and the line at about 256 KiB;
//     then logship_truncated is true.
//
// A record without a time has no timestamp; slog.Logger makes none such.
type Handler struct {
	core   *core
	logger []byte // The field with its comma and value.
	scopes []scope
}

// core is what the handlers that come from one have in common.
type core struct {
	out      io.Writer
	level    slog.Leveler
	redactor *Redactor // Nil if nothing is redacted.
	members  *members
	sources  *sources
	structs  sync.Map // reflect.Type to []structField.
	process  []byte   // The fields thread and process.
	second   atomic.Pointer[formatted]
	lines    sync.Pool
}

// scope is an object that attributes were given for: the entry, or an open group
// within it.
type scope struct {
	name   *member // Nil for the entry.
	fields []encoded
	blob   []byte // The fields one after the other.
	bits   uint64 // Those of the fields.
}

// encoded is an attribute given to With.
type encoded struct {
	*member
	text []byte
}

// NewHandler returns a Handler that gives w each line in one call of Write, one
// after the other.
func NewHandler(w io.Writer, options HandlerOptions) *Handler {
	c := &core{out: w, level: options.Level, redactor: options.Redactor, sources: newSources()}
	if !isLineWriter(w) {
		c.out = &lockedWriter{w: w}
	}
	if c.level == nil {
		c.level = slog.LevelInfo
	}
	switch {
	case options.Unredacted:
		c.redactor = nil
	case c.redactor == nil:
		c.redactor = NewRedactor()
	}
	c.members = &members{redactor: c.redactor}
	c.process = strconv.AppendInt([]byte(`,"thread":0,"process":`), int64(os.Getpid()), 10)
	c.lines.New = func() any {
		return &line{core: c, buf: make([]byte, 0, 1<<10), fields: make([]field, 0, 16), seen: make([]*member, 0, 16)}
	}
	h := &Handler{core: c, scopes: make([]scope, 1)}
	h.logger = c.loggerField(slog.StringValue(options.Name))

	return h
}

// Enabled implements slog.Handler.
func (h *Handler) Enabled(_ context.Context, level slog.Level) bool {
	return level >= h.core.level.Level()
}

// WithGroup implements slog.Handler.
func (h *Handler) WithGroup(name string) slog.Handler {
	if name == "" {
		return h
	}
	group := scope{name: h.core.members.get(name).among(len(h.scopes) == 1)}

	return &Handler{h.core, h.logger, append(slices.Clip(h.scopes), group)}
}

// WithAttrs implements slog.Handler. The attributes are encoded here, once.
func (h *Handler) WithAttrs(attrs []slog.Attr) slog.Handler {
	l := h.core.newLine()
	defer l.free()

	clone := &Handler{h.core, h.logger, slices.Clone(h.scopes)}
	last := &clone.scopes[len(clone.scopes)-1]
	if v, ok := l.collect(attrs, len(h.scopes) == 1, 0); ok {
		clone.logger = h.core.loggerField(v)
	}
	bits := l.unique(0)
	kept := make([]encoded, 0, len(last.fields)+len(l.fields))
	for _, e := range last.fields {
		if bits&e.bit == 0 || !holdsKey(l.fields, e.key) {
			kept = append(kept, e)
		}
	}
	for i, n := 0, len(l.fields); i < n; i++ {
		l.buf = l.buf[:0]
		l.member(&l.fields[i], len(h.scopes))
		if len(l.buf) > 0 {
			kept = append(kept, encoded{l.fields[i].member, slices.Clone(l.buf)})
		}
	}
	last.fields, last.blob, last.bits = kept, nil, 0
	for _, e := range kept {
		last.blob = append(last.blob, e.text...)
		last.bits |= e.bit
	}

	return clone
}

// Handle implements slog.Handler. It returns what writing the line failed with.
func (h *Handler) Handle(ctx context.Context, r slog.Record) error {
	l := h.core.newLine()
	defer l.free()

	values := contextOf(ctx)
	if len(h.scopes) > 1 || len(h.scopes[0].blob) > maxLineBytes || !l.plain(h, values, &r) {
		l.general(h, values, &r)
	}
	if l.cut {
		l.buf = append(l.buf, `,"`+truncatedKey+`":true`...)
	}
	l.buf = append(l.buf, "}\n"...)
	_, err := h.core.out.Write(l.buf)

	return err
}

// plain encodes a record as most are, attribute by attribute: without groups and
// without a key given twice. It returns false for others, which are left to
// general from the start.
func (l *line) plain(h *Handler, values *contextValues, r *slog.Record) bool {
	entry := &h.scopes[0]
	bits, ok := entry.bits, true
	add := func(a slog.Attr) bool {
		kind := a.Value.Kind()
		if kind == slog.KindGroup || kind == slog.KindLogValuer || a.Key == "" || a.Key == loggerKey || l.full() {
			ok = false

			return false
		}
		f := field{l.memberOf(a.Key, kind).among(true), kind, a.Value}
		if bits&f.bit != 0 && (entry.holds(f.key) || slices.ContainsFunc(l.seen, func(m *member) bool { return m.key == f.key })) {
			ok = false

			return false
		}
		bits |= f.bit
		l.seen = append(l.seen, f.member)
		l.member(&f, 0)

		return true
	}
	l.header(r, h.logger)
	if values != nil {
		if values.requestID != "" {
			add(slog.String(requestIDAttr, values.requestID))
		}
		for _, a := range values.attrs {
			if !ok || !add(a) {
				break
			}
		}
	}
	l.buf = append(l.buf, entry.blob...)
	if ok {
		r.Attrs(add)
	}
	if !ok {
		l.buf, l.cut = l.buf[:0], false
	}

	return ok
}

// general encodes any record.
func (l *line) general(h *Handler, values *contextValues, r *slog.Record) {
	logger, named := h.logger, false
	r.Attrs(func(a slog.Attr) bool {
		if v, ok := l.push(a, len(h.scopes) == 1, 0); ok {
			logger, named = h.core.loggerField(v), true
		}

		return true
	})
	bits := l.unique(0)
	own := len(l.fields)
	if v, ok := l.collectContext(values); ok && !named {
		logger = h.core.loggerField(v)
	}
	l.header(r, logger)
	l.context(h, own, bits)
	l.entry(h.scopes, own, bits)
}

func (c *core) newLine() *line {
	l, ok := c.lines.Get().(*line)
	if !ok {
		panic("logship: the pool holds something else than lines")
	}

	return l
}

// free gives the line back, without what it refers to.
func (l *line) free() {
	l.pop(0)
	l.seen = l.seen[:0] // Members outlive lines anyway.
	l.buf, l.pushed, l.cut = l.buf[:0], 0, false
	if cap(l.buf) <= maxPooledBytes && cap(l.fields) <= maxPooledFields {
		l.lines.Put(l)
	}
}

// loggerField encodes the field logger.
func (c *core) loggerField(name slog.Value) []byte {
	l := c.newLine()
	defer l.free()

	l.string(name.String())

	return append([]byte(`,"logger":`), l.buf...)
}

// header appends the documented fields.
func (l *line) header(r *slog.Record, logger []byte) {
	if r.Time.IsZero() {
		l.buf = append(l.buf, `{"level":"`...)
	} else {
		l.buf = append(l.buf, `{"timestamp":`...)
		l.time(r.Time)
		l.buf = append(l.buf, `,"level":"`...)
	}
	l.buf = append(l.buf, LevelName(r.Level)...)
	l.buf = append(l.buf, '"')
	l.buf = append(l.buf, logger...)
	l.buf = append(l.buf, `,"message":`...)
	l.string(r.Message)
	l.buf = append(l.buf, l.sources.fields(r.PC)...)
	l.buf = append(l.buf, l.process...)
}

// collectContext pushes the attributes of a context, and returns as collect does.
func (l *line) collectContext(values *contextValues) (logger slog.Value, named bool) {
	if values == nil {
		return slog.Value{}, false
	}
	base := len(l.fields)
	if values.requestID != "" {
		l.push(slog.String(requestIDAttr, values.requestID), true, 0)
	}
	logger, named = l.collect(values.attrs, true, 0)
	l.unique(base)

	return logger, named
}

// context pops the attributes of the context and appends those that neither With
// nor the call gives too. The call's are the first ones on the stack.
func (l *line) context(h *Handler, own int, bits uint64) {
	entry := &h.scopes[0]
	for i, n := own, len(l.fields); i < n && !l.full(); i++ {
		f := &l.fields[i]
		switch {
		case len(h.scopes) == 1 && bits&f.bit != 0 && holdsKey(l.fields[:own], f.key):
		case len(h.scopes) > 1 && h.scopes[1].name.key == f.key:
		case entry.bits&f.bit != 0 && entry.holds(f.key):
		default:
			l.member(f, 0)
		}
	}
	l.pop(own)
}

func (s *scope) holds(key string) bool {
	return slices.ContainsFunc(s.fields, func(e encoded) bool { return e.key == key })
}

// entry appends the attributes of With, in their groups, and those of the call,
// the first ones on the stack, in the innermost.
func (l *line) entry(scopes []scope, own int, bits uint64) {
	s := &scopes[0]
	if len(scopes) == 1 {
		l.blob(s, func(e encoded) bool { return bits&e.bit != 0 && holdsKey(l.fields[:own], e.key) }, bits)
		for i := 0; i < own && !l.full(); i++ {
			l.member(&l.fields[i], 0)
		}

		return
	}
	group := scopes[1].name
	l.blob(s, func(e encoded) bool { return e.key == group.key }, group.bit)
	start := len(l.buf)
	l.buf = append(l.buf, group.text...)
	if group.sensitive {
		l.buf = append(l.buf, redactedJSON...)

		return
	}
	brace := len(l.buf)
	l.entry(scopes[1:], own, bits)
	if !l.closeObject(brace) {
		l.buf = l.buf[:start]
	}
}

// blob appends the fields of a scope but those that are replaced; no field is
// whose bit is not in bits.
func (l *line) blob(s *scope, replaced func(encoded) bool, bits uint64) {
	if s.bits&bits == 0 && len(l.buf)+len(s.blob) <= maxLineBytes {
		l.buf = append(l.buf, s.blob...)

		return
	}
	for _, e := range s.fields {
		if !replaced(e) && !l.full() {
			l.buf = append(l.buf, e.text...)
		}
	}
}
