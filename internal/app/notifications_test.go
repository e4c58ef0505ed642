package app

import (
	"errors"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"llmwatch/bridge/notify/email"
)

// canary stands where a secret does, and must not come out anywhere.
const canary = "canary-secret"

// everyChannel is configured as it should be.
func everyChannel() Notifications {
	return Notifications{
		EmailEnabled: true, SMTPServer: "smtp.example.com", SMTPTLS: string(email.STARTTLS), SMTPUsername: "llmwatch", SMTPPassword: canary,
		FromEmail: "llmwatch@example.com", ToEmails: []string{"ops@example.com"},
		SlackEnabled: true, SlackWebhookURL: "https://hooks.slack.com/services/T0/B0/" + canary,
		WebhookURL: "https://example.com/" + canary, WebhookSecret: canary,
	}
}

func TestRouting(t *testing.T) {
	n := everyChannel()
	n.MaxPerHour, n.EscalateAfter, n.EscalateTo = 7, Duration(60e9), []string{"slack"}
	r, err := n.routing("http://localhost:5000")
	if err != nil {
		t.Fatal(err)
	}
	want := []string{"email", "slack", "webhook"}
	if got := slices.Sorted(maps.Keys(r.Notifiers)); !slices.Equal(got, want) || !slices.Equal(r.Policy.Channels, want) {
		t.Errorf("the channels are %v and %v, want %v", got, r.Policy.Channels, want)
	}
	if p := r.Policy; p.MaxPerHour != 7 || p.EscalateAfter.Minutes() != 1 || !slices.Equal(p.EscalateTo, n.EscalateTo) || !p.SendResolved {
		t.Errorf("the policy is %+v", p)
	}
}

func TestNothingEnabledTellsNobody(t *testing.T) {
	n := everyChannel()
	n.EmailEnabled, n.SlackEnabled, n.WebhookURL = false, false, ""
	r, err := n.routing("")
	if err != nil || len(r.Notifiers) != 0 || len(r.Policy.Channels) != 0 {
		t.Errorf("routing is %+v (%v)", r, err)
	}
}

