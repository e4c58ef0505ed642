package exporter

import (
	"context"
	"path/filepath"

	"github.com/shirou/gopsutil/v3/common"
)

// systemSource reads the raw figures of a host. It is the only way from the
// collectors to the operating system. Every method may block, and should give
// up when its context ends.
type systemSource interface {
	bootTime(ctx context.Context) (uint64, error)
	cpuTimes(ctx context.Context) (map[string]cpuTimes, error)
	diskBytes(ctx context.Context) (map[string]ioBytes, error)
	loadAverages(ctx context.Context) (loadAverages, error)
	memory(ctx context.Context) (memory, error)
	mounts(ctx context.Context) ([]mount, error)
	networkBytes(ctx context.Context) (map[string]ioBytes, error)
	tcpSockets(ctx context.Context) (tcpSockets, error)
	usage(ctx context.Context, mountpoint string) (usage, error)
}

// ioBytes counts the bytes that a device has moved since it was attached.
type ioBytes struct {
	in  uint64 // Received or read.
	out uint64 // Transmitted or written.
}

// host is the systemSource of the real machine. Its methods stand beside the
// metrics that are made from them: gopsutil where it is exact and fast, procfs
// itself where it is not.
type host struct {
	procPath string
	rootPath string
}

func newHost(options SystemOptions) *host {
	h := &host{procPath: options.ProcPath, rootPath: options.RootPath}
	if h.procPath == "" {
		h.procPath = "/proc"
	}

	return h
}

// gopsutil returns a context that points gopsutil at the same procfs.
func (h *host) gopsutil(ctx context.Context) context.Context {
	return context.WithValue(ctx, common.EnvKey, common.EnvMap{common.HostProcEnvKey: h.procPath})
}

// inRoot returns where a path of the host is found by this process.
func (h *host) inRoot(path string) string {
	if h.rootPath == "" {
		return path
	}

	return filepath.Join(h.rootPath, path)
}
