package engine

import (
	"cmp"
	"errors"
	"net/http"
	"time"

	"github.com/prometheus/prometheus/promql"
)

// The defaults of a Config's limits. They keep a process that holds the series of
// a machine or two, and that anyone may ask anything, below 300 MB.
const (
	DefaultQueryTimeout     = 30 * time.Second
	DefaultQueryMaxSamples  = 4_000_000
	DefaultQueryMaxSteps    = 100_000
	DefaultQueryMemory      = 160 << 20
	defaultQueryConcurrency = 8
)

// queryLimits are a Config's, with their defaults.
type queryLimits struct {
	timeout    time.Duration
	samples    int
	steps      int
	memory     int64
	concurrent int
}

func (c *Config) limits() queryLimits {
	return queryLimits{
		timeout:    cmp.Or(c.QueryTimeout, DefaultQueryTimeout),
		samples:    cmp.Or(c.QueryMaxSamples, DefaultQueryMaxSamples),
		steps:      cmp.Or(c.QueryMaxSteps, DefaultQueryMaxSteps),
		memory:     cmp.Or(c.QueryMemory, DefaultQueryMemory),
		concurrent: cmp.Or(c.QueryConcurrency, defaultQueryConcurrency),
	}
}

// Limit is a limit that a query ran into.
type Limit int

// The limits.
const (
	LimitSamples Limit = iota + 1
	LimitTime
	LimitConcurrency
)

// limitStatus answers queries that load or would load too many samples with 413
// and not, as the server itself does, with 422, by which clients cannot tell them
// from a query that is wrong. N is a type that the server does not export.
func limitStatus[N any](_ N, err error) (code int, override bool) {
	_, tooMany := errors.AsType[promql.ErrTooManySamples](err)
	_, tooCostly := errors.AsType[costError](err)
	if errors.Is(err, errBusy) {
		return http.StatusTooManyRequests, true
	}

	return http.StatusRequestEntityTooLarge, tooMany || tooCostly
}

// watchLimits tells of queries that ran into a limit.
func watchLimits(next http.Handler, hit func(Limit)) http.Handler {
	if hit == nil {
		return next
	}

	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		next.ServeHTTP(&limitWriter{ResponseWriter: w, hit: hit}, r)
	})
}

// limitWriter looks at the status, which tells the limits apart.
type limitWriter struct {
	http.ResponseWriter
	hit  func(Limit)
	left bool
}

// Write implements io.Writer. The server logs as an error that somebody did not
// take an answer, who may leave at any time; so it is not told.
func (w *limitWriter) Write(p []byte) (int, error) {
	if !w.left {
		_, err := w.ResponseWriter.Write(p)
		w.left = err != nil
	}

	return len(p), nil
}

// WriteHeader implements http.ResponseWriter.
func (w *limitWriter) WriteHeader(status int) {
	switch status {
	case http.StatusRequestEntityTooLarge:
		w.hit(LimitSamples)
	case http.StatusTooManyRequests:
		w.Header().Set("Retry-After", "1")
		w.hit(LimitConcurrency)
	case http.StatusServiceUnavailable:
		w.Header().Set("Retry-After", "1")
		w.hit(LimitTime)
	}
	w.ResponseWriter.WriteHeader(status)
}

// Flush implements http.Flusher, which remote read looks for.
func (w *limitWriter) Flush() {
	_ = http.NewResponseController(w.ResponseWriter).Flush() // A writer that cannot flush has no buffer of ours.
}

// Unwrap lets http.ResponseController reach what the server offers.
func (w *limitWriter) Unwrap() http.ResponseWriter { return w.ResponseWriter }
