package logship

import (
	"context"
	"log/slog"
	"slices"
	"time"
)

// requestIDAttr is the documented attribute that correlates entries.
const requestIDAttr = "request_id"

type contextKey struct{}

// contextValues is what a context holds for logging. It is never changed.
type contextValues struct {
	requestID string
	attrs     []slog.Attr
	logger    *slog.Logger
}

// contextOf returns what ctx holds, or nil.
func contextOf(ctx context.Context) *contextValues {
	if ctx == nil {
		return nil
	}
	values, _ := ctx.Value(contextKey{}).(*contextValues)

	return values
}

// with returns ctx with its values changed.
func with(ctx context.Context, change func(*contextValues)) context.Context {
	var values contextValues
	if old := contextOf(ctx); old != nil {
		values = *old
	}
	change(&values)

	return context.WithValue(ctx, contextKey{}, &values)
}

// WithContext returns a context whose attributes are in every entry that is
// logged with it, on top of those that ctx has: keys and values in turns or
// slog.Attr, as for slog.Logger.With. Groups that a logger has opened do not
// enclose them.
func WithContext(ctx context.Context, args ...any) context.Context {
	r := slog.NewRecord(time.Time{}, 0, "", 0)
	r.Add(args...)

	return with(ctx, func(values *contextValues) {
		values.attrs = slices.Clip(values.attrs)
		r.Attrs(func(a slog.Attr) bool {
			values.attrs = slices.DeleteFunc(slices.Clone(values.attrs), func(old slog.Attr) bool { return old.Key != "" && old.Key == a.Key })
			values.attrs = append(values.attrs, a)

			return true
		})
	})
}

// ClearContext returns a context without the attributes of [WithContext]. The
// request id and the logger stay.
func ClearContext(ctx context.Context) context.Context {
	return with(ctx, func(values *contextValues) { values.attrs = nil })
}

// WithRequestID returns a context whose entries have the attribute request_id.
func WithRequestID(ctx context.Context, id string) context.Context {
	return with(ctx, func(values *contextValues) { values.requestID = id })
}

// RequestID returns the request id of a context, which is empty without one.
func RequestID(ctx context.Context) string {
	if values := contextOf(ctx); values != nil {
		return values.requestID
	}

	return ""
}

// WithLogger returns a context with the logger that [FromContext] returns.
func WithLogger(ctx context.Context, logger *slog.Logger) context.Context {
	return with(ctx, func(values *contextValues) { values.logger = logger })
}

// FromContext returns the logger of a context, or slog.Default without one.
func FromContext(ctx context.Context) *slog.Logger {
	if values := contextOf(ctx); values != nil && values.logger != nil {
		return values.logger
	}

	return slog.Default()
}
