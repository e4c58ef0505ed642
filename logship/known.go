package logship

import "strings"

// isScheme tells the schemes of an Authorization header.
func isScheme(word string) bool {
	return strings.EqualFold(word, "bearer") || strings.EqualFold(word, "basic") || strings.EqualFold(word, "token")
}

// bearerProse are the words that follow Bearer where people write about it.
var bearerProse = []string{
	"and", "auth", "authentication", "authorization", "credentials", "error", "format", "header", "is", "missing", "not", "of",
	"or", "prefix", "realm", "required", "scheme", "scope", "token", "tokens", "was",
}

// credentials finds what follows the words Bearer and Basic, of which the second
// is common in prose: what follows it has to look like base64.
func credentials(s string, from, i int) (span, bool) {
	length := len("bearer")
	switch {
	case len(s) < i+7 || (s[i+5] != ' ' && s[i+6] != ' ') || !startsWord(s, from, i):
		return span{}, false
	case s[i+6] == ' ' && strings.EqualFold(s[i:i+6], "bearer"):
	case s[i+5] == ' ' && strings.EqualFold(s[i:i+5], "basic"):
		length = len("basic")
	default:
		return span{}, false
	}
	start := i + length
	for start < len(s) && s[start] == ' ' {
		start++
	}
	end := start + runLength(s[start:], isTokenByte)
	word := s[start:end]
	if length == len("basic") {
		return span{start: start, end: end}, len(word) >= 4 && looksEncoded(word)
	}
	if prose, _, _ := strings.Cut(word, "="); word == "" || isProse(strings.Trim(prose, ".-")) {
		return span{}, false
	}

	return span{start: start, end: end}, true
}

func isProse(word string) bool {
	for _, w := range bearerProse {
		if strings.EqualFold(w, word) {
			return true
		}
	}

	return false
}

// looksEncoded tells base64 from a word: it has a digit, a sign, or capitals
// among small letters.
func looksEncoded(word string) bool {
	capitals := strings.ContainsFunc(word[1:], func(r rune) bool { return r >= 'A' && r <= 'Z' })
	small := strings.ContainsFunc(word, func(r rune) bool { return r >= 'a' && r <= 'z' })

	return strings.ContainsAny(word, "0123456789+/=") || (capitals && small)
}

// isTokenByte tells the characters of RFC 6750's b68token.
func isTokenByte(c byte) bool {
	return isAlphanumeric(c) || strings.IndexByte("-._~+/=", c) >= 0
}

func isBase64URL(c byte) bool { return isAlphanumeric(c) || c == '-' || c == '_' }

// startsWord tells whether no letter or digit is before i.
func startsWord(s string, from, i int) bool {
	return i == from || !isAlphanumeric(s[i-1])
}

// keyForm is how the keys of an issuer look: a prefix, which ends in a trigger
// or, if short, is one with what follows, and at least so many characters.
type keyForm struct {
	prefix string
	least  int
	body   func(byte) bool
}

// keyForms are in the order in which they are tried.
var keyForms = []keyForm{
	{"sk-", 16, isBase64URL},        // OpenAI, Anthropic and those compatible.
	{"glpat-", 16, isBase64URL},     // GitLab.
	{"xoxb-", 10, isBase64URL},      // Slack: bot,
	{"xoxp-", 10, isBase64URL},      // user,
	{"xoxa-", 10, isBase64URL},      // workspace,
	{"xoxr-", 10, isBase64URL},      // refresh
	{"xoxs-", 10, isBase64URL},      // and session.
	{"xapp-", 10, isBase64URL},      // Slack, application level.
	{"ghp_", 16, isAlphanumeric},    // GitHub: personal,
	{"gho_", 16, isAlphanumeric},    // OAuth,
	{"ghu_", 16, isAlphanumeric},    // user to server,
	{"ghs_", 16, isAlphanumeric},    // server to server
	{"ghr_", 16, isAlphanumeric},    // and refresh.
	{"github_pat_", 16, isWordByte}, // GitHub, fine-grained.
	{"hf_", 20, isAlphanumeric},     // Hugging Face.
	{"lwt_", 16, isWordByte},        // llmwatch.
	{"sk_live_", 16, isAlphanumeric},
	{"sk_test_", 16, isAlphanumeric}, // Stripe.
	{"rk_live_", 16, isAlphanumeric},
	{"AKIA", 16, isCapitalOrDigit}, // AWS: long-lived
	{"ASIA", 16, isCapitalOrDigit}, // and temporary.
	{"AIza", 30, isBase64URL},      // Google.
}

