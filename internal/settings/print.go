package settings

import (
	"bytes"
	"cmp"
	"fmt"
	"reflect"
	"slices"
	"strings"

	"go.yaml.in/yaml/v3"
)

// Print writes the effective configuration as a file that could be loaded, each
// value with where it came from. Secrets are hidden.
func (l *Loaded) Print(command string) (string, error) {
	var out bytes.Buffer
	encoder := yaml.NewEncoder(&out)
	encoder.SetIndent(2)
	root := l.print(l.schema.root, command)
	if err := encoder.Encode(root); err != nil {
		return "", fmt.Errorf("write the configuration: %w", err)
	}

	return out.String(), encoder.Close()
}

func (l *Loaded) print(sec *section, command string) *yaml.Node {
	m := &yaml.Node{Kind: yaml.MappingNode}
	for _, s := range sec.settings {
		if !usedBy(s.commands, command) {
			continue
		}
		value := s.node(l.value.FieldByIndex(s.index))
		key := &yaml.Node{Kind: yaml.ScalarNode, Value: s.name()}
		if value.Kind == yaml.ScalarNode || len(value.Content) == 0 {
			value.LineComment = l.origins[s].String()
		} else {
			key.LineComment = l.origins[s].String()
		}
		m.Content = append(m.Content, key, value)
	}
	for _, sub := range sec.sections {
		if inner := l.print(sub, command); len(inner.Content) > 0 {
			m.Content = append(m.Content, &yaml.Node{Kind: yaml.ScalarNode, Value: sub.key[strings.LastIndexByte(sub.key, '.')+1:]}, inner)
		}
	}

	return m
}

// node is a value in YAML.
func (s *Setting) node(v reflect.Value) *yaml.Node {
	text := isText(v.Type())
	switch {
	case v.Kind() == reflect.Slice && !text:
		n := &yaml.Node{Kind: yaml.SequenceNode}
		for i := range v.Len() {
			n.Content = append(n.Content, s.node(v.Index(i)))
		}
		if len(n.Content) == 0 {
			n.Style = yaml.FlowStyle
		}

		return n
	case v.Kind() == reflect.Map && !text:
		n := &yaml.Node{Kind: yaml.MappingNode}
		keys := v.MapKeys()
		slices.SortFunc(keys, func(a, b reflect.Value) int { return strings.Compare(a.String(), b.String()) })
		for _, key := range keys {
			n.Content = append(n.Content, scalar(key.String()), s.node(v.MapIndex(key)))
		}
		if len(n.Content) == 0 {
			n.Style = yaml.FlowStyle
		}

		return n
	case isMapping(v.Type()):
		return s.structNode(v)
	case s.Secret:
		if v.IsZero() {
			return scalar("")
		}

		return scalar(hidden)
	case v.Kind() == reflect.String, text:
		return scalar(s.text(v))
	default:
		return &yaml.Node{Kind: yaml.ScalarNode, Value: s.text(v)}
	}
}

// scalar is a text, in quotes where YAML would take it for something else.
func scalar(text string) *yaml.Node {
	n := &yaml.Node{}
	n.SetString(text)

	return n
}

// Document writes the documentation of everything that can be set, in Markdown.
func (s *Schema) Document() string {
	var out strings.Builder
	s.document(&out, s.root)

	return out.String()
}

func (s *Schema) document(out *strings.Builder, sec *section) {
	if sec.key != "" {
		fmt.Fprintf(out, "\n## %s\n", sec.key)
		fmt.Fprintf(out, "\n%s\n", strings.TrimSpace(sec.help+users(sec.commands)+reloads(sec.reload)))
	}
	if len(sec.settings) > 0 {
		out.WriteString("\n| key | default | variable | flag | meaning |\n|---|---|---|---|---|\n")
	}
	for _, setting := range sec.settings {
		fmt.Fprintf(out, "| %s | %s | %s | %s | %s |\n", code(setting.name()), code(s.Default(setting)), code(setting.Env[0]), flag(setting), setting.meaning(sec))
	}
	for _, sub := range sec.sections {
		s.document(out, sub)
	}
}

func code(text string) string {
	if text == "" {
		return ""
	}

	return "`" + strings.ReplaceAll(text, "|", `\|`) + "`"
}

func flag(s *Setting) string {
	if name := cmp.Or(s.Flag, s.FileFlag); name != "" {
		return code("--" + name)
	}

	return ""
}

// users says which commands use something.
func users(commands []string) string {
	if len(commands) == 0 {
		return ""
	}

	return " Used by " + list(commands, "and") + "."
}

// reloads says that something can change while the program runs.
func reloads(reload bool) string {
	if reload {
		return " Can be reloaded."
	}

	return ""
}

// meaning is the help with everything else that is to know.
func (s *Setting) meaning(sec *section) string {
	text := s.Help
	low, high := s.tag.Get("min"), s.tag.Get("max")
	switch {
	case s.tag.Get("oneof") != "":
		text += " One of " + s.choices() + "."
	case low != "" && high != "":
		text += fmt.Sprintf(" From %s to %s.", low, high)
	case low != "" && low != "0":
		text += fmt.Sprintf(" At least %s.", low)
	case high != "":
		text += fmt.Sprintf(" At most %s.", high)
	}
	if s.Secret {
		text += fmt.Sprintf(" Secret; %s names a file that holds it.", code(s.name()+fileSuffix))
	}
	if !slices.Equal(s.commands, sec.commands) {
		text += users(s.commands)
	}
	if !sec.reload {
		text += reloads(s.Reload)
	}

	return strings.ReplaceAll(strings.TrimSpace(text), "|", `\|`)
}
