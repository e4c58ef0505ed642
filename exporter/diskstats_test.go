package exporter

import "testing"

func TestIgnoredDisk(t *testing.T) {
	for device, want := range map[string]bool{
		"sda": false, "sdaa": false, "vda": false, "xvda": false, "nvme0n1": false, "mmcblk0": false,
		"dm-0": false, "md127": false, "sr0": false, "rbd1": false, "nbd0": false, "disk0": false,
		"sda1": true, "sdaa12": true, "hda3": true, "vdb2": true, "xvda1": true,
		"nvme0n1p1": true, "mmcblk0p2": true,
		"ram0": true, "zram0": true, "loop7": true, "fd0": true,
	} {
		t.Run(device, func(t *testing.T) {
			if got := ignoredDisk(device); got != want {
				t.Errorf("ignored is %t, want %t", got, want)
			}
		})
	}
}
