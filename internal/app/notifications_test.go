package app

import (
	"errors"
	"log/slog"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"llmwatch/bridge/notify"
	"llmwatch/bridge/notify/email"
)

// canary stands where a secret does, and must not come out anywhere.
const canary = "canary-secret"

// everyChannel is configured as it should be.
func everyChannel() *Config {
	c := DefaultConfig(CommandServe)
	mail, hook := &c.Notifications.Email, &c.Notifications.Webhook
	mail.Enabled, mail.SMTPServer, mail.Username, mail.Password = true, "smtp.example.com", "llmwatch", canary
	mail.FromEmail, mail.ToEmails = "llmwatch@example.com", []string{"ops@example.com"}
	c.Notifications.Slack.Enabled, c.Notifications.Slack.WebhookURL = true, "https://hooks.slack.com/services/T0/B0/"+canary
	hook.URL, hook.Secret = "https://example.com/"+canary, canary

	return &c
}

func TestRouting(t *testing.T) {
	c := everyChannel()
	c.Alerts.MaxAlertsPerHour, c.Alerts.EscalateAfter, c.Alerts.EscalateTo = 7, time.Minute, []string{"slack"}
	r, err := c.routing(silent)
	if err != nil {
		t.Fatal(err)
	}
	want := []string{"email", "slack", "webhook"}
	if got := slices.Sorted(maps.Keys(r.Notifiers)); !slices.Equal(got, want) || !slices.Equal(r.Policy.Channels, want) {
		t.Errorf("the channels are %v and %v, want %v", got, r.Policy.Channels, want)
	}
	if p := r.Policy; p.MaxPerHour != 7 || p.EscalateAfter != time.Minute || !slices.Equal(p.EscalateTo, []string{"slack"}) || !p.SendResolved {
		t.Errorf("the policy is %+v", p)
	}

	c.Alerts.RateLimiting, c.Alerts.SendResolved = false, false
	if r, err = c.routing(silent); err != nil || r.Policy.MaxPerHour != 0 || r.Policy.SendResolved {
		t.Errorf("without rate limit and resolutions the policy is %+v (%v)", r.Policy, err)
	}
}

func TestNothingEnabledTellsNobody(t *testing.T) {
	c := everyChannel()
	c.Notifications.Email.Enabled, c.Notifications.Slack.Enabled, c.Notifications.Webhook.URL = false, false, ""
	r, err := c.routing(silent)
	if err != nil || len(r.Notifiers) != 0 || len(r.Policy.Channels) != 0 {
		t.Errorf("routing is %+v (%v)", r, err)
	}
}

func TestChannelsNameWhatIsWrong(t *testing.T) {
	for name, tc := range map[string]struct {
		spoil func(*Notifications)
		says  []string
	}{
		"no server":              {func(n *Notifications) { n.Email.SMTPServer = "" }, []string{"notifications.email.smtp_server (SMTP_SERVER, --smtp-server) must"}},
		"a server with a port":   {func(n *Notifications) { n.Email.SMTPServer = "smtp.example.com:25" }, []string{"notifications.email.smtp_server"}},
		"a port":                 {func(n *Notifications) { n.Email.SMTPPort = 70000 }, []string{"notifications.email.smtp_port", "from 0 to 65535", "70000"}},
		"a TLS mode":             {func(n *Notifications) { n.Email.SMTPTLS = "ssl" }, []string{"notifications.email.smtp_tls", "starttls, tls or none"}},
		"no TLS mode":            {func(n *Notifications) { n.Email.SMTPTLS = "" }, []string{"notifications.email.smtp_tls"}},
		"no sender":              {func(n *Notifications) { n.Email.FromEmail = "" }, []string{"notifications.email.from_email"}},
		"no recipients":          {func(n *Notifications) { n.Email.ToEmails = nil }, []string{"notifications.email.to_emails"}},
		"a bad recipient":        {func(n *Notifications) { n.Email.ToEmails = []string{"ops"} }, []string{"notifications.email.to_emails", `"ops"`}},
		"no password":            {func(n *Notifications) { n.Email.Password = "" }, []string{"notifications.email.smtp_username", "and smtp_password"}},
		"no user":                {func(n *Notifications) { n.Email.Username = "" }, []string{"notifications.email.smtp_username"}},
		"no Slack address":       {func(n *Notifications) { n.Slack.WebhookURL = "" }, []string{"notifications.slack.webhook_url (SLACK_WEBHOOK_URL) must"}},
		"a Slack address":        {func(n *Notifications) { n.Slack.WebhookURL = "ftp://x/" + canary }, []string{"notifications.slack.webhook_url"}},
		"a webhook address":      {func(n *Notifications) { n.Webhook.URL = "example.com/" + canary }, []string{"notifications.webhook.url"}},
		"a webhook's bad escape": {func(n *Notifications) { n.Webhook.URL = "https://example.com/%zz" + canary }, []string{"notifications.webhook.url"}},
		"a header": {func(n *Notifications) {
			n.Webhook.Headers = map[string]notify.Secret{"X-Bad": canary + "\n"}
		}, []string{"notifications.webhook.headers.X-Bad must"}},
		"everything at once": {func(n *Notifications) {
			n.Email.Config, n.Slack.WebhookURL, n.Webhook.URL = email.Config{Password: canary}, "x", "x"
		}, []string{"smtp_server", "smtp_tls", "smtp_username", "from_email", "to_emails", "slack.webhook_url", "webhook.url"}},
	} {
		t.Run(name, func(t *testing.T) {
			c := everyChannel()
			tc.spoil(&c.Notifications)
			expectRefusal(t, c.check(), tc.says)
		})
	}
}

