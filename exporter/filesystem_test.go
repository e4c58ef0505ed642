package exporter

import (
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestRelevantMounts(t *testing.T) {
	tests := []struct {
		name string
		all  []mount
		want []string // Device and mount point.
	}{
		{
			"a plain disk, memory and network file systems are kept",
			[]mount{
				{device: "/dev/vda", fstype: "ext4", mountpoint: "/"},
				{device: "tmpfs", fstype: "tmpfs", mountpoint: "/run"},
				{device: "nas:/models", fstype: "nfs4", mountpoint: "/mnt/models"},
			},
			[]string{"/dev/vda /", "tmpfs /run", "nas:/models /mnt/models"},
		},
		{
			"pseudo file systems and images are not",
			[]mount{
				{device: "proc", fstype: "proc", mountpoint: "/proc"},
				{device: "cgroup2", fstype: "cgroup2", mountpoint: "/cgroup"},
				{device: "/dev/loop1", fstype: "squashfs", mountpoint: "/snap/core/1"},
				{device: "tmpfs", fstype: "tmpfs", mountpoint: "/dev/shm"},
				{device: "tmpfs", fstype: "tmpfs", mountpoint: "/sys/fs/cgroup"},
			},
			nil,
		},
		{
			"mounts made for containers are not, the runtime's own disk is",
			[]mount{
				{device: "overlay", fstype: "overlay", mountpoint: "/var/lib/docker/overlay2/ab/merged"},
				{device: "shm", fstype: "tmpfs", mountpoint: "/var/lib/docker/containers/ab/mounts/shm"},
				{device: "tmpfs", fstype: "tmpfs", mountpoint: "/var/lib/kubelet/pods/1/volumes/token"},
				{device: "/dev/sdb", fstype: "xfs", mountpoint: "/var/lib/docker"},
			},
			[]string{"/dev/sdb /var/lib/docker"},
		},
		{
			"a directory whose name only begins alike is kept",
			[]mount{{device: "/dev/sdb", fstype: "xfs", mountpoint: "/devel"}},
			[]string{"/dev/sdb /devel"},
		},
		{
			"an overlay on / is kept",
			[]mount{{device: "overlay", fstype: "overlay", mountpoint: "/"}},
			[]string{"overlay /"},
		},
		{
			"a mount point is kept once, as its last mount",
			[]mount{
				{device: "rootfs", fstype: "rootfs", mountpoint: "/"},
				{device: "/dev/sda", fstype: "ext4", mountpoint: "/"},
				{device: "/dev/sdb", fstype: "ext4", mountpoint: "/data"},
				{device: "/dev/sdb", fstype: "ext4", mountpoint: "/data"},
				{device: "/dev/sdb", fstype: "ext4", mountpoint: "/elsewhere"},
			},
			[]string{"/dev/sda /", "/dev/sdb /data", "/dev/sdb /elsewhere"},
		},
		{
			"a disk covered by a pseudo file system cannot be measured",
			[]mount{
				{device: "/dev/sda", fstype: "ext4", mountpoint: "/data"},
				{device: "overlay", fstype: "overlay", mountpoint: "/data"},
			},
			nil,
		},
		{
			"names that look alike as UTF-8 are one",
			[]mount{
				{device: "/dev/sda", fstype: "ext4", mountpoint: "/a\xfe"},
				{device: "/dev/sdb", fstype: "ext4", mountpoint: "/a\xff"},
			},
			[]string{"/dev/sdb /a\xff"},
		},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			var got []string
			for _, m := range relevantMounts(tt.all) {
				got = append(got, m.device+" "+m.mountpoint)
			}
			if diff := cmp.Diff(tt.want, got); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
}
