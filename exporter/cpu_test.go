package exporter

import (
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestNeverBackwards(t *testing.T) {
	last := cpuTimes{user: 10, system: 5, idle: 100, iowait: 7}
	tests := []struct {
		name          string
		current, want cpuTimes
	}{
		{
			"time that passes is reported",
			cpuTimes{user: 11, system: 6, idle: 110, iowait: 8},
			cpuTimes{user: 11, system: 6, idle: 110, iowait: 8},
		},
		{
			"small steps back are held",
			cpuTimes{user: 11, system: 6, idle: 99.5, iowait: 6},
			cpuTimes{user: 11, system: 6, idle: 100, iowait: 7},
		},
		{
			"a CPU that comes back begins anew",
			cpuTimes{user: 0.5, system: 0.25, idle: 2},
			cpuTimes{user: 0.5, system: 0.25, idle: 2},
		},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			got := neverBackwards(last, tt.current)
			if diff := cmp.Diff(tt.want, got, cmp.AllowUnexported(cpuTimes{})); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
}

func TestCPUCounterNeverDecreases(t *testing.T) {
	const idle = `node_cpu_seconds_total{cpu="0",mode="idle"}`
	source := newFakeSource()
	registry := registryOf(newSystemCollector(source, SystemOptions{}))
	for _, step := range []struct {
		read float64
		want string
	}{{100, "100"}, {99, "100"}, {98.5, "100"}, {101, "101"}} {
		source.cpu.idle = step.read
		if got := scrape(t, registry)[idle]; got != step.want {
			t.Errorf("idle read as %v is reported as %s, want %s", step.read, got, step.want)
		}
	}
}
