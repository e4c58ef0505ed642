package e2e

import (
	"encoding/base64"
	"errors"
	"fmt"
	"net/http"
	"os"
	"strings"
	"syscall"
	"testing"
	"time"
)

// TestSecretsShowUpNowhere plants a canary in every secret that there is, in each way
// that a secret can be given, has everything fail that can, and looks at everything
// that can be read from outside.
func TestSecretsShowUpNowhere(t *testing.T) {
	t.Parallel()
	for _, way := range []string{"file", "variable", "file of the file", "file of the variable"} {
		t.Run(way, func(t *testing.T) { newSecretive(t, way).run() })
	}
}

// run has everything fail, and looks at everything.
func (x *secretive) run() {
	password := x.plant("the password of ada")
	x.s.must(password+"\n", "users", "add", "ada", "--role", "admin")
	x.admin = x.keep("a token", x.s.token("admin"))
	x.keep("the secret part of a token", strings.Split(x.admin, "_")[2])
	x.s.start(x.args...)
	x.s.base = strings.Replace(x.s.base, "http://", "https://", 1)
	ada := x.s.login("ada", password)
	x.keep("the token against forged requests", ada.csrf)
	x.keep("the cookie", strings.SplitN(ada.cookie, "=", 2)[1])

	x.failToTell()
	x.failToLogIn(ada)
	x.failToReload()
	x.read()

	arguments, err := os.ReadFile(fmt.Sprintf("/proc/%d/cmdline", x.s.process.cmd.Process.Pid))
	if err != nil {
		x.t.Fatal(err)
	}
	x.look("the arguments", string(arguments))
	x.s.process.signal(syscall.SIGQUIT) // Which prints all goroutines.
	x.look("the log", x.s.log())
	x.look("the output", x.s.process.log.String())
	for _, args := range [][]string{{"audit", "list", "--limit", "1000", "--json"}, {"tokens", "list", "--json"}, {"users", "list", "--json"}} {
		x.look("the list of "+args[0], x.s.must("", args...))
	}
	x.files(x.s.dir)
	if !strings.Contains(x.places["the output"], "goroutine ") {
		x.t.Error("the output has no goroutines: this test sees too little")
	}
	x.search()
}

// failToTell has each channel fail and say why.
func (x *secretive) failToTell() {
	select {
	case <-x.asked: // By the alert that fires.
	case <-time.After(20 * time.Second):
		x.t.Fatalf("no mail was tried within 20s:\n%s", x.s.log())
	}
	out := x.command(append(x.s.env, "LLMWATCH_TOKEN="+x.admin, "LLMWATCH_URL="+x.s.base), "notify", "test")
	for _, word := range []string{"email: NOT accepted", "has not the password <secret>", "slack: NOT accepted", "webhook: NOT accepted", "418"} {
		if !strings.Contains(out, word) {
			x.t.Errorf("notify test lacks %q:\n%s", word, out)
		}
	}
	waitFor(x.t, 20*time.Second, "the heartbeat to be missed", func() error {
		if !strings.Contains(x.s.log(), "the heartbeat has stopped") {
			return errors.New("not yet")
		}

		return nil
	})
}

// failToLogIn shows wrong credentials in every form.
func (x *secretive) failToLogIn(ada session) {
	wrong := x.plant("what was shown and is wrong")
	status := apiBase + "/status"
	for _, header := range [][]string{
		{"Authorization", "Bearer " + wrong},
		{"Authorization", "Nonsense " + wrong},
		{"Cookie", "llmwatch_session=" + wrong},
		{"Authorization", "Basic " + base64.StdEncoding.EncodeToString([]byte("ada:"+wrong))},
		{"Authorization", "Basic " + base64.StdEncoding.EncodeToString([]byte("root:"+wrong))},
	} {
		x.get(http.MethodGet, status, "", header...)
	}
	x.get(http.MethodGet, status+"?token="+wrong+"&password="+wrong+"&access_token="+wrong, "")
	x.get(http.MethodGet, apiBase+"/session", "", "Authorization", "Basic "+base64.StdEncoding.EncodeToString([]byte("root:"+x.fileUser)))
	for _, body := range []string{
		`{"username": "ada", "password": "` + wrong + `"}`, `{"username": "` + wrong + `", "password": "` + wrong + `"}`, `{"password": "` + wrong, `"` + wrong + `"`,
	} {
		x.get(http.MethodPost, apiBase+"/login", body, "Content-Type", "application/json")
	}
	x.get(http.MethodPost, apiBase+"/logout", "", "Cookie", ada.cookie, "X-CSRF-Token", wrong)
	x.command(append(x.s.env, "LLMWATCH_TOKEN="+wrong, "LLMWATCH_URL="+x.s.base), "alerts", "list")
}

