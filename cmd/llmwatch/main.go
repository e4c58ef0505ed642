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
	"os"
	"os/signal"
	"strings"
	"syscall"

	"github.com/alecthomas/kong"

	"llmwatch/internal/app"
	"llmwatch/internal/settings"
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
	Logs        logsCmd        `cmd:"" help:"Find, count and follow log entries."`
	Notify      notifyCmd      `cmd:"" help:"Try the notification channels."`
	Logship     logshipCmd     `cmd:"" help:"Follow log files and send their lines to an llmwatch."`
	Tokens      tokensCmd      `cmd:"" help:"Make, list and revoke API tokens."`
	Users       usersCmd       `cmd:"" help:"Manage who may log in."`
	Audit       auditCmd       `cmd:"" help:"Show and verify who did or read what."`
	Healthcheck healthcheckCmd `cmd:"" help:"Exit 0 when a running llmwatch is healthy or degraded, 1 otherwise, also while it starts."`
	Demo        demoCmd        `cmd:"" help:"Simulate a small LLM platform and watch it."`
	Version     versionCmd     `cmd:"" help:"Print version, commit and Go version."`
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
	cli := commands{
		Serve:    serveCmd{newConfigured(app.CommandServe)},
		Exporter: exporterCmd{newConfigured(app.CommandExporter)},
		Bridge:   bridgeCmd{newConfigured(app.CommandBridge)},
	}
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

// fail prints what went wrong, one line for each mistake in the configuration,
// and returns the exit code. Addresses are printed without the passwords in them.
func fail(stderr io.Writer, err error) int {
	var config *app.ConfigError
	var problems settings.Problems
	switch {
	case err == nil:
		return exitOK
	case errors.As(err, &problems):
		for _, line := range problems.Lines() {
			fmt.Fprintln(stderr, "llmwatch:", strings.Join(strings.Fields(line), " "))
		}

		return exitUsage
	case errors.As(err, &config):
		fmt.Fprintln(stderr, "llmwatch:", strings.Join(strings.Fields(settings.Public(err.Error())), " "))
		return exitUsage
	default:
		fmt.Fprintln(stderr, "llmwatch:", settings.Public(err.Error()))
		return exitFailure
	}
}
