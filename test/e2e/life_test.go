package e2e

import (
	"context"
	"fmt"
	"net/http"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"llmwatch/internal/testtool"
)

// The two tests of the start run alone: they measure time.

func TestHealthAnswersWithinASecond(t *testing.T) {
	if testtool.Race() {
		t.Skip("under the race detector times say nothing")
	}
	address := freePort(t)
	p := run(t, binary, "serve", "--listen", address, "--data-dir", t.TempDir())
	waitFor(t, 10*time.Second, "the first answer of /health", func() error {
		resp, err := http.Get("http://" + address + apiBase + "/health")
		if err != nil {
			return err
		}

		return resp.Body.Close()
	})
	if took := time.Since(p.begin); took > time.Second {
		t.Errorf("the first answer of /health came %s after the start, want under 1s", took)
	}
}

func TestFirstSampleWithinFiveSeconds(t *testing.T) {
	if testtool.Race() {
		t.Skip("under the race detector times say nothing")
	}
	p, r := llmwatch(t, "serve", "--data-dir", t.TempDir(), "--collection-interval", "5s", "--check-interval", "5s")

	first := r.samples(1, 5*time.Second-time.Since(p.begin))
	if first.Data[0].Memory <= 0 || first.Data[0].Disk <= 0 {
		t.Errorf("the first sample is %+v", first.Data[0])
	}
	// One interval for the next scrape, one for the recording after it.
	r.samples(first.Count+1, 11*time.Second)
}

func TestRestartKeepsHistory(t *testing.T) {
	for name, how := range map[string]os.Signal{"SIGTERM": terminate, "kill -9": os.Kill} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			dir := t.TempDir()
			args := []string{"--data-dir", dir, "--collection-interval", "1", "--check-interval", "1"}
			p, r := llmwatch(t, "serve", args...)
			before := r.samples(4, 30*time.Second)
			code, took := p.signal(how)
			if how == terminate && (code != 0 || took > 5*time.Second) {
				t.Errorf("SIGTERM ended it with code %d after %s, want 0 within 5s", code, took)
			}
			if log := p.log.String(); strings.Contains(log, `"level":"WARNING"`) || strings.Contains(log, `"level":"ERROR"`) {
				t.Errorf("an orderly life was not quiet:\n%s", log)
			}

			_, r = llmwatch(t, "serve", args...)
			var after systemAnswer
			r.get("/metrics/system?minutes=60", &after)
			seen := map[time.Time]bool{}
			for _, s := range after.Data {
				seen[s.Timestamp] = true
			}
			missing := 0
			for _, s := range before.Data {
				if !seen[s.Timestamp] {
					missing++
				}
			}
			if missing > 1 {
				t.Errorf("%d of %d samples are missing after the restart", missing, len(before.Data))
			}
			entries, err := os.ReadDir(dir)
			if err != nil {
				t.Fatal(err)
			}
			var names []string
			for _, e := range entries {
				names = append(names, e.Name())
			}
			if want := []string{"llmwatch.db", "llmwatch.db-shm", "llmwatch.db-wal", "logs", "metrics"}; !slices.Equal(names, want) {
				t.Errorf("the data directory holds %v, want %v", names, want)
			}
		})
	}
}

func TestCPUAgreesWithTheKernelOverAMinute(t *testing.T) {
	if testing.Short() {
		t.Skip("takes a minute")
	}
	t.Parallel()
	_, r := llmwatch(t, "serve", "--data-dir", t.TempDir(), "--collection-interval", "2s", "--check-interval", "5s")
	from := r.samples(2, 20*time.Second).Data
	begin := from[len(from)-1].Timestamp
	idle0, all0 := cpuTimes(t)
	burn(t, 20*time.Second)
	waitFor(t, 70*time.Second, "a minute to pass", func() error {
		if left := time.Minute - time.Since(begin); left > 0 {
			return fmt.Errorf("%s left", left)
		}

		return nil
	})
	idle1, all1 := cpuTimes(t)
	want := 100 * (1 - (idle1-idle0)/(all1-all0))

	var a systemAnswer
	r.get("/metrics/system?minutes=2", &a)
	sum, n := 0.0, 0.0
	for _, s := range a.Data {
		if s.Timestamp.After(begin) {
			sum, n = sum+s.CPU, n+1
		}
	}
	near(t, "cpu_percent over a minute", sum/n, want, 5)
}

// burn keeps one processor busy for a while, in the background.
func burn(t *testing.T, d time.Duration) {
	t.Helper()

	ctx, cancel := context.WithTimeout(t.Context(), d)
	t.Cleanup(cancel)
	go func() {
		for ctx.Err() == nil {
		}
	}()
}

// cpuTimes returns the idle and the whole time of all processors by /proc/stat.
func cpuTimes(t *testing.T) (idle, all float64) {
	t.Helper()

	text, err := os.ReadFile("/proc/stat")
	if err != nil {
		t.Skipf("this test compares with Linux's own figures: %v", err)
	}
	line, _, _ := strings.Cut(string(text), "\n")
	for i, field := range strings.Fields(line)[1:9] {
		var ticks float64
		if _, err := fmt.Sscan(field, &ticks); err != nil {
			t.Fatal(err)
		}
		all += ticks
		if i == 3 || i == 4 { // idle and iowait
			idle += ticks
		}
	}

	return idle, all
}
