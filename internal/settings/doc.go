// Package settings fills a configuration structure from defaults, a YAML file,
// the environment and flags, says everything that is wrong with them at once,
// and prints and documents what can be set. It knows the form of settings and
// nothing of what they mean, nor of any command line.
//
// To add a setting, add a field to the structure of its section; parser,
// environment, flag, help, documentation and --print-config follow from its tags:
//
//	Interval time.Duration `yaml:"interval" min:"1s" max:"2m" help:"Time between two looks."`
//
// Its default is its value in the structure that New gets. Then run
// `go test ./internal/app -run Document -update`, which writes the documentation.
//
// The tags of a field:
//
//	yaml      its key. Without one the field is no setting. A structure is a
//	          section; an embedded one without a key adds its fields to the outer.
//	help      one sentence for the documentation and --help.
//	alias     another key that is accepted, such as a documented one.
//	env       a documented variable. LLMWATCH_<SECTION>_<KEY> is always accepted.
//	flag      its flag. Without one there is none.
//	commands  the commands that use it, by spaces; those of its section otherwise.
//	secret    "true" if its value must not be shown. It may then be read from a
//	          file, by <key>_file, <VARIABLE>_FILE and --<flag>-file. The flag
//	          itself exists only for "flag": arguments are visible to everyone on
//	          the machine.
//	reload    "true" if it can change while the program runs; as commands, it
//	          also holds for a whole section.
//	min, max  bounds of a number or duration.
//	oneof     the allowed values, by spaces.
//	unit      of a bare number: "days" for a time.Duration, which is otherwise in
//	          seconds; "bytes" for an int64 that may be written as a size.
//
// A field may be a string or of a type made of it, bool, int, int64, float64,
// time.Duration, encoding.TextUnmarshaler, a list of strings, or a map to any of
// these or to structures of these, whose fields have a tag yaml and no other. A
// secret in such a structure must be of a type that prints as none.
//
// What tags cannot say goes into the method Validate() error of a section. It is
// called after everything was read; its error, or each of those that it joined,
// begins with the key that it is about, as in "smtp_port must be …". So packages
// own their configuration and need not know this one.
package settings
