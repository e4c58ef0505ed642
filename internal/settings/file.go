package settings

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"reflect"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"

	"go.yaml.in/yaml/v3"
)

// file reads the YAML file.
func (l *loader) file() {
	content, err := l.in.ReadFile(l.in.File)
	if err != nil {
		l.problems.add(Origin{FromFile, l.in.File, 0}, "the configuration file cannot be read: %v", withoutPath(err))
		return
	}
	if root := l.parse(content, 0); root != nil {
		l.mapping(l.schema.root, l.configMap(root), 0)
	}
}

// at is a place in the file.
func (l *loader) at(line int) Origin { return Origin{FromFile, l.in.File, line} }

// parse reads the one document that content holds; it is nil where there is
// nothing to read, or nothing that can be.
func (l *loader) parse(content []byte, offset int) *yaml.Node {
	if !utf8.Valid(content) {
		valid := 0
		for rest := content; ; {
			r, size := utf8.DecodeRune(rest)
			if r == utf8.RuneError && size <= 1 {
				break
			}
			valid, rest = valid+size, rest[size:]
		}
		l.problems.add(l.at(offset+1+bytes.Count(content[:valid], []byte("\n"))), "the file must be UTF-8 text; there is a byte here that is not")

		return nil
	}
	decoder := yaml.NewDecoder(bytes.NewReader(content))
	var doc, second yaml.Node
	err := decoder.Decode(&doc)
	if errors.Is(err, io.EOF) {
		return nil // Nothing but comments: everything is at its default.
	}
	if err == nil {
		err = decoder.Decode(&second)
		if errors.Is(err, io.EOF) {
			shift(&doc, offset, map[*yaml.Node]bool{})

			return doc.Content[0]
		}
	}
	line, text := syntax(content, err)
	if err == nil {
		line, text = second.Line, "the file must hold one document; a second one begins here"
	}
	l.problems.add(l.at(offset+line), "%s", text)

	return nil
}

var (
	yamlLine    = regexp.MustCompile(`^yaml: (?:line (\d+): )?(.*)$`)
	leadingTab  = regexp.MustCompile(`^ *\t+[^\s#]`)
	unknownName = regexp.MustCompile(`^unknown anchor .* referenced$`)
)

// syntax puts an error of the YAML parser into words. Those never repeat what
// stands in the file, which may be a secret.
func syntax(content []byte, err error) (line int, text string) {
	if err == nil {
		return 0, ""
	}
	line, text = 1, "is not valid YAML"
	if m := yamlLine.FindStringSubmatch(err.Error()); m != nil {
		if n, err := strconv.Atoi(m[1]); err == nil {
			line = n
		}
		// The parser counts from where it began to understand something else.
		text = "the file must be YAML; near here it is not: " + m[2]
		if unknownName.MatchString(m[2]) {
			text = "the file must be YAML: a value that begins with * refers to an anchor, and there is none of that name; a text that begins so needs quotes"
		}
	}
	number := 0
	for l := range strings.Lines(string(content)) {
		if number++; leadingTab.MatchString(l) {
			return number, "the file must be YAML, which is indented with spaces; there is a tab here"
		}
	}

	return line, text
}

// configMap returns the configuration inside a Kubernetes ConfigMap, or the
// node itself where it is none.
func (l *loader) configMap(root *yaml.Node) *yaml.Node {
	if value(root, "kind") == nil || value(root, "kind").Value != "ConfigMap" || value(root, "apiVersion") == nil {
		return root
	}
	empty := &yaml.Node{Kind: yaml.MappingNode, Line: root.Line}
	data := value(root, "data")
	if data == nil || data.Kind != yaml.MappingNode || len(data.Content) != 2 || data.Content[1].Kind != yaml.ScalarNode {
		l.problems.add(l.at(root.Line), "a ConfigMap must hold the configuration as the one text under data")
		return empty
	}
	text := data.Content[1]
	if inner := l.parse([]byte(text.Value), text.Line); inner != nil {
		return inner
	}

	return empty
}

// value is what a key of a mapping holds, or nil.
func value(mapping *yaml.Node, key string) *yaml.Node {
	if mapping.Kind != yaml.MappingNode {
		return nil
	}
	for i := 0; i+1 < len(mapping.Content); i += 2 {
		if mapping.Content[i].Value == key {
			return mapping.Content[i+1]
		}
	}

	return nil
}

// shift moves a document down by some lines, in the file that it is part of.
func shift(n *yaml.Node, lines int, seen map[*yaml.Node]bool) {
	if lines == 0 || seen[n] {
		return
	}
	seen[n] = true
	n.Line += lines
	for _, child := range n.Content {
		shift(child, lines, seen)
	}
}

