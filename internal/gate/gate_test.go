package gate

import (
	"bufio"
	"bytes"
	"compress/gzip"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"os"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"
	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

var errStalled = errors.New("stalled")

// statuses are how the tests answer.
var statuses = map[Refusal]int{
	TooFast: 429, TooManyQueries: 503, TooManyOfOne: 503, BodyTooLarge: 413, DecodedTooLarge: 413, WrongHost: 403, WrongOrigin: 403, BadBody: 400,
}

// newGate returns a gate that answers a refusal with its reason.
func newGate(change func(*Options)) *Gate {
	o := Options{
		Config: DefaultConfig(),
		Kind: func(r *http.Request) Kind {
			return map[string]Kind{"/query": Query, "/export": Export}[r.URL.Path]
		},
		Refuse: func(w http.ResponseWriter, _ *http.Request, why Refusal, message string) {
			http.Error(w, string(why)+": "+message, statuses[why])
		},
		Stalled: errStalled,
	}
	if change != nil {
		change(&o)
	}

	return New(o)
}

// refusals are the counts of a gate.
func refusals(g *Gate, why Refusal) float64 {
	return testutil.ToFloat64(g.refused.WithLabelValues(string(why)))
}

// ok answers everything.
var ok = http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, "ok") })

// ask sends a request through a gate.
func ask(g *Gate, next http.Handler, change func(*http.Request)) *httptest.ResponseRecorder {
	r := httptest.NewRequest(http.MethodGet, "http://localhost:5000/", http.NoBody)
	if change != nil {
		change(r)
	}
	w := httptest.NewRecorder()
	g.Wrap(g.Turns(next)).ServeHTTP(w, r)

	return w
}

func TestEveryAnswerIsProtected(t *testing.T) {
	g := newGate(func(o *Options) { o.Hosts = []string{"llmwatch.example.com"} })
	for name, host := range map[string]string{"an answer": "localhost", "a refusal": "evil.example.com"} {
		h := ask(g, ok, func(r *http.Request) { r.Host = host }).Header()
		for header, want := range ProtectiveHeaders {
			if h.Get(header) != want[0] {
				t.Errorf("%s has %s %q", name, header, h.Get(header))
			}
		}
		if csp := h.Get("Content-Security-Policy"); strings.Contains(csp, "unsafe") || !strings.Contains(csp, "script-src 'self'") || !strings.Contains(csp, "frame-ancestors 'none'") {
			t.Errorf("%s has the policy %s", name, csp)
		}
		if h.Get("Strict-Transport-Security") != "" {
			t.Errorf("%s without TLS insists on it", name)
		}
	}
	server := httptest.NewTLSServer(newGate(nil).Wrap(ok))
	defer server.Close()
	resp, err := server.Client().Get(server.URL)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	if got := resp.Header.Get("Strict-Transport-Security"); got != "max-age=31536000" {
		t.Errorf("with TLS it is %q", got)
	}
}

func TestHosts(t *testing.T) {
	g := newGate(func(o *Options) { o.Hosts = []string{"llmwatch.example.com", "0.0.0.0"} })
	for host, want := range map[string]int{
		"localhost": 200, "localhost:5000": 200, "LocalHost:5000": 200, "llmwatch.localhost:5000": 200, "127.0.0.1": 200, "127.9.9.9:1": 200,
		"[::1]:5000": 200, "[::1]": 200, "llmwatch.example.com": 200, "LLMWATCH.example.com:443": 200, "10.0.0.7:5000": 200,
		// No name was made to point here: a probe of a pod, a scrape by address.
		"10.0.0.8": 200, "[2001:db8::2]:5000": 200, "192.168.0.1:5000": 200, "": 200,
		"evil.example.com": 403, "evil.example.com:5000": 403, "localhost.evil.example.com": 403, "127.0.0.1.evil.example.com": 403,
		"localhost.": 403, "127.1": 403, "2130706433": 403,
		// This machine under another name, where browsers do not say who asks.
		"0.0.0.0:5000": 403, "[::]:5000": 403, "[::ffff:7f00:1]:5000": 403, "[::ffff:127.0.0.1]": 403,
	} {
		if w := ask(g, ok, func(r *http.Request) { r.Host = host }); w.Code != want {
			t.Errorf("host %q is answered %d %s, want %d", host, w.Code, w.Body, want)
		}
	}
	if refusals(g, WrongHost) != 11 {
		t.Errorf("it counts %v refusals", refusals(g, WrongHost))
	}
	if w := ask(newGate(func(o *Options) { o.Hosts = []string{"*"} }), ok, func(r *http.Request) { r.Host = "anything.example.com" }); w.Code != http.StatusOK {
		t.Errorf("where all are permitted it answers %d", w.Code)
	}
	if w := ask(newGate(nil), ok, func(r *http.Request) { r.Host = "anything.example.com" }); w.Code != http.StatusOK {
		t.Errorf("without hosts it answers %d", w.Code)
	}
}

