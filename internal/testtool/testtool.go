// Package testtool tells tests what they are run with: the outside programs that
// they compare against (promtool, prometheus and their like, as the distribution
// packages them), and the race detector.
//
// It must not know what it is used for.
package testtool

import (
	"os"
	"os/exec"
	"runtime/debug"
	"slices"
	"sync"
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

// Race tells whether the tests were built with -race. Times and memory say nothing
// then: everything is slower and larger, and a sync.Pool loses things on purpose.
var Race = sync.OnceValue(func() bool {
	info, ok := debug.ReadBuildInfo()

	return ok && slices.Contains(info.Settings, debug.BuildSetting{Key: "-race", Value: "true"})
})
