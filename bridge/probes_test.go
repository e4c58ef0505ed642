package bridge

import (
	"errors"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

func TestProbes(t *testing.T) {
	full := func() error { return errors.New("no space left on device") }
	fine := func() error { return nil }
	for name, tc := range map[string]struct {
		started bool
		checks  []Check
		ready   int
		says    string
	}{
		"starting":                  {ready: 503, says: "llmwatch is not ready: it is starting\n"},
		"started":                   {started: true, checks: []Check{{"storage", true, fine}}, ready: 200, says: "llmwatch is ready.\n"},
		"a full disk":               {started: true, checks: []Check{{"storage", true, full}}, ready: 503, says: "llmwatch is not ready: storage: no space left on device\n"},
		"something behind it fails": {started: true, checks: []Check{{"configuration", false, full}}, ready: 200, says: "llmwatch is ready.\n"},
	} {
		t.Run(name, func(t *testing.T) {
			p := NewProbes(time.Now)
			if tc.started {
				p.Started(tc.checks)
			}
			for _, method := range []string{http.MethodGet, http.MethodHead} {
				w := httptest.NewRecorder()
				p.Before(http.HandlerFunc(NotFound)).ServeHTTP(w, request(t, method, HealthyPath))
				if w.Code != http.StatusOK || w.Body.String() != "llmwatch is healthy.\n" {
					t.Errorf("%s %s answers %d %s", method, HealthyPath, w.Code, w.Body)
				}
				w = httptest.NewRecorder()
				p.Before(http.HandlerFunc(NotFound)).ServeHTTP(w, request(t, method, ReadyPath))
				if w.Code != tc.ready || w.Body.String() != tc.says || (w.Header().Get("Retry-After") != "") != (tc.ready == 503) {
					t.Errorf("%s %s answers %d %s %v", method, ReadyPath, w.Code, w.Body, w.Header())
				}
			}
		})
	}
}

func TestProbesLeaveOtherRequestsToTheNext(t *testing.T) {
	next := NewProbes(time.Now).Before(http.HandlerFunc(NotFound))
	long := request(t, http.MethodGet, HealthyPath)
	long.Body, long.ContentLength = http.NoBody, -1
	for name, r := range map[string]*http.Request{
		"another path":   request(t, http.MethodGet, HealthyPath+"/"),
		"another method": request(t, http.MethodPost, ReadyPath),
		"a body":         long,
	} {
		w := httptest.NewRecorder()
		if next.ServeHTTP(w, r); w.Code != http.StatusNotFound {
			t.Errorf("%s is answered %d", name, w.Code)
		}
	}
}

func TestProbesLookOnceASecond(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		looks := 0
		p := NewProbes(time.Now)
		p.Started([]Check{{"storage", true, func() error { looks++; return nil }}})
		for _, tc := range []struct {
			pass time.Duration
			want int
		}{{0, 1}, {0, 1}, {999 * time.Millisecond, 1}, {time.Millisecond, 2}} {
			time.Sleep(tc.pass)
			p.ServeHTTP(httptest.NewRecorder(), request(t, http.MethodGet, ReadyPath))
			if looks != tc.want {
				t.Errorf("it looked %d times, want %d", looks, tc.want)
			}
		}
	})
}

func TestHealthWithoutMetricsServer(t *testing.T) {
	for want, failure := range map[string]error{"healthy": nil, "degraded": errors.New("line 3")} {
		w, r := httptest.NewRecorder(), request(t, http.MethodGet, Base+"/health")
		Health([]Check{{"configuration", false, func() error { return failure }}}, nil).ServeHTTP(w, r)
		conforms(t, r, w.Result(), w.Body.Bytes())
		if !strings.HasPrefix(w.Body.String(), `{"status":"`+want+`",`) || w.Code != http.StatusOK || strings.Contains(w.Body.String(), "prometheus") {
			t.Errorf("answered %d %s", w.Code, w.Body)
		}
	}
}

func TestStartingConformsToTheDocument(t *testing.T) {
	for _, path := range []string{"/health", "/alerts"} {
		w, r := httptest.NewRecorder(), request(t, http.MethodGet, Base+path)
		Starting(w, r)
		conforms(t, r, w.Result(), w.Body.Bytes())
		if w.Code != http.StatusServiceUnavailable || w.Header().Get("Retry-After") != "1" || !strings.Contains(w.Body.String(), "starting") {
			t.Errorf("%s is answered %d %v %s", path, w.Code, w.Header(), w.Body)
		}
	}
}
