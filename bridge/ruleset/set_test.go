package ruleset

import (
	"cmp"
	"context"
	"errors"
	"log/slog"
	"maps"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"testing/fstest"
	"time"

	gocmp "github.com/google/go-cmp/cmp"
	"go.yaml.in/yaml/v3"

	"llmwatch/bridge/alert"
	"llmwatch/bridge/alert/sqlite"
	"llmwatch/rules"
)

var defaults = fstest.MapFS{
	"recording.yml": {Data: []byte("groups: [{name: rec, rules: [{record: 'a:b', expr: b}]}]")},
	"default.yml": {Data: []byte(`
groups:
  - name: default
    rules:
      - alert: first
        expr: a:b > 80
        for: 5m
        labels: {severity: high, team: core}
        annotations: {summary: First, description: "It is {{ $value }}", cooldown: 30m, threshold: "80"}
      - {alert: second, expr: c > 1, labels: {severity: low}}
`)},
}

// server stands for what loads rules.
type server struct {
	loaded map[string][]byte
	loads  int
	fails  error
}

func (s *server) load(_ context.Context, files map[string][]byte) error {
	if s.fails != nil {
		return s.fails
	}
	s.loaded, s.loads = maps.Clone(files), s.loads+1

	return nil
}

// groups returns the names of the alerts that are loaded, by group.
func (s *server) groups(t *testing.T) map[string][]string {
	t.Helper()

	groups := map[string][]string{}
	for name, content := range s.loaded {
		var file ruleFile
		if err := yaml.Unmarshal(content, &file); err != nil {
			t.Fatalf("%s is no rule file: %v\n%s", name, err, content)
		}
		for _, g := range file.Groups {
			for _, r := range g.Rules {
				groups[g.Name] = append(groups[g.Name], cmp.Or(r.Alert, r.Record))
			}
		}
	}

	return groups
}

var now = time.Date(2026, 11, 24, 12, 0, 0, 0, time.UTC)

// badExpr is what the check of these tests refuses.
var errBadExpr = errors.New("1:3: parse error")

func newSet(t *testing.T) (*Set, *server, *sqlite.Store) {
	t.Helper()

	store, err := sqlite.Open(t.Context(), filepath.Join(t.TempDir(), "llmwatch.db"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := store.Close(); err != nil {
			t.Error(err)
		}
	})
	s := &server{}

	return setOn(t, store, s, "bad"), s, store
}

func setOn(t *testing.T, store alert.RuleStore, s *server, bad string) *Set {
	t.Helper()

	set, err := New(Config{
		Store: store, Defaults: defaults, Load: s.load, Logger: slog.New(slog.DiscardHandler),
		Now: func() time.Time { return now },
		CheckExpr: func(expr string) error {
			if strings.Contains(expr, bad) {
				return errBadExpr
			}

			return nil
		},
		CheckFile: func(content []byte) error {
			if strings.Contains(string(content), "{{ nonsense") {
				return errors.New("template: unexpected")
			}

			return nil
		},
	})
	if err != nil {
		t.Fatal(err)
	}

	return set
}

// asDefault is what is loaded while nobody has changed anything.
var asDefault = map[string][]string{"rec": {"a:b"}, "default": {"first", "second"}}

func with(groups map[string][]string, name string, rules ...string) map[string][]string {
	all := maps.Clone(groups)
	all[name] = rules

	return all
}

