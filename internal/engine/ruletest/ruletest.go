// Package ruletest runs unit tests of rule files, in the format of promtool and
// in the PromQL dialect of the embedded engine.
//
// It evaluates rules as the engine does, on samples that a file gives and on a
// clock that only the file moves. It must not touch a running engine.
package ruletest

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/prometheus/common/model"
	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/promql"
	"github.com/prometheus/prometheus/promql/parser"
	"github.com/prometheus/prometheus/promql/promqltest"
	"github.com/prometheus/prometheus/rules"
	"go.yaml.in/yaml/v3"
)

// file is a unit test file.
type file struct {
	RuleFiles          []string       `yaml:"rule_files"`
	EvaluationInterval model.Duration `yaml:"evaluation_interval"`
	GroupEvalOrder     []string       `yaml:"group_eval_order"`
	FuzzyCompare       bool           `yaml:"fuzzy_compare"`
	Tests              []test         `yaml:"tests"`
}

type test struct {
	Name           string            `yaml:"name"`
	Interval       model.Duration    `yaml:"interval"`
	Series         []series          `yaml:"input_series"`
	Alerts         []alertTest       `yaml:"alert_rule_test"`
	Exprs          []exprTest        `yaml:"promql_expr_test"`
	ExternalLabels map[string]string `yaml:"external_labels"`
	ExternalURL    string            `yaml:"external_url"`
	Start          timestamp         `yaml:"start_timestamp"`
}

type series struct {
	Series string `yaml:"series"`
	Values string `yaml:"values"`
}

// alertTest says which alerts of a rule fire at a time.
type alertTest struct {
	EvalTime model.Duration `yaml:"eval_time"`
	Name     string         `yaml:"alertname"`
	Want     []wantedAlert  `yaml:"exp_alerts"`
}

type wantedAlert struct {
	Labels      map[string]string `yaml:"exp_labels"`
	Annotations map[string]string `yaml:"exp_annotations"`
}

// exprTest says what an expression yields at a time.
type exprTest struct {
	Expr     string         `yaml:"expr"`
	EvalTime model.Duration `yaml:"eval_time"`
	Want     []wantedSample `yaml:"exp_samples"`
}

type wantedSample struct {
	Labels    string  `yaml:"labels"`
	Value     float64 `yaml:"value"`
	Histogram string  `yaml:"histogram"`
}

const (
	defaultInterval = time.Minute
	// maxEvaluations bounds a test, so that a slip in an eval_time is reported
	// and does not run for hours.
	maxEvaluations = 1_000_000
	maxSamples     = 50_000_000
	queryTimeout   = 2 * time.Minute
)

// Run runs the tests of one file, and returns how many there are and what
// failed. The error says that the file, or a rule file that it names, is broken.
func Run(ctx context.Context, path string) (tests int, failures []string, err error) {
	f, err := read(path)
	if err != nil {
		return 0, nil, err
	}
	for i := range f.Tests {
		t := &f.Tests[i]
		if t.Name == "" {
			t.Name = fmt.Sprintf("test %d", i+1)
		}
		failed, err := f.run(ctx, t)
		if err != nil {
			return 0, nil, fmt.Errorf("%s: %w", t.Name, err)
		}
		for _, text := range failed {
			failures = append(failures, t.Name+": "+text)
		}
	}

	return len(f.Tests), failures, nil
}

func read(path string) (*file, error) {
	content, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	var f file
	decoder := yaml.NewDecoder(bytes.NewReader(content))
	decoder.KnownFields(true)
	if err := decoder.Decode(&f); err != nil {
		return nil, fmt.Errorf("reading the tests: %s", strings.Join(strings.Fields(err.Error()), " "))
	}
	var found []string
	for _, pattern := range f.RuleFiles {
		if !filepath.IsAbs(pattern) {
			pattern = filepath.Join(filepath.Dir(path), pattern)
		}
		matches, err := filepath.Glob(pattern)
		if err != nil {
			return nil, fmt.Errorf("rule_files: %q: %w", pattern, err)
		}
		if len(matches) == 0 {
			return nil, fmt.Errorf("rule_files: there is no file %s", pattern)
		}
		found = append(found, matches...)
	}
	f.RuleFiles = found
	if f.EvaluationInterval <= 0 {
		f.EvaluationInterval = model.Duration(defaultInterval)
	}
	if len(f.Tests) == 0 {
		return nil, errors.New("there are no tests")
	}

	return &f, nil
}

// world is what one test happens in.
type world struct {
	*promqltest.LazyLoader
	groups []*rules.Group
	engine *promql.Engine
	parser parser.Parser
	start  time.Time
	fuzzy  bool
}

