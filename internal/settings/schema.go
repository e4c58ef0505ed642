package settings

import (
	"encoding"
	"fmt"
	"reflect"
	"slices"
	"strings"
	"time"
)

// Setting is one thing that can be set.
type Setting struct {
	// Key is its path in the file, such as metrics.collection_interval.
	Key string
	// Env are the variables that set it, the documented one first.
	Env []string
	// Flag sets it, and FileFlag names a file that holds the secret, both without
	// dashes before them; empty for none.
	Flag     string
	FileFlag string
	Help     string
	// Secret is set if its value must not be shown, Reload if it can change
	// while the program runs.
	Secret bool
	Reload bool

	typ      reflect.Type
	index    []int // From the root structure.
	commands []string
	aliases  []string
	tag      reflect.StructTag
}

// fileSuffix makes the name of a key whose file holds the secret.
const fileSuffix = "_file"

// IsBool reports whether the setting is true or false.
func (s *Setting) IsBool() bool { return s.typ.Kind() == reflect.Bool }

// IsList reports whether the setting holds several texts.
func (s *Setting) IsList() bool { return s.typ.Kind() == reflect.Slice }

// Placeholder stands for the value in --help.
func (s *Setting) Placeholder() string {
	switch {
	case s.typ == durationType:
		return "TIME"
	case s.isSize():
		return "SIZE"
	case s.typ.Kind() == reflect.Int:
		return "N"
	default:
		return strings.ToUpper(s.name()[strings.LastIndexByte(s.name(), '_')+1:])
	}
}

// usedBy reports whether a command is among those that use something; no
// commands are all.
func usedBy(commands []string, command string) bool {
	return command == "" || len(commands) == 0 || slices.Contains(commands, command)
}

// name is the last part of the key.
func (s *Setting) name() string { return s.Key[strings.LastIndexByte(s.Key, '.')+1:] }

// section is a structure with settings and sections below it.
type section struct {
	key      string // Empty for the root.
	help     string
	index    []int
	commands []string
	reload   bool
	settings []*Setting
	sections []*section
}

// join makes the path of a key in the section.
func (s *section) join(name string) string {
	if s.key == "" {
		return name
	}

	return s.key + "." + name
}

// Schema is everything that can be set in a structure.
type Schema struct {
	defaults reflect.Value
	root     *section
	all      []*Setting
}

// New describes the structure that defaults points to. It panics where the tags
// are wrong, which is a mistake in the program.
func New(defaults any) *Schema {
	s := &Schema{defaults: reflect.ValueOf(defaults).Elem(), root: &section{}}
	s.describe(s.root, s.defaults.Type(), nil, inherited{})

	return s
}

// inherited is what a section passes on to what is below it.
type inherited struct {
	commands []string
	reload   bool
}

// describe puts what a section sets itself before the sections below it, which is
// the order that Print and Document have.
func (s *Schema) describe(into *section, t reflect.Type, index []int, from inherited) {
	var below []func()
	for i := range t.NumField() {
		field := t.Field(i)
		at := append(slices.Clone(index), i)
		key := field.Tag.Get("yaml")
		if field.Anonymous && key == "" {
			s.describe(into, field.Type, at, from)
			continue
		}
		if key == "" || key == "-" {
			continue
		}
		passed := from
		if commands := field.Tag.Get("commands"); commands != "" {
			passed.commands = strings.Fields(commands)
		}
		passed.reload = passed.reload || field.Tag.Get("reload") == "true"
		if field.Type.Kind() == reflect.Struct && !isText(field.Type) {
			sub := &section{key: into.join(key), help: field.Tag.Get("help"), index: at, commands: passed.commands, reload: passed.reload}
			into.sections = append(into.sections, sub)
			below = append(below, func() { s.describe(sub, field.Type, at, passed) })
			continue
		}
		setting := newSetting(into.join(key), field, at, passed)
		into.settings = append(into.settings, setting)
		s.all = append(s.all, setting)
	}
	for _, describe := range below {
		describe()
	}
}

func newSetting(key string, field reflect.StructField, index []int, from inherited) *Setting {
	s := &Setting{
		Key: key, Flag: field.Tag.Get("flag"), Help: field.Tag.Get("help"),
		Secret: field.Tag.Get("secret") != "", Reload: from.reload,
		typ: field.Type, index: index, commands: from.commands, aliases: strings.Fields(field.Tag.Get("alias")), tag: field.Tag,
	}
	if s.Secret && s.Flag != "" {
		s.FileFlag = s.Flag + "-file"
		if field.Tag.Get("secret") != "flag" {
			s.Flag = ""
		}
	}
	if env := field.Tag.Get("env"); env != "" {
		s.Env = append(s.Env, env)
	}
	if derived := "LLMWATCH_" + strings.ToUpper(strings.ReplaceAll(key, ".", "_")); !slices.Contains(s.Env, derived) {
		s.Env = append(s.Env, derived)
	}
	// A default value that cannot be checked tells that the tags do not fit the type.
	if err := s.bounds(reflect.Zero(field.Type)); err != nil && strings.HasPrefix(err.Error(), "tag") {
		panic(fmt.Sprintf("settings: %s: %v", key, err))
	}

	return s
}

var textUnmarshaler = reflect.TypeFor[encoding.TextUnmarshaler]()

// isText reports whether a type reads itself from text.
func isText(t reflect.Type) bool { return reflect.PointerTo(t).Implements(textUnmarshaler) }

var durationType = reflect.TypeFor[time.Duration]()

// Settings returns what a command uses, in the order in which it is printed.
func (s *Schema) Settings(command string) []*Setting {
	var used []*Setting
	for _, setting := range s.all {
		if usedBy(setting.commands, command) {
			used = append(used, setting)
		}
	}

	return used
}

// Default is the default of a setting as text, empty where it has none.
func (s *Schema) Default(setting *Setting) string {
	if setting.Secret {
		return ""
	}

	return setting.text(s.defaults.FieldByIndex(setting.index))
}

// Setting finds a setting by its key; nil where there is none.
func (s *Schema) Setting(key string) *Setting {
	for _, setting := range s.all {
		if setting.Key == key {
			return setting
		}
	}

	return nil
}
