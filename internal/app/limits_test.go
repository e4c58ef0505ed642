package app

import (
	"bufio"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"

	"llmwatch/bridge"
	"llmwatch/internal/engine"
	"llmwatch/internal/gate"
)

func TestWhatIsExpensive(t *testing.T) {
	for ask, want := range map[string]gate.Kind{
		"GET " + bridge.Base + "/health":                         gate.Cheap,
		"GET " + bridge.Base + "/alerts":                         gate.Cheap,
		"GET " + bridge.Base + "/events":                         gate.Cheap,
		"GET " + bridge.Base + "/logs/tail":                      gate.Cheap,
		"GET /metrics":                                           gate.Scrape,
		"GET " + engine.Prefix + "/metrics":                      gate.Scrape,
		"POST " + bridge.Base + "/metrics/api":                   gate.Cheap,
		"POST " + bridge.Base + "/logs":                          gate.Cheap,
		"POST " + engine.Prefix + "/api/v1/otlp/v1/metrics":      gate.Cheap,
		"GET " + bridge.Base + "/metrics/api":                    gate.Query,
		"GET " + bridge.Base + "/metrics/summary":                gate.Query,
		"HEAD " + bridge.Base + "/metrics/summary":               gate.Query,
		"GET " + bridge.Base + "/dashboard/overview":             gate.Query,
		"GET " + bridge.Base + "/logs/search":                    gate.Query,
		"GET " + bridge.Base + "/logs/statistics":                gate.Query,
		"GET " + engine.Prefix + "/api/v1/query":                 gate.Query,
		"POST " + engine.Prefix + "/api/v1/query_range":          gate.Query,
		"POST " + engine.Prefix + "/api/v1/read":                 gate.Query,
		"GET " + engine.Prefix + "/api/v1/label/__name__/values": gate.Query,
		"GET " + bridge.Base + "/export/logs":                    gate.Export,
		"GET " + engine.Prefix + "/api/v1/status/tsdb":           gate.Query,
		"GET " + engine.Prefix + "/api/v1/targets":               gate.Query,
		"GET " + engine.Prefix + "/api/v1/parse_query":           gate.Query,
		"GET " + engine.Prefix + "/api/v1/new_in_some_release":   gate.Query,
		"GET " + engine.Prefix + "/api/v1/rules":                 gate.Cheap,
		"GET " + engine.Prefix + "/api/v1/status/buildinfo":      gate.Cheap,
	} {
		method, path, _ := strings.Cut(ask, " ")
		if got := kindOf(httptest.NewRequest(method, path, http.NoBody)); got != want {
			t.Errorf("%s is of kind %d, want %d", ask, got, want)
		}
	}
}

func TestNamesOfTheServer(t *testing.T) {
	for _, tc := range []struct {
		listen, external string
		change           func(*Config)
		want             []string
	}{
		{"127.0.0.1:5000", "", nil, []string{"127.0.0.1"}},
		{"localhost:5000", "https://LLMwatch.example.com:8443/x", nil, []string{"localhost", "llmwatch.example.com"}},
		{"127.0.0.1:5000", "", func(c *Config) { c.Security.APIAuthentication = true }, nil},
		{"0.0.0.0:5000", "", func(c *Config) { c.Security.APIAuthentication = true }, nil},
		{"0.0.0.0:5000", "https://llmwatch.example.com", nil, []string{"0.0.0.0", "llmwatch.example.com"}},
		{":5000", "", nil, []string{}},
		{"10.0.0.7:5000", "", func(c *Config) { c.Server.AllowedHosts = []string{"LLMwatch", "*"} }, []string{"llmwatch", "*", "10.0.0.7"}},
	} {
		c := DefaultConfig(CommandServe)
		c.Server.Listen, c.Server.ExternalURL = tc.listen, tc.external
		if tc.change != nil {
			tc.change(&c)
		}
		if got := c.hosts(); !slices.Equal(got, tc.want) || (got == nil) != (tc.want == nil) {
			t.Errorf("on %s with %q requests may be for %q, want %q", tc.listen, tc.external, got, tc.want)
		}
	}
}

