package slack

import (
	"strings"
	"unicode"
	"unicode/utf8"

	"llmwatch/bridge/notify"
)

// lookalikes replace what formats text in mrkdwn. Slack has no escape for these
// characters.
var lookalikes = map[rune]string{
	'*': "∗", // Asterisk operator.
	'_': "ˍ", // Modifier letter low macron.
	'~': "∼", // Tilde operator.
	'`': "ˋ", // Modifier letter grave accent.
}

// entities are the three characters that Slack wants escaped.
var entities = map[rune]string{'&': "&amp;", '<': "&lt;", '>': "&gt;"}

// escape makes mrkdwn that shows s as it is. Between two letters or digits a
// formatting character does nothing, so that high_cpu_usage can still be copied;
// elsewhere it becomes one that looks alike. A > that begins a line would quote
// it.
func escape(s string) string {
	s = strings.ToValidUTF8(s, "\uFFFD")
	var b strings.Builder
	b.Grow(len(s) + len(s)/8)
	previous := '\n'
	for i, r := range s {
		next, _ := utf8.DecodeRuneInString(s[i+utf8.RuneLen(r):])
		inWord := r != '`' && word(previous) && word(next)
		switch {
		case r == '>' && previous == '\n':
			b.WriteRune('›')
		case entities[r] != "":
			b.WriteString(entities[r])
		case lookalikes[r] != "" && !inWord:
			b.WriteString(lookalikes[r])
		default:
			b.WriteRune(r)
		}
		previous = r
	}

	return b.String()
}

func word(r rune) bool {
	return unicode.IsLetter(r) || unicode.IsDigit(r)
}

// escapeURL makes an address fit for <address|text>.
func escapeURL(s string) string {
	return strings.NewReplacer("&", "&amp;", "<", "%3C", ">", "%3E", "|", "%7C").Replace(s)
}

// escapeCode makes text fit for a code block, where only its end acts.
func escapeCode(s string) string {
	return strings.NewReplacer("&", "&amp;", "<", "&lt;", ">", "&gt;", "`", lookalikes['`']).Replace(s)
}

// cut shortens escaped text to at most most bytes, which are never fewer than
// the characters that Slack counts, and splits no entity.
func cut(s string, most int) string {
	if len(s) <= most {
		return s
	}
	s = notify.Truncate(s, most)
	body := strings.TrimSuffix(s, "…")
	if i := strings.LastIndexByte(body, '&'); i >= 0 && !strings.Contains(body[i:], ";") {
		return body[:i] + "…"
	}

	return s
}
