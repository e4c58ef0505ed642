package webhook

import (
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"fmt"
	"net/http"
	"strings"

	"llmwatch/bridge/alert"
	"llmwatch/bridge/notify"
)

// Headers that say what the payload has no place for: who sent it, which
// notification it is, in each attempt the same, and its kind.
const (
	signatureHeader = "X-Llmwatch-Signature"
	keyHeader       = "Idempotency-Key"
	kindHeader      = "X-Llmwatch-Kind"
)

// Notifier posts payloads. It is safe for concurrent use.
type Notifier struct {
	config Config
	client *http.Client
	scrub  notify.Scrubber
}

var _ alert.Notifier = (*Notifier)(nil)

// New checks the configuration and reads the CA file.
func New(c Config) (*Notifier, error) {
	if err := c.Validate(); err != nil {
		return nil, err
	}
	client, err := notify.NewClient(c.CAFile, c.Timeout)
	if err != nil {
		return nil, fmt.Errorf("ca_file: %w", err)
	}

	return &Notifier{config: c, client: client, scrub: notify.NewScrubber(c.secrets()...)}, nil
}

// String names the notifier without secrets.
func (n *Notifier) String() string { return "webhook" }

// GoString is String.
func (n *Notifier) GoString() string { return n.String() }

// Notify posts one payload; notify.Post says which failures may pass.
func (n *Notifier) Notify(ctx context.Context, note alert.Notification, _ alert.Extra) (alert.Result, error) {
	body, err := encode(note, &n.config)
	if err != nil {
		return alert.Result{}, err
	}
	header := n.config.header()
	header.Set(keyHeader, headerValue(note.Key))
	header.Set(kindHeader, string(note.Kind))
	if n.config.Secret != "" {
		header.Set(signatureHeader, sign(n.config.Secret, body))
	}

	return notify.Post{URL: n.config.URL, Header: header, Body: body, Scrub: n.scrub}.Do(ctx, n.client)
}

func sign(secret notify.Secret, body []byte) string {
	mac := hmac.New(sha256.New, []byte(secret))
	mac.Write(body)

	return "sha256=" + hex.EncodeToString(mac.Sum(nil))
}

// maxKey is longer than the key of any ordinary alert, in bytes.
const maxKey = 200

// headerValue is the key, or its hash where a header cannot hold it.
func headerValue(key string) string {
	unfit := func(r rune) bool { return r <= ' ' || r >= 0x7f }
	if len(key) > maxKey || strings.ContainsFunc(key, unfit) {
		sum := sha256.Sum256([]byte(key))

		return "sha256-" + hex.EncodeToString(sum[:])
	}

	return key
}

func basic(username, password string) string {
	return "Basic " + base64.StdEncoding.EncodeToString([]byte(username+":"+password))
}
