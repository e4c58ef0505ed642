package exporter

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"math"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"

	"github.com/google/go-cmp/cmp"

	"llmwatch/internal/testtool"
)

// near fails the test unless got is within 1 % of want.
func near(t *testing.T, what, got string, want float64) {
	t.Helper()

	value, err := strconv.ParseFloat(got, 64)
	if err != nil || math.Abs(value-want) > math.Abs(want)/100 {
		t.Errorf("%s is %q, want %v within 1 %%", what, got, want)
	}
}

func TestHostAgreesWithKernel(t *testing.T) {
	series := scrape(t, registryOf(NewSystemCollector(SystemOptions{})))

	t.Run("every part succeeds", func(t *testing.T) {
		for name, value := range series {
			if strings.HasPrefix(name, "llmwatch_collector_success{") && value != "1" {
				t.Errorf("%s is %s, want 1", name, value)
			}
		}
	})
	t.Run("memory as in /proc/meminfo", func(t *testing.T) {
		for _, field := range []string{"MemTotal", "MemAvailable"} {
			kilobytes := procValue(t, "/proc/meminfo", field+":", 1)
			near(t, field, series["node_memory_"+field+"_bytes"], 1024*kilobytes)
		}
	})
	t.Run("root file system as in statfs", func(t *testing.T) {
		var s syscall.Statfs_t
		if err := syscall.Statfs("/", &s); err != nil {
			t.Fatal(err)
		}
		want := map[string]uint64{"size": s.Blocks, "free": s.Bfree, "avail": s.Bavail}
		found := 0
		for name, value := range series {
			for kind, blocks := range want {
				if strings.HasPrefix(name, "node_filesystem_"+kind+"_bytes{") && strings.HasSuffix(name, `mountpoint="/"}`) {
					near(t, name, value, float64(blocks)*float64(s.Bsize))
					found++
				}
			}
		}
		if found != len(want) {
			t.Errorf("found %d series of the root file system, want %d", found, len(want))
		}
	})
	t.Run("CPU time as in /proc/stat", func(t *testing.T) {
		const ticksPerSecond = 100 // USER_HZ, the same on all architectures that Go runs on.
		for column, mode := range []string{"user", "nice", "system", "idle", "iowait", "irq", "softirq", "steal"} {
			want := procValue(t, "/proc/stat", "cpu0", column+1) / ticksPerSecond
			got, err := strconv.ParseFloat(series[fmt.Sprintf(`node_cpu_seconds_total{cpu="0",mode="%s"}`, mode)], 64)
			if err != nil || math.Abs(got-want) > max(1, want/100) {
				t.Errorf("%s is %v, want %v within a second or 1 %%", mode, got, want)
			}
		}
	})
}

// procValue returns a field of the line of a procfs file that begins with key.
func procValue(t *testing.T, path, key string, column int) float64 {
	t.Helper()

	content, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(string(content)) {
		if fields := strings.Fields(line); len(fields) > column && fields[0] == key {
			value, err := strconv.ParseFloat(fields[column], 64)
			if err != nil {
				t.Fatal(err)
			}

			return value
		}
	}
	t.Fatalf("no line %q in %s", key, path)

	return 0
}

