package exporter

import (
	"errors"
	"net/http"
	"time"
)

// statusClientClosedRequest is what nginx logs for a client that went away.
const statusClientClosedRequest = 499

// Middleware measures the requests that next serves, and gives each a request
// id unless that is switched off. It belongs around the router, so that requests
// without a route are measured too.
//
//   - A panic counts as 500, whatever was sent before it, and goes on. So does
//     http.ErrAbortHandler, but as 499 if the client had gone away.
//   - Without a WriteHeader the status is 200; of a hijacked connection it is
//     101, its time is measured until the handler returns, and its bytes are
//     not counted.
//   - The response writer can flush and be hijacked exactly if the server's
//     can, and unwraps for http.ResponseController; it does not push. Used
//     after the handler returned, it fails and harms no other response.
func (a *API) Middleware(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { a.serve(next, w, r) })
}

// exchange is a request while it is served.
type exchange struct {
	request  *http.Request
	rec      *recorder
	method   int
	start    time.Duration
	id       string
	returned bool // The handler did, so it did not panic.
}

func (a *API) serve(next http.Handler, w http.ResponseWriter, r *http.Request) {
	x := exchange{request: r, rec: a.newRecorder(), method: methodIndex(r.Method)}
	a.active[x.method].begin()
	x.start = a.elapsed()
	defer a.finish(&x)

	if a.requestIDs {
		x.request, x.id = withRequestID(w, r)
	}
	x.rec.writer = w
	x.rec.clock = a.elapsed
	if r.Body != nil && r.Body != http.NoBody {
		x.rec.body = r.Body
		x.request.Body = bodyRecorder{x.rec}
	}
	next.ServeHTTP(x.rec.wrapped(), x.request)
	x.returned = true
}

// finish measures a request. It is deferred, because only so it can see a
// panic, which it passes on.
func (a *API) finish(x *exchange) {
	var cause any
	if !x.returned {
		cause = recover() // Nil if the handler called runtime.Goexit.
	}
	took := max(a.elapsed()-x.start, 0) // An injected clock may go back.
	a.active[x.method].end()
	rec := x.rec
	m := measurement{
		method:        x.method,
		status:        x.status(cause),
		duration:      took,
		firstByte:     took,
		requestBytes:  rec.read.Load(),
		responseBytes: rec.written,
		failed:        rec.failed,
		requestID:     x.id,
	}
	if rec.status != 0 {
		m.firstByte = rec.firstByte - x.start
	}
	if x.method == methodHead {
		m.responseBytes = 0 // The server discards what is written.
	}
	if values := x.request.Header["Traceparent"]; len(values) == 1 {
		if parent, ok := parseTraceparent(values[0]); ok && parent.sampled {
			m.traceID = parent.traceID
		}
	}
	template := rec.route
	if template == "" {
		template = a.route(x.request)
	}
	a.observe(a.routeSeries(template, x.request.URL.Path), &m)
	x.release()
	if cause != nil {
		panic(cause)
	}
}

// status returns the status that the request counts under.
func (x *exchange) status(cause any) int {
	switch {
	case x.returned && x.rec.status != 0:
		return x.rec.status
	case x.returned && x.rec.hijacked:
		return http.StatusSwitchingProtocols
	case x.returned:
		return http.StatusOK
	}
	if err, ok := cause.(error); ok && errors.Is(err, http.ErrAbortHandler) && x.request.Context().Err() != nil {
		return statusClientClosedRequest
	}

	return http.StatusInternalServerError
}

// release gives the request its own body back, unless the handler replaced it.
func (x *exchange) release() {
	if x.request.Body == (bodyRecorder{x.rec}) {
		x.request.Body = x.rec.body
	}
	x.rec.close()
}
