package engine

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"path/filepath"
	"slices"
	"time"

	"github.com/prometheus/common/model"
	"github.com/prometheus/prometheus/config"
	"github.com/prometheus/prometheus/model/rulefmt"
	"github.com/prometheus/prometheus/promql/parser"
)

// builtinPrefix marks the identifiers of the files of Config.Rules; the rest is
// the name. No file path begins like this because rule_files are made absolute
// or relative to the configuration file.
const builtinPrefix = "builtin:"

// ruleLoader gives rule groups to the rule manager: those that read found, so
// that what was checked is what is loaded. It is used by one goroutine at a time:
// the manager calls it while the engine applies what was read.
type ruleLoader struct {
	cfg    *Config
	parser parser.Parser
	// selfInterval is the interval of built-in groups that only record. It is
	// shorter while the engine starts.
	selfInterval time.Duration
	// own are the configuration's rule files, builtin those of Config.Rules, by
	// identifier.
	own, builtin map[string]*rulefmt.RuleGroups
	// wrong are the files of Config.Rules, by name, that were so at the start.
	wrong map[string]bool
}

// failingParser stands in for expressions that cannot be parsed, so that the rule
// is loaded and its evaluation says why it fails. Nil excuses all of them.
type failingParser struct {
	parser.Parser
	excuses func(error) bool
}

// ParseExpr implements parser.Parser.
func (p failingParser) ParseExpr(input string) (parser.Expr, error) {
	expr, err := p.Parser.ParseExpr(input)
	if err != nil && (p.excuses == nil || p.excuses(err)) {
		// It prints as the expression, which is what is evaluated.
		return &parser.VectorSelector{Name: input}, nil
	}

	return expr, err
}

// exceedsBound tells that an expression may be right, but not here.
func exceedsBound(err error) bool {
	_, ok := errors.AsType[*boundError](err)
	return ok
}

func newRuleLoader(cfg *Config) *ruleLoader {
	return &ruleLoader{cfg: cfg, parser: newParser(), selfInterval: cfg.CollectionInterval}
}

// read reads all rule files and returns their identifiers, the built-in ones
// first. If anything in the configuration's own is wrong, what was read before
// stays. Rules that exceed a bound are not wrong: they are loaded, and fail.
func (l *ruleLoader) read(cfg *config.Config) ([]string, error) {
	own := map[string]*rulefmt.RuleGroups{}
	for _, pattern := range cfg.RuleFiles {
		matches, err := filepath.Glob(pattern)
		if err != nil {
			return nil, fmt.Errorf("rule_files pattern %q: %w", pattern, err)
		}
		for _, file := range matches {
			lenient := failingParser{l.parser, exceedsBound}
			groups, errs := rulefmt.ParseFile(file, false, model.UTF8Validation, lenient, slog.New(slog.DiscardHandler))
			if len(errs) > 0 {
				return nil, ruleFileError(errs)
			}
			own[file] = groups
		}
	}

	return l.readBuiltin(own, false)
}

// readBuiltin reads the files of Config.Rules alone, beside the configuration's
// own as they were read. Where it is strict, a file that became wrong is an error
// and what was read before stays. Otherwise, rules of it that can be loaded are,
// and fail, or the file is left out: no stored rule keeps the others from running.
func (l *ruleLoader) readBuiltin(own map[string]*rulefmt.RuleGroups, strict bool) ([]string, error) {
	builtin, wrong := map[string]*rulefmt.RuleGroups{}, map[string]bool{}
	if l.cfg.Rules != nil {
		for name, content := range l.cfg.Rules() {
			groups, errs := parseRules(content, l.parser)
			if len(errs) > 0 {
				err := ruleFileError([]error{fmt.Errorf("%s%s: %w", builtinPrefix, name, errors.Join(errs...))})
				if strict && !l.wrong[name] {
					return nil, err
				}
				wrong[name] = true
				l.cfg.Logger.Error("a rule file is wrong; what can be loaded of it is, and fails", "err", err)
				if groups, errs = parseRules(content, failingParser{Parser: l.parser}); len(errs) > 0 {
					continue
				}
			}
			builtin[builtinPrefix+name] = groups
		}
	}
	l.own, l.builtin, l.wrong = own, builtin, wrong

	return append(slices.Sorted(maps.Keys(builtin)), slices.Sorted(maps.Keys(own))...), nil
}

func parseRules(content []byte, p parser.Parser) (*rulefmt.RuleGroups, []error) {
	return rulefmt.Parse(content, false, model.UTF8Validation, p, slog.New(slog.DiscardHandler))
}

func ruleFileError(errs []error) error {
	return fmt.Errorf("loading rule file: %s", oneLine(errors.Join(errs...)))
}

// Load implements rules.GroupLoader.
func (l *ruleLoader) Load(identifier string, _ bool, _ model.ValidationScheme) (*rulefmt.RuleGroups, []error) {
	if groups, ok := l.own[identifier]; ok {
		return groups, nil
	}
	replaced := map[string]bool{}
	for _, file := range l.own {
		for _, g := range file.Groups {
			replaced[g.Name] = true
		}
	}
	var loaded rulefmt.RuleGroups
	for _, g := range l.builtin[identifier].Groups {
		if replaced[g.Name] {
			continue
		}
		if g.Interval == 0 {
			g.Interval = model.Duration(l.interval(g))
		}
		loaded.Groups = append(loaded.Groups, g)
	}

	return &loaded, nil
}

// interval gives groups that only record the collection interval, so that each
// scrape is recorded once, and groups with alerts the check interval.
func (l *ruleLoader) interval(g rulefmt.RuleGroup) time.Duration {
	for _, r := range g.Rules {
		if r.Alert != "" {
			return l.cfg.CheckInterval
		}
	}

	return l.selfInterval
}

// Parse implements rules.GroupLoader. What can be wrong was found before.
func (l *ruleLoader) Parse(query string) (parser.Expr, error) {
	return failingParser{Parser: l.parser}.ParseExpr(query)
}

// CheckExpr says what is wrong with an expression that an alert rule is to have,
// with the default limits.
func CheckExpr(expr string) error {
	return (&Config{CheckInterval: MinInterval}).CheckExpr(expr)
}

// CheckExpr says what is wrong with an expression that an alert rule is to have.
// Whatever the rule selects, it must not exceed what one evaluation may cost.
func (c *Config) CheckExpr(expr string) error {
	parsed, err := newParser().ParseExpr(expr)
	if err != nil {
		return errors.New(oneLine(err))
	}
	q := newQueries(nil, countNothing{cmp.Or(c.CollectionInterval, DefaultInterval)}, c)
	if _, err := q.estimate(context.Background(), nil, expr, newGrid(time.Now(), time.Now(), 0), q.rules, ruleTimeout); err != nil {
		return errors.New(oneLine(err))
	}
	if t := parsed.Type(); t != parser.ValueTypeVector && t != parser.ValueTypeScalar {
		return fmt.Errorf("it yields %s, but an alert rule needs an instant vector or a scalar", parser.DocumentedType(t))
	}

	return nil
}

// CheckRules says what is wrong with a rule file.
func CheckRules(content []byte) error {
	if _, errs := parseRules(content, newParser()); len(errs) > 0 {
		return errors.New(oneLine(errors.Join(errs...)))
	}

	return nil
}
