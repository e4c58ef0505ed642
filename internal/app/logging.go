package app

import (
	"context"
	"io"
	"log/slog"

	"llmwatch/logship"
)

// Logging says how llmwatch itself logs.
type Logging struct {
	Level        string `yaml:"level" env:"LOG_LEVEL" flag:"log-level" oneof:"DEBUG INFO WARN WARNING ERROR CRITICAL" reload:"true" help:"Least level that is logged."`
	Format       string `yaml:"format" env:"LOG_FORMAT" flag:"log-format" oneof:"json text auto" help:"auto is text on a terminal and json elsewhere."`
	File         string `yaml:"file" env:"LOG_FILE" flag:"log-file" help:"File to log to instead of standard error."`
	MaxSize      int64  `yaml:"max_size" unit:"bytes" help:"Size at which the file is rotated; 0 never rotates."`
	BackupCount  int    `yaml:"backup_count" min:"0" help:"How many rotated files are kept; 0 never rotates."`
	AsyncLogging bool   `yaml:"async_logging" help:"Whether lines are written in the background."`
	BufferSize   int    `yaml:"buffer_size" min:"1" help:"How many lines may wait for that; a full buffer makes callers wait, so that nothing is lost."`
}

func defaultLogging() Logging {
	return Logging{
		Level: "INFO", Format: logship.FormatAuto, MaxSize: logship.DefaultMaxSize,
		BackupCount: logship.DefaultBackupCount, BufferSize: logship.DefaultBufferSize,
	}
}

// NewLogger returns the program's logger. Whoever gets it closes it.
func NewLogger(w io.Writer, l Logging) (*logship.Logger, error) {
	never := func(n int64) int64 { // What logship calls never.
		if n == 0 {
			return -1
		}

		return n
	}
	logger, err := logship.New(logship.Config{
		Name: "llmwatch", Level: l.Level, Format: l.Format, Output: w, File: l.File,
		MaxSize: never(l.MaxSize), BackupCount: int(never(int64(l.BackupCount))), Async: l.AsyncLogging, BufferSize: l.BufferSize,
	})
	if err != nil && l.File != "" {
		return nil, configErrorf("logging.file: %w", err)
	} else if err != nil {
		return nil, &ConfigError{err}
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
