// Package rules carries the Prometheus rule files inside the binary:
// recording rules, which turn the metric names that exporters use into the
// llmwatch:* series that alerts, REST and dashboards read, and alert rules.
//
// It must not know who loads the files. They are ordinary rule files that any
// Prometheus from 2.42 on takes as they are.
package rules

import "embed"

// Files holds the rule files at its root, each under its plain name
// (recording.yml, default.yml). Their promtool unit tests are not in it.
//
//go:embed *.yml
var Files embed.FS
