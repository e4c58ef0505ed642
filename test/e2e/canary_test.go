package e2e

import (
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/emersion/go-sasl"
	"github.com/emersion/go-smtp"
	"go.yaml.in/yaml/v3"
	"golang.org/x/crypto/bcrypt"
)

// aviary keeps what must show up nowhere, by what it is.
type aviary struct {
	t      *testing.T
	birds  map[string]string
	places map[string]string
}

func newAviary(t *testing.T) *aviary {
	t.Helper()

	return &aviary{t: t, birds: map[string]string{}, places: map[string]string{}}
}

// plant makes a canary.
func (a *aviary) plant(what string) string {
	text := make([]byte, 12)
	rand.Read(text)

	return a.keep(what, "canary"+hex.EncodeToString(text))
}

// keep takes a secret for a canary that was made elsewhere.
func (a *aviary) keep(what, secret string) string {
	a.t.Helper()
	if len(secret) < 16 {
		a.t.Fatalf("%s is %q, which is too short to be looked for", what, secret)
	}
	a.birds[what] = secret

	return secret
}

// look takes down what can be read at a place.
func (a *aviary) look(place, text string) {
	a.places[place] += text
}

// forms are how a secret looks as it is, and somewhere inside Base64.
func forms(secret string) []string {
	all := []string{secret}
	for shift := range 3 {
		encoded := base64.StdEncoding.EncodeToString([]byte(strings.Repeat("\x00", shift) + secret))
		all = append(all, encoded[(shift*8+5)/6:len(encoded)-4])
	}

	return all
}

// search looks for every canary in every place.
func (a *aviary) search() {
	a.t.Helper()
	for _, what := range slices.Sorted(maps.Keys(a.birds)) {
		for _, place := range slices.Sorted(maps.Keys(a.places)) {
			for i, form := range forms(a.birds[what]) {
				if at := strings.Index(a.places[place], form); at >= 0 {
					text := a.places[place]
					a.t.Errorf("%s tells %s (form %d): …%s…", place, what, i, text[max(0, at-150):min(len(text), at+len(form)+50)])
				}
			}
		}
	}
}

// files takes down the bytes of all files below a directory.
func (a *aviary) files(dir string) {
	err := filepath.WalkDir(dir, func(path string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() {
			return err
		}
		content, err := os.ReadFile(path)
		a.look("the file "+strings.TrimPrefix(path, dir), string(content))

		return err
	})
	if err != nil {
		a.t.Fatal(err)
	}
}

// secretSetting is a setting whose value is a secret.
type secretSetting struct{ key, env string }

// secretSettings are those that docs/configuration.md marks, which is made from what
// the program reads.
func secretSettings(t *testing.T) (found []secretSetting) {
	t.Helper()

	section := ""
	row := regexp.MustCompile("^\\| `([a-z_]+)` \\|[^|]*\\| `([A-Z_]+)` \\|.* Secret; ")
	for line := range strings.Lines(readFile(t, "../../docs/configuration.md")) {
		if name, ok := strings.CutPrefix(line, "## "); ok {
			section = strings.TrimSpace(name)
		}
		if m := row.FindStringSubmatch(line); m != nil {
			found = append(found, secretSetting{section + "." + m[1], m[2]})
		}
	}
	if len(found) < 9 {
		t.Fatalf("docs/configuration.md marks %v as secret, and lacks some", found)
	}

	return found
}

// echo is a receiver that refuses everything and says back all that it was sent.
func echo(t *testing.T) *httptest.Server {
	t.Helper()

	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body) // Whatever has come.
		w.Header().Set("X-Echo", r.URL.String())
		w.WriteHeader(http.StatusTeapot)
		fmt.Fprintln(w, r.Method, r.URL, r.Header, string(body))
	}))
	t.Cleanup(s.Close)

	return s
}

// tellTale is a mail server that says passwords back.
type tellTale struct{ asked chan struct{} }

// NewSession implements smtp.Backend.
func (s tellTale) NewSession(*smtp.Conn) (smtp.Session, error) {
	return tellTaleSession{server: s}, nil
}

