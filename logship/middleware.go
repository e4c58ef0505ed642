package logship

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"runtime/debug"
	"slices"
	"strings"
	"time"
)

// Defaults of [MiddlewareOptions].
const (
	DefaultBodyLimit   = 4 << 10
	DefaultSlowRequest = time.Second
)

// MiddlewareOptions configure a middleware. The zero value is of use.
type MiddlewareOptions struct {
	// Logger gets the entries. Nil is the logger of the request's context.
	Logger *slog.Logger

	// SlowRequest is the time from which a request is marked slow_request and
	// logged as a warning. 0 is DefaultSlowRequest, less is never.
	SlowRequest time.Duration

	// BodyLimit is how many bytes of a request's body are logged, if it is JSON, a
	// form or text. 0 is DefaultBodyLimit, less is none.
	BodyLimit int

	// OmitHeaders leaves the request's headers out.
	OmitHeaders bool

	// Redactor finds the secrets in headers and bodies. Nil is one for the
	// documented names.
	Redactor *Redactor
}

// NewMiddleware returns a middleware that logs each request once, when it has been
// answered, with the attributes method, path, query, remote_addr, status_code,
// duration_ms, response_size, slow_request, request_headers and request_body, as
// far as there are any. The body is what the handler read of it. A status from 500
// on is an ERROR; so is a panic, which is logged with its stack and goes on.
//
// A request gets the id of its header X-Request-ID, or one made for it. The id is
// answered in that header, and is the attribute request_id of all that is logged
// with the request's context.
//
// The response writer can flush and be hijacked exactly if the server's can, and
// unwraps for http.ResponseController.
func NewMiddleware(options MiddlewareOptions) func(http.Handler) http.Handler {
	if options.SlowRequest == 0 {
		options.SlowRequest = DefaultSlowRequest
	}
	if options.BodyLimit == 0 {
		options.BodyLimit = DefaultBodyLimit
	}
	if options.Redactor == nil {
		options.Redactor = NewRedactor()
	}

	return func(next http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { options.serve(next, w, r) })
	}
}

// exchange is a request that is being served.
type exchange struct {
	options *MiddlewareOptions
	request *http.Request
	path    string // Handlers such as http.StripPrefix may change the request's.
	query   string
	headers http.Header
	rec     *recorder
	body    *bodyRecorder // Nil if the body is not logged.
	start   time.Time
}

func (o *MiddlewareOptions) serve(next http.Handler, w http.ResponseWriter, r *http.Request) {
	id := r.Header.Get(requestIDHeader)
	if !isRequestID(id) {
		id = newRequestID()
	}
	w.Header()[requestIDHeader] = []string{id}
	ctx := WithRequestID(r.Context(), id)
	r = r.WithContext(ctx)
	x := &exchange{options: o, request: r, path: r.URL.Path, query: r.URL.RawQuery, rec: &recorder{ResponseWriter: w}, start: time.Now()}
	if !o.OmitHeaders {
		x.headers = r.Header.Clone()
	}
	if o.BodyLimit > 0 && r.Body != nil && r.Body != http.NoBody && isText(r.Header.Get("Content-Type")) {
		x.body = &bodyRecorder{ReadCloser: r.Body, limit: o.BodyLimit}
		r.Body = x.body
	}
	returned := false
	defer func() {
		var cause any
		if !returned {
			cause = recover() // Nil after runtime.Goexit.
		}
		x.log(ctx, cause)
		if cause != nil {
			panic(cause)
		}
	}()
	next.ServeHTTP(x.rec.wrapped(), r)
	returned = true
}

// log writes the entry of a request that ended, maybe by a panic.
func (x *exchange) log(ctx context.Context, cause any) {
	logger := x.options.Logger
	if logger == nil {
		logger = FromContext(ctx)
	}
	elapsed := time.Since(x.start)
	slow := x.options.SlowRequest > 0 && elapsed >= x.options.SlowRequest
	status := x.rec.result()
	level, message := slog.LevelInfo, "Request completed"
	switch {
	case cause != nil && isAbort(cause):
		level, message = slog.LevelWarn, "Request aborted"
	case cause != nil:
		level, message = slog.LevelError, "Request panicked"
		if x.rec.status == 0 {
			status = http.StatusInternalServerError
		}
	case status >= http.StatusInternalServerError:
		level = slog.LevelError
	case slow:
		level = slog.LevelWarn
	}
	if !logger.Enabled(ctx, level) {
		return
	}
	attrs := make([]slog.Attr, 0, 12)
	attrs = append(
		attrs, slog.String("method", x.request.Method), slog.String("path", x.options.Redactor.String(x.path)), slog.Int("status_code", status),
		slog.Float64("duration_ms", milliseconds(elapsed)), slog.Int64("response_size", x.rec.size), slog.String("remote_addr", x.request.RemoteAddr),
	)
	if slow {
		attrs = append(attrs, slog.Bool("slow_request", true))
	}
	attrs = x.appendRequest(attrs)
	if cause != nil && !isAbort(cause) {
		attrs = append(attrs, slog.String("error", x.options.Redactor.String(fmt.Sprint(cause))), slog.String("stack", x.options.Redactor.String(string(debug.Stack()))))
	}
	logger.LogAttrs(ctx, level, message, attrs...) //nolint:sloglint // The message is one of three above.
}

// appendRequest appends what the client sent.
func (x *exchange) appendRequest(attrs []slog.Attr) []slog.Attr {
	redactor := x.options.Redactor
	if x.query != "" {
		attrs = append(attrs, slog.String("query", redactor.Form(x.query)))
	}
	if len(x.headers) > 0 {
		headers := make([]slog.Attr, 0, len(x.headers))
		for name, values := range x.headers {
			headers = append(headers, slog.String(name, redactor.Header(name, strings.Join(values, ", "))))
		}
		slices.SortFunc(headers, func(a, b slog.Attr) int { return strings.Compare(a.Key, b.Key) })
		attrs = append(attrs, slog.Attr{Key: "request_headers", Value: slog.GroupValue(headers...)})
	}
	if x.body != nil {
		if text := x.body.clean(redactor, x.request.Header.Get("Content-Type")); text != "" {
			attrs = append(attrs, slog.String("request_body", text))
		}
	}

	return attrs
}

// isAbort tells the panic by which a handler gives a response up.
func isAbort(cause any) bool {
	err, ok := cause.(error)

	return ok && errors.Is(err, http.ErrAbortHandler)
}
