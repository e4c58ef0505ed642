package app

import (
	"cmp"
	"errors"
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

	// Channels are further ones, by name.
	Channels map[string]Channel `yaml:"channels" help:"Further channels by name: kind (email, slack or webhook), receives (all or escalations) and the keys of that kind."`

	TemplatesDir string `yaml:"templates_dir" flag:"templates-dir" help:"Folder with own message templates: subject.tmpl, text.tmpl and html.tmpl for mail, slack.tmpl."`
}

// Validate checks that the folder of templates is there, and each further channel.
func (n *Notifications) Validate() error {
	var errs []error
	if n.TemplatesDir != "" {
		if info, err := os.Stat(n.TemplatesDir); err != nil || !info.IsDir() {
			errs = append(errs, fmt.Errorf("templates_dir must be a folder that exists, got %q", n.TemplatesDir))
		}
	}
	for _, name := range slices.Sorted(maps.Keys(n.Channels)) {
		channel := n.Channels[name]
		if err := channel.validate(name, n); err != nil {
			errs = append(errs, fmt.Errorf("channels.%s.%w", name, err))
		}
	}

	return errors.Join(errs...)
}

// Email is the channel email.
type Email struct {
	Enabled  bool   `yaml:"enabled" env:"ENABLE_EMAIL_ALERTS" flag:"email" help:"Send mail."`
	Receives string `yaml:"receives" oneof:"all escalations" help:"What is told there: all alerts, or only the escalations that alerts.escalate_to names it for."`
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
	Enabled  bool   `yaml:"enabled" env:"ENABLE_SLACK_ALERTS" flag:"slack" help:"Post to Slack."`
	Receives string `yaml:"receives" oneof:"all escalations" help:"What is told there: all alerts, or only the escalations that alerts.escalate_to names it for."`
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
	Receives string `yaml:"receives" oneof:"all escalations" help:"What is told there: all alerts, or only the escalations that alerts.escalate_to names it for."`
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
		Email:   Email{Receives: receivesAll, Config: email.DefaultConfig()},
		Slack:   Slack{Receives: receivesAll, Config: slack.DefaultConfig()},
		Webhook: Webhook{Receives: receivesAll, Config: webhook.DefaultConfig()},
	}
}

// channels are the names of the enabled channels.
func (n *Notifications) channels() []string { return slices.Sorted(maps.Keys(n.receives())) }

// receives says by the name of each enabled channel what it is told.
func (n *Notifications) receives() map[string]string {
	all := map[string]string{}
	if n.Email.Enabled {
		all[channelEmail] = n.Email.Receives
	}
	if n.Slack.Enabled {
		all[channelSlack] = n.Slack.Receives
	}
	if n.Webhook.URL != "" {
		all[channelWebhook] = n.Webhook.Receives
	}
	for name, c := range n.Channels {
		all[name] = c.Receives
	}

	return all
}

// told are the channels that are told of all alerts. One of notifications.channels
// that does not say what it receives is told of escalations if alerts.escalate_to
// names it, and else of everything.
func (c *Config) told() []string {
	var told []string
	for name, receives := range c.Notifications.receives() {
		if receives == receivesAll || (receives == "" && !slices.Contains(c.Alerts.EscalateTo, name)) {
			told = append(told, name)
		}
	}
	slices.Sort(told)

	return told
}

func (c *Config) checkEscalation() error {
	if c.command == CommandExporter {
		return nil
	}
	channels, told := c.Notifications.channels(), c.told()
	for _, name := range c.Alerts.EscalateTo {
		if !slices.Contains(channels, name) {
			return fmt.Errorf("alerts.escalate_to must name enabled channels (%s), got %q", cmp.Or(strings.Join(channels, ", "), "none is enabled"), name)
		}
	}
	if len(channels) > 0 && len(told) == 0 {
		return fmt.Errorf("alerts.escalate_to must leave a channel that is told of all alerts: %s are told of escalations only", strings.Join(channels, ", "))
	}
	for _, name := range channels {
		if !slices.Contains(told, name) && !slices.Contains(c.Alerts.EscalateTo, name) {
			return fmt.Errorf("alerts.escalate_to must name %s, which is told of escalations only: nothing would ever go there", name)
		}
	}

	return nil
}

// routing makes the notifiers. What is wrong is a *ConfigError that names the
// key; a broken template is only reported.
func (c *Config) routing(logger *slog.Logger) (alert.Routing, error) {
	r := alert.Routing{
		Policy: alert.Policy{
			Channels:      c.told(),
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
	enabled := c.Notifications.channels()
	makers := map[string]func() (alert.Notifier, error){
		channelEmail:   func() (alert.Notifier, error) { return email.New(mail) },
		channelSlack:   func() (alert.Notifier, error) { return slack.New(chat) },
		channelWebhook: func() (alert.Notifier, error) { return webhook.New(hook) },
	}
	for _, name := range slices.Sorted(maps.Keys(makers)) {
		if !slices.Contains(enabled, name) {
			continue
		}
		notifier, err := makers[name]()
		if err != nil {
			return alert.Routing{}, configErrorf("notifications.%s.%w", name, err)
		}
		r.Notifiers[name] = notifier
	}
	for _, name := range slices.Sorted(maps.Keys(c.Notifications.Channels)) {
		channel := c.Notifications.Channels[name]
		notifier, err := channel.notifier(kinds{mail, chat, hook})
		if err != nil {
			return alert.Routing{}, configErrorf("notifications.channels.%s.%w", name, err)
		}
		r.Notifiers[name] = notifier
	}

	return r, nil
}
