package alert

import (
	"bytes"
	"fmt"
	"log/slog"
	"strings"
	"testing"
)

// readSeverities are labels and what they mean.
var readSeverities = map[Severity][]string{
	Critical: {
		"critical", "Critical", "CRITICAL", " critical", "critical\t", "crit", "page", "Page", "fatal", "emergency", "disaster",
		"P1", "p1", "sev1", "SEV1", "p0", "sev0",
	},
	High:   {"high", "High", "error", "Error", "major", "P2", "sev2"},
	Medium: {"medium", "MEDIUM", "warning", "Warning", "warn", "P3", "sev3", "", "  "},
	Low:    {"low", "minor", "info", "Info", "informational", "none", "debug", "ok", "OK", "P4", "P5", "sev4", "sev5"},
}

func TestParseSeverity(t *testing.T) {
	t.Parallel()
	for want, labels := range readSeverities {
		for _, label := range labels {
			if got, known := ParseSeverity(label); got != want || !known {
				t.Errorf("ParseSeverity(%q) is %s (known: %t), want %s", label, got, known, want)
			}
		}
	}
	for _, label := range []string{"1", "sev", "p", "urgent", "criticality", "crítica"} {
		if got, known := ParseSeverity(label); got != Medium || known {
			t.Errorf("ParseSeverity(%q) is %s (known: %t), want medium, not known", label, got, known)
		}
	}
}

func TestUnknownSeverityIsLoggedOnce(t *testing.T) {
	var log bytes.Buffer
	m := NewManager(Config{Store: newMemStore(), Logger: slog.New(slog.NewTextHandler(&log, nil))})
	observe := func(severities ...string) {
		t.Helper()
		s := Snapshot{Complete: true}
		for i, severity := range severities {
			s.Alerts = append(s.Alerts, Seen{Labels: map[string]string{"alertname": "a", "n": fmt.Sprint(i, severity), "severity": severity}})
		}
		if err := m.Observe(t.Context(), s); err != nil {
			t.Fatal(err)
		}
	}
	observe("urgent", "urgent", "Critical", "", strings.Repeat("x", 5000))
	observe()
	observe("urgent", "page")
	for text, want := range map[string]int{
		"severity=urgent": 1, "severity=xxx": 1, "not known": 2, strings.Repeat("x", maxSeverityShown+1): 0,
	} {
		if got := strings.Count(log.String(), text); got != want {
			t.Errorf("%q is logged %d times, want %d:\n%.1000s", text, got, want, log.String())
		}
	}
	var many []string
	for i := range 3 * maxUnknownSeverities {
		many = append(many, fmt.Sprint("unknown", i))
	}
	observe(many...)
	if got := strings.Count(log.String(), "not known"); got != maxUnknownSeverities {
		t.Errorf("%d unknown severities are logged, want %d at most", got, maxUnknownSeverities)
	}
}
