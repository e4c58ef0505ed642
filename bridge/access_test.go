package bridge

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"llmwatch/bridge/alert"
)

// fakeAccess lets in whoever comes with X-User, for what is in may.
type fakeAccess struct {
	may  []Need
	done []string // What was answered, by route.
}

func (f *fakeAccess) Admit(_ http.ResponseWriter, r *http.Request, route string, need Need) (Visit, error) {
	name := r.Header.Get("X-User")
	if name == "" {
		return Visit{}, &Error{http.StatusUnauthorized, CodeUnauthenticated, "who are you?"}
	}
	if need != NeedCaller && !slices.Contains(f.may, need) {
		return Visit{}, &Error{http.StatusForbidden, CodeForbidden, string(need)}
	}

	return Visit{
		Request: r,
		Caller:  &Caller{Name: name, Role: "operator", Permissions: []string{"read_metrics"}, CSRF: "csrf", Expires: noon},
		Done:    func(status int) { f.done = append(f.done, fmt.Sprintf("%s %d", route, status)) },
	}, nil
}

func (f *fakeAccess) Login(_ http.ResponseWriter, _ *http.Request, username, password string) (*Caller, error) {
	if password != "right" {
		return nil, &Error{http.StatusUnauthorized, CodeUnauthenticated, "wrong"}
	}

	return &Caller{Name: username, Role: "viewer", Permissions: []string{}}, nil
}

func (f *fakeAccess) Logout(http.ResponseWriter, *http.Request) error { return nil }

func guarded(t *testing.T, f *fakeAccess, mounts map[string]http.Handler) *bench {
	t.Helper()

	return put(t, &fakeMetrics{}, func(o *Options) {
		o.Access, o.Mounts = f, mounts
		o.Receivers = map[string]http.Handler{"/metrics/api": http.NotFoundHandler(), "/metrics/app": http.NotFoundHandler()}
	})
}

func ok(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, "served") }

func TestStrangersAreLetInNowhere(t *testing.T) {
	b := guarded(t, &fakeAccess{}, map[string]http.Handler{"/metrics": http.HandlerFunc(ok), "/prometheus/": http.HandlerFunc(ok)})
	open := []string{"GET " + Base + "/health", "HEAD " + Base + "/health", "POST " + Base + "/login"}
	paths := []string{"/", "/nothing", Base, Base + "/", Base + "/health/", "//metrics", "/metrics/", "/prometheus", "/prometheus/x/../api/v1/write"}
	for _, r := range Routes {
		paths = append(paths, r.Path)
	}
	for _, path := range paths {
		for _, method := range []string{"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE", "CONNECT", "BREW"} {
			w := httptest.NewRecorder()
			b.handler.ServeHTTP(w, request(t, method, path))
			if slices.Contains(open, method+" "+path) {
				if w.Code == http.StatusUnauthorized {
					t.Errorf("%s %s needs credentials", method, path)
				}
				continue
			}
			if w.Code != http.StatusUnauthorized {
				t.Errorf("%s %s answers a stranger with %d", method, path, w.Code)
			}
		}
	}
}

func TestStrangersNeitherWaitForATurnNorTakeOne(t *testing.T) {
	turns := 0
	b := put(t, &fakeMetrics{}, func(o *Options) {
		o.Access = &fakeAccess{may: []Need{NeedRead}}
		o.Turns = func(next http.Handler) http.Handler {
			return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				turns++
				next.ServeHTTP(w, r)
			})
		}
	})
	resp := b.do(request(t, http.MethodGet, Base+"/logs/search"))
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusUnauthorized || turns != 0 {
		t.Errorf("a stranger is answered %d after %d turns", resp.StatusCode, turns)
	}
	r := request(t, http.MethodGet, Base+"/logs/search")
	r.Header.Set("X-User", "ada")
	resp = b.do(r)
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK || turns != 1 {
		t.Errorf("a caller is answered %d after %d turns", resp.StatusCode, turns)
	}
}

