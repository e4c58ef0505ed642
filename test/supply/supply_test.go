// Package supply tests what llmwatch says of the work of others that is in it:
// that known vulnerabilities of it are found, that the bill of materials names all
// of it, and that each part has its reason.
//
// It must not know what the parts are used for.
package supply

import (
	"bytes"
	"encoding/json"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"llmwatch/internal/testtool"
)

// root is the repository.
const root = "../.."

// tool returns the path of a program that the Makefile builds from tools/go.mod.
func tool(t *testing.T, name string) string {
	t.Helper()

	path, err := filepath.Abs(filepath.Join(root, ".cache", name))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(path); err == nil {
		return path
	}
	if os.Getenv(testtool.RequireEnv) != "" {
		t.Fatalf("%s is not built although %s is set: run `make .cache/%s`", name, testtool.RequireEnv, name)
	}
	t.Skipf("%s is not built: run `make .cache/%s`", name, name)

	return ""
}

// script returns the path of one in the repository. That it is looked at here tells
// Go's test cache when it has changed.
func script(t *testing.T, name string) string {
	t.Helper()

	path, err := filepath.Abs(filepath.Join(root, "scripts", name))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(path); err != nil {
		t.Fatal(err)
	}

	return path
}

// run runs a program in a folder with more variables, and returns what it prints
// and its exit code.
func run(t *testing.T, dir string, env []string, name string, args ...string) (stdout, stderr string, code int) {
	t.Helper()

	cmd := exec.CommandContext(t.Context(), name, args...)
	cmd.Dir = dir
	cmd.Env = append(os.Environ(), env...)
	var out, failure bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &failure
	err := cmd.Run()
	if exit, ok := errors.AsType[*exec.ExitError](err); ok {
		return out.String(), failure.String(), exit.ExitCode()
	}
	if err != nil {
		t.Fatal(err)
	}

	return out.String(), failure.String(), 0
}

// readJSON decodes a file.
func readJSON(t *testing.T, path string, into any) {
	t.Helper()

	text, err := os.ReadFile(path)
	if err == nil {
		err = json.Unmarshal(text, into)
	}
	if err != nil {
		t.Fatalf("reading %s: %v", path, err)
	}
}

// writeFiles fills a folder of the test's own.
func writeFiles(t *testing.T, files map[string]string) (dir string) {
	t.Helper()

	dir = t.TempDir()
	for name, text := range files {
		path := filepath.Join(dir, name)
		if err := errors.Join(os.MkdirAll(filepath.Dir(path), 0o700), os.WriteFile(path, []byte(text), 0o600)); err != nil {
			t.Fatal(err)
		}
	}

	return dir
}
