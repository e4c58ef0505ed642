package metrics

import (
	"context"
	"time"

	promv1 "github.com/prometheus/client_golang/api/prometheus/v1"
	"github.com/prometheus/common/model"
)

// Series is one series over time.
type Series struct {
	Labels map[string]string
	Points []Point
}

// Point is one value of a series.
type Point struct {
	Time  time.Time
	Value float64
}

// seriesPoints is how many points a series has at most: enough for a chart.
const seriesPoints = 240

// Series returns what an expression was in the window before a moment.
func (c *Client) Series(ctx context.Context, expr string, at time.Time, window time.Duration) ([]Series, error) {
	step := max(c.interval, (window / seriesPoints).Truncate(time.Second))
	matrix, err := c.matrix(ctx, expr, promv1.Range{Start: at.Add(-window), End: at, Step: step})
	if err != nil {
		return nil, err
	}
	out := make([]Series, 0, len(matrix))
	for _, stream := range matrix {
		s := Series{Labels: stringMap(model.LabelSet(stream.Metric)), Points: make([]Point, len(stream.Values))}
		for i, pair := range stream.Values {
			s.Points[i] = Point{pair.Timestamp.Time(), float64(pair.Value)}
		}
		out = append(out, s)
	}

	return out, nil
}
