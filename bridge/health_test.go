package bridge

import (
	"cmp"
	"context"
	"errors"
	"net/http"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	gocmp "github.com/google/go-cmp/cmp"

	"llmwatch/bridge/metrics"
)

// healthForm is the documented answer of /health, as a client would declare it.
type healthForm struct {
	Status    string    `json:"status"`
	Timestamp time.Time `json:"timestamp"`
	Services  map[string]struct {
		Running bool       `json:"running"`
		Last    *time.Time `json:"last_collection"`
		Active  int        `json:"active_alerts"`
		Error   string     `json:"error"`
	} `json:"services"`
	Problems []string `json:"problems"`
}

func TestHealth(t *testing.T) {
	broken := func() error { return errors.New("the disk is full") }
	fine := func() error { return nil }
	for name, tc := range map[string]struct {
		metrics  *fakeMetrics
		checks   []Check
		after    time.Duration
		code     int
		status   string
		running  map[string]bool
		problems []string
	}{
		"healthy": {
			checks: []Check{{"storage", true, fine}}, code: 200, status: "healthy",
			running: map[string]bool{"prometheus": true, "rules": true, "metrics_collector": true, "alert_manager": true, "storage": true},
		},
		"the metrics server is away": {
			metrics: &fakeMetrics{
				newest: func() (time.Time, error) { return time.Time{}, metrics.ErrUnavailable },
				rules:  func(context.Context) ([]metrics.EvaluatedRule, error) { return nil, metrics.ErrUnavailable },
			},
			code: 200, status: "degraded",
			running:  map[string]bool{"prometheus": false, "metrics_collector": false, "alert_manager": false},
			problems: []string{"prometheus: the metrics server does not answer"},
		},
		"only rules fail": {
			metrics: &fakeMetrics{rules: func(context.Context) ([]metrics.EvaluatedRule, error) { return nil, errors.New("no") }},
			code:    200, status: "degraded",
			running:  map[string]bool{"prometheus": false, "metrics_collector": true, "alert_manager": false},
			problems: []string{"prometheus: the metrics server does not answer"},
		},
		"collection stopped": {
			after: 3*interval + time.Second, code: 200, status: "degraded",
			running:  map[string]bool{"prometheus": true, "rules": true, "metrics_collector": false, "alert_manager": true},
			problems: []string{"metrics_collector: no system metrics have arrived for 1m30s"},
		},
		"collection is late": {
			after: 3 * interval, code: 200, status: "healthy",
			running: map[string]bool{"prometheus": true, "rules": true, "metrics_collector": true, "alert_manager": true},
		},
		"a start has as much time as a gap": {
			metrics: &fakeMetrics{newest: func() (time.Time, error) { return time.Time{}, nil }},
			after:   3 * interval, code: 200, status: "healthy",
			running: map[string]bool{"prometheus": true, "rules": true, "metrics_collector": true, "alert_manager": true},
		},
		"a start after a long pause": {
			metrics: &fakeMetrics{newest: func() (time.Time, error) { return noon.Add(-24 * time.Hour), nil }},
			code:    200, status: "healthy",
			running: map[string]bool{"prometheus": true, "rules": true, "metrics_collector": true, "alert_manager": true},
		},
		"a check fails": {
			checks: []Check{{"configuration", false, broken}}, code: 200, status: "degraded",
			running:  map[string]bool{"prometheus": true, "rules": true, "metrics_collector": true, "alert_manager": true, "configuration": false},
			problems: []string{"configuration: the disk is full"},
		},
		"no data can be kept": {
			checks: []Check{{"storage", true, broken}, {"configuration", false, broken}, {"other", true, fine}}, code: 503, status: "unhealthy",
			running: map[string]bool{
				"prometheus": true, "rules": true, "metrics_collector": true, "alert_manager": true,
				"storage": false, "configuration": false, "other": true,
			},
			problems: []string{"storage: the disk is full", "configuration: the disk is full"},
		},
	} {
		t.Run(name, func(t *testing.T) {
			b := put(t, cmp.Or(tc.metrics, &fakeMetrics{}), func(o *Options) { o.Checks = tc.checks })
			b.pass(tc.after)
			var h healthForm
			code := b.get("/health", &h)
			running := map[string]bool{}
			for name, s := range h.Services {
				running[name] = s.Running
			}
			if code != tc.code || h.Status != tc.status || !h.Timestamp.Equal(b.now()) {
				t.Errorf("answered %d %s at %s, want %d %s", code, h.Status, h.Timestamp, tc.code, tc.status)
			}
			if diff := gocmp.Diff(tc.running, running); diff != "" {
				t.Errorf("running (-want +got):\n%s", diff)
			}
			if want := append([]string{}, tc.problems...); !gocmp.Equal(want, h.Problems) {
				t.Errorf("problems are %q, want %q", h.Problems, want)
			}
		})
	}
}

