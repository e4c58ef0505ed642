package rules

import (
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"llmwatch/internal/engine/ruletest"
)

// TestUnitTestsNoticeAChangedAlert proves that the unit tests can fail: an alert
// whose threshold or duration is a little off must not pass them.
func TestUnitTestsNoticeAChangedAlert(t *testing.T) {
	mutations := map[string]func(t *testing.T, r *rule){
		"threshold+1": func(t *testing.T, r *rule) { shiftThreshold(t, r, 1) },
		"threshold-1": func(t *testing.T, r *rule) { shiftThreshold(t, r, -1) },
		"for+1m":      func(t *testing.T, r *rule) { shiftFor(t, r, time.Minute) },
		"for-1m":      func(t *testing.T, r *rule) { shiftFor(t, r, -time.Minute) },
		"severity":    func(_ *testing.T, r *rule) { r.Labels["severity"] = "none" },
	}
	for name := range load(t) {
		for _, r := range rulesOf(load(t)[name]) {
			if r.Alert == "" {
				continue
			}
			mutations := maps.Clone(mutations)
			if r.KeepFiringFor != "" {
				mutations["keep_firing_for+1m"] = func(t *testing.T, r *rule) { r.KeepFiringFor = shifted(t, r.KeepFiringFor, time.Minute) }
				mutations["keep_firing_for-1m"] = func(t *testing.T, r *rule) { r.KeepFiringFor = shifted(t, r.KeepFiringFor, -time.Minute) }
			}
			for mutation, mutate := range mutations {
				t.Run(r.Alert+"/"+mutation, func(t *testing.T) {
					t.Parallel()
					file := load(t)[name]
					mutate(t, find(t, file, r.Alert))
					mustFail(t, name, file, r.Alert)
				})
			}
		}
	}
}

// TestUnitTestsNoticeAChangedRecordingRule does the same for each decision that
// a recording rule embodies.
func TestUnitTestsNoticeAChangedRecordingRule(t *testing.T) {
	for _, m := range []struct{ promise, series, old, replacement string }{
		{"iowait is idle", "llmwatch:cpu_percent", `"idle|iowait"`, `"idle"`},
		{"a window reaches back two scrapes", "llmwatch:cpu_percent", `[5m]`, `[2m]`},
		{"only the last interval counts", "llmwatch:cpu_percent", `irate`, `rate`},
		{"hosts that are gone have no CPU share", "llmwatch:cpu_percent", ` and node_cpu_seconds_total`, ``},
		{"no time passed is no division by zero", "llmwatch:cpu_percent", ` > 0)`, `)`},
		{"no memory is no division by zero", "llmwatch:memory_percent", ` > 0)`, `)`},
		{"available memory counts", "llmwatch:memory_percent", `MemAvailable`, `MemFree`},
		{"reserved blocks are left out", "llmwatch:filesystem_percent", ` - node_filesystem_free_bytes + node_filesystem_avail_bytes`, ``},
		{"free bytes may be missing", "llmwatch:filesystem_percent", "or\n            node_filesystem_size_bytes", ""},
		{"no size is no filesystem", "llmwatch:filesystem_percent", ` > 0`, ``},
		{"read-only filesystems are left out", "llmwatch:filesystem_percent", `readonly == 1`, `readonly == 2`},
		{"tmpfs is left out", "llmwatch:filesystem_percent", `(dev)?tmpfs|`, ``},
		{"mounted files are left out", "llmwatch:filesystem_percent", `,mountpoint!~"/dev/.+|/etc/(hosts|hostname|resolv[.]conf)"`, ``},
		{"the root filesystem comes first", "llmwatch:disk_percent", `{mountpoint="/"}`, ``},
		{"the fullest filesystem stands in for the root", "llmwatch:disk_percent", "or\n", "and\n"},
		{"bridges are left out", "llmwatch:network_sent_bytes", `br-|`, ``},
		{"loopback is left out", "llmwatch:network_received_bytes", `lo[0-9]*|`, ``},
		{"a host without network sent 0", "llmwatch:network_sent_bytes", `0 * `, `1 * `},
		{"IPv6 connections count", "llmwatch:connections", ` + sum by (job, instance) (node_sockstat_TCP6_inuse)`, ``},
		{"IPv6 connections may be missing", "llmwatch:connections", "or\n", "and\n"},
		{"rates span 5 minutes", "llmwatch:http_requests:rate5m", `[5m]`, `[10m]`},
		{"4xx is no error", "llmwatch:http_errors:rate5m", `"5.."`, `"[45].."`},
		{"no errors are 0", "llmwatch:http_errors:rate5m", "or\n", "and\n"},
		{"no traffic is no division by zero", "llmwatch:http_error_percent", ` > 0)`, `)`},
		{"no traffic is no error", "llmwatch:http_error_percent", "or\n", "and\n"},
		{"no traffic has no mean", "llmwatch:http_response_seconds:avg5m", ` > 0)`, `)`},
		{"13 minutes are not 12", "llmwatch:http_requests:increase13m", `13m]`, `12m]`},
		{"13 minutes ago are not 14", "llmwatch:http_requests:increase13m", `[1h] offset 13m`, `[1h] offset 14m`},
		{"a restart counts in full", "llmwatch:http_requests:increase13m", ">= 0", ">= -1000"},
		{"failed scrapes are bridged", "llmwatch:http_requests:increase13m", `[1h]`, `[5m]`},
		{"a job is known for a day", "llmwatch:http_requests:increase13m", `[1d]`, `[2d]`},
		{"a job is not known at once", "llmwatch:http_requests:increase13m", `[1d] offset 13m`, `[1d]`},
	} {
		t.Run(m.promise, func(t *testing.T) {
			t.Parallel()
			file := load(t)["recording.yml"]
			r := find(t, file, m.series)
			mutated := strings.ReplaceAll(r.Expr, m.old, m.replacement)
			if mutated == r.Expr {
				t.Fatalf("%s does not hold %q any more: %s", m.series, m.old, r.Expr)
			}
			r.Expr = mutated
			mentioned := []string{m.series}
			for _, reader := range alerts(t) {
				if strings.Contains(reader.Expr, m.series) {
					mentioned = append(mentioned, reader.Alert)
				}
			}
			mustFail(t, "recording.yml", file, mentioned...)
		})
	}
}

