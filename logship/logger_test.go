package logship

import (
	"bytes"
	"errors"
	"log/slog"
	"os"
	"strings"
	"testing"
)

func TestNew(t *testing.T) {
	t.Run("writes JSON to a writer that is no terminal", func(t *testing.T) {
		var out bytes.Buffer
		logger, err := New(Config{Name: "app", Level: "warning", Output: &out, SensitiveFields: []string{"session_id"}})
		if err != nil {
			t.Fatal(err)
		}
		logger.Info("not logged")
		logger.Warn("logged", "session_id", "x", "password", "y")
		entry := parse(t, out.String())
		if entry["logger"] != "app" || entry["session_id"] != Redacted || entry["password"] != Redacted || !logger.Redactor().Sensitive("session_id") {
			t.Errorf("got %v", entry)
		}
		logger.SetLevel(slog.LevelError)
		logger.Warn("not logged")
		if strings.Contains(out.String(), "not logged") {
			t.Errorf("got %s", out.String())
		}
		if err := errors.Join(logger.Flush(t.Context()), logger.Reopen(), logger.Close()); err != nil || logger.Stats() != (Stats{}) {
			t.Errorf("got %v, %+v", err, logger.Stats())
		}
	})
	t.Run("writes text when asked", func(t *testing.T) {
		var out bytes.Buffer
		logger, err := New(Config{Name: "app", Format: "text", Output: &out})
		if err != nil {
			t.Fatal(err)
		}
		ctx := WithContext(WithRequestID(t.Context(), "r1"), "user", "bob")
		logger.With("password", "hunter2").Log(ctx, LevelCritical, "token=hunter2", "err", errors.New("Bearer hunter2"), slog.Group("secret", "a", "hunter2"), slog.Group("g", "b", 1))
		got := out.String()
		for _, want := range []string{"CRT", "logger=app", "request_id=r1", "user=bob", "g.b=1", Redacted} {
			if !strings.Contains(got, want) {
				t.Errorf("%s is missing in %s", want, got)
			}
		}
		if strings.Contains(got, "hunter2") || strings.Contains(got, "\x1b") {
			t.Errorf("a secret or colours in %q", got)
		}
		closing(t, logger)
	})
	t.Run("writes to a file off the caller's goroutine", func(t *testing.T) {
		path := t.TempDir() + "/logs/app.log"
		logger, err := New(Config{File: path, Async: true, Overflow: Drop, MaxSize: 1 << 20, BackupCount: 1, Compress: true})
		if err != nil {
			t.Fatal(err)
		}
		logger.Info("m", "a", 1)
		if err := logger.Flush(t.Context()); err != nil {
			t.Fatal(err)
		}
		text, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		if entry := parse(t, string(text)); entry["a"] != 1.0 || logger.Stats() != (Stats{Written: 1}) {
			t.Errorf("got %v, %+v", entry, logger.Stats())
		}
		if err := errors.Join(logger.Reopen(), logger.Close()); err != nil {
			t.Error(err)
		}
	})
	t.Run("reports what could not be written", func(t *testing.T) {
		failure := errors.New("disk full")
		for _, async := range []bool{false, true} {
			var reported error
			logger, err := New(Config{Async: async, Output: writerFunc(func([]byte) (int, error) { return 0, failure }), OnError: func(err error) { reported = err }})
			if err != nil {
				t.Fatal(err)
			}
			logger.Info("m")
			closing(t, logger)
			if !errors.Is(reported, failure) {
				t.Errorf("async %v: got %v", async, reported)
			}
		}
	})
	t.Run("names what is wrong", func(t *testing.T) {
		_, err := New(Config{Level: "loud", Format: "xml", Overflow: 7, BufferSize: -1})
		for _, want := range []string{`got "loud"`, `json, text or auto, got "xml"`, "Block or Drop, got 7", "buffer_size must be 0 or more lines, got -1"} {
			if err == nil || !strings.Contains(err.Error(), want) {
				t.Errorf("%q is missing in %v", want, err)
			}
		}
		if _, err := New(Config{File: t.TempDir()}); err == nil {
			t.Error("a folder was opened")
		}
	})
}
