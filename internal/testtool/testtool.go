// Package testtool finds the outside programs that tests compare against:
// promtool, prometheus and their like, as the distribution packages them.
//
// It must not know what the programs are used for.
package testtool

import (
	"os"
	"os/exec"
	"testing"
)

// RequireEnv names the environment variable that turns a missing program from
// a skipped test into a failed one. `make test` sets it after it has installed
// the programs, so that a test can be skipped only where a person runs
// `go test` by hand on a machine without them.
const RequireEnv = "LLMWATCH_TEST_REQUIRE_TOOLS"

// Find returns the path of a program, and skips the test, or fails it when
// RequireEnv is set, where the program is not installed.
func Find(tb testing.TB, name string) string {
	tb.Helper()

	path, err := exec.LookPath(name)
	if err == nil {
		return path
	}
	if os.Getenv(RequireEnv) != "" {
		tb.Fatalf("%s is not installed although %s is set: run `make deps`", name, RequireEnv)
	}
	tb.Skipf("%s is not installed: run `make deps`", name)

	return ""
}
