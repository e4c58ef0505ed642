package app

import (
	"context"
	"io"
	"log/slog"
	"strings"

	"llmwatch/logship"
)

// Logging says how llmwatch itself logs.
type Logging struct {
	// Level is DEBUG, INFO, WARNING, ERROR or CRITICAL, in any case; WARN is
	// accepted too.
	Level string
	// Format is json, text, or auto: text on a terminal, JSON elsewhere.
	Format string
	// File is written, and rotated, instead of the output; empty for none.
	File string
}

// NewLogger returns the program's logger. Whoever gets it closes it.
func NewLogger(w io.Writer, l Logging) (*logship.Logger, error) {
	if _, err := logship.ParseLevel(l.Level); err != nil {
		return nil, configErrorf("log level (LOG_LEVEL, --log-level) must be DEBUG, INFO, WARNING, ERROR or CRITICAL, got %q", l.Level)
	}
	switch strings.ToLower(l.Format) {
	case logship.FormatAuto, logship.FormatJSON, logship.FormatText:
	default:
		return nil, configErrorf("log format (LOG_FORMAT, --log-format) must be json, text or auto, got %q", l.Format)
	}
	logger, err := logship.New(logship.Config{Name: "llmwatch", Level: l.Level, Format: l.Format, Output: w, File: l.File})
	if err != nil {
		return nil, configErrorf("log file (LOG_FILE, --log-file): %w", err)
	}

	return logger, nil
}

// quiet passes on warnings and errors only, and everything when debugging. The
// embedded engine reports each routine step at the level of information.
func quiet(logger *slog.Logger) *slog.Logger {
	return slog.New(quietHandler{logger.Handler()})
}

type quietHandler struct{ slog.Handler }

// Enabled implements slog.Handler.
func (h quietHandler) Enabled(ctx context.Context, level slog.Level) bool {
	return h.Handler.Enabled(ctx, level) && (level >= slog.LevelWarn || h.Handler.Enabled(ctx, slog.LevelDebug))
}

// WithAttrs implements slog.Handler.
func (h quietHandler) WithAttrs(attrs []slog.Attr) slog.Handler {
	return quietHandler{h.Handler.WithAttrs(attrs)}
}

// WithGroup implements slog.Handler.
func (h quietHandler) WithGroup(name string) slog.Handler {
	return quietHandler{h.Handler.WithGroup(name)}
}
