package engine

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/prometheus/common/model"
	"github.com/prometheus/prometheus/model/histogram"
	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/storage"

	"llmwatch/internal/engine/otlp"
	"llmwatch/internal/quota"
)

// maxPushedLabels and maxPushedLabelBytes bound the labels of a pushed series: of
// a data point's, a resource's and a scope's attributes together.
const (
	maxPushedLabels     = 160
	maxPushedLabelBytes = 32 << 10
)

// The reasons why a sample is refused that the database does not take.
const (
	reasonLabels    = "labels"
	reasonOrder     = "out_of_order"
	reasonDuplicate = "duplicate"
)

// refusals gathers what is refused of one request.
type refusals []otlp.Refused

func (r *refusals) add(reason string, points int, message string) {
	for i := range *r {
		if (*r)[i].Reason == reason {
			(*r)[i].Points += points

			return
		}
	}
	*r = append(*r, otlp.Refused{Reason: reason, Points: points, Message: message})
}

// points is how many data points were refused.
func (r refusals) points() int {
	n := 0
	for _, one := range r {
		n += one.Points
	}

	return n
}

// message tells what was refused and why.
func (r refusals) message() string {
	texts := make([]string, len(r))
	for i, one := range r {
		texts[i] = fmt.Sprintf("%s: %d refused, %s", one.Reason, one.Points, one.Message)
	}

	return strings.Join(texts, "; ")
}

// pushedAppender stores what may be pushed and skips the rest, sample by sample.
type pushedAppender struct {
	storage.AppenderV2
	engine *Engine
	by     quota.Principal
	now    time.Time
	// head knows which series exist; it stores nothing.
	head    storage.GetRef
	refused refusals
	kept    int
	// exhausted is the quota that was used up, nil if none was.
	exhausted *quota.Refusal
	// failed is an error of the database as a whole.
	failed error
}

// pushed returns an appender for what the principal of ctx pushes. done must be
// called.
func (e *Engine) pushed(ctx context.Context) (p *pushedAppender, done func()) {
	now := time.Now()
	e.reserved.refresh(now)
	head := e.db.AppenderV2(ctx)
	p = &pushedAppender{AppenderV2: e.appends.watched(ctx), engine: e, by: quota.PrincipalOf(ctx), now: now}
	p.head, _ = head.(storage.GetRef)

	return p, func() { _ = head.Rollback() } // It holds nothing.
}

// Append implements storage.AppenderV2. The error is one of the database as a
// whole: what is wrong with one sample does not concern the others.
func (p *pushedAppender) Append(_ storage.SeriesRef, series labels.Labels, st, t int64, v float64, h *histogram.Histogram, fh *histogram.FloatHistogram, opts storage.AOptions) (storage.SeriesRef, error) {
	if reason, why := p.check(series); reason != "" {
		p.refuse(series, opts, reason, why)

		return 0, nil
	}
	if st > t {
		st = 0 // A start after the sample is none.
	}
	_, err := p.AppenderV2.Append(0, series, st, t, v, h, fh, opts)
	switch {
	case err == nil:
		p.kept++
	case errors.Is(err, storage.ErrDuplicateSampleForTimestamp):
		p.refuse(series, opts, reasonDuplicate, "there is another value for the same time")
	case errors.Is(err, storage.ErrOutOfOrderSample), errors.Is(err, storage.ErrOutOfBounds), errors.Is(err, storage.ErrTooOldSample):
		p.refuse(series, opts, reasonOrder, "there are newer samples already")
	default:
		if _, partial := errors.AsType[*storage.AppendPartialError](err); !partial {
			p.failed = err

			return 0, err
		}
		p.kept++ // Its exemplars alone were not taken.
	}

	return 0, nil
}

// check says why a series is not taken; the reason is empty if it is.
func (p *pushedAppender) check(series labels.Labels) (reason, why string) {
	if reason, why = p.engine.reserved.check(series); reason != "" {
		return reason, why
	}
	count, bytes := 0, 0
	series.Range(func(l labels.Label) { count, bytes = count+1, bytes+len(l.Name)+len(l.Value) })
	if count > maxPushedLabels || bytes > maxPushedLabelBytes {
		return reasonLabels, fmt.Sprintf("a series must have at most %d labels of %d bytes together, got %d of %d", maxPushedLabels, maxPushedLabelBytes, count, bytes)
	}
	if p.engine.cfg.Series == nil {
		return "", ""
	}
	hash, exists := series.Hash(), false
	if p.head != nil {
		ref, _ := p.head.GetRef(series, hash)
		exists = ref != 0
	}
	if err := p.engine.cfg.Series.Take(p.by, hash, exists, p.now); err != nil {
		p.exhausted, _ = errors.AsType[*quota.Refusal](err)

		return p.exhausted.Reason, err.Error()
	}

	return "", ""
}

// refuse counts a sample that is refused. Of the samples of one data point of a
// histogram or a summary one stands for all; target_info is no data point.
func (p *pushedAppender) refuse(series labels.Labels, opts storage.AOptions, reason, why string) {
	points, name := 1, series.Get(model.MetricNameLabel)
	composed := opts.Metadata.Type == model.MetricTypeHistogram || opts.Metadata.Type == model.MetricTypeSummary
	if name == "target_info" || composed && name != opts.MetricFamilyName && !strings.HasSuffix(name, "_count") {
		points = 0
	}
	p.refused.add(reason, points, why)
}
