package app

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"
	"golang.org/x/crypto/bcrypt"

	"llmwatch/bridge"
	"llmwatch/internal/auth"
	"llmwatch/internal/engine"
)

// tokensIn makes a token for each role.
func tokensIn(tb testing.TB, dir string) (*auth.Store, map[auth.Role]string) {
	tb.Helper()

	store, err := auth.Open(tb.Context(), filepath.Join(dir, DatabaseFile))
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() {
		if err := store.Close(); err != nil {
			tb.Error(err)
		}
	})
	tokens := map[auth.Role]string{}
	for _, role := range auth.Roles {
		if _, tokens[role], err = store.CreateToken(tb.Context(), string(role), role, time.Time{}); err != nil {
			tb.Fatal(err)
		}
	}

	return store, tokens
}

// try asks a route with a token and returns the status and the beginning of the
// answer.
func try(t *testing.T, method, url, token string) (status int, text string) {
	t.Helper()

	ctx, cancel := context.WithCancel(t.Context())
	defer cancel() // Some answers have no end.
	req, err := http.NewRequestWithContext(ctx, method, url, http.NoBody)
	if err != nil {
		t.Fatal(err)
	}
	if token != "" {
		req.Header.Set("Authorization", "Bearer "+token)
	}
	resp, err := client.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	begin := make([]byte, 300)
	n, err := resp.Body.Read(begin)
	if err != nil && err != io.EOF { //nolint:errorlint // As io.Reader says.
		t.Fatal(err)
	}

	return resp.StatusCode, string(begin[:n])
}

func TestEveryRouteWithEveryRole(t *testing.T) {
	dir := t.TempDir()
	_, tokens := tokensIn(t, dir)
	cfg := listening(CommandServe)
	cfg.Server.DataDir = dir
	cfg.Security.APIAuthentication, cfg.Security.AuditLogging = true, true
	a, err := NewServe(*cfg, silent)
	base := serving(t, a, err)
	for status := http.StatusServiceUnavailable; status == http.StatusServiceUnavailable; {
		status, _ = try(t, http.MethodGet, base+bridge.Base+"/session", tokens[auth.Admin])
	}
	tokens[""] = ""
	policy := auth.DefaultPolicy()
	for _, route := range bridge.Routes {
		url := base + strings.NewReplacer("{id}", "x", "{name}", "x").Replace(route.Path)
		for method, need := range route.Methods {
			for role, token := range tokens {
				status, text := try(t, method, url, token)
				if strings.Contains(text, "there is nothing at") {
					if !slices.Contains([]string{"/api/", "/assets/", engine.Prefix + "/"}, route.Path) { // Those are for what is below them.
						t.Errorf("%s %s is in the table and not served", method, route.Path)
					}
					continue
				}
				want := 0
				switch {
				case route.Path == "/assets/" && role == "": // There is nothing at this very path.
					want = http.StatusUnauthorized
				case need == bridge.NeedNothing || need == bridge.NeedPage && route.Path == "/":
				case role == "":
					want = http.StatusUnauthorized
				case need != bridge.NeedCaller && need != bridge.NeedPage && !policy.Allows(role, auth.Permission(need)):
					want = http.StatusForbidden
				}
				refused := status == http.StatusUnauthorized || status == http.StatusForbidden
				if want != 0 && status != want || want == 0 && refused && route.Path != bridge.Base+"/login" {
					t.Errorf("%s %s with role %q is answered with %d, want %d: %s", method, route.Path, role, status, want, text)
				}
			}
		}
	}
}

// refusedOfEngine are the paths of the embedded engine's API that are not served, on
// purpose.
var refusedOfEngine = map[string]string{
	"/*path":                       "browsers of other origins have no business there",
	"/notifications/live":          "the engine has no notifications of its own, and streams need an end",
	"/admin/tsdb/delete_series":    "nobody deletes series",
	"/admin/tsdb/clean_tombstones": "nobody deletes series",
	"/admin/tsdb/snapshot":         "a snapshot fills the disk",
}

