package engine

import (
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"go.yaml.in/yaml/v3"
)

// secretive is a configuration with a secret in each place in which people put one; %s
// stands for the address of a target that is away.
const secretive = `
global: {scrape_interval: 1s, scrape_timeout: 1s, external_labels: {cluster: c1}}
scrape_configs:
  - job_name: params
    params: {token: [CANARY01], module: [CANARY02]}
    http_headers: {X-Key: {values: [CANARY03]}}
    basic_auth: {username: ada, password: CANARY04}
    static_configs: [{targets: ["%[1]s"], labels: {__param_key: CANARY05, zone: z1}}]
    relabel_configs: [{target_label: __param_late, replacement: CANARY06}]
  - job_name: oauth
    oauth2: {client_id: id, client_secret: CANARY07, token_url: "https://id.example.com/token?key=CANARY08", endpoint_params: {assertion: CANARY09}}
    proxy_url: http://u:CANARY10@proxy.example.com:3128
    proxy_connect_header: {Proxy-Authorization: [CANARY11]}
    http_sd_configs:
      - url: http://%[1]s/sd?token=CANARY12
        authorization: {credentials: CANARY13}
        http_headers: {X-Token: {values: [CANARY14]}}
remote_write:
  - url: http://u:CANARY15@%[1]s/write?key=CANARY16
    headers: {X-Scope: CANARY17}
alerting:
  alertmanagers:
    - http_headers: {X-Key: {values: [CANARY18]}}
      authorization: {credentials: CANARY19}
      static_configs: [{targets: ["%[1]s"]}]
`

func TestNobodyIsShownSecretsOfTheConfiguration(t *testing.T) {
	away := httptest.NewServer(http.NotFoundHandler())
	address := strings.TrimPrefix(away.URL, "http://")
	away.Close()
	cfg, _, _ := testConfig(t)
	cfg.ConfigFile = filepath.Join(t.TempDir(), "prometheus.yml")
	if err := os.WriteFile(cfg.ConfigFile, fmt.Appendf(nil, secretive, address), 0o600); err != nil {
		t.Fatal(err)
	}
	e, _ := start(t, cfg)
	ask := func(h http.Handler, path string, header ...string) (int, string) {
		r := httptest.NewRequestWithContext(t.Context(), http.MethodGet, Prefix+"/api/v1"+path, http.NoBody)
		if len(header) > 0 {
			r.Header.Set(header[0], header[1])
		}
		w := httptest.NewRecorder()
		h.ServeHTTP(w, r)

		return w.Code, w.Body.String()
	}
	for range 400 { // Until the target was scraped.
		if _, body := ask(e.handler, "/targets"); strings.Contains(body, "connection refused") {
			break
		}
		time.Sleep(10 * time.Millisecond)
	}
	labels := url.QueryEscape(`{"__address__":"x"}`)
	for path, shows := range map[string]string{
		"/status/config":                         "cluster: c1",
		"/targets":                               "z1",
		"/targets?state=any":                     "connection refused",
		"/targets/metadata":                      "",
		"/scrape_pools":                          "oauth",
		"/scrape_pools/config?scrapePool=params": "job_name: params",
		"/scrape_pools/config?scrapePool=oauth":  "client_id: id",
		"/targets/relabel_steps?scrapePool=params&labels=" + labels: "__param_late",
		"/alertmanagers":      address,
		"/status/flags":       "",
		"/status/runtimeinfo": "",
		"/status/buildinfo":   "",
	} {
		for _, encoding := range []string{"identity", "gzip"} {
			status, body := ask(e.Handler(), path, "Accept-Encoding", encoding)
			if strings.Contains(body, "CANARY") {
				i := strings.Index(body, "CANARY")
				t.Errorf("%s shows …%s…", path, body[max(0, i-80):min(len(body), i+20)])
			}
			if shows != "" && (status != http.StatusOK || !strings.Contains(body, shows)) {
				t.Errorf("%s is answered %d %s, want %q in it", path, status, body, shows)
			}
		}
	}
	// What the process itself asks is as it was.
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, "http://engine"+Prefix+"/api/v1/targets", http.NoBody)
	if err != nil {
		t.Fatal(err)
	}
	resp, err := e.RoundTripper().RoundTrip(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	if body, err := io.ReadAll(resp.Body); err != nil || !strings.Contains(string(body), "CANARY05") {
		t.Errorf("this process is shown %s (%v)", body, err)
	}
}

func TestAddressesAreShownWithoutSecrets(t *testing.T) {
	for text, want := range map[string]string{
		"http://h:9090/metrics":                        "http://h:9090/metrics",
		"http://u:p@h/x":                               "http://<secret>@h/x",
		"http://token@h":                               "http://<secret>@h",
		"http://h/x?a=1&b=2":                           "http://h/x?a=<secret>&b=<secret>",
		"http://u:p@h?bare":                            "http://<secret>@h?bare=<secret>",
		`Get "https://h/m?token=t": dial tcp: refused`: `Get "https://h/m?token=<secret>": dial tcp: refused`,
		"two: http://h/?a=1 http://u:p@h/ end":         "two: http://h/?a=<secret> http://<secret>@h/ end",
		"http://u:p@ss/w@h/x":                          "http://<secret>@ss/w@h/x",
		"http://%zz:p@h/":                              "http://<secret>",
		"no address: 1":                                "no address: 1",
	} {
		if got := scrubURLs(text); got != want {
			t.Errorf("%q is shown as %q, want %q", text, got, want)
		}
	}
}

func TestConfigurationsAreShownInTheirOrder(t *testing.T) {
	const text = "global:\n  scrape_interval: 1s\nscrape_configs:\n  - job_name: a\n    params:\n      k:\n        - v\n    oauth2:\n      token_url: https://h/t?k=v\n      client_secret_file: /f\n"
	const want = "global:\n  scrape_interval: 1s\nscrape_configs:\n  - job_name: a\n    params:\n      k:\n        - <secret>\n    oauth2:\n      token_url: https://h/t?k=<secret>\n      client_secret_file: /f\n"
	if got := scrubYAML(text); got != want {
		t.Errorf("it is shown as\n%s\nwant\n%s", got, want)
	}
	if got := scrubYAML("a: [b"); got != hidden {
		t.Errorf("what cannot be read is shown as %s", got)
	}
	var back any
	if err := yaml.Unmarshal([]byte(want), &back); err != nil {
		t.Error(err)
	}
}
