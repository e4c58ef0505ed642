package supply

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"llmwatch/internal/testtool"
)

// bill is what is read of a bill of materials.
type bill struct {
	Metadata struct {
		Component struct {
			Name, Version string
			Ref           string `json:"bom-ref"`
		}
	}
	Components []component
	Depends    []struct {
		Ref       string
		DependsOn []string
	} `json:"dependencies"`
}

type component struct {
	Name, Version, Purl string
	Ref                 string `json:"bom-ref"`
	Licenses            []licence
	Evidence            struct{ Licenses []licence }
}

type licence struct {
	License    struct{ ID string }
	Expression string
}

// accepted are the licences under which a program under Apache-2.0 can carry
// the work of others. A dependency under another one is a decision to be made.
var accepted = []string{
	"0BSD", "Apache-2.0", "BSD-2-Clause", "BSD-3-Clause", "FTL OR GPL-2.0-or-later", "ISC", "MIT", "MPL-2.0", "Unlicense",
}

// licences are those that a component is under, declared or detected.
func (c component) licences() (names []string) {
	for _, l := range append(c.Licenses, c.Evidence.Licenses...) {
		names = append(names, l.License.ID+l.Expression)
	}

	return names
}

// modules are name@version of what Go says is in a binary.
func modules(t *testing.T, binary string) (found []string) {
	t.Helper()

	out, failure, code := run(t, ".", nil, "go", "version", "-m", binary)
	if code != 0 {
		t.Fatal(failure)
	}
	for line := range strings.Lines(out) {
		if fields := strings.Fields(line); len(fields) >= 3 && fields[0] == "dep" {
			found = append(found, fields[1]+"@"+fields[2])
		}
	}

	return found
}

// packages are name@version of what npm says is served.
func packages(t *testing.T) []string {
	t.Helper()

	out, failure, code := run(t, filepath.Join(root, "dashboards/web"), nil, "npm", "ls", "--omit=dev", "--all", "--package-lock-only", "--parseable", "--long")
	if code != 0 {
		t.Fatal(failure)
	}
	var found []string
	for line := range strings.Lines(out) {
		if path, name, ok := strings.Cut(strings.TrimSpace(line), ":"); ok && strings.Contains(path, "node_modules") {
			found = append(found, name)
		}
	}

	return found
}

func TestBillOfMaterials(t *testing.T) {
	t.Parallel()
	testtool.Find(t, "npm")
	tool(t, "cyclonedx-gomod")
	built := os.Getenv("LLMWATCH_BIN")
	if built == "" {
		built = filepath.Join(t.TempDir(), "built")
		if out, failure, code := run(t, root, []string{"CGO_ENABLED=0"}, "go", "build", "-o", built, "./cmd/llmwatch"); code != 0 {
			t.Fatal(out, failure)
		}
	}
	// The bill is written beside the binary, and a built one is nobody's to change.
	binary := filepath.Join(t.TempDir(), "llmwatch")
	content, err := os.ReadFile(built)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(binary, content, 0o700); err != nil { //nolint:gosec // It must be executable to be read.
		t.Fatal(err)
	}
	if out, failure, code := run(t, root, nil, script(t, "sbom"), binary, "v1.2.3"); code != 0 {
		t.Fatal(out, failure)
	}
	var b bill
	readJSON(t, binary+".cdx.json", &b)

	if c := b.Metadata.Component; c.Name != "llmwatch" || c.Version != "v1.2.3" {
		t.Errorf("it is the bill of %+v", c)
	}
	want := append(modules(t, binary), packages(t)...)
	var got, refs []string
	for _, c := range b.Components {
		got = append(got, c.Name+"@"+c.Version)
		refs = append(refs, c.Ref)
		if names := c.licences(); len(names) == 0 || slices.ContainsFunc(names, func(name string) bool { return !slices.Contains(accepted, name) }) {
			t.Errorf("%s %s is under %q", c.Name, c.Version, names)
		}
		if !strings.HasPrefix(c.Purl, "pkg:golang/") && !strings.HasPrefix(c.Purl, "pkg:npm/") {
			t.Errorf("%s has the address %q", c.Name, c.Purl)
		}
	}
	slices.Sort(want)
	slices.Sort(got)
	if !slices.Equal(got, want) || !slices.ContainsFunc(got, func(name string) bool { return strings.HasPrefix(name, "react-dom@") }) {
		t.Errorf("it lists\n%q\nwant\n%q", got, want)
	}
	for _, d := range b.Depends {
		if d.Ref == b.Metadata.Component.Ref && !slices.Contains(d.DependsOn, refs[slices.IndexFunc(refs, func(ref string) bool { return strings.HasPrefix(ref, "react-dom@") })]) {
			t.Errorf("the program depends on %q, and not on its page", d.DependsOn)
		}
		for _, ref := range d.DependsOn {
			if !slices.Contains(refs, ref) {
				t.Errorf("%s depends on %s, which is not listed", d.Ref, ref)
			}
		}
	}
}
