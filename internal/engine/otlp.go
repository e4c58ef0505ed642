package engine

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"strconv"
	"time"

	"github.com/prometheus/prometheus/storage/remote/otlptranslator/prometheusremotewrite"
	"go.opentelemetry.io/collector/pdata/pmetric"

	"llmwatch/internal/engine/otlp"
	"llmwatch/internal/quota"
)

// OTLPPath is where OTLP metrics are taken.
const OTLPPath = Prefix + "/api/v1/otlp/v1/metrics"

// maxAhead is how far a pushed sample may be ahead of this machine's clock: more
// than clocks differ that are set by NTP. What is stored ahead of time keeps its
// series from being written until then.
const maxAhead = 10 * time.Second

// maxBehind is how long ago a pushed sample may be. The database itself takes new
// series of up to an hour ago.
const maxBehind = time.Hour

// otlpWriter stores OTLP metrics.
type otlpWriter struct{ engine *Engine }

// OTLP returns the handler of OTLPPath. It stores what may be pushed and tells of
// the rest in a partial success.
func (e *Engine) OTLP() http.Handler { return &otlpWriter{e} }

// ServeHTTP implements http.Handler.
func (o *otlpWriter) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	encoding, err := otlp.EncodingOf(r.Header.Get("Content-Type"))
	if err != nil {
		o.fail(w, r, http.StatusUnsupportedMediaType, "unsupported_media_type", err)
		return
	}
	body, err := io.ReadAll(r.Body)
	if err != nil {
		o.fail(w, r, http.StatusBadRequest, "bad_request", fmt.Errorf("the body cannot be read: %w", err))
		return
	}
	metrics, err := encoding.Decode(body)
	switch {
	case errors.Is(err, otlp.ErrTooLarge):
		o.fail(w, r, http.StatusRequestEntityTooLarge, "otlp_too_large", err)
		return
	case err != nil:
		o.fail(w, r, http.StatusBadRequest, "bad_request", err)
		return
	}
	gone, kept, exhausted, err := o.store(r.Context(), metrics)
	switch {
	case r.Context().Err() != nil:
		return // Nobody waits for the answer.
	case err != nil:
		o.engine.cfg.Logger.ErrorContext(r.Context(), "pushed metrics cannot be stored", "component", "otlp", "err", err)
		w.Header().Set("Retry-After", "10")
		o.fail(w, r, http.StatusServiceUnavailable, "storage", errors.New("the metrics cannot be stored at the moment; the log tells more"))
		return
	}
	o.count(r.Context(), gone)
	if exhausted != nil && kept == 0 {
		w.Header().Set("Retry-After", strconv.Itoa(int(exhausted.RetryAfter.Seconds())))
		o.engine.cfg.refuse(w, http.StatusTooManyRequests, exhausted.Reason, exhausted.Message)
		return
	}
	o.answer(w, r, encoding, gone)
}

func (o *otlpWriter) answer(w http.ResponseWriter, r *http.Request, encoding otlp.Encoding, gone refusals) {
	body, err := encoding.Answer(max(gone.points(), min(len(gone), 1)), gone.message())
	if err != nil {
		o.fail(w, r, http.StatusInternalServerError, "internal", err)
		return
	}
	w.Header().Set("Content-Type", encoding.ContentType())
	_, _ = w.Write(body) // Whoever does not take the answer may leave.
}

// fail answers a request that was refused as a whole.
func (o *otlpWriter) fail(w http.ResponseWriter, r *http.Request, status int, code string, err error) {
	if o.engine.cfg.Refusals != nil {
		o.engine.cfg.Refusals.Count(r.Context(), quota.OTLP, code, 1, err.Error())
	}
	o.engine.cfg.refuse(w, status, code, err.Error())
}

func (o *otlpWriter) count(ctx context.Context, gone refusals) {
	if o.engine.cfg.Refusals == nil {
		return
	}
	for _, one := range gone {
		what := quota.Samples
		if one.Reason == "series_per_token" || one.Reason == "pushed_series" {
			what = quota.Series
		}
		o.engine.cfg.Refusals.Count(ctx, what, one.Reason, max(one.Points, 1), one.Message)
	}
}

// window is the time of the samples that are taken.
func (e *Engine) window(now time.Time) otlp.Window {
	late := time.Duration(e.current.Load().StorageConfig.TSDBConfig.OutOfOrderTimeWindow) * time.Millisecond

	return otlp.Window{From: now.Add(-max(late, maxBehind)), To: now.Add(maxAhead)}
}

// store stores what may be pushed. It returns what was refused, how many samples
// were kept, and the quota that was used up. The error is one of the database, or
// of the context.
func (o *otlpWriter) store(ctx context.Context, m pmetric.Metrics) (gone refusals, kept int, exhausted *quota.Refusal, err error) {
	gone = otlp.Bound(m, o.engine.window(time.Now()))
	app, done := o.engine.pushed(ctx)
	defer done()
	app.refused = gone
	conf := o.engine.current.Load().OTLPConfig
	converter := prometheusremotewrite.NewPrometheusConverter(app)
	_, err = converter.FromMetrics(ctx, m, prometheusremotewrite.Settings{
		AddMetricSuffixes:                    conf.TranslationStrategy.ShouldAddSuffixes(),
		AllowUTF8:                            !conf.TranslationStrategy.ShouldEscape(),
		PromoteResourceAttributes:            prometheusremotewrite.NewPromoteResourceAttributes(conf),
		KeepIdentifyingResourceAttributes:    conf.KeepIdentifyingResourceAttributes,
		ConvertHistogramsToNHCB:              conf.ConvertHistogramsToNHCB,
		PromoteScopeMetadata:                 conf.PromoteScopeMetadata,
		LookbackDelta:                        lookback,
		LabelNameUnderscoreSanitization:      conf.LabelNameUnderscoreSanitization,
		LabelNamePreserveMultipleUnderscores: conf.LabelNamePreserveMultipleUnderscores,
	})
	if ctx.Err() != nil || app.failed != nil {
		return nil, 0, nil, errors.Join(ctx.Err(), app.failed, app.Rollback())
	}
	if err != nil {
		app.refused.add("translation", 1, oneLine(err))
		o.engine.cfg.Logger.LogAttrs(ctx, slog.LevelDebug, "pushed metrics cannot be translated", slog.Any("err", err))
	}

	return app.refused, app.kept, app.exhausted, app.Commit()
}
