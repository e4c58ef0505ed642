package app

import (
	"bytes"
	"context"
	"image/png"
	"log/slog"
	"net/url"
	"testing"
	"time"

	"llmwatch/bridge/alert"
	"llmwatch/bridge/metrics"
)

func TestComparison(t *testing.T) {
	for expr, want := range map[string]struct {
		metric    string
		threshold float64
	}{
		"llmwatch:cpu_percent > 80":            {"llmwatch:cpu_percent", 80},
		"rate(errors_total[5m]) >= 0.5":        {"rate(errors_total[5m])", 0.5},
		"free_bytes<1e9":                       {"free_bytes", 1e9},
		"sum by (job) (x > 1) == -2":           {"sum by (job) (x > 1)", -2},
		"a > on (job) b\n  > 3":                {"a > on (job) b", 3},
		"llmwatch:http_requests:increase == 0": {"llmwatch:http_requests:increase", 0},
	} {
		metric, threshold, ok := comparison(expr)
		if !ok || metric != want.metric || threshold != want.threshold {
			t.Errorf("%q is taken apart as %q and %g (%v)", expr, metric, threshold, ok)
		}
	}
	for _, expr := range []string{"", "up", "absent(up)", "a > b", "vector(1)", "a > 1 and b"} {
		if metric, _, ok := comparison(expr); ok {
			t.Errorf("%q is taken for a comparison of %q with a number", expr, metric)
		}
	}
}

func TestMessagesCarryLinkAndChart(t *testing.T) {
	at := time.Date(2024, 1, 15, 10, 30, 0, 0, time.UTC)
	var asked string
	m := &messages{
		externalURL: "https://watch.example.com", logger: slog.New(slog.DiscardHandler),
		series: func(_ context.Context, expr string, _ time.Time, _ time.Duration) ([]metrics.Series, error) {
			asked = expr
			points := []metrics.Point{{Time: at.Add(-time.Hour), Value: 40}, {Time: at, Value: 90}}

			return []metrics.Series{
				{Labels: map[string]string{"instance": "other"}, Points: points[:1]},
				{Labels: map[string]string{"__name__": "x", "instance": "here"}, Points: points},
			}, nil
		},
		trouble: func(_ context.Context, _ *alert.Alert, until time.Time) ([]string, error) {
			return []string{"errors until " + until.String()}, nil
		},
	}
	a := alert.Alert{
		ID: "high_cpu_usage_20240115", Labels: map[string]string{"alertname": "high_cpu_usage", "instance": "here"},
		GeneratorURL: "http://localhost:9090/graph?g0.tab=0&g0.expr=" + url.QueryEscape("llmwatch:cpu_percent > 80"),
	}
	extra := m.extra(t.Context(), alert.Notification{Kind: alert.KindFiring, Alerts: []alert.Alert{a}, OwedAt: at})
	if want := "https://watch.example.com/alerts/high_cpu_usage_20240115"; extra.Link != want {
		t.Errorf("the link is %q, want %q", extra.Link, want)
	}
	if asked != "llmwatch:cpu_percent" {
		t.Errorf("the chart asks for %q", asked)
	}
	if _, err := png.Decode(bytes.NewReader(extra.Chart)); err != nil {
		t.Errorf("the chart is no picture: %v", err)
	}

	if len(extra.Logs) != 1 || extra.Logs[0] != "errors until "+at.String() {
		t.Errorf("the log lines are %q", extra.Logs)
	}

	pushed := a
	pushed.Origin.Kind, asked = alert.FromPush, ""
	if extra := m.extra(t.Context(), alert.Notification{Alerts: []alert.Alert{pushed}, OwedAt: at}); extra.Chart != nil || asked != "" {
		t.Errorf("a push had %q evaluated", asked)
	}

	a.Labels["instance"] = "unknown"
	if extra := m.extra(t.Context(), alert.Notification{Alerts: []alert.Alert{a}, OwedAt: at}); extra.Chart != nil {
		t.Error("a series of another instance was drawn")
	}
	if extra := m.extra(t.Context(), alert.Notification{Kind: alert.KindDigest, Alerts: []alert.Alert{a}}); extra.Chart != nil ||
		extra.Link != "https://watch.example.com/alerts" {
		t.Errorf("a digest carries %q and a chart of %d bytes", extra.Link, len(extra.Chart))
	}
}

func TestLinksToTheMetricsServerCarryNoCredentials(t *testing.T) {
	a := &App{externalURL: "http://127.0.0.1:5000"}
	if got, want := a.queryURL(&Config{Prometheus: Prometheus{URL: "https://ada:secret@prometheus.example.com/base/"}}),
		"https://prometheus.example.com/base/graph?g0.tab=0&g0.expr="; got != want {
		t.Errorf("the link is %q, want %q", got, want)
	}
	if got, want := a.queryURL(&Config{}), "http://127.0.0.1:5000/prometheus/api/v1/query?query="; got != want {
		t.Errorf("the link is %q, want %q", got, want)
	}
}
