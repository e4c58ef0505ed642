package docs

import (
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

var (
	testName = regexp.MustCompile("`(Test[A-Za-z0-9_]+)[^`]*`")
	testFunc = regexp.MustCompile(`(?m)^func (Test[A-Za-z0-9_]+)\(`)
	webTest  = regexp.MustCompile("`([a-z-]+(?:\\.[a-z0-9-]+)*\\.test\\.tsx?)`")
)

// TestGuarantees_EachRowNamesATestThatExists holds docs/guarantees.md to its own
// first sentences: the last cell of each row names at least one test, and each
// test that it names is in the tree.
func TestGuarantees_EachRowNamesATestThatExists(t *testing.T) {
	known := testsOfTheTree(t)
	rows := 0
	for line := range strings.Lines(readGuide(t, "docs/guarantees.md").text) {
		cells := strings.Split(strings.Trim(strings.TrimSpace(line), "|"), "|")
		last := strings.TrimSpace(cells[len(cells)-1])
		if !strings.HasPrefix(line, "|") || strings.HasPrefix(last, "---") || last == "test" {
			continue
		}
		rows++
		names := slices.Concat(testName.FindAllStringSubmatch(last, -1), webTest.FindAllStringSubmatch(last, -1))
		if len(names) == 0 {
			t.Errorf("this row names no test: %s", strings.TrimSpace(line))
		}
		for _, name := range names {
			if !known[name[1]] {
				t.Errorf("%s does not exist, named by: %s", name[1], strings.TrimSpace(line))
			}
		}
	}
	if rows == 0 {
		t.Error("docs/guarantees.md has no rows")
	}
}

// testsOfTheTree returns the names of all Go tests and of all files of tests of
// the page.
func testsOfTheTree(t *testing.T) map[string]bool {
	t.Helper()

	known := map[string]bool{}
	err := filepath.WalkDir(root, func(path string, d fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return err
		case d.IsDir() && (d.Name() == "node_modules" || d.Name() != ".." && strings.HasPrefix(d.Name(), ".")):
			return filepath.SkipDir
		case strings.HasSuffix(path, ".test.ts"), strings.HasSuffix(path, ".test.tsx"):
			known[d.Name()] = true
		case strings.HasSuffix(path, "_test.go"):
			source, err := os.ReadFile(path)
			if err != nil {
				return err
			}
			for _, m := range testFunc.FindAllSubmatch(source, -1) {
				known[string(m[1])] = true
			}
		}

		return nil
	})
	if err != nil {
		t.Fatal(err)
	}

	return known
}
