package exporter

import (
	"context"
	"sync/atomic"
)

// fakeSource is a host with fixed figures. A hook is called when the method of
// its name begins, and its error returned.
type fakeSource struct {
	hooks map[string]func() error
	calls map[string]*atomic.Int64
	cpu   cpuTimes
}

func newFakeSource() *fakeSource {
	f := &fakeSource{
		hooks: make(map[string]func() error),
		calls: make(map[string]*atomic.Int64),
		cpu: cpuTimes{
			user: 100.25, nice: 1, system: 50.5, idle: 4000.75, iowait: 3.5, irq: 0.25, softirq: 0.5, steal: 0.75,
		},
	}
	for _, method := range []string{
		"bootTime", "cpuTimes", "diskBytes", "loadAverages", "memory", "mounts", "networkBytes", "tcpSockets",
		"usage /", "usage /data", "usage /odd\xff",
	} {
		f.calls[method] = new(atomic.Int64)
	}

	return f
}

func (f *fakeSource) called(method string) error {
	f.calls[method].Add(1)
	if hook := f.hooks[method]; hook != nil {
		return hook()
	}

	return nil
}

func (f *fakeSource) bootTime(context.Context) (uint64, error) {
	return 1795460551, f.called("bootTime")
}

func (f *fakeSource) cpuTimes(context.Context) (map[string]cpuTimes, error) {
	return map[string]cpuTimes{"0": f.cpu, "1": {user: 7}}, f.called("cpuTimes")
}

func (f *fakeSource) diskBytes(context.Context) (map[string]ioBytes, error) {
	return map[string]ioBytes{
		"sda": {in: 4096, out: 8192}, "sda1": {in: 4096, out: 8192}, "loop0": {in: 1}, "nvme0n1": {in: 512, out: 1024},
	}, f.called("diskBytes")
}

func (f *fakeSource) loadAverages(context.Context) (loadAverages, error) {
	return loadAverages{load1: 0.25, load5: 0.5, load15: 0.75}, f.called("loadAverages")
}

func (f *fakeSource) memory(context.Context) (memory, error) {
	return memory{total: 16 << 30, available: 6 << 30}, f.called("memory")
}

func (f *fakeSource) mounts(context.Context) ([]mount, error) {
	return []mount{
		{device: "overlay", fstype: "overlay", mountpoint: "/"},
		{device: "proc", fstype: "proc", mountpoint: "/proc"},
		{device: "/dev/sdb1", fstype: "xfs", mountpoint: "/data"},
		{device: "/dev/sda1", fstype: "ext4", mountpoint: "/data", readonly: true},
		{device: "/dev/sda1", fstype: "ext4", mountpoint: "/data", readonly: true},
		{device: "/dev/sda2", fstype: "ext4", mountpoint: "/odd\xff"},
	}, f.called("mounts")
}

func (f *fakeSource) networkBytes(context.Context) (map[string]ioBytes, error) {
	return map[string]ioBytes{"eth0": {in: 1000, out: 2000}, "lo": {in: 3, out: 3}}, f.called("networkBytes")
}

func (f *fakeSource) tcpSockets(context.Context) (tcpSockets, error) {
	return tcpSockets{ipv4: 12, ipv6: 4, hasIPv6: true}, f.called("tcpSockets")
}

func (f *fakeSource) usage(_ context.Context, mountpoint string) (usage, error) {
	return usage{size: 1000, free: 300, avail: 200}, f.called("usage " + mountpoint)
}
