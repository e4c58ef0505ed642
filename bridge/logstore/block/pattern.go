package block

import (
	"bytes"
	"regexp"
	"regexp/syntax"
	"strings"
	"unicode/utf8"
)

// literal is a text that every match of a pattern contains, in any case if fold is
// set; then it is in lower case.
type literal struct {
	text string
	fold bool
}

// run is a run of ASCII letters and digits of a literal. Where it stands, it is part
// of one such run of the text.
type run literal

// patternTest tests for a pattern, and before that for what it requires.
func patternTest(re *regexp.Regexp) *textTest {
	literals := required(re.String())
	q := &textTest{match: func(text []byte) bool { return holdsInOrder(text, literals) && re.Match(text) }}
	for _, l := range literals {
		q.runs = append(q.runs, runsOf(l)...)
	}

	return q
}

// required returns texts that every match contains, one behind the other.
func required(pattern string) []literal {
	parsed, err := syntax.Parse(pattern, syntax.Perl)
	if err != nil {
		return nil
	}

	return literalsOf(parsed.Simplify())
}

func literalsOf(re *syntax.Regexp) []literal {
	switch re.Op {
	case syntax.OpLiteral:
		text := string(re.Rune)
		if re.Flags&syntax.FoldCase == 0 {
			return []literal{{text, false}}
		}
		if isASCII([]byte(text)) { // Other letters have more forms than two.
			return []literal{{strings.ToLower(text), true}}
		}
	case syntax.OpCapture, syntax.OpPlus:
		return literalsOf(re.Sub[0])
	case syntax.OpConcat:
		var all []literal
		for _, sub := range re.Sub {
			all = append(all, literalsOf(sub)...)
		}

		return all
	case syntax.OpRepeat:
		if re.Min > 0 {
			return literalsOf(re.Sub[0])
		}
	default:
	}

	return nil
}

// holdsInOrder reports whether the literals stand in text one behind the other. It
// may be wrong only by saying yes.
func holdsInOrder(text []byte, literals []literal) bool {
	for _, l := range literals {
		if !l.fold {
			at := bytes.Index(text, []byte(l.text))
			if at < 0 {
				return false
			}
			text = text[at+len(l.text):]

			continue
		}
		at := indexFold(text, l.text)
		if at < 0 {
			return false
		}
		text = text[at:] // Not behind it: it may be a letter in another form that was found.
	}

	return true
}

// indexFold returns where lower, which is ASCII in lower case, stands in text in any
// case, or where a letter begins that might be another form of an ASCII one.
func indexFold(text []byte, lower string) int {
	for i := range text {
		if text[i] >= utf8.RuneSelf {
			return i
		}
		if len(text)-i >= len(lower) && equalFold(text[i:i+len(lower)], lower) {
			return i
		}
	}
	if lower == "" {
		return 0
	}

	return -1
}

// equalFold stops at the first letter that is another one in any case.
func equalFold(text []byte, lower string) bool {
	for i := range text {
		if b := text[i]; b != lower[i] && (b-'A' >= 26 || b|0x20 != lower[i]) {
			return false
		}
	}

	return true
}

// runsOf returns the runs of l.
func runsOf(l literal) []run {
	var runs []run
	for i := 0; i < len(l.text); i++ {
		start := i
		for i < len(l.text) && isAlnum(l.text[i]) {
			i++
		}
		if i > start {
			runs = append(runs, run{l.text[start:i], l.fold})
		}
	}

	return runs
}

// mayBeIn reports whether text may contain r.
func (r run) mayBeIn(text []byte) bool {
	if !r.fold {
		return bytes.Contains(text, []byte(r.text))
	}

	return indexFold(text, r.text) >= 0
}
