package e2e

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"math"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"llmwatch/internal/testtool"
	"llmwatch/test/crowd"
	"llmwatch/test/fixture"
)

// crowdEnv makes the test program a crowd of clients, which the value describes.
const crowdEnv = "LLMWATCH_E2E_CROWD"

// runCrowd is the crowd's main.
func runCrowd(text string) {
	var p crowd.Plan
	must(json.Unmarshal([]byte(text), &p))
	must(json.NewEncoder(os.Stdout).Encode(crowd.Run(p)))
}

// What a crowd may cost.
const (
	crowdMemory = 250 << 20
	// crowdHealth bounds all but one in a hundred answers of /health.
	crowdHealth = 50 * time.Millisecond
	// crowdSlack is how many goroutines and descriptors more than before there
	// may be once the crowd is gone: a connection that is kept, a block that is
	// being sealed.
	crowdSlack = 10
	// crowdFiles are blocks of logs and connections to the database, which stay: there
	// are bounds for both.
	crowdFiles = 24
)

// right are the outcomes that a kind of client may meet with, as expressions.
// Clients that dawdle or vanish are here for what they do to the others.
func right(kind string) *regexp.Regexp {
	switch kind {
	case "stranger":
		return regexp.MustCompile(`^(401 unauthenticated|403 forbidden|429 too_many_requests)$`)
	case "slow":
		return regexp.MustCompile(`^cut off$`)
	default:
		if testtool.Race() { // Ten times slower, it may run into its limits.
			return regexp.MustCompile(`^(2\d\d|503 (concurrent_queries|prometheus_unavailable))$`)
		}

		return regexp.MustCompile(`^2\d\d$`)
	}
}

// TestACrowdIsServed has a thousand clients at a time, for a minute in the long
// version. The crowd is a process of its own that yields to the server: both
// share the processors, and a real crowd brings its own.
func TestACrowdIsServed(t *testing.T) {
	nice := testtool.Find(t, "nice")
	plan := crowd.Plan{Clients: 100, For: 5 * time.Second, Pace: 0.1, Tokens: map[string]string{}}
	long := os.Getenv("LLMWATCH_SOAK") != ""
	if long {
		plan.Clients, plan.For, plan.Pace = 1000, time.Minute, 1
	}
	s := secure(t)
	now := time.Now()
	if err := fixture.Write(t.Context(), filepath.Join(s.dir, "metrics"), "elsewhere", now.Add(-6*time.Hour), now.Add(-time.Minute)); err != nil {
		t.Fatal(err)
	}
	for _, role := range []string{"viewer", "operator", "ingest", "scrape"} {
		plan.Tokens[role] = s.token(role)
	}
	s.must(canaryPassword+"\n", "users", "add", "ada", "--role", "viewer")
	s.start("--log-level", "INFO", "--collection-interval", "5s", "--check-interval", "5s")
	plan.Base, plan.Cookie = s.base, s.login("ada", canaryPassword).cookie
	before := s.usage(plan.Tokens["scrape"])

	text, err := json.Marshal(plan)
	if err != nil {
		t.Fatal(err)
	}
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.CommandContext(t.Context(), nice, "-n", "10", self)
	cmd.Env = append(os.Environ(), crowdEnv+"="+string(text))
	var out, failure bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &failure
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	gone := make(chan error, 1)
	go func() { gone <- cmd.Wait() }()
	took := s.probe(gone)
	var report crowd.Report
	if err := json.Unmarshal(out.Bytes(), &report); err != nil {
		t.Fatalf("the crowd reports %q (%v)\n%s", out.String(), err, failure.String())
	}

	t.Run("answers", func(t *testing.T) { judge(t, report) })
	t.Run("health", func(t *testing.T) {
		slices.Sort(took)
		median, p99 := took[len(took)/2], took[len(took)*99/100]
		t.Logf("%d answers of /health: median %s, p99 %s, worst %s", len(took), median, p99, took[len(took)-1])
		if !testtool.Race() && (median > crowdHealth || long && p99 > crowdHealth) { // Few answers have no 99th percentile.
			t.Errorf("the median of /health is %s and the 99th percentile %s, want at most %s", median, p99, crowdHealth)
		}
	})
	t.Run("memory", func(t *testing.T) {
		peak := s.peakMemory(t)
		t.Logf("%d MiB at most, and %.1f s of processor time", peak>>20, s.metric(plan.Tokens["scrape"], "process_cpu_seconds_total"))
		if peak > crowdMemory && !testtool.Race() {
			t.Errorf("it needed %d MiB, want at most %d", peak>>20, crowdMemory>>20)
		}
	})
	t.Run("goroutines and descriptors", func(t *testing.T) {
		waitFor(t, 15*time.Second, "what the crowd needed to be given back", func() error {
			after := s.usage(plan.Tokens["scrape"])
			if after.goroutines > before.goroutines+crowdSlack || after.descriptors > before.descriptors+crowdFiles {
				return fmt.Errorf("%+v before, %+v now: %s", before, after, s.openFiles())
			}
			t.Logf("%+v before, %+v now", before, after)

			return nil
		})
	})
	t.Run("nothing is lost", func(t *testing.T) { s.kept(t, report, plan.Tokens) })
	left := regexp.MustCompile(`"level":"ERROR"|broken pipe|closed pipe|connection reset|canceled`)
	for line := range strings.Lines(s.log()) {
		if left.MatchString(line) {
			t.Errorf("clients that come and go are told of in the log: %s", line)
		}
	}
}

