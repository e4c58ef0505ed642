package app

import (
	"errors"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"llmwatch/bridge/ruleset"
)

// reloading is a metrics server that answers requests to reload, and a folder of
// rules with somebody else's file.
func reloading(t *testing.T, answer func(w http.ResponseWriter)) *ruleFolder {
	t.Helper()

	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Method != http.MethodPost || r.URL.Path != "/-/reload" {
			t.Errorf("it asks %s %s", r.Method, r.URL)
		}
		answer(w)
	}))
	t.Cleanup(server.Close)
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "theirs.yml"), []byte("theirs"), 0o600); err != nil {
		t.Fatal(err)
	}

	return &ruleFolder{dir: dir, reloadURL: server.URL + "/-/reload"}
}

// holds expects these files in the folder beside somebody else's.
func (f *ruleFolder) holds(t *testing.T, want map[string]string) {
	t.Helper()

	got := map[string]string{}
	entries, err := os.ReadDir(f.dir)
	if err != nil {
		t.Fatal(err)
	}
	for _, entry := range entries {
		content, err := os.ReadFile(filepath.Join(f.dir, entry.Name()))
		if err != nil {
			t.Fatal(err)
		}
		got[entry.Name()] = string(content)
	}
	want["theirs.yml"] = "theirs"
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("the folder (-want +got):\n%s", diff)
	}
}

func files(names ...string) map[string][]byte {
	all := map[string][]byte{}
	for _, name := range names {
		name, content, _ := strings.Cut(name, "=")
		all[name] = []byte(content)
	}

	return all
}

func TestRuleFolder(t *testing.T) {
	reloads := 0
	f := reloading(t, func(http.ResponseWriter) { reloads++ })
	if err := f.load(t.Context(), files("a.yml=1", "b.yml=2")); err != nil {
		t.Fatal(err)
	}
	f.holds(t, map[string]string{"llmwatch-a.yml": "1", "llmwatch-b.yml": "2"})
	if info, err := os.Stat(f.path("a.yml")); err != nil || info.Mode().Perm() != 0o644 {
		t.Errorf("the server may not read it: %v, %v", info, err)
	}
	if err := f.load(t.Context(), files("a.yml=3", "c.yml=4")); err != nil {
		t.Fatal(err)
	}
	f.holds(t, map[string]string{"llmwatch-a.yml": "3", "llmwatch-c.yml": "4"})
	if reloads != 2 {
		t.Errorf("the server was asked to reload %d times, want 2", reloads)
	}
}

func TestRulesThatTheServerRefusesAreTakenBack(t *testing.T) {
	var answers []int
	f := reloading(t, func(w http.ResponseWriter) {
		status := http.StatusOK
		if len(answers) > 0 {
			status, answers = answers[0], answers[1:]
		}
		if status != http.StatusOK {
			http.Error(w, "unknown function\n  in b.yml", status)
		}
	})
	if err := f.load(t.Context(), files("a.yml=1", "b.yml=2")); err != nil {
		t.Fatal(err)
	}
	answers = []int{http.StatusInternalServerError}
	err := f.load(t.Context(), files("a.yml=1", "b.yml=3", "c.yml=4"))
	if err == nil || !strings.Contains(err.Error(), "500 Internal Server Error to /-/reload: unknown function in b.yml") {
		t.Errorf("load: %v", err)
	}
	f.holds(t, map[string]string{"llmwatch-a.yml": "1", "llmwatch-b.yml": "2"})
}

func TestRulesForAServerThatIsAwayAreTakenBack(t *testing.T) {
	server := httptest.NewServer(http.NotFoundHandler())
	server.Close()
	f := &ruleFolder{dir: t.TempDir(), reloadURL: server.URL + "/-/reload"}
	if err := f.load(t.Context(), files("a.yml=1")); err == nil {
		t.Error("load succeeds")
	}
	if left, err := f.read(); err != nil || len(left) != 0 {
		t.Errorf("the folder holds %v, %v", left, err)
	}
}

func TestRulesAreReadOnlyWithoutAFolder(t *testing.T) {
	err := (&ruleFolder{}).load(t.Context(), nil)
	if !errors.Is(err, ruleset.ErrReadOnly) || !strings.Contains(err.Error(), "--rules-dir") {
		t.Errorf("load: %v", err)
	}
}

func TestRulesFolderThatIsMissingIsSaid(t *testing.T) {
	c := listening(CommandBridge)
	c.Prometheus.URL, c.Prometheus.RulesDir = "http://localhost:9090", filepath.Join(t.TempDir(), "none")
	expectConfigError(t, "a folder that is missing", c.Check(),
		"prometheus.rules_dir (LLMWATCH_PROMETHEUS_RULES_DIR, --rules-dir) must be a folder that exists, got "+strconv.Quote(c.Prometheus.RulesDir))
}
