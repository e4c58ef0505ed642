package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"

	"llmwatch/internal/app"
	"llmwatch/internal/engine"
	"llmwatch/internal/engine/ruletest"
	"llmwatch/rules"
)

type rulesCheckCmd struct {
	Files []string `arg:"" optional:"" help:"Rule files, or patterns of them; the built-in ones unless given."`
}

// Help is shown by `llmwatch rules check --help`.
func (rulesCheckCmd) Help() string {
	return `Examples:
  llmwatch rules check
  llmwatch rules check '/etc/prometheus/rules/*.yml'`
}

// Run checks each file, and fails where one is broken.
func (c *rulesCheckCmd) Run(out output) error {
	names, read, err := c.files()
	if err != nil {
		return err
	}
	broken := 0
	for _, name := range names {
		content, err := read(name)
		if err == nil {
			err = engine.CheckRules(content)
		}
		if err != nil {
			broken++
			fmt.Fprintf(out.stdout, "%s: BROKEN: %s\n", name, err)
			continue
		}
		fmt.Fprintf(out.stdout, "%s: ok\n", name)
	}
	if broken > 0 {
		return fmt.Errorf("%d of %d rule files are broken", broken, len(names))
	}

	return nil
}

// files names what is to be checked, and returns how it is read.
func (c *rulesCheckCmd) files() (names []string, read func(string) ([]byte, error), err error) {
	if len(c.Files) > 0 {
		names, err = expand(c.Files)
		return names, os.ReadFile, err
	}
	names, err = fs.Glob(rules.Files, "*.yml")

	return names, rules.Files.ReadFile, err
}

// expand finds the files that patterns name. One that names none is a mistake.
func expand(patterns []string) ([]string, error) {
	var files []string
	for _, pattern := range patterns {
		found, err := filepath.Glob(pattern)
		if err != nil {
			return nil, &app.ConfigError{Err: fmt.Errorf("pattern %q: %w", pattern, err)}
		}
		if len(found) == 0 {
			return nil, &app.ConfigError{Err: fmt.Errorf("there is no file %q", pattern)}
		}
		files = append(files, found...)
	}
	slices.Sort(files)

	return slices.Compact(files), nil
}

type rulesTestCmd struct {
	Files []string `arg:"" help:"Unit test files as promtool has them, or patterns of them."`
}

// Help is shown by `llmwatch rules test --help`.
func (rulesTestCmd) Help() string {
	return `The files are those of "promtool test rules". Rules may use anchored and smoothed
range selectors, as the embedded engine knows them.

Examples:
  llmwatch rules test tests/*.yml`
}

// Run runs each file, and fails where a test does.
func (c *rulesTestCmd) Run(ctx context.Context, out output) error {
	files, err := expand(c.Files)
	if err != nil {
		return err
	}
	failed := false
	for _, name := range files {
		tests, failures, err := ruletest.Run(ctx, name)
		switch {
		case err != nil:
			failed = true
			fmt.Fprintf(out.stdout, "%s: BROKEN: %s\n", name, err)
		case len(failures) > 0:
			failed = true
			fmt.Fprintf(out.stdout, "%s: FAILED\n", name)
			for _, f := range failures {
				fmt.Fprintf(out.stdout, "  %s\n", f)
			}
		default:
			fmt.Fprintf(out.stdout, "%s: ok (%d tests)\n", name, tests)
		}
	}
	if failed {
		return errors.New("unit tests of rules failed")
	}

	return nil
}
