package docs

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"
)

// cannot says which blocks are not run, by how a line of theirs begins, and why.
var cannot = map[string]string{
	"make demo":                       "builds everything and serves for good",
	"make run":                        "builds everything and serves for good",
	"make bench":                      "takes many minutes",
	"docker ":                         "needs a container engine",
	"kubectl ":                        "needs a cluster",
	"cd deploy/kubernetes":            "needs kustomize, and changes a file of the repository",
	"llmwatch audit verify --against": "names an entry of the reader's own trail",
	"sqlite3 ":                        "needs the program sqlite3",
}

// TestEveryCommandRuns runs the sh blocks of each guide one after the other, as
// somebody does who follows it. A command that ends with another code than 0 fails.
func TestEveryCommandRuns(t *testing.T) {
	t.Parallel()

	s := startServer(t)
	used := map[string]bool{}
	ran := 0
	for _, path := range guides(t) {
		g := readGuide(t, path)
		dir := s.scratch(t, g)
		for _, b := range g.blocks {
			if b.language != "sh" {
				continue
			}
			if why := reason(b.text, used); why != "" {
				t.Logf("%s:%d is not run: %s", path, b.line, why)
				continue
			}
			if program := missing(b.text); program != "" {
				t.Logf("%s:%d is not run: %s is not installed", path, b.line, program)
				continue
			}
			ran++
			if out, err := s.run(t, dir, b.text); err != nil {
				t.Errorf("%s:%d: %v\n%s\nprinted\n%s", path, b.line, err, b.text, out)
			}
		}
	}
	if ran < 40 {
		t.Errorf("only %d blocks were run", ran)
	}
	for begin := range cannot {
		if !used[begin] {
			t.Errorf("no guide has a block with %q any more", begin)
		}
	}
}

// reason is why a block is not run; empty if it is.
func reason(text string, used map[string]bool) string {
	for l := range strings.Lines(text) {
		for begin, why := range cannot {
			if strings.HasPrefix(l, begin) {
				used[begin] = true
				return why
			}
		}
	}

	return ""
}

// missing is the program of a block that a machine without the test's packages lacks.
func missing(text string) string {
	for _, program := range []string{"amtool", "prometheus"} {
		if regexp.MustCompile(`(?m)^` + program + ` `).MatchString(text) {
			if _, err := exec.LookPath(program); err != nil && os.Getenv("LLMWATCH_TEST_REQUIRE_TOOLS") == "" {
				return program
			}
		}
	}

	return ""
}

// server is a running llmwatch that the commands speak to.
type server struct {
	binary string // The program that the guides are about.
	base   string // Its address, HOST:PORT.
	alert  string // An alert that it has.
	tools  string // Folder of programs that stand before others.
}

// The programs that stand in. Of servers that would run for good only the
// configuration is checked, what follows something is stopped soon, and curl
// fails where it is not answered with success.
var tools = map[string]string{
	"llmwatch": `case "$1 $2" in
serve*|bridge*|exporter*)
	case "$*" in *--check-config*|*--print-config*) exec BINARY "$@" ;; esac
	exec BINARY "$@" --check-config ;;
logship*|"logs tail") exec timeout --foreground --preserve-status 1 BINARY "$@" ;;
esac
exec BINARY "$@"`,
	"curl": `exec CURL --silent --show-error --fail-with-body --max-time 20 "$@"`,
	"prometheus": `while [ $# -gt 0 ]; do
	[ "$1" = --config.file ] && exec promtool check config "$2"
	shift
done
exit 2`,
}

// startServer starts llmwatch with a webhook to notify and one alert.
func startServer(t *testing.T) *server {
	t.Helper()

	s := &server{binary: program(t), tools: t.TempDir()}
	curl, err := exec.LookPath("curl")
	if err != nil {
		t.Skipf("curl is needed: %v", err)
	}
	for name, script := range tools {
		script = "#!/bin/sh\n" + strings.NewReplacer("BINARY", s.binary, "CURL", curl).Replace(script) + "\n"
		if err := os.WriteFile(filepath.Join(s.tools, name), []byte(script), 0o700); err != nil { //nolint:gosec // It is a program.
			t.Fatal(err)
		}
	}
	hook := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {}))
	t.Cleanup(hook.Close)
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "platform.yml"), []byte("scrape_configs: []\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	s.start(t, []string{"LLMWATCH_NOTIFICATIONS_WEBHOOK_URL=" + hook.URL},
		"serve", "--listen", "127.0.0.1:0", "--data-dir", filepath.Join(dir, "data"), "--log-format", "json",
		"--collection-interval", "1", "--check-interval", "1", "--prometheus-config", filepath.Join(dir, "platform.yml"))
	s.fire(t)

	return s
}

// program is the built llmwatch: the one that is given, or one that is built now.
func program(t *testing.T) string {
	t.Helper()

	if given := os.Getenv("LLMWATCH_BIN"); given != "" {
		return given
	}
	built := filepath.Join(t.TempDir(), "llmwatch")
	if out, err := exec.CommandContext(t.Context(), "go", "build", "-o", built, "llmwatch/cmd/llmwatch").CombinedOutput(); err != nil {
		t.Fatalf("building llmwatch: %v\n%s", err, out)
	}

	return built
}

