package alert

import (
	"strings"
	"unicode"
	"unicode/utf8"
)

// ellipsis ends what was cut.
const ellipsis = "…"

// PlainText makes one line of at most most bytes of s, for people to read: valid
// UTF-8, runs of white space as one blank, without control characters and without
// those that are not seen or make a text read as another one.
func PlainText(s string, most int) string {
	return Truncate(strings.Join(strings.Fields(clean(s, most)), " "), most)
}

// PlainLines is like PlainText but keeps line breaks and tabs.
func PlainLines(s string, most int) string {
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
		case invisible(r):
			return -1
		default:
			return r
		}
	}, s)
}

// The joiners decide how letters and emojis beside them look.
const (
	zeroWidthNonJoiner = '\u200c'
	zeroWidthJoiner    = '\u200d'
)

// invisible says whether r is a character that is not seen by itself: those that
// change the direction of the text around them, zero-width spaces and tags.
func invisible(r rune) bool {
	return unicode.Is(unicode.Cf, r) && r != zeroWidthNonJoiner && r != zeroWidthJoiner &&
		!unicode.Is(unicode.Prepended_Concatenation_Mark, r)
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
