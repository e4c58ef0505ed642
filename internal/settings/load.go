package settings

import (
	"errors"
	"fmt"
	"maps"
	"os"
	"reflect"
	"slices"
	"strings"
)

// Input is what to read.
type Input struct {
	// Command is the one that runs; settings of others are read and not used.
	Command string
	// File is the path of the YAML file, or empty for none.
	File string
	// Environ are variables as os.Environ returns them. Empty ones count as not set.
	Environ []string
	// Flags are the values of flags by the key of their setting; a key with
	// _file at its end gives the file that holds a secret.
	Flags map[string][]string
	// ReadFile is os.ReadFile where nil.
	ReadFile func(path string) ([]byte, error)
}

// Loaded is a configuration with where its values came from.
type Loaded struct {
	schema  *Schema
	value   reflect.Value
	origins map[*Setting]Origin
	// Unknown are variables that look like settings and are none, with what was
	// probably meant.
	Unknown []string
}

// loader reads one layer after the other into the structure.
type loader struct {
	*Loaded
	in Input
	// secretFiles are the files that still have to be read for a secret.
	secretFiles map[*Setting]string
	problems    Problems
	merges      int
}

// Load fills the structure that into points to, which is of the type that New
// got. Everything that is wrong is in the error, a Problems.
func (s *Schema) Load(into any, in Input) (*Loaded, error) {
	if in.ReadFile == nil {
		in.ReadFile = os.ReadFile
	}
	l := &loader{
		Loaded: &Loaded{schema: s, value: reflect.ValueOf(into).Elem(), origins: map[*Setting]Origin{}},
		in:     in, secretFiles: map[*Setting]string{},
	}
	l.value.Set(s.defaults)
	if in.File != "" {
		l.file()
	}
	l.environment()
	l.flags()
	l.readSecrets()
	l.validate(s.root)

	return l.Loaded, l.problems.err()
}

// Validate checks a structure that was not loaded as far as the command uses it;
// what is wrong is a Problems.
func (s *Schema) Validate(cfg any, command string) error {
	l := &loader{Loaded: &Loaded{schema: s, value: reflect.ValueOf(cfg).Elem()}, in: Input{Command: command}}
	for _, setting := range s.Settings(command) {
		if err := setting.bounds(l.value.FieldByIndex(setting.index)); err != nil {
			l.problems.add(Origin{}, "%s %v", setting.reference(), err)
		}
	}
	l.validate(s.root)

	return l.problems.err()
}

// Given is a configuration that was not loaded, but made by the program.
func (s *Schema) Given(cfg any) *Loaded {
	l := &Loaded{schema: s, value: reflect.ValueOf(cfg).Elem(), origins: map[*Setting]Origin{}}
	for _, setting := range s.all {
		if !same(l.value.FieldByIndex(setting.index), s.defaults.FieldByIndex(setting.index)) {
			l.origins[setting] = Origin{Layer: FromProgram}
		}
	}

	return l
}

// set takes a value from a layer. fill reads it into what it is given; file
// says that the value is the path of a file with the secret.
func (l *loader) set(s *Setting, origin Origin, file bool, fill func(v reflect.Value) error) {
	key := s.Key
	v := reflect.New(s.typ).Elem()
	if file {
		key += fileSuffix
		v = reflect.ValueOf(new(string)).Elem()
	}
	err := fill(v)
	if err == nil && !file {
		err = s.bounds(v)
	}
	if err != nil {
		l.problems.add(origin, "%s %v", key, err)
		return
	}
	if before, ok := l.origins[s]; ok && before.Layer == origin.Layer {
		l.problems.add(origin, "%s is given twice, also by %s; give it once", s.Key, before)
		return
	}
	l.origins[s] = origin
	delete(l.secretFiles, s)
	if file {
		l.secretFiles[s] = v.String()
	} else {
		l.value.FieldByIndex(s.index).Set(v)
	}
}

// environment reads variables.
func (l *loader) environment() {
	vars := map[string]string{}
	for _, entry := range l.in.Environ {
		if name, value, ok := strings.Cut(entry, "="); ok && value != "" {
			vars[name] = value
		}
	}
	known := map[string]bool{}
	for _, s := range l.schema.all {
		for _, name := range s.Env {
			known[name] = true
			l.variable(s, name, vars[name], false)
			if s.Secret {
				fileName := strings.ToUpper(name + fileSuffix)
				known[fileName] = true
				l.variable(s, fileName, vars[fileName], true)
			}
		}
	}
	for _, name := range slices.Sorted(maps.Keys(vars)) {
		if !known[name] && l.schema.looksLikeOurs(name) {
			l.Unknown = append(l.Unknown, name)
		}
	}
}

// looksLikeOurs reports whether a variable is named after a section.
func (s *Schema) looksLikeOurs(variable string) bool {
	return slices.ContainsFunc(s.root.sections, func(sec *section) bool {
		return strings.HasPrefix(variable, "LLMWATCH_"+strings.ToUpper(sec.key)+"_")
	})
}

func (l *loader) variable(s *Setting, name, value string, file bool) {
	if value == "" {
		return
	}
	l.set(s, Origin{FromEnvironment, name, 0}, file, func(v reflect.Value) error { return s.readText(v, value) })
}

