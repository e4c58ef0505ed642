package otlp

import (
	"bytes"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"go.opentelemetry.io/collector/pdata/pcommon"
	"go.opentelemetry.io/collector/pdata/pmetric"
	"go.opentelemetry.io/collector/pdata/pmetric/pmetricotlp"
	"google.golang.org/protobuf/encoding/protowire"
)

// nested is a field in so many messages.
func nested(fields []protowire.Number, value []byte) []byte {
	for _, field := range slices.Backward(fields) {
		value = protowire.AppendBytes(protowire.AppendTag(nil, field, protowire.BytesType), value)
	}

	return value
}

// toPoint leads from a request to the data points of a gauge.
var toPoint = []protowire.Number{1, 2, 2, 5}

func repeat(value []byte, n int) []byte { return bytes.Repeat(value, n) }

func TestDecodeRefusesWhatIsMuchLargerInMemory(t *testing.T) {
	empty := protowire.AppendBytes(protowire.AppendTag(nil, 1, protowire.BytesType), nil)
	values := []protowire.Number{7, 2}
	for range 100_000 {
		values = append(values, 6, 1, 2)
	}
	for name, tc := range map[string]struct {
		encoding Encoding
		body     []byte
		want     error
	}{
		"a million empty points in protobuf":   {Protobuf, nested(toPoint, repeat(empty, 1_000_000)), ErrTooLarge},
		"a million empty resources":            {Protobuf, repeat(empty, 1_000_000), ErrTooLarge},
		"values nested a hundred thousand":     {Protobuf, nested(append(append(toPoint, 1), values[:30_000]...), nil), ErrTooLarge},
		"a length beyond the end":              {Protobuf, []byte{0x0a, 0xff, 0x01}, errMalformed},
		"a million empty points in JSON":       {JSON, []byte(`{"resourceMetrics":[{"scopeMetrics":[{"metrics":[{"gauge":{"dataPoints":[{}` + strings.Repeat(",{}", 1_000_000) + `]}}]}]}]}`), ErrTooLarge},
		"JSON nested a hundred thousand":       {JSON, []byte(strings.Repeat(`{"a":[`, 100_000)), ErrTooLarge},
		"braces in a string are none":          {JSON, []byte(`{"resourceMetrics":[],"x":"` + strings.Repeat("{", 1_000_000) + `"}`), nil},
		"sixty thousand points":                {Protobuf, nested(toPoint, repeat(empty, 60_000)), ErrTooLarge},
		"fifty thousand points":                {Protobuf, nested(toPoint, repeat(empty, MaxPoints)), nil},
		"an empty request":                     {Protobuf, nil, nil},
		"an empty request in JSON":             {JSON, []byte(`{}`), nil},
		"the metrics of an unknown field pass": {Protobuf, nested([]protowire.Number{15}, []byte("x")), nil},
	} {
		t.Run(name, func(t *testing.T) {
			begin := time.Now()
			_, err := tc.encoding.Decode(tc.body)
			if !errors.Is(err, tc.want) {
				t.Errorf("got %v, want %v", err, tc.want)
			}
			if took := time.Since(begin); took > 2*time.Second {
				t.Errorf("it took %s", took)
			}
		})
	}
}

// TestScanFindsEveryMessage encodes one of everything: a field that scanProtobuf
// does not know would hide what is in it.
func TestScanFindsEveryMessage(t *testing.T) {
	metrics := pmetric.NewMetrics()
	r := metrics.ResourceMetrics().AppendEmpty()
	r.Resource().Attributes().PutStr("a", "b")
	s := r.ScopeMetrics().AppendEmpty()
	s.Scope().Attributes().PutEmptyMap("m").PutEmptySlice("s").AppendEmpty().SetInt(1)
	add := func() pmetric.Metric { return s.Metrics().AppendEmpty() }
	g := add().SetEmptyGauge().DataPoints().AppendEmpty()
	g.Attributes().PutStr("a", "b")
	g.Exemplars().AppendEmpty().FilteredAttributes().PutStr("a", "b")
	add().SetEmptySum().DataPoints().AppendEmpty().Attributes().PutStr("a", "b")
	h := add().SetEmptyHistogram().DataPoints().AppendEmpty()
	h.Attributes().PutStr("a", "b")
	h.Exemplars().AppendEmpty().FilteredAttributes().PutStr("a", "b")
	x := add().SetEmptyExponentialHistogram().DataPoints().AppendEmpty()
	x.Attributes().PutStr("a", "b")
	x.Exemplars().AppendEmpty().FilteredAttributes().PutStr("a", "b")
	y := add().SetEmptySummary().DataPoints().AppendEmpty()
	y.Attributes().PutStr("a", "b")
	y.QuantileValues().AppendEmpty()
	body, err := pmetricotlp.NewExportRequestFromMetrics(metrics).MarshalProto()
	if err != nil {
		t.Fatal(err)
	}
	var b budget
	if err := b.scan(body, request, 0); err != nil {
		t.Fatal(err)
	}
	// Attributes are two messages each, a key with its value, and those of the scope
	// nine: a map and a list stand between them.
	if b.elements < 50 {
		t.Errorf("%d messages were found", b.elements)
	}
}

func point(at time.Time) (pmetric.Metrics, pmetric.Metric) {
	metrics := pmetric.NewMetrics()
	r := metrics.ResourceMetrics().AppendEmpty()
	r.Resource().Attributes().PutStr("service.name", "platform")
	m := r.ScopeMetrics().AppendEmpty().Metrics().AppendEmpty()
	m.SetName("m")
	m.SetEmptyGauge().DataPoints().AppendEmpty().SetTimestamp(pcommon.NewTimestampFromTime(at))

	return metrics, m
}

