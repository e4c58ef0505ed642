package e2e

import (
	"bufio"
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"database/sql"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	_ "modernc.org/sqlite"

	"llmwatch/internal/testtool"
)

// secured is a llmwatch that lets in only whom it knows.
type secured struct {
	t       *testing.T
	process *process
	base    string
	dir     string   // The data directory.
	env     []string // More variables.
	logFile string
	client  *http.Client
}

// canaryPassword must show up nowhere.
const canaryPassword = "canary-PASSWORD-4711"

// command runs the program on the data directory and returns what it prints.
func (s *secured) command(stdin string, args ...string) (stdout string, err error) {
	s.t.Helper()

	cmd := exec.Command(binary, args...)
	cmd.Env = append(os.Environ(), "LLMWATCH_SERVER_DATA_DIR="+s.dir)
	cmd.Stdin = strings.NewReader(stdin)
	var out, failure bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &failure
	if err := cmd.Run(); err != nil {
		return out.String(), fmt.Errorf("llmwatch %s: %w: %s", strings.Join(args, " "), err, failure.String())
	}

	return out.String(), nil
}

func (s *secured) must(stdin string, args ...string) string {
	s.t.Helper()

	out, err := s.command(stdin, args...)
	if err != nil {
		s.t.Fatal(err)
	}

	return strings.TrimSpace(out)
}

// token makes one of a role.
func (s *secured) token(role string) string {
	s.t.Helper()

	return s.must("", "tokens", "create", "token-of-"+role, "--role", role)
}

// secure prepares a data directory.
func secure(t *testing.T) *secured {
	t.Helper()

	dir := t.TempDir()

	return &secured{t: t, dir: dir, logFile: filepath.Join(t.TempDir(), "llmwatch.log"), client: http.DefaultClient}
}

// start starts it with authentication and audit.
func (s *secured) start(args ...string) {
	s.t.Helper()

	args = append([]string{
		"serve", "--listen", "127.0.0.1:0", "--data-dir", s.dir, "--log-format", "json", "--log-file", s.logFile, "--log-level", "DEBUG",
		"--api-authentication", "--audit-logging",
	}, args...)
	s.process = runWith(s.t, s.env, binary, args...)
	waitFor(s.t, 10*time.Second, "llmwatch to be ready", func() error {
		select {
		case <-s.process.exited:
			s.t.Fatalf("llmwatch ended instead of starting:\n%s", s.process.log)
		default:
		}
		m := readyLine.FindStringSubmatch(s.log())
		if m == nil {
			return errors.New("no ready line yet")
		}
		s.base = "http://" + m[1]

		return nil
	})
}

func (s *secured) log() string {
	text, err := os.ReadFile(s.logFile)
	if err != nil && !errors.Is(err, os.ErrNotExist) {
		s.t.Fatal(err)
	}

	return string(text)
}

