package push

import (
	"fmt"
	"math"
	"slices"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/valyala/fastjson"
)

// Bounds of the values of fields.
const (
	maxTextBytes = 256
	maxPathBytes = 4096
	maxCount     = 1 << 53 // What a float64 still counts by one.
	maxTime      = 7 * 24 * time.Hour
	maxShown     = 40 // Bytes of a wrong value that an error shows.
)

// fields reads the fields of an event. It keeps the first error, in err; what
// is read after one is of no use. A field that is null counts as missing.
type fields struct {
	object *fastjson.Object
	names  interner
	err    error
}

// get returns the value of a field, nil if it is missing or something before
// was wrong.
func (f *fields) get(name string) *fastjson.Value {
	if f.err != nil {
		return nil
	}
	v := f.object.Get(name)
	if v == nil || v.Type() == fastjson.TypeNull {
		return nil
	}

	return v
}

// fail notes that a field, whose value may be nil, is not what it must be.
func (f *fields) fail(name, want string, v *fastjson.Value) {
	if f.err == nil {
		f.err = rejection(name + " must be " + want + ", got " + got(v))
	}
}

// bytes returns a string that is not empty, nil if it is missing.
func (f *fields) bytes(name string, most int) []byte {
	v := f.get(name)
	if v == nil {
		return nil
	}
	b, err := v.StringBytes()
	if err != nil || len(b) == 0 || len(b) > most {
		f.fail(name, fmt.Sprintf("a string of 1 to %d bytes", most), v)
	}

	return b
}

// text returns a string that may be missing and often repeats.
func (f *fields) text(name string) string { return f.names.intern(f.bytes(name, maxTextBytes)) }

// needText is text that must be there.
func (f *fields) needText(name string) string {
	s := f.text(name)
	if s == "" {
		f.fail(name, fmt.Sprintf("a string of 1 to %d bytes", maxTextBytes), nil)
	}

	return s
}

// oneOf returns a string that must be one of those.
func (f *fields) oneOf(name string, values ...string) string {
	s := f.text(name)
	if slices.Contains(values, s) {
		return s
	}
	f.fail(name, "one of "+strings.Join(values, ", "), f.get(name))

	return ""
}

// number returns a number in a range, and false if it is missing.
func (f *fields) number(name string, least, most float64) (float64, bool) {
	v := f.get(name)
	if v == nil {
		return 0, false
	}
	n, err := v.Float64()
	switch {
	case err != nil, n < least, math.IsInf(n, 0) && math.IsInf(most, 0):
		f.fail(name, "a number"+from(least), v)
	case n > most:
		f.fail(name, fmt.Sprintf("at most %.0f", most), v)
	}

	return n, true
}

func from(least float64) string {
	if math.IsInf(least, 0) {
		return ""
	}

	return fmt.Sprintf(" from %.0f", least)
}

// count returns a whole number from 0, and false if it is missing. 1e3 and 7.0
// are whole.
func (f *fields) count(name string) (int64, bool) {
	v := f.get(name)
	if v == nil {
		return 0, false
	}
	if n, err := v.Int64(); err == nil && n >= 0 && n <= maxCount {
		return n, true
	}
	n, err := v.Float64()
	switch {
	case err != nil, n < 0, n != math.Trunc(n):
		f.fail(name, "a whole number from 0", v)
	case n > maxCount:
		f.fail(name, fmt.Sprintf("at most %d", int64(maxCount)), v)
	}

	return int64(n), true
}

// needCount is count that must be there.
func (f *fields) needCount(name string) int64 {
	n, ok := f.count(name)
	if !ok {
		f.fail(name, "a whole number from 0", nil)
	}

	return n
}

// milliseconds returns a duration given in milliseconds, and false if it is
// missing.
func (f *fields) milliseconds(name string) (time.Duration, bool) {
	n, ok := f.number(name, 0, float64(maxTime/time.Millisecond))

	return time.Duration(math.Round(n * float64(time.Millisecond))), ok && f.err == nil
}

// flag returns a boolean, false if it is missing.
func (f *fields) flag(name string) bool {
	v := f.get(name)
	if v == nil {
		return false
	}
	b, err := v.Bool()
	if err != nil {
		f.fail(name, "true or false", v)
	}

	return b
}

// loss returns a number that need not be finite: JSON has no such numbers, so
// they are strings, as languages print them. It returns false if it is missing.
func (f *fields) loss(name string) (float64, bool) {
	v := f.get(name)
	if v == nil || v.Type() != fastjson.TypeString {
		return f.number(name, math.Inf(-1), math.Inf(1))
	}
	switch strings.ToLower(string(v.GetStringBytes())) {
	case "nan":
		return math.NaN(), true
	case "inf", "+inf", "infinity", "+infinity":
		return math.Inf(1), true
	case "-inf", "-infinity":
		return math.Inf(-1), true
	}
	f.fail(name, `a number, "NaN", "Infinity" or "-Infinity"`, v)

	return 0, true
}

// got returns how an error shows a value.
func got(v *fastjson.Value) string {
	if v == nil {
		return "nothing"
	}

	return shorten(string(v.MarshalTo(nil)))
}

// shorten cuts what an error shows.
func shorten(s string) string {
	s = strings.ToValidUTF8(s, string(utf8.RuneError))
	if len(s) <= maxShown {
		return s
	}
	end := maxShown
	for !utf8.RuneStart(s[end]) {
		end--
	}

	return s[:end] + "…"
}

// maxNames is how many strings an interner keeps.
const maxNames = 1024

// interner keeps strings that come again and again, so that only the first of
// each is copied out of the parser, whose values die when it is used again.
type interner map[string]string

func (in interner) intern(b []byte) string {
	if s, ok := in[string(b)]; ok || len(b) == 0 {
		return s
	}
	s := string(b)
	if len(s) > maxTextBytes {
		return s
	}
	if len(in) == maxNames {
		clear(in)
	}
	in[s] = s

	return s
}
