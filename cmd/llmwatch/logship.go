package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"os"
	"regexp"
	"time"

	"golang.org/x/sync/errgroup"

	"llmwatch/internal/app"
	"llmwatch/logship/client"
	"llmwatch/logship/tail"
)

type logshipCmd struct {
	Files []string `arg:"" name:"file" help:"Files to follow, or patterns such as \"/var/log/app/*.log*\"."`

	To          string `env:"LLMWATCH_URL" required:"" help:"Base address of the llmwatch to send to." placeholder:"URL"`
	TokenFile   string `help:"File with the bearer token. LLMWATCH_TOKEN may hold the token itself." placeholder:"FILE"`
	CAFile      string `name:"ca-file" help:"Certificates of authorities to trust besides the system's, in PEM." placeholder:"FILE"`
	Compression string `default:"zstd" help:"zstd, gzip or none."`

	Checkpoint string `default:"logship.checkpoint" help:"File that remembers what was sent. Each shipper has its own." placeholder:"FILE"`
	FromStart  bool   `help:"Send what is already in files that were never followed before, too."`

	Multiline     bool          `default:"true" negatable:"" help:"Join the lines of a stack trace into one entry."`
	Continuation  string        `help:"Regular expression (RE2) of lines that belong to the one before, instead of the built-in one." placeholder:"REGEX"`
	Quiet         time.Duration `default:"1s" help:"How long an entry waits for lines that may belong to it."`
	MaxEntryBytes int           `default:"524288" help:"Where a longer entry is cut; this is also the most."`
	Poll          time.Duration `default:"250ms" help:"Time between two looks at the files."`

	Listen         string `help:"Serve /metrics there; not at all unless given." placeholder:"HOST:PORT"`
	AllowAnonymous bool   `env:"LLMWATCH_SECURITY_ALLOW_ANONYMOUS" help:"Permit --listen on other than loopback addresses."`
	LogLevel       string `env:"LOG_LEVEL" default:"INFO" help:"DEBUG, INFO, WARNING, ERROR or CRITICAL."`
	LogFormat      string `env:"LOG_FORMAT" default:"auto" help:"json, text, or auto: text on a terminal, json elsewhere."`
}

// Help is shown by `llmwatch logship --help`.
func (logshipCmd) Help() string {
	return `Each line arrives exactly once, whatever is rotated, restarted or killed meanwhile.
Let the patterns match rotated files too; compressed ones are left out.

Examples:
  llmwatch logship --to http://127.0.0.1:5000 "/var/log/app/*.log*"
  llmwatch logship --to https://llmwatch.example.com --token-file /run/secrets/token --from-start "app.log*"`
}

// parts builds the sender and the follower from the flags.
func (c *logshipCmd) parts(logger *slog.Logger) (*client.Client, *tail.Follower, error) {
	token := ""
	if c.TokenFile == "" {
		token = os.Getenv("LLMWATCH_TOKEN") // A flag would show it to everyone on the machine.
	}
	options := tail.Options{
		Files: c.Files, Checkpoint: c.Checkpoint, FromStart: c.FromStart, NoJoin: !c.Multiline,
		Quiet: c.Quiet, MaxEntryBytes: c.MaxEntryBytes, Poll: c.Poll, Logger: logger.With("component", "tail"),
	}
	if c.Continuation != "" {
		var err error
		if options.Continuation, err = regexp.Compile(c.Continuation); err != nil {
			return nil, nil, &app.ConfigError{Err: fmt.Errorf("--continuation: %w", err)}
		}
	}
	sender, err := client.New(client.Options{
		URL: c.To, Token: token, TokenFile: c.TokenFile, CAFile: c.CAFile, Compression: c.Compression,
		Logger: logger.With("component", "client"),
	})
	if err != nil {
		return nil, nil, &app.ConfigError{Err: err}
	}
	options.Sink = sender
	if err := options.Validate(); err != nil {
		return nil, nil, &app.ConfigError{Err: err}
	}
	follower, err := tail.New(options)
	if err != nil {
		return nil, nil, err
	}

	return sender, follower, nil
}

// checkListen refuses to serve strangers unless that was asked for.
func (c *logshipCmd) checkListen() error {
	if c.Listen == "" {
		return nil
	}
	host, _, err := net.SplitHostPort(c.Listen)
	if err != nil {
		return fmt.Errorf("--listen must be HOST:PORT, got %q", c.Listen)
	}
	if !c.AllowAnonymous && !app.IsLoopback(host) {
		return fmt.Errorf("--listen %s is not a loopback address; --allow-anonymous permits it", c.Listen)
	}

	return nil
}

// Run ships until it is told to stop.
func (c *logshipCmd) Run(ctx context.Context, out output) error {
	if err := c.checkListen(); err != nil {
		return &app.ConfigError{Err: err}
	}
	logger, err := app.NewLogger(out.stderr, app.Logging{Level: c.LogLevel, Format: c.LogFormat})
	if err != nil {
		return &app.ConfigError{Err: err}
	}
	defer func() { _ = logger.Close() }() // What could not be written was reported where it happened.
	sender, follower, err := c.parts(logger.Logger)
	if err != nil {
		return err
	}
	defer sender.Close()
	group, ctx := errgroup.WithContext(ctx)
	if c.Listen != "" {
		listener, err := (&net.ListenConfig{}).Listen(ctx, "tcp", c.Listen)
		if err != nil {
			return &app.ConfigError{Err: errors.Join(fmt.Errorf("opening the port: %w", err), follower.Close())}
		}
		server := &http.Server{Handler: shippingMetrics(sender, follower), ReadHeaderTimeout: 10 * time.Second}
		group.Go(func() error { return serveUntil(ctx, server, listener) })
	}
	logger.InfoContext(ctx, "shipping logs", "to", c.To, "checkpoint", c.Checkpoint, "version", version().Version)
	group.Go(func() error { return follower.Run(ctx) })
	err = group.Wait()
	stats := follower.Stats()
	logger.InfoContext(ctx, "stopped", "entries", stats.Entries, "batches", stats.Batches, "behind_bytes", stats.BehindBytes)

	return err
}

// serveUntil serves until ctx ends.
func serveUntil(ctx context.Context, server *http.Server, listener net.Listener) error {
	stop := context.AfterFunc(ctx, func() { _ = server.Close() }) // Nobody waits for a scrape.
	defer stop()
	if err := server.Serve(listener); !errors.Is(err, http.ErrServerClosed) {
		return fmt.Errorf("serving on %s: %w", listener.Addr(), err)
	}

	return nil
}
