package app

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/prometheus/client_golang/prometheus/testutil"

	"llmwatch/bridge/metrics"
)

func TestEachRuleTellsWhetherItFails(t *testing.T) {
	var rules []metrics.EvaluatedRule
	var failed error
	c := &ruleCollector{rules: func(context.Context) ([]metrics.EvaluatedRule, error) { return rules, failed }, logger: silent}
	rules = []metrics.EvaluatedRule{
		{Name: "burn", Group: "a", RuleState: metrics.RuleState{Health: "ok"}},
		{Name: "burn", Group: "a", RuleState: metrics.RuleState{Health: "err"}}, // One of a name that fails is told.
		{Name: "burn", Group: "b", RuleState: metrics.RuleState{Health: "ok"}},
		{Name: "r", Group: "b", RuleState: metrics.RuleState{Health: "unknown"}, Recording: true},
	}
	want := `
		# HELP llmwatch_rule_evaluation_failing Whether the last evaluation of a rule failed (1) or not (0), for at most 1000 rules, those that fail first.
		# TYPE llmwatch_rule_evaluation_failing gauge
		llmwatch_rule_evaluation_failing{group="a",rule="burn"} 1
		llmwatch_rule_evaluation_failing{group="b",rule="burn"} 0
		llmwatch_rule_evaluation_failing{group="b",rule="r"} 0
`
	if err := testutil.CollectAndCompare(c, strings.NewReader(want)); err != nil {
		t.Error(err)
	}
	for i := range 2 * maxRulesTold {
		rules = append(rules, metrics.EvaluatedRule{Name: fmt.Sprint("more", i), Group: "c", RuleState: metrics.RuleState{Health: "ok"}})
	}
	rules = append(rules, metrics.EvaluatedRule{Name: strings.Repeat("x", 10_000), Group: "last", RuleState: metrics.RuleState{Health: "err"}})
	if n := testutil.CollectAndCount(c); n != maxRulesTold {
		t.Errorf("%d rules are told of, want %d", n, maxRulesTold)
	}
	failed = errors.New("away")
	if n := testutil.CollectAndCount(c); n != 0 {
		t.Errorf("%d rules are told of while the server is away", n)
	}
}
