package app

import (
	"context"
	"io"
	"log/slog"
	"os"
	"strings"
	"time"

	"github.com/lmittmann/tint"
	"github.com/mattn/go-isatty"
)

// Log formats. Auto is text with colours on a terminal and JSON elsewhere.
const (
	LogAuto = "auto"
	LogJSON = "json"
	LogText = "text"
)

// NewLogger returns the program's logger. The level is one of DEBUG, INFO,
// WARNING, ERROR and CRITICAL, in any case; WARN is accepted too.
func NewLogger(w io.Writer, level, format string) (*slog.Logger, error) {
	threshold, err := parseLevel(level)
	if err != nil {
		return nil, err
	}
	switch strings.ToLower(format) {
	case LogAuto:
		if f, ok := w.(*os.File); ok && isatty.IsTerminal(f.Fd()) {
			return textLogger(w, threshold), nil
		}
		return jsonLogger(w, threshold), nil
	case LogText:
		return textLogger(w, threshold), nil
	case LogJSON:
		return jsonLogger(w, threshold), nil
	default:
		return nil, configErrorf("log format (LOG_FORMAT, --log-format) must be json, text or auto, got %q", format)
	}
}

// levelCritical is above slog's own levels.
const levelCritical = slog.LevelError + 4

func parseLevel(name string) (slog.Level, error) {
	switch strings.ToUpper(name) {
	case "DEBUG":
		return slog.LevelDebug, nil
	case "INFO":
		return slog.LevelInfo, nil
	case "WARNING", "WARN":
		return slog.LevelWarn, nil
	case "ERROR":
		return slog.LevelError, nil
	case "CRITICAL":
		return levelCritical, nil
	default:
		return 0, configErrorf("log level (LOG_LEVEL, --log-level) must be DEBUG, INFO, WARNING, ERROR or CRITICAL, got %q", name)
	}
}

func textLogger(w io.Writer, level slog.Level) *slog.Logger {
	noColor := os.Getenv("NO_COLOR") != ""
	if f, ok := w.(*os.File); !ok || !isatty.IsTerminal(f.Fd()) {
		noColor = true
	}

	return slog.New(tint.NewTextHandler(w, &tint.Options{Level: level, TimeFormat: time.TimeOnly, NoColor: noColor}))
}

// jsonLogger uses the documented names of the fields.
func jsonLogger(w io.Writer, level slog.Level) *slog.Logger {
	return slog.New(slog.NewJSONHandler(w, &slog.HandlerOptions{Level: level, ReplaceAttr: documentedField})).With("logger", "llmwatch")
}

func documentedField(groups []string, a slog.Attr) slog.Attr {
	if len(groups) > 0 {
		return a
	}
	switch a.Key {
	case slog.TimeKey:
		if a.Value.Kind() != slog.KindTime { // Somebody's own attribute.
			return a
		}
		return slog.String("timestamp", a.Value.Time().UTC().Format("2006-01-02T15:04:05.000Z"))
	case slog.LevelKey:
		level, ok := a.Value.Any().(slog.Level)
		if !ok {
			return a
		}
		return slog.String("level", levelName(level))
	case slog.MessageKey:
		a.Key = "message"
	}

	return a
}

func levelName(level slog.Level) string {
	switch {
	case level >= levelCritical:
		return "CRITICAL"
	case level >= slog.LevelError:
		return "ERROR"
	case level >= slog.LevelWarn:
		return "WARNING"
	case level >= slog.LevelInfo:
		return "INFO"
	default:
		return "DEBUG"
	}
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