func TestRoutingNamesWhatIsWrong(t *testing.T) {
	dir := t.TempDir()
	file := func(name, text string) string {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}

		return path
	}
	empty, full, none := file("empty", " \n"), file("full", canary+"\n"), filepath.Join(dir, "none")
	for name, tc := range map[string]struct {
		spoil func(n *Notifications)
		says  []string
	}{
		"no server":            {func(n *Notifications) { n.SMTPServer = "" }, []string{"email", "smtp_server"}},
		"a server with a port": {func(n *Notifications) { n.SMTPServer = "smtp.example.com:25" }, []string{"email", "smtp_server"}},
		"a port":               {func(n *Notifications) { n.SMTPPort = 70000 }, []string{"email", "smtp_port", "70000"}},
		"a TLS mode":           {func(n *Notifications) { n.SMTPTLS = "ssl" }, []string{"email", "smtp_tls", "starttls, tls or none"}},
		"no TLS mode":          {func(n *Notifications) { n.SMTPTLS = "" }, []string{"email", "smtp_tls"}},
		"a CA file":            {func(n *Notifications) { n.SMTPCAFile = none }, []string{"email", "smtp_ca_file", none}},
		"no sender":            {func(n *Notifications) { n.FromEmail = "" }, []string{"email", "from_email"}},
		"no recipients":        {func(n *Notifications) { n.ToEmails = nil }, []string{"email", "to_emails"}},
		"a bad recipient":      {func(n *Notifications) { n.ToEmails = []string{"ops"} }, []string{"email", "to_emails", `"ops"`}},
		"no password":          {func(n *Notifications) { n.SMTPPassword = "" }, []string{"email", "username and password"}},
		"no user":              {func(n *Notifications) { n.SMTPUsername = "" }, []string{"email", "username and password"}},
		"password twice":       {func(n *Notifications) { n.SMTPPasswordFile = full }, []string{"email", "SMTP_PASSWORD and SMTP_PASSWORD_FILE are both set"}},
		"password: no file": {func(n *Notifications) {
			n.SMTPPassword, n.SMTPPasswordFile = "", none
		}, []string{"email", "SMTP_PASSWORD_FILE", none}},
		"password: an empty file": {func(n *Notifications) {
			n.SMTPPassword, n.SMTPPasswordFile = "", empty
		}, []string{"email", "SMTP_PASSWORD_FILE", empty}},
		"no Slack address": {func(n *Notifications) { n.SlackWebhookURL = "" }, []string{"slack", "webhook_url"}},
		"a Slack address":  {func(n *Notifications) { n.SlackWebhookURL = "ftp://x/" + canary }, []string{"slack", "webhook_url"}},
		"Slack twice":      {func(n *Notifications) { n.SlackWebhookURLFile = full }, []string{"slack", "SLACK_WEBHOOK_URL and SLACK_WEBHOOK_URL_FILE are both set"}},
		"Slack: no file": {func(n *Notifications) {
			n.SlackWebhookURL, n.SlackWebhookURLFile = "", none
		}, []string{"slack", "SLACK_WEBHOOK_URL_FILE", none}},
		"a webhook address":      {func(n *Notifications) { n.WebhookURL = "example.com/" + canary }, []string{"webhook", "url"}},
		"a webhook's bad escape": {func(n *Notifications) { n.WebhookURL = "https://example.com/%zz" + canary }, []string{"webhook", "url"}},
		"webhook secret twice":   {func(n *Notifications) { n.WebhookSecretFile = full }, []string{"webhook", "LLMWATCH_NOTIFICATIONS_WEBHOOK_SECRET and", "_FILE are both set"}},
		"webhook secret: an empty file": {func(n *Notifications) {
			n.WebhookSecret, n.WebhookSecretFile = "", empty
		}, []string{"webhook", "LLMWATCH_NOTIFICATIONS_WEBHOOK_SECRET_FILE", empty}},
		"an unknown channel to escalate to": {func(n *Notifications) {
			n.EscalateTo = []string{"slack", "pager"}
		}, []string{`"pager"`, "LLMWATCH_ALERTS_ESCALATE_TO", "enabled are: email, slack, webhook"}},
		"a channel to escalate to that is off": {func(n *Notifications) {
			n.SlackEnabled, n.EscalateTo = false, []string{"slack"}
		}, []string{`"slack"`, "enabled are: email, webhook"}},
	} {
		t.Run(name, func(t *testing.T) {
			n := everyChannel()
			tc.spoil(&n)
			_, err := n.routing("")
			if _, ok := errors.AsType[*ConfigError](err); !ok {
				t.Fatalf("the error is %T %v, want a *ConfigError", err, err)
			}
			for _, want := range tc.says {
				if !strings.Contains(err.Error(), want) {
					t.Errorf("the error is %q, want also %q", err, want)
				}
			}
			if strings.Contains(err.Error(), canary) {
				t.Errorf("the error tells a secret: %v", err)
			}
		})
	}
}

func TestWhatIsDisabledMayBeWrong(t *testing.T) {
	n := everyChannel()
	n.EmailEnabled, n.SMTPServer, n.SlackEnabled, n.SlackWebhookURL = false, "", false, ""
	if r, err := n.routing(""); err != nil || !slices.Equal(r.Policy.Channels, []string{"webhook"}) {
		t.Errorf("the channels are %v (%v)", r.Policy.Channels, err)
	}
}

func TestSecretFromAFile(t *testing.T) {
	path := filepath.Join(t.TempDir(), "secret")
	if err := os.WriteFile(path, []byte("  "+canary+"\r\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	if got, err := secret("X", "", path); err != nil || string(got) != canary {
		t.Errorf("it is read as %q (%v), want it without the space around it", string(got), err)
	}
	n := everyChannel()
	n.SMTPPassword, n.SMTPPasswordFile = "", path
	n.WebhookSecret, n.WebhookSecretFile = "", path
	if _, err := n.routing(""); err != nil {
		t.Errorf("secrets from files: %v", err)
	}
}
