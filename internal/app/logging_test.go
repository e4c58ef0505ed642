package app

import (
	"bytes"
	"encoding/json"
	"log/slog"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"llmwatch/logship"
)

func newLogger(t *testing.T, level, format string) (*slog.Logger, *bytes.Buffer) {
	t.Helper()

	var out bytes.Buffer
	logger, err := NewLogger(&out, Logging{Level: level, Format: format})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := logger.Close(); err != nil {
			t.Error(err)
		}
	})

	return logger.Logger, &out
}

func TestLevels(t *testing.T) {
	for level, want := range map[string]string{
		"DEBUG": "DEBUG INFO WARNING ERROR CRITICAL", "info": "INFO WARNING ERROR CRITICAL", "WARNING": "WARNING ERROR CRITICAL",
		"Warn": "WARNING ERROR CRITICAL", "ERROR": "ERROR CRITICAL", "critical": "CRITICAL",
	} {
		logger, out := newLogger(t, level, logship.FormatJSON)
		for _, l := range []slog.Level{slog.LevelDebug, slog.LevelInfo, slog.LevelWarn, slog.LevelError, logship.LevelCritical} {
			logger.Log(t.Context(), l, "x")
		}
		var got []string
		for line := range strings.Lines(out.String()) {
			var entry struct{ Level string }
			if err := json.Unmarshal([]byte(line), &entry); err != nil {
				t.Fatal(err)
			}
			got = append(got, entry.Level)
		}
		if strings.Join(got, " ") != want {
			t.Errorf("at level %s it logs %v, want %s", level, got, want)
		}
	}
}

func TestLoggerRefusesWhatItDoesNotKnow(t *testing.T) {
	for _, tc := range []struct{ level, format, want string }{
		{"LOUD", "json", `logging.level (LOG_LEVEL, --log-level) must be DEBUG, INFO, WARN, WARNING, ERROR or CRITICAL, got "LOUD"`},
		{"", "json", `logging.level (LOG_LEVEL, --log-level) must be DEBUG, INFO, WARN, WARNING, ERROR or CRITICAL, got ""`},
		{"INFO", "xml", `logging.format (LOG_FORMAT, --log-format) must be json, text or auto, got "xml"`},
	} {
		c := DefaultConfig(CommandExporter)
		c.Logging.Level, c.Logging.Format = tc.level, tc.format
		expectConfigError(t, tc.level+" "+tc.format, c.check(), tc.want)
	}
}

func TestJSONHasTheDocumentedFields(t *testing.T) {
	for _, format := range []string{logship.FormatJSON, logship.FormatAuto, "JSON"} {
		logger, out := newLogger(t, "INFO", format)
		logger.Info("ready", "address", "127.0.0.1:5000", "time", "noon", slog.Group("g", "level", 1, "time", time.Unix(0, 0).UTC()))
		want := regexp.MustCompile(`^\{"timestamp":"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z","level":"INFO","logger":"llmwatch","message":"ready",` +
			`"module":"logging_test","function":"TestJSONHasTheDocumentedFields","line":\d+,"thread":0,"process":\d+,` +
			`"address":"127\.0\.0\.1:5000","time":"noon","g":\{"level":1,"time":"1970-01-01T00:00:00\.000Z"\}\}\n$`)
		if !want.MatchString(out.String()) {
			t.Errorf("format %s logs %s", format, out)
		}
	}
}

func TestTextHasNoColoursOffATerminal(t *testing.T) {
	path := filepath.Join(t.TempDir(), "log")
	file, err := os.Create(path)
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	toFile, err := NewLogger(file, Logging{Level: "INFO", Format: logship.FormatText})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := toFile.Close(); err != nil {
			t.Error(err)
		}
	})
	toFile.Error("broken", "err", "x")
	logger, out := newLogger(t, "INFO", logship.FormatText)
	logger.Error("broken", "err", "x")
	written, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	for _, text := range []string{out.String(), string(written)} {
		if strings.Contains(text, "\x1b") || !strings.Contains(text, "broken") || !strings.Contains(text, "err=x") {
			t.Errorf("it logs %q", text)
		}
	}
}

func TestQuietPassesOnWhatMatters(t *testing.T) {
	for level, want := range map[string]string{
		"DEBUG": "DEBUG INFO WARNING ERROR", "INFO": "WARNING ERROR", "WARNING": "WARNING ERROR", "ERROR": "ERROR",
	} {
		loud, out := newLogger(t, level, logship.FormatJSON)
		logger := quiet(loud).With("component", "tsdb").WithGroup("g")
		for _, l := range []slog.Level{slog.LevelDebug, slog.LevelInfo, slog.LevelWarn, slog.LevelError} {
			logger.Log(t.Context(), l, "x", "x", 1)
		}
		var got []string
		for line := range strings.Lines(out.String()) {
			var entry struct {
				Level, Component string
				G                struct{ X int }
			}
			if err := json.Unmarshal([]byte(line), &entry); err != nil || entry.Component != "tsdb" || entry.G.X != 1 {
				t.Errorf("it logs %s (%v)", line, err)
			}
			got = append(got, entry.Level)
		}
		if strings.Join(got, " ") != want {
			t.Errorf("at level %s the engine logs %v, want %s", level, got, want)
		}
	}
}

func TestLogFile(t *testing.T) {
	path := filepath.Join(t.TempDir(), "app.log")
	var out bytes.Buffer
	logger, err := NewLogger(&out, Logging{Level: "INFO", Format: logship.FormatJSON, File: path})
	if err != nil {
		t.Fatal(err)
	}
	logger.Info("to the file", "password", "hunter2")
	if err := logger.Close(); err != nil {
		t.Fatal(err)
	}
	written, err := os.ReadFile(path)
	if err != nil || !strings.Contains(string(written), `"message":"to the file"`) || strings.Contains(string(written), "hunter2") {
		t.Errorf("the file holds %s (%v)", written, err)
	}
	if out.Len() > 0 {
		t.Errorf("the output holds %s", &out)
	}
	if _, err := NewLogger(&out, Logging{Level: "INFO", Format: "json", File: filepath.Join(path, "below a file")}); err == nil ||
		!strings.Contains(err.Error(), "logging.file: ") {
		t.Errorf("a file that cannot be written: %v", err)
	}
}
