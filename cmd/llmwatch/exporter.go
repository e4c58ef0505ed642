package main

import (
	"context"

	"llmwatch/internal/app"
)

type exporterCmd struct{ configured }

// Help is shown by `llmwatch exporter --help`.
func (exporterCmd) Help() string {
	return `Examples:
  llmwatch exporter
  llmwatch exporter --listen 10.0.0.7:9925 --allow-anonymous`
}

// Run serves until it is told to stop.
func (c *exporterCmd) Run(ctx context.Context, out output) error {
	return c.run(ctx, out, app.CommandExporter, app.NewExporter)
}
