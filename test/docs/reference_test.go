package docs

import (
	"cmp"
	"flag"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/getkin/kin-openapi/openapi3"
)

var update = flag.Bool("update", false, "write docs/api.md anew")

const reference = "docs/api.md"

const preface = `# API reference

<!-- Made of bridge/openapi.yaml by make ui-api. -->

Paths are below ` + "`%[1]s`" + `. The document itself, for generators of
clients, is served at ` + "`%[1]s/openapi.yaml`" + `. What each path needs with
authentication on is in [security.md](security.md#roles).

%[2]s

A status that is not listed answers with an [Error](#error). %[3]s
`

func TestTheReferenceIsThatOfTheOpenAPIDocument(t *testing.T) {
	t.Parallel()

	doc, err := openapi3.NewLoader().LoadFromFile(filepath.Join(root, "bridge", "openapi.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	want := render(doc)
	path := filepath.Join(root, reference)
	if *update {
		if err := os.WriteFile(path, []byte(want), 0o644); err != nil { //nolint:gosec // It is a document.
			t.Fatal(err)
		}
	}
	got, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if string(got) != want {
		t.Errorf("%s is not that of the OpenAPI document: run make ui-api", reference)
	}
}

// render writes all operations by tag, and what they answer with.
func render(doc *openapi3.T) string {
	var b strings.Builder
	failed := doc.Components.Responses["Error"].Value
	fmt.Fprintf(&b, preface, doc.Servers[0].URL, oneLine(doc.Info.Description), oneLine(*failed.Description))
	for _, tag := range doc.Tags {
		fmt.Fprintf(&b, "\n## %s\n\n%s\n", capital(tag.Name), oneLine(tag.Description))
		for _, path := range slices.Sorted(maps.Keys(doc.Paths.Map())) {
			item := doc.Paths.Value(path)
			operations := item.Operations()
			for _, method := range slices.Sorted(maps.Keys(operations)) {
				if o := operations[method]; slices.Contains(o.Tags, tag.Name) {
					renderOperation(&b, method, path, o, append(slices.Clone(item.Parameters), o.Parameters...))
				}
			}
		}
	}
	b.WriteString("\n## Objects\n")
	for _, name := range slices.Sorted(maps.Keys(doc.Components.Schemas)) {
		renderObject(&b, name, doc.Components.Schemas[name].Value)
	}

	return b.String()
}

func renderOperation(b *strings.Builder, method, path string, o *openapi3.Operation, parameters openapi3.Parameters) {
	fmt.Fprintf(b, "\n### %s %s\n\n%s.", method, path, o.Summary)
	if o.Description != "" {
		fmt.Fprintf(b, " %s", oneLine(o.Description))
	}
	b.WriteString("\n")
	if len(parameters) > 0 {
		b.WriteString("\n| parameter | | |\n|---|---|---|\n")
	}
	for _, p := range parameters {
		where := p.Value.In
		if p.Value.Required && where != openapi3.ParameterInPath {
			where += ", required"
		}
		fmt.Fprintf(b, "| `%s` | %s, %s | %s |\n", p.Value.Name, where, kind(p.Value.Schema), cell(p.Value.Description))
	}
	b.WriteString("\n")
	if o.RequestBody != nil {
		fmt.Fprintf(b, "* Takes %s\n", contents(o.RequestBody.Value.Content))
	}
	responses := o.Responses.Map()
	delete(responses, "default") // Said once, at the beginning.
	for _, status := range slices.Sorted(maps.Keys(responses)) {
		r := responses[status].Value
		fmt.Fprintf(b, "* %s: %s", status, oneLine(*r.Description))
		if len(r.Content) > 0 {
			fmt.Fprintf(b, " %s", contents(r.Content))
		}
		b.WriteString("\n")
	}
}

// renderObject lists the fields of a named object that has any.
func renderObject(b *strings.Builder, name string, s *openapi3.Schema) {
	if len(s.Properties) == 0 {
		return
	}
	fmt.Fprintf(b, "\n### %s\n", name)
	if s.Description != "" {
		fmt.Fprintf(b, "\n%s\n", oneLine(s.Description))
	}
	b.WriteString("\n| field | | |\n|---|---|---|\n")
	for _, field := range slices.Sorted(maps.Keys(s.Properties)) {
		fmt.Fprintf(b, "| `%s` | %s | %s |\n", field, kind(s.Properties[field]), cell(s.Properties[field].Value.Description))
	}
}

// contents are the media types of a body, and what is in it.
func contents(content openapi3.Content) string {
	var all []string
	for _, media := range slices.Sorted(maps.Keys(content)) {
		text := "`" + media + "`"
		if schema := content[media].Schema; schema != nil {
			if is := payload(schema); is != "" {
				text += " with " + is
			}
		}
		all = append(all, text)
	}

	return strings.Join(all, ", ")
}

// payload is what of an answer matters: its data where it has some.
func payload(s *openapi3.SchemaRef) string {
	if data := s.Value.Properties["data"]; data != nil && s.Ref == "" {
		return "`data`: " + kind(data)
	}

	return kind(s)
}

// kind is the type of a value, in few words.
func kind(s *openapi3.SchemaRef) string {
	switch {
	case s == nil || s.Value == nil:
		return ""
	case s.Ref != "" && len(s.Value.Properties) > 0:
		name := s.Ref[strings.LastIndex(s.Ref, "/")+1:]
		return "[" + name + "](#" + strings.ToLower(name) + ")"
	case s.Value.Items != nil:
		return "list of " + cmp.Or(kind(s.Value.Items), "values")
	case len(s.Value.Enum) > 0:
		return "one of " + strings.Trim(fmt.Sprint(s.Value.Enum), "[]")
	case s.Value.Type == nil:
		return ""
	case s.Value.Format != "":
		return s.Value.Format
	}

	return strings.Join(s.Value.Type.Slice(), " or ")
}

func oneLine(s string) string { return strings.Join(strings.Fields(s), " ") }

func cell(s string) string { return strings.ReplaceAll(oneLine(s), "|", `\|`) }

func capital(s string) string { return strings.ToUpper(s[:1]) + s[1:] }