// ask sends a request; headers are names and values by turns.
func (s *secured) ask(method, path, body string, header ...string) (*http.Response, string) {
	s.t.Helper()

	req, err := http.NewRequestWithContext(s.t.Context(), method, s.base+path, strings.NewReader(body))
	if err != nil {
		s.t.Fatal(err)
	}
	for i := 0; i < len(header); i += 2 {
		req.Header.Set(header[i], header[i+1])
	}
	resp, err := s.client.Do(req)
	if err != nil {
		s.t.Fatalf("%s %s: %v", method, path, err)
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	if err != nil {
		s.t.Fatalf("%s %s: %v", method, path, err)
	}

	return resp, string(text)
}

// session is what a login leads to.
type session struct{ cookie, csrf string }

func (s *secured) login(name, password string) session {
	s.t.Helper()

	body, err := json.Marshal(map[string]string{"username": name, "password": password})
	if err != nil {
		s.t.Fatal(err)
	}
	resp, text := s.ask(http.MethodPost, apiBase+"/login", string(body), "Content-Type", "application/json")
	var answer struct {
		Data struct {
			CSRF string `json:"csrf_token"`
		} `json:"data"`
	}
	if err := json.Unmarshal([]byte(text), &answer); err != nil || resp.StatusCode != http.StatusOK || len(resp.Cookies()) != 1 {
		s.t.Fatalf("the login is answered with %d %s (%v)", resp.StatusCode, text, err)
	}
	cookie := resp.Cookies()[0]
	if !cookie.HttpOnly || cookie.SameSite != http.SameSiteStrictMode || cookie.Secure != strings.HasPrefix(s.base, "https") {
		s.t.Errorf("the cookie is %s", cookie)
	}

	return session{cookie: cookie.Name + "=" + cookie.Value, csrf: answer.Data.CSRF}
}

// alert pushes an alert and returns its id.
func (s *secured) alert(token string) string {
	s.t.Helper()

	if resp, text := s.ask(http.MethodPost, "/api/v2/alerts", `[{"labels": {"alertname": "hot"}}]`,
		"Authorization", "Bearer "+token, "Content-Type", "application/json"); resp.StatusCode != http.StatusOK {
		s.t.Fatalf("the push is answered with %d %s", resp.StatusCode, text)
	}

	return "hot_" + time.Now().UTC().Format("20060102")
}

func TestAccess(t *testing.T) {
	t.Parallel()
	s := secure(t)
	s.must(canaryPassword+"\n", "users", "add", "ada", "--role", "operator")
	ingest, viewer := s.token("ingest"), s.token("viewer")
	s.start()
	id := s.alert(ingest)

	ada := s.login("ada", canaryPassword)
	acknowledge := apiBase + "/alerts/" + id + "/acknowledge"
	if resp, text := s.ask(http.MethodPost, acknowledge, `{}`, "Cookie", ada.cookie); resp.StatusCode != http.StatusForbidden {
		t.Errorf("without CSRF token: %d %s", resp.StatusCode, text)
	}
	if resp, text := s.ask(http.MethodPost, acknowledge, `{}`, "Authorization", "Bearer "+viewer); resp.StatusCode != http.StatusForbidden {
		t.Errorf("by a viewer: %d %s", resp.StatusCode, text)
	}
	if resp, text := s.ask(http.MethodPost, acknowledge, `{"acknowledged_by": "mallory"}`, "Cookie", ada.cookie, "X-CSRF-Token", ada.csrf); resp.StatusCode != http.StatusOK {
		t.Errorf("by ada: %d %s", resp.StatusCode, text)
	}
	_, text := s.ask(http.MethodGet, apiBase+"/alerts/"+id, "", "Authorization", "Bearer "+viewer)
	if !strings.Contains(text, `"by":"ada"`) || strings.Contains(text, "mallory") {
		t.Errorf("the alert is %s", text)
	}

	t.Run("logs", func(t *testing.T) {
		for token, want := range map[string]int{ingest: http.StatusOK, viewer: http.StatusForbidden, "": http.StatusUnauthorized} {
			header := []string{"Content-Type", "application/x-ndjson"}
			if token != "" {
				header = append(header, "Authorization", "Bearer "+token)
			}
			if resp, text := s.ask(http.MethodPost, apiBase+"/logs", `{"message": "hello"}`, header...); resp.StatusCode != want {
				t.Errorf("a line is answered with %d %s, want %d", resp.StatusCode, text, want)
			}
		}
		waitFor(t, 10*time.Second, "the audit entry in the log store", func() error {
			_, text := s.ask(http.MethodGet, apiBase+"/logs/search?logger=audit&limit=1000", "", "Authorization", "Bearer "+viewer)
			if !strings.Contains(text, `"action":"POST /api/v1/monitoring/alerts/{id}/acknowledge"`) {
				return errors.New(text)
			}

			return nil
		})
	})
	t.Run("the page asks strangers to log in", func(t *testing.T) {
		for path, want := range map[string]int{"/": http.StatusOK, "/alerts": http.StatusUnauthorized, "/assets/none.js": http.StatusUnauthorized} {
			resp, text := s.ask(http.MethodGet, path, "", "Accept", "text/html,*/*")
			if resp.StatusCode != want || strings.Contains(text, "<html") != (path != "/assets/none.js") {
				t.Errorf("%s is answered with %d %s, want %d", path, resp.StatusCode, text, want)
			}
		}
	})
	t.Run("the command line shows its token", func(t *testing.T) {
		file := write(t, "token", viewer+"\n")
		if out := s.must("", "alerts", "list", "--url", s.base, "--token-file", file); !strings.Contains(out, id) {
			t.Errorf("the list is %s", out)
		}
		if out, err := s.command("", "alerts", "list", "--url", s.base); err == nil || !strings.Contains(err.Error(), "credentials are needed") {
			t.Errorf("without a token: %s, %v", out, err)
		}
		if out := s.must("", "healthcheck", "--url", s.base); !strings.Contains(out, `"status"`) {
			t.Errorf("health without a token: %s", out)
		}
	})
	t.Run("revocation ends open streams", func(t *testing.T) {
		req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, s.base+apiBase+"/events", http.NoBody)
		if err != nil {
			t.Fatal(err)
		}
		req.Header.Set("Authorization", "Bearer "+viewer)
		resp, err := http.DefaultClient.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		defer resp.Body.Close()
		if line, err := bufio.NewReader(resp.Body).ReadString('\n'); err != nil || resp.StatusCode != http.StatusOK {
			t.Fatalf("the stream begins with %d %s (%v)", resp.StatusCode, line, err)
		}
		s.must("", "tokens", "revoke", "token-of-viewer")
		begin := time.Now()
		if resp, text := s.ask(http.MethodGet, apiBase+"/status", "", "Authorization", "Bearer "+viewer); resp.StatusCode != http.StatusUnauthorized {
			t.Errorf("the next request is answered with %d %s", resp.StatusCode, text)
		}
		if _, err := io.Copy(io.Discard, resp.Body); err != nil {
			t.Error(err)
		}
		if took := time.Since(begin); took > 2*time.Second {
			t.Errorf("the stream went on for %s", took)
		}
	})
	t.Run("logout", func(t *testing.T) {
		resp, text := s.ask(http.MethodPost, apiBase+"/logout", "", "Cookie", ada.cookie, "X-CSRF-Token", ada.csrf)
		if resp.StatusCode != http.StatusOK {
			t.Errorf("the logout is answered with %d %s", resp.StatusCode, text)
		}
		if resp, _ := s.ask(http.MethodGet, apiBase+"/session", "", "Cookie", ada.cookie); resp.StatusCode != http.StatusUnauthorized {
			t.Errorf("afterwards the session is answered with %d", resp.StatusCode)
		}
	})
	t.Run("audit", func(t *testing.T) { s.audited(t, acknowledge) })
}

