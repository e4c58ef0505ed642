package alert

import (
	"cmp"
	"context"
	"log/slog"
	"slices"
	"strings"
)

// Severity says how grave an alert is.
type Severity string

// The severities, the gravest first.
const (
	Critical Severity = "critical"
	High     Severity = "high"
	Medium   Severity = "medium"
	Low      Severity = "low"
)

// Severities returns all of them, the gravest first.
func Severities() []Severity { return []Severity{Critical, High, Medium, Low} }

// severityNames are what the rules and tools of others call the severities.
var severityNames = map[string]Severity{
	"critical": Critical, "crit": Critical, "p0": Critical, "p1": Critical, "sev0": Critical, "sev1": Critical,
	"emergency": Critical, "disaster": Critical, "fatal": Critical, "page": Critical,
	"high": High, "error": High, "major": High, "p2": High, "sev2": High,
	"medium": Medium, "warning": Medium, "warn": Medium, "p3": Medium, "sev3": Medium,
	"low": Low, "minor": Low, "info": Low, "informational": Low, "none": Low, "debug": Low, "ok": Low,
	"p4": Low, "p5": Low, "sev4": Low, "sev5": Low,
}

// ParseSeverity reads a `severity` label in any case and with space around it.
// What is absent or not known is Medium; known is false for the latter.
func ParseSeverity(label string) (s Severity, known bool) {
	label = strings.TrimSpace(label)
	if label == "" {
		return Medium, true
	}
	if s, known = severityNames[strings.ToLower(label)]; known {
		return s, true
	}

	return Medium, false
}

// Rank is the place of s in Severities; one that is none of them counts as the
// last.
func (s Severity) Rank() int {
	switch s {
	case Critical:
		return 0
	case High:
		return 1
	case Medium:
		return 2
	default:
		return 3
	}
}

// byGravity sorts the gravest alerts first, among equals the oldest.
func byGravity(ds []*draft) {
	slices.SortFunc(ds, func(x, y *draft) int {
		a, b := &x.Alert, &y.Alert

		return cmp.Or(cmp.Compare(a.Severity.Rank(), b.Severity.Rank()), a.FiredAt.Compare(b.FiredAt), cmp.Compare(a.ID, b.ID))
	})
}

// Bounds of what is remembered and logged of severities that are not known.
const (
	maxUnknownSeverities = 100
	maxSeverityShown     = 64
)

// unknownSeverities are the values of severity labels that were logged.
type unknownSeverities struct {
	logger *slog.Logger
	logged map[string]bool
}

// log says of each value among new alerts that it is not known, once.
func (u *unknownSeverities) log(ctx context.Context, steps []Transition) {
	for i := range steps {
		a := &steps[i].Alert
		label := a.Labels[severityLabel]
		if _, known := ParseSeverity(label); known || a.Version > 0 || u.logged[label] || len(u.logged) >= maxUnknownSeverities {
			continue
		}
		u.logged[label] = true
		u.logger.WarnContext(ctx, "the severity is not known and counts as medium",
			"severity", label[:min(len(label), maxSeverityShown)], "alert", a.Name)
	}
}
