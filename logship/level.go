package logship

import (
	"fmt"
	"log/slog"
	"strings"
)

// LevelCritical is for failures that the program does not survive. It lies one
// step above slog's own levels.
const LevelCritical = slog.LevelError + 4

// LevelName returns the documented name of a level: DEBUG, INFO, WARNING, ERROR
// or CRITICAL. A level between two named ones has the name of the lower, and
// one below DEBUG is DEBUG.
func LevelName(level slog.Level) string {
	switch {
	case level < slog.LevelInfo:
		return "DEBUG"
	case level < slog.LevelWarn:
		return "INFO"
	case level < slog.LevelError:
		return "WARNING"
	case level < LevelCritical:
		return "ERROR"
	default:
		return "CRITICAL"
	}
}

// ParseLevel returns the level of a documented name, in any case. It knows WARN
// as another word for WARNING.
func ParseLevel(name string) (slog.Level, error) {
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
		return LevelCritical, nil
	default:
		return 0, fmt.Errorf("log level must be DEBUG, INFO, WARNING, ERROR or CRITICAL, got %q", name)
	}
}
