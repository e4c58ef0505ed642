package app

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"llmwatch/bridge"
	"llmwatch/bridge/alert"
	"llmwatch/bridge/notify"
)

func TestEachDefaultRuleHasItsRunbookInTheBinary(t *testing.T) {
	cfg := listening(CommandBridge)
	cfg.Prometheus.URL, cfg.Server.DataDir = "http://"+busy(t), t.TempDir()
	a, err := NewBridge(*cfg, silent)
	base := serving(t, a, err)
	if _, err := a.Reload(t.Context()); err != nil { // It waits until everything runs.
		t.Fatal(err)
	}
	var rules struct {
		Data []struct {
			Name        string
			Annotations map[string]string
		}
	}
	_, body := get(t, base+bridge.Base+"/rules")
	if err := json.Unmarshal([]byte(body), &rules); err != nil || len(rules.Data) == 0 {
		t.Fatalf("%v: %s", err, body)
	}
	for _, r := range rules.Data {
		link := runbookLink(base, r.Annotations[runbookURL])
		if want := base + "/runbooks/" + r.Name; link != want {
			t.Errorf("%s links to %q, want %s", r.Name, link, want)
		}
		status, body := get(t, base+bridge.Base+"/runbooks/"+r.Name)
		if status != http.StatusOK || !strings.Contains(body, `"title":"`+r.Name+`","markdown":"# `+r.Name) {
			t.Errorf("the runbook of %s is answered with %d %s", r.Name, status, body)
		}
	}
}

func TestRunbookLinks(t *testing.T) {
	for path, want := range map[string]string{
		"docs/runbooks/high_cpu_usage.md":         "https://watch.example.com/base/runbooks/high_cpu_usage",
		"docs/runbooks/mine.md":                   "",
		"docs/runbooks/":                          "",
		"docs/runbooks/.":                         "",
		"docs/runbooks/high_cpu_usage":            "",
		"docs/runbooks/../runbooks/high_cpu.md":   "",
		"docs/runbooks/embed.go":                  "",
		"/docs/runbooks/high_cpu_usage.md":        "",
		"https://example.com/docs/runbooks/x.md":  "",
		"high_cpu_usage":                          "",
		"":                                        "",
		"docs/runbooks/high_cpu_usage.md#what":    "",
		"javascript:docs/runbooks/high_cpu_usage": "",
	} {
		if got := runbookLink("https://watch.example.com/base", path); got != want {
			t.Errorf("%q leads to %q, want %q", path, got, want)
		}
	}
}

// kept is a channel that keeps what it was given.
type kept struct{ got *alert.Notification }

// Notify implements alert.Notifier.
func (k kept) Notify(_ context.Context, n alert.Notification, _ alert.Extra) (alert.Result, error) {
	*k.got = n

	return alert.Result{}, nil
}

func TestMessagesLinkToRunbooks(t *testing.T) {
	posted := map[string]string{}
	receiver := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		if err != nil {
			t.Error(err)
		}
		posted[r.URL.Path] = string(body)
		fmt.Fprint(w, "ok")
	}))
	defer receiver.Close()
	c := DefaultConfig(CommandServe)
	c.Notifications.Slack.Enabled, c.Notifications.Slack.WebhookURL = true, notify.Secret(receiver.URL+"/slack")
	c.Notifications.Webhook.URL = notify.Secret(receiver.URL + "/webhook")
	routing, err := c.routing(silent)
	if err != nil {
		t.Fatal(err)
	}
	var mailed alert.Notification
	routing.Notifiers[channelEmail] = kept{&mailed}
	routing = (&App{externalURL: "https://watch.example.com/base"}).linked(routing)

	const own, others = "https://watch.example.com/base/runbooks/high_cpu_usage", "https://wiki.example.com/disk"
	for annotation, want := range map[string]string{"docs/runbooks/high_cpu_usage.md": own, others: others, "docs/runbooks/mine.md": "docs/runbooks/mine.md"} {
		n := alert.Notification{Key: "k", Kind: alert.KindFiring, OwedAt: time.Now(), Alerts: []alert.Alert{{
			ID: "a_20240115", Name: "a", Severity: alert.High, FiredAt: time.Now(), Annotations: map[string]string{runbookURL: annotation, "summary": "s"},
		}}}
		for name, notifier := range routing.Notifiers {
			if result, err := notifier.Notify(t.Context(), n, alert.Extra{}); err != nil {
				t.Fatalf("%s: %v %v", name, result, err)
			}
		}
		templates, err := notify.NewTemplates(notify.TemplateConfig{})
		if err != nil {
			t.Fatal(err)
		}
		data := notify.NewData(mailed, alert.Extra{})
		text, textErr := templates.Text(data)
		html, htmlErr := templates.HTML(data)
		if textErr != nil || htmlErr != nil {
			t.Fatal(textErr, htmlErr)
		}
		web := strings.HasPrefix(want, "https")
		for channel, body := range map[string]string{
			"text": text, "html": html, "slack": posted["/slack"], "webhook": posted["/webhook"],
		} {
			if !strings.Contains(body, want) {
				t.Errorf("%s: %s does not tell %s: %s", annotation, channel, want, body)
			}
			if strings.Contains(body, "docs/runbooks/high_cpu_usage.md") {
				t.Errorf("%s: %s tells the path: %s", annotation, channel, body)
			}
		}
		if strings.Contains(html, `<a href="`+want+`">`) != web {
			t.Errorf("%s: the mail links wrongly: %s", annotation, html)
		}
		if n.Alerts[0].Annotations[runbookURL] != annotation {
			t.Errorf("what is kept became %q", n.Alerts[0].Annotations[runbookURL])
		}
	}
}
