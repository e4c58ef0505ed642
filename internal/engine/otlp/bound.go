package otlp

import (
	"fmt"
	"time"

	"go.opentelemetry.io/collector/pdata/pcommon"
	"go.opentelemetry.io/collector/pdata/pmetric"
)

// Bounds of what is in a request.
const (
	maxAttributes      = 128
	maxNameBytes       = 256
	maxValueBytes      = 4 << 10
	maxUnitBytes       = 63
	maxDescriptionSize = 1 << 10
	maxBuckets         = 512
	maxQuantiles       = 64
	maxExemplars       = 16
	minScale, maxScale = -10, 20 // Those of OpenTelemetry's data model.
	maxOffset          = 1 << 30 // That of the largest number at the largest scale.
)

// The reasons why data points are refused.
const (
	ReasonFuture     = "future"
	ReasonOld        = "old"
	ReasonAttributes = "attributes"
	ReasonName       = "name"
	ReasonBuckets    = "buckets"
	ReasonDelta      = "temporality"
)

// Window is the time of the samples that are taken.
type Window struct{ From, To time.Time }

// Refused tells of a reason how many data points were refused for it.
type Refused struct {
	Reason string
	Points int
	// Message says what was wrong with the first of them.
	Message string
}

// Bound removes from m what is not taken, and returns what that was.
func Bound(m pmetric.Metrics, w Window) []Refused {
	b := bounds{from: pcommon.NewTimestampFromTime(w.From), to: pcommon.NewTimestampFromTime(w.To), window: w}
	m.ResourceMetrics().RemoveIf(func(r pmetric.ResourceMetrics) bool {
		if why := resource(r.Resource().Attributes()); why != "" {
			b.refuse(ReasonAttributes, resourcePoints(r), "resource: "+why)

			return true
		}
		r.ScopeMetrics().RemoveIf(b.scope)

		return r.ScopeMetrics().Len() == 0
	})

	return b.refused
}

// bounds gathers what is refused.
type bounds struct {
	from, to pcommon.Timestamp
	window   Window
	refused  []Refused
}

func (b *bounds) refuse(reason string, points int, message string) {
	for i := range b.refused {
		if b.refused[i].Reason == reason {
			b.refused[i].Points += points

			return
		}
	}
	b.refused = append(b.refused, Refused{reason, points, message})
}

func (b *bounds) scope(s pmetric.ScopeMetrics) bool {
	why := attributes(s.Scope().Attributes())
	if len(s.Scope().Name()) > maxValueBytes || len(s.Scope().Version()) > maxNameBytes || len(s.SchemaUrl()) > maxValueBytes {
		why = "its name, version or schema is too long"
	}
	if why != "" {
		b.refuse(ReasonAttributes, scopePoints(s), "scope: "+why)

		return true
	}
	s.Metrics().RemoveIf(b.metric)

	return s.Metrics().Len() == 0
}

func (b *bounds) metric(m pmetric.Metric) bool {
	if m.Name() == "" || len(m.Name()) > maxNameBytes || len(m.Unit()) > maxUnitBytes {
		b.refuse(ReasonName, points(m), fmt.Sprintf("metric %.40q: its name must be 1 to %d bytes long and its unit at most %d", m.Name(), maxNameBytes, maxUnitBytes))

		return true
	}
	if temporality(m) == pmetric.AggregationTemporalityDelta {
		b.refuse(ReasonDelta, points(m), fmt.Sprintf("metric %q: its temporality must be cumulative, got delta", m.Name()))

		return true
	}
	if len(m.Description()) > maxDescriptionSize {
		m.SetDescription("") // Nobody is refused for a long text.
	}
	switch m.Type() {
	case pmetric.MetricTypeGauge:
		m.Gauge().DataPoints().RemoveIf(func(p pmetric.NumberDataPoint) bool { return b.number(m, p) })
	case pmetric.MetricTypeSum:
		m.Sum().DataPoints().RemoveIf(func(p pmetric.NumberDataPoint) bool { return b.number(m, p) })
	case pmetric.MetricTypeHistogram:
		m.Histogram().DataPoints().RemoveIf(func(p pmetric.HistogramDataPoint) bool { return b.histogram(m, p) })
	case pmetric.MetricTypeExponentialHistogram:
		m.ExponentialHistogram().DataPoints().RemoveIf(func(p pmetric.ExponentialHistogramDataPoint) bool { return b.exponential(m, p) })
	case pmetric.MetricTypeSummary:
		m.Summary().DataPoints().RemoveIf(func(p pmetric.SummaryDataPoint) bool { return b.summary(m, p) })
	case pmetric.MetricTypeEmpty:
	}

	return points(m) == 0
}

func (b *bounds) number(m pmetric.Metric, p pmetric.NumberDataPoint) bool {
	trim(p.Exemplars())

	return b.point(m, p.Timestamp(), p.Attributes())
}

func (b *bounds) histogram(m pmetric.Metric, p pmetric.HistogramDataPoint) bool {
	trim(p.Exemplars())
	counts, limits := p.BucketCounts().Len(), p.ExplicitBounds().Len()
	if counts > maxBuckets || limits > maxBuckets || (counts != 0 && counts != limits+1) {
		return b.buckets(m, fmt.Sprintf("at most %d buckets are taken, and one more than bounds, got %d and %d", maxBuckets, counts, limits))
	}

	return b.point(m, p.Timestamp(), p.Attributes())
}