func (f *file) run(ctx context.Context, t *test) (failures []string, err error) {
	if t.Interval <= 0 {
		t.Interval = f.EvaluationInterval
	}
	w, err := f.build(t)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, w.engine.Close(), w.Close()) }()

	every, end := time.Duration(f.EvaluationInterval), t.end()
	if end/every > maxEvaluations {
		return nil, fmt.Errorf("the last eval_time, %s, is more than %d evaluations away", model.Duration(end), maxEvaluations)
	}
	for at := time.Duration(0); at <= end; at += every {
		if err := ctx.Err(); err != nil {
			return nil, err
		}
		if err := w.evaluate(ctx, at); err != nil {
			return nil, err
		}
		// An alert is looked at as it is between this evaluation and the next.
		for i := range t.Alerts {
			if due := time.Duration(t.Alerts[i].EvalTime); at <= due && due < at+every {
				failures = append(failures, w.compareAlerts(&t.Alerts[i])...)
			}
		}
	}
	for i := range t.Exprs {
		failures = append(failures, w.compareExpr(ctx, &t.Exprs[i])...)
	}

	return failures, nil
}

// end is when the last thing is looked at.
func (t *test) end() time.Duration {
	var last model.Duration
	for i := range t.Alerts {
		last = max(last, t.Alerts[i].EvalTime)
	}
	for i := range t.Exprs {
		last = max(last, t.Exprs[i].EvalTime)
	}

	return time.Duration(last)
}

func (f *file) build(t *test) (*world, error) {
	var load strings.Builder
	fmt.Fprintf(&load, "load %s\n", t.Interval)
	for _, s := range t.Series {
		fmt.Fprintf(&load, "  %s %s\n", s.Series, s.Values)
	}
	loader, err := promqltest.NewLazyLoader(load.String(), promqltest.LazyLoaderOpts{
		EnableAtModifier: true, EnableNegativeOffset: true, StartTime: t.Start.Time,
	})
	if err != nil {
		return nil, fmt.Errorf("input_series: %w", err)
	}
	w := &world{
		LazyLoader: loader, start: t.Start.Time, fuzzy: f.FuzzyCompare,
		parser: parser.NewParser(parser.Options{EnableExtendedRangeSelectors: true}),
	}
	if w.start.IsZero() {
		w.start = time.Unix(0, 0).UTC()
	}
	// The loader's own engine does not know the engine's dialect.
	w.engine = promql.NewEngine(promql.EngineOpts{
		Logger: slog.New(slog.DiscardHandler), MaxSamples: maxSamples, Timeout: queryTimeout, Parser: w.parser,
		NoStepSubqueryIntervalFn: func(int64) int64 { return time.Duration(f.EvaluationInterval).Milliseconds() },
		EnableAtModifier:         true, EnableNegativeOffset: true,
	})
	manager := rules.NewManager(&rules.ManagerOptions{
		QueryFunc:  rules.EngineQueryFunc(w.engine, loader.Storage()),
		Appendable: loader.Storage(),
		Context:    loader.Context(),
		NotifyFunc: func(context.Context, string, ...*rules.Alert) {},
		Logger:     slog.New(slog.DiscardHandler),
		Parser:     w.parser,
	})
	groups, errs := manager.LoadGroups(time.Duration(t.Interval), labels.FromMap(t.ExternalLabels), t.ExternalURL, nil, false, f.RuleFiles...)
	if len(errs) > 0 {
		return nil, errors.Join(append(errs, w.engine.Close(), loader.Close())...)
	}
	for _, g := range groups {
		w.groups = append(w.groups, g)
		for _, r := range g.Rules() {
			if alerting, ok := r.(*rules.AlertingRule); ok {
				alerting.SetRestored(true) // So that it writes ALERTS, which other rules may read.
			}
		}
	}
	slices.SortFunc(w.groups, func(a, b *rules.Group) int {
		if by := slices.Index(f.GroupEvalOrder, a.Name()) - slices.Index(f.GroupEvalOrder, b.Name()); by != 0 {
			return by
		}

		return strings.Compare(a.Name(), b.Name())
	})

	return w, nil
}

// evaluate lets all rules see the samples until a time.
func (w *world) evaluate(ctx context.Context, at time.Duration) error {
	now := w.start.Add(at)
	var failed error
	w.WithSamplesTill(now, func(err error) {
		failed = err
		if err != nil {
			return
		}
		for _, g := range w.groups {
			g.Eval(ctx, now)
			for _, r := range g.Rules() {
				if err := r.LastError(); err != nil {
					failed = errors.Join(failed, fmt.Errorf("rule %s at %s: %w", r.Name(), model.Duration(at), err))
				}
			}
		}
	})

	return failed
}

// timestamp is a time in RFC 3339 or in seconds since 1970.
type timestamp struct{ time.Time }

// UnmarshalYAML implements yaml.Unmarshaler.
func (t *timestamp) UnmarshalYAML(node *yaml.Node) error {
	var seconds float64
	if node.Decode(&seconds) == nil {
		t.Time = time.UnixMilli(int64(seconds * 1000)).UTC()
		return nil
	}
	at, err := time.Parse(time.RFC3339, node.Value)
	t.Time = at.UTC()

	return err
}
