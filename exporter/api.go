package exporter

import (
	"errors"
	"fmt"
	"log/slog"
	"math"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

// DefaultMaxRoutes is how many distinct routes get series of their own.
const DefaultMaxRoutes = 200

// requestDuration is the metric that others are compared with and the one that
// folded routes are reported for.
const requestDuration = "http_server_request_duration_seconds"

// APIOptions configures an API. The zero value is ready for use with an
// http.ServeMux.
type APIOptions struct {
	// Route returns the template of the route that served a request, like
	// /users/{id}. It is asked after the handler has returned. If it returns
	// nothing, NormalizeRoute guesses one from the path. RouteFromPattern if it
	// is nil.
	Route func(*http.Request) string
	// MaxRoutes is the number of distinct routes that get series of their own;
	// the rest counts as Other. Guessed routes may take half of it, unless
	// Route is nil, so that who asks for random paths cannot push out templates.
	// DefaultMaxRoutes if it is not positive.
	MaxRoutes int
	// NoRequestIDs switches request ids off. They cost three allocations a
	// request, measuring none.
	NoRequestIDs bool
	// Logger receives one warning when there are too many routes. Nothing is
	// logged if it is nil.
	Logger *slog.Logger
	// Now is the clock, time.Now if it is nil.
	Now func() time.Time
}

// API measures HTTP requests under the names of OpenTelemetry's semantic
// conventions for HTTP servers:
//
//   - http_server_request_duration_seconds, classic and native histogram. Its
//     native buckets grow by a factor of 1.044, so a quantile read from it is
//     within 4.5 % of the truth for durations from 1 µs to over an hour. The
//     requests of sampled traces (W3C traceparent) are its exemplars.
//   - http_server_request_duration_max_seconds, the longest of the requests
//     that ended in the last 2 to 2.5 minutes, to the microsecond; absent if
//     there was none. Every request is seen by each scrape of the 2 minutes
//     after it, so max_over_time over scrapes at most 2 minutes apart is the
//     true maximum, at the most half a minute older than its range.
//   - http_server_time_to_first_byte_seconds, until the handler began its
//     answer: its first WriteHeader, Write or Flush.
//   - http_server_request_body_size_bytes and
//     http_server_response_body_size_bytes, as transferred: what the handler
//     read, and what was written to the client.
//   - http_server_active_requests, by method.
//   - http_server_failed_requests_total, requests recorded as failed although
//     their status is below 500. Errors are those and the ones with a status
//     from 500 on.
//
// Labels are the method (_OTHER if no standard knows it), the route and the
// status code. All methods are safe for concurrent use.
type API struct {
	route      func(*http.Request) string
	requestIDs bool
	elapsed    func() time.Duration // Since the API was made.
	recorders  sync.Pool            // Of *recorderChunk.

	limiter   *limiter
	maxRoutes int // For templates.
	maxGuess  int // For guessed routes.
	mu        sync.Mutex
	routes    atomic.Pointer[map[string]*routeSeries] // Replaced under mu.
	active    [methodCount]activeRequests

	duration     *prometheus.HistogramVec
	firstByte    *prometheus.HistogramVec
	requestBody  *prometheus.HistogramVec
	responseBody *prometheus.HistogramVec
	failed       *prometheus.CounterVec
	longestDesc  *prometheus.Desc
	activeDesc   *prometheus.Desc
}

// NewAPI returns an API whose metrics are registered with registerer. It fails
// if they already are.
func NewAPI(registerer prometheus.Registerer, options APIOptions) (*API, error) {
	if registerer == nil {
		return nil, errors.New("registering HTTP metrics: the registerer is nil")
	}
	if options.MaxRoutes <= 0 {
		options.MaxRoutes = DefaultMaxRoutes
	}
	if options.Logger == nil {
		options.Logger = slog.New(slog.DiscardHandler)
	}
	folded, err := newFoldCounter(registerer, options.Logger)
	if err != nil {
		return nil, err
	}
	a := &API{
		route:      options.Route,
		requestIDs: !options.NoRequestIDs,
		elapsed:    elapsed(options.Now),
		limiter:    newLimiter("http_route", options.MaxRoutes, folded),
		maxRoutes:  options.MaxRoutes,
		maxGuess:   max(1, options.MaxRoutes/2),
	}
	if a.route == nil {
		a.route = RouteFromPattern
		a.maxGuess = options.MaxRoutes
	}
	a.recorders.New = func() any { return new(recorderChunk) }
	a.routes.Store(&map[string]*routeSeries{})
	a.makeMetrics()
	if err := registerer.Register((*apiCollector)(a)); err != nil {
		return nil, fmt.Errorf("registering HTTP metrics: %w", err)
	}

	return a, nil
}

// elapsed returns a clock that counts from now on. Reading only the monotonic
// clock takes half the time of time.Now, and durations do not jump with the
// time of day.
func elapsed(now func() time.Time) func() time.Duration {
	if now == nil {
		start := time.Now()

		return func() time.Duration { return time.Since(start) }
	}
	start := now()

	return func() time.Duration { return now().Sub(start) }
}

// APIEvent is a request that another program measured.
type APIEvent struct {
	// Method is the request method in upper or lower case.
	Method string
	// Route is the template of the route, if the program knows it; otherwise
	// Path, the raw path, is normalised.
	Route, Path string
	// Status is the status code sent, from 100 to 999.
	Status int
	// Duration is how long the request took altogether.
	Duration time.Duration
	// TimeToFirstByte is how long the client waited for the answer to begin; 0
	// if it is not known.
	TimeToFirstByte time.Duration
	// RequestBytes and ResponseBytes are the sizes of the bodies; negative if
	// they are not known.
	RequestBytes, ResponseBytes int64
	// Failed tells that the request failed whatever its status says.
	Failed bool
	// TraceID is the W3C trace id (32 hexadecimal digits) of a sampled trace,
	// RequestID the request's own; both may be empty.
	TraceID, RequestID string
}

// Validate tells what is wrong with the event: a status out of range, a
// negative duration, a malformed trace id.
func (e APIEvent) Validate() error {
	switch {
	case e.Status < 100 || e.Status > 999:
		return fmt.Errorf("status %d, want one from 100 to 999", e.Status)
	case e.Duration < 0:
		return fmt.Errorf("duration %s, want none below 0", e.Duration)
	case e.TimeToFirstByte < 0:
		return fmt.Errorf("time to first byte %s, want none below 0", e.TimeToFirstByte)
	case e.TraceID != "" && (len(e.TraceID) != 32 || !isLowerHex(e.TraceID) || isZero(e.TraceID)):
		return fmt.Errorf("trace id %.40q, want 32 hexadecimal digits in lower case, not all 0", e.TraceID)
	}

	return nil
}

// Record counts a request that another program measured. An event that is not
// valid is not counted, and what is wrong with it is returned.
func (a *API) Record(e APIEvent) error {
	if err := e.Validate(); err != nil {
		return fmt.Errorf("recording a request: %w", err)
	}
	m := measurement{
		method:        methodIndex(strings.ToUpper(e.Method)),
		status:        e.Status,
		duration:      e.Duration,
		firstByte:     e.TimeToFirstByte,
		requestBytes:  e.RequestBytes,
		responseBytes: e.ResponseBytes,
		failed:        e.Failed,
		traceID:       e.TraceID,
		requestID:     e.RequestID,
	}
	if e.TimeToFirstByte == 0 {
		m.firstByte = unknown
	}
	a.observe(a.routeSeries(e.Route, e.Path), &m)

	return nil
}

// unknown marks figures of a measurement that were not taken.
const unknown = math.MinInt64

// measurement is what is known about a request once it has ended.
type measurement struct {
	method                      int
	status                      int
	duration, firstByte         time.Duration
	requestBytes, responseBytes int64
	failed                      bool
	traceID, requestID          string
}

// observe counts a request in all metrics.
func (a *API) observe(route *routeSeries, m *measurement) {
	method := route.method(a, m.method)
	series := method.status(a, m.status)
	if m.traceID == "" {
		series.duration.Observe(m.duration.Seconds())
	} else {
		series.observeWithExemplar(m)
	}
	series.longest.observe(a.elapsed(), m.duration)
	if m.firstByte >= 0 {
		method.firstByte.Observe(m.firstByte.Seconds())
	}
	if m.requestBytes >= 0 {
		series.requestBody.Observe(float64(m.requestBytes))
	}
	if m.responseBytes >= 0 {
		series.responseBody.Observe(float64(m.responseBytes))
	}
	if m.failed && m.status < http.StatusInternalServerError {
		a.failed.WithLabelValues(methodName(m.method), route.label, series.code).Inc()
	}
}
