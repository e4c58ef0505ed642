package engine

import (
	"math"
	"strings"

	"github.com/prometheus/prometheus/promql/parser"
)

// The arguments of label_replace and label_join.
const (
	labelReplaceTemplate = 2
	labelReplacePattern  = 4
	labelJoinSeparator   = 2
	labelJoinSources     = 3
)

// countValuesDistinct is how many values a series takes on, for count_values.
const countValuesDistinct = 16

// selector estimates an instant selector.
func (c *costs) selector(e *parser.VectorSelector, g grid) size {
	at := c.pinned(g, e.Timestamp, e.StartOrEnd, e.OriginalOffset)
	s := size{label: labelBytes}
	reach := c.lookback
	if e.Smoothed {
		reach *= 2
	}
	for _, found := range c.counter.count(c.ctx, e.LabelMatchers, at.start-reach, at.end+c.lookback) {
		length := math.Min(at.end, found.end) - math.Max(at.start-reach, found.start)
		steps := g.steps()
		if g.step > 0 && at.end > at.start {
			steps = math.Min(steps, math.Max(0, length+reach)/g.step+1)
		}
		s.series = math.Max(s.series, found.series)
		s.samples += found.series * steps
		// Steps without a sample are visited, too.
		c.work += found.series * (seriesWork + g.steps()*selectWork + math.Max(0, length)*found.density)
		if e.Smoothed {
			c.work += found.series * steps * reach * found.density
			c.longest = math.Max(c.longest, found.series*steps*reach*found.density)
		}
	}
	s.filled = s.samples
	s.peak = s.held()

	return s
}

// rangeWindow is what a range selector finds at one step.
type rangeWindow struct {
	series  float64
	samples float64 // Of one series.
	steps   float64 // At which there can be any.
}

func (c *costs) window(e *parser.MatrixSelector, g grid) rangeWindow {
	selector, ok := e.VectorSelector.(*parser.VectorSelector)
	if !ok {
		return rangeWindow{}
	}
	at := c.pinned(g, selector.Timestamp, selector.StartOrEnd, selector.OriginalOffset)
	length := milliseconds(e.Range)
	if selector.Anchored || selector.Smoothed {
		length += 2 * c.lookback
	}
	w := rangeWindow{steps: g.steps()}
	var spread, density float64
	for _, found := range c.counter.count(c.ctx, selector.LabelMatchers, at.start-length, at.end) {
		overlap := math.Max(0, math.Min(at.end, found.end)-math.Max(at.start-length, found.start))
		spread += overlap
		w.series = math.Max(w.series, found.series)
		density = math.Max(density, found.density)
		c.work += found.series * (seriesWork + overlap*found.density)
	}
	w.samples = math.Min(length, spread)*density + 1
	if g.step > 0 && at.end > at.start {
		w.steps = math.Min(w.steps, (spread+length)/g.step+1)
	}

	return w
}

// call estimates a function.
func (c *costs) call(e *parser.Call, g grid) (size, error) {
	for i, arg := range e.Args {
		switch a := arg.(type) {
		case *parser.MatrixSelector:
			return c.overTime(e, i, c.window(a, g), size{}, g)
		case *parser.SubqueryExpr:
			inner, s, err := c.subquery(a, g)
			if err != nil {
				return size{}, err
			}
			w := rangeWindow{series: s.series, samples: math.Min(inner.steps(), milliseconds(a.Range)/inner.step+1), steps: g.steps()}

			return c.overTime(e, i, w, s, g)
		}
	}
	args, err := c.exprs(g, e.Args...)
	if err != nil {
		return size{}, err
	}
	out := size{series: 1}
	if e.Func.ReturnType == parser.ValueTypeVector {
		for _, a := range args {
			out.series = math.Max(out.series, a.series)
		}
	}
	switch e.Func.Name {
	case "absent", "vector", "scalar", "time":
		out.series = 1
	case "label_replace", "label_join":
		out.label = builtLabel(e, args[0].label)
		if out.label > maxLabelBytes {
			return size{}, boundErrorf("%s may make a label of %.0f bytes, more than the %d that are permitted; nest fewer of them and repeat less", e.Func.Name, out.label, maxLabelBytes)
		}
	case "info":
		// It joins each series with what describes its target.
		out.label = math.Max(labelBytes, args[0].label) * 4
	case "histogram_quantiles":
		out.series *= float64(len(args))
	}

	return c.each(out, g, args...), nil
}

