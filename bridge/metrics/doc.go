// Package metrics answers the documented questions about metrics — samples of
// the machine and of the API, summaries, the overview, what fires — by asking a
// Prometheus-compatible server over its HTTP API.
//
// The server may be the one embedded in this process, a Prometheus, or anything
// that speaks its API. The package knows the names of the series it reads and
// nothing of HTTP on its own side, of alerts' lifecycle, or of where the series
// come from.
package metrics
