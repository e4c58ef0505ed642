package exporter

import (
	"sync/atomic"

	"github.com/prometheus/client_golang/prometheus"
)

// Native histograms: 16 buckets for each power of two, each a factor of
// 2^(1/16) = 1.044 wide, and no more than the 512 that span from
// nativeZeroThreshold to 4096 s. Past that the resolution is halved. Nothing is
// ever reset, because a reset would lose the classic buckets as well.
const (
	nativeBucketFactor  = 1.05
	nativeMaxBuckets    = 512
	nativeZeroThreshold = 1.0 / (1 << 20) // About a microsecond.
)

// durationBuckets are those of OpenTelemetry's http.server.request.duration.
func durationBuckets() []float64 {
	return []float64{.005, .01, .025, .05, .075, .1, .25, .5, .75, 1, 2.5, 5, 7.5, 10}
}

// sizeBuckets go from a short JSON answer to a file of 32 MiB.
func sizeBuckets() []float64 {
	return []float64{128, 1 << 10, 8 << 10, 64 << 10, 512 << 10, 4 << 20, 32 << 20}
}

// nativeHistogram returns a histogram with classic and native buckets.
func nativeHistogram(name, help string, buckets []float64, labels ...string) *prometheus.HistogramVec {
	return prometheus.NewHistogramVec(prometheus.HistogramOpts{
		Name:                           name,
		Help:                           help,
		Buckets:                        buckets,
		NativeHistogramBucketFactor:    nativeBucketFactor,
		NativeHistogramMaxBucketNumber: nativeMaxBuckets,
		NativeHistogramZeroThreshold:   nativeZeroThreshold,
	}, labels)
}

func (a *API) makeMetrics() {
	labels := []string{"http_request_method", "http_route", "http_response_status_code"}
	a.duration = nativeHistogram(requestDuration,
		"Duration of HTTP requests, of streams until their end.", durationBuckets(), labels...)
	a.firstByte = nativeHistogram("http_server_time_to_first_byte_seconds",
		"Time until the handler of an HTTP request began its answer.", durationBuckets(), labels[:2]...)
	a.requestBody = prometheus.NewHistogramVec(prometheus.HistogramOpts{
		Name: "http_server_request_body_size_bytes",
		Help: "Size of the HTTP request bodies as far as they were read.", Buckets: sizeBuckets(),
	}, labels)
	a.responseBody = prometheus.NewHistogramVec(prometheus.HistogramOpts{
		Name: "http_server_response_body_size_bytes",
		Help: "Size of the HTTP response bodies sent.", Buckets: sizeBuckets(),
	}, labels)
	a.failed = prometheus.NewCounterVec(prometheus.CounterOpts{
		Name: "http_server_failed_requests_total",
		Help: "HTTP requests recorded as failed although their status is below 500.",
	}, labels)
	a.longestDesc = prometheus.NewDesc("http_server_request_duration_max_seconds",
		"Longest of the HTTP requests that ended in the last 2 minutes.", labels, nil)
	a.activeDesc = prometheus.NewDesc("http_server_active_requests",
		"HTTP requests being served.", labels[:1], nil)
}

// activeRequests counts the requests of one method being served.
type activeRequests struct {
	count atomic.Int64
	seen  atomic.Bool // A method that was never used has no series.
	_     [48]byte    // Methods are counted on different CPUs.
}

func (r *activeRequests) begin() {
	r.count.Add(1)
	if !r.seen.Load() {
		r.seen.Store(true)
	}
}

func (r *activeRequests) end() {
	r.count.Add(-1)
}

// apiCollector is the API as a prometheus.Collector: all of it is registered,
// or nothing is.
type apiCollector API

func (c *apiCollector) vectors() []prometheus.Collector {
	return []prometheus.Collector{c.duration, c.firstByte, c.requestBody, c.responseBody, c.failed}
}

// Describe implements prometheus.Collector.
func (c *apiCollector) Describe(ch chan<- *prometheus.Desc) {
	ch <- c.longestDesc
	ch <- c.activeDesc
	for _, vector := range c.vectors() {
		vector.Describe(ch)
	}
}

// Collect implements prometheus.Collector.
func (c *apiCollector) Collect(ch chan<- prometheus.Metric) {
	for _, vector := range c.vectors() {
		vector.Collect(ch)
	}
	for i := range c.active {
		if c.active[i].seen.Load() {
			ch <- gauge(c.activeDesc, float64(c.active[i].count.Load()), methodName(i))
		}
	}
	now := c.elapsed()
	for _, route := range *c.routes.Load() {
		for i := range route.methods {
			method := route.methods[i].Load()
			if method == nil {
				continue
			}
			for _, series := range *method.statuses.Load() {
				if longest, ok := series.longest.max(now); ok {
					ch <- gauge(c.longestDesc, longest.Seconds(), methodName(i), route.label, series.code)
				}
			}
		}
	}
}