// tellTaleSession implements smtp.AuthSession, as far as the login goes.
type tellTaleSession struct {
	smtp.Session
	server tellTale
}

// AuthMechanisms implements smtp.AuthSession.
func (tellTaleSession) AuthMechanisms() []string { return []string{sasl.Plain} }

// Auth implements smtp.AuthSession.
func (s tellTaleSession) Auth(string) (sasl.Server, error) {
	return sasl.NewPlainServer(func(_, user, password string) error {
		s.server.asked <- struct{}{}

		return &smtp.SMTPError{Code: 535, EnhancedCode: smtp.EnhancedCode{5, 7, 8}, Message: user + " has not the password " + password}
	}), nil
}

// Reset implements smtp.Session.
func (tellTaleSession) Reset() {}

// Logout implements smtp.Session.
func (tellTaleSession) Logout() error { return nil }

// TestSecretsShowUpNowhere plants a canary in every secret that there is, in each way
// that a secret can be given, has everything fail that can, and looks at everything
// that can be read from outside.
func TestSecretsShowUpNowhere(t *testing.T) {
	t.Parallel()
	for _, way := range []string{"file", "variable", "file of the file", "file of the variable"} {
		t.Run(way, func(t *testing.T) { newSecretive(t, way).run() })
	}
}

// secretive is a llmwatch whose secrets are all planted.
type secretive struct {
	*aviary
	s     *secured
	asked chan struct{} // Gets something for each password that the mail server was shown.
	// The configuration as a tree, where it is written to, and what else it needs.
	tree map[string]any
	file string
	args []string

	admin    string // A token.
	fileUser string // The password of a user of the web configuration file.
}

// set puts a value into the tree.
func (x *secretive) set(key string, value any) {
	at := x.tree
	parts := strings.Split(key, ".")
	for _, part := range parts[:len(parts)-1] {
		if at[part] == nil {
			at[part] = map[string]any{}
		}
		at = at[part].(map[string]any)
	}
	at[parts[len(parts)-1]] = value
}

// save writes the configuration, with a text after it.
func (x *secretive) save(more string) {
	x.t.Helper()

	text, err := yaml.Marshal(x.tree)
	if err == nil {
		err = os.WriteFile(x.file, append(text, more...), 0o600)
	}
	if err != nil {
		x.t.Fatal(err)
	}
}

func newSecretive(t *testing.T, way string) *secretive {
	t.Helper()

	x := &secretive{aviary: newAviary(t), s: secure(t), asked: make(chan struct{}, 1000), tree: map[string]any{}, file: write(t, "llmwatch.yml", "")}
	for _, variable := range mailing(t, tellTale{x.asked}) {
		if !strings.HasPrefix(variable, "SMTP_PASSWORD=") {
			x.s.env = append(x.s.env, variable)
		}
	}
	x.set("metrics.collection_interval", "1s")
	x.set("alerts.check_interval", "1s")
	x.set("notifications.slack.enabled", true)
	x.set("security.encrypt_sensitive_data", true)
	x.set("security.api_authentication", true)
	receiver := echo(t)
	basic := strings.Contains(way, "variable") // One request has one Authorization header.
	for _, s := range secretSettings(t) {
		var value any
		text := ""
		switch {
		case strings.HasSuffix(s.key, "url"):
			text = receiver.URL + "/" + x.plant(s.key)
		case s.key == "security.encryption_key":
			text = x.keep(s.key, newKey())
		case strings.HasSuffix(s.key, ".headers"):
			canary := x.plant(s.key)
			value, text = map[string]string{"X-Secret": canary}, "{X-Secret: "+canary+"}"
		case strings.HasSuffix(s.key, ".bearer_token") && basic, s.key == "notifications.webhook.password" && !basic:
			continue
		default:
			text = x.plant(s.key)
		}
		if value == nil {
			value = text
		}
		switch way {
		case "file":
			x.set(s.key, value)
		case "variable":
			x.s.env = append(x.s.env, s.env+"="+text)
		case "file of the file":
			x.set(s.key+"_file", write(t, "secret", text+"\n"))
		case "file of the variable":
			x.s.env = append(x.s.env, s.env+"_FILE="+write(t, "secret", text+"\n"))
		}
	}
	if basic {
		x.set("notifications.webhook.username", "llmwatch")
	}
	x.set("prometheus.config_file", write(t, "prometheus.yml", x.prometheus()))
	x.set("security.web_config_file", x.webConfig())
	x.save("")
	x.args = []string{"--config", x.file}

	return x
}