func TestOrigins(t *testing.T) {
	g := newGate(func(o *Options) { o.Origins = []string{"https://grafana.example.com"} })
	for _, tc := range []struct {
		method, origin, site string
		want                 int
	}{
		{"GET", "", "", 200},
		{"POST", "", "", 200},          // A program.
		{"GET", "", "cross-site", 403}, // An image elsewhere.
		{"POST", "", "same-origin", 200},
		{"POST", "", "none", 200},
		{"POST", "", "cross-site", 403}, // A form elsewhere.
		{"DELETE", "", "same-site", 403},
		{"GET", "http://localhost:5000", "same-origin", 200},
		{"POST", "https://localhost:5000", "", 200}, // Behind a proxy with TLS.
		{"POST", "http://LOCALHOST:5000", "", 200},
		{"GET", "http://localhost:8080", "", 403},
		{"GET", "http://localhost", "", 403},
		{"GET", "null", "", 403},
		{"POST", "http://evil.example.com", "cross-site", 403},
		{"POST", "http://evil.example.com", "same-origin", 403},
		{"OPTIONS", "http://evil.example.com", "", 403},
		{"POST", "://", "", 403},
		{"GET", "https://grafana.example.com", "cross-site", 200},
		{"POST", "https://grafana.example.com", "cross-site", 200},
		{"GET", "http://grafana.example.com", "", 403},
		{"GET", "https://grafana.example.com.evil.example.com", "", 403},
	} {
		w := ask(g, ok, func(r *http.Request) {
			r.Method = tc.method
			for name, value := range map[string]string{"Origin": tc.origin, "Sec-Fetch-Site": tc.site} {
				if value != "" {
					r.Header.Set(name, value)
				}
			}
		})
		if w.Code != tc.want {
			t.Errorf("%s from %q (%s) is answered %d %s, want %d", tc.method, tc.origin, tc.site, w.Code, w.Body, tc.want)
		}
		allowed := tc.origin == "https://grafana.example.com"
		if got := w.Header().Get("Access-Control-Allow-Origin"); (got == tc.origin) != allowed && got != "" {
			t.Errorf("%s from %q is allowed %q", tc.method, tc.origin, got)
		}
	}
	preflight := ask(g, http.NotFoundHandler(), func(r *http.Request) {
		r.Method = http.MethodOptions
		r.Header.Set("Origin", "https://grafana.example.com")
		r.Header.Set("Access-Control-Request-Method", "POST")
	})
	if preflight.Code != http.StatusNoContent || !strings.Contains(preflight.Header().Get("Access-Control-Allow-Headers"), "Authorization") ||
		preflight.Header().Get("Access-Control-Allow-Credentials") != "" {
		t.Errorf("a preflight is answered %d %v", preflight.Code, preflight.Header())
	}
}