// TestEveryPathOfTheEngineIsDecidedOn fails when a release of the engine has paths on which
// nobody has decided who may use them. They are not served until somebody does.
func TestEveryPathOfTheEngineIsDecidedOn(t *testing.T) {
	dir := t.TempDir()
	cfg := listening(CommandServe)
	cfg.Server.DataDir = dir
	engineCfg, _, err := cfg.prepare(silent)
	if err != nil {
		t.Fatal(err)
	}
	eng, err := engine.Start(*engineCfg)
	if err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := eng.Stop(); err != nil {
			t.Error(err)
		}
	}()
	served := map[string]bool{}
	for _, route := range bridge.Routes {
		served[route.Path] = true
	}
	variable := regexp.MustCompile(`:([a-z]+)`)
	paths := map[string]bool{}
	for _, path := range eng.Paths() {
		path = variable.ReplaceAllString(path, "{$1}")
		paths[path] = true
		below := strings.TrimPrefix(path, engine.Prefix+"/api/v1")
		if served[path] == (refusedOfEngine[below] != "") {
			t.Errorf("%s: served %v, refused because %q: decide in bridge/routes.go, or here", path, served[path], refusedOfEngine[below])
		}
	}
	if len(paths) < 30 {
		t.Errorf("the engine tells of %d paths", len(paths))
	}
	for path := range served {
		if strings.HasPrefix(path, engine.Prefix+"/api/") && !paths[path] {
			t.Errorf("%s is in the table, and the engine does not have it", path)
		}
	}
	for path := range cheapOfEngine {
		if !served[engine.Prefix+"/api/v1"+path] {
			t.Errorf("%s is cheap and not served", path)
		}
	}
}

func TestCallerWhoLeavesIsNeitherLetInNorRefused(t *testing.T) {
	store, tokens := tokensIn(t, t.TempDir())
	var log bytes.Buffer
	logger, registry := slog.New(slog.NewTextHandler(&log, nil)), prometheus.NewRegistry()
	a := newAccess(false, logger, registry)
	a.guard = auth.NewGuard(auth.Config{Store: store, Policy: auth.DefaultPolicy(), Logger: logger})
	gone, leave := context.WithCancel(t.Context())
	leave()
	r := httptest.NewRequestWithContext(gone, http.MethodGet, bridge.Base+"/alerts", http.NoBody)
	r.Header.Set("Authorization", "Bearer "+tokens[auth.Viewer])
	_, err := a.Admit(httptest.NewRecorder(), r, bridge.Base+"/alerts", bridge.NeedRead)
	metrics, gatherErr := registry.Gather()
	if !errors.Is(err, context.Canceled) || log.Len() > 0 || len(metrics) > 0 || gatherErr != nil {
		t.Errorf("it fails with %v, logs %q, counts %v (%v)", err, log.String(), metrics, gatherErr)
	}
}

func TestAccessControlIsReloaded(t *testing.T) {
	out := &outside{}
	cfg := listening(CommandBridge)
	cfg.Prometheus.URL, cfg.Server.DataDir, cfg.Reread = "http://"+busy(t), t.TempDir(), out.read
	cfg.Security.APIAuthentication = true
	_, tokens := tokensIn(t, cfg.Server.DataDir)
	out.next = *cfg
	out.next.command = CommandBridge
	a, err := NewBridge(*cfg, silent)
	base := serving(t, a, err)
	if _, err := a.Reload(t.Context()); err != nil { // It waits until everything runs.
		t.Fatal(err)
	}
	alerts := func() int {
		status, _ := try(t, http.MethodGet, base+bridge.Base+"/alerts", tokens[auth.Viewer])
		return status
	}
	if status := alerts(); status != http.StatusOK {
		t.Errorf("at first a viewer is answered with %d", status)
	}
	out.change(func(o *outside) { o.next.Security.AccessControl.ReadMetrics = []string{"admin"} })
	if _, err := a.Reload(t.Context()); err != nil {
		t.Fatal(err)
	}
	if status := alerts(); status != http.StatusForbidden {
		t.Errorf("afterwards a viewer is answered with %d", status)
	}
	out.change(func(o *outside) { o.next.Security.AccessControl.ReadMetrics = []string{"everybody"} })
	if _, err := a.Reload(t.Context()); err == nil || !strings.Contains(err.Error(), "must hold admin, operator, viewer, ingest or scrape") {
		t.Errorf("a role that does not exist: %v", err)
	}
}