// prometheus is a Prometheus configuration with secrets.
func (x *secretive) prometheus() string {
	nobody := freePort(x.t)
	rules := write(x.t, "own.yml", "groups: [{name: own, interval: 1s, rules: [{alert: always_on, expr: vector(42), labels: {severity: critical}}]}]")

	return fmt.Sprintf(`
scrape_configs:
  - {job_name: basic, scrape_interval: 1s, basic_auth: {username: u, password: %[3]s}, static_configs: [{targets: [%[1]q]}]}
  - {job_name: bearer, scrape_interval: 1s, authorization: {credentials: %[4]s}, static_configs: [{targets: [%[1]q]}]}
  - {job_name: header, scrape_interval: 1s, http_headers: {X-Secret: {secrets: [%[5]s]}}, static_configs: [{targets: [%[1]q]}]}
  - {job_name: grant, scrape_interval: 1s, oauth2: {client_id: c, client_secret: %[6]s, token_url: "http://%[1]s/"}, static_configs: [{targets: [%[1]q]}]}
remote_write:
  - {url: "http://u:%[7]s@%[1]s/write"}
alerting:
  alertmanagers:
    - {basic_auth: {username: u, password: %[8]s}, static_configs: [{targets: [%[1]q]}]}
rule_files: [%[2]q]
`, nobody, rules, x.plant("a scrape's password"), x.plant("a scrape's token"), x.plant("a scrape's header"), x.plant("a scrape's client secret"),
		x.plant("the password in a remote write's address"), x.plant("an alertmanager's password"))
}

// webConfig makes a web configuration file with a key and a user, and has the
// client trust it.
func (x *secretive) webConfig() string {
	pair, caFile := certificate(x.t)
	certFile, keyFile := certificateFiles(x.t, pair)
	for line := range strings.Lines(readFile(x.t, keyFile)) {
		if line = strings.TrimSpace(line); !strings.HasPrefix(line, "-----") && len(line) >= 16 {
			x.keep("the key of TLS: "+line[:4], line)
		}
	}
	pool := x509.NewCertPool()
	pool.AppendCertsFromPEM([]byte(readFile(x.t, caFile)))
	x.s.client = &http.Client{Transport: &http.Transport{TLSClientConfig: &tls.Config{RootCAs: pool}, DisableKeepAlives: true}}
	x.s.env = append(x.s.env, "LLMWATCH_CA_FILE="+caFile)
	x.fileUser = x.plant("the password of a user of the file")
	hash, err := bcrypt.GenerateFromPassword([]byte(x.fileUser), bcrypt.MinCost)
	if err != nil {
		x.t.Fatal(err)
	}

	return write(x.t, "web.yml", fmt.Sprintf("tls_server_config: {cert_file: %s, key_file: %s}\nbasic_auth_users: {root: %q}\n",
		certFile, keyFile, x.keep("its hash", string(hash))))
}

// command runs the program with more variables and looks at what it prints.
func (x *secretive) command(env []string, args ...string) string {
	x.t.Helper()

	cmd := exec.CommandContext(x.t.Context(), binary, args...)
	cmd.Env = append(os.Environ(), env...)
	out, _ := cmd.CombinedOutput() // Some must fail.
	x.look("what llmwatch "+strings.Join(args[:min(len(args), 2)], " ")+" prints", string(out))

	return string(out)
}

// get asks with a header and looks at the answer.
func (x *secretive) get(method, path, body string, header ...string) string {
	x.t.Helper()

	resp, text := x.s.ask(method, path, body, header...)
	x.look("the answer to "+method+" "+path, fmt.Sprintln(resp.Status, resp.Header, text))

	return text
}

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
