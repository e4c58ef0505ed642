package entry

import (
	"math"
	"regexp"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"
)

// Filter says which entries are wanted. The zero value wants all.
type Filter struct {
	// From and Until bound the time in nanoseconds since 1970: from From on, before
	// Until. Until 0 is no bound.
	From, Until int64
	// Levels has bit 1<<level for each level wanted; 0 is all.
	Levels uint8
	// Loggers are the names wanted, any of them; none is all. One that ends in *
	// wants all that begin with what is before it.
	Loggers []string
	// Pattern is looked for in the message; nil is none.
	Pattern *regexp.Regexp
	// Words must each stand in the message or in a field of kind String, in any
	// case and not inside a longer word: next to them are neither letters nor
	// digits nor underscores. A word holds no white space.
	Words []string
	// Fields must all hold.
	Fields []FieldMatch
}

// FieldMatch wants a field's text to be one of Values. An empty value also wants
// entries without the field.
type FieldMatch struct {
	Name   string
	Values []string
}

// bounds are the time bounds with the meaning of zero resolved.
func (f *Filter) bounds() (from, until int64) {
	until = f.Until
	if until == 0 {
		until = math.MaxInt64
	}

	return f.From, until
}

// InTime reports whether an entry of that time is within the bounds.
func (f *Filter) InTime(ns int64) bool {
	from, until := f.bounds()

	return ns >= from && ns < until
}

// Overlaps reports whether entries from least to most, both included, can be
// within the time bounds.
func (f *Filter) Overlaps(least, most int64) bool {
	from, until := f.bounds()

	return most >= from && least < until
}

// WantsLevel reports whether entries of that level pass.
func (f *Filter) WantsLevel(l Level) bool { return f.Levels == 0 || f.Levels&(1<<l) != 0 }

// WantsLogger reports whether entries of that logger pass.
func (f *Filter) WantsLogger(name string) bool {
	return len(f.Loggers) == 0 || slices.ContainsFunc(f.Loggers, func(wanted string) bool {
		if prefix, ok := strings.CutSuffix(wanted, "*"); ok {
			return strings.HasPrefix(name, prefix)
		}

		return name == wanted
	})
}

// Match reports whether e passes. It is the plain meaning of the filter; whoever
// answers faster must answer the same.
func (f *Filter) Match(e *Entry) bool {
	return f.InTime(e.Time) && f.WantsLevel(e.Level) && f.WantsLogger(e.Logger) &&
		(f.Pattern == nil || f.Pattern.MatchString(e.Message)) &&
		!slices.ContainsFunc(f.Words, func(word string) bool { return !e.says(word) }) &&
		!slices.ContainsFunc(f.Fields, func(m FieldMatch) bool { return !m.match(e) })
}

func (m *FieldMatch) match(e *Entry) bool {
	text, _ := e.Text(m.Name) // Without the field it is empty, which is what an empty value wants.

	return slices.Contains(m.Values, text)
}

// says reports whether a word stands in the message or a text of e.
func (e *Entry) says(word string) bool {
	return HasWord(e.Message, word) || slices.ContainsFunc(e.Fields, func(f Field) bool {
		return f.Kind == String && HasWord(f.Value, word)
	})
}

// HasWord reports whether word stands in text, in any case and not inside a longer
// word.
func HasWord(text, word string) bool {
	text, word = strings.ToLower(text), strings.ToLower(word)
	for from := 0; ; {
		i := strings.Index(text[from:], word)
		if i < 0 {
			return false
		}
		start := from + i
		end := start + len(word)
		if !joins(lastRune(text[:start]), firstRune(word)) && !joins(lastRune(word), firstRune(text[end:])) {
			return true
		}
		_, size := utf8.DecodeRuneInString(text[start:])
		from = start + max(size, 1)
		if from > len(text) {
			return false
		}
	}
}

// joins reports whether two neighbours belong to one word.
func joins(a, b rune) bool { return isWord(a) && isWord(b) }

func isWord(r rune) bool { return r == '_' || unicode.IsLetter(r) || unicode.IsDigit(r) }

// lastRune and firstRune return a space where there is none.
func lastRune(s string) rune {
	if s == "" {
		return ' '
	}
	r, _ := utf8.DecodeLastRuneInString(s)

	return r
}

func firstRune(s string) rune {
	if s == "" {
		return ' '
	}
	r, _ := utf8.DecodeRuneInString(s)

	return r
}
