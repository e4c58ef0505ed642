package logship

import "strings"

// secretTriggers are the bytes that a rule of match starts from. Digits are
// triggers too, where there are enough of them for a card number.
const secretTriggers = secretAlone + "-_/bBAJ"

// secretAlone are the triggers that make a text worth a closer look by themselves.
const secretAlone = "=:"

// secretPairs are those that do it beside another byte: sk-, glpat-, xoxb- and
// PEM's hyphens; ghp_ and the like; hooks.slack.com/; Bearer and Basic; AKIA,
// ASIA and AIza; eyJ.
var secretPairs = [...]struct{ first, second string }{
	{"abkprst-", "-"}, {"efoprstu", "_"}, {"m", "/"}, {"bB", "aAeE"}, {"A", "ISK"}, {"y", "J"},
}

const (
	// maxKeyBytes bounds how far back a key before a trigger is looked for, so
	// that the time for a text stays linear.
	maxKeyBytes = 64

	// maxUserBytes bounds the user name before a password in a URL.
	maxUserBytes = 128

	// maxPEMTypeBytes bounds the words between BEGIN and PRIVATE KEY.
	maxPEMTypeBytes = 32
)

// span is a secret within a text, and the quotes to put around its replacement.
type span struct {
	start, end int
	quote      string
}

// next returns the first secret that starts at from or later. What is before
// from has been dealt with and counts as punctuation: so the result is the same
// when the text is looked at again after the replacement.
func (r *Redactor) next(s string, from int) (span, bool) {
	for i := from; i < len(s); i++ {
		if class := classOf[s[i]]; class&classDigit != 0 {
			at, end := cardAt(s, from, i)
			if at.end > 0 {
				return at, true
			}
			i = end - 1
		} else if class&classTrigger != 0 {
			if at, ok := r.match(s, from, i); ok {
				return at, true
			}
		}
	}

	return span{}, false
}

// match applies the rules that start from the trigger at i.
func (r *Redactor) match(s string, from, i int) (span, bool) {
	switch s[i] {
	case '=':
		return r.assigned(s, from, i)
	case ':':
		if at, ok := userinfo(s, from, i); ok {
			return at, true
		}

		return r.member(s, from, i)
	case 'b', 'B':
		return credentials(s, from, i)
	case 'J':
		return webToken(s, from, i)
	case '/':
		return slackWebhook(s, from, i)
	case 'A':
		return knownKey(s, from, i)
	case '-':
		if at, ok := privateKey(s, i); ok {
			return at, true
		}
	}
	if i == from || classOf[s[i-1]]>>pairShift&classOf[s[i]]&pairBits == 0 {
		return span{}, false
	}

	return knownKey(s, from, i)
}

// assigned finds the value behind key=.
func (r *Redactor) assigned(s string, from, i int) (span, bool) {
	if i+1 < len(s) && (s[i+1] == '=' || s[i+1] == '>') {
		return span{}, false
	}
	end := i
	if end > from && s[end-1] == ' ' {
		end--
	}
	if !r.Sensitive(s[keyStart(s, from, end):end]) {
		return span{}, false
	}

	return valueAt(s, i+1)
}

// member finds the value behind "key": and, with more care, behind key:, which
// may be prose as well.
func (r *Redactor) member(s string, from, i int) (span, bool) {
	end := i
	for end > from && s[end-1] == ' ' && i-end < 2 {
		end--
	}
	if end > from && (s[end-1] == '"' || s[end-1] == '\'') {
		return r.quotedMember(s, from, end-1, i)
	}
	if end != i || !r.Sensitive(s[keyStart(s, from, end):end]) {
		return span{}, false
	}
	at, ok := valueAt(s, i+1)
	if !ok || at.start > i+1 && s[at.start-1] != ' ' {
		return at, ok // Quoted, so it is a value.
	}
	value := s[at.start:at.end]
	if at.start > i+1 {
		return at, len(value) >= 8 && hasLetter(value) && hasDigit(value)
	}

	return at, len(value) >= 4 && hasLetter(value)
}

