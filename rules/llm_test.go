package rules

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestLLMAlertsAreTheDocumentedOnes(t *testing.T) {
	type documented struct{ Alert, Comparison, For, Severity, Cooldown string }
	want := []documented{
		{"job_without_progress", "> 900", "5m", "high", "30m"},
		{"nonfinite_loss", "> 0", "1m", "high", "30m"},
		{"high_job_failure_rate", "> 10", "10m", "high", "30m"},
		{"slow_job_queue", "> 300", "15m", "medium", "30m"},
		{"cache_hit_rate_halved", "< 50", "15m", "medium", "30m"},
		{"deep_queue", "> 100", "10m", "medium", "30m"},
		{"slow_first_token", "> 2.5", "10m", "medium", "30m"},
		{"exhausted_connections", "> 90", "5m", "high", "30m"},
	}
	var got []documented
	for _, r := range rulesOf(load(t)["llm.yml"]) {
		got = append(got, documented{
			r.Alert, comparison.FindString(strings.TrimSpace(r.Expr)), r.For, r.Labels["severity"], r.Annotations["cooldown"],
		})
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("LLM alerts (-documented +llm.yml):\n%s", diff)
	}
}

// TestUnitTestsNoticeAChangedLLMAlert proves that each decision an expression
// embodies is tested.
func TestUnitTestsNoticeAChangedLLMAlert(t *testing.T) {
	for _, m := range []struct{ promise, alert, old, replacement string }{
		{"the job longest without progress counts", "job_without_progress", `max by`, `min by`},
		{"a loss is counted once", "nonfinite_loss", `round(sum by (job, type) (increase(llm_job_nonfinite_loss_total[10m])))`, `sum by (job, type) (llm_job_nonfinite_loss_total)`},
		{"a loss is forgotten after 10 minutes", "nonfinite_loss", `[10m]`, `[20m]`},
		{"extrapolation is rounded away", "nonfinite_loss", `round(sum by (job, type) (increase(llm_job_nonfinite_loss_total[10m])))`, `3*sum by (job, type) (increase(llm_job_nonfinite_loss_total[10m]))`},
		{"cancelled jobs do not count", "high_job_failure_rate", `{status=~"completed|failed"}`, ``},
		{"cancelled jobs are no failures", "high_job_failure_rate", `{status="failed"}`, `{status!="completed"}`},
		{"few jobs say nothing", "high_job_failure_rate", `>= 5`, `>= 4`},
		{"five jobs say something", "high_job_failure_rate", `>= 5`, `>= 6`},
		{"an hour counts", "high_job_failure_rate", `[1h]`, `[2h]`},
		{"types are judged apart", "high_job_failure_rate", `by (job, type)`, `by (job)`},
		{"the 95th percentile counts", "slow_job_queue", `0.95`, `0.9`},
		{"half an hour counts", "slow_job_queue", `[30m]`, `[1h]`},
		{"hits and misses are look-ups", "cache_hit_rate_halved", `increase(llm_cache_requests_total[1h])`, `increase(llm_cache_requests_total{result="miss"}[1h])`},
		{"few look-ups now say nothing", "cache_hit_rate_halved", "[1h])) >= 100)", "[1h])) >= 10)"},
		{"few look-ups before say nothing", "cache_hit_rate_halved", "offset 1d)) >= 100)", "offset 1d)) >= 10)"},
		{"the day before counts", "cache_hit_rate_halved", ` offset 1d`, ` offset 1h`},
		{"instances add up", "deep_queue", `sum by`, `max by`},
		{"the 95th percentile of tokens counts", "slow_first_token", `0.95`, `0.9`},
		{"5 minutes count", "slow_first_token", `[5m]`, `[15m]`},
		{"errors count too", "slow_first_token", `_bucket[5m]`, `_bucket{error_type=""}[5m]`},
		{"idle connections are free", "exhausted_connections", `{state="used"}`, ``},
		{"pools are added up over instances", "exhausted_connections", `sum by (job, pool) (db_client_connection_max)`, `max by (job, pool) (db_client_connection_max)`},
		{"a pool without a maximum is never exhausted", "exhausted_connections", ` > 0)`, `)`},
	} {
		t.Run(m.promise, func(t *testing.T) {
			t.Parallel()
			file := load(t)["llm.yml"]
			r := find(t, file, m.alert)
			mutated := strings.ReplaceAll(r.Expr, m.old, m.replacement)
			if mutated == r.Expr {
				t.Fatalf("%s does not hold %q any more: %s", m.alert, m.old, r.Expr)
			}
			r.Expr = mutated
			mustFail(t, "llm.yml", file, m.alert)
		})
	}
}
