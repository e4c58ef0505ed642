package rules

import (
	"strings"
	"testing"
)

// TestUnitTestsNoticeAChangedLogAlert proves that each decision the expression
// embodies is tested.
func TestUnitTestsNoticeAChangedLogAlert(t *testing.T) {
	for _, m := range []struct{ promise, old, replacement string }{
		{"errors below CRITICAL count", `ERROR|CRITICAL`, `CRITICAL`},
		{"errors above ERROR count", `ERROR|CRITICAL`, `ERROR`},
		{"warnings do not count", `level=~"ERROR|CRITICAL"`, `level!="INFO"`},
		{"llmwatch's own log does not count", `,logger!~"llmwatch([.].*)?"`, ``},
		{"nor do its parts", `llmwatch([.].*)?`, `llmwatch`},
		{"names that only begin alike count", `llmwatch([.].*)?`, `llmwatch.*`},
		{"loggers are added up", `sum by (job)`, `max by (job)`},
		{"5 minutes count", `[5m]`, `[10m]`},
	} {
		t.Run(m.promise, func(t *testing.T) {
			t.Parallel()
			const name = "log_error_burst"
			file := load(t)["logs.yml"]
			r := find(t, file, name)
			mutated := strings.ReplaceAll(r.Expr, m.old, m.replacement)
			if mutated == r.Expr {
				t.Fatalf("%s does not hold %q any more: %s", name, m.old, r.Expr)
			}
			r.Expr = mutated
			mustFail(t, "logs.yml", file, name)
		})
	}
}