func TestAuditWithoutAuthentication(t *testing.T) {
	cfg := listening(CommandBridge)
	cfg.Prometheus.URL, cfg.Server.DataDir = "http://"+busy(t), t.TempDir()
	cfg.Security.AuditLogging = true
	store, _ := tokensIn(t, cfg.Server.DataDir)
	a, err := NewBridge(*cfg, silent)
	base := serving(t, a, err)
	if _, err := a.Reload(t.Context()); err != nil {
		t.Fatal(err)
	}
	if status, text := try(t, http.MethodGet, base+bridge.Base+"/session", ""); status != http.StatusOK || !strings.Contains(text, `"authentication":"off"`) {
		t.Errorf("the session is answered with %d %s", status, text)
	}
	if status, text := try(t, http.MethodPost, base+bridge.Base+"/notifications/test", ""); status != http.StatusOK {
		t.Errorf("a test is answered with %d %s", status, text)
	}
	links, err := store.Audit(t.Context(), auth.AuditFilter{Limit: 10})
	if err != nil || len(links) == 0 {
		t.Fatalf("nothing is recorded (%v)", err)
	}
	if e, err := links[len(links)-1].Entry(); err != nil || e.Actor != "anonymous" || e.Action != "POST "+bridge.Base+"/notifications/test" || e.Outcome != auth.OutcomeOK {
		t.Errorf("what changes is recorded as %+v (%v)", e, err)
	}
}

// hashOf is a password as a web configuration file has it.
func hashOf(t *testing.T, password string) string {
	t.Helper()

	hash, err := bcrypt.GenerateFromPassword([]byte(password), bcrypt.MinCost)
	if err != nil {
		t.Fatal(err)
	}

	return string(hash)
}

func TestExporterKnowsTheUsersOfTheFile(t *testing.T) {
	cfg := listening(CommandExporter)
	cfg.Security.APIAuthentication = true
	if _, err := NewExporter(*cfg, silent); err == nil || !strings.Contains(err.Error(), "needs basic_auth_users") {
		t.Errorf("without users: %v", err)
	}
	cfg.Security.WebConfigFile = filepath.Join(t.TempDir(), "web.yml")
	file := fmt.Sprintf("basic_auth_users: {prometheus: %q}\nhttp_server_config: {headers: {X-Frame-Options: deny}}\n", hashOf(t, "correct horse"))
	if err := os.WriteFile(cfg.Security.WebConfigFile, []byte(file), 0o600); err != nil {
		t.Fatal(err)
	}
	a, err := NewExporter(*cfg, silent)
	base := serving(t, a, err)
	for status := http.StatusServiceUnavailable; status == http.StatusServiceUnavailable; {
		status, _ = try(t, http.MethodGet, base+"/metrics", "")
	}
	for _, path := range []string{"/metrics", "/nothing", ReloadPath, bridge.Base + "/metrics/api"} {
		if status, text := try(t, http.MethodPost, base+path, ""); status != http.StatusUnauthorized {
			t.Errorf("%s answers strangers with %d %s", path, status, text)
		}
	}
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, base+"/metrics", http.NoBody)
	if err != nil {
		t.Fatal(err)
	}
	req.SetBasicAuth("prometheus", "correct horse")
	resp, err := client.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	resp.Body.Close()
	if resp.StatusCode != http.StatusOK || resp.Header.Get("X-Frame-Options") != "deny" {
		t.Errorf("the user of the file is answered with %d %v", resp.StatusCode, resp.Header)
	}
	cfg.Security.APIAuthentication = false
	if _, err := NewExporter(*cfg, silent); err == nil || !strings.Contains(err.Error(), "which need security.api_authentication") {
		t.Errorf("with users that nobody asks for: %v", err)
	}
}

