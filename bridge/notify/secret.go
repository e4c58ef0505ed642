package notify

import (
	"encoding/base64"
	"fmt"
	"io"
	"net/url"
	"slices"
	"strings"
)

// hidden is what a secret prints as.
const hidden = "<secret>"

// Secret is a string that prints as <secret> with every verb of fmt, in slog,
// JSON and YAML. Convert it to string to use it. An unset one prints as nothing.
type Secret string

// Format implements fmt.Formatter.
func (s Secret) Format(f fmt.State, _ rune) {
	text, _ := s.MarshalText()
	_, _ = f.Write(text)
}

// MarshalText implements encoding.TextMarshaler.
func (s Secret) MarshalText() ([]byte, error) {
	if s == "" {
		return nil, nil
	}

	return []byte(hidden), nil
}

// Scrubber hides secrets in what others say: servers like to repeat what they
// were sent.
type Scrubber struct{ replacer *strings.Replacer }

// NewScrubber hides the given secrets, also as they look in Base64, in a query
// and in a path. Secrets shorter than four bytes would hide ordinary words and
// are left alone.
func NewScrubber(secrets ...string) Scrubber {
	var forms []string
	for _, s := range secrets {
		if len(s) < 4 {
			continue
		}
		forms = append(forms, s, base64.StdEncoding.EncodeToString([]byte(s)),
			base64.URLEncoding.EncodeToString([]byte(s)), url.QueryEscape(s), url.PathEscape(s))
	}
	// The longest first, so that no part of one is left over.
	slices.SortFunc(forms, func(a, b string) int { return len(b) - len(a) })
	var pairs []string
	for _, form := range slices.Compact(forms) {
		pairs = append(pairs, form, hidden)
	}

	return Scrubber{strings.NewReplacer(pairs...)}
}

// maxAnswer bounds how much of a server's answer is read and shown.
const (
	maxAnswerRead  = 8 << 10
	maxAnswerShown = 500
)

// Text makes a server's words fit to show: one line, bounded, without secrets.
func (s Scrubber) Text(words string) string {
	words = words[:min(len(words), maxAnswerRead)]

	return Line(s.replacer.Replace(words), maxAnswerShown)
}

// read reads and scrubs the beginning of an answer.
func (s Scrubber) read(r io.Reader) string {
	// An answer that breaks off is shown as far as it came.
	words, _ := io.ReadAll(io.LimitReader(r, maxAnswerRead))

	return s.Text(string(words))
}

// URLSecrets are the parts of a URL that must not be shown: all but scheme and
// host.
func URLSecrets(raw string) []string {
	u, err := url.Parse(raw)
	if err != nil {
		return []string{raw}
	}
	secrets := []string{raw, u.RequestURI(), u.Path, u.RawQuery}
	for _, values := range u.Query() {
		secrets = append(secrets, values...)
	}
	for segment := range strings.SplitSeq(u.Path, "/") {
		// Tokens are long; short segments are words such as "services".
		if len(segment) >= 9 {
			secrets = append(secrets, segment)
		}
	}

	return append(secrets, URLPassword(raw)...)
}

// URLPassword is the password in a URL, in the forms in which it is sent.
func URLPassword(raw string) []string {
	u, err := url.Parse(raw)
	if err != nil {
		return nil
	}
	password, ok := u.User.Password()
	if !ok {
		return nil
	}

	return []string{password, u.User.Username() + ":" + password, u.User.String()}
}
