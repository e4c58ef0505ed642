package ruleset

import (
	"cmp"
	"errors"
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/prometheus/common/model"

	"llmwatch/bridge/alert"
)

// Rule is an alert rule as it is in force.
type Rule struct {
	alert.Rule
	// Default says that it came with llmwatch, Overridden that it is not as it
	// came.
	Default, Overridden bool
	// Group is the group of the rule files that holds it while it is enabled.
	Group string
	// Broken says why it cannot be loaded although it is stored; nil if it can.
	Broken error
}

// Change is what somebody wants a rule to be. What is nil stays as it is.
type Change struct {
	Name        string
	Description *string
	Severity    *string
	Expr        *string
	For         *time.Duration
	Cooldown    *time.Duration
	Labels      map[string]string
	Annotations map[string]string
	Enabled     *bool
}

// InvalidError says what is wrong with a rule that somebody sent.
type InvalidError struct{ Message string }

// Error implements error.
func (e *InvalidError) Error() string { return e.Message }

func invalidf(format string, args ...any) error {
	return &InvalidError{fmt.Sprintf(format, args...)}
}

// Bounds of a rule: it goes into files, messages and a path of the API.
const (
	maxText  = 16 << 10
	maxPairs = 64
)

var validName = regexp.MustCompile(`^[a-zA-Z_][a-zA-Z0-9_.-]{0,127}$`)

// apply returns r as the change wants it.
func (c *Change) apply(r alert.Rule) alert.Rule {
	r.Name = c.Name
	set(&r.Description, c.Description)
	set(&r.Expr, c.Expr)
	set(&r.For, c.For)
	set(&r.Cooldown, c.Cooldown)
	if c.Severity != nil {
		severity, known := alert.ParseSeverity(*c.Severity)
		if r.Severity = severity; !known {
			r.Severity = alert.Severity(*c.Severity) // check refuses it, and names it.
		}
	}
	r.Severity = cmp.Or(r.Severity, alert.Medium)
	if c.Labels != nil {
		r.Labels = c.Labels
	}
	if c.Annotations != nil {
		r.Annotations = c.Annotations
	}
	if c.Enabled != nil {
		r.Disabled = !*c.Enabled
	}
	r.Expr = strings.TrimSpace(r.Expr)

	return r
}

func set[T any](into *T, value *T) {
	if value != nil {
		*into = *value
	}
}

// check reports what is wrong with a rule, but for its expression and templates.
func check(r *alert.Rule) error {
	switch {
	case !validName.MatchString(r.Name):
		return invalidf("name must be a letter or _, then up to 127 letters, digits, _, . and -, got %q", shorten(r.Name))
	case !slices.Contains(alert.Severities(), r.Severity):
		return invalidf("severity must be critical, high, medium or low, got %q", shorten(string(r.Severity)))
	case r.Expr == "":
		return invalidf("expr is missing: it must be PromQL, such as up == 0")
	case r.For < 0:
		return invalidf("for must not be negative, got %s", r.For)
	case r.Cooldown < 0:
		return invalidf("cooldown must not be negative, got %s", r.Cooldown)
	}
	for _, text := range []struct{ name, value string }{{"expr", r.Expr}, {"description", r.Description}} {
		if len(text.value) > maxText {
			return invalidf("%s must be at most %d bytes, got %d", text.name, maxText, len(text.value))
		}
	}

	return errors.Join(
		checkPairs("labels", r.Labels, map[string]string{labelSeverity: "the field severity", model.AlertNameLabel: "the field name"}),
		checkPairs("annotations", r.Annotations, map[string]string{
			annotationDescription: "the field description", annotationCooldown: "the field cooldown",
		}),
	)
}

// checkPairs refuses the names that are fields of their own.
func checkPairs(field string, pairs, reserved map[string]string) error {
	if len(pairs) > maxPairs {
		return invalidf("%s must be at most %d, got %d", field, maxPairs, len(pairs))
	}
	for _, name := range slices.Sorted(maps.Keys(pairs)) {
		switch {
		case reserved[name] != "":
			return invalidf("%s must not name %s: use %s", field, name, reserved[name])
		case !model.LegacyValidation.IsValidLabelName(name):
			return invalidf("%s: %q is not a name: it must be a letter or _, then letters, digits and _", field, shorten(name))
		case len(pairs[name]) > maxText:
			return invalidf("%s: %s must be at most %d bytes, got %d", field, name, maxText, len(pairs[name]))
		}
	}

	return nil
}

// shorten keeps an error readable whatever was sent.
func shorten(text string) string {
	const most = 64
	if len(text) <= most {
		return text
	}

	return text[:most] + "..."
}

// same reports whether two rules differ in nothing but their times.
func same(a, b *alert.Rule) bool {
	return a.Name == b.Name && a.Description == b.Description && a.Severity == b.Severity && a.Expr == b.Expr &&
		a.For == b.For && a.Cooldown == b.Cooldown && a.Disabled == b.Disabled &&
		maps.Equal(a.Labels, b.Labels) && maps.Equal(a.Annotations, b.Annotations)
}
