package rules

import (
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"llmwatch/internal/testtool"
)

func TestEachAlertHasItsRunbookAndEachRunbookItsAlert(t *testing.T) {
	var want []string
	for _, r := range alerts(t) {
		path := "docs/runbooks/" + r.Alert + ".md"
		if r.Annotations["runbook_url"] != path {
			t.Errorf("%s: runbook_url %q, want %q", r.Alert, r.Annotations["runbook_url"], path)
		}
		want = append(want, filepath.Join("..", path))
	}
	got, err := filepath.Glob("../docs/runbooks/*.md")
	if err != nil {
		t.Fatal(err)
	}
	slices.Sort(want)
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("runbooks (-alerts +files):\n%s", diff)
	}
}

// queries finds the PromQL that a runbook shows: in a query of the HTTP API, or
// in an override of the rule.
var queries = regexp.MustCompile(`query=([^']+)'|"expr": "((?:[^"\\]|\\.)*)"`)

func TestRunbooksShowValidPromQL(t *testing.T) {
	promtool := testtool.Find(t, "promtool")
	for _, r := range alerts(t) {
		t.Run(r.Alert, func(t *testing.T) {
			text := readFile(t, filepath.Join("..", r.Annotations["runbook_url"]))
			var shown []rule
			for _, match := range queries.FindAllStringSubmatch(text, -1) {
				expr := match[1] + strings.ReplaceAll(match[2], `\"`, `"`)
				shown = append(shown, rule{Alert: r.Alert, Expr: expr})
			}
			if len(shown) == 0 {
				t.Fatal("the runbook shows no query")
			}
			file := ruleFile{Groups: []group{{Name: "shown", Rules: shown}}}
			checked := filepath.Join(t.TempDir(), "shown.yml")
			if err := os.WriteFile(checked, marshal(t, file), 0o600); err != nil {
				t.Fatal(err)
			}
			run(t, promtool, "check", "rules", "--lint=none", checked)
		})
	}
}