// audited looks at the trail, and then covers traces in it.
func (s *secured) audited(t *testing.T, acknowledged string) {
	t.Helper()
	if code, _ := s.process.signal(terminate); code != 0 {
		t.Errorf("llmwatch ends with %d", code)
	}
	trail := s.must("", "audit", "list", "--json", "--limit", "1000")
	for _, want := range []string{
		`"actor":"ada","kind":"session","role":"operator","action":"POST /api/v1/monitoring/alerts/{id}/acknowledge","target":"` + acknowledged + `","outcome":"ok","status":200,"from":"127.0.0.1"`,
		`"actor":"token-of-viewer","kind":"token","role":"viewer","action":"POST /api/v1/monitoring/alerts/{id}/acknowledge","target":"` + acknowledged + `","outcome":"denied","status":403`,
		`"action":"GET /api/v1/monitoring/events"`, `"action":"POST /api/v1/monitoring/login"`, `"action":"POST /api/v1/monitoring/logout"`,
		`"action":"users add","target":"ada operator"`, `"action":"tokens revoke","target":"token-of-viewer"`,
		`"actor":"anonymous","action":"GET /api/v1/monitoring/alerts","outcome":"denied","status":401`,
	} {
		if !strings.Contains(trail, want) {
			t.Errorf("the trail lacks %s:\n%s", want, trail)
		}
	}
	end := s.must("", "audit", "verify", "--against", s.logFile)
	if !strings.Contains(end, "are as they were written") || strings.Contains(end, " 0 were compared") {
		t.Errorf("the verdict is %s", end)
	}
	link := end[strings.LastIndex(end, " ")+1:]
	s.must("", "audit", "verify", "--link", link)

	db, err := sql.Open("sqlite", filepath.Join(s.dir, "llmwatch.db"))
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = db.Close() }() // Each statement has been answered.
	for _, query := range []string{
		`DROP TRIGGER audit_keeps`, `DELETE FROM audit WHERE seq = (SELECT max(seq) FROM audit)`,
		`UPDATE audit_chain SET (last_seq, last_hash) = (SELECT seq, hash FROM audit ORDER BY seq DESC LIMIT 1)`,
	} {
		if _, err := db.ExecContext(t.Context(), query); err != nil {
			t.Fatal(err)
		}
	}
	s.must("", "audit", "verify") // Who sets the end back is found by comparison alone.
	for _, args := range [][]string{{"--link", link}, {"--against", s.logFile}} {
		if out, err := s.command("", append([]string{"audit", "verify"}, args...)...); err == nil || !strings.Contains(out, "is remembered elsewhere and is missing at the end") {
			t.Errorf("with %s the verdict is %s, %v", args[0], out, err)
		}
	}
	if _, err := db.ExecContext(t.Context(), `DELETE FROM audit WHERE seq = 2`); err != nil {
		t.Fatal(err)
	}
	if out, err := s.command("", "audit", "verify"); err == nil || !strings.Contains(out, "1 entries are missing before entry 3") {
		t.Errorf("the verdict is %s, %v", out, err)
	}
}

