package ruletest

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"
	"math"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/promql"
	"github.com/prometheus/prometheus/promql/promqltest"
	"github.com/prometheus/prometheus/rules"
)

// compareAlerts holds the alerts that fire now against those that should.
func (w *world) compareAlerts(t *alertTest) []string {
	var got, want []string
	for _, g := range w.groups {
		for _, r := range g.AlertingRules() {
			if r.Name() != t.Name {
				continue
			}
			for _, a := range r.ActiveAlerts() {
				if a.State == rules.StateFiring {
					got = append(got, a.Labels.String()+" "+a.Annotations.String())
				}
			}
		}
	}
	for _, a := range t.Want {
		set := map[string]string{labels.AlertName: t.Name}
		maps.Copy(set, a.Labels)
		set[labels.AlertName] = t.Name
		want = append(want, labels.FromMap(set).String()+" "+labels.FromMap(a.Annotations).String())
	}
	slices.Sort(got)
	slices.Sort(want)
	if slices.Equal(got, want) {
		return nil
	}

	return []string{fmt.Sprintf("%s at %s fires as\n%swant\n%s", cmp.Or(t.Name, "an alert without alertname"), t.EvalTime, listed(got), listed(want))}
}

func listed(lines []string) string {
	if len(lines) == 0 {
		return "      nothing\n"
	}

	return "      " + strings.Join(lines, "\n      ") + "\n"
}

// sample is what an expression yields for one series.
type sample struct {
	labels    labels.Labels
	value     float64
	histogram string
}

func (s *sample) String() string {
	if s.histogram != "" {
		return s.labels.String() + " " + s.histogram
	}

	return s.labels.String() + " " + strconv.FormatFloat(s.value, 'g', -1, 64)
}

// compareExpr holds what an expression yields against what it should.
func (w *world) compareExpr(ctx context.Context, t *exprTest) []string {
	got, err := w.query(ctx, t)
	if err != nil {
		return []string{fmt.Sprintf("%s at %s: %v", t.Expr, t.EvalTime, err)}
	}
	var want []sample
	for i := range t.Want {
		s, err := w.wanted(&t.Want[i])
		if err != nil {
			return []string{fmt.Sprintf("%s at %s: exp_samples: %v", t.Expr, t.EvalTime, err)}
		}
		want = append(want, s)
	}
	byLabels := func(a, b sample) int { return labels.Compare(a.labels, b.labels) }
	slices.SortFunc(got, byLabels)
	slices.SortFunc(want, byLabels)
	if slices.EqualFunc(got, want, w.equal) {
		return nil
	}

	return []string{fmt.Sprintf("%s at %s yields\n%swant\n%s", t.Expr, t.EvalTime, listed(texts(got)), listed(texts(want)))}
}

func texts(samples []sample) []string {
	var lines []string
	for i := range samples {
		lines = append(lines, samples[i].String())
	}

	return lines
}

func (w *world) equal(a, b sample) bool {
	near := a.value == b.value || math.IsNaN(a.value) && math.IsNaN(b.value) ||
		w.fuzzy && (math.Nextafter(a.value, math.Inf(1)) == b.value || math.Nextafter(a.value, math.Inf(-1)) == b.value)

	return near && a.histogram == b.histogram && labels.Equal(a.labels, b.labels)
}

// wanted reads an expected sample.
func (w *world) wanted(s *wantedSample) (sample, error) {
	set, err := w.parser.ParseMetric(s.Labels)
	if err != nil {
		return sample{}, fmt.Errorf("labels %q: %w", s.Labels, err)
	}
	read := sample{labels: set, value: s.Value}
	if s.Histogram != "" {
		_, values, err := w.parser.ParseSeriesDesc("{} " + s.Histogram)
		if err != nil {
			return sample{}, fmt.Errorf("histogram %q: %w", s.Histogram, err)
		}
		if len(values) != 1 || values[0].Histogram == nil {
			return sample{}, fmt.Errorf("histogram %q is not one histogram", s.Histogram)
		}
		read.histogram = promqltest.HistogramTestExpression(values[0].Histogram)
	}

	return read, nil
}

func (w *world) query(ctx context.Context, t *exprTest) ([]sample, error) {
	q, err := w.engine.NewInstantQuery(ctx, w.Queryable(), nil, t.Expr, w.start.Add(time.Duration(t.EvalTime)))
	if err != nil {
		return nil, err
	}
	defer q.Close()
	result := q.Exec(ctx)
	if result.Err != nil {
		return nil, result.Err
	}
	var got []sample
	switch v := result.Value.(type) {
	case promql.Vector:
		for _, s := range v {
			one := sample{labels: s.Metric.Copy(), value: s.F}
			if s.H != nil {
				one.histogram = promqltest.HistogramTestExpression(s.H)
			}
			got = append(got, one)
		}
	case promql.Scalar:
		got = []sample{{value: v.V}}
	default:
		return nil, errors.New("it yields neither a vector nor a scalar")
	}

	return got, nil
}
