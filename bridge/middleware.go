package bridge

import (
	"context"
	"crypto/rand"
	"log/slog"
	"net/http"
	"regexp"
	"runtime/debug"
	"strconv"
	"time"

	"github.com/gorilla/mux"
	"github.com/prometheus/client_golang/prometheus"
)

// requestIDHeader carries the id by which a request is found in the log.
const requestIDHeader = "X-Request-ID"

// acceptableID is what an id from outside may look like; anything else could
// smuggle line breaks or kilobytes into the log.
var acceptableID = regexp.MustCompile(`^[A-Za-z0-9._:/+=-]{1,128}$`)

// exchange is what the outermost middleware and the router tell each other
// about one request.
type exchange struct {
	id    string
	route string // The template of the route, never a raw path.
	// caller is who was let in, nil where nobody is asked; done is told what was
	// answered, nil where nobody wants to know.
	caller *Caller
	done   func(status int)
	// left says that the client did not take what it was sent.
	left bool
}

type exchangeKey struct{}

func exchangeOf(ctx context.Context) *exchange {
	if x, ok := ctx.Value(exchangeKey{}).(*exchange); ok {
		return x
	}

	return &exchange{}
}

// unmatched is the route of requests that no route matches.
const unmatched = "unmatched"

// rememberRoute runs inside the router, where the matched route is known.
func rememberRoute(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if route := mux.CurrentRoute(r); route != nil {
			if template, err := route.GetPathTemplate(); err == nil {
				exchangeOf(r.Context()).route = template
			}
		}
		next.ServeHTTP(w, r)
	})
}

// observer watches every request from outside the router, so that those which
// match no route are counted and logged like the rest.
type observer struct {
	logger   *slog.Logger
	requests *prometheus.CounterVec
	duration *prometheus.HistogramVec
	now      func() time.Time
}

func newObserver(logger *slog.Logger, reg prometheus.Registerer, now func() time.Time) *observer {
	o := &observer{
		logger: logger,
		now:    now,
		requests: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "llmwatch_api_requests_total",
			Help: "Requests to llmwatch itself, by route template, method and status code.",
		}, []string{"route", "method", "code"}),
		duration: prometheus.NewHistogramVec(prometheus.HistogramOpts{
			Name:                            "llmwatch_api_request_duration_seconds",
			Help:                            "Time until llmwatch had answered a request, by route template.",
			Buckets:                         []float64{.001, .005, .025, .1, .5, 2.5},
			NativeHistogramBucketFactor:     1.1,
			NativeHistogramMaxBucketNumber:  100,
			NativeHistogramMinResetDuration: time.Hour,
		}, []string{"route"}),
	}
	reg.MustRegister(o.requests, o.duration)

	return o
}

func (o *observer) wrap(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		begin := o.now()
		x := &exchange{id: r.Header.Get(requestIDHeader), route: unmatched}
		if !acceptableID.MatchString(x.id) {
			x.id = "req-" + rand.Text()
		}
		w.Header().Set(requestIDHeader, x.id)
		w.Header().Set("X-Content-Type-Options", "nosniff")
		sw := &statusWriter{ResponseWriter: w, exchange: x}
		r = r.WithContext(context.WithValue(r.Context(), exchangeKey{}, x))
		defer func() {
			p, cut := recover(), sw.status != 0
			if p != nil && p != http.ErrAbortHandler { //nolint:errorlint // As net/http compares it.
				o.recovered(sw, r, p)
			}
			o.observe(r, x, sw, o.now().Sub(begin))
			if p != nil && cut {
				panic(http.ErrAbortHandler) // Half an answer must not look whole.
			}
		}()
		next.ServeHTTP(sw, r)
	})
}

// recovered answers a request whose handler panicked; the stack goes to the log
// and nowhere else.
func (o *observer) recovered(w *statusWriter, r *http.Request, p any) {
	o.logger.ErrorContext(r.Context(), "a handler panicked",
		"request_id", exchangeOf(r.Context()).id, "panic", p, "stack", string(debug.Stack()))
	if w.status == 0 {
		WriteError(w, asError(nil))
	}
}

func (o *observer) observe(r *http.Request, x *exchange, w *statusWriter, took time.Duration) {
	if w.status == 0 {
		w.status = http.StatusOK
	}
	if x.done != nil {
		x.done(w.status)
	}
	o.requests.WithLabelValues(x.route, Method(r.Method), strconv.Itoa(w.status)).Inc()
	o.duration.WithLabelValues(x.route).Observe(took.Seconds())
	level := slog.LevelDebug
	// What is unavailable for now is told of where it is found, and limits are only
	// counted: a flood of requests must not become a flood of lines.
	if w.status >= http.StatusInternalServerError && w.status != http.StatusServiceUnavailable {
		level = slog.LevelWarn
	}
	o.logger.Log(r.Context(), level, "request completed",
		"request_id", x.id, "method", r.Method, "path", r.URL.Path, "status_code", w.status,
		"duration_ms", float64(took.Microseconds())/1000, "response_size", w.size)
}

// Method bounds the names of methods: anybody can invent one.
func Method(m string) string {
	switch m {
	case http.MethodGet, http.MethodHead, http.MethodPost, http.MethodPut, http.MethodPatch, http.MethodDelete, http.MethodOptions:
		return m
	default:
		return "other"
	}
}

// statusWriter remembers what was answered.
type statusWriter struct {
	http.ResponseWriter
	exchange *exchange
	status   int
	size     int64
}

// begun reports whether w's answer is under way, whoever has wrapped w.
func begun(w http.ResponseWriter) bool {
	for {
		switch v := w.(type) {
		case *statusWriter:
			return v.status != 0
		case interface{ Unwrap() http.ResponseWriter }:
			w = v.Unwrap()
		default:
			return false
		}
	}
}

func (w *statusWriter) WriteHeader(status int) {
	if w.status == 0 {
		w.status = status
	}
	w.ResponseWriter.WriteHeader(status)
}

func (w *statusWriter) Write(p []byte) (int, error) {
	if w.status == 0 {
		w.status = http.StatusOK
	}
	n, err := w.ResponseWriter.Write(p)
	w.size += int64(n)
	w.exchange.left = w.exchange.left || err != nil

	return n, err
}

// Flush implements http.Flusher, which handlers that stream look for.
func (w *statusWriter) Flush() {
	if w.status == 0 {
		w.status = http.StatusOK
	}
	_ = http.NewResponseController(w.ResponseWriter).Flush() // A writer that cannot flush has no buffer of ours.
}

// Unwrap lets http.ResponseController reach what the server offers.
func (w *statusWriter) Unwrap() http.ResponseWriter { return w.ResponseWriter }
