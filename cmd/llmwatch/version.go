package main

import (
	"fmt"
	"runtime"
	"runtime/debug"

	"llmwatch/internal/app"
)

// Set by the linker in release builds; see the Makefile.
var (
	buildVersion string
	buildCommit  string
)

// version falls back on what the Go toolchain recorded.
func version() app.Version {
	v := app.Version{Version: buildVersion, Commit: buildCommit}
	if v.Version == "" {
		v.Version = "devel"
	}
	info, ok := debug.ReadBuildInfo()
	if !ok || v.Commit != "" {
		return v
	}
	for _, setting := range info.Settings {
		if setting.Key == "vcs.revision" {
			v.Commit = setting.Value
		}
	}

	return v
}

type versionCmd struct{}

// Help is shown by `llmwatch version --help`.
func (versionCmd) Help() string {
	return `Examples:
  llmwatch version`
}

// Run prints the version.
func (versionCmd) Run(out output) error {
	v := version()
	_, err := fmt.Fprintf(out.stdout, "llmwatch %s (commit %s, %s)\n", v.Version, v.Commit, runtime.Version())

	return err
}