var readyLine = regexp.MustCompile(`"message":"ready".*"address":"([^"]+)"`)

// start runs the program until the test ends, and waits until it is ready.
func (s *server) start(t *testing.T, env []string, args ...string) {
	t.Helper()

	log := &output{ready: make(chan string, 1)}
	cmd := exec.Command(s.binary, args...)
	cmd.Env = append(os.Environ(), env...)
	cmd.Stdout, cmd.Stderr = log, log
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = cmd.Process.Kill() // It may have ended.
		_ = cmd.Wait()         // It was killed.
	})
	select {
	case s.base = <-log.ready:
	case <-time.After(30 * time.Second):
		t.Fatalf("llmwatch is not ready after 30 s:\n%s", log)
	}
}

// output is what a program prints, until the address it is ready at stands there.
type output struct {
	mu    sync.Mutex
	text  bytes.Buffer
	ready chan string
}

func (o *output) Write(p []byte) (int, error) {
	o.mu.Lock()
	defer o.mu.Unlock()

	o.text.Write(p)
	if m := readyLine.FindSubmatch(p); m != nil {
		o.ready <- string(m[1])
	}

	return len(p), nil
}

func (o *output) String() string {
	o.mu.Lock()
	defer o.mu.Unlock()

	return o.text.String()
}

// fire pushes an alert, as Prometheus does, and waits until it has an id.
func (s *server) fire(t *testing.T) {
	t.Helper()

	s.call(t, http.MethodPost, "/api/v2/alerts", `[{"labels": {"alertname": "high_cpu_usage", "severity": "high"}}]`, nil)
	var answer struct {
		Data []struct {
			ID string `json:"id"`
		} `json:"data"`
	}
	s.call(t, http.MethodGet, "/api/v1/monitoring/alerts", "", &answer)
	if len(answer.Data) == 0 {
		t.Fatal("an alert that was pushed is not listed")
	}
	s.alert = answer.Data[0].ID
}

func (s *server) call(t *testing.T, method, path, body string, into any) {
	t.Helper()

	req, err := http.NewRequestWithContext(t.Context(), method, "http://"+s.base+path, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Content-Type", "application/json")
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		t.Fatalf("%s %s answers %s", method, path, resp.Status)
	}
	if into == nil {
		return
	}
	if err := json.NewDecoder(resp.Body).Decode(into); err != nil {
		t.Fatal(err)
	}
}

// named is how a block of a guide says which file it is.
var named = regexp.MustCompile(`^# ([\w-]+\.ya?ml)`)

// scratch is a folder as the reader of a guide has it: the files that its blocks
// name, what the guides take for granted, and the repository.
func (s *server) scratch(t *testing.T, g *guide) string {
	t.Helper()

	dir := t.TempDir()
	files := map[string]string{
		"web.yml": "{}\n", "app.log": `{"level": "ERROR", "message": "no GPU is free"}` + "\n",
		"secrets/smtp": "secret\n", "llmwatch/kept": "", "data/kept": "", "password": "correct horse battery\n",
	}
	for _, b := range g.blocks {
		if m := named.FindStringSubmatch(b.text); m != nil && b.language == "yaml" {
			files[m[1]] = s.replace(dir, b.text)
		}
	}
	for name, text := range files {
		path := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	// The commands are started in the repository, or beside a folder tests/.
	top, err := filepath.Abs(root)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.CopyFS(dir, os.DirFS(filepath.Join(top, "rules"))); err != nil && !os.IsExist(err) {
		t.Fatal(err)
	}
	for from, to := range map[string]string{
		"rules": "rules", "examples": "examples", "exporter": "exporter", "go.mod": "go.mod", "go.sum": "go.sum", "prometheus.yml": "prometheus.yml",
	} {
		if err := os.Symlink(filepath.Join(top, from), filepath.Join(dir, to)); err != nil && !os.IsExist(err) {
			t.Fatal(err)
		}
	}
	if err := os.Symlink(s.tools, filepath.Join(dir, "bin")); err != nil {
		t.Fatal(err)
	}

	return dir
}

// replace puts the test's own in place of what the guides name.
func (s *server) replace(dir, text string) string {
	return strings.NewReplacer(
		"localhost:5000", s.base, "127.0.0.1:5000", s.base,
		"/etc/prometheus/", dir+"/", "/run/secrets/", dir+"/secrets/",
		"high_cpu_usage_20240115", s.alert,
	).Replace(text)
}

// run runs a block in a folder.
func (s *server) run(t *testing.T, dir, text string) (string, error) {
	t.Helper()

	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	cmd := exec.CommandContext(ctx, "sh", "-eu", "-c", s.replace(dir, text))
	cmd.Dir = dir
	data := filepath.Join(dir, "data")
	cmd.Env = append(os.Environ(), "PATH="+s.tools+":"+os.Getenv("PATH"), "LLMWATCH_URL=http://"+s.base,
		"LLMWATCH_SERVER_DATA_DIR="+data, "DATA_DIR="+data)
	cmd.Stdin = strings.NewReader("correct horse battery\n")
	out, err := cmd.CombinedOutput()
	if ctx.Err() != nil {
		err = fmt.Errorf("it did not end: %w", ctx.Err())
	}

	return string(out), err
}
