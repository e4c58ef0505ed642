package logship

import (
	"context"
	"io"
	"log/slog"
	"testing"
	"time"
)

// logRequest logs the line that the targets are set for: 8 attributes.
func logRequest(ctx context.Context, logger *slog.Logger) {
	logger.LogAttrs(
		ctx, slog.LevelInfo, "Request completed",
		slog.String("request_id", "req-abc123"), slog.String("method", "POST"), slog.String("path", "/api/v1/generate"),
		slog.Int("status_code", 200), slog.Float64("duration_ms", 150.5), slog.Int64("response_size", 2048),
		slog.Bool("cached", false), slog.Duration("queue_wait", 1250*time.Microsecond),
	)
}

func BenchmarkLine(b *testing.B) {
	handlers := []struct {
		name string
		open func(b *testing.B) slog.Handler
	}{
		{"async", func(b *testing.B) slog.Handler {
			async := NewAsync(io.Discard, AsyncOptions{})
			b.Cleanup(func() { closing(b, async) })

			return NewHandler(async, HandlerOptions{Name: "api.requests"})
		}},
		{"async_file", func(b *testing.B) slog.Handler {
			file, err := OpenFile(b.TempDir()+"/app.log", FileOptions{MaxSize: DefaultMaxSize, BackupCount: 2})
			if err != nil {
				b.Fatal(err)
			}
			async := NewAsync(file, AsyncOptions{})
			b.Cleanup(func() { closing(b, async); closing(b, file) })

			return NewHandler(async, HandlerOptions{Name: "api.requests"})
		}},
		{"sync", func(*testing.B) slog.Handler { return NewHandler(io.Discard, HandlerOptions{Name: "api.requests"}) }},
		{"sync_unredacted", func(*testing.B) slog.Handler {
			return NewHandler(io.Discard, HandlerOptions{Name: "api.requests", Unredacted: true})
		}},
		{"slog_JSONHandler", func(*testing.B) slog.Handler {
			return slog.NewJSONHandler(writerFunc(io.Discard.Write), &slog.HandlerOptions{AddSource: true})
		}},
	}
	for _, h := range handlers {
		b.Run(h.name, func(b *testing.B) {
			logger := slog.New(h.open(b))
			ctx := b.Context()
			logRequest(ctx, logger)
			b.ReportAllocs()
			for b.Loop() {
				logRequest(ctx, logger)
			}
		})
	}
}
