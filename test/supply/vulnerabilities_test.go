package supply

import (
	"compress/gzip"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"

	"llmwatch/internal/testtool"
)

// check runs the script that the build runs.
func check(t *testing.T, env []string, args ...string) (stdout, stderr string, code int) {
	t.Helper()

	return run(t, ".", env, script(t, "vulnerabilities"), args...)
}

// skipped reports whether the script has said in one line that it could not ask.
func skipped(tool, stdout string, code int) bool {
	return code == 0 && strings.Count(stdout, "\n") == 1 && strings.HasPrefix(stdout, tool+" skipped: the vulnerability database cannot be reached (")
}

// vulnerable is a database with one entry, for net/url.Parse.
func vulnerable(t *testing.T) string {
	t.Helper()

	return "file://" + writeFiles(t, map[string]string{
		"index/db.json":      `{"modified": "2026-01-01T00:00:00Z"}`,
		"index/modules.json": `[{"path": "stdlib", "vulns": [{"id": "GO-2026-9999", "modified": "2026-01-01T00:00:00Z"}]}]`,
		"index/vulns.json":   `[{"id": "GO-2026-9999", "modified": "2026-01-01T00:00:00Z"}]`,
		"ID/GO-2026-9999.json": `{
			"schema_version": "1.3.1", "id": "GO-2026-9999", "modified": "2026-01-01T00:00:00Z", "published": "2026-01-01T00:00:00Z",
			"summary": "planted", "details": "planted",
			"affected": [{
				"package": {"name": "stdlib", "ecosystem": "Go"},
				"ranges": [{"type": "SEMVER", "events": [{"introduced": "0"}]}],
				"ecosystem_specific": {"imports": [{"path": "net/url", "symbols": ["Parse"]}]}
			}],
			"database_specific": {"url": "https://example.com/planted"}
		}`,
	})
}

func TestVulnerabilitiesOfModules(t *testing.T) {
	t.Parallel()
	env := []string{"GOVULNCHECK=" + tool(t, "govulncheck")}
	module := func(use string) string {
		return writeFiles(t, map[string]string{
			"go.mod":  "module example.com/m\n\ngo 1.26\n",
			"main.go": "package main\n\nimport \"net/url\"\n\nfunc main() { _ = " + use + " }\n",
		})
	}
	affected, spared := module(`func() any { u, _ := url.Parse("x"); return u }()`), module(`url.QueryEscape("x")`)
	database := vulnerable(t)

	if out, failure, code := check(t, env, "go", affected, "-db", database); code != 3 || !strings.Contains(out, "GO-2026-9999") {
		t.Errorf("a vulnerability that is called ends with %d: %s%s", code, out, failure)
	}
	if out, failure, code := check(t, env, "go", spared, "-db", database); code != 0 || skipped("govulncheck", out, code) {
		t.Errorf("a vulnerability that is not called ends with %d: %s%s", code, out, failure)
	}
	closed := httptest.NewServer(http.NotFoundHandler())
	closed.Close()
	if out, failure, code := check(t, env, "go", affected, "-db", closed.URL); !skipped("govulncheck", out, code) {
		t.Errorf("a database that is away ends with %d: %s%s", code, out, failure)
	}
	if out, failure, code := check(t, env, "go", module(`nonsense`), "-db", database); code != 1 || !strings.Contains(failure, "nonsense") {
		t.Errorf("a program that does not compile ends with %d: %s%s", code, out, failure)
	}
}

// registry stands in for npm's: the packages in flaws have one of that severity.
type registry struct {
	*httptest.Server
	flaws map[string]string

	mu    sync.Mutex
	asked []string // Guarded by mu: the packages it was asked about.
}

func newRegistry(t *testing.T, flaws map[string]string) *registry {
	t.Helper()

	r := &registry{flaws: flaws}
	r.Server = httptest.NewServer(r)
	t.Cleanup(r.Close)

	return r
}