func TestDocumentsToWhichLinksLead(t *testing.T) {
	for path, want := range map[string]bool{
		"/": true, "/alerts/x": true, "/runbooks/high_cpu_usage": true, "/metrics": true, "/nothing": true,
		bridge.Base + "/dashboard/overview": false, bridge.Base + "/export/logs": false, bridge.Base + "/logs/tail": false, "/api/v2/alerts": false,
		engine.Prefix: false, engine.Prefix + "/api/v1/query": false, ReloadPath: false,
	} {
		if got := document(httptest.NewRequest(http.MethodGet, path, http.NoBody)); got != want {
			t.Errorf("a link from elsewhere to %s may lead there: %v, want %v", path, got, want)
		}
	}
}

// expectProtected expects the headers that are on every answer.
func expectProtected(t *testing.T, what string, h http.Header) {
	t.Helper()

	for name, want := range gate.ProtectiveHeaders {
		if h.Get(name) != want[0] {
			t.Errorf("%s has %s %q", what, name, h.Get(name))
		}
	}
}

func TestStrangePagesAndHostsAreRefused(t *testing.T) {
	cfg := listening(CommandExporter)
	cfg.Server.AllowedOrigins = []string{"https://grafana.example.com"}
	cfg.Limits.RequestsPerSecond = 5
	a, err := NewExporter(*cfg, silent)
	base := serving(t, a, err)
	if _, err := a.Reload(t.Context()); err != nil { // It waits until everything runs.
		t.Fatal(err)
	}
	ask := func(change func(*http.Request)) (int, http.Header, string) {
		t.Helper()
		req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, base+"/metrics", http.NoBody)
		if err != nil {
			t.Fatal(err)
		}
		change(req)
		resp, err := client.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		defer resp.Body.Close()
		body, err := io.ReadAll(resp.Body)
		if err != nil {
			t.Fatal(err)
		}
		expectProtected(t, req.URL.Path, resp.Header)

		return resp.StatusCode, resp.Header, string(body)
	}
	if status, _, body := ask(func(r *http.Request) { r.Host = "evil.example.com" }); status != http.StatusForbidden || !strings.Contains(body, `"code":"host"`) || !strings.Contains(body, "server.external_url") {
		t.Errorf("another host is answered %d %s", status, body)
	}
	if status, _, body := ask(func(r *http.Request) { r.Header.Set("Origin", "https://evil.example.com") }); status != http.StatusForbidden || !strings.Contains(body, `"code":"origin"`) || !strings.Contains(body, "allowed_origins") {
		t.Errorf("another origin is answered %d %s", status, body)
	}
	if status, header, _ := ask(func(r *http.Request) { r.Header.Set("Origin", "https://grafana.example.com") }); status != http.StatusOK || header.Get("Access-Control-Allow-Origin") != "https://grafana.example.com" {
		t.Errorf("an allowed origin is answered %d %v", status, header)
	}
	if status, _, body := ask(func(r *http.Request) { r.URL.Path = "/nothing" }); status != http.StatusNotFound {
		t.Errorf("nothing is answered %d %s", status, body)
	}
	for status := 0; status != http.StatusTooManyRequests; {
		var header http.Header
		var body string
		if status, header, body = ask(func(*http.Request) {}); status == http.StatusTooManyRequests &&
			(header.Get("Retry-After") != "1" || !strings.Contains(body, `"code":"request_rate"`)) {
			t.Errorf("too many are answered %v %s", header, body)
		}
	}
	var scraped string
	for status := 0; status != http.StatusOK; {
		status, _, scraped = ask(func(*http.Request) {})
	}
	for _, want := range []string{`{reason="host"} 1`, `{reason="origin"} 1`, `{reason="request_rate"} `} {
		if !strings.Contains(scraped, "llmwatch_requests_refused_total"+want) {
			t.Errorf("the metrics lack %s", want)
		}
	}
}

func TestAnswersOfTheServerItselfAreProtected(t *testing.T) {
	p := openPort(t, http.NotFoundHandler())
	defer func() {
		if err := p.close(); err != nil {
			t.Error(err)
		}
	}()
	conn, err := net.Dial("tcp", p.listener.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	if _, err := io.WriteString(conn, "GET / HTTP/1.1\r\nno colon here\r\n\r\n"); err != nil {
		t.Fatal(err)
	}
	resp, err := http.ReadResponse(bufio.NewReader(conn), nil)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	expectProtected(t, "a malformed request", resp.Header)
}