func TestEachMethodHasItsNeed(t *testing.T) {
	f := &fakeAccess{may: []Need{NeedIngest}}
	b := guarded(t, f, map[string]http.Handler{"/prometheus/": http.HandlerFunc(ok)})
	for request, want := range map[string]int{
		"GET " + Base + "/metrics/api":              403,
		"HEAD " + Base + "/metrics/api":             403,
		"POST " + Base + "/metrics/api":             404, // The receiver's own answer.
		"GET /prometheus/api/v1/query":              403,
		"POST /prometheus/api/v1/write":             200,
		"POST /prometheus/api/v1/otlp/v1/metrics":   200,
		"GET /prometheus/metrics":                   403,
		"POST /prometheus/api/v1/write/":            200, // Whatever is mounted there says that there is nothing.
		"DELETE /prometheus/api/v1/series":          405,
		"DELETE " + Base + "/metrics/api":           405,
		"GET " + Base + "/session":                  200,
		"GET /nothing":                              404,
		"POST " + Base + "/alerts/some/acknowledge": 403,
	} {
		method, path, _ := strings.Cut(request, " ")
		r := httptest.NewRequestWithContext(t.Context(), method, path, http.NoBody)
		r.Header.Set("X-User", "shipper")
		w := httptest.NewRecorder()
		b.handler.ServeHTTP(w, r)
		if w.Code != want {
			t.Errorf("%s answers %d, want %d: %s", request, w.Code, want, w.Body)
		}
	}
	if !slices.Contains(f.done, "/prometheus/api/v1/write 200") || !slices.Contains(f.done, "unmatched 404") {
		t.Errorf("what was answered is told as %v", f.done)
	}
}

func TestRoutesOutsideTheTableAreNotServed(t *testing.T) {
	store, manager := alerting(t)
	for name, change := range map[string]func(*Options){
		"/-/secret is not":         func(o *Options) { o.Mounts = map[string]http.Handler{"/-/secret": http.NotFoundHandler()} },
		"POST " + Base + "/status": func(o *Options) { o.Receivers = map[string]http.Handler{"/status": http.NotFoundHandler()} },
		Base + "/new is not":       func(o *Options) { o.Receivers = map[string]http.Handler{"/new": http.NotFoundHandler()} },
	} {
		func() {
			defer func() {
				if text, _ := recover().(string); !strings.Contains(text, "bridge/routes.go") || !strings.Contains(text, strings.TrimSuffix(name, " is not")) {
					t.Errorf("%s: New panics with %q", name, text)
				}
			}()
			opts := Options{Metrics: &fakeMetrics{}, Alerts: manager, AlertStore: store, Registerer: prometheus.NewRegistry(), Logger: slog.New(slog.DiscardHandler)}
			change(&opts)
			New(opts)
		}()
	}
}

func TestPageAsksStrangersToLogIn(t *testing.T) {
	page := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/" && r.Header.Get("If-None-Match") != "" {
			w.WriteHeader(http.StatusNotModified)
			return
		}
		w.Header().Set("Content-Type", "text/html")
		fmt.Fprint(w, "page at "+r.URL.Path)
	})
	b := put(t, &fakeMetrics{}, func(o *Options) {
		o.Access = &fakeAccess{may: []Need{NeedRead}}
		o.Mounts = map[string]http.Handler{"/": page}
		o.tableOfTest = []Route{{"/", get(NeedPage)}}
	})
	for name, tc := range map[string]struct {
		path, accept string
		status       int
		body         string
	}{
		"the first document":   {"/", "text/html", 200, "page at /"},
		"a link into the page": {"/alerts", "text/html,*/*", 401, "page at /"},
		"a program":            {"/alerts", "*/*", 401, `"code":"unauthenticated"`},
	} {
		r := request(t, http.MethodGet, tc.path)
		r.Header.Set("Accept", tc.accept)
		if tc.path != "/" {
			r.Header.Set("If-None-Match", "known")
		}
		resp := b.do(r)
		body, err := io.ReadAll(resp.Body)
		resp.Body.Close()
		if err != nil || resp.StatusCode != tc.status || !strings.Contains(string(body), tc.body) {
			t.Errorf("%s is answered with %d %s, want %d %s", name, resp.StatusCode, body, tc.status, tc.body)
		}
	}
}

