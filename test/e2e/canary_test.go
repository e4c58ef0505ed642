package e2e

import (
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"encoding/base64"
	"encoding/hex"
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
	"testing"

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
	x.set("prometheus.config_file", write(t, "prometheus.yml", x.prometheus(strings.TrimPrefix(receiver.URL, "http://"))))
	x.set("security.web_config_file", x.webConfig())
	x.save("")
	x.args = []string{"--config", x.file}

	return x
}

// prometheus is a Prometheus configuration that has everything sent to an address,
// with secrets. Of a server of tokens that repeats a client's secret, Prometheus
// shows the words as the error of the target; so that one is nobody.
func (x *secretive) prometheus(address string) string {
	rules := write(x.t, "own.yml", "groups: [{name: own, interval: 1s, rules: [{alert: always_on, expr: vector(42), labels: {severity: critical}}]}]")

	return fmt.Sprintf(`
scrape_configs:
  - {job_name: basic, scrape_interval: 1s, basic_auth: {username: u, password: %[3]s}, static_configs: [{targets: [%[1]q]}]}
  - {job_name: bearer, scrape_interval: 1s, authorization: {credentials: %[4]s}, static_configs: [{targets: [%[1]q]}]}
  - {job_name: header, scrape_interval: 1s, http_headers: {X-Secret: {secrets: [%[5]s]}}, static_configs: [{targets: [%[1]q]}]}
  - {job_name: grant, scrape_interval: 1s, oauth2: {client_id: c, client_secret: %[6]s, token_url: "http://%[9]s/"}, static_configs: [{targets: [%[1]q]}]}
remote_write:
  - {url: "http://u:%[7]s@%[1]s/write"}
alerting:
  alertmanagers:
    - {basic_auth: {username: u, password: %[8]s}, static_configs: [{targets: [%[1]q]}]}
rule_files: [%[2]q]
`, address, rules, x.plant("a scrape's password"), x.plant("a scrape's token"), x.plant("a scrape's header"), x.plant("a scrape's client secret"),
		x.plant("the password in a remote write's address"), x.plant("an alertmanager's password"), freePort(x.t))
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