func TestRateLimitOfTheFile(t *testing.T) {
	cfg := listening(CommandExporter)
	cfg.Security.WebConfigFile = filepath.Join(t.TempDir(), "web.yml")
	if err := os.WriteFile(cfg.Security.WebConfigFile, []byte("rate_limit: {interval: 1h, burst: 1}\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	a, err := NewExporter(*cfg, silent)
	base := serving(t, a, err)
	awaitReady(t, base)
	try(t, http.MethodGet, base+"/metrics", "")
	resp, err := client.Get(base + "/metrics")
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	if err != nil || resp.StatusCode != http.StatusTooManyRequests || resp.Header.Get("Retry-After") != "3600" || !strings.Contains(string(text), "rate_limit") {
		t.Errorf("the second request is answered with %d %v %s (%v)", resp.StatusCode, resp.Header, text, err)
	}
	expectProtected(t, "the refusal", resp.Header)
	// Whoever sends too many requests must not have an orchestrator restart it.
	for _, path := range []string{bridge.HealthyPath, bridge.ReadyPath} {
		probe, err := client.Get(base + path)
		if err != nil {
			t.Fatal(err)
		}
		probe.Body.Close()
		if probe.StatusCode != http.StatusOK {
			t.Errorf("beyond the limit %s answers %d", path, probe.StatusCode)
		}
		expectProtected(t, path, probe.Header)
	}
	const counted = "# HELP llmwatch_requests_refused_total Requests that were refused to protect others or the caller, by the reason.\n" +
		"# TYPE llmwatch_requests_refused_total counter\nllmwatch_requests_refused_total{reason=\"request_rate\"} 1\n"
	if err := testutil.CollectAndCompare(a.gate, strings.NewReader(counted), "llmwatch_requests_refused_total"); err != nil {
		t.Error(err)
	}
}

// The table in docs/security.md is the program's.
func TestRoutesAreDocumented(t *testing.T) {
	const begin, end = "routes: a test compares this table with the program, and writes it with -update -->\n", "<!-- end of routes -->"
	path := filepath.Join("..", "..", "docs", "security.md")
	document, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	before, rest, found := strings.Cut(string(document), begin)
	table, after, foundEnd := strings.Cut(rest, end)
	if !found || !foundEnd {
		t.Fatal("docs/security.md has no place for the table")
	}
	var want strings.Builder
	want.WriteString("\n| route | needs | roles |\n|---|---|---|\n")
	policy := auth.DefaultPolicy()
	for _, route := range bridge.Routes {
		byNeed := map[bridge.Need][]string{}
		for method, need := range route.Methods {
			byNeed[need] = append(byNeed[need], method)
		}
		var lines []string
		for need, methods := range byNeed {
			slices.Sort(methods)
			lines = append(lines, fmt.Sprintf("| `%s %s` | %s | %s |\n", strings.Join(methods, ", "), route.Path, neededAs(need), rolesOf(policy, need)))
		}
		slices.Sort(lines)
		want.WriteString(strings.Join(lines, ""))
	}
	want.WriteString("\n")
	if table == want.String() {
		return
	}
	if !*update {
		t.Fatalf("the table of docs/security.md is not the program's; go test ./internal/app -run RoutesAreDocumented -update writes it:\n%s", want.String())
	}
	if err := os.WriteFile(path, []byte(before+begin+want.String()+end+after), 0o600); err != nil {
		t.Fatal(err)
	}
}

func neededAs(need bridge.Need) string {
	switch need {
	case bridge.NeedNothing:
		return "nothing"
	case bridge.NeedCaller:
		return "any credentials"
	case bridge.NeedPage:
		return "nothing for `/` itself, any credentials below"
	default:
		return "`" + string(need) + "`"
	}
}

func rolesOf(policy auth.Policy, need bridge.Need) string {
	switch need {
	case bridge.NeedNothing:
		return "everybody"
	case bridge.NeedCaller, bridge.NeedPage:
		return "all"
	default:
		var roles []string
		for _, role := range policy[auth.Permission(need)] {
			roles = append(roles, string(role))
		}

		return strings.Join(roles, ", ")
	}
}

// What authentication and audit add to a request.
func BenchmarkAccess(b *testing.B) {
	store, tokens := tokensIn(b, b.TempDir())
	a := newAccess(false, silent, prometheus.NewRegistry())
	a.guard = auth.NewGuard(auth.Config{Store: store, Policy: auth.DefaultPolicy(), Logger: silent})
	a.auditor = auth.NewAuditor(store, silent, time.Hour)
	r := httptest.NewRequestWithContext(b.Context(), http.MethodGet, bridge.Base+"/alerts", http.NoBody)
	r.Header.Set("Authorization", "Bearer "+tokens[auth.Viewer])
	w := httptest.NewRecorder()
	b.ReportAllocs()
	begin := cpuTime(b)
	for b.Loop() {
		visit, err := a.Admit(w, r, bridge.Base+"/alerts", bridge.NeedRead)
		if err != nil {
			b.Fatal(err)
		}
		visit.Done(http.StatusOK)
	}
	used := (cpuTime(b) - begin) / time.Duration(b.N)
	b.ReportMetric(float64(used.Nanoseconds()), "cpu-ns/op")
	if used > 20*time.Microsecond {
		b.Errorf("a request costs %s more, at most 20µs are promised", used)
	}
}

// cpuTime is what the process has used; other than time on the wall, it is the same
// on a busy machine.
func cpuTime(tb testing.TB) time.Duration {
	tb.Helper()

	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		tb.Fatal(err)
	}

	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}
