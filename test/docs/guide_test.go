// Package docs reads the guides as a stranger does: it runs their commands against
// the built binary and follows their links. It knows the programs only from outside.
package docs

import (
	"bytes"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"unicode"
)

const root = "../.."

// block is a fenced block of a guide.
type block struct {
	language, text string
	line           int
}

// guide is a Markdown file.
type guide struct {
	path     string // Below root.
	text     string // Without fenced blocks.
	blocks   []block
	headings map[string]bool // By anchor.
}

var (
	fence   = regexp.MustCompile("^( *)```(\\w*)")
	heading = regexp.MustCompile("^#{1,6} +(.+?) *#*$")
)

// readGuide parses a file.
func readGuide(t *testing.T, path string) *guide {
	t.Helper()

	content, err := os.ReadFile(filepath.Join(root, path))
	if err != nil {
		t.Fatal(err)
	}
	g := &guide{path: path, headings: map[string]bool{}}
	var rest bytes.Buffer
	open, indent := (*block)(nil), ""
	line := 0
	for l := range strings.Lines(string(content)) {
		line++
		m := fence.FindStringSubmatch(l)
		switch {
		case m != nil && open == nil:
			open, indent = &block{language: m[2], line: line + 1}, m[1]
		case m != nil:
			g.blocks, open = append(g.blocks, *open), nil
		case open != nil:
			open.text += strings.TrimPrefix(l, indent)
		default:
			rest.WriteString(l)
			if m := heading.FindStringSubmatch(strings.TrimSpace(l)); m != nil {
				g.headings[anchor(m[1])] = true
			}
		}
	}
	if open != nil {
		t.Errorf("%s:%d: the block is not closed", path, open.line)
	}
	g.text = rest.String()

	return g
}

// anchor is what a heading is linked by, as the usual sites make it.
func anchor(heading string) string {
	var b strings.Builder
	for _, r := range strings.ToLower(heading) {
		switch {
		case unicode.IsLetter(r), unicode.IsDigit(r), r == '-', r == '_':
			b.WriteRune(r)
		case r == ' ':
			b.WriteByte('-')
		}
	}

	return b.String()
}

// guides are the files with commands: the README and all that lie in docs.
func guides(t *testing.T) []string {
	t.Helper()

	return append([]string{"README.md"}, below(t, "docs/*.md")...)
}

// below lists the files that match a pattern.
func below(t *testing.T, pattern string) []string {
	t.Helper()

	files, err := filepath.Glob(filepath.Join(root, pattern))
	if err != nil || len(files) == 0 {
		t.Fatalf("no file is %s (%v)", pattern, err)
	}
	for i := range files {
		if files[i], err = filepath.Rel(root, files[i]); err != nil {
			t.Fatal(err)
		}
	}

	return files
}

var link = regexp.MustCompile(`\]\(([^)\s]+)\)`)

func TestEveryRelativeLinkLeadsSomewhere(t *testing.T) {
	t.Parallel()

	files := append(guides(t), "CONTRIBUTING.md", "CHANGELOG.md", "dashboards/grafana/README.md")
	files = append(append(files, below(t, "docs/adr/*.md")...), below(t, "docs/runbooks/*.md")...)
	links := 0
	for _, path := range files {
		for _, m := range link.FindAllStringSubmatch(readGuide(t, path).text, -1) {
			if strings.Contains(m[1], "://") {
				continue
			}
			links++
			follow(t, path, m[1])
		}
	}
	if links < 100 {
		t.Errorf("only %d links were found", links)
	}
}

// follow looks whether a link of a file leads to a file, and to a heading in it.
func follow(t *testing.T, from, to string) {
	t.Helper()

	name, fragment, _ := strings.Cut(to, "#")
	target := from
	if name != "" {
		target = filepath.Join(filepath.Dir(from), name)
	}
	if _, err := os.Stat(filepath.Join(root, target)); err != nil {
		t.Errorf("%s links to %s, which is not there", from, to)
		return
	}
	if fragment != "" && !readGuide(t, target).headings[fragment] {
		t.Errorf("%s links to %s, and %s has no such heading", from, to, target)
	}
}
