// Command llmwatch monitors LLM platforms: it publishes and keeps metrics,
// watches them with rules, and answers a REST API about them.
//
// Each subcommand lives in a file of its own as a type with a Run method; to
// add one, write that file and name it in the type commands.
package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"os/signal"
	"strings"
	"syscall"

	"github.com/alecthomas/kong"

	"llmwatch/internal/app"
)

// Exit codes, as documented.
const (
	exitOK      = 0
	exitFailure = 1
	exitUsage   = 2
)

// commands is the command line.
type commands struct {
	Serve       serveCmd       `cmd:"" help:"Run everything in one process: exporter, embedded Prometheus and REST API."`
	Exporter    exporterCmd    `cmd:"" help:"Publish this machine's metrics at /metrics for a Prometheus server."`
	Bridge      bridgeCmd      `cmd:"" help:"Answer the REST API from an external Prometheus-compatible server."`
	Alerts      alertsCmd      `cmd:"" help:"List and acknowledge alerts."`
	Rules       rulesCmd       `cmd:"" help:"Show and change the alert rules; check and test rule files."`
	Notify      notifyCmd      `cmd:"" help:"Try the notification channels."`
	Healthcheck healthcheckCmd `cmd:"" help:"Exit 0 when a running llmwatch is healthy or degraded, 1 otherwise."`
	Demo        demoCmd        `cmd:"" help:"Simulate a small LLM platform and watch it."`
	Version     versionCmd     `cmd:"" help:"Print version, commit and Go version."`
}

// logFlags say how llmwatch itself logs.
type logFlags struct {
	LogLevel  string `env:"LOG_LEVEL" default:"INFO" help:"DEBUG, INFO, WARNING, ERROR or CRITICAL."`
	LogFormat string `env:"LOG_FORMAT" default:"auto" help:"json, text, or auto: text on a terminal, json elsewhere."`
	LogFile   string `env:"LOG_FILE" help:"Write the log there, rotated, instead of to standard error." placeholder:"FILE"`
}

// listenFlags say where to serve.
type listenFlags struct {
	AllowAnonymous bool `env:"LLMWATCH_SECURITY_ALLOW_ANONYMOUS" help:"Permit listening on other than loopback addresses although callers are not authenticated."`
}

func main() {
	forgetEmptyVariables()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	code := run(ctx, os.Args[1:], os.Stdout, os.Stderr)
	stop()
	os.Exit(code)
}

// forgetEmptyVariables unsets variables without a value. Compose files and
// manifests set them so where people mean that the default applies.
func forgetEmptyVariables() {
	for _, variable := range os.Environ() {
		if name, value, _ := strings.Cut(variable, "="); value == "" {
			_ = os.Unsetenv(name) // It fails for names that cannot be set either.
		}
	}
}

// run is main without the process around it.
func run(ctx context.Context, args []string, stdout, stderr io.Writer) int {
	var cli commands
	exit := -1
	parser, err := kong.New(&cli,
		kong.Name("llmwatch"),
		kong.Description("Monitoring, alerting and logs for LLM platforms, in one binary."),
		kong.Writers(stdout, stderr),
		kong.Exit(func(code int) { exit = code }),
		kong.BindTo(ctx, (*context.Context)(nil)),
		kong.Bind(output{stdout, stderr}),
		kong.ConfigureHelp(kong.HelpOptions{Compact: true}),
	)
	if err != nil {
		return fail(stderr, err)
	}
	parsed, err := parser.Parse(args)
	if exit >= 0 { // --help was asked for and answered.
		return exit
	}
	if err != nil {
		return fail(stderr, &app.ConfigError{Err: fmt.Errorf("%w (llmwatch --help shows how it is used)", err)})
	}

	return fail(stderr, parsed.Run())
}

// output is where a command writes.
type output struct{ stdout, stderr io.Writer }

// fail prints what went wrong in one line and returns the exit code.
func fail(stderr io.Writer, err error) int {
	var config *app.ConfigError
	switch {
	case err == nil:
		return exitOK
	case errors.As(err, &config):
		fmt.Fprintln(stderr, "llmwatch:", strings.Join(strings.Fields(err.Error()), " "))
		return exitUsage
	default:
		fmt.Fprintln(stderr, "llmwatch:", err)
		return exitFailure
	}
}

// serveApp runs a long-lived command until the context ends.
func serveApp(ctx context.Context, out output, flags logFlags, cfg app.Config,
	build func(app.Config, *slog.Logger) (*app.App, error),
) error {
	logger, err := app.NewLogger(out.stderr, app.Logging{Level: flags.LogLevel, Format: flags.LogFormat, File: flags.LogFile})
	if err != nil {
		return err
	}
	defer func() { _ = logger.Close() }() // What could not be written was reported where it happened.
	cfg.Version = version()
	a, err := build(cfg, logger.Logger)
	if err != nil {
		return err
	}

	return a.Run(ctx)
}
