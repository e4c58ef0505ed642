package exporter

import (
	"context"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/shirou/gopsutil/v3/disk"
)

// mount is one mounted file system.
type mount struct {
	device, fstype, mountpoint string
	readonly                   bool
}

// usage is the space of a file system in bytes, as statfs(2) tells it.
type usage struct {
	size  uint64
	free  uint64 // What is reserved for the superuser included.
	avail uint64 // For unprivileged users.
}

type filesystemCollector struct {
	source  systemSource
	logger  *slog.Logger
	timeout time.Duration // For one mount point.
	probes  map[string]*mountProbe

	size, free, avail, readonly, deviceError *prometheus.Desc
}

// mountProbe measures one mount point on its own, so that a dead network file
// system does not hide how full the others are.
type mountProbe struct {
	guard  *guard[usage]
	outage outage
}

func newFilesystemCollector(source systemSource, logger *slog.Logger, timeout time.Duration) *filesystemCollector {
	desc := func(name, help string) *prometheus.Desc {
		return prometheus.NewDesc("node_filesystem_"+name, help, []string{"device", "fstype", "mountpoint"}, nil)
	}

	return &filesystemCollector{
		source: source,
		logger: logger,
		// The rest is left for listing the mounts.
		timeout:     timeout / 2,
		size:        desc("size_bytes", "Size of the file system in bytes."),
		free:        desc("free_bytes", "Free space in bytes, what is reserved for the superuser included."),
		avail:       desc("avail_bytes", "Free space in bytes that unprivileged users can fill."),
		readonly:    desc("readonly", "Whether the file system is mounted read-only: 1 if so, 0 if not."),
		deviceError: desc("device_error", "Whether the file system could not be measured: 1 if so, 0 if not."),
	}
}

func (c *filesystemCollector) describe() []*prometheus.Desc {
	return []*prometheus.Desc{c.size, c.free, c.avail, c.readonly, c.deviceError}
}

func (c *filesystemCollector) collect(ctx context.Context) ([]prometheus.Metric, error) {
	all, err := c.source.mounts(ctx)
	if err != nil {
		return nil, err
	}
	mounts := relevantMounts(all)

	// Probes of file systems that are gone are forgotten with the old map.
	probes := make(map[string]*mountProbe, len(mounts))
	runs := make([]*run[usage], len(mounts))
	for i, m := range mounts {
		probe := c.probes[m.mountpoint]
		if probe == nil {
			probe = &mountProbe{guard: newGuard[usage](c.timeout)}
		}
		probes[m.mountpoint] = probe
		runs[i] = probe.guard.start(ctx, func(ctx context.Context) (usage, error) {
			return c.source.usage(ctx, m.mountpoint)
		})
	}
	c.probes = probes

	metrics := make([]prometheus.Metric, 0, 5*len(mounts))
	for i, m := range mounts {
		u, _, err := runs[i].wait()
		probes[m.mountpoint].outage.observe(c.logger, err, slog.String("mountpoint", m.mountpoint))
		metrics = append(metrics, c.metrics(m, u, err)...)
	}

	return metrics, nil
}

// metrics returns the series of one mount; without the sizes if they could not
// be read.
func (c *filesystemCollector) metrics(m mount, u usage, err error) []prometheus.Metric {
	labels := []string{validUTF8(m.device), validUTF8(m.fstype), validUTF8(m.mountpoint)}
	metrics := []prometheus.Metric{
		gauge(c.readonly, boolValue(m.readonly), labels...),
		gauge(c.deviceError, boolValue(err != nil), labels...),
	}
	if err != nil {
		return metrics
	}

	return append(metrics,
		gauge(c.size, float64(u.size), labels...),
		gauge(c.free, float64(u.free), labels...),
		gauge(c.avail, float64(u.avail), labels...))
}

// relevantMounts returns the mounts that hold data, each mount point once. Of
// several mounts on one point the last covers the others and is what statfs
// sees. The root file system is always among them, because in a container it
// is an overlay.
func relevantMounts(all []mount) []mount {
	seen := make(map[string]bool, len(all))
	var mounts []mount
	for _, m := range slices.Backward(all) {
		label := validUTF8(m.mountpoint)
		if seen[label] {
			continue
		}
		seen[label] = true
		if m.mountpoint == "/" || !pseudoFilesystem(m.fstype) && !noiseMountpoint(m.mountpoint) {
			mounts = append(mounts, m)
		}
	}
	slices.Reverse(mounts)

	return mounts
}

// pseudoFilesystem reports whether a type of file system stores nothing, or,
// like an image, is always full, as node_exporter judges by default.
func pseudoFilesystem(fstype string) bool {
	switch fstype {
	case "autofs", "binfmt_misc", "bpf", "cgroup", "cgroup2", "configfs", "debugfs", "devfs", "devpts", "devtmpfs",
		"efivarfs", "erofs", "fusectl", "hugetlbfs", "iso9660", "mqueue", "nsfs", "overlay", "proc", "procfs", "pstore",
		"rpc_pipefs", "securityfs", "selinuxfs", "squashfs", "sysfs", "tracefs":
		return true
	}

	return false
}

// noiseMountpoint reports whether a mount point belongs to the kernel or is
// made by a container runtime for each of its containers.
func noiseMountpoint(mountpoint string) bool {
	for _, dir := range []string{"/dev", "/proc", "/sys"} {
		if mountpoint == dir || strings.HasPrefix(mountpoint, dir+"/") {
			return true
		}
	}
	for _, dir := range []string{
		"/run/containerd/", "/run/credentials/", "/run/docker/",
		"/var/lib/containerd/", "/var/lib/containers/storage/", "/var/lib/docker/", "/var/lib/kubelet/",
	} {
		if strings.HasPrefix(mountpoint, dir) {
			return true
		}
	}

	return false
}

func (h *host) usage(ctx context.Context, mountpoint string) (usage, error) {
	path := h.inRoot(mountpoint)
	stat, err := disk.UsageWithContext(ctx, path)
	if err != nil {
		return usage{}, fmt.Errorf("measuring file system %s: %w", path, err)
	}

	// To gopsutil only what unprivileged users can fill is free, and what is
	// reserved is neither free nor used.
	return usage{size: stat.Total, free: stat.Total - stat.Used, avail: stat.Free}, nil
}
