package webhook

import (
	"errors"
	"fmt"
	"maps"
	"net/http"
	"net/textproto"
	"net/url"
	"slices"
	"strings"
	"time"

	"golang.org/x/net/http/httpguts"

	"llmwatch/bridge/notify"
)

// Config says where payloads go and how they are vouched for.
type Config struct {
	// URL is where to post. It may hold a token and is a secret as a whole.
	URL notify.Secret `yaml:"url" flag:"webhook-url" secret:"flag" help:"Address to post to."`
	// Secret signs each body: X-Llmwatch-Signature is "sha256=" and the
	// hexadecimal HMAC-SHA256 of the body with it.
	Secret notify.Secret `yaml:"secret" flag:"webhook-secret" secret:"true" help:"Key that signs each body: X-Llmwatch-Signature is sha256= and the HMAC-SHA256 in hexadecimal."`
	// BearerToken, or Username and Password, go into the Authorization header.
	BearerToken notify.Secret `yaml:"bearer_token" secret:"true" help:"Token for the Authorization header."`
	Username    string        `yaml:"username" help:"Login for the Authorization header, instead of a token."`
	Password    notify.Secret `yaml:"password" secret:"true" help:"Its password."`
	// Headers are sent as well. Their values are taken for secrets.
	Headers map[string]notify.Secret `yaml:"headers" secret:"true" help:"Further headers."`
	// ExternalURL is llmwatch's own address for the payload's externalURL.
	ExternalURL string `yaml:"external_url" help:"llmwatch's own address in the payload; server.external_url unless given."`
	// MaxAlerts is how many alerts one payload holds at most; truncatedAlerts
	// tells of the others.
	MaxAlerts int `yaml:"max_alerts" min:"1" help:"How many alerts one payload holds at most."`
	// CAFile holds certificate authorities (PEM) that are trusted beside the
	// system's.
	CAFile string `yaml:"ca_file" help:"Certificate authorities (PEM) to trust beside the system's."`
	// Timeout bounds one attempt as a whole.
	Timeout time.Duration `yaml:"timeout" min:"1s" max:"5m" help:"Bounds one attempt to post."`
}

// DefaultConfig allows 1000 alerts in a payload and 15 seconds for each attempt.
func DefaultConfig() Config {
	return Config{MaxAlerts: 1000, Timeout: 15 * time.Second}
}

// reserved headers are set by the notifier itself or by HTTP.
var reserved = map[string]bool{
	"Content-Type": true, "Content-Length": true, "Transfer-Encoding": true, "Host": true, "Connection": true,
	signatureHeader: true, keyHeader: true, kindHeader: true,
}

// Validate names each key that is wrong, and what would be right.
func (c *Config) Validate() error {
	var problems []error
	wrong := func(format string, args ...any) { problems = append(problems, fmt.Errorf(format, args...)) }
	u, err := url.Parse(string(c.URL))
	if err != nil || (u.Scheme != "https" && u.Scheme != "http") || u.Host == "" {
		wrong("url must be an http or https address, such as https://example.com/alerts")
	}
	if c.BearerToken != "" && c.Username != "" {
		wrong("bearer_token and username must not both be set: a request has one Authorization header")
	}
	if (c.Username == "") != (c.Password == "") {
		wrong("username and password must both be set, or neither of them")
	}
	if !httpguts.ValidHeaderFieldValue(string(c.BearerToken)) {
		wrong("bearer_token must not hold control characters such as line breaks")
	}
	for _, name := range slices.Sorted(maps.Keys(c.Headers)) {
		canonical := textproto.CanonicalMIMEHeaderKey(name)
		authorized := canonical == "Authorization" && (c.BearerToken != "" || c.Username != "")
		if !httpguts.ValidHeaderFieldName(name) || reserved[canonical] || authorized {
			wrong("headers must not hold %q: it is not a header name, or it is set otherwise", name)
		}
		if !httpguts.ValidHeaderFieldValue(string(c.Headers[name])) {
			wrong("headers.%s must not hold control characters such as line breaks", name)
		}
	}
	if c.MaxAlerts < 1 {
		wrong("max_alerts must be at least 1, got %d", c.MaxAlerts)
	}
	if c.Timeout <= 0 {
		wrong("timeout must be longer than 0, got %s", c.Timeout)
	}

	return errors.Join(problems...)
}

// header is what every request carries.
func (c *Config) header() http.Header {
	h := http.Header{"Content-Type": {"application/json"}, "User-Agent": {"llmwatch"}}
	for name, value := range c.Headers {
		h.Set(name, string(value))
	}
	switch {
	case c.BearerToken != "":
		h.Set("Authorization", "Bearer "+string(c.BearerToken))
	case c.Username != "":
		h.Set("Authorization", basic(c.Username, string(c.Password)))
	}

	return h
}

// secrets are all texts that must not be shown.
func (c *Config) secrets() []string {
	all := append(notify.URLSecrets(string(c.URL)), string(c.Secret), string(c.BearerToken), string(c.Password))
	if c.Username != "" {
		all = append(all, strings.TrimPrefix(basic(c.Username, string(c.Password)), "Basic "))
	}
	for _, value := range c.Headers {
		all = append(all, string(value))
	}

	return all
}