func TestDefaultRules(t *testing.T) {
	set, _, _ := newSet(t)
	got, err := set.List(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	want := []Rule{
		{Default: true, Group: "default", Rule: alert.Rule{
			Name: "first", Description: "It is {{ $value }}", Severity: alert.High, Expr: "a:b > 80", For: 5 * time.Minute, Cooldown: 30 * time.Minute,
			Labels: map[string]string{"team": "core"}, Annotations: map[string]string{"summary": "First"},
		}},
		{Default: true, Group: "default", Rule: alert.Rule{Name: "second", Severity: alert.Low, Expr: "c > 1", Labels: map[string]string{}}},
	}
	if diff := gocmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

func TestEmbeddedRulesAreUnderstood(t *testing.T) {
	set, err := New(Config{Defaults: rules.Files})
	if err != nil {
		t.Fatal(err)
	}
	r := set.defaults["high_cpu_usage"]
	if r.Cooldown != 30*time.Minute || r.For != 5*time.Minute || r.Severity != alert.High || r.Description == "" {
		t.Errorf("high_cpu_usage is %+v", r)
	}
}

func TestCustomRule(t *testing.T) {
	set, server, store := newSet(t)
	ctx := t.Context()
	created, err := set.Create(ctx, Change{
		Name: "high_fine_tuning_failures", Description: new("High rate of fine-tuning job failures"), Severity: new("high"),
		Expr: new(" failed > 5\n"), For: new(10 * time.Minute), Cooldown: new(30 * time.Minute),
		Labels: map[string]string{"team": "ml"}, Annotations: map[string]string{"summary": "Jobs fail"},
	})
	if err != nil {
		t.Fatal(err)
	}
	if created.Default || created.Disabled || created.CreatedAt != now {
		t.Errorf("it was created as %+v", created)
	}
	want := `groups:
    - name: llmwatch-custom-high_fine_tuning_failures
      rules:
        - alert: high_fine_tuning_failures
          expr: failed > 5
          for: 10m
          labels:
            severity: high
            team: ml
          annotations:
            cooldown: 30m
            description: High rate of fine-tuning job failures
            summary: Jobs fail
            threshold: "5"
`
	if diff := gocmp.Diff(want, string(server.loaded["custom-high_fine_tuning_failures.yml"])); diff != "" {
		t.Errorf("the file (-want +got):\n%s", diff)
	}
	if diff := gocmp.Diff(with(asDefault, "llmwatch-custom-high_fine_tuning_failures", "high_fine_tuning_failures"), server.groups(t)); diff != "" {
		t.Errorf("loaded (-want +got):\n%s", diff)
	}

	t.Run("a name that exists is refused", func(t *testing.T) {
		for _, name := range []string{created.Name, "first"} {
			if _, err := set.Create(ctx, Change{Name: name, Expr: new("up")}); !errors.Is(err, alert.ErrExists) {
				t.Errorf("Create of %s: %v", name, err)
			}
		}
	})
	t.Run("a change leaves the rest as it is", func(t *testing.T) {
		changed, isNew, err := set.Put(ctx, Change{Name: created.Name, Severity: new("low")})
		wanted := created
		wanted.Severity = alert.Low
		if diff := gocmp.Diff(wanted, changed); diff != "" || err != nil || isNew {
			t.Errorf("%v, new %t (-want +got):\n%s", err, isNew, diff)
		}
	})
	t.Run("it survives a restart", func(t *testing.T) {
		again := setOn(t, store, server, "bad")
		server.loaded = nil
		if err := again.Load(ctx); err != nil {
			t.Fatal(err)
		}
		if server.loaded["custom-"+created.Name+".yml"] == nil {
			t.Error("it is not loaded")
		}
	})
	t.Run("disabled it is not loaded, and still listed", func(t *testing.T) {
		disabled, _, err := set.Put(ctx, Change{Name: created.Name, Enabled: new(false)})
		if err != nil || !disabled.Disabled {
			t.Fatalf("%+v, %v", disabled, err)
		}
		if diff := gocmp.Diff(asDefault, server.groups(t)); diff != "" {
			t.Errorf("loaded (-want +got):\n%s", diff)
		}
	})
	t.Run("deleted it is gone", func(t *testing.T) {
		if _, err := set.Delete(ctx, created.Name); err != nil {
			t.Fatal(err)
		}
		if _, err := set.Get(ctx, created.Name); !errors.Is(err, alert.ErrNotFound) {
			t.Errorf("Get: %v", err)
		}
		if _, err := set.Delete(ctx, created.Name); !errors.Is(err, alert.ErrNotFound) {
			t.Errorf("Delete again: %v", err)
		}
	})
	t.Run("a change of what is not there adds it", func(t *testing.T) {
		_, isNew, err := set.Put(ctx, Change{Name: "new", Expr: new("up == 0")})
		if err != nil || !isNew {
			t.Errorf("new %t, %v", isNew, err)
		}
	})
}

func TestOverridingADefaultRule(t *testing.T) {
	set, server, _ := newSet(t)
	ctx := t.Context()
	was, err := set.Get(ctx, "first")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := set.Delete(ctx, "first"); !errors.Is(err, ErrDefault) {
		t.Errorf("Delete: %v, want ErrDefault", err)
	}

	changed, isNew, err := set.Put(ctx, Change{Name: "first", Expr: new("a:b > 95")})
	if err != nil || isNew || !changed.Default || !changed.Overridden || changed.For != was.For || changed.Description != was.Description {
		t.Fatalf("%+v, new %t, %v", changed, isNew, err)
	}
	overridden := with(map[string][]string{"rec": {"a:b"}, "default": {"second"}}, "llmwatch-custom-first", "first")
	if diff := gocmp.Diff(overridden, server.groups(t)); diff != "" {
		t.Errorf("loaded (-want +got):\n%s", diff)
	}
	if file := string(server.loaded["custom-first.yml"]); !strings.Contains(file, `threshold: "95"`) {
		t.Errorf("the threshold that messages name is not the new one:\n%s", file)
	}

	if _, _, err := set.Put(ctx, Change{Name: "first", Enabled: new(false)}); err != nil {
		t.Fatal(err)
	}
	if diff := gocmp.Diff(map[string][]string{"rec": {"a:b"}, "default": {"second"}}, server.groups(t)); diff != "" {
		t.Errorf("disabled, loaded (-want +got):\n%s", diff)
	}
	if _, err := set.Delete(ctx, "first"); err != nil {
		t.Fatal(err)
	}
	back, err := set.Get(ctx, "first")
	if diff := gocmp.Diff(was, back); diff != "" || err != nil {
		t.Errorf("deleted it is %v (-was +is):\n%s", err, diff)
	}
	if diff := gocmp.Diff(asDefault, server.groups(t)); diff != "" {
		t.Errorf("deleted, loaded (-want +got):\n%s", diff)
	}

	t.Run("disabled and enabled again it is not overridden", func(t *testing.T) {
		for _, enabled := range []bool{false, true, true} {
			got, _, err := set.Put(ctx, Change{Name: "first", Enabled: &enabled})
			if err != nil || got.Disabled == enabled || got.Overridden == enabled {
				t.Errorf("enabled %t: %+v, %v", enabled, got, err)
			}
		}
	})
}

func TestWhatIsWrongIsSaidAndNotStored(t *testing.T) {
	set, server, _ := newSet(t)
	for name, tc := range map[string]struct {
		change Change
		want   string
	}{
		"a name for a path": {Change{Name: "../x", Expr: new("up")}, `name must be a letter or _`},
		"no expression":     {Change{Name: "a"}, "expr is missing"},
		"a bad expression":  {Change{Name: "a", Expr: new("bad")}, "expr: 1:3: parse error"},
		"a bad template":    {Change{Name: "a", Expr: new("up"), Description: new("{{ nonsense")}, "template: unexpected"},
		"a strange severity": {
			Change{Name: "a", Expr: new("up"), Severity: new("urgent")}, `severity must be critical, high, medium or low, got "urgent"`,
		},
		"a negative for": {Change{Name: "a", Expr: new("up"), For: new(-time.Second)}, "for must not be negative"},
		"severity as label": {
			Change{Name: "a", Expr: new("up"), Labels: map[string]string{"severity": "x"}}, "labels must not name severity: use the field severity",
		},
		"cooldown as annotation": {
			Change{Name: "a", Expr: new("up"), Annotations: map[string]string{"cooldown": "1h"}}, "use the field cooldown",
		},
		"a label name with a space": {Change{Name: "a", Expr: new("up"), Labels: map[string]string{"a b": "x"}}, `labels: "a b" is not a name`},
		"a long expression":         {Change{Name: "a", Expr: new(strings.Repeat("u", maxText+1))}, "expr must be at most 16384 bytes"},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := set.Create(t.Context(), tc.change)
			if _, invalid := errors.AsType[*InvalidError](err); !invalid || !strings.Contains(err.Error(), tc.want) {
				t.Errorf("Create: %v, want an *InvalidError that says %q", err, tc.want)
			}
			if _, err := set.Get(t.Context(), tc.change.Name); !errors.Is(err, alert.ErrNotFound) {
				t.Errorf("Get: %v", err)
			}
		})
	}
	if server.loads != 0 {
		t.Errorf("something was loaded %d times", server.loads)
	}
}

