package engine

import (
	"context"
	"math"
	"time"

	"github.com/prometheus/common/model"
	"github.com/prometheus/prometheus/model/histogram"
	"github.com/prometheus/prometheus/promql"
	"github.com/prometheus/prometheus/promql/parser"
)

// What the parts of a result occupy while a query is evaluated and, once more,
// while its answer is written.
const (
	sampleBytes     = 16
	seriesBytes     = 500
	stepBytes       = 24 // Statistics of each step of a subquery.
	jsonSampleBytes = 48
	jsonSeriesBytes = 700
	jsonBucketBytes = 80
	labelBytes      = 256 // Of one label, unless a function makes it longer.
	maxLabelBytes   = 64 << 10
)

// workTime is about how long one unit of work takes: visiting a sample.
const workTime = 5 * time.Nanosecond

// Units of work for what is more than visiting a sample.
const (
	seriesWork   = 300 // To find and to open a series.
	selectWork   = 8   // A step of an instant selector.
	callWork     = 12  // A step of a function of a range.
	vectorWork   = 25  // A sample of a step of an operator or of any other function.
	stepWork     = 60  // A step of anything.
	sortingExtra = 8   // By how much sorting a window costs more than reading it.
)

// estimate is about the most that a query may cost.
type estimate struct {
	bytes float64 // Memory at a time, the answer included.
	work  float64
	// longest is the work that the server does without looking whether anybody
	// still waits for it.
	longest float64
}

// duration is about how long it takes.
func (e estimate) duration() time.Duration { return timeOf(e.work) }

func timeOf(work float64) time.Duration {
	return time.Duration(math.Min(work*float64(workTime), math.MaxInt64/2))
}

// grid is the times at which an expression is evaluated, in milliseconds. They
// are numbers that cannot overflow, whatever is asked for.
type grid struct{ start, end, step float64 }

func (g grid) steps() float64 {
	if g.end < g.start {
		return 0
	}
	if g.step <= 0 {
		return 1
	}

	return math.Floor((g.end-g.start)/g.step) + 1
}

// size is what the value of an expression amounts to.
type size struct {
	series  float64
	samples float64 // For which there is room,
	filled  float64 // and which there are.
	peak    float64 // Bytes at most while it is made, the value included.
	label   float64 // Bytes of its longest label.
}

func (s size) held() float64 { return s.samples*sampleBytes + s.series*(seriesBytes+s.label) }

// costs estimates what an expression costs. The walk follows the way in which
// the server evaluates: arguments one after the other, each kept while the next
// is made, and a subquery once over all the time that its readers need.
type costs struct {
	counter  seriesCounter
	lookback float64
	// defaultStep is the step of subqueries that name none.
	defaultStep float64
	maxSteps    float64
	// outer is the query's own grid, to which start() and end() refer.
	outer grid
	ctx   context.Context //nolint:containedctx // It lives as long as one walk.
	// work and longest are sums so far, see estimate.
	work, longest float64
}

// estimate returns the cost, or which bound the expression exceeds by itself.
func (c *costs) estimate(expr parser.Expr) (estimate, error) {
	result, err := c.expr(expr, c.outer)
	if err != nil {
		return estimate{}, err
	}
	answer := result.filled*jsonSampleBytes + result.series*(jsonSeriesBytes+2*result.label)

	return estimate{bytes: math.Max(result.peak, result.held()+answer), work: c.work, longest: c.longest}, nil
}

func (c *costs) expr(expr parser.Expr, g grid) (size, error) {
	c.work += stepWork
	switch e := expr.(type) {
	case *parser.ParenExpr:
		return c.expr(e.Expr, g)
	case *parser.StepInvariantExpr:
		return c.expr(e.Expr, g)
	case *parser.UnaryExpr:
		s, err := c.expr(e.Expr, g)
		c.work += s.samples

		return s, err
	case *parser.VectorSelector:
		return c.selector(e, g), nil
	case *parser.MatrixSelector:
		w := c.window(e, g)
		s := size{series: w.series, samples: w.series * w.samples, label: labelBytes}
		s.filled = s.samples
		s.peak = 2 * s.held()
		c.work += s.samples * 4

		return s, nil
	case *parser.SubqueryExpr:
		_, inner, err := c.subquery(e, g)
		return inner, err
	case *parser.Call:
		return c.call(e, g)
	case *parser.AggregateExpr:
		return c.aggregate(e, g)
	case *parser.BinaryExpr:
		return c.binary(e, g)
	case *parser.NumberLiteral:
		return c.each(size{series: 1}, g), nil
	default: // A string.
		return size{}, nil
	}
}