// ServeHTTP implements http.Handler.
func (r *registry) ServeHTTP(w http.ResponseWriter, req *http.Request) {
	if req.Method == http.MethodGet { // Which versions there are, to name one without the flaw.
		name := strings.TrimPrefix(req.URL.Path, "/")
		fmt.Fprintf(w, `{"name": %q, "dist-tags": {"latest": "1.0.0"}, "versions": {"1.0.0": {"name": %[1]q, "version": "1.0.0"}}}`, name)
		return
	}
	var body io.Reader = req.Body
	if req.Header.Get("Content-Encoding") == "gzip" {
		unzipped, err := gzip.NewReader(req.Body)
		if err != nil {
			http.Error(w, err.Error(), http.StatusBadRequest)
			return
		}
		body = unzipped
	}
	var packages map[string][]string
	if err := json.NewDecoder(body).Decode(&packages); err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	advisories := map[string]any{}
	r.mu.Lock()
	defer r.mu.Unlock()
	for name := range packages {
		r.asked = append(r.asked, name)
		if severity := r.flaws[name]; severity != "" {
			advisories[name] = []any{map[string]any{
				"id": 1, "url": "https://example.com/planted", "title": "planted", "severity": severity, "vulnerable_versions": ">=0",
			}}
		}
	}
	w.Header().Set("Content-Type", "application/json")
	if err := json.NewEncoder(w).Encode(advisories); err != nil {
		http.Error(w, err.Error(), http.StatusInternalServerError)
	}
}

func (r *registry) audit(t *testing.T, args ...string) (stdout, stderr string, code int) {
	t.Helper()

	return check(t, []string{"npm_config_registry=" + r.URL, "npm_config_cache=" + t.TempDir(), "npm_config_fetch_retries=0"}, append([]string{"npm"}, args...)...)
}

func TestVulnerabilitiesOfPackages(t *testing.T) {
	t.Parallel()
	testtool.Find(t, "npm")
	web := filepath.Join(root, "dashboards/web")
	served, tools := []string{web, "--omit=dev"}, []string{web, "--audit-level=high"}

	for _, tc := range []struct {
		name           string
		flaws          map[string]string
		served, wanted int
	}{
		{"nothing", nil, 0, 0},
		{"a small flaw in what is served", map[string]string{"react": "low"}, 1, 0},
		{"a small flaw of a tool", map[string]string{"vite": "moderate"}, 0, 0},
		{"a grave flaw of a tool", map[string]string{"vite": "high"}, 0, 1},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			r := newRegistry(t, tc.flaws)
			for args, want := range map[*[]string]int{&served: tc.served, &tools: tc.wanted} {
				out, failure, code := r.audit(t, *args...)
				if code != want || skipped("npm audit", out, code) || (len(tc.flaws) > 0 && want > 0 && !strings.Contains(out, "planted")) {
					t.Errorf("%v ends with %d, want %d: %s%s", *args, code, want, out, failure)
				}
			}
			r.mu.Lock()
			defer r.mu.Unlock()
			for _, name := range []string{"react", "react-dom", "uplot", "vite"} {
				if !slices.Contains(r.asked, name) {
					t.Errorf("the registry was not asked about %s", name)
				}
			}
		})
	}

	for name, answer := range map[string]http.HandlerFunc{
		"refuses":    func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusMethodNotAllowed) },
		"is not one": func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, "<html>Log in to the network.</html>") },
	} {
		t.Run("a registry that "+name, func(t *testing.T) {
			t.Parallel()
			r := &registry{Server: httptest.NewServer(answer)}
			t.Cleanup(r.Close)
			if out, failure, code := r.audit(t, served...); !skipped("npm audit", out, code) {
				t.Errorf("it ends with %d: %s%s", code, out, failure)
			}
		})
	}
	t.Run("a registry that is away", func(t *testing.T) {
		t.Parallel()
		r := newRegistry(t, nil)
		r.Close()
		if out, failure, code := r.audit(t, served...); !skipped("npm audit", out, code) {
			t.Errorf("it ends with %d: %s%s", code, out, failure)
		}
	})
	t.Run("no lock file", func(t *testing.T) {
		t.Parallel()
		dir := writeFiles(t, map[string]string{"package.json": `{"name": "x", "version": "1.0.0"}`})
		if out, failure, code := newRegistry(t, nil).audit(t, dir); code == 0 || !strings.Contains(failure, "lockfile") {
			t.Errorf("it ends with %d: %s%s", code, out, failure)
		}
	})
}
