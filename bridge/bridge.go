package bridge

import (
	"context"
	_ "embed"
	"encoding/json"
	"fmt"
	"io/fs"
	"log/slog"
	"maps"
	"net/http"
	"slices"
	"strings"
	"sync/atomic"
	"time"

	"github.com/gorilla/mux"
	"github.com/prometheus/client_golang/prometheus"

	"llmwatch/bridge/alert"
	"llmwatch/bridge/metrics"
)

// Base is the path below which the REST API lives.
const Base = "/api/v1/monitoring"

//go:embed openapi.yaml
var openAPI []byte

// Metrics answers questions about metrics, about the window before a moment where
// it is given one. *metrics.Client does; errors that wrap metrics.ErrUnavailable
// become 503.
type Metrics interface {
	System(ctx context.Context, at time.Time, window time.Duration, instance string) ([]metrics.SystemSample, error)
	Instances(ctx context.Context, at time.Time, window time.Duration) ([]string, error)
	API(ctx context.Context, at time.Time, window time.Duration) ([]metrics.APISample, error)
	App(ctx context.Context, at time.Time, window time.Duration) ([]metrics.AppSample, error)
	Summary(ctx context.Context, at time.Time, window time.Duration) (metrics.Summary, error)
	Overview(ctx context.Context) (metrics.Overview, error)
	Newest(ctx context.Context) (time.Time, error)
	Rules(ctx context.Context) ([]metrics.EvaluatedRule, error)
}

// Options says what the API is made of.
type Options struct {
	Metrics Metrics
	// Alerts is what is done with alerts, AlertStore where they are, Channels
	// tells the names of the notification channels.
	Alerts     Alerts
	AlertStore alert.Store
	Channels   func() []string
	// Polled is the server whose rules are polled; nil where none is.
	Polled Polled
	// AlertmanagerRepeat is the repeat_interval of the Alertmanager that sends
	// webhooks; 0 means DefaultAlertmanagerRepeat.
	AlertmanagerRepeat time.Duration
	// Rules are the alert rules.
	Rules Rules
	// Runbooks holds what to do about alerts, as NAME.md at its root.
	Runbooks fs.FS
	// Logs is where log entries are.
	Logs Logs
	// Version is shown to Alertmanager's clients.
	Version string
	// Interval is the collection interval, the longest that an answer is kept.
	Interval time.Duration
	// Checks are looked at by /health, Components shown by /status.
	Checks     []Check
	Components func() []Component
	// Configuration tells what is set.
	Configuration func() []Setting
	// AlertsRefused is told of pushed alerts that there was no room for; may be nil.
	AlertsRefused func(ctx context.Context, e *alert.TooManyError)
	// Receivers take what programs push: handlers of POST by path below Base.
	Receivers map[string]http.Handler
	// Mounts are handlers of other packages, by path; one that ends with a
	// slash takes everything below it.
	Mounts map[string]http.Handler
	// Access says who is let in; nil lets everybody.
	Access Access
	// Registerer receives the metrics of the API itself.
	Registerer prometheus.Registerer
	Logger     *slog.Logger
	// Turns bounds how many of those who were let in are served at a time; nil
	// bounds nothing.
	Turns func(http.Handler) http.Handler
	// Stopping is closed when event streams must end; nil is never.
	Stopping <-chan struct{}
	// Now is the clock, time.Now where nil.
	Now func() time.Time

	tableOfTest []Route // Routes where nil.
}

type server struct {
	Options
	cache      *cache
	lastHealth memo
	changes    changeTexts
	samples    sampleWatch
	streams    atomic.Int64 // Those that are open.
	started    time.Time
}

