package main

import (
	"context"

	"llmwatch/internal/app"
)

type exporterCmd struct {
	Listen string `env:"LLMWATCH_SERVER_LISTEN" default:"127.0.0.1:9925" help:"Address to serve on." placeholder:"HOST:PORT"`
	listenFlags
	logFlags
}

// Help is shown by `llmwatch exporter --help`.
func (exporterCmd) Help() string {
	return `Examples:
  llmwatch exporter
  llmwatch exporter --listen 10.0.0.7:9925 --allow-anonymous`
}

// Run serves until it is told to stop.
func (c *exporterCmd) Run(ctx context.Context, out output) error {
	return serveApp(ctx, out, c.logFlags, app.Config{
		Listen:         c.Listen,
		AllowAnonymous: c.AllowAnonymous,
	}, app.NewExporter)
}
