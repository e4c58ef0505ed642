package main

import "llmwatch/internal/app"

// alertFlags say who is told of alerts. The secrets among them are better
// given as files or variables: arguments are visible to everyone on the machine.
type alertFlags struct {
	ExternalURL   string       `name:"external-url" env:"LLMWATCH_SERVER_EXTERNAL_URL" help:"How people reach this llmwatch; messages link to it." placeholder:"URL"`
	Cooldown      app.Duration `env:"ALERT_COOLDOWN_PERIOD" default:"1800" help:"Shortest time between two notifications of one alert." placeholder:"TIME"`
	MaxPerHour    int          `name:"max-alerts-per-hour" env:"LLMWATCH_ALERTS_MAX_ALERTS_PER_HOUR" default:"0" help:"Notifications in any hour; the rest comes in a digest. 0 for no bound." placeholder:"N"`
	EscalateAfter app.Duration `env:"LLMWATCH_ALERTS_ESCALATE_AFTER" default:"0" help:"How long an alert may stay unacknowledged; 0 for ever." placeholder:"TIME"`
	EscalateTo    []string     `env:"LLMWATCH_ALERTS_ESCALATE_TO" help:"Channels that are told then." placeholder:"CHANNEL"`

	Email            bool     `env:"ENABLE_EMAIL_ALERTS" help:"Send mail."`
	SMTPServer       string   `name:"smtp-server" env:"SMTP_SERVER" placeholder:"HOST" help:"Mail server."`
	SMTPPort         int      `name:"smtp-port" env:"SMTP_PORT" placeholder:"PORT" help:"Its port; 587, 465 or 25 by --smtp-tls unless given."`
	SMTPTLS          string   `name:"smtp-tls" env:"SMTP_TLS" default:"starttls" placeholder:"MODE" help:"starttls, tls or none."`
	SMTPCAFile       string   `name:"smtp-ca-file" env:"SMTP_CA_FILE" placeholder:"FILE" help:"Certificate authorities to trust beside the system's."`
	SMTPUsername     string   `name:"smtp-username" env:"SMTP_USERNAME" placeholder:"NAME" help:"Login."`
	SMTPPassword     string   `name:"smtp-password" env:"SMTP_PASSWORD" placeholder:"<secret>" hidden:""`
	SMTPPasswordFile string   `name:"smtp-password-file" env:"SMTP_PASSWORD_FILE" placeholder:"FILE" help:"File that holds the password."`
	From             string   `name:"alert-from" env:"ALERT_FROM_EMAIL" placeholder:"ADDRESS" help:"Sender of mail."`
	To               []string `name:"alert-to" env:"ALERT_TO_EMAILS" placeholder:"ADDRESS" help:"Recipients of mail."`

	Slack        bool   `env:"ENABLE_SLACK_ALERTS" help:"Post to Slack."`
	SlackURL     string `name:"slack-webhook-url" env:"SLACK_WEBHOOK_URL" placeholder:"<secret>" hidden:""`
	SlackURLFile string `name:"slack-webhook-url-file" env:"SLACK_WEBHOOK_URL_FILE" placeholder:"FILE" help:"File that holds the address of the incoming webhook."`

	WebhookURL        string `name:"webhook-url" env:"LLMWATCH_NOTIFICATIONS_WEBHOOK_URL" placeholder:"URL" help:"Post Alertmanager's webhook payload there."`
	WebhookSecret     string `name:"webhook-secret" env:"LLMWATCH_NOTIFICATIONS_WEBHOOK_SECRET" placeholder:"<secret>" hidden:""`
	WebhookSecretFile string `name:"webhook-secret-file" env:"LLMWATCH_NOTIFICATIONS_WEBHOOK_SECRET_FILE" placeholder:"FILE" help:"File that holds the key that signs it."`
}

func (f *alertFlags) notifications() app.Notifications {
	return app.Notifications{
		Cooldown: f.Cooldown, MaxPerHour: f.MaxPerHour, EscalateAfter: f.EscalateAfter, EscalateTo: f.EscalateTo,
		EmailEnabled: f.Email, SMTPServer: f.SMTPServer, SMTPPort: f.SMTPPort, SMTPTLS: f.SMTPTLS, SMTPCAFile: f.SMTPCAFile,
		SMTPUsername: f.SMTPUsername, SMTPPassword: f.SMTPPassword, SMTPPasswordFile: f.SMTPPasswordFile,
		FromEmail: f.From, ToEmails: f.To,
		SlackEnabled: f.Slack, SlackWebhookURL: f.SlackURL, SlackWebhookURLFile: f.SlackURLFile,
		WebhookURL: f.WebhookURL, WebhookSecret: f.WebhookSecret, WebhookSecretFile: f.WebhookSecretFile,
	}
}