// Bounds of what a file may make of anchors. They refer to each other and to
// themselves as they like.
const (
	maxDepth  = 8
	maxMerges = 100
)

// mapping reads a section.
func (l *loader) mapping(sec *section, m *yaml.Node, depth int) {
	m = resolve(m)
	if m.Tag == "!!null" {
		return // A section with nothing in it.
	}
	if m.Kind != yaml.MappingNode {
		l.problems.add(l.at(m.Line), "%s must hold settings such as %s, got %s", what(sec), sec.example(), kind(m))
		return
	}
	lines := map[string]int{}
	for _, p := range l.pairs(m, depth) {
		if p.key.Kind != yaml.ScalarNode {
			l.problems.add(l.at(p.key.Line), "%s must have keys that are text, got %s", what(sec), kind(p.key))
			continue
		}
		name := p.key.Value
		if before, twice := lines[name]; twice {
			if !p.merged {
				l.problems.add(l.at(p.key.Line), "%s is given twice, also in line %d; give it once", sec.join(name), before)
			}
			continue
		}
		lines[name] = p.key.Line
		l.entry(sec, name, p.key.Line, p.value, depth)
	}
}

// what names a section.
func what(sec *section) string {
	if sec.key == "" {
		return "the file"
	}

	return sec.key
}

// pair is a key with its value. A merged one came from elsewhere and counts
// less than the mapping's own.
type pair struct {
	key, value *yaml.Node
	merged     bool
}

// pairs returns the entries of a mapping, its own before the merged ones.
func (l *loader) pairs(m *yaml.Node, depth int) []pair {
	var own, merged []pair
	for i := 0; i+1 < len(m.Content); i += 2 {
		key, value := resolve(m.Content[i]), m.Content[i+1]
		if key.Tag != "!!merge" {
			own = append(own, pair{key, value, false})
			continue
		}
		sources := []*yaml.Node{resolve(value)}
		if sources[0].Kind == yaml.SequenceNode {
			sources = sources[0].Content
		}
		for _, source := range sources {
			source = resolve(source)
			if l.merges++; source.Kind != yaml.MappingNode || depth > maxDepth || l.merges > maxMerges {
				l.problems.add(l.at(key.Line), "<< must name a mapping, or a list of them, that does not contain itself")
				return own
			}
			for _, p := range l.pairs(source, depth+1) {
				merged = append(merged, pair{p.key, p.value, true})
			}
		}
	}

	return append(own, merged...)
}

// resolve follows an alias.
func resolve(n *yaml.Node) *yaml.Node {
	if n.Kind == yaml.AliasNode {
		return n.Alias
	}

	return n
}

// entry reads what one key of a section holds.
func (l *loader) entry(sec *section, name string, line int, node *yaml.Node, depth int) {
	for _, sub := range sec.sections {
		if sub.key == sec.join(name) {
			l.mapping(sub, node, depth+1)
			return
		}
	}
	for _, s := range sec.settings {
		base, file := strings.CutSuffix(name, fileSuffix)
		switch {
		case s.called(name):
			file = false
		case file && s.Secret && s.called(base):
		default:
			continue
		}
		if node = resolve(node); node.Tag == "!!null" {
			return // As if it were not there.
		}
		l.set(s, l.at(line), file, func(v reflect.Value) error { return s.readNode(v, node) })

		return
	}
	l.problems.add(l.at(line), "%s is not known; %s", sec.join(short(name)), l.schema.suggest(sec, name))
}

// called reports whether this is the setting's key or an alias.
func (s *Setting) called(name string) bool {
	return s.name() == name || slices.Contains(s.aliases, name)
}

func short(name string) string {
	if len(name) > maxShown {
		return strings.ToValidUTF8(name[:maxShown], "") + "…"
	}

	return name
}

// example is a key of the section.
func (sec *section) example() string { return sec.names()[0] }

// names are the keys of the section.
func (sec *section) names() []string {
	var names []string
	for _, s := range sec.settings {
		names = append(names, s.name())
		if s.Secret {
			names = append(names, s.name()+fileSuffix)
		}
	}
	for _, sub := range sec.sections {
		names = append(names, sub.key[strings.LastIndexByte(sub.key, '.')+1:])
	}

	return names
}

