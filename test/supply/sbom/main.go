// Command sbom joins the bills of materials of the binary and of the page that is
// embedded in it, which cyclonedx-gomod and npm have written. It is for what these
// do not do themselves:
//
//   - `npm sbom --omit dev` leaves out what development tools need too, such as
//     React; so npm is asked for everything, and package-lock.json says what is served.
//   - Where a module may be used under one of several licences, the detector names
//     one of them.
//
// It must not know how the two bills are made.
package main

import (
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"os"
	"slices"
	"strings"
)

// choices are modules under one of several licences.
var choices = map[string]string{"github.com/golang/freetype": "FTL OR GPL-2.0-or-later"}

// bill is what this program looks at of a bill; the rest stays as it is.
type bill struct {
	Metadata struct {
		Component component `json:"component"`
	} `json:"metadata"`
	Components   []json.RawMessage `json:"components"`
	Dependencies []dependency      `json:"dependencies"`
}

type component struct {
	Ref     string `json:"bom-ref"`
	Name    string `json:"name"`
	Version string `json:"version"`
}

// dependency says what a component needs.
type dependency struct {
	Ref       string   `json:"ref"`
	DependsOn []string `json:"dependsOn,omitempty"`
}

func main() {
	binary := flag.String("binary", "", "bill of the binary, which the rest is added to; written again")
	page := flag.String("page", "", "bill of the page's packages, none without")
	lock := flag.String("lock", "", "package-lock.json of the page")
	flag.Parse()
	if err := run(*binary, *page, *lock); err != nil {
		fmt.Fprintln(os.Stderr, "sbom:", err)
		os.Exit(1)
	}
}

func run(binary, page, lock string) error {
	var b bill
	var whole map[string]any
	if err := errors.Join(read(binary, &b), read(binary, &whole)); err != nil {
		return err
	}
	if err := b.choose(); err != nil {
		return err
	}
	if page != "" {
		var of bill
		served, err := served(lock)
		if err := errors.Join(err, read(page, &of)); err != nil {
			return err
		}
		if err := b.join(&of, served); err != nil {
			return err
		}
	}
	whole["components"], whole["dependencies"] = b.Components, b.Dependencies
	text, err := json.MarshalIndent(whole, "", "  ")
	if err != nil {
		return err
	}

	return os.WriteFile(binary, append(text, '\n'), 0o644) //nolint:gosec // It is for everybody to read.
}

// choose names the licences of which one can be chosen.
func (b *bill) choose() error {
	for i, raw := range b.Components {
		var c map[string]any
		if err := json.Unmarshal(raw, &c); err != nil {
			return err
		}
		name, _ := c["name"].(string)
		licence, ok := choices[name]
		if !ok {
			continue
		}
		delete(c, "evidence")
		c["licenses"] = []map[string]string{{"expression": licence}}
		text, err := json.Marshal(c)
		if err != nil {
			return err
		}
		b.Components[i] = text
	}

	return nil
}

// join adds the packages that are served, with what they need, as parts of the
// program.
func (b *bill) join(page *bill, served map[string]bool) error {
	refs := map[string]bool{}
	for _, raw := range page.Components {
		var c component
		if err := json.Unmarshal(raw, &c); err != nil {
			return err
		}
		if served[c.Name+"@"+c.Version] {
			refs[c.Ref] = true
			b.Components = append(b.Components, raw)
		}
	}
	if len(refs) != len(served) {
		return fmt.Errorf("package-lock.json has %d packages that are served, the bill of the page %d of them", len(served), len(refs))
	}
	for _, d := range page.Dependencies {
		d.DependsOn = slices.DeleteFunc(d.DependsOn, func(ref string) bool { return !refs[ref] })
		switch {
		case refs[d.Ref]:
			b.Dependencies = append(b.Dependencies, d)
		case d.Ref == page.Metadata.Component.Ref:
			program := slices.IndexFunc(b.Dependencies, func(d dependency) bool { return d.Ref == b.Metadata.Component.Ref })
			if program < 0 {
				return errors.New("the bill of the binary does not say what it needs")
			}
			b.Dependencies[program].DependsOn = append(b.Dependencies[program].DependsOn, d.DependsOn...)
		}
	}

	return nil
}

// served returns name@version of the packages that are more than tools.
func served(lock string) (map[string]bool, error) {
	var file struct {
		Packages map[string]struct {
			Version string `json:"version"`
			Dev     bool   `json:"dev"`
		} `json:"packages"`
	}
	if err := read(lock, &file); err != nil {
		return nil, err
	}
	const folder = "node_modules/"
	found := map[string]bool{}
	for path, p := range file.Packages {
		if at := strings.LastIndex(path, folder); at >= 0 && !p.Dev {
			found[path[at+len(folder):]+"@"+p.Version] = true
		}
	}

	return found, nil
}

func read(path string, into any) error {
	text, err := os.ReadFile(path)
	if err == nil {
		err = json.Unmarshal(text, into)
	}
	if err != nil {
		return fmt.Errorf("read %s: %w", path, err)
	}

	return nil
}