// probe asks for health at a steady rate until the crowd is gone, and returns
// how long each answer took.
func (s *secured) probe(gone <-chan error) []time.Duration {
	s.t.Helper()

	var took []time.Duration
	tick := time.NewTicker(40 * time.Millisecond)
	defer tick.Stop()
	for {
		select {
		case err := <-gone:
			if err != nil {
				s.t.Errorf("the crowd ends with %v", err)
			}

			return took
		case <-tick.C:
		}
		begin := time.Now()
		resp, text := s.ask(http.MethodGet, apiBase+"/health", "")
		took = append(took, time.Since(begin))
		if resp.StatusCode != http.StatusOK {
			s.t.Errorf("health is answered with %d %s", resp.StatusCode, text)
		}
	}
}

// judge holds what the crowd met with against what is right.
func judge(t *testing.T, report crowd.Report) {
	t.Helper()

	total := 0
	for _, kind := range slices.Sorted(maps.Keys(report.Answers)) {
		t.Logf("%-10s %v", kind, report.Answers[kind])
		for outcome, n := range report.Answers[kind] {
			total += n
			if !right(kind).MatchString(outcome) {
				t.Errorf("%s: %d × %s, like %s", kind, n, outcome, report.Examples[outcome])
			}
		}
	}
	t.Logf("%d answers", total)
}

// kept looks for all that was acknowledged.
func (s *secured) kept(t *testing.T, report crowd.Report, tokens map[string]string) {
	t.Helper()

	viewer := []string{"Authorization", "Bearer " + tokens["viewer"]}
	found := s.batches(t, viewer)
	lines := 0
	for name, n := range report.Lines {
		lines += n
		if found[name] != n {
			t.Errorf("of batch %s %d lines were acknowledged, and %d are there", name, n, found[name])
		}
	}
	for _, id := range report.Acknowledged {
		if _, text := s.ask(http.MethodGet, apiBase+"/alerts/"+id, "", viewer...); !strings.Contains(text, `"kind":"acknowledged"`) {
			t.Errorf("the acknowledgement of %s is not there: %s", id, text)
		}
	}
	if got := s.metric(tokens["scrape"], `llmwatch_push_events_total{outcome="accepted",receiver="api"}`); int(got) != report.Events {
		t.Errorf("%d pushed events were acknowledged, and %g are counted", report.Events, got)
	}
	if lines == 0 || len(report.Acknowledged) == 0 || report.Events == 0 {
		t.Errorf("nothing was done: %d lines, %d acknowledgements, %d events", lines, len(report.Acknowledged), report.Events)
	}
	t.Logf("%d lines, %d events and %d acknowledgements are all there", lines, report.Events, len(report.Acknowledged))
}

// batches counts the lines of each batch that the store holds.
func (s *secured) batches(t *testing.T, header []string) map[string]int {
	t.Helper()

	_, text := s.ask(http.MethodGet, apiBase+"/export/logs?format=json&logger="+crowd.Logger, "", header...)
	var entries []struct{ Message string }
	if err := json.Unmarshal([]byte(text), &entries); err != nil {
		t.Fatalf("the export is not whole: %v", err)
	}
	found := map[string]int{}
	for _, e := range entries {
		name, _, _ := strings.Cut(e.Message, " ")
		found[name]++
	}

	return found
}

// usage is what a process holds that must be given back.
type usage struct{ goroutines, descriptors int }

func (s *secured) usage(token string) usage {
	s.t.Helper()

	open, err := os.ReadDir(fmt.Sprintf("/proc/%d/fd", s.process.cmd.Process.Pid))
	if err != nil {
		s.t.Skipf("this test reads Linux's own figures: %v", err)
	}

	return usage{int(s.metric(token, "go_goroutines")), len(open)}
}

// openFiles are what the descriptors of the process are for, to find out why there
// are more than before.
func (s *secured) openFiles() string {
	dir := fmt.Sprintf("/proc/%d/fd", s.process.cmd.Process.Pid)
	open, err := os.ReadDir(dir)
	if err != nil {
		return err.Error()
	}
	var all []string
	for _, fd := range open {
		target, _ := os.Readlink(filepath.Join(dir, fd.Name())) // It may have been closed.
		all = append(all, strings.TrimPrefix(target, s.dir))
	}
	slices.Sort(all)

	return strings.Join(all, " ")
}

// metric is a value that the process shows at /metrics.
func (s *secured) metric(token, series string) float64 {
	s.t.Helper()

	_, text := s.ask(http.MethodGet, "/metrics", "", "Authorization", "Bearer "+token)
	for line := range strings.Lines(text) {
		if value, ok := strings.CutPrefix(strings.TrimSpace(line), series+" "); ok {
			if v, err := strconv.ParseFloat(value, 64); err == nil {
				return v
			}
		}
	}
	s.t.Errorf("/metrics does not have %s", series)

	return math.NaN()
}

// peakMemory is the most that was resident at any moment, in bytes.
func (s *secured) peakMemory(t *testing.T) int {
	t.Helper()

	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", s.process.cmd.Process.Pid))
	if err != nil {
		t.Fatal(err)
	}
	_, rest, _ := strings.Cut(string(text), "VmHWM:")
	var kib int
	if _, err := fmt.Sscan(rest, &kib); err != nil {
		t.Fatal(errors.Join(err, errors.New("no VmHWM")))
	}

	return kib << 10
}
