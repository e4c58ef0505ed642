package bridge

import (
	"context"
	"net/http"
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
	Active  int  `json:"active_alerts"`
}

type serviceView struct {
	Running bool   `json:"running"`
	Error   string `json:"error,omitempty"`
}

// healthFresh bounds how often the question is really looked at: it is asked
// without credentials.
const healthFresh = time.Second

// memo is the newest answer of health. Its lock is held while everything is
// looked at, so that callers at the same time share one look.
type memo struct {
	mu     sync.Mutex // Guards the fields below.
	at     time.Time
	status int
	body   []byte
}

func (s *server) health(w http.ResponseWriter, r *http.Request) error {
	status, body, err := s.lookOnce(r.Context())
	if err != nil {
		return err
	}
	writeBody(w, status, body)

	return nil
}

// lookOnce looks unless somebody has just looked.
func (s *server) lookOnce(ctx context.Context) (status int, body []byte, err error) {
	m := &s.lastHealth
	m.mu.Lock()
	defer m.mu.Unlock()

	if m.body == nil || s.Now().Sub(m.at) >= healthFresh {
		// The next callers share the answer, so this one's departure must not spoil it.
		view, fatal := s.look(context.WithoutCancel(ctx))
		a, err := render(view, 0)
		if err != nil {
			return 0, nil, err
		}
		m.at, m.body, m.status = s.Now(), a.body, http.StatusOK
		if fatal {
			m.status = http.StatusServiceUnavailable
		}
	}

	return m.status, m.body, nil
}

// look asks everything that health depends on.
func (s *server) look(ctx context.Context) (view healthView, fatal bool) {
	view = healthView{Status: healthy, Timestamp: metrics.Time{Time: s.Now()}, Services: map[string]any{}, Problems: []string{}}
	complain := func(text string) {
		view.Status = degraded
		view.Problems = append(view.Problems, text)
	}

	var newest time.Time
	var firing []metrics.FiringAlert
	var collectErr, alertErr error
	var asked sync.WaitGroup
	asked.Go(func() { newest, collectErr = s.Metrics.Newest(ctx) })
	asked.Go(func() { firing, alertErr = s.Metrics.Firing(ctx) })
	asked.Wait()
	prometheus := serviceView{Running: collectErr == nil && alertErr == nil}
	if !prometheus.Running {
		prometheus.Error = CodePrometheusUnavailable
		complain("prometheus: the metrics server does not answer")
	}
	view.Services["prometheus"] = prometheus

	collecting := collectErr == nil && s.collecting(newest)
	if collectErr == nil && !collecting {
		complain("metrics_collector: no system metrics have arrived for " + s.overdue().String())
	}
	view.Services["metrics_collector"] = collectorView{Running: collecting, LastCollection: metrics.Time{Time: newest}}
	view.Services["alert_manager"] = alertManagerView{Running: alertErr == nil, Active: len(firing)}

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

func (s *server) status(w http.ResponseWriter, _ *http.Request) error {
	components := []Component{}
	if s.Components != nil {
		components = append(components, s.Components()...)
	}
	a, err := render(list{Success: true, Data: components, Count: len(components)}, 0)
	if err != nil {
		return err
	}
	writeBody(w, http.StatusOK, a.body)

	return nil
}
