package logship

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"strings"

	"golang.org/x/term"
)

// The formats of [Config.Format].
const (
	FormatAuto = "auto" // Text on a terminal, JSON elsewhere.
	FormatJSON = "json" // The documented entries.
	FormatText = "text" // Short lines for people, in colour on a terminal.
)

// Config says how a program logs. The zero value writes JSON to standard error,
// or text if that is a terminal, from INFO on.
type Config struct {
	Name   string // The field logger.
	Level  string // The name of a level. Empty is INFO.
	Format string // Empty is auto.

	// Output is where lines go without a File. Nil is standard error.
	Output io.Writer

	// File is the path of a log file. It is rotated at MaxSize bytes, 0 being
	// DefaultMaxSize, and BackupCount rotated files are kept, 0 being
	// DefaultBackupCount; less than 0 never rotates.
	File        string
	MaxSize     int64
	BackupCount int
	Compress    bool

	// Async takes writing off the caller's goroutine; BufferSize and Overflow are
	// as in AsyncOptions.
	Async      bool
	BufferSize int
	Overflow   Overflow

	// SensitiveFields are names of secrets besides the documented ones.
	SensitiveFields []string

	// Unredacted writes secrets out. It is for tests and tools.
	Unredacted bool

	// NoColor switches colours off on a terminal too.
	NoColor bool

	// OnError is told what could not be written, rotated or compressed. It must not
	// log to the same logger. Nil writes it to standard error.
	OnError func(error)
}

// Validate returns what is wrong, naming the key and what would be right.
func (c *Config) Validate() error {
	var problems []error
	if c.Level != "" {
		if _, err := ParseLevel(c.Level); err != nil {
			problems = append(problems, err)
		}
	}
	switch strings.ToLower(c.Format) {
	case "", FormatAuto, FormatJSON, FormatText:
	default:
		problems = append(problems, fmt.Errorf("log format must be json, text or auto, got %q", c.Format))
	}
	if c.Overflow != Block && c.Overflow != Drop {
		problems = append(problems, fmt.Errorf("log overflow must be Block or Drop, got %d", c.Overflow))
	}
	if c.BufferSize < 0 {
		problems = append(problems, fmt.Errorf("log buffer_size must be 0 or more lines, got %d", c.BufferSize))
	}

	return errors.Join(problems...)
}

// Logger is a slog.Logger with what belongs to it.
type Logger struct {
	*slog.Logger
	redactor *Redactor
	level    *slog.LevelVar
	file     *File  // Nil without a file.
	async    *Async // Nil unless asynchronous.
}

// New composes a logger. It has to be closed.
func New(config Config) (*Logger, error) {
	if err := config.Validate(); err != nil {
		return nil, err
	}
	logger := &Logger{level: &slog.LevelVar{}}
	if config.Level != "" {
		level, err := ParseLevel(config.Level)
		if err != nil {
			return nil, err
		}
		logger.level.Set(level)
	}
	if config.OnError == nil {
		config.OnError = func(err error) { fmt.Fprintln(os.Stderr, "logship:", err) }
	}
	if !config.Unredacted {
		logger.redactor = NewRedactor(config.SensitiveFields...)
	}
	out, err := logger.open(&config)
	if err != nil {
		return nil, err
	}
	terminal := isTerminal(out)
	if config.Async {
		logger.async = NewAsync(out, AsyncOptions{BufferSize: config.BufferSize, Overflow: config.Overflow, OnError: config.OnError})
		out = logger.async
	} else {
		out = &lockedWriter{w: out, onError: config.OnError}
	}
	if format := strings.ToLower(config.Format); format == FormatText || (format != FormatJSON && terminal) {
		logger.Logger = slog.New(newTextHandler(out, logger.level, logger.redactor, config.NoColor || !terminal))
		if config.Name != "" {
			logger.Logger = logger.With("logger", config.Name)
		}
	} else {
		logger.Logger = slog.New(NewHandler(out, HandlerOptions{
			Level: logger.level, Name: config.Name, Redactor: logger.redactor, Unredacted: config.Unredacted,
		}))
	}

	return logger, nil
}

// open returns where the lines go in the end.
func (l *Logger) open(config *Config) (io.Writer, error) {
	switch {
	case config.File != "":
		options := FileOptions{MaxSize: config.MaxSize, BackupCount: config.BackupCount, Compress: config.Compress, OnError: config.OnError}
		if options.MaxSize == 0 {
			options.MaxSize = DefaultMaxSize
		}
		if options.BackupCount == 0 {
			options.BackupCount = DefaultBackupCount
		}
		file, err := OpenFile(config.File, options)
		if err != nil {
			return nil, err
		}
		l.file = file

		return file, nil
	case config.Output != nil:
		return config.Output, nil
	default:
		return os.Stderr, nil
	}
}

func isTerminal(w io.Writer) bool {
	file, ok := w.(*os.File)

	return ok && term.IsTerminal(int(file.Fd()))
}

// SetLevel changes the least level that is logged.
func (l *Logger) SetLevel(level slog.Level) { l.level.Set(level) }

// Redactor returns what the logger redacts with, or nil. A middleware that has
// the same one knows the same names.
func (l *Logger) Redactor() *Redactor { return l.redactor }

// Stats returns the counts of an asynchronous logger.
func (l *Logger) Stats() Stats {
	if l.async == nil {
		return Stats{}
	}

	return l.async.Stats()
}

// Flush waits until all that was logged is written, or ctx ends.
func (l *Logger) Flush(ctx context.Context) error {
	if l.async == nil {
		return nil
	}

	return l.async.Flush(ctx)
}

// Reopen opens the file under its name again, for SIGHUP after another program
// has moved it away.
func (l *Logger) Reopen() error {
	if l.file == nil {
		return nil
	}

	return l.file.Reopen()
}

// Close writes what is pending and closes the file. What is logged afterwards is
// lost.
func (l *Logger) Close() error {
	var problems []error
	if l.async != nil {
		problems = append(problems, l.async.Close())
	}
	if l.file != nil {
		problems = append(problems, l.file.Close())
	}

	return errors.Join(problems...)
}