func TestHostReadsGivenPaths(t *testing.T) {
	proc, root := t.TempDir(), t.TempDir()
	for path, content := range map[string]string{
		"1/mounts":     "overlay / overlay rw 0 0\n/dev/sdz1 /data ext4 ro 0 0\n/dev/sdy1 /gone ext4 rw 0 0\n",
		"stat":         "cpu  3 0 0 0 0 0 0 0 0 0\ncpu0 100 0 0 0 0 0 0 0 70 0\ncpu12 200 0 0 0 0 0 0 0 0 0\nbtime 12345\n",
		"meminfo":      "MemTotal: 4 kB\nMemAvailable: 2 kB\n",
		"loadavg":      "0.10 0.20 0.30 1/100 1\n",
		"diskstats":    "8 0 sdz 0 0 2 0 0 0 4\n8 1 sdz1 0 0 2 0 0 0 4\n",
		"net/dev":      "Inter-|\n face |\n  eth7: 11 0 0 0 0 0 0 0 22 0 0 0 0 0 0 0\n",
		"net/sockstat": "TCP: inuse 5\n",
	} {
		file := filepath.Join(proc, path)
		if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(file, []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.Mkdir(filepath.Join(root, "data"), 0o755); err != nil {
		t.Fatal(err)
	}

	series := scrape(t, registryOf(NewSystemCollector(SystemOptions{ProcPath: proc, RootPath: root})))
	for name, want := range map[string]string{
		`node_boot_time_seconds`:                       "12345",
		`node_cpu_seconds_total{cpu="0",mode="user"}`:  "1", // Guest time stays in it.
		`node_cpu_seconds_total{cpu="12",mode="user"}`: "2",
		`node_disk_read_bytes_total{device="sdz"}`:     "1024",
		`node_disk_written_bytes_total{device="sdz"}`:  "2048",
		`node_disk_written_bytes_total{device="sdz1"}`: "",
		`node_load15`:                                           "0.3",
		`node_memory_MemTotal_bytes`:                            "4096",
		`node_memory_MemAvailable_bytes`:                        "2048",
		`node_network_receive_bytes_total{device="eth7"}`:       "11",
		`node_network_transmit_bytes_total{device="eth7"}`:      "22",
		`node_sockstat_TCP_inuse`:                               "5",
		`node_sockstat_TCP6_inuse`:                              "", // There is no sockstat6.
		`llmwatch_collector_success{collector="sockstat"}`:      "1",
		`node_filesystem_readonly` + labels("sdz1", "data"):     "1",
		`node_filesystem_device_error` + labels("sdz1", "data"): "0",
		`node_filesystem_device_error` + labels("sdy1", "gone"): "1",
		`node_filesystem_size_bytes` + labels("sdy1", "gone"):   "",
		`llmwatch_collector_success{collector="filesystem"}`:    "1",
	} {
		if got := series[name]; got != want {
			t.Errorf("%s is %q, want %q", name, got, want)
		}
	}
}

func labels(device, mountpoint string) string {
	return fmt.Sprintf(`{device="/dev/%s",fstype="ext4",mountpoint="/%s"}`, device, mountpoint)
}

func TestHostWithoutProcfsFailsEachPart(t *testing.T) {
	h := newHost(SystemOptions{ProcPath: t.TempDir()})
	ctx := t.Context()
	for name, read := range map[string]func() error{
		"bootTime":     func() error { _, err := h.bootTime(ctx); return err },
		"cpuTimes":     func() error { _, err := h.cpuTimes(ctx); return err },
		"diskBytes":    func() error { _, err := h.diskBytes(ctx); return err },
		"memory":       func() error { _, err := h.memory(ctx); return err },
		"mounts":       func() error { _, err := h.mounts(ctx); return err },
		"networkBytes": func() error { _, err := h.networkBytes(ctx); return err },
		"tcpSockets":   func() error { _, err := h.tcpSockets(ctx); return err },
	} {
		t.Run(name, func(t *testing.T) {
			if err := read(); err == nil {
				t.Error("want an error")
			}
		})
	}
}

// TestHostAgreesWithNodeExporter compares names, labels and values with a real
// node_exporter on the same machine.
func TestHostAgreesWithNodeExporter(t *testing.T) {
	theirs := nodeExporterSamples(t, testtool.Find(t, "prometheus-node-exporter"))
	ours := scrape(t, registryOf(NewSystemCollector(SystemOptions{})))

	// What a busy machine changes between the two scrapes need not be equal.
	moving := regexp.MustCompile(`^node_(cpu|load|network|disk|sockstat|memory_MemAvailable|filesystem_(free|avail))`)
	names := func(series map[string]string, ignore string) []string {
		known := regexp.MustCompile(`^node_(cpu_seconds_total|load\d+|memory_Mem(Total|Available)_bytes` +
			`|filesystem_(size_bytes|free_bytes|avail_bytes|readonly|device_error)` +
			`|network_(receive|transmit)_bytes_total|disk_(read|written)_bytes_total` +
			`|sockstat_TCP6?_inuse|boot_time_seconds)({|$)`)
		skip := regexp.MustCompile(ignore)
		found := make(map[string]string)
		for name, value := range series {
			if !known.MatchString(name) || skip.MatchString(name) {
				continue
			}
			if moving.MatchString(name) {
				value = "moving"
			}
			found[name] = value
		}
		lines := make([]string, 0, len(found))
		for name, value := range found {
			lines = append(lines, name+" "+value)
		}

		slices.Sort(lines)

		return lines
	}
	// node_exporter leaves out an overlay on / and, in old versions, counts zram.
	const ignore = `fstype="overlay"|device="zram\d+"`
	if diff := cmp.Diff(names(theirs, ignore), names(ours, ignore)); diff != "" {
		t.Errorf("(-node_exporter +exporter):\n%s", diff)
	}
	for name, value := range theirs {
		if !strings.HasPrefix(name, "node_cpu_seconds_total") && !strings.HasPrefix(name, "node_filesystem_avail") {
			continue
		}
		want, err := strconv.ParseFloat(value, 64)
		if err != nil {
			t.Fatal(err)
		}
		got, _ := strconv.ParseFloat(ours[name], 64)
		if math.Abs(got-want) > max(5, want/100) {
			t.Errorf("%s is %v, want %v within 1 %%", name, got, want)
		}
	}
}

// nodeExporterSamples runs node_exporter for one scrape.
func nodeExporterSamples(t *testing.T, program string) map[string]string {
	t.Helper()

	ctx, cancel := context.WithCancel(t.Context())
	cmd := exec.CommandContext(ctx, program, "--web.listen-address=127.0.0.1:0",
		"--collector.netdev.device-exclude=",
		// The same as noiseMountpoint: distributions change the default.
		"--collector.filesystem.mount-points-exclude=^/(dev|proc|sys)($|/)"+
			"|^/run/(containerd|credentials|docker)/|^/var/lib/(containerd|containers/storage|docker|kubelet)/")
	stderr, err := cmd.StderrPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	defer func() {
		cancel()
		_ = cmd.Wait() // It was killed.
	}()

	listening := regexp.MustCompile(`address=(127\.0\.0\.1:\d+)`)
	lines := bufio.NewScanner(stderr)
	for lines.Scan() {
		match := listening.FindStringSubmatch(lines.Text())
		if match == nil {
			continue
		}
		request, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+match[1]+"/metrics", http.NoBody)
		if err != nil {
			t.Fatal(err)
		}
		response, err := (&http.Client{Transport: &http.Transport{DisableKeepAlives: true}}).Do(request)
		if err != nil {
			t.Fatal(err)
		}
		body, err := io.ReadAll(response.Body)
		if err := errors.Join(err, response.Body.Close()); err != nil {
			t.Fatal(err)
		}

		return samples(string(body))
	}
	t.Fatalf("%s did not say where it listens", program)

	return nil
}
