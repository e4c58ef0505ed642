package logstore_test

import (
	"bytes"
	"errors"
	"os"
	"path/filepath"
	"syscall"
	"testing"
	"time"

	"llmwatch/bridge/logstore"
	"llmwatch/bridge/logstore/entry"
)

// TestAFullFileSystem fills a real file system with a file of somebody else's.
func TestAFullFileSystem(t *testing.T) {
	dir := t.TempDir()
	if err := syscall.Mount("tmpfs", dir, "tmpfs", 0, "size=4m"); err != nil {
		t.Skipf("a small file system cannot be mounted here: %v", err)
	}
	t.Cleanup(func() {
		if err := syscall.Unmount(dir, syscall.MNT_DETACH); err != nil {
			t.Error(err)
		}
	})
	s := open(t, filepath.Join(dir, "logs"), nil, 2000, func(c *logstore.Config) { c.Tune(nil, 2000, 5*time.Millisecond) })
	w := newWorld(70)
	kept := w.append(t, s, 3000)
	ballast := filepath.Join(dir, "ballast")
	if err := os.WriteFile(ballast, bytes.Repeat([]byte("x"), 4<<20), 0o600); !errors.Is(err, syscall.ENOSPC) {
		t.Fatalf("filling the file system: %v", err)
	}
	for failed := false; !failed; {
		var b entry.Batch
		var batch []entry.Entry
		for range 100 {
			e := w.entry()
			b.Add(&e)
			batch = append(batch, e)
		}
		switch err := s.Append(t.Context(), &b); {
		case err == nil: // There is room left in the last page, or what was sealed made some.
			kept = append(kept, batch...)
		case errors.Is(err, logstore.ErrUnavailable) && errors.Is(err, syscall.ENOSPC):
			failed = true
		default:
			t.Fatal(err)
		}
	}
	if err := s.Health(); !errors.Is(err, syscall.ENOSPC) {
		t.Errorf("health says %v", err)
	}
	compareAll(t, "on the full file system", s, kept)
	if err := os.Remove(ballast); err != nil {
		t.Fatal(err)
	}
	for deadline := time.Now().Add(20 * time.Second); s.Health() != nil; time.Sleep(time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("health still says %v", s.Health())
		}
	}
	kept = append(kept, w.append(t, s, 3000)...)
	if err := s.Sync(t.Context()); err != nil {
		t.Fatal(err)
	}
	compareAll(t, "with space again", s, kept)
	shut(t, s)
	s = open(t, filepath.Join(dir, "logs"), nil, 2000)
	compareAll(t, "opened again", s, kept)
	shut(t, s)
}

// compareAll finds exactly the entries that were kept, in order.
func compareAll(t *testing.T, when string, s *logstore.Store, kept []entry.Entry) {
	t.Helper()
	q := logstore.Query{Oldest: true}
	got, _ := search(t, s, q)
	want, _ := naive(number(1, kept), q)
	assertSame(t, when, got, want)
}
