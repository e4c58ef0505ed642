package block

import (
	"bytes"
	"regexp"
	"regexp/syntax"
	"slices"
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

// need is what a text that matches must contain: a literal, or all that one of some
// alternatives needs, or so many letters of a class side by side.
type need struct {
	literal
	runs   []run // Of the literal.
	anyOf  [][]need
	class  *[256]bool
	length int
}

func needLiteral(text string, fold bool) need {
	l := literal{text, fold}

	return need{literal: l, runs: runsOf(l)}
}

// patternTest tests for a pattern, and before that for what it needs.
func patternTest(re *regexp.Regexp) *textTest {
	needs := required(re.String())

	return &textTest{needs: needs, match: func(text []byte) bool { return holdsAll(text, needs) && re.Match(text) }}
}

// required returns what every match contains, one behind the other.
func required(pattern string) []need {
	parsed, err := syntax.Parse(pattern, syntax.Perl)
	if err != nil {
		return nil
	}

	return needsOf(parsed.Simplify())
}

func needsOf(re *syntax.Regexp) []need {
	switch re.Op {
	case syntax.OpLiteral:
		text := string(re.Rune)
		if re.Flags&syntax.FoldCase == 0 {
			return []need{needLiteral(text, false)}
		}
		if isASCII([]byte(text)) { // Other letters have more forms than two.
			return []need{needLiteral(strings.ToLower(text), true)}
		}
	case syntax.OpCharClass:
		return classNeed(re)
	case syntax.OpCapture, syntax.OpPlus:
		return needsOf(re.Sub[0])
	case syntax.OpConcat:
		return allNeeds(re.Sub)
	case syntax.OpAlternate:
		n := need{}
		for _, sub := range re.Sub {
			one := needsOf(sub)
			if len(one) == 0 {
				return nil
			}
			n.anyOf = append(n.anyOf, one)
		}

		return []need{n}
	default: // A repetition at least once is simplified to a concatenation.
	}

	return nil
}

func allNeeds(subs []*syntax.Regexp) []need {
	var all []need
	for i, sub := range subs {
		needs := needsOf(sub)
		// The same class twice is a run of two, as [a-f]{12} is a run of twelve.
		if last := len(all) - 1; i > 0 && len(needs) == 1 && isClass(sub) && isClass(subs[i-1]) && last >= 0 &&
			needs[0].class != nil && all[last].class != nil && *needs[0].class == *all[last].class {
			all[last].length++

			continue
		}
		all = append(all, needs...)
	}

	return all
}

// isClass reports whether re matches letters of a class and nothing else.
func isClass(re *syntax.Regexp) bool {
	return re.Op == syntax.OpCharClass || re.Op == syntax.OpPlus && re.Sub[0].Op == syntax.OpCharClass
}

// classNeed needs a letter of a class, if its letters are bytes.
func classNeed(re *syntax.Regexp) []need {
	n := need{class: &[256]bool{}, length: 1}
	for i := 0; i < len(re.Rune); i += 2 {
		if re.Rune[i+1] >= utf8.RuneSelf {
			return nil
		}
		for b := re.Rune[i]; b <= re.Rune[i+1]; b++ {
			n.class[b] = true
		}
	}

	return []need{n}
}

// endOfRun returns where the first run of so many letters of the class ends, -1 if
// there is none.
func (n *need) endOfRun(text []byte) int {
	length := 0
	for i, b := range text {
		if !n.class[b] {
			length = 0
		} else if length++; length == n.length {
			return i + 1
		}
	}

	return -1
}

// holdsAll reports whether what is needed stands in text, one literal behind the
// other. It may be wrong only by saying yes.
func holdsAll(text []byte, needs []need) bool {
	for i := range needs {
		n := &needs[i]
		switch {
		case n.class != nil:
			end := n.endOfRun(text)
			if end < 0 {
				return false
			}
			text = text[end:]
		case n.anyOf != nil:
			if !slices.ContainsFunc(n.anyOf, func(one []need) bool { return holdsAll(text, one) }) {
				return false
			}
		case n.fold:
			at := indexFold(text, n.text)
			if at < 0 {
				return false
			}
			text = text[at:] // Not behind it: it may be a letter in another form that was found.
		default:
			at := bytes.Index(text, []byte(n.text))
			if at < 0 {
				return false
			}
			text = text[at+len(n.text):]
		}
	}

	return true
}

// possible reports whether texts can contain what is needed, by the runs that they
// may contain.
func possible(may func(run) bool, needs []need) bool {
	for i := range needs {
		if n := &needs[i]; slices.ContainsFunc(n.runs, func(r run) bool { return !may(r) }) ||
			n.anyOf != nil && !slices.ContainsFunc(n.anyOf, func(one []need) bool { return possible(may, one) }) {
			return false
		}
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
