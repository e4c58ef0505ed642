package logship

import (
	"net/http"
	"net/url"
	"strings"
	"unsafe"
)

// Redacted is what a secret becomes.
const Redacted = "[REDACTED]"

// redactedJSON is Redacted as a JSON string.
const redactedJSON = `"` + Redacted + `"`

// Redactor finds secrets by the keys that they are under and by what they look
// like, and replaces them by [Redacted]. Redacting twice changes nothing more,
// takes time linear in the input, and returns at most four times its length and
// 16 bytes. A Redactor is safe for concurrent use; get one from [NewRedactor].
type Redactor struct {
	extra    []string
	verdicts *cache[bool]
}

// NewRedactor returns a Redactor for the documented names (password, api_key,
// token, secret, authorization, credit_card, ssn, social_security, private_key,
// and their like) and for further ones. All are found without regard to case and
// separators, and in compounds such as db_password and accessToken. What merely
// counts or describes is left: max_tokens, token_count, password_length.
func NewRedactor(names ...string) *Redactor {
	r := &Redactor{verdicts: &cache[bool]{}}
	for _, name := range names {
		if joined := strings.Join(keyWords(name), ""); joined != "" {
			r.extra = append(r.extra, joined)
		}
	}

	return r
}

// Sensitive tells whether what is under key is a secret. It remembers keys and
// costs a few nanoseconds.
func (r *Redactor) Sensitive(key string) bool {
	if key == "" {
		return false
	}
	if len(key) > maxKeyBytes {
		key = key[len(key)-maxKeyBytes:]
	}
	known, hash := r.verdicts.find(key)
	if known != nil {
		return *known
	}
	sensitive := isSensitiveKey(key, r.extra)
	r.verdicts.store(hash, key, sensitive)

	return sensitive
}

// String replaces the secrets in a text, which it returns itself when there are
// none. Secrets are what follows Bearer and Basic, card numbers of a known issuer
// with a right check digit, API keys and tokens of known form, private keys in
// PEM, passwords in URLs, and values assigned to a sensitive key (password=x, or
// as JSON).
func (r *Redactor) String(s string) string {
	if _, suspicious := classify(s); !suspicious {
		return s
	}

	once := r.scan(s)
	if once == s {
		return s
	}

	return r.scan(once) // One secret can hide another: ://token=a&:b@ has a password, too.
}

// scan is String for a text that could hold a secret.
func (r *Redactor) scan(s string) string {
	at, ok := r.next(s, 0)
	if !ok {
		return s
	}
	var b strings.Builder
	b.Grow(len(s) + len(Redacted))
	from := 0
	for ; ok; at, ok = r.next(s, from) {
		b.WriteString(s[from:at.start])
		b.WriteString(at.quote)
		b.WriteString(Redacted)
		b.WriteString(at.quote)
		from = at.end
	}
	b.WriteString(s[from:])

	return b.String()
}

// Header returns the value to log of a header. Cookies are secrets too.
func (r *Redactor) Header(name, value string) string {
	if r.Sensitive(name) {
		return Redacted
	}

	return r.String(value)
}

// Headers returns a copy with the secrets replaced.
func (r *Redactor) Headers(h http.Header) http.Header {
	clean := make(http.Header, len(h))
	for name, values := range h {
		copied := make([]string, len(values))
		for i, value := range values {
			copied[i] = r.Header(name, value)
		}
		clean[name] = copied
	}

	return clean
}

// Form replaces the secrets in a query or a body of the form
// application/x-www-form-urlencoded. What is not sensitive stays as it was.
func (r *Redactor) Form(s string) string {
	var b strings.Builder
	for pair := range splitAfterAny(s, "&;") {
		text := strings.TrimRight(pair, "&;")
		key, value, found := strings.Cut(text, "=")
		plain := unescaped(value)
		key = r.String(key)
		b.WriteString(key)
		if found {
			b.WriteByte('=')
		}
		if plain != "" && plain != Redacted && (r.Sensitive(unescaped(key)) || r.String(plain) != plain) {
			value = Redacted
		}
		b.WriteString(value)
		b.WriteString(pair[len(text):])
	}

	return b.String()
}

// URL replaces the secrets in a URL: the password before the host, and those in
// the query and the fragment.
func (r *Redactor) URL(s string) string {
	i := strings.IndexAny(s, "?#")
	if i < 0 {
		return r.String(s)
	}

	return r.String(s[:i]) + s[i:i+1] + r.Form(s[i+1:])
}

func unescaped(s string) string {
	if plain, err := url.QueryUnescape(s); err == nil {
		return plain
	}

	return s
}

// splitAfterAny yields the parts of s, each with the separators behind it.
func splitAfterAny(s, separators string) func(yield func(string) bool) {
	return func(yield func(string) bool) {
		for s != "" {
			end := strings.IndexAny(s, separators)
			if end < 0 {
				end = len(s)
			}
			for end < len(s) && strings.IndexByte(separators, s[end]) >= 0 {
				end++
			}
			if !yield(s[:end]) {
				return
			}
			s = s[end:]
		}
	}
}

// viewString returns b as a string without a copy. The string must not outlive
// the call that the bytes were passed to.
func viewString(b []byte) string { return unsafe.String(unsafe.SliceData(b), len(b)) }
