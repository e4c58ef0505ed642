// Package e2e tests the built binary as its users meet it: as processes, over
// HTTP, beside a real Prometheus server. It knows nothing of the packages.
package e2e

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/getkin/kin-openapi/openapi3"
	"github.com/getkin/kin-openapi/openapi3filter"
	"github.com/getkin/kin-openapi/routers"
	"github.com/getkin/kin-openapi/routers/gorillamux"
)

// binary is the program under test.
var binary string

func TestMain(m *testing.M) {
	if plan := os.Getenv(writerEnv); plan != "" {
		runWriter(plan)
		return
	}
	if plan := os.Getenv(crowdEnv); plan != "" {
		runCrowd(plan)
		return
	}
	binary = os.Getenv("LLMWATCH_BIN")
	if binary == "" {
		dir, err := os.MkdirTemp("", "llmwatch-e2e-*")
		if err != nil {
			panic(err)
		}
		defer func() { _ = os.RemoveAll(dir) }()
		binary = filepath.Join(dir, "llmwatch")
		if out, err := exec.Command("go", "build", "-o", binary, "llmwatch/cmd/llmwatch").CombinedOutput(); err != nil {
			panic(fmt.Sprintf("building llmwatch: %v\n%s", err, out))
		}
	}
	m.Run()
}

// process is a started program.
type process struct {
	t      *testing.T
	cmd    *exec.Cmd
	log    *logBuffer
	exited chan struct{}
	begin  time.Time
}

// run starts a program that is killed when the test ends.
func run(t *testing.T, name string, args ...string) *process {
	t.Helper()

	return runWith(t, nil, name, args...)
}

// runWith is run with more environment variables.
func runWith(t *testing.T, env []string, name string, args ...string) *process {
	t.Helper()

	p := &process{t: t, log: &logBuffer{}, exited: make(chan struct{}), begin: time.Now()}
	p.cmd = exec.Command(name, args...)
	p.cmd.Env = append(os.Environ(), env...)
	p.cmd.Stdout, p.cmd.Stderr = p.log, p.log
	if err := p.cmd.Start(); err != nil {
		t.Fatalf("starting %s: %v", name, err)
	}
	go func() {
		_ = p.cmd.Wait() // The exit code is looked at by those who care.
		close(p.exited)
	}()
	t.Cleanup(func() {
		_ = p.cmd.Process.Kill() // It may have exited.
		<-p.exited
		if t.Failed() {
			t.Logf("%s %s printed:\n%s", filepath.Base(name), strings.Join(args, " "), p.log)
		}
	})

	return p
}

// signal sends a signal and waits for the exit, which it returns the code and
// the duration of.
func (p *process) signal(s os.Signal) (code int, took time.Duration) {
	p.t.Helper()

	begin := time.Now()
	if err := p.cmd.Process.Signal(s); err != nil {
		p.t.Fatal(err)
	}
	select {
	case <-p.exited:
	case <-time.After(20 * time.Second):
		p.t.Fatalf("the process did not end within 20s of %s", s)
	}

	return p.cmd.ProcessState.ExitCode(), time.Since(begin)
}

// logBuffer collects what a process prints.
type logBuffer struct {
	mu  sync.Mutex
	buf bytes.Buffer
}

func (b *logBuffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()

	return b.buf.Write(p)
}

func (b *logBuffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()

	return b.buf.String()
}

var readyLine = regexp.MustCompile(`"message":"ready".*"address":"([^"]+)"`)

// llmwatch starts the program on a free port and waits until it is ready.
func llmwatch(t *testing.T, command string, args ...string) (*process, *rest) {
	t.Helper()

	return llmwatchWith(t, nil, command, args...)
}

// llmwatchWith is llmwatch with more environment variables.
func llmwatchWith(t *testing.T, env []string, command string, args ...string) (*process, *rest) {
	t.Helper()

	args = append([]string{command, "--listen", "127.0.0.1:0", "--log-format", "json"}, args...)
	p := runWith(t, env, binary, args...)
	var address string
	waitFor(t, 10*time.Second, "llmwatch to be ready", func() error {
		select {
		case <-p.exited:
			t.Fatalf("llmwatch ended instead of starting:\n%s", p.log)
		default:
		}
		m := readyLine.FindStringSubmatch(p.log.String())
		if m == nil {
			return errors.New("no ready line yet")
		}
		address = m[1]

		return nil
	})

	return p, newREST(t, "http://"+address)
}

// waitFor asks until there is no error any more.
func waitFor(t *testing.T, most time.Duration, what string, ask func() error) {
	t.Helper()

	deadline := time.NewTimer(most)
	defer deadline.Stop()
	tick := time.NewTicker(25 * time.Millisecond)
	defer tick.Stop()
	for {
		err := ask()
		if err == nil {
			return
		}
		select {
		case <-deadline.C:
			t.Fatalf("waited %s for %s: %v", most, what, err)
		case <-tick.C:
		}
	}
}

// rest is a client of the REST API that holds every answer against the OpenAPI
// document which the server itself gives.
type rest struct {
	t      *testing.T
	base   string
	router routers.Router
}

const apiBase = "/api/v1/monitoring"

