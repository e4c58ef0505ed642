// Package exporter makes a program's host and workload visible to Prometheus:
// a collector of system metrics under node_exporter's names (SystemCollector),
// a middleware that measures HTTP requests (API), application metrics of an LLM
// platform (App), both under OpenTelemetry's names where it has some, and the
// handler that serves them all (Handler).
//
// It is a library for any Go program. It must not know who scrapes it, where
// samples are stored, which rules read them, which router a program uses, or any
// other package of llmwatch; it reads no flags and keeps no package state.
package exporter