func TestHealthTellsLastCollectionAndActiveAlerts(t *testing.T) {
	b := put(t, &fakeMetrics{}, nil)
	b.fire(seen("cpu", "high", longAgo))
	var h healthForm
	b.get("/health", &h)
	if last := h.Services["metrics_collector"].Last; last == nil || !last.Equal(noon) || h.Services["alert_manager"].Active != 1 {
		t.Errorf("services are %+v", h.Services)
	}
}

func TestHealthLooksOnceASecond(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := put(t, &fakeMetrics{}, nil)
		for _, tc := range []struct {
			pass time.Duration
			want int64
		}{{0, 2}, {0, 2}, {999 * time.Millisecond, 2}, {time.Millisecond, 4}, {0, 4}} {
			b.pass(tc.pass)
			b.get("/health", nil)
			if n := b.metrics.asked.Load(); n != tc.want {
				t.Errorf("metrics were asked %d times, want %d", n, tc.want)
			}
		}
	})
}

func TestHealthDoesNotWaitForABusyServer(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		busy := make(chan struct{})
		close(busy)
		b := put(t, &fakeMetrics{newest: func() (time.Time, error) { <-busy; return noon, nil }}, nil)
		ask := func() (at time.Time, took time.Duration) {
			begin := time.Now()
			var h healthForm
			if code := b.get("/health", &h); code != http.StatusOK || h.Status != "healthy" {
				t.Errorf("answered %d %+v", code, h)
			}

			return h.Timestamp, time.Since(begin)
		}
		first, _ := ask()
		busy = make(chan struct{})
		b.pass(healthStale - time.Second)
		if at, took := ask(); !at.Equal(first) || took > healthPatience {
			t.Errorf("after %s it answered what was seen at %s, want what was seen at %s", took, at, first)
		}
		b.pass(time.Second)
		go func() {
			time.Sleep(time.Minute)
			close(busy)
		}()
		if at, took := ask(); !at.After(first) || took != time.Minute {
			t.Errorf("after %s it answered what was seen at %s, want the look that was under way", took, at)
		}
	})
}

func TestAPanicOfALookIsAnError(t *testing.T) {
	b := put(t, &fakeMetrics{}, func(o *Options) { o.Checks = []Check{{"storage", true, func() error { panic("no") }}} })
	for range 2 {
		if code := b.get("/health", nil); code != http.StatusInternalServerError {
			t.Errorf("answered %d", code)
		}
	}
}

func TestCallersOfHealthShareOneLook(t *testing.T) {
	looks := 0 // Only ever touched by the one look.
	release := make(chan struct{})
	b := put(t, &fakeMetrics{newest: func() (time.Time, error) { looks++; <-release; return noon, nil }}, nil)
	var callers sync.WaitGroup
	for range 100 {
		callers.Go(func() {
			if code := b.get("/health", nil); code != http.StatusOK {
				t.Errorf("answered %d", code)
			}
		})
	}
	close(release)
	callers.Wait()
	if looks != 1 {
		t.Errorf("100 callers made %d looks", looks)
	}
}

func TestCallerOfHealthWhoLeavesSpoilsNothing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		release := make(chan struct{})
		b := put(t, &fakeMetrics{rules: func(ctx context.Context) ([]metrics.EvaluatedRule, error) {
			<-release
			return nil, ctx.Err()
		}}, nil)
		ctx, leave := context.WithCancel(t.Context())
		var callers sync.WaitGroup
		callers.Go(func() { b.do(request(t, http.MethodGet, Base+"/health").WithContext(ctx)).Body.Close() })
		synctest.Wait()
		leave()
		close(release)
		callers.Wait()
		var h healthForm
		if b.get("/health", &h); h.Status != "healthy" {
			t.Errorf("the next caller is told %+v", h)
		}
	})
}

func TestStatusWithoutComponents(t *testing.T) {
	var a struct {
		Data  []any `json:"data"`
		Count int   `json:"count"`
	}
	if code := put(t, &fakeMetrics{}, nil).get("/status", &a); code != http.StatusOK || len(a.Data) != 1 || a.Count != 1 {
		t.Errorf("answered %d %+v", code, a)
	}
}
