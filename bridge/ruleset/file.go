package ruleset

import (
	"bytes"
	"fmt"
	"io/fs"
	"maps"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/prometheus/common/model"
	"go.yaml.in/yaml/v3"

	"llmwatch/bridge/alert"
)

// The label and annotations of an alert rule that are fields of their own here.
const (
	labelSeverity         = "severity"
	annotationDescription = "description"
	annotationCooldown    = "cooldown"
	// annotationThreshold is what messages hold the value against. It is added
	// where the expression ends in a comparison with a number.
	annotationThreshold = "threshold"
)

// What the names of the files and groups of custom rules, and of default rules
// that are overridden, begin with.
const (
	customFilePrefix  = "custom-"
	customGroupPrefix = "llmwatch-custom-"
)

// ruleFile is Prometheus's rule file format, as far as rules of ours use it.
type ruleFile struct {
	Groups []ruleGroup `yaml:"groups"`
}

type ruleGroup struct {
	Name     string     `yaml:"name"`
	Interval string     `yaml:"interval,omitempty"`
	Rules    []fileRule `yaml:"rules"`
}

type fileRule struct {
	Record        string            `yaml:"record,omitempty"`
	Alert         string            `yaml:"alert,omitempty"`
	Expr          string            `yaml:"expr"`
	For           string            `yaml:"for,omitempty"`
	KeepFiringFor string            `yaml:"keep_firing_for,omitempty"`
	Labels        map[string]string `yaml:"labels,omitempty"`
	Annotations   map[string]string `yaml:"annotations,omitempty"`
}

// parseDefaults reads the rule files at the root of files.
func parseDefaults(files fs.FS) (map[string]ruleFile, error) {
	names, err := fs.Glob(files, "*.yml")
	if err != nil {
		return nil, fmt.Errorf("listing the default rule files: %w", err)
	}
	parsed := map[string]ruleFile{}
	for _, name := range names {
		text, err := fs.ReadFile(files, name)
		if err != nil {
			return nil, fmt.Errorf("reading the default rule file %s: %w", name, err)
		}
		var file ruleFile
		decoder := yaml.NewDecoder(bytes.NewReader(text))
		// A field that is not known here would be lost when the file is written.
		decoder.KnownFields(true)
		if err := decoder.Decode(&file); err != nil {
			return nil, fmt.Errorf("reading the default rule file %s: %w", name, err)
		}
		parsed[name] = file
	}

	return parsed, nil
}

// read makes a rule of its form in a file.
func (f *fileRule) read() (alert.Rule, error) {
	severity, _ := alert.ParseSeverity(f.Labels[labelSeverity])
	r := alert.Rule{
		Name: f.Alert, Expr: strings.TrimSpace(f.Expr), Severity: severity,
		Description: f.Annotations[annotationDescription],
		Labels:      without(f.Labels, labelSeverity),
		Annotations: without(f.Annotations, annotationDescription, annotationCooldown),
	}
	if _, number, ok := Comparison(r.Expr); ok && number == r.Annotations[annotationThreshold] {
		delete(r.Annotations, annotationThreshold) // It follows the expression.
	}
	var err error
	if r.For, err = duration(f.For); err != nil {
		return r, fmt.Errorf("rule %s: for: %w", f.Alert, err)
	}
	if r.Cooldown, err = duration(f.Annotations[annotationCooldown]); err != nil {
		return r, fmt.Errorf("rule %s: cooldown: %w", f.Alert, err)
	}

	return r, nil
}

// FromFile is a rule that a metrics server loaded from a file of somebody else. A
// cooldown that cannot be read is none.
func FromFile(name, expr string, holds time.Duration, labels, annotations map[string]string) alert.Rule {
	f := fileRule{Alert: name, Expr: expr, Labels: labels, Annotations: annotations}
	r, err := f.read()
	if err != nil {
		r.Cooldown = 0
	}
	r.For = holds

	return r
}

// duration reads a duration that may be absent.
func duration(text string) (time.Duration, error) {
	if text == "" {
		return 0, nil
	}

	return alert.ParseDuration(text)
}

func without(pairs map[string]string, names ...string) map[string]string {
	rest := maps.Clone(pairs)
	maps.DeleteFunc(rest, func(name, _ string) bool { return slices.Contains(names, name) })

	return rest
}

// customFile is the rule file of one rule, and its name.
func customFile(r *alert.Rule) (name string, content []byte, err error) {
	f := fileRule{Alert: r.Name, Expr: r.Expr, Labels: map[string]string{}, Annotations: map[string]string{}}
	if r.For > 0 {
		f.For = model.Duration(r.For).String()
	}
	maps.Copy(f.Labels, r.Labels)
	f.Labels[labelSeverity] = string(r.Severity)
	if _, number, ok := Comparison(r.Expr); ok {
		f.Annotations[annotationThreshold] = number
	}
	maps.Copy(f.Annotations, r.Annotations)
	if r.Description != "" {
		f.Annotations[annotationDescription] = r.Description
	}
	if r.Cooldown > 0 {
		f.Annotations[annotationCooldown] = model.Duration(r.Cooldown).String()
	}
	content, err = yaml.Marshal(ruleFile{Groups: []ruleGroup{{Name: customGroupPrefix + r.Name, Rules: []fileRule{f}}}})

	return customFilePrefix + r.Name + ".yml", content, err
}

// compared is an expression that ends in a comparison with a number.
var compared = regexp.MustCompile(`(?s)^(.+?)\s*(?:>=|<=|==|!=|>|<)\s*([-+]?[0-9][0-9.eE+-]*)\s*$`)

// Comparison takes an expression that ends in a comparison with a number apart:
// what is compared, and with which number.
func Comparison(expr string) (compares, number string, ok bool) {
	m := compared.FindStringSubmatch(expr)
	if m == nil {
		return "", "", false
	}

	return strings.TrimSpace(m[1]), m[2], true
}

// render writes the default files without the rules that are replaced.
func render(defaults map[string]ruleFile, replaced map[string]bool) (map[string][]byte, error) {
	files := map[string][]byte{}
	for name, file := range defaults {
		var kept ruleFile
		for _, group := range file.Groups {
			group.Rules = slices.DeleteFunc(slices.Clone(group.Rules), func(r fileRule) bool {
				return r.Alert != "" && replaced[r.Alert]
			})
			if len(group.Rules) > 0 {
				kept.Groups = append(kept.Groups, group)
			}
		}
		content, err := yaml.Marshal(kept)
		if err != nil {
			return nil, err
		}
		files[name] = content
	}

	return files, nil
}
