package logship

import (
	"bytes"
	"encoding"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"log/slog"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"
)

// maxMapKeys bounds how many keys of a map are sorted and written.
const maxMapKeys = 1 << 10

// any appends a value of any type.
func (l *line) any(v any, depth int) {
	switch x := v.(type) {
	case nil:
		l.buf = append(l.buf, "null"...)
	case string:
		l.string(x)
	case []byte:
		l.bytes(x)
	case time.Time:
		l.time(x)
	case slog.Value:
		l.value(x.Kind(), x, depth)
	case slog.LogValuer:
		l.value(slog.KindLogValuer, slog.AnyValue(x), depth)
	default:
		if !l.spoken(v) {
			l.reflected(reflect.ValueOf(v), depth)
		}
	}
}

// bytes appends bytes as text, or in base64 if they are not UTF-8.
func (l *line) bytes(b []byte) {
	if len(b) > maxStringBytes {
		b = b[:maxStringBytes]
		l.cut = true
	}
	if utf8.Valid(b) {
		l.string(string(b))
	} else {
		l.string(base64.StdEncoding.EncodeToString(b[:min(len(b), maxStringBytes/4*3)]))
	}
}

// spoken appends a value of a type that says itself how to write it, and returns
// false for others. A method that panics is no harm.
func (l *line) spoken(v any) (ok bool) {
	start := len(l.buf)
	defer func() {
		if p := recover(); p != nil {
			l.buf, ok = l.buf[:start], true
			if rv := reflect.ValueOf(v); rv.Kind() == reflect.Pointer && rv.IsNil() {
				l.buf = append(l.buf, "null"...)
			} else {
				l.string(fmt.Sprintf("!PANIC: %v", p))
			}
		}
	}()
	switch x := v.(type) {
	case json.Number:
		l.raw([]byte(x), nil) // It has a String method too.
	case error:
		l.string(x.Error())
	case json.Marshaler:
		raw, err := x.MarshalJSON()
		l.raw(raw, err)
	case encoding.TextMarshaler:
		text, err := x.MarshalText()
		if err != nil {
			l.string("!ERROR: " + err.Error())
		} else {
			l.string(string(text))
		}
	case fmt.Stringer:
		l.string(x.String())
	default:
		return false
	}

	return true
}

// raw appends what a json.Marshaler returned.
func (l *line) raw(raw []byte, err error) {
	switch {
	case err != nil:
		l.string("!ERROR: " + err.Error())
	case !json.Valid(raw), len(raw) > maxStringBytes:
		l.string(string(raw))
	default:
		var compact bytes.Buffer
		if err := json.Compact(&compact, raw); err != nil {
			l.string("!ERROR: " + err.Error())

			return
		}
		text := bytes.ToValidUTF8(compact.Bytes(), []byte("\ufffd"))
		if l.redactor == nil {
			l.buf = append(l.buf, text...)
		} else {
			l.buf = l.redactor.AppendJSON(l.buf, text)
		}
	}
}

// nested appends an element of another value.
func (l *line) nested(v reflect.Value, depth int) {
	if depth > maxDepth {
		l.string(cutMark)
		l.cut = true

		return
	}
	if v.CanAddr() && v.Kind() != reflect.Pointer && v.Kind() != reflect.Interface {
		// Methods of the pointer count too, as for encoding/json.
		if l.spoken(v.Addr().Interface()) {
			return
		}
	}
	if !v.IsValid() {
		l.any(nil, depth)
	} else {
		l.any(v.Interface(), depth)
	}
}

// reflected appends a value by its kind.
func (l *line) reflected(v reflect.Value, depth int) {
	switch v.Kind() {
	case reflect.Bool:
		l.buf = strconv.AppendBool(l.buf, v.Bool())
	case reflect.Int, reflect.Int8, reflect.Int16, reflect.Int32, reflect.Int64:
		l.int(v.Int())
	case reflect.Uint, reflect.Uint8, reflect.Uint16, reflect.Uint32, reflect.Uint64, reflect.Uintptr:
		l.uint(v.Uint())
	case reflect.Float32:
		l.buf = appendFloat(l.buf, v.Float(), 32)
	case reflect.Float64:
		l.buf = appendFloat(l.buf, v.Float(), 64)
	case reflect.String:
		l.string(v.String())
	case reflect.Pointer, reflect.Interface:
		l.nested(v.Elem(), depth+1)
	case reflect.Slice, reflect.Array:
		l.list(v, depth)
	case reflect.Map:
		l.mapping(v, depth)
	case reflect.Struct:
		l.structure(v, depth)
	case reflect.Complex64, reflect.Complex128:
		l.string(fmt.Sprint(v.Complex()))
	default:
		l.string(v.Type().String()) // Functions and channels have no other value.
	}
}