// TestWhatPagesOfOthersCause tells images, frames and scripts of other sites from
// links that people follow, and from programs.
func TestWhatPagesOfOthersCause(t *testing.T) {
	g := newGate(func(o *Options) {
		o.Origins = []string{"https://grafana.example.com"}
		o.Document = func(r *http.Request) bool { return r.URL.Path == "/" }
	})
	type headers map[string]string
	link := headers{"Sec-Fetch-Site": "cross-site", "Sec-Fetch-Mode": "navigate", "Sec-Fetch-Dest": "document"}
	older := headers{"Referer": "https://evil.example.com/cats", "Accept": "text/html,application/xhtml+xml,*/*;q=0.8"}
	for name, tc := range map[string]struct {
		method, path string
		headers      headers
		want         int
	}{
		"a program":                                {"GET", "/query", nil, 200},
		"a program that names our page":            {"GET", "/query", headers{"Referer": "http://localhost:5000/logs"}, 200},
		"our page":                                 {"GET", "/query", headers{"Sec-Fetch-Site": "same-origin", "Sec-Fetch-Mode": "cors", "Sec-Fetch-Dest": "empty"}, 200},
		"an address that is typed":                 {"GET", "/query", headers{"Sec-Fetch-Site": "none", "Sec-Fetch-Mode": "navigate", "Sec-Fetch-Dest": "document"}, 200},
		"a link to the page":                       {"GET", "/", link, 200},
		"a link to the page of a sibling":          {"GET", "/", headers{"Sec-Fetch-Site": "same-site", "Sec-Fetch-Mode": "navigate", "Sec-Fetch-Dest": "document"}, 200},
		"a link to a query":                        {"GET", "/query", link, 403},
		"a link to an export":                      {"GET", "/export", link, 403},
		"a form":                                   {"POST", "/", link, 403},
		"a frame":                                  {"GET", "/", headers{"Sec-Fetch-Site": "cross-site", "Sec-Fetch-Mode": "navigate", "Sec-Fetch-Dest": "iframe"}, 403},
		"an image":                                 {"GET", "/query", headers{"Sec-Fetch-Site": "cross-site", "Sec-Fetch-Mode": "no-cors", "Sec-Fetch-Dest": "image"}, 403},
		"an image of the page":                     {"GET", "/", headers{"Sec-Fetch-Site": "cross-site", "Sec-Fetch-Mode": "no-cors", "Sec-Fetch-Dest": "image"}, 403},
		"a script of another port":                 {"GET", "/query", headers{"Sec-Fetch-Site": "same-site", "Sec-Fetch-Mode": "no-cors", "Sec-Fetch-Dest": "script"}, 403},
		"a word that does not exist yet":           {"GET", "/query", headers{"Sec-Fetch-Site": "near-site"}, 403},
		"an image of a permitted page":             {"GET", "/query", headers{"Sec-Fetch-Site": "cross-site", "Referer": "https://grafana.example.com/d/1"}, 403},
		"a call of a permitted page":               {"GET", "/query", headers{"Sec-Fetch-Site": "cross-site", "Origin": "https://grafana.example.com"}, 200},
		"an older browser's image":                 {"GET", "/query", headers{"Referer": "https://evil.example.com/cats", "Accept": "image/webp,*/*"}, 403},
		"an older browser's image of the page":     {"GET", "/", headers{"Referer": "https://evil.example.com/cats", "Accept": "image/webp,*/*"}, 403},
		"an older browser's link":                  {"GET", "/", older, 200},
		"an older browser's link to a query":       {"GET", "/query", older, 403},
		"an older browser's form":                  {"POST", "/", older, 403},
		"an older browser's image of Grafana":      {"GET", "/query", headers{"Referer": "https://grafana.example.com/d/1"}, 200},
		"a referrer that is no address":            {"GET", "/query", headers{"Referer": "about:client"}, 200},
		"a referrer of our host on another port":   {"GET", "/query", headers{"Referer": "http://localhost:8080/"}, 403},
		"a referrer of a name that begins as ours": {"GET", "/query", headers{"Referer": "http://localhost:5000.evil.example.com/"}, 403},
	} {
		w := ask(g, ok, func(r *http.Request) {
			r.Method, r.URL.Path = tc.method, tc.path
			for header, value := range tc.headers {
				r.Header.Set(header, value)
			}
		})
		if w.Code != tc.want || tc.want == http.StatusForbidden && !strings.Contains(w.Body.String(), "allowed_origins") {
			t.Errorf("%s is answered %d %s, want %d", name, w.Code, w.Body, tc.want)
		}
	}
}

func TestOneClientDoesNotUseUpTheOthersRequests(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := newGate(func(o *Options) { o.RequestsPerSecond = 10 })
		from := func(address string) int {
			return ask(g, ok, func(r *http.Request) { r.RemoteAddr = address }).Code
		}
		for i := range 20 {
			if got := from(fmt.Sprintf("10.0.0.1:%d", 1000+i)); got != http.StatusOK {
				t.Fatalf("request %d is answered %d", i, got)
			}
		}
		w := ask(g, ok, func(r *http.Request) { r.RemoteAddr = "10.0.0.1:9" })
		if w.Code != http.StatusTooManyRequests || w.Header().Get("Retry-After") != "1" || refusals(g, TooFast) != 1 {
			t.Errorf("too many are answered %d %v", w.Code, w.Header())
		}
		if got := from("10.0.0.2:1000"); got != http.StatusOK {
			t.Errorf("another client is answered %d", got)
		}
		time.Sleep(time.Second)
		if got := from("10.0.0.1:1000"); got != http.StatusOK {
			t.Errorf("a second later it is answered %d", got)
		}
	})
}

