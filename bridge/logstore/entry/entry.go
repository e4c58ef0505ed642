// Package entry says what a log entry is, where it stands among the others, and
// whether it passes a filter. It is what intake, store and blocks have in common.
//
// It must not know how entries arrive, how they are kept, or HTTP.
package entry

import (
	"cmp"
	"fmt"
	"slices"
	"strconv"
	"strings"
)

// Level is how grave an entry is. Its order is the order of gravity.
type Level uint8

// The documented levels.
const (
	Debug Level = iota
	Info
	Warning
	Error
	Critical
	levels
	// NumLevels is their number.
	NumLevels = int(levels)
)

var levelNames = [levels]string{"DEBUG", "INFO", "WARNING", "ERROR", "CRITICAL"}

// String returns the documented name.
func (l Level) String() string {
	if l < levels {
		return levelNames[l]
	}

	return "Level(" + strconv.Itoa(int(l)) + ")"
}

// Levels returns the documented levels, the least grave first.
func Levels() []Level { return []Level{Debug, Info, Warning, Error, Critical} }

// ParseLevel reads the name of a level, in any case. Names that other loggers use
// are taken for the documented level they mean: TRACE, NOTICE, WARN, ERR, FATAL,
// PANIC, ALERT, EMERGENCY.
func ParseLevel(name string) (Level, bool) {
	for level, known := range levelNames {
		if strings.EqualFold(name, known) {
			return Level(level), true
		}
	}
	switch strings.ToUpper(name) {
	case "TRACE":
		return Debug, true
	case "NOTICE", "INFORMATION":
		return Info, true
	case "WARN":
		return Warning, true
	case "ERR":
		return Error, true
	case "FATAL", "PANIC", "ALERT", "EMERG", "EMERGENCY", "CRIT":
		return Critical, true
	}

	return Info, false
}

// Kind is the JSON type of a field's value.
type Kind uint8

// The kinds of values.
const (
	// String is a text; Field.Value is the text itself, without quotes or escapes.
	String Kind = iota
	// Number is a JSON number, its digits as they were written.
	Number
	// Bool is true or false.
	Bool
	// Null is null; Field.Value is "null".
	Null
	// JSON is an array, or an object too deep to be flattened, as compact JSON.
	JSON
	// Kinds is their number.
	Kinds
)

// Field is an attribute of an entry.
type Field struct {
	// Name is the key, or the keys of nested objects joined by dots. It is none of
	// timestamp, level, logger and message.
	Name string
	Kind Kind
	// Value is what Kind says of it.
	Value string
}

// Entry is one line of a log. Its texts are valid UTF-8.
type Entry struct {
	// Time is in nanoseconds since 1970, UTC; it is not negative.
	Time    int64
	Level   Level
	Logger  string
	Message string
	// Fields has no name twice. Their order does not matter.
	Fields []Field
}

// Field returns the field of that name.
func (e *Entry) Field(name string) (Field, bool) {
	for _, f := range e.Fields {
		if f.Name == name {
			return f, true
		}
	}

	return Field{}, false
}

// Text returns the text of any field, the four that every entry has included.
func (e *Entry) Text(name string) (string, bool) {
	switch name {
	case "timestamp":
		return FormatTime(e.Time), true
	case "level":
		return e.Level.String(), true
	case "logger":
		return e.Logger, true
	case "message":
		return e.Message, true
	}
	f, ok := e.Field(name)

	return f.Value, ok
}

// Position is the place of an entry among all: by time, and among those of equal
// time by the order of arrival. No two entries of a store have the same.
type Position struct {
	Time int64
	// Seq rises by one with each entry that the store takes in.
	Seq uint64
}

// Compare is negative where p comes before q.
func (p Position) Compare(q Position) int {
	return cmp.Or(cmp.Compare(p.Time, q.Time), cmp.Compare(p.Seq, q.Seq))
}

// String is the id of the entry at p, which ParsePosition reads.
func (p Position) String() string {
	return strconv.FormatInt(p.Time, 36) + "." + strconv.FormatUint(p.Seq, 36)
}

// ParsePosition reads what String returned.
func ParsePosition(id string) (Position, error) {
	t, s, _ := strings.Cut(id, ".")
	at, err := strconv.ParseInt(t, 36, 64)
	seq, err2 := strconv.ParseUint(s, 36, 64)
	p := Position{at, seq}
	if err != nil || err2 != nil || p.String() != id {
		return Position{}, fmt.Errorf("%q is not the id of an entry", id)
	}

	return p, nil
}

// leading are the documented fields that follow the message, in their order.
var leading = []string{"module", "function", "line", "thread", "process"}

// order is that in which fields are written: the documented ones first, the rest
// by name.
func order(a, b Field) int {
	rank := func(name string) int {
		if i := slices.Index(leading, name); i >= 0 {
			return i
		}

		return len(leading)
	}

	return cmp.Or(cmp.Compare(rank(a.Name), rank(b.Name)), strings.Compare(a.Name, b.Name))
}