func isWordByte(c byte) bool       { return isAlphanumeric(c) || c == '_' }
func isCapitalOrDigit(c byte) bool { return isUpper(c) || isDigit(c) }

// knownKey finds keys of a known form, from the last byte of their prefix or,
// of prefixes without punctuation, the first.
func knownKey(s string, from, i int) (span, bool) {
	for _, form := range keyForms {
		start := i
		if s[i] != 'A' {
			start = i + 1 - len(form.prefix)
		}
		if start < from || !strings.HasPrefix(s[start:], form.prefix) || !startsWord(s, from, start) {
			continue
		}
		body := s[start+len(form.prefix):]
		// A few bytes decide, so that many prefixes in a row take no longer.
		length := runLength(body[:min(len(body), maxKeyBytes)], form.body)
		if length < form.least || (form.prefix == "sk-" && !looksRandom(body[:length])) {
			continue
		}

		return span{start: start, end: start + len(form.prefix) + runLength(body, form.body)}, true
	}

	return span{}, false
}

// runLength returns how many bytes at the beginning of s are of a kind.
func runLength(s string, kind func(byte) bool) int {
	for i := range len(s) {
		if !kind(s[i]) {
			return i
		}
	}

	return len(s)
}

// looksRandom tells a key from words joined by hyphens.
func looksRandom(body string) bool {
	return hasDigit(body) || !strings.Contains(body, "-")
}

// webToken finds a JSON Web Token, from the J of the eyJ that all of them begin
// with: three parts, or five, in base64.
func webToken(s string, from, i int) (span, bool) {
	start := i - len("ey")
	if start < from || s[start:i] != "ey" || (start > from && isBase64URL(s[start-1])) {
		return span{}, false
	}
	end := start
	for parts := 1; ; parts++ {
		length := runLength(s[end:], isBase64URL)
		end += length
		if length < 8 && parts <= 2 {
			return span{}, false
		}
		more := end+1 < len(s) && s[end] == '.' && isBase64URL(s[end+1])
		switch {
		case parts == 2 && end < len(s) && s[end] == '.':
		case parts == 2 || (parts == 1 && !more):
			return span{}, false
		case parts >= 3 && (!more || parts == 5):
			return span{start: start, end: end}, true
		}
		end++
	}
}

// slackWebhook finds the secret path of hooks.slack.com/services/.
func slackWebhook(s string, from, i int) (span, bool) {
	const host, path = "hooks.slack.com", "/services/"
	if i-from < len(host) || s[i-len(host):i] != host || !strings.HasPrefix(s[i:], path) {
		return span{}, false
	}
	start := i + len(path)
	length := runLength(s[start:], func(c byte) bool { return isBase64URL(c) || c == '/' })

	return span{start: start, end: start + length}, length > 0
}

// privateKey finds a private key in PEM, up to its end or, if that has been cut
// off, up to the end of the text. Certificates and public keys are no secrets.
func privateKey(s string, i int) (span, bool) {
	const begin, end, kind = "-----BEGIN ", "-----END ", "PRIVATE KEY"
	if !strings.HasPrefix(s[i:], begin) {
		return span{}, false
	}
	body := i + len(begin)
	header := s[body:min(len(s), body+maxPEMTypeBytes+len(kind))]
	if label, _, found := strings.Cut(header, kind); !found || strings.Contains(label, "-") {
		return span{}, false
	}
	stop := strings.Index(s[body:], end)
	if stop < 0 {
		return span{start: i, end: len(s)}, true
	}
	stop += body + len(end)
	if length := strings.Index(s[stop:], "-----"); length >= 0 {
		return span{start: i, end: stop + length + len("-----")}, true
	}

	return span{start: i, end: len(s)}, true
}
