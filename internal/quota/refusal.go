package quota

import (
	"context"
	"log/slog"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

// What names what is written.
type What string

// What can be refused.
const (
	Series  What = "series"
	Samples What = "samples"
	Alerts  What = "alerts"
	Events  What = "events"
	Logs    What = "logs"
	OTLP    What = "otlp"
)

// Refusal says that a quota is used up. It passes by itself.
type Refusal struct {
	What What
	// Reason is the name of the limit.
	Reason  string
	Message string
	// RetryAfter is when it is worth trying again, at least a second.
	RetryAfter time.Duration
}

// Error implements error.
func (r *Refusal) Error() string { return r.Message }

// reportEvery is how often it is logged that a principal is refused something.
const reportEvery = time.Minute

// Refusals counts what was refused, and tells the log once a minute for each
// principal and reason. It is a prometheus.Collector.
type Refusals struct {
	logger *slog.Logger
	total  *prometheus.CounterVec

	mu    sync.Mutex // Guards since.
	since map[refusalKey]*unreported
}

type refusalKey struct {
	what   What
	reason string
	label  string
}

// unreported is what was refused since it was last logged.
type unreported struct {
	count    int
	reported time.Time
}

// NewRefusals returns Refusals that log to logger.
func NewRefusals(logger *slog.Logger) *Refusals {
	return &Refusals{
		logger: logger, since: map[refusalKey]*unreported{},
		total: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "llmwatch_ingest_refused_total",
			Help: "What was pushed and refused, by what it was, the reason, and the token that pushed it.",
		}, []string{"what", "reason", "token"}),
	}
}

// Describe implements prometheus.Collector.
func (r *Refusals) Describe(descs chan<- *prometheus.Desc) { r.total.Describe(descs) }

// Collect implements prometheus.Collector.
func (r *Refusals) Collect(metrics chan<- prometheus.Metric) { r.total.Collect(metrics) }

// Count counts n things that were refused, and reports them.
func (r *Refusals) Count(ctx context.Context, what What, reason string, n int, why string) {
	if n == 0 {
		return
	}
	p := PrincipalOf(ctx)
	r.total.WithLabelValues(string(what), reason, p.Label).Add(float64(n))
	if count := r.due(refusalKey{what, reason, p.Label}, n, time.Now()); count > 0 {
		r.logger.WarnContext(ctx, "pushed data is refused",
			"what", string(what), "reason", reason, "token", p.Label, "refused", count, "why", why)
	}
}

// due returns how many were refused since the last report, if one is due.
func (r *Refusals) due(key refusalKey, n int, now time.Time) int {
	r.mu.Lock()
	defer r.mu.Unlock()

	u := r.since[key]
	if u == nil {
		u = &unreported{}
		r.since[key] = u
	}
	u.count += n
	if now.Sub(u.reported) < reportEvery {
		return 0
	}
	count := u.count
	u.count, u.reported = 0, now

	return count
}