// New returns the handler of everything that is served on the port.
func New(opts Options) http.Handler {
	if opts.Now == nil {
		opts.Now = time.Now
	}
	if opts.AlertmanagerRepeat <= 0 {
		opts.AlertmanagerRepeat = DefaultAlertmanagerRepeat
	}
	s := &server{Options: opts, cache: newCache(opts.Registerer, opts.Now), started: opts.Now()}

	router := mux.NewRouter().SkipClean(true)
	router.Use(rememberRoute)
	// The router takes the first match: in this order, names come before
	// variables.
	paths := s.paths()
	for _, path := range slices.Sorted(maps.Keys(paths)) {
		router.Handle(Base+path, s.dispatch(Base+path, paths[path]))
	}
	router.Handle(v2Alerts, s.dispatch(v2Alerts, endpoints{http.MethodGet: plain(s.getV2), http.MethodPost: plain(s.postV2)}))
	router.Handle(v2Status, s.dispatch(v2Status, endpoints{http.MethodGet: plain(s.statusV2)}))
	s.mount(router)
	router.NotFoundHandler = GuardRest(s.Access, s.Logger)

	return newObserver(opts.Logger, opts.Registerer, opts.Now).wrap(router)
}

// mount adds what other packages serve.
func (s *server) mount(router *mux.Router) {
	mounts := map[string]http.Handler{}
	for _, mount := range slices.Sorted(maps.Keys(s.Mounts)) { // The deeper one has the last word.
		for _, path := range below(s.routes(), mount) {
			mounts[path] = s.Mounts[mount]
		}
	}
	// The router takes the first match: what is below another mount comes before it.
	for _, path := range slices.Backward(slices.Sorted(maps.Keys(mounts))) {
		h := s.guard(path, methodsOf(s.routes(), path), mounts[path])
		if strings.HasSuffix(path, "/") {
			router.PathPrefix(path).Handler(h)
		} else {
			router.Path(path).Handler(h)
		}
	}
}

// endpoints are the handlers of one path by method.
type endpoints map[string]handler

// paths are what openapi.yaml describes.
func (s *server) paths() map[string]endpoints {
	paths := map[string]endpoints{
		"/health":                  {http.MethodGet: s.health},
		"/status":                  {http.MethodGet: s.status},
		"/configuration":           {http.MethodGet: s.configuration},
		"/metrics/system":          {http.MethodGet: s.system},
		"/metrics/api":             {http.MethodGet: s.api},
		"/metrics/app":             {http.MethodGet: s.app},
		"/metrics/summary":         {http.MethodGet: s.summary},
		"/dashboard/overview":      {http.MethodGet: s.overview},
		"/alerts":                  {http.MethodGet: s.alerts},
		"/alerts/history":          {http.MethodGet: s.alertHistory},
		"/alerts/{id}":             {http.MethodGet: s.alert},
		"/alerts/{id}/acknowledge": {http.MethodPost: s.acknowledge},
		"/alerts/{id}/close":       {http.MethodPost: s.closeAlert},
		"/rules":                   {http.MethodGet: s.rules, http.MethodPost: s.createRule},
		"/rules/{name}":            {http.MethodGet: s.rule, http.MethodPut: s.putRule, http.MethodDelete: s.deleteRule},
		"/runbooks":                {http.MethodGet: s.runbooks},
		"/runbooks/{name}":         {http.MethodGet: s.runbook},
		"/notifications/test":      {http.MethodPost: s.notifyTest},
		"/webhooks/alertmanager":   {http.MethodPost: s.webhook},
		"/events":                  {http.MethodGet: s.events},
		"/export/system":           {http.MethodGet: s.exportSystem},
		"/export/api":              {http.MethodGet: s.exportAPI},
		"/export/app":              {http.MethodGet: s.exportApp},
		"/export/alerts":           {http.MethodGet: s.exportAlerts},
		"/login":                   {http.MethodPost: s.login},
		"/logout":                  {http.MethodPost: s.logout},
		"/session":                 {http.MethodGet: s.session},
		"/openapi.yaml":            {http.MethodGet: s.openAPI},
	}
	maps.Copy(paths, s.logPaths())
	for path, receiver := range s.Receivers {
		if paths[path] == nil {
			paths[path] = endpoints{}
		}
		paths[path][http.MethodPost] = plain(receiver.ServeHTTP)
	}

	return paths
}

