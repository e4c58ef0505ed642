package main

import (
	"context"

	"llmwatch/internal/app"
)

type serveCmd struct {
	Listen             string       `env:"LLMWATCH_SERVER_LISTEN" default:"127.0.0.1:5000" help:"Address to serve on." placeholder:"HOST:PORT"`
	DataDir            string       `env:"LLMWATCH_SERVER_DATA_DIR" default:"data" help:"Directory for everything that is kept." placeholder:"DIR"`
	MetricsDir         string       `env:"METRICS_DB_PATH" help:"Directory of the time series; DATA-DIR/metrics unless given." placeholder:"DIR"`
	PrometheusConfig   string       `env:"LLMWATCH_PROMETHEUS_CONFIG" help:"Prometheus configuration file with further scrape jobs, rule files, alerting and remote_write." placeholder:"FILE"`
	CollectionInterval app.Duration `env:"METRICS_COLLECTION_INTERVAL" default:"30" help:"Time between two samples: seconds, or 30s, 1m." placeholder:"TIME"`
	CheckInterval      app.Duration `env:"ALERT_CHECK_INTERVAL" default:"60" help:"Time between two evaluations of the alert rules." placeholder:"TIME"`
	RetentionTime      app.Duration `env:"LLMWATCH_METRICS_RETENTION_TIME" default:"7d" help:"How long metrics are kept." placeholder:"TIME"`
	RetentionSize      app.Bytes    `env:"LLMWATCH_METRICS_RETENTION_SIZE" default:"0" help:"How many bytes of metrics are kept at most, such as 10GB; 0 for no bound." placeholder:"SIZE"`
	alertFlags
	listenFlags
	logFlags
}

// Help is shown by `llmwatch serve --help`.
func (serveCmd) Help() string {
	return `Examples:
  llmwatch serve
  llmwatch serve --listen 127.0.0.1:8080 --data-dir /var/lib/llmwatch
  llmwatch serve --prometheus-config prometheus.yml --retention-time 30d`
}

// Run serves until it is told to stop.
func (c *serveCmd) Run(ctx context.Context, out output) error {
	return serveApp(ctx, out, c.logFlags, app.Config{
		Listen:             c.Listen,
		AllowAnonymous:     c.AllowAnonymous,
		DataDir:            c.DataDir,
		MetricsDir:         c.MetricsDir,
		PrometheusConfig:   c.PrometheusConfig,
		CollectionInterval: c.CollectionInterval,
		CheckInterval:      c.CheckInterval,
		RetentionTime:      c.RetentionTime,
		RetentionSize:      c.RetentionSize,
		ExternalURL:        c.ExternalURL,
		Notifications:      c.notifications(),
	}, app.NewServe)
}
