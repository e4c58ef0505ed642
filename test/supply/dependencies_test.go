package supply

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// reasons are the reasons that docs/dependencies.md gives, by module or package.
func reasons(t *testing.T) map[string]string {
	t.Helper()

	text, err := os.ReadFile(filepath.Join(root, "docs/dependencies.md"))
	if err != nil {
		t.Fatal(err)
	}
	found := map[string]string{}
	for line := range strings.Lines(string(text)) {
		cells := strings.Split(line, "|")
		if len(cells) != 5 || strings.TrimSpace(cells[2]) == "" {
			continue
		}
		for name := range strings.SplitSeq(cells[1], ",") {
			found[strings.TrimSpace(name)] = strings.TrimSpace(cells[3])
		}
	}

	return found
}

// direct are the modules that a go.mod asks for itself.
func direct(t *testing.T, dir string) (names []string) {
	t.Helper()

	out, failure, code := run(t, filepath.Join(root, dir), nil, "go", "list", "-m", "-mod=readonly", "-f", "{{if not (or .Indirect .Main)}}{{.Path}}{{end}}", "all")
	if code != 0 {
		t.Fatal(failure)
	}

	return strings.Fields(out)
}

// toolLine is a line of a go.mod that names a program.
var toolLine = regexp.MustCompile(`(?m)^\t(\S+/cmd/\S+)$`)

func TestEveryDependencyHasItsReason(t *testing.T) {
	t.Parallel()
	reasons := reasons(t)
	wanted := map[string][]string{}
	for _, dir := range []string{".", "test/deploy", "tools"} {
		wanted[dir+"/go.mod"] = direct(t, dir)
	}
	tools, err := os.ReadFile(filepath.Join(root, "tools/go.mod"))
	if err != nil {
		t.Fatal(err)
	}
	for _, m := range toolLine.FindAllStringSubmatch(string(tools), -1) {
		module, _, _ := strings.Cut(m[1], "/cmd/")
		wanted["tools/go.mod"] = append(wanted["tools/go.mod"], module)
	}
	for _, dir := range []string{"dashboards/web", "dashboards/grafana"} {
		var file struct {
			Dependencies, DevDependencies map[string]string
		}
		readJSON(t, filepath.Join(root, dir, "package.json"), &file)
		for _, set := range []map[string]string{file.Dependencies, file.DevDependencies} {
			for name := range set {
				wanted[dir] = append(wanted[dir], name)
			}
		}
	}
	used := map[string]bool{"module": true, "package": true}
	for _, from := range []string{"./go.mod", "test/deploy/go.mod", "tools/go.mod", "dashboards/web", "dashboards/grafana"} {
		if len(wanted[from]) == 0 {
			t.Errorf("%s asks for nothing, which cannot be", from)
		}
		for _, name := range wanted[from] {
			used[name] = true
			if reasons[name] == "" {
				t.Errorf("docs/dependencies.md has no line with a reason for %s, which %s asks for", name, from)
			}
		}
	}
	for name := range reasons {
		if !used[name] && !strings.HasPrefix(name, "-") {
			t.Errorf("docs/dependencies.md has a line for %s, which nothing asks for", name)
		}
	}
}