func newREST(t *testing.T, base string) *rest {
	t.Helper()

	r := &rest{t: t, base: base}
	_, document := r.raw(http.MethodGet, apiBase+"/openapi.yaml", nil)
	doc, err := openapi3.NewLoader().LoadFromData(document)
	if err != nil {
		t.Fatalf("the OpenAPI document cannot be read: %v", err)
	}
	if err := doc.Validate(t.Context()); err != nil {
		t.Fatalf("the OpenAPI document is invalid: %v", err)
	}
	if r.router, err = gorillamux.NewRouter(doc); err != nil {
		t.Fatal(err)
	}

	return r
}

func (r *rest) raw(method, path string, header http.Header) (*http.Response, []byte) {
	r.t.Helper()

	req, err := http.NewRequestWithContext(r.t.Context(), method, r.base+path, http.NoBody)
	if err != nil {
		r.t.Fatal(err)
	}
	maps.Copy(req.Header, header)
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		r.t.Fatalf("%s %s: %v", method, path, err)
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		r.t.Fatalf("%s %s: %v", method, path, err)
	}

	return resp, body
}

// get asks below the API's base, checks the answer against the OpenAPI
// document and decodes it.
func (r *rest) get(path string, into any) int {
	r.t.Helper()

	resp, body := r.raw(http.MethodGet, apiBase+path, nil)
	r.conforms(resp, body)
	if into != nil {
		if err := json.Unmarshal(body, into); err != nil {
			r.t.Fatalf("GET %s answered %s: %v", path, body, err)
		}
	}

	return resp.StatusCode
}

func (r *rest) conforms(resp *http.Response, body []byte) {
	r.t.Helper()

	req := resp.Request.Clone(context.Background())
	req.URL.Scheme, req.URL.Host, req.Host = "", "", "" // The document's server is relative.
	route, params, err := r.router.FindRoute(req)
	if err != nil {
		r.t.Fatalf("%s is not in the OpenAPI document: %v", req.URL, err)
	}
	err = openapi3filter.ValidateResponse(context.Background(), &openapi3filter.ResponseValidationInput{
		RequestValidationInput: &openapi3filter.RequestValidationInput{Request: req, PathParams: params, Route: route},
		Status:                 resp.StatusCode,
		Header:                 resp.Header,
		Body:                   io.NopCloser(bytes.NewReader(body)),
		Options:                &openapi3filter.Options{IncludeResponseStatus: true},
	})
	if err != nil {
		r.t.Errorf("%s does not conform to the OpenAPI document: %v\n%s", req.URL, err, body)
	}
}

// The documented answers, as a client would declare them.
type (
	systemAnswer struct {
		Data []struct {
			Timestamp   time.Time `json:"timestamp"`
			CPU         float64   `json:"cpu_percent"`
			Memory      float64   `json:"memory_percent"`
			Disk        float64   `json:"disk_usage_percent"`
			Sent        int64     `json:"network_bytes_sent"`
			Received    int64     `json:"network_bytes_recv"`
			Connections int64     `json:"active_connections"`
		} `json:"data"`
		Count int `json:"count"`
	}
	alertsAnswer struct {
		Data []struct {
			ID        string    `json:"id"`
			Name      string    `json:"name"`
			Severity  string    `json:"severity"`
			Status    string    `json:"status"`
			CreatedAt time.Time `json:"created_at"`
			Metadata  struct {
				Value  float64           `json:"value"`
				Labels map[string]string `json:"labels"`
			} `json:"metadata"`
		} `json:"data"`
		Count int `json:"count"`
	}
	errorAnswer struct {
		Success bool `json:"success"`
		Error   struct {
			Code    string `json:"code"`
			Message string `json:"message"`
		} `json:"error"`
	}
	healthAnswer struct {
		Status   string   `json:"status"`
		Problems []string `json:"problems"`
	}
	overviewAnswer struct {
		Data struct {
			System struct {
				Status string  `json:"status"`
				Memory float64 `json:"memory_usage"`
			} `json:"system_health"`
			Alerts struct {
				Total      int            `json:"total_active"`
				BySeverity map[string]int `json:"by_severity"`
			} `json:"alerts"`
		} `json:"data"`
	}
	summaryAnswer struct {
		Data struct {
			System struct {
				DataPoints int     `json:"data_points"`
				AvgMemory  float64 `json:"avg_memory_percent"`
			} `json:"system"`
		} `json:"data"`
	}
)

// samples waits until there are so many system samples.
func (r *rest) samples(n int, most time.Duration) systemAnswer {
	r.t.Helper()

	var a systemAnswer
	waitFor(r.t, most, fmt.Sprintf("%d system samples", n), func() error {
		a = systemAnswer{}
		if code := r.get("/metrics/system?minutes=60", &a); code != http.StatusOK {
			return fmt.Errorf("status %d", code)
		}
		if a.Count < n {
			return fmt.Errorf("%d so far", a.Count)
		}

		return nil
	})

	return a
}

// freePort returns a port that was free a moment ago.
func freePort(t *testing.T) string {
	t.Helper()

	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()

	return l.Addr().String()
}

// write makes a file in a directory of the test's own.
func write(t *testing.T, name, text string) string {
	t.Helper()

	path := filepath.Join(t.TempDir(), name)
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}

	return path
}

var terminate = syscall.SIGTERM
