package main

import (
	"context"

	"llmwatch/internal/app"
)

type bridgeCmd struct {
	PrometheusURL      string       `name:"prometheus-url" env:"LLMWATCH_PROMETHEUS_URL" required:"" help:"Base address of a Prometheus, Thanos, Mimir or VictoriaMetrics." placeholder:"URL"`
	RulesDir           string       `name:"rules-dir" env:"LLMWATCH_PROMETHEUS_RULES_DIR" help:"Folder whose *.yml that server loads as rule files: llmwatch keeps its rules there, and has the server reload them." placeholder:"DIR"`
	Listen             string       `env:"LLMWATCH_SERVER_LISTEN" default:"127.0.0.1:5000" help:"Address to serve on." placeholder:"HOST:PORT"`
	CollectionInterval app.Duration `env:"METRICS_COLLECTION_INTERVAL" default:"30" help:"Time between two samples of that server." placeholder:"TIME"`
	CheckInterval      app.Duration `env:"ALERT_CHECK_INTERVAL" default:"60" help:"Time between two looks at that server's alerts." placeholder:"TIME"`
	DataDir            string       `env:"LLMWATCH_SERVER_DATA_DIR" default:"data" help:"Directory for everything that is kept." placeholder:"DIR"`
	alertFlags
	listenFlags
	logFlags
}

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
	return serveApp(ctx, out, c.logFlags, app.Config{
		Listen:             c.Listen,
		AllowAnonymous:     c.AllowAnonymous,
		PrometheusURL:      c.PrometheusURL,
		RulesDir:           c.RulesDir,
		CollectionInterval: c.CollectionInterval,
		CheckInterval:      c.CheckInterval,
		DataDir:            c.DataDir,
		ExternalURL:        c.ExternalURL,
		Notifications:      c.notifications(),
	}, app.NewBridge)
}