func TestClientsAreBounded(t *testing.T) {
	c := newClients(1)
	now := time.Now()
	for i := range maxClients {
		c.allow(netip.AddrFrom4([4]byte{10, byte(i >> 16), byte(i >> 8), byte(i)}), now)
	}
	stranger, late := netip.MustParseAddr("192.0.2.1"), netip.MustParseAddr("192.0.2.2")
	if !c.allow(stranger, now) || !c.allow(late, now) || c.allow(stranger, now) || len(c.known) != maxClients {
		t.Errorf("strangers do not share one budget; %d are known", len(c.known))
	}
	if later := now.Add(forgetAfter); !c.allow(stranger, later) || len(c.known) != 1 {
		t.Errorf("%d are known after they were silent", len(c.known))
	}
	if !newClients(0).allow(stranger, now) {
		t.Error("without a bound somebody is refused")
	}
}

func TestAddresses(t *testing.T) {
	for remote, want := range map[string]string{
		"10.0.0.1:5000": "10.0.0.1", "[::ffff:10.0.0.1]:5000": "10.0.0.1", "[2001:db8:1:2:3:4:5:6]:5000": "2001:db8:1:2::",
		"[fe80::1%eth0]:5000": "fe80::",
	} {
		if got := AddressOf(&http.Request{RemoteAddr: remote}); got.String() != want {
			t.Errorf("%s counts as %s, want %s", remote, got, want)
		}
	}
	if AddressOf(&http.Request{RemoteAddr: "@"}).IsValid() {
		t.Error("something that is no address counts as one")
	}
}

func TestQueriesWaitForTheirTurn(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := newGate(func(o *Options) { o.ConcurrentQueries, o.QueryWait = 1, 5*time.Second })
		release := make(chan struct{})
		slow := http.HandlerFunc(func(http.ResponseWriter, *http.Request) { <-release })
		query := func(r *http.Request) { r.URL.Path = "/query" }
		var first sync.WaitGroup
		first.Go(func() { ask(g, slow, query) })
		synctest.Wait()
		if w := ask(g, ok, nil); w.Code != http.StatusOK {
			t.Errorf("what is no query is answered %d", w.Code)
		}
		if w := ask(g, ok, func(r *http.Request) { r.URL.Path = "/export" }); w.Code != http.StatusOK {
			t.Errorf("an export is answered %d", w.Code)
		}
		begin := time.Now()
		w := ask(g, ok, query)
		if took := time.Since(begin); w.Code != http.StatusServiceUnavailable || w.Header().Get("Retry-After") != "1" || took != 5*time.Second || refusals(g, TooManyQueries) != 1 {
			t.Errorf("a query too many is answered %d after %s", w.Code, took)
		}
		gone := func(r *http.Request) {
			query(r)
			ctx, cancel := context.WithCancel(r.Context())
			cancel()
			*r = *r.WithContext(ctx)
		}
		if w := ask(g, ok, gone); w.Body.Len() > 0 || refusals(g, TooManyQueries) != 1 {
			t.Errorf("a client that has gone is answered %s", w.Body)
		}
		var second sync.WaitGroup
		second.Go(func() {
			if w := ask(g, ok, query); w.Code != http.StatusOK {
				t.Errorf("a query that waited is answered %d", w.Code)
			}
		})
		synctest.Wait()
		close(release)
		first.Wait()
		second.Wait()
	})
}

// serve serves a handler behind a gate on a real port.
func serve(t *testing.T, g *Gate, next http.Handler) (address string) {
	t.Helper()

	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	server := &http.Server{Handler: g.Wrap(next), ReadHeaderTimeout: time.Second}
	done := make(chan struct{})
	go func() {
		_ = server.Serve(g.Listener(l)) // It ends with Close.
		close(done)
	}()
	t.Cleanup(func() {
		_ = server.Close()
		<-done
	})

	return l.Addr().String()
}

