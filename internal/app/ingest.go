package app

import (
	"cmp"
	"context"
	"errors"
	"log/slog"
	"net/http"
	"strconv"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"llmwatch/bridge"
	"llmwatch/bridge/alert"
	"llmwatch/internal/auth"
	"llmwatch/internal/gate"
	"llmwatch/internal/quota"
)

// ingest bounds what is pushed, for each principal.
type ingest struct {
	limits   quota.Limits
	refusals *quota.Refusals
	series   *quota.SeriesCount
	otlp     *quota.Work
	events   *spending
	logs     *spending
}

func newIngest(l quota.Limits, logger *slog.Logger, registry prometheus.Registerer) *ingest {
	in := &ingest{
		limits: l, refusals: quota.NewRefusals(logger.With("component", "ingest")),
		series: quota.NewSeriesCount(l), otlp: quota.NewWork(quota.OTLP),
	}
	in.events = &spending{quota.Events, in.refusals, []*quota.Budget{
		quota.NewBudget(quota.Events, "events_per_second", "events", 60*float64(l.EventsPerSecond), time.Minute),
	}}
	in.logs = &spending{quota.Logs, in.refusals, []*quota.Budget{
		quota.NewBudget(quota.Logs, "log_bytes_per_second", "bytes of log lines", 60*float64(l.LogBytesPerSecond), time.Minute),
		quota.NewBudget(quota.Logs, "log_bytes_per_day", "bytes of log lines", float64(l.LogBytesPerDay), 24*time.Hour),
	}}
	registry.MustRegister(in.refusals, prometheus.NewGaugeFunc(prometheus.GaugeOpts{
		Name: "llmwatch_pushed_series", Help: "Series that were written over OTLP in the last two hours.",
	}, func() float64 { return float64(in.series.Total()) }))

	return in
}

// spending is what a principal may use up of several budgets at once.
type spending struct {
	what     quota.What
	refusals *quota.Refusals
	budgets  []*quota.Budget
}

// Check returns why the principal of the context may push nothing now, and after
// how long it may.
func (s *spending) Check(ctx context.Context) (code, message string, retryAfter time.Duration) {
	for _, b := range s.budgets {
		if refusal, ok := errors.AsType[*quota.Refusal](b.Check(ctx)); ok {
			s.refusals.Count(ctx, s.what, refusal.Reason, 1, refusal.Message)

			return refusal.Reason, refusal.Message, refusal.RetryAfter
		}
	}

	return "", "", 0
}

// Spend takes from all budgets.
func (s *spending) Spend(ctx context.Context, n int64) {
	for _, b := range s.budgets {
		b.Spend(ctx, float64(n))
	}
}

// principal is who sends a request: whom Access let in, or the address.
func principal(p auth.Principal, r *http.Request) quota.Principal {
	if p.Name != "" {
		return quota.Principal{ID: string(p.Kind) + "/" + p.Name, Label: p.Name}
	}

	return quota.Principal{ID: gate.AddressOf(r).String(), Label: cmp.Or(p.Name, quota.Anonymous)}
}

// known lets a handler know who sends a request where nobody is authenticated.
func known(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if quota.PrincipalOf(r.Context()).ID == "" {
			r = r.WithContext(quota.WithPrincipal(r.Context(), principal(auth.Principal{}, r)))
		}
		next.ServeHTTP(w, r)
	})
}

// inTurn has a principal's requests wait for each other, and refuses them where
// they take too much time.
func (in *ingest) inTurn(w http.ResponseWriter, r *http.Request) (end func(), ok bool) {
	end, err := in.otlp.Begin(r.Context())
	if err == nil {
		return end, true
	}
	if refusal, ok := errors.AsType[*quota.Refusal](err); ok {
		in.refusals.Count(r.Context(), refusal.What, refusal.Reason, 1, refusal.Message)
		w.Header().Set("Retry-After", strconv.Itoa(int(refusal.RetryAfter.Seconds())))
		refusePush(w, http.StatusTooManyRequests, refusal.Reason, refusal.Message)
	}

	return nil, false // Whoever has left is not answered.
}

// alertsRefused counts pushed alerts that there was no room for.
func (in *ingest) alertsRefused(ctx context.Context, e *alert.TooManyError) {
	in.refusals.Count(ctx, quota.Alerts, e.Limit, e.Refused, e.Error())
}

// refusePush answers a push that is refused as a whole.
func refusePush(w http.ResponseWriter, status int, code, message string) {
	bridge.WriteError(w, &bridge.Error{Status: status, Code: code, Message: message})
}
