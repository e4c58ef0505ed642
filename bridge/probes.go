package bridge

import (
	"errors"
	"fmt"
	"net/http"
	"sync"
	"time"

	"llmwatch/bridge/metrics"
)

// The paths that orchestrators ask, as Prometheus has them.
const (
	HealthyPath = "/-/healthy"
	ReadyPath   = "/-/ready"
)

// Probes answers whether the process has to be restarted (HealthyPath) and
// whether it may get requests (ReadyPath). No state of what is behind it, such as
// a full disk, is a reason for a restart: a process that answers is healthy.
type Probes struct {
	now func() time.Time

	mu      sync.Mutex // Guards the fields below.
	started bool
	checks  []Check
	at      time.Time // When the checks were last run,
	failure error     // and what they found.
}

// NewProbes returns the probes of a process that is starting.
func NewProbes(now func() time.Time) *Probes { return &Probes{now: now} }

// Started tells that requests are served from now on, and what is looked at to
// know whether what they bring can be kept.
func (p *Probes) Started(checks []Check) {
	p.mu.Lock()
	defer p.mu.Unlock()

	p.started, p.checks = true, checks
}

// ServeHTTP implements http.Handler.
func (p *Probes) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	status, text := http.StatusOK, "llmwatch is healthy."
	if r.URL.Path == ReadyPath {
		text = "llmwatch is ready."
		if err := p.ready(); err != nil {
			status, text = http.StatusServiceUnavailable, "llmwatch is not ready: "+err.Error()
			w.Header().Set("Retry-After", "1")
		}
	}
	w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	w.Header().Set("Cache-Control", "no-store")
	w.WriteHeader(status)
	fmt.Fprintln(w, text)
}

// Before answers probes without what is before next: whoever sends too many
// requests, or makes next slow, must not have the process restarted. Anything but
// a plain probe is for next.
func (p *Probes) Before(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		probed := r.URL.Path == HealthyPath || r.URL.Path == ReadyPath
		plain := (r.Method == http.MethodGet || r.Method == http.MethodHead) && r.ContentLength == 0
		if probed && plain {
			p.ServeHTTP(w, r)
			return
		}
		next.ServeHTTP(w, r)
	})
}

var errStarting = errors.New("it is starting")

// ready returns why requests cannot be served or what they bring cannot be kept.
func (p *Probes) ready() error {
	p.mu.Lock()
	defer p.mu.Unlock()

	if !p.started {
		return errStarting
	}
	// Anybody may ask, without credentials.
	if now := p.now(); now.Sub(p.at) >= healthFresh {
		p.at, p.failure = now, p.check()
	}

	return p.failure
}

// check runs the checks without which no data can be kept.
func (p *Probes) check() error {
	var failed []error
	for _, check := range p.checks {
		if !check.Fatal {
			continue
		}
		if err := check.Run(); err != nil {
			failed = append(failed, fmt.Errorf("%s: %w", check.Name, err))
		}
	}

	return errors.Join(failed...)
}

// Starting answers every request while the parts behind the port start.
func Starting(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("Retry-After", "1")
	const text = "llmwatch is starting"
	if r.URL.Path != Base+"/health" {
		WriteError(w, &Error{http.StatusServiceUnavailable, CodeStarting, text + "; try again in a moment"})
		return
	}
	a, err := render(healthView{
		Status: starting, Timestamp: metrics.Time{Time: time.Now()}, Services: map[string]any{}, Problems: []string{text},
	}, 0)
	if err != nil {
		WriteError(w, asError(err))
		return
	}
	writeBody(w, http.StatusServiceUnavailable, a.body)
}