// TestWhoDawdlesGivesWay has all turns held by clients who read nothing.
func TestWhoDawdlesGivesWay(t *testing.T) {
	g := newGate(func(o *Options) { o.ConcurrentQueries, o.QueryWait = 1, 4*dawdle })
	ended := make(chan error, 1)
	address := serve(t, g, g.Turns(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.RawQuery == "" {
			fmt.Fprint(w, "ok")
			return
		}
		for {
			if _, err := w.Write(make([]byte, 1<<20)); err != nil {
				ended <- err
				return
			}
		}
	})))
	dial(t, address, "GET /export?all HTTP/1.1\r\nHost: localhost\r\n\r\n")
	select {
	case err := <-ended:
		t.Fatalf("it is cut although nobody waits: %v", err)
	case <-time.After(100 * time.Millisecond):
	}
	begin := time.Now()
	resp, err := http.Get("http://" + address + "/export")
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	if took := time.Since(begin); resp.StatusCode != http.StatusOK || took > 3*dawdle {
		t.Errorf("who waits is answered %d after %s", resp.StatusCode, took)
	}
	if err := <-ended; err == nil || refusals(g, TooSlow) != 1 {
		t.Errorf("it ends with %v, and %g are counted", err, refusals(g, TooSlow))
	}
	http.DefaultClient.CloseIdleConnections()
}

func dial(t *testing.T, address, text string) (net.Conn, *bufio.Reader) {
	t.Helper()

	conn, err := net.Dial("tcp", address)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	if _, err := io.WriteString(conn, text); err != nil {
		t.Fatal(err)
	}

	return conn, bufio.NewReader(conn)
}

func TestBodiesThatStallAreCutAndBlockNobody(t *testing.T) {
	g := newGate(func(o *Options) { o.StallTimeout = 200 * time.Millisecond })
	ended := make(chan error, 100)
	address := serve(t, g, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Method == http.MethodPost {
			_, err := io.Copy(io.Discard, r.Body)
			ended <- err
		}
		fmt.Fprint(w, "ok")
	}))
	for range cap(ended) {
		dial(t, address, "POST / HTTP/1.1\r\nHost: localhost\r\nContent-Length: 1000\r\n\r\nx")
	}
	begin := time.Now()
	resp, err := http.Get("http://" + address)
	if err != nil {
		t.Fatal(err)
	}
	resp.Body.Close()
	if took := time.Since(begin); took > 150*time.Millisecond {
		t.Errorf("beside stalled bodies a request took %s", took)
	}
	http.DefaultClient.CloseIdleConnections()
	for range cap(ended) {
		if err := <-ended; !errors.Is(err, errStalled) {
			t.Fatalf("a stalled body ends with %v", err)
		}
	}
	if got := refusals(g, TooSlow); got != float64(cap(ended)) {
		t.Errorf("%v are counted", got)
	}
}

func TestSlowButSteadyBodiesAreTaken(t *testing.T) {
	g := newGate(func(o *Options) { o.StallTimeout = 300 * time.Millisecond })
	address := serve(t, g, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		n, err := io.Copy(io.Discard, r.Body)
		fmt.Fprint(w, n, err)
		// The deadline of the body must not end the request.
		select {
		case <-r.Context().Done():
			t.Error("the request ended")
		case <-time.After(400 * time.Millisecond):
		}
	}))
	conn, answer := dial(t, address, "POST / HTTP/1.1\r\nHost: localhost\r\nContent-Length: 8192\r\n\r\n")
	for range 8 { // 10 kB a second for three times the timeout.
		time.Sleep(100 * time.Millisecond)
		if _, err := conn.Write(make([]byte, 1024)); err != nil {
			t.Fatal(err)
		}
	}
	resp, err := http.ReadResponse(answer, nil)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	if body, _ := io.ReadAll(resp.Body); string(body) != "8192 <nil>" {
		t.Errorf("the handler read %s", body)
	}
}

func TestReadersThatStallAreCut(t *testing.T) {
	g := newGate(func(o *Options) { o.StallTimeout = 200 * time.Millisecond })
	ended := make(chan error, 1)
	address := serve(t, g, http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		var err error
		for piece := make([]byte, 32<<10); err == nil; {
			_, err = w.Write(piece)
		}
		ended <- err
	}))
	dial(t, address, "GET / HTTP/1.1\r\nHost: localhost\r\n\r\n")
	select {
	case err := <-ended:
		if !errors.Is(err, os.ErrDeadlineExceeded) {
			t.Errorf("the handler ends with %v", err)
		}
	case <-time.After(60 * time.Second):
		t.Error("the handler still writes")
	}
}

