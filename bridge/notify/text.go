package notify

import (
	"strings"
	"unicode"
	"unicode/utf8"
)

// ellipsis ends what was cut.
const ellipsis = "…"

// Line makes one line of at most most bytes of s: valid UTF-8, without control
// characters, runs of white space as one blank.
func Line(s string, most int) string {
	return Truncate(strings.Join(strings.Fields(clean(s, most)), " "), most)
}

// Lines is like Line but keeps line breaks and tabs.
func Lines(s string, most int) string {
	return Truncate(strings.TrimSpace(clean(s, most)), most)
}

// clean removes what is not text. It looks at no more of s than can be shown.
func clean(s string, most int) string {
	s = s[:min(len(s), 4*most)]
	s = strings.ToValidUTF8(s, "\uFFFD")
	s = strings.ReplaceAll(s, "\r\n", "\n")

	return strings.Map(func(r rune) rune {
		switch {
		case r == '\n' || r == '\t':
			return r
		case unicode.IsControl(r), r == '\u2028', r == '\u2029':
			return ' '
		case unicode.Is(unicode.Bidi_Control, r):
			// They can make a text read as another one.
			return -1
		default:
			return r
		}
	}, s)
}

// Truncate cuts s to at most most bytes, the ellipsis that then ends it
// included. It never splits a character.
func Truncate(s string, most int) string {
	if len(s) <= most {
		return s
	}
	end := max(0, most-len(ellipsis))
	for end > 0 && !utf8.RuneStart(s[end]) {
		end--
	}

	return strings.TrimRight(s[:end], " ") + ellipsis
}
