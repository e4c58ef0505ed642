package ruleset

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"maps"
	"slices"
	"strings"
	"sync"
	"time"

	"llmwatch/bridge/alert"
)

var (
	// ErrDefault says that a default rule cannot be deleted.
	ErrDefault = errors.New("a default rule can be disabled, but not deleted")
	// ErrReadOnly is what Load fails with, wrapped in words, where nobody said how
	// the metrics server is to be given rules.
	ErrReadOnly = errors.New("rules cannot be changed here")
)

// LoadError says that the metrics server did not take the rules. Nothing has
// changed then.
type LoadError struct{ Err error }

// Error implements error.
func (e *LoadError) Error() string { return "the rules could not be loaded: " + e.Err.Error() }

// Unwrap returns why.
func (e *LoadError) Unwrap() error { return e.Err }

// Config is what a Set is made of.
type Config struct {
	Store alert.RuleStore
	// Defaults holds the default rule files (*.yml at its root).
	Defaults fs.FS
	// CheckExpr and CheckFile say what is wrong with an expression and with a
	// rule file, without loading anything.
	CheckExpr func(expr string) error
	CheckFile func(content []byte) error
	// Load has the metrics server load these files, by name, in place of all
	// that it was given before. On an error it goes on with those.
	Load   func(ctx context.Context, files map[string][]byte) error
	Logger *slog.Logger
	// Now is the clock, time.Now where nil.
	Now func() time.Time
}

// Set is the alert rules in force. Its methods may be called concurrently.
type Set struct {
	cfg      Config
	files    map[string]ruleFile
	defaults map[string]alert.Rule
	groups   map[string]string // Of the default rules, by name.
	changing sync.Mutex        // Held while rules change: a load must fit what is stored.
}

// New returns the rules of a store and the default ones. Nothing is loaded yet.
func New(cfg Config) (*Set, error) {
	if cfg.Now == nil {
		cfg.Now = time.Now
	}
	files, err := parseDefaults(cfg.Defaults)
	if err != nil {
		return nil, err
	}
	s := &Set{cfg: cfg, files: files, defaults: map[string]alert.Rule{}, groups: map[string]string{}}
	for _, file := range files {
		for _, group := range file.Groups {
			for _, f := range group.Rules {
				if f.Alert == "" {
					continue
				}
				if s.defaults[f.Alert], err = f.read(); err != nil {
					return nil, fmt.Errorf("reading the default rules: %w", err)
				}
				s.groups[f.Alert] = group.Name
			}
		}
	}

	return s, nil
}

// List returns all rules by name.
func (s *Set) List(ctx context.Context) ([]Rule, error) {
	stored, err := s.cfg.Store.Rules(ctx)
	if err != nil {
		return nil, err
	}
	all := map[string]Rule{}
	for name, r := range s.defaults {
		all[name] = Rule{Rule: r, Default: true, Group: s.groups[name]}
	}
	for i := range stored {
		all[stored[i].Name] = s.view(&stored[i])
	}

	return slices.SortedFunc(maps.Values(all), func(a, b Rule) int { return strings.Compare(a.Name, b.Name) }), nil
}

// Get returns one rule, or alert.ErrNotFound.
func (s *Set) Get(ctx context.Context, name string) (Rule, error) {
	stored, err := s.cfg.Store.Rule(ctx, name)
	if err == nil {
		return s.view(&stored), nil
	}
	if r, ok := s.defaults[name]; ok && errors.Is(err, alert.ErrNotFound) {
		return Rule{Rule: r, Default: true, Group: s.groups[name]}, nil
	}

	return Rule{}, err
}

// view says what a stored rule is.
func (s *Set) view(r *alert.Rule) Rule {
	_, isDefault := s.defaults[r.Name]
	v := Rule{Rule: *r, Default: isDefault, Overridden: isDefault, Group: customGroupPrefix + r.Name}
	if !r.Disabled {
		_, _, v.Broken = s.file(r)
	}
	if v.Broken != nil && isDefault {
		v.Group = s.groups[r.Name] // The default one is in force meanwhile.
	}

	return v
}

// Create adds a custom rule. It fails with alert.ErrExists where there is a rule
// of that name, with an *InvalidError or with a *LoadError.
func (s *Set) Create(ctx context.Context, c Change) (Rule, error) {
	s.changing.Lock()
	defer s.changing.Unlock()
	_, err := s.Get(ctx, c.Name)
	switch {
	case err == nil:
		return Rule{}, fmt.Errorf("rule %q: %w", c.Name, alert.ErrExists)
	case !errors.Is(err, alert.ErrNotFound):
		return Rule{}, err
	}

	return s.put(ctx, alert.Rule{}, c, s.cfg.Store.CreateRule)
}

// Put changes a rule, overrides a default one, or adds a custom one and reports
// that it did. It fails as Create does, and never with alert.ErrExists.
func (s *Set) Put(ctx context.Context, c Change) (rule Rule, created bool, err error) {
	s.changing.Lock()
	defer s.changing.Unlock()
	old, err := s.Get(ctx, c.Name)
	created = errors.Is(err, alert.ErrNotFound)
	if err != nil && !created {
		return Rule{}, false, err
	}
	keep := s.cfg.Store.CreateRule
	if !created && (!old.Default || old.Overridden) {
		keep = s.cfg.Store.UpdateRule
	}
	base, isDefault := s.defaults[c.Name]
	if changed := c.apply(old.Rule); isDefault && same(&changed, &base) {
		rule, err = s.reset(ctx, old)
	} else {
		rule, err = s.put(ctx, old.Rule, c, keep)
	}

	return rule, created && err == nil, err
}