// flags reads what the command line gave.
func (l *loader) flags() {
	for _, s := range l.schema.all {
		if values := l.in.Flags[s.Key]; len(values) > 0 {
			l.set(s, Origin{FromFlag, "--" + s.Flag, 0}, false, func(v reflect.Value) error {
				if s.IsList() {
					return s.readText(v, strings.Join(values, ","))
				}

				return s.readText(v, values[len(values)-1])
			})
		}
		if values := l.in.Flags[s.Key+fileSuffix]; len(values) > 0 {
			l.set(s, Origin{FromFlag, "--" + s.FileFlag, 0}, true, func(v reflect.Value) error {
				v.SetString(values[len(values)-1])

				return nil
			})
		}
	}
}

// readSecrets reads the files that were named.
func (l *loader) readSecrets() {
	for _, s := range l.schema.all {
		path, ok := l.secretFiles[s]
		if !ok {
			continue
		}
		text, err := l.in.ReadFile(path)
		if err != nil {
			l.problems.add(l.origins[s], "%s%s must name a file that can be read: %v", s.Key, fileSuffix, err)
			continue
		}
		secret := strings.TrimSpace(string(text))
		if secret == "" {
			l.problems.add(l.origins[s], "%s%s must name a file that holds the secret; %s is empty", s.Key, fileSuffix, path)
			continue
		}
		if err := s.readText(l.value.FieldByIndex(s.index), secret); err != nil {
			l.problems.add(l.origins[s], "%s %v", s.Key, err)
		}
	}
}

// Value is what a setting is, as text with secrets hidden, and where that came
// from. An unknown key is nothing by default.
func (l *Loaded) Value(key string) (text string, origin Origin) {
	s := l.schema.Setting(key)
	if s == nil {
		return "", Origin{}
	}
	v := l.value.FieldByIndex(s.index)
	if s.Secret && !v.IsZero() && (v.Kind() != reflect.Map || v.Len() > 0) {
		return hidden, l.origins[s]
	}

	return s.text(v), l.origins[s]
}

// Explain turns the error of whoever uses a section into a Problems that says
// where its values came from. An empty key is the whole configuration.
func (l *Loaded) Explain(sectionKey string, err error) error {
	var problems Problems
	for _, err := range parts(err) {
		text, origin := l.explain(sectionKey, err)
		problems = append(problems, Problem{origin, text})
	}

	return problems.err()
}

// validate asks each section whether its values fit together.
func (l *loader) validate(sec *section) {
	if !usedBy(sec.commands, l.in.Command) {
		return
	}
	for _, sub := range sec.sections {
		l.validate(sub)
	}
	v := l.value
	if len(sec.index) > 0 {
		v = v.FieldByIndex(sec.index)
	}
	if checked, ok := reflect.TypeAssert[interface{ Validate() error }](v.Addr()); ok {
		for _, err := range parts(checked.Validate()) {
			text, origin := l.explain(sec.key, err)
			l.problems.add(origin, "%s", text)
		}
	}
}

// parts takes joined errors apart.
func parts(err error) []error {
	if err == nil {
		return nil
	}
	joined, ok := err.(interface{ Unwrap() []error })
	if !ok || err.Error() != errors.Join(joined.Unwrap()...).Error() {
		return []error{err}
	}
	var all []error
	for _, e := range joined.Unwrap() {
		all = append(all, parts(e)...)
	}

	return all
}

// explain finds the setting whose key an error begins with.
func (l *Loaded) explain(sectionKey string, err error) (text string, origin Origin) {
	words := err.Error()
	first, rest, _ := strings.Cut(words, " ")
	first, colon := strings.CutSuffix(first, ":")
	if sectionKey != "" {
		first = sectionKey + "." + first
		words = sectionKey + "." + words
	}
	for _, s := range l.schema.all {
		if s.Key != first && !strings.HasPrefix(first, s.Key+".") {
			continue
		}
		origin := l.origins[s]
		if origin.Layer == FromDefault && s.Key == first {
			if colon {
				rest = ": " + rest
			} else {
				rest = " " + rest
			}

			return s.reference() + rest, origin
		}

		return words, origin
	}
	if sectionKey != "" {
		return sectionKey + ": " + err.Error(), Origin{}
	}

	return words, Origin{}
}

// reference names a setting and the ways to set it.
func (s *Setting) reference() string {
	ways := s.Env[0]
	if s.Flag != "" {
		ways += ", --" + s.Flag
	}

	return fmt.Sprintf("%s (%s)", s.Key, ways)
}

// Changes compares two structures of the schema's type: the keys whose values
// differ, and those among them that a running program cannot change.
func (s *Schema) Changes(before, after any) (changed, fixed []string) {
	from, to := reflect.ValueOf(before).Elem(), reflect.ValueOf(after).Elem()
	for _, setting := range s.all {
		if same(from.FieldByIndex(setting.index), to.FieldByIndex(setting.index)) {
			continue
		}
		changed = append(changed, setting.Key)
		if !setting.Reload {
			fixed = append(fixed, setting.Key)
		}
	}

	return changed, fixed
}

// same compares two values; nothing in a list or mapping is the same as none.
func same(a, b reflect.Value) bool {
	if k := a.Kind(); (k == reflect.Slice || k == reflect.Map) && a.Len() == 0 && b.Len() == 0 {
		return true
	}

	return reflect.DeepEqual(a.Interface(), b.Interface())
}