// failToReload makes mistakes beside secrets and in their place.
func (x *secretive) failToReload() {
	for name, mistake := range map[string]string{
		"a key that is none":         "\nsecurtiy: {encryption_key: %s}\n",
		"a list in a secret's place": "\nother: {smtp_password: [%s]}\n",
		"a text that is no YAML":     "\n  %s: [\n",
	} {
		x.save(fmt.Sprintf(mistake, x.plant("a secret in "+name)))
		answer := x.get(http.MethodPost, "/-/reload", "", "Authorization", "Bearer "+x.admin)
		if !strings.Contains(answer, `"success":false`) {
			x.t.Errorf("after %s, a reload is answered with %s", name, answer)
		}
		x.command(x.s.env, "serve", "--check-config", "--config", x.file)
		x.get(http.MethodGet, apiBase+"/health", "")
	}
	x.save("")
	if answer := x.get(http.MethodPost, "/-/reload", "", "Authorization", "Bearer "+x.admin); !strings.Contains(answer, `"success":true`) {
		x.t.Errorf("the reload is answered with %s", answer)
	}
	// What counts after a restart is shown as pending.
	if alerts := x.tree["alerts"].(map[string]any); alerts["heartbeat_url"] != nil {
		alerts["heartbeat_url"] = "http://127.0.0.1/" + x.plant("a heartbeat to come")
		x.save("")
		answer := x.get(http.MethodPost, "/-/reload", "", "Authorization", "Bearer "+x.admin)
		if !strings.Contains(answer, "alerts.heartbeat_url") {
			x.t.Errorf("the reload is answered with %s", answer)
		}
	}
	if out := x.command(x.s.env, "serve", "--print-config", "--config", x.file); !strings.Contains(out, "<secret>") {
		x.t.Errorf("the configuration is printed as\n%s", out)
	}
}

// read reads everything that can be read.
func (x *secretive) read() {
	bearer := []string{"Authorization", "Bearer " + x.admin}
	for _, path := range []string{"/nothing", apiBase + "/alerts?limit=x", "/prometheus/config"} {
		x.get(http.MethodGet, path, "", bearer...)
	}
	for _, path := range []string{
		"/metrics", "/api/v2/alerts", "/api/v2/status",
		"/prometheus/metrics", "/prometheus/api/v1/status/config", "/prometheus/api/v1/status/flags", "/prometheus/api/v1/status/runtimeinfo",
		"/prometheus/api/v1/targets", "/prometheus/api/v1/alertmanagers", "/prometheus/api/v1/rules", "/prometheus/api/v1/metadata", "/prometheus/api/v1/label/__name__/values",
		apiBase + "/status", apiBase + "/configuration", apiBase + "/openapi.yaml", apiBase + "/session", apiBase + "/alerts",
		apiBase + "/alerts/history", apiBase + "/alerts/always_on_" + time.Now().UTC().Format("20060102"), apiBase + "/rules", apiBase + "/dashboard/overview",
		apiBase + "/export/alerts?format=json", apiBase + "/logs/search?limit=1000", apiBase + "/export/logs?format=json",
	} {
		x.get(http.MethodGet, path, "", bearer...)
		if !strings.Contains(x.places["the answer to GET "+path], "200 OK map[") {
			x.t.Errorf("GET %s is not answered", path)
		}
	}
	for path, word := range map[string]string{apiBase + "/configuration": `\u003csecret\u003e`, "/prometheus/api/v1/status/config": `\u003csecret\u003e`, apiBase + "/logs/search?limit=1000": "has stopped"} {
		if !strings.Contains(x.places["the answer to GET "+path], word) {
			x.t.Errorf("GET %s does not show %q: this test sees too little", path, word)
		}
	}
	x.get(http.MethodGet, apiBase+"/health", "")
	x.get(http.MethodOptions, apiBase+"/status", "", append(bearer, "Origin", x.s.base, "Access-Control-Request-Method", http.MethodGet)...)
	if timeline := x.get(http.MethodGet, apiBase+"/alerts/always_on_"+time.Now().UTC().Format("20060102"), "", bearer...); !strings.Contains(timeline, "has not the password") {
		x.t.Errorf("the timeline does not say why mail failed: %s", timeline)
	}
}

