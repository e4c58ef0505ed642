package engine

import (
	"context"
	"fmt"
	"net/http"
	"os"
	"runtime"
	"runtime/debug"
	"time"

	"github.com/grafana/regexp"
	remoteapi "github.com/prometheus/client_golang/exp/api/remote"
	"github.com/prometheus/client_golang/prometheus/promhttp"
	"github.com/prometheus/common/route"
	"github.com/prometheus/common/version"
	"github.com/prometheus/prometheus/config"
	"github.com/prometheus/prometheus/util/features"
	"github.com/prometheus/prometheus/util/notifications"
	apiv1 "github.com/prometheus/prometheus/web/api/v1"
)

// Limits of remote read. A sample that is answered takes some 60 bytes.
const (
	remoteReadSamples    = 5e5
	remoteReadConcurrent = 2
	remoteReadFrameBytes = 1 << 20
)

// noOrigin refuses every cross-origin request: it matches no origin at all.
var noOrigin = regexp.MustCompile(`^\b$`)

// newHandler serves the HTTP API below prefix, and the engine's own metrics.
func (e *Engine) newHandler(prefix string, db admin) http.Handler {
	api := apiv1.NewAPI(
		e.query, e.storage,
		nil, nil, // Nothing is written through it: OTLP has a handler of its own.
		db,
		func(context.Context) apiv1.ScrapePoolsRetriever { return e.scrape },
		func(context.Context) apiv1.TargetRetriever { return e.scrape },
		func(context.Context) apiv1.AlertmanagerRetriever { return e.notifier },
		func() config.Config { return *e.current.Load() },
		nil, // Command line flags: there are none of the server's own.
		apiv1.GlobalURLOptions{
			ListenAddress: e.cfg.ExternalURL.Host,
			Host:          e.cfg.ExternalURL.Host,
			Scheme:        e.cfg.ExternalURL.Scheme,
		},
		func(h http.HandlerFunc) http.HandlerFunc { return h }, // The API exists only once the engine is ready.
		db, e.cfg.Dir,
		false, // Admin API: deleting series is not for everyone who can reach the port.
		false, 0,
		e.cfg.Logger.With("component", "api"),
		func(context.Context) apiv1.RulesRetriever { return e.rules },
		remoteReadSamples, remoteReadConcurrent, remoteReadFrameBytes,
		false,
		noOrigin,
		e.runtimeInfo,
		&apiv1.PrometheusVersion{Version: serverVersion(), Revision: version.Revision, GoVersion: version.GoVersion},
		func() []notifications.Notification { return nil },
		func() (<-chan notifications.Notification, func(), bool) { return nil, func() {}, false },
		e.registry, e.registry,
		nil,
		false, remoteapi.MessageTypes{},
		false, false, false,
		true,
		lookback,
		false, false,
		limitStatus,
		features.DefaultRegistry,
		apiv1.OpenAPIOptions{ExternalURL: e.cfg.ExternalURL.String(), Version: serverVersion()},
		newParser(),
	)
	router := route.New()
	e.paths = nil
	api.Register(router.WithPrefix(prefix + "/api/v1").WithInstrumentation(func(path string, h http.HandlerFunc) http.HandlerFunc {
		e.paths = append(e.paths, prefix+"/api/v1"+path)

		return h
	}))
	router.Get(prefix+"/metrics", promhttp.HandlerFor(e.registry, promhttp.HandlerOpts{}).ServeHTTP)

	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == OTLPPath && r.Method == http.MethodPost {
			e.OTLP().ServeHTTP(w, r)
			return
		}
		router.ServeHTTP(w, r)
	})
}

func (e *Engine) runtimeInfo() (apiv1.RuntimeInfo, error) {
	host, err := os.Hostname()
	if err != nil {
		return apiv1.RuntimeInfo{}, err
	}
	loaded := e.loaded()

	return apiv1.RuntimeInfo{
		StartTime:           e.started,
		Hostname:            host,
		ServerTime:          time.Now().UTC(),
		ReloadConfigSuccess: loaded.err == nil,
		LastConfigTime:      loaded.at,
		GoroutineCount:      runtime.NumGoroutine(),
		GOMAXPROCS:          runtime.GOMAXPROCS(0),
		GOMEMLIMIT:          debug.SetMemoryLimit(-1),
		GOGC:                os.Getenv("GOGC"),
		GODEBUG:             os.Getenv("GODEBUG"),
		StorageRetention:    e.retention(),
	}, nil
}

func (e *Engine) retention() string {
	r := e.current.Load().StorageConfig.TSDBConfig.Retention
	switch {
	case r.Size == 0:
		return r.Time.String()
	case r.Time == 0:
		return r.Size.String()
	default:
		return r.Time.String() + " or " + r.Size.String()
	}
}

// serverVersion is the release of the embedded server. Its module counts as
// v0.MNN.P what the release counts as M.NN.P.
func serverVersion() string {
	info, ok := debug.ReadBuildInfo()
	if !ok {
		return ""
	}
	for _, dep := range info.Deps {
		if dep.Path != "github.com/prometheus/prometheus" {
			continue
		}
		var minor, patch int
		if _, err := fmt.Sscanf(dep.Version, "v0.%d.%d", &minor, &patch); err != nil {
			return dep.Version
		}

		return fmt.Sprintf("%d.%d.%d", minor/100, minor%100, patch)
	}

	return ""
}
