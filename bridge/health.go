package bridge

import (
	"context"
	"fmt"
	"log/slog"
	"net/http"
	"runtime/debug"
	"sync"
	"time"

	"llmwatch/bridge/metrics"
)

// Check looks whether something works that /health answers for.
type Check struct {
	// Name is the key below `services`.
	Name string
	// Fatal means that without it no data can be kept: unhealthy, 503.
	Fatal bool
	// Run returns what is wrong, nil where nothing is. It must not block.
	Run func() error
}

// The states of health.
const (
	starting  = "starting"
	healthy   = "healthy"
	degraded  = "degraded"
	unhealthy = "unhealthy"
)

type healthView struct {
	Status    string         `json:"status"`
	Timestamp metrics.Time   `json:"timestamp"`
	Services  map[string]any `json:"services"`
	// Problems says in words what is wrong; empty when healthy.
	Problems []string `json:"problems"`
}

type collectorView struct {
	Running        bool         `json:"running"`
	LastCollection metrics.Time `json:"last_collection"`
}

type alertManagerView struct {
	Running bool `json:"running"`
	// Active is null where the alerts cannot be counted.
	Active *int `json:"active_alerts"`
}

type serviceView struct {
	Running bool   `json:"running"`
	Error   string `json:"error,omitempty"`
}

const (
	// healthFresh bounds how often the question is really looked at: it is asked
	// without credentials.
	healthFresh = time.Second
	// healthPatience is how long a caller waits for a look, if somebody looked
	// less than healthStale ago: a program that is busy is not one that hangs.
	healthPatience = 10 * time.Millisecond
	healthStale    = 5 * time.Second
)

// memo is the newest answer of health. Callers at the same time share one look.
type memo struct {
	mu      sync.Mutex // Guards the fields below.
	at      time.Time
	last    healthAnswer
	looking chan struct{} // Closed at the end of the look that is under way, nil if none is.
}

type healthAnswer struct {
	status int
	body   []byte
	err    error
}

// Health answers for a program without metrics server and alerts.
func Health(checks []Check, logger *slog.Logger) http.Handler {
	s := &server{Options: Options{Checks: checks, Logger: logger, Now: time.Now}}

	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { s.answer(s.health, w, r) })
}

func (s *server) health(w http.ResponseWriter, r *http.Request) error {
	a := s.lookOnce(r.Context())
	if a.err != nil {
		return a.err
	}
	writeBody(w, a.status, a.body)

	return nil
}

// lookOnce looks unless somebody has just looked.
func (s *server) lookOnce(ctx context.Context) healthAnswer {
	last, age, looking := s.lastLook(ctx)
	if looking == nil {
		return last
	}
	var enough <-chan time.Time
	if age < healthStale {
		patience := time.NewTimer(healthPatience)
		defer patience.Stop()
		enough = patience.C
	}
	select {
	case <-looking:
		last, _, _ = s.lastLook(ctx)
		return last
	case <-enough:
		return last
	case <-ctx.Done():
		return healthAnswer{err: ctx.Err()}
	}
}

// lastLook returns what was seen last and how old it is. If that is too old, it has
// somebody look, and returns what is closed when that is done.
func (s *server) lastLook(ctx context.Context) (last healthAnswer, age time.Duration, looking <-chan struct{}) {
	m := &s.lastHealth
	m.mu.Lock()
	defer m.mu.Unlock()

	age = s.Now().Sub(m.at)
	if age < healthFresh {
		return m.last, age, nil
	}
	if m.looking == nil {
		m.looking = make(chan struct{})
		// Others share the answer, so this caller's departure must not spoil it.
		go s.lookAgain(context.WithoutCancel(ctx), m.looking)
	}

	return m.last, age, m.looking
}

