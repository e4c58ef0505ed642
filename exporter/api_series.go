package exporter

import (
	"maps"
	"slices"
	"strconv"
	"strings"
	"sync/atomic"

	"github.com/prometheus/client_golang/prometheus"
)

// The series of a request are found by its route in a map, by its method in an
// array and by its status in a short slice. Each is replaced, never changed,
// when something is added, so that looking up takes no lock.

// routeSeries are the series of one route.
type routeSeries struct {
	label   string
	methods [methodCount]atomic.Pointer[methodSeries]
}

// methodSeries are the series of one method on one route.
type methodSeries struct {
	route     *routeSeries
	method    int
	firstByte prometheus.Observer
	statuses  atomic.Pointer[[]*statusSeries]
}

// statusSeries are the series of one status code of one method on one route.
type statusSeries struct {
	status                              int
	code                                string
	duration, requestBody, responseBody prometheus.Observer
	longest                             window
}

// routeSeries returns the series for the route of that template, or the one
// guessed from path if the template is empty.
func (a *API) routeSeries(template, path string) *routeSeries {
	limit := a.maxRoutes
	if template == "" {
		template = NormalizeRoute(path)
		limit = a.maxGuess
	}
	if route := (*a.routes.Load())[template]; route != nil {
		return route
	}
	label := a.limiter.admit(template, requestDuration, limit)
	if route := (*a.routes.Load())[label]; route != nil {
		return route
	}
	a.mu.Lock()
	defer a.mu.Unlock()

	if route := (*a.routes.Load())[label]; route != nil {
		return route
	}
	routes := maps.Clone(*a.routes.Load())
	route := &routeSeries{label: strings.Clone(label)}
	routes[route.label] = route
	a.routes.Store(&routes)

	return route
}

func (r *routeSeries) method(a *API, method int) *methodSeries {
	if m := r.methods[method].Load(); m != nil {
		return m
	}
	a.mu.Lock()
	defer a.mu.Unlock()

	if m := r.methods[method].Load(); m != nil {
		return m
	}
	m := &methodSeries{
		route: r, method: method,
		firstByte: a.firstByte.WithLabelValues(methodName(method), r.label),
	}
	m.statuses.Store(new([]*statusSeries))
	r.methods[method].Store(m)

	return m
}

func (m *methodSeries) status(a *API, status int) *statusSeries {
	for _, s := range *m.statuses.Load() {
		if s.status == status {
			return s
		}
	}
	a.mu.Lock()
	defer a.mu.Unlock()

	statuses := *m.statuses.Load()
	for _, s := range statuses {
		if s.status == status {
			return s
		}
	}
	labels := []string{methodName(m.method), m.route.label, strconv.Itoa(status)}
	s := &statusSeries{
		status: status, code: labels[2],
		duration:     a.duration.WithLabelValues(labels...),
		requestBody:  a.requestBody.WithLabelValues(labels...),
		responseBody: a.responseBody.WithLabelValues(labels...),
	}
	statuses = append(slices.Clip(statuses), s)
	m.statuses.Store(&statuses)

	return s
}

// observeWithExemplar observes the duration with the trace id and, if it fits
// as well, the request id.
func (s *statusSeries) observeWithExemplar(m *measurement) {
	labels := prometheus.Labels{"trace_id": m.traceID}
	size := len("trace_id") + len(m.traceID) + len("request_id") + len(m.requestID)
	if m.requestID != "" && size <= prometheus.ExemplarMaxRunes && isRequestID(m.requestID) {
		labels["request_id"] = m.requestID
	}
	observer, ok := s.duration.(prometheus.ExemplarObserver)
	if !ok {
		s.duration.Observe(m.duration.Seconds())

		return
	}
	observer.ObserveWithExemplar(m.duration.Seconds(), labels)
}

// methodCount is the number of values of the method label.
const methodCount = 11

// methodName returns the label value for what methodIndex returned.
func methodName(index int) string {
	return [methodCount]string{
		"_OTHER", "CONNECT", "DELETE", "GET", "HEAD", "OPTIONS", "PATCH", "POST", "PUT", "QUERY", "TRACE",
	}[index]
}

// methodIndex returns the place of a request method among those that
// OpenTelemetry's conventions know, 0 for any other.
func methodIndex(method string) int {
	switch method {
	case "CONNECT":
		return 1
	case "DELETE":
		return 2
	case "GET":
		return 3
	case "HEAD":
		return methodHead
	case "OPTIONS":
		return 5
	case "PATCH":
		return 6
	case "POST":
		return 7
	case "PUT":
		return 8
	case "QUERY":
		return 9
	case "TRACE":
		return 10
	default:
		return 0
	}
}

const methodHead = 4