func (b *bounds) exponential(m pmetric.Metric, p pmetric.ExponentialHistogramDataPoint) bool {
	trim(p.Exemplars())
	counts := p.Positive().BucketCounts().Len() + p.Negative().BucketCounts().Len()
	if counts > maxBuckets {
		return b.buckets(m, fmt.Sprintf("at most %d buckets are taken, got %d", maxBuckets, counts))
	}
	if p.Positive().Offset() > maxOffset || p.Negative().Offset() > maxOffset {
		return b.buckets(m, fmt.Sprintf("an offset of up to %d is taken", maxOffset))
	}
	if p.Scale() < minScale || p.Scale() > maxScale {
		return b.buckets(m, fmt.Sprintf("a scale from %d to %d is taken, got %d", minScale, maxScale, p.Scale()))
	}

	return b.point(m, p.Timestamp(), p.Attributes())
}

func (b *bounds) summary(m pmetric.Metric, p pmetric.SummaryDataPoint) bool {
	if n := p.QuantileValues().Len(); n > maxQuantiles {
		return b.buckets(m, fmt.Sprintf("at most %d quantiles are taken, got %d", maxQuantiles, n))
	}

	return b.point(m, p.Timestamp(), p.Attributes())
}

func (b *bounds) buckets(m pmetric.Metric, why string) bool {
	b.refuse(ReasonBuckets, 1, fmt.Sprintf("metric %q: %s", m.Name(), why))

	return true
}

// point reports whether a data point is refused for its time or its attributes.
func (b *bounds) point(m pmetric.Metric, at pcommon.Timestamp, a pcommon.Map) bool {
	switch {
	case at > b.to:
		b.refuse(ReasonFuture, 1, fmt.Sprintf("metric %q: its time %s is ahead of this server's clock, taken is up to %s; check the sender's clock",
			m.Name(), moment(at), b.window.To.UTC().Format(time.RFC3339)))

		return true
	case at < b.from:
		b.refuse(ReasonOld, 1, fmt.Sprintf("metric %q: its time %s is too long ago, taken is from %s",
			m.Name(), moment(at), b.window.From.UTC().Format(time.RFC3339)))

		return true
	}
	if why := attributes(a); why != "" {
		b.refuse(ReasonAttributes, 1, fmt.Sprintf("metric %q: %s", m.Name(), why))

		return true
	}

	return false
}

func moment(t pcommon.Timestamp) string { return t.AsTime().UTC().Format(time.RFC3339) }

// resource says what is wrong with a resource's attributes. Long ones, such as
// command lines, do not tell resources apart and are left out.
func resource(a pcommon.Map) string {
	if a.Len() <= maxAttributes {
		a.RemoveIf(func(name string, v pcommon.Value) bool {
			return len(name) <= maxNameBytes && !identifying(name) && size(v) > maxValueBytes
		})
	}

	return attributes(a)
}

// identifying reports whether an attribute becomes `job` or `instance`.
func identifying(name string) bool {
	return name == "service.name" || name == "service.namespace" || name == "service.instance.id"
}

// attributes says what is wrong with attributes, nothing if nothing is.
func attributes(a pcommon.Map) (why string) {
	if n := a.Len(); n > maxAttributes {
		return fmt.Sprintf("at most %d attributes are taken, got %d", maxAttributes, n)
	}
	a.Range(func(name string, v pcommon.Value) bool {
		switch {
		case len(name) > maxNameBytes:
			why = fmt.Sprintf("the name of attribute %.40q must be at most %d bytes long, got %d", name, maxNameBytes, len(name))
		case size(v) > maxValueBytes:
			why = fmt.Sprintf("attribute %q must be at most %d bytes long", name, maxValueBytes)
		}

		return why == ""
	})

	return why
}

// size is about how many bytes a value is as text, or more than are taken.
func size(v pcommon.Value) int {
	n := 2
	switch v.Type() {
	case pcommon.ValueTypeStr:
		return len(v.Str())
	case pcommon.ValueTypeBytes:
		return v.Bytes().Len() * 4 / 3
	case pcommon.ValueTypeMap:
		v.Map().Range(func(name string, inner pcommon.Value) bool {
			n += len(name) + size(inner) + 4

			return n <= maxValueBytes
		})
	case pcommon.ValueTypeSlice:
		for i := 0; i < v.Slice().Len() && n <= maxValueBytes; i++ {
			n += size(v.Slice().At(i)) + 1
		}
	case pcommon.ValueTypeEmpty, pcommon.ValueTypeBool, pcommon.ValueTypeInt, pcommon.ValueTypeDouble:
		return 24
	}

	return n
}

// trim drops exemplars beyond those that are taken, and large ones.
func trim(e pmetric.ExemplarSlice) {
	kept := 0
	e.RemoveIf(func(x pmetric.Exemplar) bool {
		if kept == maxExemplars || attributes(x.FilteredAttributes()) != "" {
			return true
		}
		kept++

		return false
	})
}
