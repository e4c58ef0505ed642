package logship

import (
	"context"
	"fmt"
	"log/slog"
	"runtime"
	"runtime/debug"
	"time"
)

// Call logs one call of a function when it ends, with the logger of the context
// (see [WithLogger]): the attributes call (the name), outcome (ok, error or panic),
// duration_ms, and error or stack. Success is INFO, the rest ERROR. It is to be
// deferred first of all, with a pointer to the function's named error or nil:
//
//	func processData(ctx context.Context, data []byte) (err error) {
//		defer logship.Call(ctx, "process_data")(&err)
//
// A panic goes on after it has been logged.
func Call(ctx context.Context, name string) func(*error) {
	start := time.Now()
	var caller [1]uintptr
	runtime.Callers(2, caller[:]) // Skips runtime.Callers and Call.

	return func(failure *error) {
		attrs := []slog.Attr{slog.String("call", name), slog.String("outcome", "ok"), slog.Float64("duration_ms", milliseconds(time.Since(start)))}
		level, message := slog.LevelInfo, "Call completed"
		p := recover()
		switch {
		case p != nil:
			level, message = slog.LevelError, "Call panicked"
			attrs[1] = slog.String("outcome", "panic")
			attrs = append(attrs, slog.String("error", fmt.Sprint(p)), slog.String("stack", string(debug.Stack())))
		case failure != nil && *failure != nil:
			level, message = slog.LevelError, "Call failed"
			attrs[1] = slog.String("outcome", "error")
			attrs = append(attrs, slog.Any("error", *failure))
		}
		logAt(ctx, FromContext(ctx), level, message, caller[0], attrs)
		if p != nil {
			panic(p)
		}
	}
}

// logAt logs on behalf of the code at pc.
func logAt(ctx context.Context, logger *slog.Logger, level slog.Level, message string, pc uintptr, attrs []slog.Attr) {
	handler := logger.Handler()
	if !handler.Enabled(ctx, level) {
		return
	}
	r := slog.NewRecord(time.Now(), level, message, pc)
	r.AddAttrs(attrs...)
	// As for slog.Logger, what becomes of the line is the handler's affair.
	_ = handler.Handle(ctx, r)
}

func milliseconds(d time.Duration) float64 { return float64(d) / float64(time.Millisecond) }
