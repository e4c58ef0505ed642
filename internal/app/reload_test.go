package app

import (
	"encoding/json"
	"errors"
	"io"
	"log/slog"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"llmwatch/bridge"
)

// outside is a configuration as it is outside the program, and the level that
// the program logs at.
type outside struct {
	mu    sync.Mutex
	next  Config
	err   error
	level slog.Level
}

func (o *outside) read() (*Config, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	next := o.next

	return &next, o.err
}

func (o *outside) SetLevel(level slog.Level) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.level = level
}

// change changes what is outside.
func (o *outside) change(f func(o *outside)) {
	o.mu.Lock()
	defer o.mu.Unlock()
	f(o)
}

// reload posts to a program and returns what it answers.
func reload(t *testing.T, base string) (status int, changed, restart []string, text string) {
	t.Helper()

	resp, err := client.Post(base+ReloadPath, "", http.NoBody)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	var answer struct {
		Data struct {
			Changed       []string
			RestartNeeded []string `json:"restart_needed"`
		}
	}
	if err := json.Unmarshal(body, &answer); err != nil {
		t.Fatalf("%v: %s", err, body)
	}

	return resp.StatusCode, answer.Data.Changed, answer.Data.RestartNeeded, string(body)
}

// metric finds the value of a series in what is scraped.
func metric(t *testing.T, base, name string) string {
	t.Helper()

	_, body := get(t, base+"/metrics")
	for line := range strings.Lines(body) {
		if value, ok := strings.CutPrefix(line, name+" "); ok {
			return strings.TrimSpace(value)
		}
	}

	return ""
}

func TestReload(t *testing.T) {
	out := &outside{}
	cfg := listening(CommandBridge)
	cfg.Prometheus.URL, cfg.Server.DataDir = "http://"+busy(t), t.TempDir()
	cfg.Reread, cfg.Log = out.read, out
	out.next = *cfg
	out.next.command = CommandBridge
	a, err := NewBridge(*cfg, silent)
	base := serving(t, a, err)
	if _, err := a.Reload(t.Context()); err != nil { // It waits until everything runs.
		t.Fatal(err)
	}

	status, changed, restart, text := reload(t, base)
	if status != http.StatusOK || len(changed)+len(restart) != 0 || !strings.Contains(text, `"changed":[]`) {
		t.Errorf("without a change it answers %d %s", status, text)
	}

	out.change(func(o *outside) {
		o.next.Logging.Level, o.next.Server.Listen = "DEBUG", "127.0.0.1:1"
		o.next.Notifications.Webhook.URL = "http://127.0.0.1:1/" + canary
		o.next.Alerts.MaxAlertsPerHour, o.next.Alerts.DefaultCooldown = 3, time.Hour
	})
	status, changed, restart, text = reload(t, base)
	if status != http.StatusOK || !slices.Equal(changed, []string{"logging.level", "alerts.max_alerts_per_hour", "notifications.webhook.url"}) ||
		!slices.Equal(restart, []string{"server.listen", "alerts.default_cooldown"}) || strings.Contains(text, canary) {
		t.Errorf("it answers %d %s", status, text)
	}
	if out.change(func(o *outside) {
		if o.level != slog.LevelDebug {
			t.Errorf("it logs from %s on", o.level)
		}
	}); metric(t, base, "llmwatch_config_last_reload_successful") != "1" {
		t.Error("the metric does not say that it succeeded")
	}
	if _, body := post(t, base+bridge.Base+"/notifications/test"); !strings.Contains(body, `"channel":"webhook"`) {
		t.Errorf("the new channel is not there: %s", body)
	}

	since := metric(t, base, "llmwatch_config_last_reload_success_timestamp_seconds")
	for name, spoil := range map[string]func(o *outside){
		"a file that cannot be read": func(o *outside) { o.err = &ConfigError{errors.New("f.yml:3: is wrong")} },
		"an impossible value":        func(o *outside) { o.next.Alerts.MaxAlertsPerHour = -1 },
		"a channel that is none":     func(o *outside) { o.next.Alerts.EscalateTo = []string{"pager"} },
		"a CA file that is missing":  func(o *outside) { o.next.Notifications.Webhook.CAFile = "/no/such/file" },
	} {
		good, _ := out.read()
		out.change(spoil)
		out.change(func(o *outside) { o.next.Logging.Level = "ERROR" })
		status, _, _, text = reload(t, base)
		if status != http.StatusInternalServerError || !strings.Contains(text, `"code":"reload_failed"`) {
			t.Errorf("%s: it answers %d %s", name, status, text)
		}
		out.change(func(o *outside) {
			if o.level != slog.LevelDebug {
				t.Errorf("%s: it logs from %s on", name, o.level)
			}
			o.next, o.err = *good, nil
		})
		if metric(t, base, "llmwatch_config_last_reload_successful") != "0" || metric(t, base, "llmwatch_config_last_reload_success_timestamp_seconds") != since {
			t.Errorf("%s: the metrics do not tell it", name)
		}
		if _, body := get(t, base+bridge.Base+"/status"); !strings.Contains(body, `"name":"configuration","running":true`) || !strings.Contains(body, `"last_error":"`) {
			t.Errorf("%s: /status does not tell it: %s", name, body)
		}
	}
	if status, _, restart, text = reload(t, base); status != http.StatusOK || len(restart) != 2 || metric(t, base, "llmwatch_config_last_reload_successful") != "1" {
		t.Errorf("put right, it answers %d %s", status, text)
	}
	if status, _ := get(t, base+ReloadPath); status != http.StatusMethodNotAllowed {
		t.Errorf("a GET is answered %d", status)
	}
}

// post posts nothing.
func post(t *testing.T, url string) (status int, body string) {
	t.Helper()

	resp, err := client.Post(url, "application/json", http.NoBody)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}

	return resp.StatusCode, string(text)
}