func TestSession(t *testing.T) {
	on, off := guarded(t, &fakeAccess{may: []Need{NeedRead}}, nil), put(t, &fakeMetrics{}, nil)
	var got struct {
		Data sessionView `json:"data"`
	}
	if code := off.get("/session", &got); code != 200 || got.Data.Authentication != "off" || len(got.Data.Permissions) != 6 {
		t.Errorf("without authentication the session is %d %+v", code, got)
	}
	send := func(b *bench, path, body string, header ...string) (int, string) {
		r := httptest.NewRequestWithContext(t.Context(), http.MethodPost, Base+path, strings.NewReader(body))
		r.Header.Set("Content-Type", "application/json")
		for i := 0; i < len(header); i += 2 {
			r.Header.Set(header[i], header[i+1])
		}
		resp := b.do(r)
		defer resp.Body.Close()
		text, err := io.ReadAll(resp.Body)
		if err != nil {
			t.Fatal(err)
		}

		return resp.StatusCode, string(text)
	}
	right := `{"username": "ada", "password": "right"}`
	for name, tc := range map[string]struct {
		b          *bench
		path, body string
		header     []string
		status     int
		says       string
	}{
		"right":                  {on, "/login", right, nil, 200, `"name":"ada","role":"viewer"`},
		"wrong":                  {on, "/login", `{"username": "ada", "password": "left"}`, nil, 401, "unauthenticated"},
		"nothing":                {on, "/login", `{}`, nil, 400, "username and password"},
		"not repeated":           {on, "/login", `{"password": hunter2`, nil, 400, "username and password"},
		"a form":                 {on, "/login", right, []string{"Content-Type", "text/plain"}, 415, "application/json"},
		"from another origin":    {on, "/login", right, []string{"Sec-Fetch-Site", "cross-site"}, 403, "another origin"},
		"where it is off":        {off, "/login", right, nil, 404, "authentication is off"},
		"logout":                 {on, "/logout", "", []string{"X-User", "ada"}, 200, "Logged out"},
		"logout of strangers":    {on, "/logout", "", nil, 401, "who are you"},
		"logout where it is off": {off, "/logout", "", nil, 404, "authentication is off"},
	} {
		if status, body := send(tc.b, tc.path, tc.body, tc.header...); status != tc.status || !strings.Contains(body, tc.says) || strings.Contains(body, "hunter2") {
			t.Errorf("%s: %d %s, want %d %s", name, status, body, tc.status, tc.says)
		}
	}
}

func TestWhoIsKnownSignsForItself(t *testing.T) {
	b := guarded(t, &fakeAccess{may: []Need{NeedAcknowledge, NeedRead}}, nil)
	err := b.manager.Observe(t.Context(), alert.Snapshot{Alerts: []alert.Seen{{Labels: map[string]string{"alertname": "hot"}, StartsAt: time.Now()}}})
	if err != nil {
		t.Fatal(err)
	}
	open, err := b.store.Load(t.Context(), time.Now())
	if err != nil || len(open) != 1 {
		t.Fatalf("open alerts %v, error %v", open, err)
	}
	r := httptest.NewRequestWithContext(t.Context(), http.MethodPost, Base+"/alerts/"+open[0].ID+"/acknowledge", strings.NewReader(`{"acknowledged_by": "mallory"}`))
	r.Header.Set("X-User", "ada")
	b.do(r).Body.Close()
	found, err := b.store.Alerts(t.Context(), []string{open[0].ID})
	if err != nil || len(found) != 1 || found[0].Ack == nil || found[0].Ack.By != "ada" {
		text, _ := json.Marshal(found)
		t.Errorf("the alert is %s, error %v; want it acknowledged by ada", text, err)
	}
}

func TestStreamEndsWithTheRight(t *testing.T) {
	ctx, revoke := context.WithCancelCause(t.Context())
	b := put(t, &fakeMetrics{}, func(o *Options) { o.Access = letIn{ctx} })
	outside := httptest.NewServer(b.handler)
	defer outside.Close()
	resp, err := outside.Client().Get(outside.URL + Base + "/events")
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	revoke(errors.New("revoked"))
	if _, err := io.ReadAll(resp.Body); err != nil { // Hangs if the stream goes on.
		t.Errorf("the stream ends with %v", err)
	}
}

// letIn lets everybody in until its context ends.
type letIn struct{ ctx context.Context }

func (e letIn) Admit(_ http.ResponseWriter, r *http.Request, _ string, _ Need) (Visit, error) {
	return Visit{Request: r.WithContext(e.ctx), Caller: &Caller{Name: "ada"}, Done: func(int) {}}, nil
}

func (letIn) Login(http.ResponseWriter, *http.Request, string, string) (*Caller, error) {
	return nil, errors.New("no login")
}

func (letIn) Logout(http.ResponseWriter, *http.Request) error { return nil }
