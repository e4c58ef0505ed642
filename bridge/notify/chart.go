package notify

import (
	"errors"
	"fmt"
	"math"
	"slices"
	"time"

	"github.com/go-analyze/charts"
)

// The size of a chart in pixels, and where in it the curve is drawn.
const (
	chartWidth   = 600
	chartHeight  = 260
	chartLeft    = 62
	chartRight   = 584
	chartTop     = 42
	chartBottom  = 228
	chartSpan    = time.Hour
	chartTick    = 10 * time.Minute
	chartYLabels = 4
)

// maxGap is how far two points may be apart and still be joined by a line:
// Prometheus looks back as long for a value.
const maxGap = 5 * time.Minute

// Point is a value of a metric at a time.
type Point struct {
	Time  time.Time
	Value float64
}

// Chart draws the hour up to the last point as a PNG of 600×260 pixels, with a
// dashed line at threshold unless that is nil. Points must be in the order of
// their times, which the axis shows in UTC. Values that are not finite numbers
// count as missing; where there are none for over 5 minutes, the line is
// interrupted. It returns an error where nothing is left to draw.
func Chart(points []Point, threshold *float64, title string) ([]byte, error) {
	if len(points) == 0 {
		return nil, errors.New("draw chart: at least one point is needed, got none")
	}
	if threshold != nil && !drawable(*threshold) {
		threshold = nil
	}
	end := points[len(points)-1].Time
	c := canvas{
		Painter: charts.NewPainter(charts.PainterOptions{
			OutputFormat: charts.ChartOutputPNG, Width: chartWidth, Height: chartHeight,
		}),
		start: end.Add(-chartSpan),
	}
	runs := c.runs(points)
	if len(runs) == 0 {
		return nil, fmt.Errorf("draw chart: at least one finite value is needed, got none in %d points", len(points))
	}
	c.scale(runs, threshold)

	c.frame(Line(title, 80), end)
	for _, run := range runs {
		c.curve(run)
	}
	if threshold != nil {
		c.threshold(*threshold)
	}
	png, err := c.Bytes()
	if err != nil {
		return nil, fmt.Errorf("draw chart: %w", err)
	}

	return png, nil
}

// drawable values are finite and far from where a scale would overflow.
func drawable(v float64) bool { return math.Abs(v) < 1e300 }

// canvas maps times and values to pixels.
type canvas struct {
	*charts.Painter
	start     time.Time
	low, step float64
	steps     int
}

// runs are the stretches of drawable points that are joined by a line.
func (c *canvas) runs(points []Point) [][]Point {
	var runs [][]Point
	var last time.Time
	for _, p := range points {
		if p.Time.Before(c.start) || !drawable(p.Value) {
			continue
		}
		if len(runs) == 0 || p.Time.Sub(last) > maxGap {
			runs = append(runs, nil)
		}
		runs[len(runs)-1] = append(runs[len(runs)-1], p)
		last = p.Time
	}

	return runs
}

// scale chooses a value axis with round steps that holds everything.
func (c *canvas) scale(runs [][]Point, threshold *float64) {
	low, high := math.Inf(1), math.Inf(-1)
	for _, run := range runs {
		for _, p := range run {
			low, high = min(low, p.Value), max(high, p.Value)
		}
	}
	if threshold != nil {
		low, high = min(low, *threshold), max(high, *threshold)
	}
	// Zero belongs on the axis unless it would flatten the curve.
	if low > 0 && low < high/2 {
		low = 0
	}
	if high-low < math.Abs(high)*1e-9 || high == low {
		spread := max(math.Abs(high)/10, 1)
		if low != 0 {
			low -= spread
		}
		high += spread
	}
	c.step = roundStep((high - low) / chartYLabels)
	c.low = math.Floor(low/c.step) * c.step
	c.steps = int(math.Ceil((high - c.low) / c.step))
}