// each makes a value that has its series at each step, out of operands.
func (c *costs) each(out size, g grid, operands ...size) size {
	out.samples = out.series * g.steps()
	out.filled = out.samples
	for _, o := range operands {
		// Room is made for all steps, but what operands lack is not filled.
		if o.series > 1 {
			out.filled = math.Min(out.filled, o.filled*math.Max(1, out.series/o.series))
		}
		out.label = math.Max(out.label, o.label)
		c.work += o.samples * vectorWork
	}
	c.work += out.samples*vectorWork + g.steps()*stepWork
	out.peak = held(operands) + out.held()
	for i, o := range operands {
		out.peak = math.Max(out.peak, held(operands[:i])+o.peak)
	}

	return out
}

func held(values []size) float64 {
	sum := 0.0
	for _, v := range values {
		sum += v.held()
	}

	return sum
}

// exprs estimates arguments, one after the other.
func (c *costs) exprs(g grid, exprs ...parser.Expr) ([]size, error) {
	sizes := make([]size, 0, len(exprs))
	for _, e := range exprs {
		if e == nil {
			continue
		}
		s, err := c.expr(e, g)
		if err != nil {
			return nil, err
		}
		sizes = append(sizes, s)
	}

	return sizes, nil
}

// pinned returns the times at which a selector or a subquery is evaluated, given
// its @ and its offset.
func (c *costs) pinned(g grid, at *int64, startOrEnd parser.ItemType, offset time.Duration) grid {
	switch {
	case at != nil:
		g.start = float64(*at)
		g.end = g.start
	case startOrEnd == parser.START:
		g.start, g.end = c.outer.start, c.outer.start
	case startOrEnd == parser.END:
		g.start, g.end = c.outer.end, c.outer.end
	}
	g.start -= milliseconds(offset)
	g.end -= milliseconds(offset)

	return g
}

func milliseconds(d time.Duration) float64 { return float64(d) / float64(time.Millisecond) }

// subquery returns the grid of a subquery and what all of it amounts to.
func (c *costs) subquery(e *parser.SubqueryExpr, g grid) (grid, size, error) {
	at := c.pinned(g, e.Timestamp, e.StartOrEnd, e.OriginalOffset)
	inner := grid{start: at.start - milliseconds(e.Range), end: at.end, step: milliseconds(e.Step)}
	if inner.step == 0 {
		inner.step = c.defaultStep
	}
	steps := inner.steps()
	if steps > c.maxSteps {
		return grid{}, size{}, boundErrorf(
			"a subquery of %s in steps of %s has %.0f steps, more than the %.0f of limits.query_max_steps; use longer steps or a shorter range",
			model.Duration(e.Range), model.Duration(time.Duration(inner.step)*time.Millisecond), steps, c.maxSteps)
	}
	s, err := c.expr(e.Expr, inner)
	s.peak += steps * stepBytes

	return inner, s, err
}

// answerBytes is about how long a value is when it is written.
func answerBytes(value parser.Value) float64 {
	switch v := value.(type) {
	case promql.Vector:
		size := 0.0
		for i := range v {
			size += jsonSeriesBytes + histogramBytes(v[i].H)
		}

		return size
	case promql.Matrix:
		size := 0.0
		for i := range v {
			size += jsonSeriesBytes + jsonSampleBytes*float64(len(v[i].Floats))
			for _, p := range v[i].Histograms {
				size += jsonSampleBytes + histogramBytes(p.H)
			}
		}

		return size
	default:
		return 0
	}
}

func histogramBytes(h *histogram.FloatHistogram) float64 {
	if h == nil {
		return 0
	}

	return jsonBucketBytes * float64(2+len(h.PositiveBuckets)+len(h.NegativeBuckets))
}

// newGrid returns the grid of a query.
func newGrid(start, end time.Time, step time.Duration) grid {
	return grid{float64(start.UnixMilli()), float64(end.UnixMilli()), math.Floor(milliseconds(step))}
}

// lookbackOf is how far the instant selectors of a query look back.
func lookbackOf(opts promql.QueryOpts) float64 {
	if opts != nil && opts.LookbackDelta() > 0 {
		return milliseconds(opts.LookbackDelta())
	}

	return milliseconds(lookback)
}