// dispatch chooses by method here and not in the router, whose answer to a
// wrong method depends on which routes it happens to try afterwards.
func (s *server) dispatch(path string, methods endpoints) http.Handler {
	if get, ok := methods[http.MethodGet]; ok {
		methods[http.MethodHead] = get
	}
	needs := methodsOf(s.routes(), path)
	for method := range methods {
		if _, ok := needs[method]; !ok {
			panic(fmt.Sprintf("%s %s is not in the table of bridge/routes.go, which says who may use it", method, path))
		}
	}
	served := maps.Clone(needs)
	maps.DeleteFunc(served, func(method string, _ Need) bool { return methods[method] == nil })

	return s.guard(path, served, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { s.answer(methods[r.Method], w, r) }))
}

// handler answers a request or returns why it cannot.
type handler func(w http.ResponseWriter, r *http.Request) error

// plain makes a handler of one that answers its errors itself.
func plain(h http.HandlerFunc) handler {
	return func(w http.ResponseWriter, r *http.Request) error {
		h(w, r)
		return nil
	}
}

// answer is the one place where errors become answers.
func (s *server) answer(h handler, w http.ResponseWriter, r *http.Request) {
	err := checkQuery(r.URL.RawQuery)
	if err == nil {
		err = h(w, r)
	}
	if err == nil {
		return
	}
	shown := s.explain(r, err)
	if begun(w) {
		panic(http.ErrAbortHandler) // Half an answer must not look whole.
	}
	WriteError(w, shown)
}

// explain decides what the caller sees of an error and logs what only the
// operator may see.
func (s *server) explain(r *http.Request, err error) *Error {
	if exchangeOf(r.Context()).left {
		err = context.Canceled // A client that goes is nobody's failure, whatever failed for it.
	}
	shown := asError(err)
	if shown.Status >= http.StatusInternalServerError {
		s.Logger.WarnContext(r.Context(), "a request failed",
			"request_id", exchangeOf(r.Context()).id, "path", r.URL.Path, "err", err)
	}

	return shown
}

// cached answers with the body under the request's path and parameters.
func (s *server) cached(w http.ResponseWriter, r *http.Request, render func(context.Context) (answer, error)) error {
	return s.cachedAs(w, r, "", render)
}

// cachedAs is cached for answers that depend on state too.
func (s *server) cachedAs(w http.ResponseWriter, r *http.Request, state string, render func(context.Context) (answer, error)) error {
	body, err := s.cache.get(r.Context(), r.URL.Path+"?"+r.URL.Query().Encode()+" "+state, render)
	if err != nil {
		return err
	}
	writeBody(w, http.StatusOK, body)

	return nil
}

// render makes an answer of a value.
func render(v any, fresh time.Duration) (answer, error) {
	body, err := json.Marshal(v)

	return answer{body: append(body, '\n'), fresh: fresh}, err
}

// freshness is how long an answer whose newest sample is this old stays the
// best there is: until the next sample is due. Without samples it is not kept.
func (s *server) freshness(newest time.Time) time.Duration {
	if newest.IsZero() {
		return 0
	}

	return min(max(newest.Add(s.Interval).Sub(s.Now()), 0), s.Interval)
}

func (s *server) openAPI(w http.ResponseWriter, _ *http.Request) error {
	w.Header().Set("Content-Type", "application/yaml")
	w.Write(openAPI)

	return nil
}

// NotFound answers for paths that do not exist.
func NotFound(w http.ResponseWriter, r *http.Request) {
	WriteError(w, &Error{
		http.StatusNotFound, CodeNotFound,
		"there is nothing at " + short(r.URL.Path) + "; " + Base + "/openapi.yaml lists what there is",
	})
}
