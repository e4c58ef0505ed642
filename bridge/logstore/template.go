package logstore

import (
	"strings"
	"unicode/utf8"
)

// maxTemplate is the most bytes that a template has.
const maxTemplate = 240

// appendTemplate appends the first line of a message with <*> for each word that
// has a digit: numbers, ids, addresses, times.
func appendTemplate(dst []byte, message string) []byte {
	message, _, _ = strings.Cut(message, "\n")
	for len(message) > 0 && len(dst) < maxTemplate {
		n := 0
		varies := false
		for n < len(message) && isWordByte(message[n]) {
			varies = varies || message[n]-'0' < 10
			n++
		}
		switch {
		case varies:
			dst = append(dst, "<*>"...)
		case n > 0:
			dst = append(dst, message[:n]...)
		default:
			n = 1
			dst = append(dst, message[0])
		}
		message = message[n:]
	}
	if len(message) > 0 {
		dst = append(dst, "…"...)
	}

	if utf8.Valid(dst) {
		return dst
	}

	return []byte(strings.ToValidUTF8(string(dst), "")) // A long word was cut.
}

// isWordByte reports whether a byte belongs to a word. The points of addresses and
// the dashes of ids do; letters beyond ASCII do too.
func isWordByte(b byte) bool {
	return b|0x20-'a' < 26 || b-'0' < 10 || b == '_' || b == '-' || b == '.' || b >= 0x80
}
