package e2e

import (
	"errors"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"llmwatch/internal/testtool"
)

// apiSummary is what the summary says of the platform's API.
type apiSummary struct {
	Total     int     `json:"total_requests"`
	Errors    int     `json:"error_count"`
	Endpoints int     `json:"unique_endpoints"`
	Max       float64 `json:"max_response_time_ms"`
	Top       []struct {
		Endpoint string `json:"endpoint"`
		Requests int    `json:"request_count"`
	} `json:"top_endpoints"`
}

// apiOf waits until the summary has counted so many requests.
func (r *rest) apiOf(requests int) apiSummary {
	r.t.Helper()

	var s struct {
		Data struct {
			API apiSummary `json:"api"`
		} `json:"data"`
	}
	waitFor(r.t, 20*time.Second, fmt.Sprintf("%d requests in the summary", requests), func() error {
		r.get("/metrics/summary?hours=1", &s)
		if s.Data.API.Total != requests {
			return fmt.Errorf("%+v", s.Data.API)
		}

		return nil
	})
	// A summary asks several questions, and a scrape may be stored between two
	// of them. After two further samples none can be older than the requests.
	var now systemAnswer
	r.get("/metrics/system?minutes=60", &now)
	r.samples(now.Count+2, 10*time.Second)
	r.get("/metrics/summary?hours=1", &s)
	if s.Data.API.Total != requests {
		r.t.Errorf("the summary went on to %+v, want %d requests", s.Data.API, requests)
	}

	return s.Data.API
}

// example runs a program of examples/ to its end.
func example(t *testing.T, env []string, name string, args ...string) string {
	t.Helper()

	cmd := exec.CommandContext(t.Context(), name, args...)
	cmd.Dir = "../.."
	cmd.Env = append(os.Environ(), env...)
	out, err := cmd.CombinedOutput()
	if exit := (*exec.ExitError)(nil); err != nil && !errors.As(err, &exit) {
		t.Skipf("%s cannot be run here: %v", name, err)
	}
	if err != nil {
		t.Fatalf("%s %s: %v\n%s", name, strings.Join(args, " "), err, out)
	}

	return string(out)
}

func quick(t *testing.T) *rest {
	t.Helper()

	_, r := llmwatch(t, "serve", "--data-dir", t.TempDir(), "--collection-interval", "1", "--check-interval", "1")
	r.samples(1, 10*time.Second)

	return r
}

func TestOpenTelemetryExample(t *testing.T) {
	t.Parallel()
	r := quick(t)
	example(t, []string{
		"OTEL_EXPORTER_OTLP_ENDPOINT=" + r.base + "/prometheus/api/v1/otlp", "OTEL_SERVICE_NAME=platform",
	}, "go", "run", "./examples/otel")

	s := r.apiOf(7)
	if s.Errors != 2 || s.Endpoints != 2 || len(s.Top) != 2 || s.Top[0].Endpoint != "/models/{name}" || s.Top[0].Requests != 5 {
		t.Errorf("the summary says %+v", s)
	}
}

// build compiles a program of examples/, so that a test can restart it quickly.
func build(t *testing.T, pkg string) string {
	t.Helper()

	out := filepath.Join(t.TempDir(), filepath.Base(pkg))
	if text, err := exec.CommandContext(t.Context(), "go", "build", "-o", out, pkg).CombinedOutput(); err != nil {
		t.Fatalf("building %s: %v\n%s", pkg, err, text)
	}

	return out
}

func TestMiddlewareExample(t *testing.T) {
	t.Parallel()
	address := freePort(t)
	platform := build(t, "llmwatch/examples/middleware")
	_, r := llmwatch(t, "serve", "--data-dir", t.TempDir(), "--collection-interval", "1", "--check-interval", "1",
		"--prometheus-config", write(t, "platform.yml",
			"global: {scrape_interval: 1s}\nscrape_configs: [{job_name: platform, static_configs: [{targets: ["+address+"]}]}]"))

	// Two lives of the platform: a restart begins its counters again at zero.
	total := 0
	for life, requests := range []int{37, 5} {
		p := run(t, platform, "-listen", address)
		for i := range requests {
			method, path := http.MethodGet, fmt.Sprintf("/models/%d", i)
			if i%5 == 4 {
				method, path = http.MethodPost, "/generate"
			}
			waitFor(t, 10*time.Second, "the platform to answer", func() error { return call(t, method, "http://"+address+path) })
		}
		total += requests
		s := r.apiOf(total)
		if s.Endpoints != 2 || s.Errors != 0 || s.Max <= 0 {
			t.Errorf("after life %d the summary says %+v", life, s)
		}
		p.signal(os.Interrupt)
	}
	var app struct {
		Data struct {
			App struct {
				Requests int `json:"model_requests"`
				Input    int `json:"input_tokens"`
			} `json:"app"`
		} `json:"data"`
	}
	r.get("/metrics/summary?hours=1", &app)
	if app.Data.App.Requests != 8 || app.Data.App.Input != 8*150 {
		t.Errorf("8 model calls with 150 tokens each are shown as %+v", app.Data.App)
	}
}

func call(t *testing.T, method, url string) error {
	t.Helper()

	req, err := http.NewRequestWithContext(t.Context(), method, url, http.NoBody)
	if err != nil {
		t.Fatal(err)
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return err
	}

	return resp.Body.Close()
}

func TestCurlExample(t *testing.T) {
	t.Parallel()
	r := quick(t)
	testtool.Find(t, "curl")
	example(t, []string{"LLMWATCH_URL=" + r.base}, "sh", "examples/push/curl.sh")
	if s := r.apiOf(3); s.Errors != 1 {
		t.Errorf("one of three requests failed, the summary says %+v", s)
	}
}

func TestPythonExample(t *testing.T) {
	t.Parallel()
	if err := exec.CommandContext(t.Context(), "python3", "-c", "import requests").Run(); err != nil {
		t.Skipf("Python with requests is not here: %v", err)
	}
	r := quick(t)
	example(t, []string{"LLMWATCH_URL=" + r.base}, "python3", "examples/push/push.py")
	if s := r.apiOf(25); s.Errors != 3 {
		t.Errorf("3 of 25 requests failed, the summary says %+v", s)
	}
}

// The given client keeps what it could not send, and sends it when llmwatch is there.
func TestPythonExampleLosesNothingWhileLlmwatchIsAway(t *testing.T) {
	t.Parallel()
	if err := exec.CommandContext(t.Context(), "python3", "-c", "import requests").Run(); err != nil {
		t.Skipf("Python with requests is not here: %v", err)
	}
	r := quick(t)
	example(t, nil, "python3", "-c", `
import sys
sys.path.insert(0, "examples/push")
import push

pusher = push.Pusher("http://`+freePort(t)+`")
event = {"route": "/generate", "method": "POST", "status_code": 200, "response_time_ms": 1.5}
pusher.events.extend(event for _ in range(1500))
try:
    pusher.flush()
    sys.exit("nobody listens there, and yet it was sent")
except push.requests.ConnectionError:
    pass
pusher.url = push.Pusher("`+r.base+`").url
if (accepted := pusher.flush()) != 1500:
    sys.exit(f"{accepted} events of 1500 were counted")
`)
	if s := r.apiOf(1500); s.Errors != 0 {
		t.Errorf("the summary says %+v", s)
	}
}
