package engine

import (
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/prometheus/common/model"
	"github.com/prometheus/prometheus/config"
	"github.com/prometheus/prometheus/model/rulefmt"
	"github.com/prometheus/prometheus/promql/parser"
)

// builtinPrefix marks the identifiers of built-in rule files; the rest of the
// identifier is a path in Config.Rules. No file path begins like this because
// rule_files are made absolute or relative to the configuration file.
const builtinPrefix = "builtin:"

// newParser returns the PromQL dialect of this engine: the server's own plus
// `anchored` and `smoothed` range selectors, which make increase() exact.
func newParser() parser.Parser {
	return parser.NewParser(parser.Options{EnableExtendedRangeSelectors: true})
}

// ruleLoader reads rule groups for the rule manager from files and from the
// built-in file system. It is used by one goroutine at a time: the manager calls
// it under its own lock, and files runs before the manager does.
type ruleLoader struct {
	cfg    *Config
	parser parser.Parser
	// selfInterval is the interval of built-in groups that only record. It is
	// shorter while the engine starts.
	selfInterval time.Duration
	// replaced names the groups that the configuration's own files define.
	replaced map[string]bool
}

func newRuleLoader(cfg *Config) *ruleLoader {
	return &ruleLoader{cfg: cfg, parser: newParser(), selfInterval: cfg.CollectionInterval}
}

// files returns the identifiers of all rule files, the built-in ones first, and
// checks that each can be loaded.
func (l *ruleLoader) files(cfg *config.Config) ([]string, error) {
	var own []string
	for _, pattern := range cfg.RuleFiles {
		matches, err := filepath.Glob(pattern)
		if err != nil {
			return nil, fmt.Errorf("rule_files pattern %q: %w", pattern, err)
		}
		own = append(own, matches...)
	}
	slices.Sort(own)
	own = slices.Compact(own)

	replaced := map[string]bool{}
	for _, file := range own {
		groups, err := l.read(file)
		if err != nil {
			return nil, err
		}
		for _, g := range groups.Groups {
			replaced[g.Name] = true
		}
	}
	l.replaced = replaced

	if l.cfg.Rules == nil {
		return own, nil
	}
	names, err := fs.Glob(l.cfg.Rules, "*.yml")
	if err != nil {
		return nil, fmt.Errorf("listing the built-in rule files: %w", err)
	}
	files := make([]string, 0, len(names)+len(own))
	for _, name := range names {
		if _, err := l.read(builtinPrefix + name); err != nil {
			return nil, err
		}
		files = append(files, builtinPrefix+name)
	}

	return append(files, own...), nil
}

func (l *ruleLoader) read(identifier string) (*rulefmt.RuleGroups, error) {
	groups, errs := l.Load(identifier, false, model.UTF8Validation)
	if len(errs) > 0 {
		return nil, fmt.Errorf("loading rule file: %s", oneLine(errors.Join(errs...)))
	}

	return groups, nil
}

// Load implements rules.GroupLoader.
func (l *ruleLoader) Load(identifier string, ignoreUnknown bool, scheme model.ValidationScheme) (*rulefmt.RuleGroups, []error) {
	name, builtin := strings.CutPrefix(identifier, builtinPrefix)
	if !builtin {
		return rulefmt.ParseFile(identifier, ignoreUnknown, scheme, l.parser, slog.New(slog.DiscardHandler))
	}
	content, err := fs.ReadFile(l.cfg.Rules, name)
	if err != nil {
		return nil, []error{err}
	}
	groups, errs := rulefmt.Parse(content, ignoreUnknown, scheme, l.parser, slog.New(slog.DiscardHandler))
	if len(errs) > 0 {
		return nil, []error{fmt.Errorf("%s: %w", identifier, errors.Join(errs...))}
	}
	groups.Groups = slices.DeleteFunc(groups.Groups, func(g rulefmt.RuleGroup) bool { return l.replaced[g.Name] })
	for i := range groups.Groups {
		if g := &groups.Groups[i]; g.Interval == 0 {
			g.Interval = model.Duration(l.interval(*g))
		}
	}

	return groups, nil
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

// Parse implements rules.GroupLoader.
func (l *ruleLoader) Parse(query string) (parser.Expr, error) {
	return l.parser.ParseExpr(query)
}