// expectRefusal expects a *ConfigError that says these things and no secret.
func expectRefusal(t *testing.T, err error, says []string) {
	t.Helper()

	if _, ok := errors.AsType[*ConfigError](err); !ok {
		t.Fatalf("the error is %T %v, want a *ConfigError", err, err)
	}
	for _, want := range says {
		if !strings.Contains(err.Error(), want) {
			t.Errorf("the error is %q, want also %q", err, want)
		}
	}
	if strings.Contains(err.Error(), canary) {
		t.Errorf("the error tells a secret: %v", err)
	}
}

func TestCertificatesThatAreNotThere(t *testing.T) {
	none := filepath.Join(t.TempDir(), "none")
	for key, spoil := range map[string]func(*Notifications){
		"notifications.email.smtp_ca_file": func(n *Notifications) { n.Email.SMTPCAFile = none },
		"notifications.slack.ca_file":      func(n *Notifications) { n.Slack.CAFile = none },
		"notifications.webhook.ca_file":    func(n *Notifications) { n.Webhook.CAFile = none },
	} {
		c := everyChannel()
		spoil(&c.Notifications)
		expectRefusal(t, c.Check(), []string{key, none})
	}
}

func TestEscalationNamesEnabledChannels(t *testing.T) {
	c := everyChannel()
	c.Alerts.EscalateTo = []string{"slack", "pager"}
	expectConfigError(t, "an unknown channel", c.check(),
		`alerts.escalate_to (LLMWATCH_ALERTS_ESCALATE_TO, --escalate-to) must name enabled channels (email, slack, webhook), got "pager"`)
	c.Notifications.Slack.Enabled, c.Alerts.EscalateTo = false, []string{"slack"}
	expectConfigError(t, "a channel that is off", c.check(),
		`alerts.escalate_to (LLMWATCH_ALERTS_ESCALATE_TO, --escalate-to) must name enabled channels (email, webhook), got "slack"`)
}

func TestWhatIsDisabledMayBeWrong(t *testing.T) {
	c := everyChannel()
	c.Notifications.Email.Enabled, c.Notifications.Email.SMTPServer = false, ""
	c.Notifications.Slack.Enabled, c.Notifications.Slack.WebhookURL = false, ""
	if err := c.check(); err != nil {
		t.Error(err)
	}
	if r, err := c.routing(silent); err != nil || !slices.Equal(r.Policy.Channels, []string{"webhook"}) {
		t.Errorf("the channels are %v (%v)", r.Policy.Channels, err)
	}
}

func TestABrokenTemplateIsReportedAndStopsNobody(t *testing.T) {
	c := everyChannel()
	c.Notifications.TemplatesDir = t.TempDir()
	if err := os.WriteFile(filepath.Join(c.Notifications.TemplatesDir, "slack.tmpl"), []byte("{{.Nothing}}"), 0o600); err != nil {
		t.Fatal(err)
	}
	var log strings.Builder
	r, err := c.routing(slog.New(slog.NewTextHandler(&log, nil)))
	if err != nil || len(r.Notifiers) != 3 {
		t.Errorf("there are %d notifiers (%v), want 3", len(r.Notifiers), err)
	}
	if got := log.String(); !strings.Contains(got, "level=ERROR") || !strings.Contains(got, "templates.slack must be a valid template") {
		t.Errorf("it logs %q", got)
	}
}
