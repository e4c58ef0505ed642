package app

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"llmwatch/bridge/notify"
	"llmwatch/internal/settings"
)

// loadText loads a configuration file with this in it.
func loadText(t *testing.T, content string) (*Config, *settings.Loaded, error) {
	t.Helper()
	file := filepath.Join(t.TempDir(), "llmwatch.yaml")
	if err := os.WriteFile(file, []byte(content), 0o600); err != nil {
		t.Fatal(err)
	}

	return Load(settings.Input{Command: CommandServe, File: file})
}

const mailAndChannels = `
alerts:
  escalate_after: 15m
  escalate_to: [slack-oncall, boss-mail]
notifications:
  email: {enabled: true, smtp_server: smtp.example.com, from_email: llmwatch@example.com, to_emails: [ops@example.com]}
  channels:
    slack-oncall: {kind: slack, webhook_url_file: %[1]s}
    boss-mail: {kind: email, to_emails: [boss@example.com]}
    archive: {kind: webhook, url: "https://archive.example.com/canary-secret", receives: all}
`

func TestChannelsOfTheirOwnForEscalations(t *testing.T) {
	secret := filepath.Join(t.TempDir(), "webhook")
	if err := os.WriteFile(secret, []byte("https://hooks.slack.com/services/T0/B0/"+canary+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	c, loaded, err := loadText(t, fmt.Sprintf(mailAndChannels, secret))
	if err != nil {
		t.Fatal(err)
	}
	r, err := c.routing(silent)
	if err != nil {
		t.Fatal(err)
	}
	if want := []string{"archive", "email"}; !slices.Equal(r.Policy.Channels, want) {
		t.Errorf("at the start %v are told, want %v", r.Policy.Channels, want)
	}
	if want := []string{"slack-oncall", "boss-mail"}; !slices.Equal(r.Policy.EscalateTo, want) || len(r.Notifiers) != 4 {
		t.Errorf("later %v are told of %d channels, want %v of 4", r.Policy.EscalateTo, len(r.Notifiers), want)
	}
	printed, err := loaded.Print(CommandServe)
	if err != nil || strings.Contains(printed, canary) || !strings.Contains(printed, "boss@example.com") || !strings.Contains(printed, "url: <secret>") {
		t.Errorf("it prints (%v)\n%s", err, printed)
	}
	if value, _ := loaded.Value("notifications.channels"); strings.Contains(value, canary) || !strings.Contains(value, "slack-oncall") {
		t.Errorf("the channels are shown as %q", value)
	}
}

func TestBuiltInChannelsMayReceiveEscalationsOnly(t *testing.T) {
	c := everyChannel()
	c.Notifications.Slack.Receives, c.Alerts.EscalateTo = receivesEscalations, []string{"slack"}
	r, err := c.routing(silent)
	if err != nil || !slices.Equal(r.Policy.Channels, []string{"email", "webhook"}) || len(r.Notifiers) != 3 {
		t.Errorf("routing is %+v (%v)", r, err)
	}
}

func TestChannelsOfTheirOwnNameWhatIsWrong(t *testing.T) {
	for name, tc := range map[string]struct {
		channels map[string]Channel
		escalate []string
		says     string
	}{
		"an unknown kind":     {map[string]Channel{"pager": {Kind: "fax"}}, nil, `notifications.channels.pager.kind must be email, slack or webhook, got "fax"`},
		"a name that is used": {map[string]Channel{"slack": {Kind: "slack", WebhookURL: "https://example.com/x"}}, nil, "notifications.channels.slack.kind"},
		"no recipients":       {map[string]Channel{"boss": {Kind: "email"}}, nil, "notifications.channels.boss.to_emails must hold"},
		"no address":          {map[string]Channel{"oncall": {Kind: "slack"}}, nil, "notifications.channels.oncall.webhook_url must"},
		"a bad address":       {map[string]Channel{"hook": {Kind: "webhook", URL: canary}}, nil, "notifications.channels.hook.url must"},
		"what it receives":    {map[string]Channel{"hook": {Kind: "webhook", URL: "https://example.com", Receives: "some"}}, nil, "notifications.channels.hook.receives must be all or escalations"},
		"both file and value": {
			map[string]Channel{"hook": {Kind: "webhook", URL: "https://example.com", URLFile: "x"}}, nil, "notifications.channels.hook.url_file must not be given beside url",
		},
		"a channel that is not there": {nil, []string{"pager"}, "alerts.escalate_to"},
		"one that nobody names": {
			map[string]Channel{"hook": {Kind: "webhook", URL: "https://example.com", Receives: "escalations"}}, nil, "must name hook",
		},
	} {
		t.Run(name, func(t *testing.T) {
			c := everyChannel()
			c.Notifications.Channels, c.Alerts.EscalateTo = tc.channels, tc.escalate
			expectRefusal(t, c.check(), []string{tc.says})
		})
	}
	c := everyChannel()
	c.Notifications.Email.Enabled, c.Notifications.Slack.Enabled, c.Notifications.Webhook.URL = false, false, ""
	c.Notifications.Channels = map[string]Channel{"hook": {Kind: "webhook", URL: "https://example.com"}}
	c.Alerts.EscalateTo = []string{"hook"}
	expectRefusal(t, c.check(), []string{"must leave a channel that is told of all alerts"})
	c.Alerts.EscalateTo = nil
	c.Notifications.Channels["hook"] = Channel{Kind: "webhook", URLFile: filepath.Join(t.TempDir(), "none"), URL: notify.Secret("")}
	if _, err := c.routing(silent); err == nil || !strings.Contains(err.Error(), "notifications.channels.hook.url_file must name a file that can be read") {
		t.Errorf("a file that is not there: %v", err)
	}
	if _, _, err := loadText(t, "notifications: {channels: {hook: {kind: webhook, colour: x}}}"); err == nil || !strings.Contains(err.Error(), `got "colour" in line 1`) {
		t.Errorf("an unknown key: %v", err)
	}
}
