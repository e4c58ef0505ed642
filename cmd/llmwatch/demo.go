package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"time"

	"llmwatch/bridge/notify"
	"llmwatch/internal/app"
	"llmwatch/internal/demo"
	"llmwatch/logship"
)

type demoCmd struct {
	Listen   string  `env:"LLMWATCH_SERVER_LISTEN" default:"127.0.0.1:5000" help:"Address to serve the page and the API on." placeholder:"HOST:PORT"`
	Platform string  `default:"127.0.0.1:0" help:"Address that the simulated platform listens on; any free port unless given." placeholder:"HOST:PORT"`
	DataDir  string  `help:"Directory for everything that is kept; a temporary one, removed at the end, unless given." placeholder:"DIR"`
	Seed     uint64  `default:"1" help:"What the platform does is the same for the same seed."`
	Rate     float64 `default:"25" help:"Requests a second that the platform gets."`

	LogLevel  string `env:"LOG_LEVEL" default:"INFO" help:"Least level that is logged." placeholder:"LEVEL"`
	LogFormat string `env:"LOG_FORMAT" default:"auto" help:"auto is text on a terminal and json elsewhere." placeholder:"FORMAT"`
}

// Help is shown by `llmwatch demo --help`.
func (demoCmd) Help() string {
	return `Simulates a small LLM platform and watches it: requests, jobs, caches and logs,
and within two minutes trouble of several kinds, so that alerts fire.

Examples:
  llmwatch demo
  llmwatch demo --listen 127.0.0.1:8080 --rate 100 --seed 7`
}

const (
	// demoInterval is the time between two samples, short enough to watch.
	demoInterval  = 5 * time.Second
	demoRetention = 24 * time.Hour
	demoCooldown  = 5 * time.Minute
)

// Run simulates and serves until it is told to stop.
func (c *demoCmd) Run(ctx context.Context, out output) (err error) {
	// What belongs to the platform and not to llmwatch is apart from its data.
	dir, err := os.MkdirTemp("", "llmwatch-demo-")
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
	data := c.DataDir
	if data == "" {
		data = filepath.Join(dir, "data")
	}
	listener, err := new(net.ListenConfig).Listen(ctx, "tcp", c.Platform)
	if err != nil {
		return &app.ConfigError{Err: fmt.Errorf("opening the platform's port (--platform): %w", err)}
	}
	config, err := writeDemoConfig(dir, listener.Addr().String())
	if err != nil {
		listener.Close()

		return err
	}
	log := filepath.Join(dir, "platform.log")
	stop, err := c.simulate(ctx, listener, log)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, stop()) }()

	cfg := app.DefaultConfig(app.CommandServe)
	cfg.Server.Listen, cfg.Server.DataDir, cfg.Prometheus.ConfigFile = c.Listen, data, config
	cfg.Metrics.CollectionInterval, cfg.Metrics.RetentionDays = demoInterval, demoRetention
	cfg.Alerts.CheckInterval, cfg.Alerts.DefaultCooldown = demoInterval, demoCooldown
	cfg.Notifications.Webhook.URL = notify.Secret("http://" + listener.Addr().String() + demo.PagerPath)
	cfg.Logs.Files = []string{log}
	cfg.Logging.Level, cfg.Logging.Format = c.LogLevel, c.LogFormat

	return serveApp(ctx, out, cfg, app.NewServe)
}

// writeDemoConfig writes the Prometheus configuration and the rules by which the
// platform is watched, and returns the path of the former.
func writeDemoConfig(dir, platform string) (string, error) {
	rules := filepath.Join(dir, "demo-rules.yml")
	config := filepath.Join(dir, "demo-prometheus.yml")
	text := fmt.Sprintf("scrape_configs:\n  - job_name: demo\n    scrape_interval: %s\n    static_configs:\n      - targets: [%q]\nrule_files: [%q]\n",
		demoInterval, platform, filepath.Base(rules))

	return config, errors.Join(os.WriteFile(rules, demo.Rules, 0o600), os.WriteFile(config, []byte(text), 0o600))
}

// simulate starts the platform, which logs to a file, and returns what ends it.
func (c *demoCmd) simulate(ctx context.Context, listener net.Listener, log string) (stop func() error, err error) {
	logger, err := logship.New(logship.Config{Name: "platform", Level: "DEBUG", Format: logship.FormatJSON, File: log})
	if err != nil {
		listener.Close()

		return nil, err
	}
	platform, err := demo.New(demo.Options{Seed: c.Seed, Rate: c.Rate, Logger: logger.Logger})
	if err != nil {
		listener.Close()

		return nil, errors.Join(err, logger.Close())
	}
	server := &http.Server{Handler: platform.Handler(), ReadHeaderTimeout: 10 * time.Second, ErrorLog: slog.NewLogLogger(logger.Handler(), slog.LevelWarn)}
	ctx, cancel := context.WithCancel(ctx)
	served, ran := make(chan error, 1), make(chan struct{})
	go func() { served <- server.Serve(listener) }()
	go func() {
		platform.Run(ctx, "http://"+listener.Addr().String())
		close(ran)
	}()

	return func() error {
		cancel()
		<-ran
		err := server.Close()
		if failed := <-served; !errors.Is(failed, http.ErrServerClosed) {
			err = errors.Join(err, failed)
		}

		return errors.Join(err, logger.Close())
	}, nil
}
