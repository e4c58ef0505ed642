package app

import (
	"context"
	"log/slog"
	"net/url"
	"strconv"
	"strings"
	"time"

	"llmwatch/bridge/alert"
	"llmwatch/bridge/metrics"
	"llmwatch/bridge/notify"
	"llmwatch/bridge/ruleset"
	"llmwatch/internal/engine"
)

// messages adds to notifications what only the whole program knows.
type messages struct {
	externalURL string
	series      func(ctx context.Context, expr string, at time.Time, window time.Duration) ([]metrics.Series, error)
	// trouble are the newest log lines before a time that may concern an alert.
	trouble func(ctx context.Context, a *alert.Alert, until time.Time) ([]string, error)
	logger  *slog.Logger
}

// chartWindow is the period that a chart shows, chartTimeout how long a message
// waits for it and for log lines.
const (
	chartWindow  = time.Hour
	chartTimeout = 3 * time.Second
)

// extra links to the alert, draws its metric and quotes log lines.
func (m *messages) extra(ctx context.Context, n alert.Notification) alert.Extra {
	if len(n.Alerts) != 1 || n.Kind == alert.KindDigest {
		return alert.Extra{Link: m.externalURL + "/alerts"}
	}
	a := &n.Alerts[0]
	extra := alert.Extra{Link: m.externalURL + "/alerts/" + url.PathEscape(a.ID)}
	ctx, cancel := context.WithTimeout(ctx, chartTimeout)
	defer cancel()
	var err error
	if extra.Chart, err = m.chart(ctx, a, n.OwedAt); err != nil {
		m.logger.DebugContext(ctx, "a notification goes without chart", "alert", a.ID, "err", err)
	}
	if extra.Logs, err = m.trouble(ctx, a, n.OwedAt); err != nil {
		m.logger.DebugContext(ctx, "a notification goes without log lines", "alert", a.ID, "err", err)
	}

	return extra
}

// chart draws what the alert's rule compares, and the threshold. It is nil where
// the expression is not a comparison with a number, or a push names it.
func (m *messages) chart(ctx context.Context, a *alert.Alert, at time.Time) ([]byte, error) {
	metric, threshold, ok := comparison(exprOf(a.GeneratorURL))
	if !ok || a.Origin.Kind == alert.FromPush { // Who can push must not have expressions evaluated.
		return nil, nil
	}
	all, err := m.series(ctx, metric, at, chartWindow)
	if err != nil {
		return nil, err
	}
	for _, s := range all {
		if !belongs(s.Labels, a.Labels) {
			continue
		}
		points := make([]notify.Point, len(s.Points))
		for i, p := range s.Points {
			points[i] = notify.Point{Time: p.Time, Value: p.Value}
		}

		return notify.Chart(points, &threshold, metric)
	}

	return nil, nil
}

// belongs reports whether an alert with these labels came from the series: it
// has all of the series' labels but its name.
func belongs(series, labels map[string]string) bool {
	for name, value := range series {
		if name != "__name__" && labels[name] != value {
			return false
		}
	}

	return true
}

// comparison takes the expression of a rule apart.
func comparison(expr string) (metric string, threshold float64, ok bool) {
	metric, number, ok := ruleset.Comparison(expr)
	if !ok {
		return "", 0, false
	}
	threshold, err := strconv.ParseFloat(number, 64)

	return metric, threshold, err == nil
}

// queryURL leads to an expression in the metrics server, once it is appended.
// Prometheus's own page shows a graph; the embedded engine has no page.
func (a *App) queryURL(cfg *Config) string {
	if u, err := url.Parse(cfg.Prometheus.URL); err == nil && u.Host != "" {
		u.User = nil // Credentials are for llmwatch and not for whoever reads an alert.
		return strings.TrimSuffix(u.String(), "/") + "/graph?g0.tab=0&g0.expr="
	}

	return a.externalURL + engine.Prefix + "/api/v1/query?query="
}

// ruleSource names the server that evaluates the rules.
func ruleSource(cfg *Config) string {
	if u, err := url.Parse(cfg.Prometheus.URL); err == nil && u.Host != "" {
		u.User, u.RawQuery = nil, "" // Either may hold a secret.

		return u.String()
	}

	return alert.SourceEmbedded
}

// exprOf finds the expression in a generator URL, ours or Prometheus's.
func exprOf(generator string) string {
	u, err := url.Parse(generator)
	if err != nil {
		return ""
	}
	if expr := u.Query().Get("g0.expr"); expr != "" {
		return expr
	}

	return u.Query().Get("query")
}