// TestMistakesTellNoSecrets has every secret be none.
func TestMistakesTellNoSecrets(t *testing.T) {
	t.Parallel()
	x := &secretive{aviary: newAviary(t)}
	for key, value := range map[string]func(canary string) any{
		"notifications.email.smtp_password": func(canary string) any { return []string{canary} },
		"notifications.webhook.headers":     func(canary string) any { return canary },
		"notifications.webhook.secret":      func(canary string) any { return map[string]string{canary: canary} },
		"notifications.webhook.url":         func(canary string) any { return "https://%zz" + canary },
		"notifications.slack.webhook_url":   func(canary string) any { return "ftp://" + canary },
		"alerts.heartbeat_url":              func(canary string) any { return canary },
		"security.encryption_key":           func(canary string) any { return canary },
		"server.listen":                     func(canary string) any { return "https://u:" + canary + "@example.com/" },
		"prometheus.url":                    func(canary string) any { return "ftp://u:" + canary + "@example.com/" },
	} {
		mistaken := &secretive{aviary: x.aviary, tree: map[string]any{}, file: write(t, "mistake.yml", "")}
		mistaken.set("notifications.email.enabled", true)
		mistaken.set("notifications.slack.enabled", true)
		mistaken.set("security.encrypt_sensitive_data", true)
		mistaken.set(key, value(x.plant("a mistake in "+key)))
		mistaken.save("")
		command := "serve"
		if key == "prometheus.url" {
			command = "bridge"
		}
		if out := x.command(nil, command, "--check-config", "--config", mistaken.file); !strings.Contains(out, key) {
			t.Errorf("a mistake in %s is answered with %s", key, out)
		}
	}
	x.search()
}

// TestMetricsServerTellsNoSecrets has a metrics server that wants a password refuse
// everything and say back what it was sent.
func TestMetricsServerTellsNoSecrets(t *testing.T) {
	t.Parallel()
	x := &secretive{aviary: newAviary(t)}
	address := strings.Replace(echo(t).URL, "//", "//ada:"+x.plant("the password of the metrics server")+"@", 1)
	p, r := llmwatchWith(t, []string{"LLMWATCH_PROMETHEUS_URL=" + address}, "bridge", "--data-dir", t.TempDir(), "--rules-dir", t.TempDir(),
		"--check-interval", "1", "--log-level", "DEBUG")
	x.s = &secured{t: t, base: r.base, client: http.DefaultClient}
	waitFor(t, 20*time.Second, "the rules to be refused", func() error {
		if !strings.Contains(p.log.String(), "418 I'm a teapot") {
			return errors.New("not yet")
		}

		return nil
	})
	for _, path := range []string{
		"/health", "/status", "/configuration", "/metrics/system", "/metrics/api", "/metrics/app", "/metrics/summary", "/dashboard/overview", "/alerts", "/rules",
		"/logs/search?limit=1000", "/export/system?format=csv",
	} {
		x.get(http.MethodGet, apiBase+path, "")
	}
	x.get(http.MethodGet, "/metrics", "")
	x.get(http.MethodPost, "/-/reload", "")
	if refused := x.get(http.MethodPost, apiBase+"/rules", `{"name": "a", "expr": "vector(1)", "severity": "low"}`); !strings.Contains(refused, "418") {
		t.Errorf("a rule that the server refuses is answered with %s", refused)
	}
	p.signal(terminate)
	x.look("the log", p.log.String())
	x.search()
}