// roundStep is the least of 1, 2, 2.5 or 5 times a power of ten that is not less
// than v.
func roundStep(v float64) float64 {
	power := math.Pow(10, math.Floor(math.Log10(v)))
	for _, m := range []float64{1, 2, 2.5, 5} {
		if m*power >= v {
			return m * power
		}
	}

	return 10 * power
}

func (c *canvas) x(t time.Time) int {
	return chartLeft + int(math.Round(float64(t.Sub(c.start))/float64(chartSpan)*(chartRight-chartLeft)))
}

func (c *canvas) y(v float64) int {
	return chartBottom - int(math.Round((v-c.low)/(c.step*float64(c.steps))*(chartBottom-chartTop)))
}

// frame draws title, axes and grid.
func (c *canvas) frame(title string, end time.Time) {
	ink, faint, grid := charts.ColorFromHex("#1a202c"), charts.ColorFromHex("#4a5568"), charts.ColorFromHex("#e2e8f0")
	c.FilledRect(0, 0, chartWidth, chartHeight, charts.ColorWhite, charts.ColorWhite, 0)
	c.fit(title, 12, 24, chartRight-12, charts.FontStyle{FontSize: 12, FontColor: ink})
	small := charts.FontStyle{FontSize: 9, FontColor: faint}
	for i := range c.steps + 1 {
		value := c.low + float64(i)*c.step
		c.LineStroke([]charts.Point{{X: chartLeft, Y: c.y(value)}, {X: chartRight, Y: c.y(value)}}, grid, 1)
		label := number(math.Round(value/c.step) * c.step)
		c.Text(label, chartLeft-8-c.MeasureText(label, 0, small).Width(), c.y(value)+4, 0, small)
	}
	for at := c.start.Truncate(chartTick).Add(chartTick); !at.After(end); at = at.Add(chartTick) {
		label := at.UTC().Format("15:04")
		c.LineStroke([]charts.Point{{X: c.x(at), Y: chartBottom}, {X: c.x(at), Y: chartBottom + 4}}, faint, 1)
		c.Text(label, c.x(at)-c.MeasureText(label, 0, small).Width()/2, chartBottom+18, 0, small)
	}
	c.Text("UTC", 12, chartBottom+18, 0, small)
	c.LineStroke([]charts.Point{{X: chartLeft, Y: chartBottom}, {X: chartRight, Y: chartBottom}}, faint, 1)
}

// fit writes text and shortens it until it is no wider than width.
func (c *canvas) fit(text string, x, y, width int, style charts.FontStyle) {
	for runes := []rune(text); len(runes) > 0 && c.MeasureText(text, 0, style).Width() > width; {
		runes = runes[:len(runes)-1]
		text = string(runes) + "…"
	}
	c.Text(text, x, y, 0, style)
}

// curve draws one run. It fills what is below it where the axis begins at zero,
// because an area elsewhere exaggerates.
func (c *canvas) curve(run []Point) {
	line := charts.ColorFromHex("#1d5fa8")
	path := make([]charts.Point, len(run))
	for i, p := range run {
		path[i] = charts.Point{X: c.x(p.Time), Y: c.y(p.Value)}
	}
	if len(path) == 1 {
		c.Dots(path, line, line, 1, 2.5)
		return
	}
	if first, last := path[0], path[len(path)-1]; c.low == 0 {
		c.FillArea(append(slices.Clone(path), charts.Point{X: last.X, Y: chartBottom}, charts.Point{X: first.X, Y: chartBottom}, first), line.WithAlpha(28))
	}
	c.LineStroke(path, line, 1.8)
}

// threshold draws the dashed line and names its value above it, or below it
// where the title is near.
func (c *canvas) threshold(v float64) {
	red := charts.ColorFromHex("#b71c1c")
	y := c.y(v)
	c.DashedLineStroke([]charts.Point{{X: chartLeft, Y: y}, {X: chartRight, Y: y}}, red, 1.4, []float64{6, 4})
	label := y - 5
	if label < chartTop+10 {
		label = y + 14
	}
	c.Text("threshold "+number(v), chartLeft+6, label, 0, charts.FontStyle{FontSize: 9, FontColor: red})
}
