// Package exporter makes a program's host and workload visible to Prometheus:
// a collector of system metrics under node_exporter's names, and the handler
// that serves them.
//
// It is a library for any Go program. It must not know who scrapes it, where
// samples are stored, which rules read them, or any other package of llmwatch;
// it reads no flags and keeps no package state.
package exporter