// lookAgain looks, keeps what it sees, and says so.
func (s *server) lookAgain(ctx context.Context, done chan struct{}) {
	var a healthAnswer
	defer func() {
		if p := recover(); p != nil { // This runs apart from the request, where nobody else could.
			a.err = fmt.Errorf("looking at health panicked: %v\n%s", p, debug.Stack())
		}
		m := &s.lastHealth
		m.mu.Lock()
		defer m.mu.Unlock()
		m.last, m.at, m.looking = a, s.Now(), nil
		close(done)
	}()
	view, fatal := s.look(ctx)
	rendered, err := render(view, 0)
	a = healthAnswer{status: http.StatusOK, body: rendered.body, err: err}
	if fatal {
		a.status = http.StatusServiceUnavailable
	}
}

// look asks everything that health depends on.
func (s *server) look(ctx context.Context) (view healthView, fatal bool) {
	view = healthView{Status: healthy, Timestamp: metrics.Time{Time: s.Now()}, Services: map[string]any{}, Problems: []string{}}
	complain := func(text string) {
		view.Status = degraded
		view.Problems = append(view.Problems, text)
	}

	if s.Metrics != nil {
		s.lookAtMetrics(ctx, view.Services, complain)
	}
	for _, check := range s.Checks {
		service := serviceView{Running: true}
		if err := check.Run(); err != nil {
			service = serviceView{Error: err.Error()}
			complain(check.Name + ": " + err.Error())
			fatal = fatal || check.Fatal
		}
		view.Services[check.Name] = service
	}
	if fatal {
		view.Status = unhealthy
	}

	return view, fatal
}

// lookAtMetrics asks the metrics server and the store for what health tells of
// metrics and alerts.
func (s *server) lookAtMetrics(ctx context.Context, services map[string]any, complain func(string)) {
	var newest time.Time
	var rules []metrics.EvaluatedRule
	var collectErr, alertErr error
	var asked sync.WaitGroup
	asked.Go(func() { newest, collectErr = s.Metrics.Newest(ctx) })
	asked.Go(func() { rules, alertErr = s.Metrics.Rules(ctx) })
	asked.Wait()
	prometheus := serviceView{Running: collectErr == nil && alertErr == nil}
	if !prometheus.Running {
		prometheus.Error = CodePrometheusUnavailable
		complain("prometheus: the metrics server does not answer")
	}
	services["prometheus"] = prometheus

	collecting := collectErr == nil && s.collecting(newest)
	if collectErr == nil && !collecting {
		complain("metrics_collector: no system metrics have arrived for " + s.overdue().String())
	}
	services["metrics_collector"] = collectorView{Running: collecting, LastCollection: metrics.Time{Time: newest}}
	manager := alertManagerView{Running: alertErr == nil}
	if counts, err := s.countAlerts(ctx); err == nil {
		manager.Active = &counts.Total
	} else {
		s.Logger.WarnContext(ctx, "the alerts cannot be counted", "err", err)
		manager.Running = false
		complain("alert_manager: the alerts cannot be counted")
	}
	services["alert_manager"] = manager
	if failing := failingRules(rules); len(failing) > 0 {
		problem := describeFailing(failing)
		services["rules"] = serviceView{Error: problem}
		complain("rules: " + problem)
	} else if alertErr == nil {
		services["rules"] = serviceView{Running: true}
	}
}

// overdue is after how long without a sample collection counts as stopped.
func (s *server) overdue() time.Duration { return 3 * s.Interval }

// collecting gives a start as much time as a gap.
func (s *server) collecting(newest time.Time) bool {
	if newest.Before(s.started) {
		newest = s.started
	}

	return s.Now().Sub(newest) <= s.overdue()
}

// Component is one part of the program as /status shows it.
type Component struct {
	Name        string         `json:"name"`
	Running     bool           `json:"running"`
	Since       metrics.Time   `json:"since"`
	LastSuccess metrics.Time   `json:"last_success"`
	LastError   string         `json:"last_error,omitempty"`
	Details     map[string]any `json:"details,omitempty"`
}

func (s *server) status(w http.ResponseWriter, r *http.Request) error {
	components := []Component{}
	if s.Components != nil {
		components = append(components, s.Components()...)
	}
	components = append(components, s.rulesComponent(r.Context()))
	a, err := render(list{Success: true, Data: components, Count: len(components)}, 0)
	if err != nil {
		return err
	}
	writeBody(w, http.StatusOK, a.body)

	return nil
}