// mustFail runs the unit tests that mention one of some rules, with one rule
// file replaced, and fails the test when they pass. It runs them in this process:
// to start promtool some hundred times takes minutes, and that it agrees is
// ruletest's own test.
func mustFail(t *testing.T, name string, mutated ruleFile, mentioned ...string) {
	t.Helper()

	dir := t.TempDir()
	texts := map[string]string{}
	for other := range load(t) {
		texts[other] = readFile(t, other)
	}
	texts[name] = string(marshal(t, mutated))
	var tests []string
	for _, path := range unitTests(t) {
		unitTest := readFile(t, path)
		if slices.ContainsFunc(mentioned, func(rule string) bool { return strings.Contains(unitTest, rule) }) {
			texts[path] = unitTest
			tests = append(tests, path)
		}
	}
	if err := os.Mkdir(filepath.Join(dir, "tests"), 0o755); err != nil {
		t.Fatal(err)
	}
	for path, text := range texts {
		if err := os.WriteFile(filepath.Join(dir, path), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	for _, path := range tests {
		// What is no rule file would be an error, and prove nothing.
		_, failures, err := ruletest.Run(t.Context(), filepath.Join(dir, path))
		if err != nil {
			t.Fatal(err)
		}
		if len(failures) > 0 {
			return
		}
	}
	t.Errorf("the unit tests %v pass although the rule is wrong", tests)
}

// find returns the rule of that name in file, to be changed in place.
func find(t *testing.T, file ruleFile, name string) *rule {
	t.Helper()

	for _, group := range file.Groups {
		for i := range group.Rules {
			if r := &group.Rules[i]; r.Alert == name || r.Record == name {
				return r
			}
		}
	}
	t.Fatalf("no rule %s", name)

	return nil
}

// shiftThreshold changes the number that the alert's expression compares with,
// and leaves the annotations alone.
func shiftThreshold(t *testing.T, r *rule, by float64) {
	t.Helper()

	at := comparison.FindStringSubmatchIndex(r.Expr)
	threshold, err := strconv.ParseFloat(r.Expr[at[2]:], 64)
	if err != nil {
		t.Fatal(err)
	}
	r.Expr = r.Expr[:at[2]] + strconv.FormatFloat(threshold+by, 'g', -1, 64)
}

func shiftFor(t *testing.T, r *rule, by time.Duration) {
	t.Helper()
	r.For = shifted(t, r.For, by)
}

// shifted is a duration in a rule file that is longer by so much.
func shifted(t *testing.T, duration string, by time.Duration) string {
	t.Helper()

	d, err := time.ParseDuration(duration)
	if err != nil {
		t.Fatal(err)
	}

	return strconv.Itoa(int((d + by).Seconds())) + "s"
}