// put has a changed rule checked, loaded and kept.
func (s *Set) put(ctx context.Context, old alert.Rule, c Change, keep func(context.Context, alert.Rule) error) (Rule, error) {
	r := c.apply(old)
	if err := check(&r); err != nil {
		return Rule{}, err
	}
	disabled := old
	disabled.Disabled = true
	// A rule that cannot be loaded any more can still be disabled.
	if !same(&r, &disabled) {
		if _, _, err := s.file(&r); err != nil {
			return Rule{}, err
		}
	}
	r.UpdatedAt = s.cfg.Now().UTC().Truncate(time.Millisecond)
	if r.CreatedAt.IsZero() {
		r.CreatedAt = r.UpdatedAt
	}
	err := s.change(ctx, func(all map[string]alert.Rule) { all[r.Name] = r }, func() error { return keep(ctx, r) })
	if err != nil {
		return Rule{}, err
	}

	return s.view(&r), nil
}

// Delete forgets a custom rule, or what overrides a default one, and returns
// what the rule was. It fails with alert.ErrNotFound, ErrDefault or a *LoadError.
func (s *Set) Delete(ctx context.Context, name string) (Rule, error) {
	s.changing.Lock()
	defer s.changing.Unlock()
	old, err := s.Get(ctx, name)
	if err != nil {
		return Rule{}, err
	}
	if old.Default && !old.Overridden {
		return Rule{}, fmt.Errorf("rule %q: %w", name, ErrDefault)
	}

	return old, s.forget(ctx, name)
}

// reset makes a default rule what it was.
func (s *Set) reset(ctx context.Context, old Rule) (Rule, error) {
	if old.Overridden {
		if err := s.forget(ctx, old.Name); err != nil {
			return Rule{}, err
		}
	}

	return Rule{Rule: s.defaults[old.Name], Default: true, Group: s.groups[old.Name]}, nil
}

func (s *Set) forget(ctx context.Context, name string) error {
	return s.change(ctx, func(all map[string]alert.Rule) { delete(all, name) },
		func() error { return s.cfg.Store.DeleteRule(ctx, name) })
}

// change loads the rules as they will be, and then keeps the change. It is loaded
// first, because what the server refuses must not be kept; if it cannot be kept,
// what was loaded before is loaded again.
func (s *Set) change(ctx context.Context, edit func(all map[string]alert.Rule), keep func() error) error {
	stored, err := s.stored(ctx)
	if err != nil {
		return err
	}
	changed := maps.Clone(stored)
	edit(changed)
	if err := s.load(ctx, changed); err != nil {
		return err
	}
	if err := keep(); err != nil {
		return errors.Join(err, s.load(context.WithoutCancel(ctx), stored))
	}

	return nil
}

// Load loads all rules, for the first time or again.
func (s *Set) Load(ctx context.Context) error {
	s.changing.Lock()
	defer s.changing.Unlock()
	stored, err := s.stored(ctx)
	if err != nil {
		return err
	}

	return s.load(ctx, stored)
}

func (s *Set) stored(ctx context.Context) (map[string]alert.Rule, error) {
	rules, err := s.cfg.Store.Rules(ctx)
	if err != nil {
		return nil, err
	}
	all := map[string]alert.Rule{}
	for i := range rules {
		all[rules[i].Name] = rules[i]
	}

	return all, nil
}

func (s *Set) load(ctx context.Context, stored map[string]alert.Rule) error {
	files, err := s.render(ctx, stored)
	if err != nil {
		return err
	}
	if err := s.cfg.Load(ctx, files); err != nil {
		return &LoadError{err}
	}

	return nil
}

// render makes the files of the rules in force. A stored rule that is broken (it
// was not when it was stored, but a newer server may know less) is left out; where
// it overrides a default one, that is in force meanwhile.
func (s *Set) render(ctx context.Context, stored map[string]alert.Rule) (map[string][]byte, error) {
	replaced := map[string]bool{}
	custom := map[string][]byte{}
	for name, r := range stored {
		if !r.Disabled {
			file, content, err := s.file(&r)
			if err != nil {
				s.cfg.Logger.ErrorContext(ctx, "a rule is left out: it cannot be loaded", "rule", name, "err", err)
				continue
			}
			custom[file] = content
		}
		replaced[name] = true
	}
	files, err := render(s.files, replaced)
	if err != nil {
		return nil, fmt.Errorf("writing the default rules: %w", err)
	}
	maps.Copy(files, custom)

	return files, nil
}

// file is the rule file of one rule, if it can be loaded.
func (s *Set) file(r *alert.Rule) (name string, content []byte, err error) {
	if err := s.cfg.CheckExpr(r.Expr); err != nil {
		return "", nil, invalidf("expr: %s", err)
	}
	name, content, err = customFile(r)
	if err != nil {
		return "", nil, err
	}
	if err := s.cfg.CheckFile(content); err != nil {
		return "", nil, invalidf("%s", err)
	}

	return name, content, nil
}
