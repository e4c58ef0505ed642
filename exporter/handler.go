package exporter

import (
	"fmt"
	"log/slog"
	"net/http"
	"strings"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promhttp"
)

// DefaultMaxRequestsInFlight is how many scrapes are served at a time.
const DefaultMaxRequestsInFlight = 10

// HandlerOptions configures Handler. The zero value is ready for use.
type HandlerOptions struct {
	// Logger receives what goes wrong while metrics are gathered and sent.
	// Nothing is logged if it is nil.
	Logger *slog.Logger
	// MaxRequestsInFlight is the number of scrapes served at a time; further
	// ones are answered 503. DefaultMaxRequestsInFlight if it is not positive.
	MaxRequestsInFlight int
	// Compress offers gzip to clients that accept it. It makes a scrape about
	// a third slower and a quarter the size, so it pays only where traffic is
	// dear.
	Compress bool
	// Registerer, if it is not nil, receives the counter
	// promhttp_metric_handler_errors_total.
	Registerer prometheus.Registerer
}

// Handler serves the metrics of gatherer for a scrape at /metrics: as protobuf,
// OpenMetrics or Prometheus text, whichever the client prefers.
//
// An error in one collector is logged and does not hide the metrics of the
// others; only if there are none at all is the answer 500.
func Handler(gatherer prometheus.Gatherer, options HandlerOptions) http.Handler {
	if options.Logger == nil {
		options.Logger = slog.New(slog.DiscardHandler)
	}
	if options.MaxRequestsInFlight <= 0 {
		options.MaxRequestsInFlight = DefaultMaxRequestsInFlight
	}

	return forgiving(promhttp.HandlerFor(gatherer, promhttp.HandlerOpts{
		ErrorLog:            errorLog{options.Logger},
		ErrorHandling:       promhttp.ContinueOnError,
		Registry:            options.Registerer,
		DisableCompression:  !options.Compress,
		OfferedCompressions: []promhttp.Compression{promhttp.Identity, promhttp.Gzip},
		MaxRequestsInFlight: options.MaxRequestsInFlight,
		EnableOpenMetrics:   true,
	}))
}

// forgiving has scrapers leave in the middle of an answer without a word: promhttp
// would log an error for each metric that they do not take.
func forgiving(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { next.ServeHTTP(&forgivingWriter{w, false}, r) })
}

// forgivingWriter takes everything once something was not taken.
type forgivingWriter struct {
	http.ResponseWriter
	left bool
}

// Write implements io.Writer.
func (w *forgivingWriter) Write(p []byte) (int, error) {
	if !w.left {
		_, err := w.ResponseWriter.Write(p)
		w.left = err != nil
	}

	return len(p), nil
}

// Unwrap lets http.ResponseController reach what the server offers.
func (w *forgivingWriter) Unwrap() http.ResponseWriter { return w.ResponseWriter }

// errorLog is the promhttp.Logger that writes to a slog.Logger.
type errorLog struct {
	logger *slog.Logger
}

// Println implements promhttp.Logger.
func (l errorLog) Println(v ...any) {
	l.logger.Error("serving metrics failed", "err", strings.TrimSpace(fmt.Sprintln(v...)))
}
