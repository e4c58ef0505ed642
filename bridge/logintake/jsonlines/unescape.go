package jsonlines

import (
	"strconv"
	"unicode/utf16"
	"unicode/utf8"
)

// plainEscapes are what stands for a character after a backslash.
var plainEscapes = [256]byte{
	'"': '"', '\\': '\\', '/': '/', 'b': '\b', 'f': '\f', 'n': '\n', 'r': '\r', 't': '\t',
}

// unescape appends what a string means to text and returns it. Halves of
// surrogates and what is not valid UTF-8 are replaced, as encoding/json does.
func (p *parser) unescape(s string) (string, error) {
	begin := len(p.text)
	for i := 0; i < len(s); {
		switch c := s[i]; {
		case c == '\\':
			r, size := escape(s[i:])
			if size == 0 {
				return "", errSyntax
			}
			p.text = utf8.AppendRune(p.text, r)
			i += size
		case c < utf8.RuneSelf:
			p.text = append(p.text, c)
			i++
		default:
			r, size := utf8.DecodeRuneInString(s[i:])
			p.text = utf8.AppendRune(p.text, r)
			i += size
		}
	}

	return view(p.text[begin:]), nil
}

// escape reads the escape that s begins with. A size of 0 is none.
func escape(s string) (r rune, size int) {
	if len(s) < 2 {
		return 0, 0
	}
	if plain := plainEscapes[s[1]]; plain != 0 {
		return rune(plain), 2
	}
	r, ok := hexEscape(s)
	if !ok {
		return 0, 0
	}
	if !utf16.IsSurrogate(r) {
		return r, 6
	}
	if second, ok := hexEscape(s[6:]); ok {
		if whole := utf16.DecodeRune(r, second); whole != utf8.RuneError {
			return whole, 12
		}
	}

	return utf8.RuneError, 6
}

func hexEscape(s string) (rune, bool) {
	if len(s) < 6 || s[0] != '\\' || s[1] != 'u' {
		return 0, false
	}
	n, err := strconv.ParseUint(s[2:6], 16, 16)

	return rune(n), err == nil
}