// builtLabel is how long a label may become that label_replace or label_join
// makes, out of labels that are as long as given.
func builtLabel(e *parser.Call, length float64) float64 {
	text := func(i int) string {
		if i < len(e.Args) {
			if literal, ok := e.Args[i].(*parser.StringLiteral); ok {
				return literal.Val
			}
		}

		return ""
	}
	if e.Func.Name == "label_replace" {
		template := text(labelReplaceTemplate)
		return math.Max(length, float64(len(template))+float64(strings.Count(template, "$"))*length)
	}
	sources := float64(max(0, len(e.Args)-labelJoinSources))

	return math.Max(length, sources*(length+float64(len(text(labelJoinSeparator)))))
}

// overTime estimates a function of a range: one series after the other, each with
// one window at a time. The range is the argument of that index, and the value of
// the subquery that it is.
func (c *costs) overTime(e *parser.Call, ranged int, w rangeWindow, subquery size, g grid) (size, error) {
	others := make([]parser.Expr, 0, len(e.Args))
	for i, arg := range e.Args {
		if i != ranged {
			others = append(others, arg)
		}
	}
	args, err := c.exprs(g, others...)
	if err != nil {
		return size{}, err
	}
	visit := 3.0
	switch e.Func.Name {
	case "quantile_over_time", "mad_over_time":
		visit *= sortingExtra
	}
	c.work += w.series * (g.steps()*callWork + w.steps*w.samples*visit)
	c.longest = math.Max(c.longest, w.steps*w.samples*visit)
	out := size{series: w.series, samples: w.series * w.steps, label: math.Max(labelBytes, subquery.label)}
	if e.Func.Name == "absent_over_time" {
		out.samples += g.steps()
	}
	out.filled = out.samples
	kept := subquery.held() + held(args)
	out.peak = math.Max(subquery.peak, kept+2*w.samples*sampleBytes+out.held())
	for _, a := range args {
		out.peak = math.Max(out.peak, subquery.held()+a.peak)
	}

	return out, nil
}

// aggregate estimates an aggregation.
func (c *costs) aggregate(e *parser.AggregateExpr, g grid) (size, error) {
	args, err := c.exprs(g, e.Param, e.Expr)
	if err != nil {
		return size{}, err
	}
	in := args[len(args)-1]
	visit := 4.0
	out := size{series: in.series, label: in.label}
	switch e.Op {
	case parser.COUNT_VALUES:
		visit = vectorWork * 3
		out.series = in.series * math.Min(g.steps(), countValuesDistinct)
	case parser.TOPK, parser.BOTTOMK, parser.QUANTILE, parser.LIMITK, parser.LIMIT_RATIO:
		visit = 4 * sortingExtra
	default:
	}
	selects := e.Op == parser.TOPK || e.Op == parser.BOTTOMK || e.Op == parser.LIMITK || e.Op == parser.LIMIT_RATIO
	if len(e.Grouping) == 0 && !e.Without && !selects && e.Op != parser.COUNT_VALUES {
		out.series = math.Min(1, in.series)
	}
	c.work += in.samples*visit + in.series*seriesWork
	// What the operand fills is what the result can fill.
	out.samples = math.Min(out.series*g.steps(), in.samples)
	out.filled = math.Min(out.samples, in.filled)
	out.peak = held(args) + out.held()
	for i, a := range args {
		out.peak = math.Max(out.peak, held(args[:i])+a.peak)
	}

	return out, nil
}

// binary estimates an operator.
func (c *costs) binary(e *parser.BinaryExpr, g grid) (size, error) {
	args, err := c.exprs(g, e.LHS, e.RHS)
	if err != nil {
		return size{}, err
	}
	out := size{series: math.Max(args[0].series, args[1].series)}
	switch e.Op {
	case parser.LOR:
		out.series = args[0].series + args[1].series
	case parser.LAND, parser.LUNLESS:
		out.series = args[0].series
	default:
	}

	return c.each(out, g, args...), nil
}