func TestStreamsMayPause(t *testing.T) {
	g := newGate(func(o *Options) { o.StallTimeout = 50 * time.Millisecond })
	address := serve(t, g, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		for i := range 3 {
			fmt.Fprintln(w, i)
			w.(http.Flusher).Flush() //nolint:forcetypeassert // Streams look for it so.
			select {
			case <-r.Context().Done():
				t.Error("the stream ended")
			case <-time.After(200 * time.Millisecond):
			}
		}
	}))
	resp, err := http.Get("http://" + address)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	defer http.DefaultClient.CloseIdleConnections()
	if body, err := io.ReadAll(resp.Body); string(body) != "0\n1\n2\n" || err != nil {
		t.Errorf("it reads %q (%v)", body, err)
	}
}

func TestConnectionsTooManyAreAnswered(t *testing.T) {
	g := newGate(func(o *Options) { o.MaxConnections = 2 })
	address := serve(t, g, ok)
	first, _ := dial(t, address, "GET / HTTP/1.1\r\nHost: localhost\r\n\r\n")
	if _, err := first.Read(make([]byte, 1)); err != nil {
		t.Fatal(err)
	}
	second, _ := dial(t, address, "GET / HTTP/1.1\r\nHost: localhost\r\n\r\n")
	if _, err := second.Read(make([]byte, 1)); err != nil {
		t.Fatal(err)
	}
	third, err := net.Dial("tcp", address)
	if err != nil {
		t.Fatal(err)
	}
	defer third.Close()
	resp, err := http.ReadResponse(bufio.NewReader(third), nil)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err != nil || resp.StatusCode != http.StatusServiceUnavailable || resp.Header.Get("Retry-After") != "1" || !strings.Contains(string(body), `"code":"connections"`) || refusals(g, TooManyConns) != 1 {
		t.Errorf("a connection too many is answered %d %s (%v)", resp.StatusCode, body, err)
	}
	first.Close()
	for g.open.Load() > 1 {
		time.Sleep(time.Millisecond)
	}
	if resp, err := http.Get("http://" + address); err != nil || resp.StatusCode != http.StatusOK {
		t.Errorf("after one was closed: %v", err)
	} else {
		resp.Body.Close()
	}
	http.DefaultClient.CloseIdleConnections()
}

func TestConnectionsOfOneAddressAreBounded(t *testing.T) {
	g := newGate(func(o *Options) { o.MaxConnectionsPerAddress = 2 })
	address := serve(t, g, ok)
	_, port, err := net.SplitHostPort(address)
	if err != nil {
		t.Fatal(err)
	}
	from := func(ip string) *http.Client {
		dialer := &net.Dialer{LocalAddr: &net.TCPAddr{IP: net.ParseIP(ip)}}
		transport := &http.Transport{DialContext: dialer.DialContext, DisableKeepAlives: true}

		return &http.Client{Transport: transport}
	}
	first, _ := dial(t, address, "")
	dial(t, address, "")
	for range 200 { // The kernel accepts before the gate does.
		if g.open.Load() == 2 {
			break
		}
		time.Sleep(time.Millisecond)
	}
	resp, err := from("127.0.0.1").Get("http://" + address)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err != nil || resp.StatusCode != http.StatusServiceUnavailable || resp.Header.Get("Retry-After") != "1" || !strings.Contains(string(body), `"code":"connections_of_address"`) || refusals(g, TooManyOfOne) != 1 {
		t.Errorf("a connection too many is answered %d %s (%v)", resp.StatusCode, body, err)
	}
	if resp, err := from("127.0.0.2").Get("http://127.0.0.1:" + port); err != nil || resp.StatusCode != http.StatusOK {
		t.Errorf("another address: %v", err)
	} else {
		resp.Body.Close()
	}
	first.Close()
	for g.open.Load() > 1 {
		time.Sleep(time.Millisecond)
	}
	if resp, err := from("127.0.0.1").Get("http://" + address); err != nil || resp.StatusCode != http.StatusOK {
		t.Errorf("after one was closed: %v", err)
	} else {
		resp.Body.Close()
	}
}

