package app

import (
	"errors"
	"fmt"
	"os"
	"regexp"
	"slices"
	"strings"
	"time"

	"llmwatch/bridge/alert"
	"llmwatch/bridge/notify"
	"llmwatch/bridge/notify/email"
	"llmwatch/bridge/notify/slack"
	"llmwatch/bridge/notify/webhook"
)

// What a channel is told.
const (
	receivesAll         = "all"
	receivesEscalations = "escalations"
)

// Channel is one of notifications.channels. What a mail needs and is not given is
// that of notifications.email; of the others only the bounds of time and the
// templates are shared.
type Channel struct {
	Kind     string `yaml:"kind"`
	Receives string `yaml:"receives"`

	ToEmails  []string `yaml:"to_emails"`
	FromEmail string   `yaml:"from_email"`

	WebhookURL     notify.Secret `yaml:"webhook_url"`
	WebhookURLFile string        `yaml:"webhook_url_file"`

	URL             notify.Secret `yaml:"url"`
	URLFile         string        `yaml:"url_file"`
	Secret          notify.Secret `yaml:"secret"`
	SecretFile      string        `yaml:"secret_file"`
	BearerToken     notify.Secret `yaml:"bearer_token"`
	BearerTokenFile string        `yaml:"bearer_token_file"`

	CAFile  string        `yaml:"ca_file"`
	Timeout time.Duration `yaml:"timeout"`
}

// kinds are what channels have when nothing else is said.
type kinds struct {
	mail email.Config
	chat slack.Config
	hook webhook.Config
}

// channelName is what a channel may be called: it stands in addresses and metrics.
var channelName = regexp.MustCompile(`^[a-z0-9][a-z0-9_-]{0,49}$`)

// validate checks everything but what is in files. Its error begins with a key of
// the channel.
func (c *Channel) validate(name string, n *Notifications) error {
	switch {
	case !channelName.MatchString(name) || slices.Contains([]string{channelEmail, channelSlack, channelWebhook}, name):
		return fmt.Errorf("kind is of a channel whose name must be of a-z, 0-9, - and _, and not email, slack or webhook, got %q", name)
	case c.Receives != "" && c.Receives != receivesAll && c.Receives != receivesEscalations:
		return fmt.Errorf("receives must be all or escalations, got %q", c.Receives)
	}
	given := *c
	for _, secret := range given.secrets() {
		if *secret.file == "" {
			continue
		}
		if *secret.value != "" {
			return fmt.Errorf("%s_file must not be given beside %s", secret.key, secret.key)
		}
		*secret.value, *secret.file = "https://in.a.file", "" // It is looked at when it is read.
	}
	_, err := given.notifier(kinds{n.Email.Config, n.Slack.Config, n.Webhook.Config})

	return err
}

// channelSecret is a secret of a channel, and the file that holds it instead.
type channelSecret struct {
	key   string
	value *notify.Secret
	file  *string
}

func (c *Channel) secrets() []channelSecret {
	return []channelSecret{
		{"webhook_url", &c.WebhookURL, &c.WebhookURLFile},
		{"url", &c.URL, &c.URLFile},
		{"secret", &c.Secret, &c.SecretFile},
		{"bearer_token", &c.BearerToken, &c.BearerTokenFile},
	}
}

// read returns the channel with the secrets of its files.
func (c Channel) read() (Channel, error) {
	for _, secret := range c.secrets() {
		if *secret.file == "" {
			continue
		}
		text, err := os.ReadFile(*secret.file)
		if err != nil {
			return c, fmt.Errorf("%s_file must name a file that can be read: %w", secret.key, err)
		}
		if *secret.value = notify.Secret(strings.TrimSpace(string(text))); *secret.value == "" {
			return c, fmt.Errorf("%s_file must name a file that holds the secret; %s is empty", secret.key, *secret.file)
		}
	}

	return c, nil
}

// notifier makes the channel. Its error begins with a key of the channel.
func (c Channel) notifier(shared kinds) (alert.Notifier, error) {
	c, err := c.read()
	if err != nil {
		return nil, err
	}
	switch c.Kind {
	case channelEmail:
		if shared.mail.SMTPServer == "" {
			return nil, errors.New("kind must not be email unless notifications.email.smtp_server is set")
		}
		mail := shared.mail
		mail.ToEmails = c.ToEmails
		take(&mail.FromEmail, c.FromEmail)
		take(&mail.SMTPCAFile, c.CAFile)
		take(&mail.Timeout, c.Timeout)

		return email.New(mail)
	case channelSlack:
		chat := shared.chat
		chat.WebhookURL = c.WebhookURL
		take(&chat.CAFile, c.CAFile)
		take(&chat.Timeout, c.Timeout)

		return slack.New(chat)
	case channelWebhook:
		hook := webhook.Config{
			URL: c.URL, Secret: c.Secret, BearerToken: c.BearerToken,
			ExternalURL: shared.hook.ExternalURL, MaxAlerts: shared.hook.MaxAlerts, CAFile: shared.hook.CAFile, Timeout: shared.hook.Timeout,
		}
		take(&hook.CAFile, c.CAFile)
		take(&hook.Timeout, c.Timeout)

		return webhook.New(hook)
	default:
		return nil, fmt.Errorf("kind must be email, slack or webhook, got %q", c.Kind)
	}
}

// take replaces a value where another one is given.
func take[T comparable](value *T, given T) {
	var none T
	if given != none {
		*value = given
	}
}
