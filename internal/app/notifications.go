package app

import (
	"errors"
	"fmt"
	"os"
	"strings"
	"time"

	"llmwatch/bridge/alert"
	"llmwatch/bridge/notify"
	"llmwatch/bridge/notify/email"
	"llmwatch/bridge/notify/slack"
	"llmwatch/bridge/notify/webhook"
)

// The names of the notification channels.
const (
	channelEmail   = "email"
	channelSlack   = "slack"
	channelWebhook = "webhook"
)

// Notifications says who is told of alerts, and how often.
type Notifications struct {
	// Cooldown is the shortest time between two notifications of one alert,
	// unless its rule says otherwise.
	Cooldown Duration
	// MaxPerHour bounds the notifications in any hour, 0 for no bound; what
	// exceeds it is gathered in a digest.
	MaxPerHour int
	// EscalateAfter is how long an alert may stay unacknowledged until the
	// channels EscalateTo are told too; 0 is for ever.
	EscalateAfter Duration
	EscalateTo    []string

	EmailEnabled     bool
	SMTPServer       string
	SMTPPort         int
	SMTPTLS          string
	SMTPCAFile       string
	SMTPUsername     string
	SMTPPassword     string
	SMTPPasswordFile string
	FromEmail        string
	ToEmails         []string

	SlackEnabled        bool
	SlackWebhookURL     string
	SlackWebhookURLFile string

	WebhookURL        string
	WebhookSecret     string
	WebhookSecretFile string
}

// routing makes the notifiers. What is wrong is a *ConfigError that names the
// channel and the key.
func (n *Notifications) routing(externalURL string) (alert.Routing, error) {
	r := alert.Routing{
		Policy: alert.Policy{
			MaxPerHour:    n.MaxPerHour,
			EscalateAfter: time.Duration(n.EscalateAfter),
			EscalateTo:    n.EscalateTo,
			SendResolved:  true,
		},
		Notifiers: map[string]alert.Notifier{},
	}
	for _, channel := range []struct {
		name    string
		enabled bool
		make    func() (alert.Notifier, error)
	}{
		{channelEmail, n.EmailEnabled, n.email},
		{channelSlack, n.SlackEnabled, n.slack},
		{channelWebhook, n.WebhookURL != "", func() (alert.Notifier, error) { return n.webhook(externalURL) }},
	} {
		if !channel.enabled {
			continue
		}
		notifier, err := channel.make()
		if err != nil {
			return alert.Routing{}, configErrorf("notifications by %s: %w", channel.name, err)
		}
		r.Notifiers[channel.name] = notifier
		r.Policy.Channels = append(r.Policy.Channels, channel.name)
	}
	for _, name := range n.EscalateTo {
		if r.Notifiers[name] == nil {
			return alert.Routing{}, configErrorf("escalation (LLMWATCH_ALERTS_ESCALATE_TO, --escalate-to) names channel %q, which is not enabled; enabled are: %s",
				name, strings.Join(r.Policy.Channels, ", "))
		}
	}

	return r, nil
}

func (n *Notifications) email() (alert.Notifier, error) {
	password, err := secret("SMTP_PASSWORD", n.SMTPPassword, n.SMTPPasswordFile)
	if err != nil {
		return nil, err
	}
	cfg := email.DefaultConfig()
	cfg.SMTPServer, cfg.SMTPPort, cfg.SMTPTLS, cfg.SMTPCAFile = n.SMTPServer, n.SMTPPort, email.TLS(n.SMTPTLS), n.SMTPCAFile
	cfg.Username, cfg.Password, cfg.FromEmail, cfg.ToEmails = n.SMTPUsername, password, n.FromEmail, n.ToEmails

	return email.New(cfg)
}

func (n *Notifications) slack() (alert.Notifier, error) {
	url, err := secret("SLACK_WEBHOOK_URL", n.SlackWebhookURL, n.SlackWebhookURLFile)
	if err != nil {
		return nil, err
	}
	cfg := slack.DefaultConfig()
	cfg.WebhookURL = url

	return slack.New(cfg)
}

func (n *Notifications) webhook(externalURL string) (alert.Notifier, error) {
	key, err := secret("LLMWATCH_NOTIFICATIONS_WEBHOOK_SECRET", n.WebhookSecret, n.WebhookSecretFile)
	if err != nil {
		return nil, err
	}
	cfg := webhook.DefaultConfig()
	cfg.URL, cfg.Secret, cfg.ExternalURL = notify.Secret(n.WebhookURL), key, externalURL

	return webhook.New(cfg)
}

// secret reads a secret from its variable or from a file.
func secret(name, value, file string) (notify.Secret, error) {
	if file == "" {
		return notify.Secret(value), nil
	}
	if value != "" {
		return "", fmt.Errorf("%[1]s and %[1]s_FILE are both set; set one of them", name)
	}
	text, err := os.ReadFile(file)
	if err != nil {
		return "", fmt.Errorf("reading %s_FILE: %w", name, err)
	}
	if text := strings.TrimSpace(string(text)); text != "" {
		return notify.Secret(text), nil
	}

	return "", errors.New(name + "_FILE names an empty file: " + file)
}
