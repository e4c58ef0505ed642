package main

import (
	"context"

	"llmwatch/internal/app"
)

type bridgeCmd struct{ configured }

// Help is shown by `llmwatch bridge --help`.
func (bridgeCmd) Help() string {
	return `The server must scrape "llmwatch exporter" or node_exporter and load rules/*.yml,
or those that --rules-dir names; then rules can be changed over REST too.

Examples:
  llmwatch bridge --prometheus-url http://localhost:9090
  llmwatch bridge --prometheus-url http://localhost:9090 --rules-dir /etc/prometheus/rules`
}

// Run serves until it is told to stop.
func (c *bridgeCmd) Run(ctx context.Context, out output) error {
	return c.run(ctx, out, app.CommandBridge, app.NewBridge)
}
