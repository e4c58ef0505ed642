package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"os/signal"
	"reflect"
	"strconv"
	"sync"
	"syscall"

	"github.com/alecthomas/kong"

	"llmwatch/internal/app"
	"llmwatch/internal/settings"
	"llmwatch/logship"
)

// configured is what commands with a configuration have in common. Their flags
// come from the settings themselves.
type configured struct {
	Config      string `env:"LLMWATCH_CONFIG" help:"Configuration file in YAML." placeholder:"FILE"`
	CheckConfig bool   `help:"Check the configuration, say everything that is wrong with it, and exit."`
	PrintConfig bool   `help:"Print the effective configuration, with where each value came from, and exit. Secrets are hidden."`
	kong.Plugins
}

// newConfigured declares the flags of a command.
func newConfigured(command string) configured {
	return configured{Plugins: kong.Plugins{flagsOf(command)}}
}

// flagsOf makes a structure with a field for each flag, for the command line
// parser to fill. Values are read later, with those from elsewhere.
func flagsOf(command string) any {
	schema := app.Settings(command)
	var fields []reflect.StructField
	declare := func(name, key, help, placeholder string, t reflect.Type) {
		tag := fmt.Sprintf("name:%q key:%q help:%q placeholder:%q", name, key, help, placeholder)
		if t.Elem().Kind() == reflect.Bool {
			tag += ` negatable:""`
		}
		fields = append(fields, reflect.StructField{
			Name: fmt.Sprintf("F%d", len(fields)), Type: t, Tag: reflect.StructTag(tag),
		})
	}
	for _, s := range schema.Settings(command) {
		help := s.Help + " [" + s.Env[0]
		if byDefault := schema.Default(s); byDefault != "" && !s.IsBool() {
			help += ", " + byDefault
		}
		help += "]"
		if s.Flag != "" {
			t := reflect.TypeFor[*string]()
			switch {
			case s.IsBool():
				t = reflect.TypeFor[*bool]()
			case s.IsList():
				t = reflect.TypeFor[[]string]()
			}
			declare(s.Flag, s.Key, help, s.Placeholder(), t)
		}
		if s.FileFlag != "" {
			declare(s.FileFlag, s.Key+"_file", "File that holds what "+s.Env[0]+" otherwise does. ["+s.Env[0]+"_FILE]", "FILE", reflect.TypeFor[*string]())
		}
	}

	return reflect.New(reflect.StructOf(fields)).Interface()
}

// given are the flags that the command line had, by key.
func (c *configured) given() map[string][]string {
	given := map[string][]string{}
	for _, plugin := range c.Plugins {
		v := reflect.ValueOf(plugin).Elem()
		for i := range v.NumField() {
			key := v.Type().Field(i).Tag.Get("key")
			switch value := v.Field(i).Interface().(type) {
			case *string:
				if value != nil {
					given[key] = []string{*value}
				}
			case *bool:
				if value != nil {
					given[key] = []string{strconv.FormatBool(*value)}
				}
			case []string:
				if value != nil {
					given[key] = value
				}
			}
		}
	}

	return given
}

// run loads the configuration and serves until the context ends.
func (c *configured) run(ctx context.Context, out output, command string,
	build func(app.Config, *slog.Logger) (*app.App, error),
) error {
	in := settings.Input{Command: command, File: c.Config, Environ: os.Environ(), Flags: c.given()}
	cfg, loaded, err := app.Load(in)
	if err != nil {
		return err
	}
	if c.PrintConfig {
		text, err := loaded.Print(command)
		fmt.Fprint(out.stdout, text)

		return err
	}
	if c.CheckConfig {
		if err := cfg.Check(); err != nil {
			return explained(loaded, err)
		}
		for _, name := range loaded.Unknown {
			fmt.Fprintf(out.stderr, "llmwatch: %s is no setting and has no effect\n", name)
		}
		fmt.Fprintln(out.stdout, "the configuration is valid")

		return nil
	}
	cfg.Reread = func() (*app.Config, error) {
		next, loaded, err := app.Load(in)
		if err == nil {
			err = explained(loaded, next.Check())
		}

		return next, err
	}

	return explained(loaded, serveApp(ctx, out, *cfg, build, loaded.Unknown...))
}

// explained adds to a mistake in the configuration where its values came from.
func explained(loaded *settings.Loaded, err error) error {
	if mistake, ok := errors.AsType[*app.ConfigError](err); ok {
		return &app.ConfigError{Err: loaded.Explain("", mistake.Err)}
	}

	return err
}

// serveApp runs a long-lived command until the context ends. The variables that
// are no settings are warned of.
func serveApp(ctx context.Context, out output, cfg app.Config,
	build func(app.Config, *slog.Logger) (*app.App, error), unknown ...string,
) error {
	logger, err := app.NewLogger(out.stderr, cfg.Logging)
	if err != nil {
		return err
	}
	defer func() { _ = logger.Close() }() // What could not be written was reported where it happened.
	for _, name := range unknown {
		logger.WarnContext(ctx, "an environment variable looks like a setting, is none, and has no effect", "variable", name)
	}
	cfg.Version, cfg.Log, cfg.Console = version(), logger, out.stderr
	a, err := build(cfg, logger.Logger)
	if err != nil {
		return err
	}
	defer reloadOnHangup(ctx, a, logger)()

	return a.Run(ctx)
}

// reloadOnHangup reloads at SIGHUP until the returned function is called. The
// log file is opened anew, for those who have moved it away.
func reloadOnHangup(ctx context.Context, a *app.App, logger *logship.Logger) (stop func()) {
	hangups := make(chan os.Signal, 1)
	signal.Notify(hangups, syscall.SIGHUP)
	ctx, cancel := context.WithCancel(ctx)
	var running sync.WaitGroup
	running.Go(func() {
		for {
			select {
			case <-ctx.Done():
				return
			case <-hangups:
				if err := logger.Reopen(); err != nil {
					logger.ErrorContext(ctx, "the log file was not opened anew", "err", err)
				}
				_, _ = a.Reload(ctx) // What is wrong has been logged.
			}
		}
	})

	return func() {
		signal.Stop(hangups)
		cancel()
		running.Wait()
	}
}