// quotedMember finds the value of a member of an object of JSON, be it within a
// JSON string, or of Python. The quote at end closes the key, the colon is at i.
func (r *Redactor) quotedMember(s string, from, end, i int) (span, bool) {
	quote := s[end : end+1]
	if end > from && s[end-1] == '\\' {
		end--
		quote = s[end : end+2]
	}
	start := keyStart(s, from, end)
	if start == from || s[start-1] != quote[len(quote)-1] || !r.Sensitive(s[start:end]) {
		return span{}, false
	}
	if strings.HasSuffix(s[:start-1], Redacted) || strings.HasSuffix(s[:start-1], Redacted+`\`) {
		return span{}, false // The quote closes what was redacted before.
	}
	k := skipSpace(s, i+1)
	if k == len(s) {
		return span{}, false
	}
	switch s[k] {
	case '"', '\'', '\\':
		return valueAt(s, k)
	case ',', '}', ']':
		return span{}, false
	}
	if strings.HasPrefix(s[k:], Redacted) {
		return span{}, false
	}

	return span{k, jsonValueEnd(s, k), quote}, true
}

// keyStart returns where the key that ends at end starts.
func keyStart(s string, from, end int) int {
	start := end
	for start > from && end-start < maxKeyBytes {
		if c := s[start-1]; !isLetter(c) && !isDigit(c) && c != '_' && c != '-' && c != '.' {
			break
		}
		start--
	}

	return start
}

// valueAt returns the value at i, or behind a space there: what is in quotes, or
// all up to a separator. What has been redacted before is none.
func valueAt(s string, i int) (span, bool) {
	if i < len(s) && s[i] == ' ' {
		i++
	}
	quote := ""
	switch rest := s[i:]; {
	case strings.HasPrefix(rest, `\"`), strings.HasPrefix(rest, `\'`):
		quote = rest[:2]
	case rest != "" && strings.IndexByte("\"'`", rest[0]) >= 0:
		quote = rest[:1]
	}
	i += len(quote)
	if strings.HasPrefix(s[i:], Redacted) {
		return span{}, false
	}
	end := 0
	if quote != "" {
		end = quotedEnd(s, i, quote)
	} else {
		end = wordEnd(s, i)
		if isScheme(s[i:end]) && end < len(s) && s[end] == ' ' {
			if word := wordEnd(s, end+1); word > end+1 && !strings.HasPrefix(s[end+1:], Redacted) {
				end = word
			}
		}
	}

	return span{start: i, end: end}, end > i
}

// quotedEnd returns where the text that starts at i meets its closing quote.
func quotedEnd(s string, i int, quote string) int {
	for ; i < len(s); i++ {
		if strings.HasPrefix(s[i:], quote) {
			return i
		}
		if s[i] == '\\' {
			i++
		}
	}

	return len(s)
}

func wordEnd(s string, i int) int {
	for i < len(s) && s[i] > ' ' && strings.IndexByte("&;,\"'`()[]{}<>|\\", s[i]) < 0 {
		i++
	}

	return i
}

func skipSpace(s string, i int) int {
	for i < len(s) && (s[i] == ' ' || s[i] == '\t' || s[i] == '\n' || s[i] == '\r') {
		i++
	}

	return i
}

// userinfo finds the password in scheme://user:password@host.
func userinfo(s string, from, i int) (span, bool) {
	start := i
	for start > from && i-start < maxUserBytes && strings.IndexByte("/@:?#\"'<> \t\r\n", s[start-1]) < 0 {
		start--
	}
	if start-from < len("://") || s[start-3:start] != "://" || strings.HasPrefix(s[i+1:], Redacted+"@") {
		return span{}, false
	}
	authority := s[i+1:]
	if end := strings.IndexAny(authority, "/?#\"'<>\\ \t\r\n"); end >= 0 {
		authority = authority[:end]
	}
	at := strings.LastIndexByte(authority, '@')

	return span{start: i + 1, end: i + 1 + at}, at > 0
}

func hasLetter(s string) bool {
	return strings.ContainsFunc(s, func(r rune) bool { return isLetter(byte(r)) })
}
func hasDigit(s string) bool { return strings.ContainsAny(s, "0123456789") }