func TestWhatTheServerRefusesIsNotKept(t *testing.T) {
	set, server, _ := newSet(t)
	if _, err := set.Create(t.Context(), Change{Name: "kept", Expr: new("up")}); err != nil {
		t.Fatal(err)
	}
	server.fails = errors.New("away")
	_, err := set.Create(t.Context(), Change{Name: "a", Expr: new("up")})
	if _, refused := errors.AsType[*LoadError](err); !refused {
		t.Errorf("Create: %v, want a *LoadError", err)
	}
	if _, err := set.Delete(t.Context(), "kept"); err == nil {
		t.Error("Delete succeeds")
	}
	all, err := set.List(t.Context())
	if err != nil || !slices.ContainsFunc(all, func(r Rule) bool { return r.Name == "kept" }) || len(all) != 3 {
		t.Errorf("there are %v, %v", all, err)
	}
}

// failing is a store that keeps nothing.
type failing struct{ alert.RuleStore }

func (failing) CreateRule(context.Context, alert.Rule) error { return errors.New("disk full") }

func TestWhatCannotBeStoredIsNotInForce(t *testing.T) {
	_, server, store := newSet(t)
	set := setOn(t, failing{store}, server, "bad")
	if _, err := set.Create(t.Context(), Change{Name: "a", Expr: new("up")}); err == nil || !strings.Contains(err.Error(), "disk full") {
		t.Errorf("Create: %v", err)
	}
	if diff := gocmp.Diff(asDefault, server.groups(t)); diff != "" {
		t.Errorf("loaded (-want +got):\n%s", diff)
	}
}