func (l *line) list(v reflect.Value, depth int) {
	if v.Kind() == reflect.Slice && v.IsNil() {
		l.buf = append(l.buf, "null"...)

		return
	}
	l.buf = append(l.buf, '[')
	for i := 0; i < v.Len() && !l.full(); i++ {
		if i > 0 {
			l.buf = append(l.buf, ',')
		}
		l.nested(v.Index(i), depth+1)
	}
	l.buf = append(l.buf, ']')
}

// mapEntry is an entry of a map under its key as text.
type mapEntry struct {
	key   string
	value reflect.Value
}

func (l *line) mapping(v reflect.Value, depth int) {
	if v.IsNil() {
		l.buf = append(l.buf, "null"...)

		return
	}
	entries := make([]mapEntry, 0, min(v.Len(), maxMapKeys))
	for iter := v.MapRange(); iter.Next(); {
		if len(entries) == maxMapKeys {
			l.cut = true

			break
		}
		entries = append(entries, mapEntry{cleanKey(mapKey(iter.Key())), iter.Value()})
	}
	slices.SortStableFunc(entries, func(a, b mapEntry) int { return strings.Compare(a.key, b.key) })
	start := len(l.buf)
	for i, e := range entries {
		if l.full() {
			break
		}
		if i == 0 || e.key != entries[i-1].key {
			l.reflectedMember(l.members.get(e.key), e.value, depth)
		}
	}
	if !l.closeObject(start) {
		l.buf = append(l.buf, "{}"...)
	}
}

// mapKey returns the key of a map as text.
func mapKey(key reflect.Value) (text string) {
	defer func() {
		if p := recover(); p != nil {
			text = fmt.Sprintf("!PANIC: %v", p)
		}
	}()
	if m, ok := reflect.TypeAssert[encoding.TextMarshaler](key); ok && key.Kind() != reflect.String {
		if text, err := m.MarshalText(); err == nil {
			return string(text)
		}
	}

	return fmt.Sprint(key.Interface())
}

func (l *line) reflectedMember(m *member, v reflect.Value, depth int) {
	l.buf = append(l.buf, m.text...)
	if m.sensitive {
		l.buf = append(l.buf, redactedJSON...)
	} else {
		l.nested(v, depth+1)
	}
}

func (l *line) structure(v reflect.Value, depth int) {
	start := len(l.buf)
	for _, f := range l.fieldsOf(v.Type()) {
		if l.full() {
			break
		}
		value, err := v.FieldByIndexErr(f.index)
		if err != nil || (f.omitEmpty && isEmpty(value)) || (f.omitZero && value.IsZero()) {
			continue // An embedded pointer on the way is nil, or the tag says so.
		}
		l.reflectedMember(f.member, value, depth)
	}
	if !l.closeObject(start) {
		l.buf = append(l.buf, "{}"...)
	}
}

// isEmpty is what encoding/json means by omitempty.
func isEmpty(v reflect.Value) bool {
	switch v.Kind() {
	case reflect.Array, reflect.Map, reflect.Slice, reflect.String:
		return v.Len() == 0
	case reflect.Struct:
		return false
	default:
		return v.IsZero()
	}
}

// structField is an exported field of a struct, or of one embedded in it.
type structField struct {
	*member
	index               []int
	omitEmpty, omitZero bool
}

// fieldsOf returns the fields of a struct under the names that encoding/json
// gives them. Of two of one name, the less deeply embedded counts, or the first.
func (c *core) fieldsOf(t reflect.Type) []structField {
	if known, ok := c.structs.Load(t); ok {
		fields, _ := known.([]structField)

		return fields
	}
	var fields []structField
	byDepth := reflect.VisibleFields(t)
	slices.SortStableFunc(byDepth, func(a, b reflect.StructField) int { return len(a.Index) - len(b.Index) })
	for _, f := range byDepth {
		name, options, _ := strings.Cut(f.Tag.Get("json"), ",")
		if !f.IsExported() || (name == "-" && options == "") || (f.Anonymous && name == "" && isStruct(f.Type)) {
			continue
		}
		if name == "" {
			name = f.Name
		}
		m := c.members.get(name)
		if slices.ContainsFunc(fields, func(g structField) bool { return g.key == m.key }) {
			continue
		}
		fields = append(fields, structField{
			member: m, index: f.Index,
			omitEmpty: strings.Contains(options, "omitempty"), omitZero: strings.Contains(options, "omitzero"),
		})
	}
	slices.SortStableFunc(fields, func(a, b structField) int { return slices.Compare(a.index, b.index) })
	c.structs.Store(t, fields)

	return fields
}

func isStruct(t reflect.Type) bool {
	if t.Kind() == reflect.Pointer {
		t = t.Elem()
	}

	return t.Kind() == reflect.Struct
}