// suggest says what an unknown key was probably meant to be.
func (s *Schema) suggest(sec *section, name string) string {
	for _, setting := range s.all {
		if setting.called(name) {
			return "did you mean " + setting.Key + "?"
		}
	}
	if near := nearest(name, sec.names()); near != "" {
		return "did you mean " + near + "?"
	}

	return what(sec) + " has " + list(sec.names(), "and")
}

// kind names what stands in the file.
func kind(n *yaml.Node) string {
	switch {
	case n.Kind == yaml.MappingNode:
		return "a mapping"
	case n.Kind == yaml.SequenceNode:
		return "a list"
	case n.Tag == "!!null":
		return "nothing"
	default:
		return "text"
	}
}

// readNode fills v from a node of the file.
func (s *Setting) readNode(v reflect.Value, node *yaml.Node) error {
	node = resolve(node)
	text := isText(v.Type()) || (v.Kind() != reflect.Slice && v.Kind() != reflect.Map)
	switch {
	case isMapping(v.Type()) && node.Kind != yaml.MappingNode:
		return fmt.Errorf("must be a mapping with the keys %s, got %s", list(keys(v.Type()), "and"), kind(node))
	case node.Kind == yaml.ScalarNode:
		switch node.Tag {
		case "!!str", "!!int", "!!float", "!!bool", "!!timestamp":
			return s.readText(v, node.Value)
		default:
			return fmt.Errorf("must be %s without a tag of its own; a text that begins with ! needs quotes", s.form(v.Type()))
		}
	case node.Kind == yaml.SequenceNode && v.Kind() == reflect.Slice && !text:
		return s.readList(v, node)
	case node.Kind == yaml.MappingNode && v.Kind() == reflect.Map && !text:
		return s.readMap(v, node)
	case node.Kind == yaml.MappingNode && isMapping(v.Type()):
		return s.readStruct(v, node)
	default:
		return fmt.Errorf("must be %s, got %s", s.form(v.Type()), kind(node))
	}
}

func (s *Setting) readList(v reflect.Value, node *yaml.Node) error {
	for _, child := range node.Content {
		element := reflect.New(v.Type().Elem()).Elem()
		child = resolve(child)
		if child.Kind != yaml.ScalarNode || child.Tag == "!!null" {
			return fmt.Errorf("must be a list of texts, got %s in it", kind(child))
		}
		if err := s.read(element, child.Value); err != nil {
			return err
		}
		v.Set(reflect.Append(v, element))
	}

	return nil
}

func (s *Setting) readMap(v reflect.Value, node *yaml.Node) error {
	v.Set(reflect.MakeMap(v.Type()))
	for i := 0; i+1 < len(node.Content); i += 2 {
		name := reflect.New(v.Type().Key()).Elem()
		key := resolve(node.Content[i])
		if key.Kind != yaml.ScalarNode || key.Tag == "!!merge" {
			return errors.New("must be a mapping whose keys are texts")
		}
		if err := s.read(name, key.Value); err != nil {
			return err
		}
		if v.MapIndex(name).IsValid() {
			return fmt.Errorf("must not have a key twice, got %s again in line %d", strconv.Quote(short(key.Value)), key.Line)
		}
		element := reflect.New(v.Type().Elem()).Elem()
		if err := s.readNode(element, node.Content[i+1]); err != nil {
			return fmt.Errorf("must be right at %s, which %w", strconv.Quote(short(key.Value)), err)
		}
		v.SetMapIndex(name, element)
	}

	return nil
}

// readText fills v from text as variables, flags and scalars of the file hold
// it: lists with commas, mappings as YAML.
func (s *Setting) readText(v reflect.Value, text string) error {
	switch {
	case isText(v.Type()):
		return s.read(v, text)
	case v.Kind() == reflect.Slice:
		for part := range strings.SplitSeq(text, ",") {
			if part = strings.TrimSpace(part); part == "" {
				continue
			}
			element := reflect.New(v.Type().Elem()).Elem()
			if err := s.read(element, part); err != nil {
				return err
			}
			v.Set(reflect.Append(v, element))
		}

		return nil
	case v.Kind() == reflect.Map:
		var doc yaml.Node
		if err := yaml.Unmarshal([]byte(text), &doc); err != nil || len(doc.Content) != 1 || doc.Content[0].Kind != yaml.MappingNode {
			return fmt.Errorf("must be a mapping such as {a: b, c: d}%s", s.got(text))
		}

		return s.readMap(v, doc.Content[0])
	default:
		return s.read(v, text)
	}
}

// withoutPath takes the path out of an error about a file, where it stands
// already before it.
func withoutPath(err error) error {
	if inner := errors.Unwrap(err); inner != nil {
		return inner
	}

	return err
}
