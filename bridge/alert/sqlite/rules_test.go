package sqlite

import (
	"errors"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"llmwatch/bridge/alert"
)

func TestRules(t *testing.T) {
	t.Parallel()
	s, ctx := open(t), t.Context()
	rule := alert.Rule{
		Name: "failed_jobs", Description: "too many", Severity: alert.High, Expr: `up == 0`,
		For: 10 * time.Minute, Cooldown: 30 * time.Minute, Disabled: true,
		Labels: map[string]string{"team": "ml"}, Annotations: map[string]string{"summary": "x"},
		CreatedAt: noon, UpdatedAt: noon,
	}
	if err := s.CreateRule(ctx, rule); err != nil {
		t.Fatal(err)
	}
	if err := s.CreateRule(ctx, rule); !errors.Is(err, alert.ErrExists) {
		t.Errorf("created twice: error %v, want exists", err)
	}
	changed := rule
	changed.Expr, changed.Labels, changed.Disabled = `up == 1`, nil, false
	changed.CreatedAt, changed.UpdatedAt = noon.Add(time.Hour), noon.Add(time.Hour)
	if err := s.UpdateRule(ctx, changed); err != nil {
		t.Fatal(err)
	}
	changed.CreatedAt = noon
	got, err := s.Rule(ctx, rule.Name)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(changed, got); diff != "" {
		t.Errorf("rule (-want +got):\n%s", diff)
	}
	another := rule
	another.Name = "another"
	if err := s.CreateRule(ctx, another); err != nil {
		t.Fatal(err)
	}
	all, err := s.Rules(ctx)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]alert.Rule{another, changed}, all); diff != "" {
		t.Errorf("rules (-want +got):\n%s", diff)
	}
	if err := s.DeleteRule(ctx, rule.Name); err != nil {
		t.Fatal(err)
	}
	_, gone := s.Rule(ctx, rule.Name)
	for what, err := range map[string]error{
		"reading": gone, "updating": s.UpdateRule(ctx, rule), "deleting": s.DeleteRule(ctx, rule.Name),
	} {
		if !errors.Is(err, alert.ErrNotFound) {
			t.Errorf("%s a rule that is gone: error %v, want not found", what, err)
		}
	}
}