// certificateFiles writes a certificate and its key.
func certificateFiles(t *testing.T, cert tls.Certificate) (certFile, keyFile string) {
	t.Helper()

	key, err := x509.MarshalPKCS8PrivateKey(cert.PrivateKey)
	if err != nil {
		t.Fatal(err)
	}

	return write(t, "cert.pem", string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: cert.Certificate[0]}))),
		write(t, "key.pem", string(pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: key})))
}

func TestMutualTLS(t *testing.T) {
	t.Parallel()
	pair, caFile := certificate(t)
	certFile, keyFile := certificateFiles(t, pair)
	file := write(t, "web.yml", fmt.Sprintf(`
tls_server_config:
  cert_file: %s
  key_file: %s
  client_auth_type: RequireAndVerifyClientCert
  client_ca_file: %s
http_server_config:
  headers:
    Strict-Transport-Security: max-age=31536000
`, certFile, keyFile, caFile))
	if out, err := exec.Command(testtool.Find(t, "promtool"), "check", "web-config", file).CombinedOutput(); err != nil {
		t.Fatalf("promtool does not take the file: %v\n%s", err, out)
	}
	s := secure(t)
	s.must(canaryPassword+"\n", "users", "add", "ada", "--role", "viewer")
	s.start("--web-config-file", file)
	s.base = strings.Replace(s.base, "http://", "https://", 1)

	connect := []string{"--url", s.base, "--ca-file", caFile}
	if out, err := s.command("", append([]string{"healthcheck"}, connect...)...); err == nil {
		t.Errorf("somebody without a certificate gets %s", out)
	}
	if out := s.must("", append([]string{"healthcheck", "--cert-file", certFile, "--key-file", keyFile}, connect...)...); !strings.Contains(out, `"status"`) {
		t.Errorf("health is %s", out)
	}
	pool := x509.NewCertPool()
	pool.AppendCertsFromPEM([]byte(readFile(t, caFile)))
	s.client = &http.Client{Transport: &http.Transport{
		TLSClientConfig: &tls.Config{RootCAs: pool, Certificates: []tls.Certificate{pair}}, ForceAttemptHTTP2: true, DisableKeepAlives: true,
	}}
	resp, text := s.ask(http.MethodGet, apiBase+"/status", "")
	if resp.StatusCode != http.StatusUnauthorized || resp.ProtoMajor != 2 || resp.Header.Get("Strict-Transport-Security") == "" {
		t.Errorf("a certificate alone is answered with %s %d %v %s", resp.Proto, resp.StatusCode, resp.Header, text)
	}
	ada := s.login("ada", canaryPassword)
	if resp, text := s.ask(http.MethodGet, apiBase+"/session", "", "Cookie", ada.cookie); resp.StatusCode != http.StatusOK {
		t.Errorf("with the cookie: %d %s", resp.StatusCode, text)
	}
}

var errNotUp = errors.New("want 1")