// TestRequestsOfOneAddressAreBounded is for HTTP/2, which has many on one
// connection.
func TestRequestsOfOneAddressAreBounded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := newGate(func(o *Options) { o.MaxConnectionsPerAddress = 2 })
		from := func(address string, next http.Handler) int {
			return ask(g, next, func(r *http.Request) { r.RemoteAddr = address }).Code
		}
		release := make(chan struct{})
		slow := http.HandlerFunc(func(http.ResponseWriter, *http.Request) { <-release })
		var held sync.WaitGroup
		for range 2 {
			held.Go(func() { from("10.0.0.1:1", slow) })
		}
		synctest.Wait()
		if got := from("10.0.0.1:2", ok); got != http.StatusServiceUnavailable || refusals(g, TooManyOfOne) != 1 {
			t.Errorf("a request too many is answered %d", got)
		}
		if got := from("10.0.0.2:1", ok); got != http.StatusOK {
			t.Errorf("another address is answered %d", got)
		}
		close(release)
		held.Wait()
		if got := from("10.0.0.1:2", ok); got != http.StatusOK || len(g.working.has) != 0 {
			t.Errorf("afterwards it is answered %d, and %d are remembered", got, len(g.working.has))
		}
	})
}

func TestBodiesAreBounded(t *testing.T) {
	g := newGate(nil)
	read := g.Bodies(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		n, err := io.Copy(io.Discard, r.Body)
		fmt.Fprint(w, n, " ", err, " ", r.ContentLength, " ", r.Header.Get("Content-Encoding"))
	}))
	packed := func(size int) []byte {
		var b bytes.Buffer
		z := gzip.NewWriter(&b)
		if _, err := z.Write(make([]byte, size)); err != nil {
			t.Fatal(err)
		}
		if err := z.Close(); err != nil {
			t.Fatal(err)
		}

		return b.Bytes()
	}
	for name, tc := range map[string]struct {
		body     []byte
		encoding string
		status   int
		says     string
	}{
		"small":              {[]byte("abc"), "", 200, "3 <nil> 3 "},
		"packed":             {packed(1000), "gzip", 200, "1000 <nil> 1000 "},
		"as large as may be": {make([]byte, MaxBody), "", 200, "16777216 <nil> 16777216 "},
		"too large":          {make([]byte, MaxBody+1), "", 413, "body_size: the body must be at most 16777216 bytes"},
		"unpacked too large": {packed(MaxDecoded + 1), "gzip", 413, "decoded_size: the body must be at most 33554432 bytes"},
		"broken":             {[]byte("no gzip at all"), "gzip", 400, "body: the body cannot be read: "},
		"another encoding":   {[]byte("abc"), "snappy", 200, "3 <nil> -1 snappy"},
	} {
		r := httptest.NewRequest(http.MethodPost, "/", io.NopCloser(bytes.NewReader(tc.body)))
		r.ContentLength = -1
		if tc.encoding != "" {
			r.Header.Set("Content-Encoding", tc.encoding)
		}
		w := httptest.NewRecorder()
		read.ServeHTTP(w, r)
		if w.Code != tc.status || !strings.HasPrefix(w.Body.String(), tc.says) {
			t.Errorf("%s: it answers %d %s, want %d %s", name, w.Code, w.Body, tc.status, tc.says)
		}
	}
	if refusals(g, BodyTooLarge) != 1 || refusals(g, DecodedTooLarge) != 1 {
		t.Error("what is too large is not counted")
	}
}

func TestRefusalsAreMetrics(t *testing.T) {
	g := newGate(nil)
	g.Count(WrongHost)
	registry := prometheus.NewPedanticRegistry()
	registry.MustRegister(g)
	const want = "# HELP llmwatch_requests_refused_total Requests that were refused to protect others or the caller, by the reason.\n" +
		"# TYPE llmwatch_requests_refused_total counter\nllmwatch_requests_refused_total{reason=\"host\"} 1\n"
	if err := testutil.GatherAndCompare(registry, strings.NewReader(want)); err != nil {
		t.Error(err)
	}
}

func BenchmarkGate(b *testing.B) {
	h := newGate(func(o *Options) { o.RequestsPerSecond = 1 << 30; o.Hosts = []string{} }).Wrap(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {}))
	r := httptest.NewRequest(http.MethodGet, "http://localhost:5000/api/v1/monitoring/health", http.NoBody)
	w := httptest.NewRecorder()
	b.ReportAllocs()
	for b.Loop() {
		h.ServeHTTP(w, r)
	}
}
