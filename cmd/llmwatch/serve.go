package main

import (
	"context"

	"llmwatch/internal/app"
)

type serveCmd struct{ configured }

// Help is shown by `llmwatch serve --help`.
func (serveCmd) Help() string {
	return `Flags count more than environment variables (in brackets, with the default), and
these more than the configuration file.
Examples:
  llmwatch serve
  llmwatch serve --config llmwatch.yml
  llmwatch serve --listen 127.0.0.1:8080 --data-dir /var/lib/llmwatch
  llmwatch serve --prometheus-config prometheus.yml --retention-days 30
  llmwatch serve --config llmwatch.yml --check-config`
}

// Run serves until it is told to stop.
func (c *serveCmd) Run(ctx context.Context, out output) error {
	return c.run(ctx, out, app.CommandServe, app.NewServe)
}
