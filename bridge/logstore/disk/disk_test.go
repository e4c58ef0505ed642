package disk_test

import (
	"errors"
	"io/fs"
	"testing"

	"llmwatch/bridge/logstore/disk"
)

func TestADirectoryIsForOneAtATime(t *testing.T) {
	path := t.TempDir()
	d, err := disk.Use(path)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := disk.Use(path); !errors.Is(err, disk.ErrLocked) {
		t.Errorf("using it a second time ends with %v", err)
	}
	if err := d.Close(); err != nil {
		t.Fatal(err)
	}
	if d, err = disk.Use(path); err != nil {
		t.Fatal(err)
	}
	if err := d.Close(); err != nil {
		t.Fatal(err)
	}
}

func TestFiles(t *testing.T) {
	d, err := disk.Use(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = d.Close() })
	f, err := d.Create("a")
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if _, err := d.Create("a"); !errors.Is(err, fs.ErrExist) {
		t.Errorf("making it again ends with %v", err)
	}
	write := func(s string) {
		t.Helper()
		if _, err := f.Write([]byte(s)); err != nil {
			t.Fatal(err)
		}
	}
	write("hello, world")
	if err := errors.Join(f.Truncate(5), f.Sync()); err != nil {
		t.Fatal(err)
	}
	write("!") // At the end, as it is now.
	if err := errors.Join(d.Rename("a", "b"), d.SyncDir()); err != nil {
		t.Fatal(err)
	}
	files, err := d.List()
	if err != nil || len(files) != 1 || files[0].Name != "b" || files[0].Size != 6 {
		t.Fatalf("there are %+v, %v", files, err)
	}
	r, err := d.Open("b")
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	b := make([]byte, 6)
	if _, err := r.ReadAt(b, 0); err != nil || string(b) != "hello!" {
		t.Errorf("it holds %q, %v", b, err)
	}
	if err := d.Remove("b"); err != nil {
		t.Fatal(err)
	}
	if _, err := d.Open("b"); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("opening what is gone ends with %v", err)
	}
}
