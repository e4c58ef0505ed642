// Package engine runs a Prometheus server inside this process: its time series
// database, scrape manager, rule manager, alert notifier and HTTP API.
//
// It is driven by an ordinary Prometheus configuration file, or by a built-in
// one that scrapes this process alone. Everybody else reaches it as they would
// reach any Prometheus: over its HTTP API, which Handler serves. It is the only
// package that imports the Prometheus server, and it must not know what its
// series mean, who reads them, or which rules are given to it.
package engine
