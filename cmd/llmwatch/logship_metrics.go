package main

import (
	"net/http"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"llmwatch/exporter"
	"llmwatch/logship/client"
	"llmwatch/logship/tail"
)

// shippingMetrics answers /metrics from the counts of both parts.
func shippingMetrics(sender *client.Client, follower *tail.Follower) http.Handler {
	registry := prometheus.NewRegistry()
	gauge := func(name, help string, value func() float64) {
		registry.MustRegister(prometheus.NewGaugeFunc(prometheus.GaugeOpts{Name: "llmwatch_logship_" + name, Help: help}, value))
	}
	counter := func(name, help string, value func() uint64) {
		registry.MustRegister(prometheus.NewCounterFunc(
			prometheus.CounterOpts{Name: "llmwatch_logship_" + name, Help: help}, func() float64 { return float64(value()) }))
	}
	gauge("files", "Files that are followed.", func() float64 { return float64(follower.Stats().Files) })
	gauge("behind_bytes", "Bytes in the files that are not read yet.", func() float64 { return float64(follower.Stats().BehindBytes) })
	gauge("last_delivery_timestamp_seconds", "When a batch was delivered last; 0 for never.", func() float64 {
		at := follower.Stats().Delivered
		if at.IsZero() {
			return 0
		}

		return float64(at.UnixNano()) / float64(time.Second)
	})
	counter("read_bytes_total", "Bytes read from the files.", func() uint64 { return follower.Stats().ReadBytes })
	counter("entries_total", "Entries read from the files.", func() uint64 { return follower.Stats().Entries })
	counter("entries_cut_total", "Entries that were cut because they were too long.", func() uint64 { return follower.Stats().CutEntries })
	counter("entries_refused_total", "Entries in batches that the server will never take.", func() uint64 { return follower.Stats().RefusedEntries })
	counter("entries_rejected_total", "Entries that the server rejected in batches that it took.", func() uint64 { return sender.Stats().Rejected })
	counter("batches_total", "Batches that were delivered.", func() uint64 { return follower.Stats().Batches })
	counter("batches_duplicate_total", "Batches that the server had already.", func() uint64 { return sender.Stats().Duplicate })
	counter("truncations_total", "Truncations of files.", func() uint64 { return follower.Stats().Truncations })
	counter("requests_total", "Requests to the server.", func() uint64 { return sender.Stats().Requests })
	counter("retries_total", "Requests that failed and were repeated.", func() uint64 { return sender.Stats().Retries })
	counter("sent_bytes_total", "Bytes of the bodies of all requests.", func() uint64 { return sender.Stats().SentBytes })
	mux := http.NewServeMux()
	mux.Handle("GET /metrics", exporter.Handler(registry, exporter.HandlerOptions{}))

	return mux
}
