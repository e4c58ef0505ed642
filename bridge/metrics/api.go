package metrics

import (
	"cmp"
	"context"
	"slices"
	"strconv"
	"time"

	promv1 "github.com/prometheus/client_golang/api/prometheus/v1"
	"github.com/prometheus/common/model"
	"golang.org/x/sync/errgroup"
)

// APISample tells of the requests to one endpoint with one method and one
// status code in one collection interval. Times and sizes are means over them.
type APISample struct {
	// Timestamp is the end of the interval.
	Timestamp     Time    `json:"timestamp"`
	Endpoint      string  `json:"endpoint"`
	Method        string  `json:"method"`
	StatusCode    int     `json:"status_code"`
	ResponseTime  float64 `json:"response_time_ms"`
	RequestBytes  float64 `json:"request_size_bytes"`
	ResponseBytes float64 `json:"response_size_bytes"`
	RequestCount  int64   `json:"request_count"`
	ErrorCount    int64   `json:"error_count"`
}

// At is the sample's time.
func (s APISample) At() time.Time { return s.Timestamp.Time }

// endpoint names what requests are counted by.
type endpoint struct {
	route, method, code string
}

func endpointOf(m model.Metric) endpoint {
	return endpoint{string(m[labelRoute]), string(m[labelMethod]), string(m[labelCode])}
}

func (e endpoint) status() int {
	code, err := strconv.Atoi(e.code)
	if err != nil {
		return 0
	}

	return code
}

// API returns the requests of the window before a moment by interval and endpoint,
// oldest first. Where nothing publishes API metrics the answer is empty.
func (c *Client) API(ctx context.Context, at time.Time, window time.Duration) ([]APISample, error) {
	out := []APISample{}
	for piece := range c.pieces(at, window) {
		samples, err := c.apiPiece(ctx, piece)
		if err != nil {
			return nil, err
		}
		out = append(out, samples...)
	}

	return out, nil
}

func (c *Client) apiPiece(ctx context.Context, piece promv1.Range) ([]APISample, error) {
	var counts, failed, durations, requests, responses map[intervalKey]float64
	g, gctx := errgroup.WithContext(ctx)
	for _, q := range []struct {
		series string
		into   *map[intervalKey]float64
	}{
		{seriesRequests, &counts},
		{seriesFailed, &failed},
		{seriesDuration, &durations},
		{seriesRequestSize, &requests},
		{seriesResponseSize, &responses},
	} {
		g.Go(func() error {
			var err error
			*q.into, err = c.increases(gctx, q.series, piece)

			return err
		})
	}
	if err := g.Wait(); err != nil {
		return nil, err
	}

	out := make([]APISample, 0, len(counts))
	for key, n := range counts {
		count := whole(n)
		if count <= 0 {
			continue
		}
		sample := APISample{
			Timestamp:     Time{key.at.Time()},
			Endpoint:      key.route,
			Method:        key.method,
			StatusCode:    key.status(),
			ResponseTime:  round(1000 * durations[key] / n),
			RequestBytes:  round(requests[key] / n),
			ResponseBytes: round(responses[key] / n),
			RequestCount:  count,
			ErrorCount:    min(whole(failed[key]), count),
		}
		if sample.StatusCode >= 500 {
			sample.ErrorCount = count
		}
		out = append(out, sample)
	}
	slices.SortFunc(out, func(a, b APISample) int {
		return cmp.Or(a.Timestamp.Compare(b.Timestamp.Time), cmp.Compare(a.Endpoint, b.Endpoint),
			cmp.Compare(a.Method, b.Method), cmp.Compare(a.StatusCode, b.StatusCode))
	})

	return out, nil
}

type intervalKey struct {
	endpoint
	at model.Time
}

// increases returns how much a counter grew in each interval by endpoint.
func (c *Client) increases(ctx context.Context, series string, piece promv1.Range) (map[intervalKey]float64, error) {
	selector, scale, err := c.stepRange(ctx)
	if err != nil {
		return nil, err
	}
	matrix, err := c.matrix(ctx, byEndpoint+"(increase("+series+selector+"))", piece)
	if err != nil {
		return nil, err
	}
	out := map[intervalKey]float64{}
	for _, stream := range matrix {
		e := endpointOf(stream.Metric)
		for _, pair := range stream.Values {
			out[intervalKey{e, pair.Timestamp}] = float64(pair.Value) * scale
		}
	}

	return out, nil
}
