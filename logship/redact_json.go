package logship

import (
	"encoding/json"
	"strconv"
	"strings"
)

// AppendJSON appends src, which is JSON, with the secrets in it replaced: whatever
// is under a sensitive key at any depth, and secrets in strings and numbers. All
// else is kept byte for byte. What is not JSON, or was cut off, is redacted as far
// as its quotes and colons make sense. There is no allocation if nothing has to
// be replaced and dst is large enough.
func (r *Redactor) AppendJSON(dst, src []byte) []byte {
	s := viewString(src)
	kept := 0 // What is before has been appended or replaced.
	for i := 0; i < len(s); {
		c := s[i]
		if c != '"' && c != '-' && !isDigit(c) {
			i++

			continue
		}
		start, end := i, jsonValueEnd(s, i)
		i = end
		replacement := ""
		if c != '"' {
			replacement = cleanJSONNumber(s[start:end])
		} else if colon := skipSpace(s, end); colon == len(s) || s[colon] != ':' {
			replacement = r.cleanJSONString(s[start:end])
		} else {
			key, _ := jsonText(s[start:end])
			i = skipSpace(s, colon+1)
			if r.Sensitive(key) {
				start, end = i, jsonValueEnd(s, i)
				i = end
				if end > start {
					replacement = redactedJSON
				}
			}
		}
		if replacement != "" {
			dst = append(append(dst, s[kept:start]...), replacement...)
			kept = end
		}
	}

	return append(dst, s[kept:]...)
}

// cleanJSONNumber returns what a number has to be replaced by, if it is one of a
// card.
func cleanJSONNumber(s string) string {
	if len(s) < minCardDigits || len(s) > maxCardDigits {
		return ""
	}
	if n, err := strconv.ParseUint(s, 10, 64); err != nil || !isCardNumber(n) {
		return ""
	}

	return redactedJSON
}

// cleanJSONString returns what a string, given with its quotes, has to be replaced
// by, or nothing if there is no secret in it.
func (r *Redactor) cleanJSONString(s string) string {
	if _, suspicious := classify(s); !suspicious && !strings.Contains(s, `\u`) {
		return ""
	}
	text, ok := jsonText(s)
	clean := r.String(text)
	switch {
	case clean == text:
		return ""
	case ok:
		return string(AppendString(nil, clean))
	default:
		return `"` + clean + s[1+len(text):] // What was cut off or wrong stays so.
	}
}

// jsonText returns the text of a string that is given with its quotes. One that
// was cut off, or is wrong, is returned as it stands between them, and not ok.
func jsonText(s string) (text string, ok bool) {
	inside, closed := strings.CutSuffix(s[1:], `"`)
	if closed && !strings.Contains(inside, `\`) {
		return inside, true
	}
	if text, err := unquoted(s); err == nil {
		return text, true
	}
	if escapes := len(inside) - len(strings.TrimRight(inside, `\`)); escapes%2 == 1 {
		return s[1:], false // The quote is part of the text.
	}

	return inside, false
}

func unquoted(s string) (text string, err error) {
	err = json.Unmarshal([]byte(s), &text)

	return text, err
}

// jsonStringEnd returns the end of the string whose opening quote is at i.
func jsonStringEnd(s string, i int) int {
	for i++; i < len(s); i++ {
		switch s[i] {
		case '"':
			return i + 1
		case '\\':
			i++
		}
	}

	return len(s)
}

// jsonValueEnd returns the end of the value at i, which is i if there is none.
func jsonValueEnd(s string, i int) int {
	switch {
	case i == len(s):
		return i
	case s[i] == '"':
		return jsonStringEnd(s, i)
	case s[i] == '{', s[i] == '[':
		return jsonContainerEnd(s, i)
	}
	for i < len(s) && strings.IndexByte("\",:[]{} \t\r\n\\", s[i]) < 0 {
		i++
	}

	return i
}

// jsonContainerEnd returns the end of the object or array that opens at i.
func jsonContainerEnd(s string, i int) int {
	for depth := 0; i < len(s); i++ {
		switch s[i] {
		case '"':
			i = jsonStringEnd(s, i) - 1
		case '{', '[':
			depth++
		case '}', ']':
			if depth--; depth == 0 {
				return i + 1
			}
		}
	}

	return len(s)
}
