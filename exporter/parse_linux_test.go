package exporter

import (
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestParseDiskstats(t *testing.T) {
	got, err := parseDiskstats("   8       0 sda 100 5 2000 7 50 6 3000 8 0 9 10\n" +
		" 259       0 nvme0n1 1 0 2 0 3 0 4 0 0 0 0 0 0 0 0 0 0\n")
	if err != nil {
		t.Fatal(err)
	}
	want := map[string]ioBytes{
		"sda":     {in: 2000 * 512, out: 3000 * 512},
		"nvme0n1": {in: 2 * 512, out: 4 * 512},
	}
	if diff := cmp.Diff(want, got, cmp.AllowUnexported(ioBytes{})); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

func TestParseSockstat(t *testing.T) {
	const content = "sockets: used 290\nTCP: inuse 7 orphan 0 tw 2 alloc 9 mem 1\nTCP6: inuse 3\nUDP: inuse 4 mem 2\n"
	for protocol, want := range map[string]uint64{"TCP": 7, "TCP6": 3, "UDP": 4} {
		t.Run(protocol, func(t *testing.T) {
			got, err := parseSockstat(content, protocol)
			if err != nil || got != want {
				t.Errorf("got %d, %v, want %d", got, err, want)
			}
		})
	}
}

func TestParseMounts(t *testing.T) {
	got, err := parseMounts(`/dev/mapper/vg-root / ext4 rw,relatime,errors=remount-ro 0 0
/dev/sdb1 /mnt/my\040disk\0111\134040 xfs ro,noatime 0 0
`)
	if err != nil {
		t.Fatal(err)
	}
	want := []mount{
		{device: "/dev/mapper/vg-root", fstype: "ext4", mountpoint: "/"},
		{device: "/dev/sdb1", fstype: "xfs", mountpoint: "/mnt/my disk\t1\\040", readonly: true},
	}
	if diff := cmp.Diff(want, got, cmp.AllowUnexported(mount{})); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

func TestParseBootTime(t *testing.T) {
	got, err := parseBootTime("cpu  1 2 3 4\nctxt 1343347\nbtime 1795460551\nprocesses 12\n")
	if err != nil || got != 1795460551 {
		t.Errorf("got %d, %v, want 1795460551", got, err)
	}
}

func TestParseErrorsNameWhatIsWrong(t *testing.T) {
	disks := func(s string) error { _, err := parseDiskstats(s); return err }
	sockets := func(s string) error { _, err := parseSockstat(s, "TCP"); return err }
	mounts := func(s string) error { _, err := parseMounts(s); return err }
	boot := func(s string) error { _, err := parseBootTime(s); return err }
	tests := []struct {
		name    string
		parse   func(string) error
		content string
		want    string
	}{
		{"short disk line", disks, "8 0 sda 1 2\n", `line "8 0 sda 1 2" has 5 fields, want at least 10`},
		{"disk read", disks, "8 0 sda 1 2 x 4 5 6 7\n", `sectors read from sda: strconv.ParseUint: parsing "x": invalid syntax`},
		{"disk written", disks, "8 0 sda 1 2 3 4 5 6 -7\n", `sectors written to sda: strconv.ParseUint: parsing "-7": invalid syntax`},
		{"socket number", sockets, "TCP: inuse many\n", `TCP sockets in use: strconv.ParseUint: parsing "many": invalid syntax`},
		{"socket pair cut off", sockets, "TCP: inuse\n", `no line "TCP:" with a pair "inuse <number>"`},
		{"socket protocol missing", sockets, "TCP6: inuse 1\n", `no line "TCP:" with a pair "inuse <number>"`},
		{"short mount line", mounts, "proc /proc proc\n", `line "proc /proc proc" has 3 fields, want at least 4`},
		{"boot time missing", boot, "cpu 1 2 3\n", `no line "btime <seconds>"`},
		{"boot time number", boot, "btime now\n", `line btime: strconv.ParseUint: parsing "now": invalid syntax`},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			err := tt.parse(tt.content)
			if err == nil || err.Error() != tt.want {
				t.Errorf("error is %v, want %s", err, tt.want)
			}
		})
	}
}

func FuzzParseSockstat(f *testing.F) {
	f.Add("sockets: used 11\nTCP: inuse 1 orphan 0 tw 0 alloc 1 mem 0\n", "TCP")
	f.Add("TCP6: inuse 0\n", "TCP6")
	f.Add("TCP: inuse", "TCP")
	f.Fuzz(func(t *testing.T, content, protocol string) {
		if inUse, err := parseSockstat(content, protocol); err != nil && inUse != 0 {
			t.Errorf("both a value, %d, and an error: %v", inUse, err)
		}
	})
}

func FuzzParseDiskstats(f *testing.F) {
	f.Add("   8       0 sda 100 5 2000 7 50 6 3000 8 0 9 10\n")
	f.Add("8 0 sda 1 2\n")
	f.Fuzz(func(t *testing.T, content string) {
		if disks, err := parseDiskstats(content); (disks == nil) == (err == nil) {
			t.Errorf("want either disks or an error, got %v and %v", disks, err)
		}
	})
}

func FuzzParseMounts(f *testing.F) {
	f.Add("/dev/sdb1 /mnt/my\\040disk xfs ro,noatime 0 0\n")
	f.Add("proc /proc proc\n")
	f.Fuzz(func(t *testing.T, content string) {
		mounts, err := parseMounts(content)
		if err != nil && mounts != nil {
			t.Errorf("both mounts, %v, and an error: %v", mounts, err)
		}
		points := make(map[string]bool)
		for _, m := range relevantMounts(mounts) {
			if label := validUTF8(m.mountpoint); points[label] {
				t.Errorf("mount point %q twice", label)
			} else {
				points[label] = true
			}
		}
	})
}

func FuzzParseBootTime(f *testing.F) {
	f.Add("cpu  1 2 3 4\nbtime 1795460551\n")
	f.Add("btime ")
	f.Fuzz(func(t *testing.T, content string) {
		if seconds, err := parseBootTime(content); err != nil && seconds != 0 {
			t.Errorf("both a value, %d, and an error: %v", seconds, err)
		}
	})
}