func TestABrokenStoredRuleStopsNobody(t *testing.T) {
	set, server, store := newSet(t)
	for _, c := range []Change{
		{Name: "fine", Expr: new("up")}, {Name: "old", Expr: new("removed_function(up)")}, {Name: "first", Expr: new("removed_function(a:b)")},
	} {
		if _, _, err := set.Put(t.Context(), c); err != nil {
			t.Fatal(err)
		}
	}
	// A newer server does not know what these two call.
	newer := setOn(t, store, server, "removed_function")
	if err := newer.Load(t.Context()); err != nil {
		t.Fatal(err)
	}
	if diff := gocmp.Diff(with(asDefault, "llmwatch-custom-fine", "fine"), server.groups(t)); diff != "" {
		t.Errorf("loaded (-want +got):\n%s", diff)
	}
	old, err := newer.Get(t.Context(), "old")
	if err != nil || !errors.As(old.Broken, new(*InvalidError)) {
		t.Errorf("it is %+v, %v", old, err)
	}
	if _, _, err := newer.Put(t.Context(), Change{Name: "old", Enabled: new(false)}); err != nil {
		t.Errorf("it cannot be disabled: %v", err)
	}
	if _, _, err := newer.Put(t.Context(), Change{Name: "old", Enabled: new(true)}); err == nil {
		t.Error("it can be enabled")
	}
}

func TestComparison(t *testing.T) {
	for expr, want := range map[string]string{
		"a > 5":                "a|5",
		"100 * a\n / b >= 1e3": "100 * a\n / b|1e3",
		"a == -1.5 ":           "a|-1.5",
		"a > b":                "||",
		"a > 5 and b":          "||",
	} {
		left, number, ok := Comparison(expr)
		if got := left + "|" + number; ok != (want != "||") || ok && got != want {
			t.Errorf("Comparison(%q) is %q, %t", expr, got, ok)
		}
	}
}

func TestRuleTakesTheSeverityNamesOfOthers(t *testing.T) {
	t.Parallel()
	for name, want := range map[string]alert.Severity{"Critical": alert.Critical, "P2": alert.High, "warning\t": alert.Medium, "informational": alert.Low} {
		c := Change{Name: "a", Expr: new("up"), Severity: &name}
		if r := c.apply(alert.Rule{}); r.Severity != want || check(&r) != nil {
			t.Errorf("severity %q is %s (%v), want %s", name, r.Severity, check(&r), want)
		}
	}
}