func TestBound(t *testing.T) {
	now := time.Now()
	window := Window{From: now.Add(-time.Hour), To: now.Add(10 * time.Second)}
	stamp := pcommon.NewTimestampFromTime(now)
	resource := func(m pmetric.Metrics) pcommon.Map { return m.ResourceMetrics().At(0).Resource().Attributes() }
	for name, tc := range map[string]struct {
		change func(all pmetric.Metrics, m pmetric.Metric)
		want   string // The reason; empty where the point stays.
	}{
		"a point": {func(pmetric.Metrics, pmetric.Metric) {}, ""},
		"resource attributes": {func(all pmetric.Metrics, _ pmetric.Metric) {
			for i := range 200 {
				resource(all).PutStr(fmt.Sprint("k", i), "v")
			}
		}, ReasonAttributes},
		"a long command line": {func(all pmetric.Metrics, _ pmetric.Metric) {
			resource(all).PutStr("process.command_line", strings.Repeat("x", 10_000))
		}, ""},
		"a long service name": {func(all pmetric.Metrics, _ pmetric.Metric) {
			resource(all).PutStr("service.name", strings.Repeat("x", 10_000))
		}, ReasonAttributes},
		"a long list": {func(_ pmetric.Metrics, m pmetric.Metric) {
			list := m.Gauge().DataPoints().At(0).Attributes().PutEmptySlice("k")
			for range 10_000 {
				list.AppendEmpty().SetInt(1)
			}
		}, ReasonAttributes},
		"buckets": {func(_ pmetric.Metrics, m pmetric.Metric) {
			p := m.SetEmptyHistogram().DataPoints().AppendEmpty()
			p.SetTimestamp(stamp)
			p.BucketCounts().FromRaw(make([]uint64, 100_001))
			p.ExplicitBounds().FromRaw(make([]float64, 100_000))
		}, ReasonBuckets},
		"bounds without counts": {func(_ pmetric.Metrics, m pmetric.Metric) {
			p := m.SetEmptyHistogram().DataPoints().AppendEmpty()
			p.SetTimestamp(stamp)
			p.BucketCounts().FromRaw(make([]uint64, 2))
			p.ExplicitBounds().FromRaw(make([]float64, 5))
		}, ReasonBuckets},
		"exponential buckets": {func(_ pmetric.Metrics, m pmetric.Metric) {
			p := m.SetEmptyExponentialHistogram().DataPoints().AppendEmpty()
			p.SetTimestamp(stamp)
			p.Positive().BucketCounts().FromRaw(make([]uint64, 100_000))
		}, ReasonBuckets},
		"a scale of a million": {func(_ pmetric.Metrics, m pmetric.Metric) {
			p := m.SetEmptyExponentialHistogram().DataPoints().AppendEmpty()
			p.SetTimestamp(stamp)
			p.SetScale(1_000_000)
		}, ReasonBuckets},
		"quantiles": {func(_ pmetric.Metrics, m pmetric.Metric) {
			p := m.SetEmptySummary().DataPoints().AppendEmpty()
			p.SetTimestamp(stamp)
			for range 1000 {
				p.QuantileValues().AppendEmpty()
			}
		}, ReasonBuckets},
		"deltas": {func(_ pmetric.Metrics, m pmetric.Metric) {
			m.SetEmptySum().SetAggregationTemporality(pmetric.AggregationTemporalityDelta)
			m.Sum().DataPoints().AppendEmpty().SetTimestamp(stamp)
		}, ReasonDelta},
		"a thousand exemplars": {func(_ pmetric.Metrics, m pmetric.Metric) {
			for range 1000 {
				m.Gauge().DataPoints().At(0).Exemplars().AppendEmpty()
			}
		}, ""},
		"a long text": {func(_ pmetric.Metrics, m pmetric.Metric) { m.SetDescription(strings.Repeat("x", 1<<20)) }, ""},
	} {
		t.Run(name, func(t *testing.T) {
			all, m := point(now)
			tc.change(all, m)
			refused := Bound(all, window)
			switch {
			case tc.want == "" && (len(refused) > 0 || all.DataPointCount() != 1):
				t.Errorf("refused %v", refused)
			case tc.want != "" && (len(refused) != 1 || refused[0].Reason != tc.want || refused[0].Points != 1 || all.DataPointCount() != 0):
				t.Errorf("refused %v, want %s; %d points are left", refused, tc.want, all.DataPointCount())
			}
			if tc.want == "" && m.Gauge().DataPoints().At(0).Exemplars().Len() > maxExemplars {
				t.Error("all exemplars are left")
			}
		})
	}
}

// FuzzDecode expects no panic, whatever is sent.
func FuzzDecode(f *testing.F) {
	f.Add(true, []byte(`{"resourceMetrics":[{"scopeMetrics":[{"metrics":[{"name":"m","gauge":{"dataPoints":[{"asDouble":1}]}}]}]}]}`))
	f.Add(false, nested(toPoint, []byte{0x0a, 0}))
	f.Fuzz(func(_ *testing.T, inJSON bool, body []byte) {
		encoding := Protobuf
		if inJSON {
			encoding = JSON
		}
		if m, err := encoding.Decode(body); err == nil {
			Bound(m, Window{From: time.Unix(0, 0), To: time.Now()})
		}
	})
}
