package app

import (
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"llmwatch/bridge"
	"llmwatch/bridge/alert"
	"llmwatch/bridge/alert/sqlite"
	"llmwatch/bridge/notify"
)

// channelsOf asks a program how its notification channels are.
func channelsOf(t *testing.T, base string) (channels map[string]channelView, pending int, lastError, body string) {
	t.Helper()

	_, body = get(t, base+bridge.Base+"/status")
	var answer struct {
		Data []struct {
			Name      string
			LastError string `json:"last_error"`
			Details   struct {
				Channels []channelView
				Pending  int
			}
		}
	}
	if err := json.Unmarshal([]byte(body), &answer); err != nil {
		t.Fatalf("%v: %s", err, body)
	}
	for _, c := range answer.Data {
		if c.Name != "notifications" {
			continue
		}
		channels = map[string]channelView{}
		for _, channel := range c.Details.Channels {
			channels[channel.Name] = channel
		}

		return channels, c.Details.Pending, c.LastError, body
	}
	t.Fatalf("/status does not tell of notifications: %s", body)

	return nil, 0, "", ""
}

func TestStatusTellsHowTheChannelsAre(t *testing.T) {
	cfg := listening(CommandBridge)
	cfg.Prometheus.URL, cfg.Server.DataDir = "http://"+busy(t), t.TempDir()
	store, err := sqlite.Open(t.Context(), filepath.Join(cfg.Server.DataDir, DatabaseFile))
	if err != nil {
		t.Fatal(err)
	}
	earlier := time.Now().Add(-time.Hour).UTC().Truncate(time.Millisecond)
	err = store.Commit(t.Context(), alert.Changes{
		Events: []alert.Event{
			{AlertID: "a", At: earlier, Kind: alert.EventDelivered, Channel: channelEmail, Text: "firing: 250 queued"},
			{AlertID: "a", At: earlier.Add(time.Minute), Kind: alert.EventAttempt, Channel: channelEmail, Text: "resolved: 421 not now"},
		},
		Notifications: []alert.Notification{{Key: "k", Channel: "pager", Kind: alert.KindFiring, OwedAt: time.Now()}}, // It is gone.
	})
	if err := store.Close(); err != nil {
		t.Fatal(err)
	}
	if err != nil {
		t.Fatal(err)
	}
	answer := http.StatusBadRequest
	hook := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(answer) }))
	defer hook.Close()
	cfg.Notifications.Webhook.URL = notify.Secret(hook.URL + "/" + canary)
	cfg.Notifications.Email.Enabled, cfg.Notifications.Email.SMTPServer, cfg.Notifications.Email.SMTPPort = true, "127.0.0.1", 1
	cfg.Notifications.Email.FromEmail, cfg.Notifications.Email.ToEmails = "llmwatch@example.com", []string{"ops@example.com"}
	a, err := NewBridge(*cfg, silent)
	base := serving(t, a, err)
	if _, err := a.Reload(t.Context()); err != nil { // It waits until everything runs.
		t.Fatal(err)
	}

	var channels map[string]channelView
	var pending int
	var lastError string
	for channels[channelEmail].LastFailed.IsZero() { // It is recalled soon after the start.
		channels, pending, lastError, _ = channelsOf(t, base)
	}
	mail := channels[channelEmail]
	if len(channels) != 2 || pending != 1 || !mail.LastAccepted.Equal(earlier) || !mail.LastFailed.Equal(earlier.Add(time.Minute)) || mail.LastError != "421 not now" ||
		lastError != "email: 421 not now" || channels[channelWebhook] != (channelView{Name: channelWebhook}) {
		t.Errorf("at first they are %+v, %d pending, %q", channels, pending, lastError)
	}

	before := time.Now().Truncate(time.Millisecond)
	test := func() (channelView, string) {
		if status, body := post(t, base+bridge.Base+"/notifications/test"); status != http.StatusOK {
			t.Fatalf("%d %s", status, body)
		}
		channels, _, lastError, body := channelsOf(t, base)
		for _, private := range []string{canary, hook.URL, "ops@example.com"} {
			if strings.Contains(body, private) {
				t.Errorf("it tells %s: %s", private, body)
			}
		}

		return channels[channelWebhook], lastError
	}
	refused, lastError := test()
	if refused.LastFailed.Before(before) || !refused.LastAccepted.IsZero() || !strings.Contains(refused.LastError, "400") || !strings.Contains(lastError, "webhook: ") {
		t.Errorf("refused, the webhook is %+v, %q", refused, lastError)
	}
	answer = http.StatusOK
	accepted, lastError := test()
	if accepted.LastAccepted.Before(refused.LastFailed.Time) || accepted.LastError != refused.LastError || strings.Contains(lastError, "webhook") {
		t.Errorf("accepted, the webhook is %+v, %q", accepted, lastError)
	}
}
