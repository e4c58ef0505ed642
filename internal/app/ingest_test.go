package app

import (
	"errors"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"llmwatch/internal/engine"
	"llmwatch/internal/quota"
)

func TestPushesBeyondTheQuota(t *testing.T) {
	cfg := listening(CommandServe)
	cfg.Limits.EventsPerSecond = 1   // 60 in a minute.
	cfg.Limits.LogBytesPerSecond = 1 // 60 in a minute.
	out, err := publish(cfg, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	cfg.Server.DataDir = t.TempDir()
	a := &App{logger: slog.New(slog.DiscardHandler)}
	l, err := a.startLogs(cfg, newOwnLog(slog.DiscardHandler), out.registry, out.ingest)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := a.stop(); err != nil {
			t.Error(err)
		}
	})
	post := func(h http.Handler, from, body string) *httptest.ResponseRecorder {
		r := httptest.NewRequestWithContext(t.Context(), http.MethodPost, "/", strings.NewReader(body))
		r.RemoteAddr = from + ":4711"
		w := httptest.NewRecorder()
		h.ServeHTTP(w, r)

		return w
	}
	for name, tc := range map[string]struct {
		handler    http.Handler
		body, code string
	}{
		"events": {out.receivers()["/metrics/api"], strings.Repeat(`{"endpoint":"/a","method":"GET","status_code":200,"response_time_ms":1}`+"\n", 100), "events_per_second"},
		"logs":   {l.receivers()["/logs"], strings.Repeat(`{"message":"hello"}`+"\n", 100), "log_bytes_per_second"},
	} {
		t.Run(name, func(t *testing.T) {
			if w := post(tc.handler, "10.0.0.1", tc.body); w.Code != http.StatusOK {
				t.Fatalf("the first request is answered %d %s", w.Code, w.Body)
			}
			w := post(tc.handler, "10.0.0.1", tc.body)
			if w.Code != http.StatusTooManyRequests || w.Header().Get("Retry-After") == "" || !strings.Contains(w.Body.String(), `"`+tc.code+`"`) {
				t.Errorf("the next is answered %d %s", w.Code, w.Body)
			}
			if w := post(tc.handler, "10.0.0.2", tc.body); w.Code != http.StatusOK {
				t.Errorf("another address is answered %d %s", w.Code, w.Body)
			}
		})
	}
	families, err := out.registry.Gather()
	if err != nil {
		t.Fatal(err)
	}
	counted := 0
	for _, f := range families {
		if f.GetName() == "llmwatch_ingest_refused_total" {
			counted = len(f.GetMetric())
		}
	}
	if counted != 2 {
		t.Errorf("%d reasons are counted", counted)
	}
}

func TestHealthOfScrapesThatAreNotStored(t *testing.T) {
	why := errors.New("out of order sample")
	own := &engine.Loss{Job: engine.SelfJob, Instance: "vm", Lost: 1, Kept: 100, Err: why}
	part := &engine.Loss{Job: "gpu", Instance: "gpu-1", Lost: 1, Kept: 100, Err: why}
	whole := &engine.Loss{Job: "gpu", Instance: "gpu-2", Lost: 100, Err: why}
	for name, tc := range map[string]struct {
		losses          []*engine.Loss
		fatal, degraded string
	}{
		"none":                    {nil, "", ""},
		"a part of our own":       {[]*engine.Loss{own}, "target vm of job llmwatch", ""},
		"a part of a target's":    {[]*engine.Loss{part}, "", "1 of its 101 samples are not stored"},
		"everything of a target":  {[]*engine.Loss{whole}, "target gpu-2 of job gpu answers scrapes, but none of its samples is stored", ""},
		"more than can be listed": {[]*engine.Loss{whole, whole, whole, whole, whole, whole, whole}, "and 3 more targets", ""},
	} {
		t.Run(name, func(t *testing.T) {
			checks := storageChecks(func() engine.Status { return engine.Status{Losses: tc.losses, Started: time.Now()} })
			for i, want := range []string{tc.fatal, tc.degraded} {
				err := checks[i].Run()
				if (err == nil) != (want == "") || err != nil && !strings.Contains(err.Error(), want) {
					t.Errorf("%s: got %v, want %q", checks[i].Name, err, want)
				}
			}
			if !checks[0].Fatal || checks[1].Fatal {
				t.Error("the wrong one is fatal")
			}
		})
	}
}

func TestPrincipals(t *testing.T) {
	var got quota.Principal
	h := known(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) { got = quota.PrincipalOf(r.Context()) }))
	r := httptest.NewRequestWithContext(t.Context(), http.MethodPost, "/", http.NoBody)
	r.RemoteAddr = "10.0.0.1:4711"
	h.ServeHTTP(httptest.NewRecorder(), r)
	if got != (quota.Principal{ID: "10.0.0.1", Label: quota.Anonymous}) {
		t.Errorf("got %+v", got)
	}
	h.ServeHTTP(httptest.NewRecorder(), r.WithContext(quota.WithPrincipal(r.Context(), quota.Principal{ID: "token/ci", Label: "ci"})))
	if got.ID != "token/ci" {
		t.Errorf("got %+v", got)
	}
}
