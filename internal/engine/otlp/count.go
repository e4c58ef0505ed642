package otlp

import "go.opentelemetry.io/collector/pdata/pmetric"

// points is how many data points a metric has.
func points(m pmetric.Metric) int {
	switch m.Type() {
	case pmetric.MetricTypeGauge:
		return m.Gauge().DataPoints().Len()
	case pmetric.MetricTypeSum:
		return m.Sum().DataPoints().Len()
	case pmetric.MetricTypeHistogram:
		return m.Histogram().DataPoints().Len()
	case pmetric.MetricTypeExponentialHistogram:
		return m.ExponentialHistogram().DataPoints().Len()
	case pmetric.MetricTypeSummary:
		return m.Summary().DataPoints().Len()
	case pmetric.MetricTypeEmpty:
	}

	return 0
}

func scopePoints(s pmetric.ScopeMetrics) int {
	n := 0
	for _, m := range s.Metrics().All() {
		n += points(m)
	}

	return n
}

func resourcePoints(r pmetric.ResourceMetrics) int {
	n := 0
	for _, s := range r.ScopeMetrics().All() {
		n += scopePoints(s)
	}

	return n
}

// temporality is that of a metric's data points, unspecified where it has none.
func temporality(m pmetric.Metric) pmetric.AggregationTemporality {
	switch m.Type() {
	case pmetric.MetricTypeSum:
		return m.Sum().AggregationTemporality()
	case pmetric.MetricTypeHistogram:
		return m.Histogram().AggregationTemporality()
	case pmetric.MetricTypeExponentialHistogram:
		return m.ExponentialHistogram().AggregationTemporality()
	case pmetric.MetricTypeGauge, pmetric.MetricTypeSummary, pmetric.MetricTypeEmpty:
	}

	return pmetric.AggregationTemporalityUnspecified
}
