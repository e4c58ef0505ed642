package app

import (
	"cmp"
	"fmt"
	"log/slog"
	"maps"
	"os"
	"slices"
	"strings"

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

// Notifications says who is told of alerts.
type Notifications struct {
	Email   Email   `yaml:"email" help:"Mail. Needs smtp_server, from_email and to_emails."`
	Slack   Slack   `yaml:"slack" help:"Slack, by an incoming webhook."`
	Webhook Webhook `yaml:"webhook" help:"Alertmanager's webhook payload, version 4, to an address of your own. Enabled by url."`

	TemplatesDir string `yaml:"templates_dir" flag:"templates-dir" help:"Folder with own message templates: subject.tmpl, text.tmpl and html.tmpl for mail, slack.tmpl."`
}

// Validate checks that the folder of templates is there.
func (n *Notifications) Validate() error {
	if n.TemplatesDir == "" {
		return nil
	}
	if info, err := os.Stat(n.TemplatesDir); err != nil || !info.IsDir() {
		return fmt.Errorf("templates_dir must be a folder that exists, got %q", n.TemplatesDir)
	}

	return nil
}

// Email is the channel email.
type Email struct {
	Enabled bool `yaml:"enabled" env:"ENABLE_EMAIL_ALERTS" flag:"email" help:"Send mail."`
	email.Config
}

// Validate checks the channel if it is enabled.
func (e *Email) Validate() error {
	if !e.Enabled {
		return nil
	}

	return e.Config.Validate()
}

// Slack is the channel slack.
type Slack struct {
	Enabled bool `yaml:"enabled" env:"ENABLE_SLACK_ALERTS" flag:"slack" help:"Post to Slack."`
	slack.Config
}

// Validate checks the channel if it is enabled.
func (s *Slack) Validate() error {
	if !s.Enabled {
		return nil
	}

	return s.Config.Validate()
}

// Webhook is the channel webhook.
type Webhook struct {
	webhook.Config
}

// Validate checks the channel if it is enabled.
func (w *Webhook) Validate() error {
	if w.URL == "" {
		return nil
	}

	return w.Config.Validate()
}

func defaultNotifications() Notifications {
	return Notifications{
		Email:   Email{Config: email.DefaultConfig()},
		Slack:   Slack{Config: slack.DefaultConfig()},
		Webhook: Webhook{Config: webhook.DefaultConfig()},
	}
}

// channels are the names of the enabled channels.
func (n *Notifications) channels() []string {
	var names []string
	for name, enabled := range map[string]bool{
		channelEmail: n.Email.Enabled, channelSlack: n.Slack.Enabled, channelWebhook: n.Webhook.URL != "",
	} {
		if enabled {
			names = append(names, name)
		}
	}
	slices.Sort(names)

	return names
}

func (c *Config) checkEscalation() error {
	if c.command == CommandExporter {
		return nil
	}
	channels := c.Notifications.channels()
	for _, name := range c.Alerts.EscalateTo {
		if !slices.Contains(channels, name) {
			return fmt.Errorf("alerts.escalate_to must name enabled channels (%s), got %q", cmp.Or(strings.Join(channels, ", "), "none is enabled"), name)
		}
	}

	return nil
}

// routing makes the notifiers. What is wrong is a *ConfigError that names the
// key; a broken template is only reported.
func (c *Config) routing(logger *slog.Logger) (alert.Routing, error) {
	r := alert.Routing{
		Policy: alert.Policy{
			Channels:      c.Notifications.channels(),
			EscalateAfter: c.Alerts.EscalateAfter,
			EscalateTo:    c.Alerts.EscalateTo,
			SendResolved:  c.Alerts.SendResolved,
		},
		Notifiers: map[string]alert.Notifier{},
	}
	if c.Alerts.RateLimiting {
		r.Policy.MaxPerHour = c.Alerts.MaxAlertsPerHour
	}
	mail, chat, hook := c.Notifications.Email.Config, c.Notifications.Slack.Config, c.Notifications.Webhook.Config
	if dir := c.Notifications.TemplatesDir; dir != "" {
		templates, err := notify.ReadTemplates(dir)
		if err != nil {
			return alert.Routing{}, configErrorf("notifications.templates_dir: %w", err)
		}
		mail.Templates, chat.Templates = templates, templates
		if broken := templates.Check(); broken != nil {
			logger.Error("a message template is broken; the standard one is used", "folder", dir, "err", broken)
		}
	}
	if hook.ExternalURL == "" {
		hook.ExternalURL = c.Server.ExternalURL
	}
	makers := map[string]func() (alert.Notifier, error){
		channelEmail:   func() (alert.Notifier, error) { return email.New(mail) },
		channelSlack:   func() (alert.Notifier, error) { return slack.New(chat) },
		channelWebhook: func() (alert.Notifier, error) { return webhook.New(hook) },
	}
	for _, name := range slices.Sorted(maps.Keys(makers)) {
		if !slices.Contains(r.Policy.Channels, name) {
			continue
		}
		notifier, err := makers[name]()
		if err != nil {
			return alert.Routing{}, configErrorf("notifications.%s.%w", name, err)
		}
		r.Notifiers[name] = notifier
	}

	return r, nil
}