func TestPrometheusScrapesWithAToken(t *testing.T) {
	t.Parallel()
	testtool.Find(t, "prometheus")
	s := secure(t)
	token := write(t, "token", s.token("scrape"))
	s.start()
	address := freePort(t)
	config := write(t, "prometheus.yml", fmt.Sprintf(`
global: {scrape_interval: 1s}
scrape_configs:
  - job_name: llmwatch
    authorization: {credentials_file: %q}
    static_configs: [{targets: [%q]}]
`, token, strings.TrimPrefix(s.base, "http://")))
	run(t, testtool.Find(t, "prometheus"), "--config.file", config, "--storage.tsdb.path", t.TempDir(), "--web.listen-address", address, "--log.level", "warn")
	waitFor(t, 30*time.Second, "a scrape", func() error {
		req, err := http.NewRequestWithContext(context.Background(), http.MethodGet, "http://"+address+"/api/v1/query?query=up", http.NoBody)
		if err != nil {
			return err
		}
		resp, err := http.DefaultClient.Do(req)
		if err != nil {
			return err
		}
		defer resp.Body.Close()
		text, err := io.ReadAll(resp.Body)
		if err != nil || !strings.Contains(string(text), `,"1"]`) {
			return fmt.Errorf("up is %s (%w)", text, errors.Join(err, errNotUp))
		}

		return nil
	})
	if resp, _ := s.ask(http.MethodGet, apiBase+"/alerts", "", "Authorization", "Bearer "+readFile(t, token)); resp.StatusCode != http.StatusForbidden {
		t.Errorf("with the token of the scrape, alerts are answered with %d", resp.StatusCode)
	}
}

func readFile(t *testing.T, path string) string {
	t.Helper()

	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}

	return string(text)
}

// TestFirstStart_ShowsATokenOnce looks for it on the console, in the log and in what
// a data directory holds.
func TestFirstStart_ShowsATokenOnce(t *testing.T) {
	t.Parallel()
	shown := regexp.MustCompile(`lwt_[A-Za-z0-9_]+`)
	s := secure(t)
	s.start("--collection-interval", "1")
	console := s.process.log.String()
	token := shown.FindString(console)
	if token == "" || !strings.Contains(console, "llmwatch users add NAME --role admin --db-path "+filepath.Join(s.dir, "llmwatch.db")) {
		t.Fatalf("the console does not say how to begin:\n%s", console)
	}
	if resp, text := s.ask(http.MethodGet, apiBase+"/configuration", "", "Authorization", "Bearer "+token); resp.StatusCode != http.StatusOK {
		t.Errorf("with the token, the configuration is answered with %d %s", resp.StatusCode, text)
	}
	if resp, text := s.ask(http.MethodGet, apiBase+"/logs/search?text="+token, "", "Authorization", "Bearer "+token); !strings.Contains(text, `"count":0`) {
		t.Errorf("the log store is asked for the token: %d %s", resp.StatusCode, text)
	}
	if resp, _ := s.ask(http.MethodGet, apiBase+"/alerts", ""); resp.StatusCode != http.StatusUnauthorized {
		t.Errorf("strangers are answered %d", resp.StatusCode)
	}

	s.must(canaryPassword+"\n", "users", "add", "ada", "--role", "admin")
	s.login("ada", canaryPassword) // Without a restart.
	s.must("", "tokens", "revoke", "first-admin")
	if resp, _ := s.ask(http.MethodGet, apiBase+"/alerts", "", "Authorization", "Bearer "+token); resp.StatusCode != http.StatusUnauthorized {
		t.Errorf("the revoked token is answered %d", resp.StatusCode)
	}
	if code, _ := s.process.signal(terminate); code != 0 {
		t.Errorf("it exits %d", code)
	}
	secret := token[strings.LastIndex(token, "_")+1:]
	err := filepath.WalkDir(s.dir, func(path string, d fs.DirEntry, err error) error {
		if err == nil && d.Type().IsRegular() && strings.Contains(readFile(t, path), secret) {
			t.Errorf("%s holds the token", path)
		}

		return err
	})
	if err != nil {
		t.Error(err)
	}
	if strings.Contains(s.log(), secret) {
		t.Error("the log holds the token")
	}
	s.start()
	if again := shown.FindString(s.process.log.String()); again != "" {
		t.Errorf("the next start shows a token, too:\n%s", s.process.log)
	}
}
