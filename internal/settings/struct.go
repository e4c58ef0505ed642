package settings

import (
	"errors"
	"fmt"
	"reflect"
	"strconv"

	"go.yaml.in/yaml/v3"
)

// isMapping reports whether a type is a structure that stands for a mapping with
// certain keys, as the values of a map may be.
func isMapping(t reflect.Type) bool { return t.Kind() == reflect.Struct && !isText(t) }

// keys are the keys of such a structure, in the order of its fields.
func keys(t reflect.Type) []string {
	var all []string
	for field := range t.Fields() {
		if key := field.Tag.Get("yaml"); key != "" {
			all = append(all, key)
		}
	}

	return all
}

// readStruct fills such a structure.
func (s *Setting) readStruct(v reflect.Value, node *yaml.Node) error {
	fields := map[string]reflect.Value{}
	for i := range v.NumField() {
		if key := v.Type().Field(i).Tag.Get("yaml"); key != "" {
			fields[key] = v.Field(i)
		}
	}
	given := map[string]bool{}
	for i := 0; i+1 < len(node.Content); i += 2 {
		key := resolve(node.Content[i])
		if key.Kind != yaml.ScalarNode || key.Tag == "!!merge" {
			return errors.New("must have keys that are texts")
		}
		name := strconv.Quote(short(key.Value))
		field, known := fields[key.Value]
		switch {
		case !known:
			return fmt.Errorf("must have no key but %s, got %s in line %d", list(keys(v.Type()), "and"), name, key.Line)
		case given[key.Value]:
			return fmt.Errorf("must not have a key twice, got %s again in line %d", name, key.Line)
		}
		given[key.Value] = true
		value := resolve(node.Content[i+1])
		if value.Tag == "!!null" {
			continue
		}
		if err := s.readNode(field, value); err != nil {
			return fmt.Errorf("must be right at %s, which %w", name, err)
		}
	}

	return nil
}

// structNode is such a structure as a file holds it, without what is not set.
func (s *Setting) structNode(v reflect.Value) *yaml.Node {
	n := &yaml.Node{Kind: yaml.MappingNode}
	for i := range v.NumField() {
		if key := v.Type().Field(i).Tag.Get("yaml"); key != "" && !v.Field(i).IsZero() {
			n.Content = append(n.Content, scalar(key), s.node(v.Field(i)))
		}
	}

	return n
}
