package slack

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"time"

	"llmwatch/bridge/alert"
	"llmwatch/bridge/notify"
)

// Config says where messages go.
type Config struct {
	// WebhookURL is the address of an incoming webhook. Who knows it can post, so
	// it is a secret as a whole.
	WebhookURL notify.Secret `yaml:"webhook_url" env:"SLACK_WEBHOOK_URL" flag:"slack-webhook-url" secret:"true" help:"Address of the incoming webhook."`
	// CAFile holds certificate authorities (PEM) that are trusted beside the
	// system's, for a proxy that looks into TLS.
	CAFile string `yaml:"ca_file" help:"Certificate authorities (PEM) to trust beside the system's."`
	// Timeout bounds one attempt as a whole.
	Timeout   time.Duration         `yaml:"timeout" min:"1s" max:"5m" help:"Bounds one attempt to post."`
	Templates notify.TemplateConfig `yaml:"-"` // A broken one is not an error; see notify.NewTemplates.
}

// DefaultConfig allows 15 seconds for each attempt.
func DefaultConfig() Config { return Config{Timeout: 15 * time.Second} }

// Validate names each key that is wrong, and what would be right.
func (c *Config) Validate() error {
	var problems []error
	u, err := url.Parse(string(c.WebhookURL))
	if err != nil || (u.Scheme != "https" && u.Scheme != "http") || u.Host == "" {
		problems = append(problems, errors.New("webhook_url must be the address of an incoming webhook, such as https://hooks.slack.com/services/…"))
	}
	if c.Timeout <= 0 {
		problems = append(problems, fmt.Errorf("timeout must be longer than 0, got %s", c.Timeout))
	}

	return errors.Join(problems...)
}

// Notifier posts messages. It is safe for concurrent use.
type Notifier struct {
	config    Config
	client    *http.Client
	templates *notify.Templates
	scrub     notify.Scrubber
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
	templates, err := notify.NewTemplates(c.Templates)
	if err != nil {
		return nil, err
	}

	return &Notifier{
		config: c, client: client, templates: templates,
		scrub: notify.NewScrubber(notify.URLSecrets(string(c.WebhookURL))...),
	}, nil
}

// String names the notifier without secrets.
func (n *Notifier) String() string { return "slack" }

// GoString is String.
func (n *Notifier) GoString() string { return n.String() }

// Notify posts one message; notify.Post says which failures may pass. Slack
// itself does not recognise repetitions.
func (n *Notifier) Notify(ctx context.Context, note alert.Notification, extra alert.Extra) (alert.Result, error) {
	m, templateErrs := compose(n.templates, notify.NewData(note, extra))
	if note.Progress.Short {
		m.Blocks, m.Attachments = nil, nil
	}
	body, err := encode(m)
	if err != nil {
		return alert.Result{}, err
	}
	result, err := notify.Post{
		URL:    n.config.WebhookURL,
		Header: http.Header{"Content-Type": {"application/json; charset=utf-8"}, "User-Agent": {"llmwatch"}},
		Body:   body,
		Scrub:  n.scrub,

		Understand: understand,
	}.Do(ctx, n.client)
	if templateErr := errors.Join(templateErrs...); templateErr != nil {
		result.Text += "; " + n.scrub.Text(templateErr.Error())
	}

	return result, err
}

// The errors that Slack and what is compatible with it name, some with status 200:
// https://docs.slack.dev/messaging/sending-messages-using-incoming-webhooks.
var verdicts = map[string]notify.Verdict{
	"invalid_payload": notify.Unfit, "no_text": notify.Unfit, "too_many_attachments": notify.Unfit, "msg_too_long": notify.Unfit,
	"invalid_blocks": notify.Unfit, "invalid_blocks_format": notify.Unfit, "invalid_attachments": notify.Unfit,
	"no_service": notify.Gone, "no_service_id": notify.Gone, "no_active_hooks": notify.Gone, "no_team": notify.Gone, "team_disabled": notify.Gone,
	"invalid_token": notify.Gone, "user_not_found": notify.Gone, "channel_not_found": notify.Gone, "channel_is_archived": notify.Gone,
	"action_prohibited": notify.Gone, "posting_to_general_channel_denied": notify.Gone,
	"rate_limited": notify.Later, "ratelimited": notify.Later, "rollup_error": notify.Later,
}

// understand finds an error in the words of an answer: the bare name of one, or
// {"ok": false, "error": NAME} as Slack's other interfaces have it.
func understand(words string) notify.Verdict {
	var answer struct {
		OK    *bool  `json:"ok"`
		Error string `json:"error"`
	}
	name := strings.TrimSpace(words)
	if json.Unmarshal([]byte(words), &answer) == nil && answer.OK != nil && !*answer.OK {
		if v, known := verdicts[answer.Error]; known {
			return v
		}

		return notify.Unfit
	}

	return verdicts[name]
}

// encode leaves < and > as Slack documents them.
func encode(m message) ([]byte, error) {
	var body bytes.Buffer
	e := json.NewEncoder(&body)
	e.SetEscapeHTML(false)
	if err := e.Encode(m); err != nil {
		return nil, fmt.Errorf("encode message: %w", err)
	}

	return body.Bytes(), nil
}
