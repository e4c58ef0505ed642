package e2e

import (
	"debug/elf"
	"errors"
	"io/fs"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"llmwatch/internal/testtool"
)

const (
	maxBinary = 80 << 20
	maxStart  = time.Second
	// nobody is the user of the container image.
	nobody = 65532
)

func TestBinaryIsStaticAndSmall(t *testing.T) {
	if testtool.Race() {
		t.Skip("the race detector needs a dynamic and larger binary")
	}
	info, err := os.Stat(binary)
	if err != nil || info.Size() > maxBinary {
		t.Errorf("it has %d bytes (%v)", info.Size(), err)
	}
	file, err := elf.Open(binary)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = file.Close() }) // It was only read.
	for _, p := range file.Progs {
		if p.Type == elf.PT_INTERP || p.Type == elf.PT_DYNAMIC {
			t.Errorf("it is linked dynamically: %s", p.Type)
		}
	}
}

// TestStrippedOfEverything runs the program as the container image does: nobody's
// user, in a root of its own that holds the binary and one directory to write into.
func TestStrippedOfEverything(t *testing.T) {
	if testtool.Race() {
		t.Skip("the race detector needs a dynamic and larger binary")
	}
	if os.Geteuid() != 0 {
		t.Skip("only root can change the root and the user of a process")
	}
	root := t.TempDir()
	if err := os.Chmod(root, 0o755); err != nil { //nolint:gosec // Like any root.
		t.Fatal(err)
	}
	content, err := os.ReadFile(binary)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(root, "llmwatch"), content, 0o755); err != nil { //nolint:gosec // It is run.
		t.Fatal(err)
	}
	data := filepath.Join(root, "data")
	for _, dir := range []string{data, filepath.Join(root, "proc")} {
		if err := os.Mkdir(dir, 0o755); err != nil { //nolint:gosec // As in the image.
			t.Fatal(err)
		}
	}
	if err := os.Chown(data, nobody, nobody); err != nil {
		t.Fatal(err)
	}

	p := &process{t: t, log: &logBuffer{}, exited: make(chan struct{}), begin: time.Now()}
	p.cmd = exec.Command("/llmwatch", "serve", "--data-dir", "/data", "--listen", "127.0.0.1:0", "--log-format", "json")
	p.cmd.Env = []string{}
	p.cmd.Stdout, p.cmd.Stderr = p.log, p.log
	p.cmd.SysProcAttr = &syscall.SysProcAttr{Chroot: root, Credential: &syscall.Credential{Uid: nobody, Gid: nobody}}
	if err := p.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	go func() {
		_ = p.cmd.Wait() // The exit code is looked at below.
		close(p.exited)
	}()
	t.Cleanup(func() {
		_ = p.cmd.Process.Kill() // It may have exited.
		<-p.exited
	})
	var ready time.Duration
	waitFor(t, 10*time.Second, "llmwatch to be ready", func() error {
		if readyLine.FindStringSubmatch(p.log.String()) == nil {
			return errors.New(p.log.String())
		}
		ready = time.Since(p.begin)

		return nil
	})
	if ready > maxStart {
		t.Errorf("it was ready after %s", ready)
	}
	api := newREST(t, "http://"+readyLine.FindStringSubmatch(p.log.String())[1])
	api.send(apiBase+"/logs", `{"message":"kept"}`)
	if code := api.get("/health", nil); code != http.StatusOK {
		t.Errorf("health answers %d", code)
	}
	if code, _ := p.signal(terminate); code != 0 {
		t.Errorf("it exits %d:\n%s", code, p.log)
	}

	err = filepath.WalkDir(root, func(path string, entry fs.DirEntry, err error) error {
		if err == nil && !entry.IsDir() && !strings.HasPrefix(path, data+"/") && path != filepath.Join(root, "llmwatch") {
			t.Errorf("it wrote %s", path)
		}

		return err
	})
	if err != nil {
		t.Error(err)
	}
	for _, kept := range []string{"llmwatch.db", "logs/VERSION", "metrics"} {
		if _, err := os.Stat(filepath.Join(data, kept)); err != nil {
			t.Error(err)
		}
	}
}
