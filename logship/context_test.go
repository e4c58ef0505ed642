package logship

import (
	"bytes"
	"context"
	"errors"
	"log/slog"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestContextAttributes(t *testing.T) {
	type object = map[string]any
	user := func(ctx context.Context) context.Context {
		return WithContext(ctx, "user_id", "user123", slog.String("session_id", "sess456"))
	}
	for _, test := range []struct {
		name string
		ctx  func(context.Context) context.Context
		log  func(context.Context, *slog.Logger)
		want object
	}{
		{"follow all logs", user, nil, object{"user_id": "user123", "session_id": "sess456", "a": 1.0}},
		{"add up, the last of a key counting", func(ctx context.Context) context.Context { return WithContext(user(ctx), "user_id", "u2", "x", 1) }, nil, object{"user_id": "u2", "session_id": "sess456", "x": 1.0, "a": 1.0}},
		{"are cleared", func(ctx context.Context) context.Context { return ClearContext(user(ctx)) }, nil, object{"a": 1.0}},
		{"leave the request id when cleared", func(ctx context.Context) context.Context { return ClearContext(WithRequestID(user(ctx), "r1")) }, nil, object{"request_id": "r1", "a": 1.0}},
		{"are replaced by those of the call", func(ctx context.Context) context.Context { return WithContext(ctx, "a", 5, "b", 6) }, nil, object{"a": 1.0, "b": 6.0}},
		{"are replaced by those of With", func(ctx context.Context) context.Context { return WithRequestID(ctx, "r1") }, func(ctx context.Context, l *slog.Logger) { l.With("request_id", "own").InfoContext(ctx, "m") }, object{"request_id": "own"}},
		{"stay outside open groups", user, func(ctx context.Context, l *slog.Logger) { l.WithGroup("g").InfoContext(ctx, "m", "user_id", 1) }, object{"user_id": "user123", "session_id": "sess456", "g": object{"user_id": 1.0}}},
		{"do not repeat an open group", func(ctx context.Context) context.Context { return WithContext(ctx, "g", 1) }, func(ctx context.Context, l *slog.Logger) { l.WithGroup("g").InfoContext(ctx, "m", "x", 1) }, object{"g": object{"x": 1.0}}},
		{"are redacted", func(ctx context.Context) context.Context { return WithContext(ctx, "api_key", "x") }, nil, object{"api_key": Redacted, "a": 1.0}},
		{"do not repeat documented fields", func(ctx context.Context) context.Context { return WithContext(ctx, "level", "x") }, nil, object{"level_": "x", "a": 1.0}},
	} {
		t.Run(test.name, func(t *testing.T) {
			log := test.log
			if log == nil {
				log = func(ctx context.Context, l *slog.Logger) { l.InfoContext(ctx, "m", "a", 1) }
			}
			ctx := test.ctx(t.Context())
			got := logged(t, HandlerOptions{}, func(l *slog.Logger) { log(ctx, l) })
			if diff := cmp.Diff(test.want, got); diff != "" {
				t.Errorf("(-want +got)\n%s", diff)
			}
		})
	}
}

func TestContextsDoNotDisturbEachOther(t *testing.T) {
	parent := WithContext(t.Context(), "a", 1)
	first, second := WithContext(parent, "b", 1), WithContext(parent, "b", 2)
	WithContext(parent, "a", 9)
	for ctx, want := range map[context.Context]map[string]any{first: {"a": 1.0, "b": 1.0}, second: {"a": 1.0, "b": 2.0}, parent: {"a": 1.0}} {
		got := logged(t, HandlerOptions{}, func(l *slog.Logger) { l.InfoContext(ctx, "m") })
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("(-want +got)\n%s", diff)
		}
	}
	if RequestID(parent) != "" || RequestID(WithRequestID(parent, "r")) != "r" {
		t.Error("the request id is not that of the context")
	}
}

func TestCall(t *testing.T) {
	var out bytes.Buffer
	ctx := WithLogger(t.Context(), slog.New(NewHandler(&out, HandlerOptions{})))
	failure := errors.New("no data")
	process := func(err error, cause any) (result error) {
		defer Call(ctx, "process_data")(&result)

		if cause != nil {
			panic(cause)
		}

		return err
	}
	for _, test := range []struct {
		name, level, outcome string
		err                  error
		cause                any
	}{
		{"success", "INFO", "ok", nil, nil},
		{"error", "ERROR", "error", failure, nil},
		{"panic", "ERROR", "panic", nil, "boom"},
	} {
		t.Run(test.name, func(t *testing.T) {
			out.Reset()
			func() {
				defer func() {
					if p := recover(); p != test.cause {
						t.Errorf("the panic goes on as %v", p)
					}
				}()
				if err := process(test.err, test.cause); !errors.Is(err, test.err) {
					t.Errorf("the error became %v", err)
				}
			}()
			entry := parse(t, out.String())
			if entry["level"] != test.level || entry["outcome"] != test.outcome || entry["call"] != "process_data" {
				t.Errorf("got %v", entry)
			}
			if took, ok := entry["duration_ms"].(float64); !ok || took < 0 || took > 10_000 {
				t.Errorf("duration_ms is %v", entry["duration_ms"])
			}
			if entry["function"] != "TestCall" || entry["module"] != "context_test" {
				t.Errorf("it is logged on behalf of %v.%v", entry["module"], entry["function"])
			}
			if test.err != nil && entry["error"] != "no data" {
				t.Errorf("error is %v", entry["error"])
			}
			if stack, _ := entry["stack"].(string); test.cause != nil && (!strings.Contains(stack, "TestCall") || entry["error"] != "boom") {
				t.Errorf("error is %v, stack is %q", entry["error"], stack)
			}
		})
	}
}

func TestCallWithoutAnErrorOrALogger(t *testing.T) {
	var out bytes.Buffer
	before := slog.Default()
	slog.SetDefault(slog.New(NewHandler(&out, HandlerOptions{Level: slog.LevelError})))
	defer slog.SetDefault(before)
	Call(t.Context(), "quiet")(nil)
	if out.Len() != 0 {
		t.Errorf("below the level, %s was logged", out.String())
	}
	func() {
		defer func() { _ = recover() }()
		defer Call(t.Context(), "loud")(nil)
		panic("boom")
	}()
	if entry := parse(t, out.String()); entry["call"] != "loud" {
		t.Errorf("got %v", entry)
	}
}
