package settings

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"
)

const canary = "canary-secret"

// token is a secret that says so itself.
type token string

// level reads itself from text.
type level int

func (l *level) UnmarshalText(text []byte) error {
	switch string(text) {
	case "low":
		*l = 1
	case "high":
		*l = 2
	default:
		return errors.New("must be low or high")
	}

	return nil
}

func (l level) MarshalText() ([]byte, error) { return []byte([]string{"", "low", "high"}[l]), nil }

type config struct {
	Store store `yaml:"store" help:"Where things are." commands:"serve"`
	Mail  mail  `yaml:"mail" reload:"true"`
	Other int   // No setting.
}

type store struct {
	Dir     string              `yaml:"dir" env:"STORE_DIR" flag:"dir" help:"Directory."`
	Every   time.Duration       `yaml:"every" flag:"every" min:"1s" max:"1h" help:"Interval."`
	Keep    time.Duration       `yaml:"keep" unit:"days" help:"Retention."`
	Size    int64               `yaml:"size" unit:"bytes" max:"1GB" help:"Bound."`
	Ratio   float64             `yaml:"ratio" min:"0" max:"1" help:"Share."`
	Level   level               `yaml:"level" help:"Level."`
	Mode    string              `yaml:"mode" oneof:"Fast safe" help:"Way."`
	On      bool                `yaml:"on" flag:"on" commands:"serve bridge" help:"Whether."`
	Roles   map[string][]string `yaml:"roles" help:"Who | what."`
	Numbers map[string]int      `yaml:"numbers"`
	Skipped string              `yaml:"-"`
}

type mail struct {
	login
	To []string `yaml:"to" flag:"to"`
}

type login struct {
	User     string `yaml:"user" alias:"username login"`
	Password token  `yaml:"password" env:"MAIL_PASSWORD" flag:"password" secret:"true"`
	URL      string `yaml:"url" flag:"url" secret:"flag"`
}

func (l *login) Validate() error {
	if (l.User == "") != (l.Password == "") {
		return errors.Join(errors.New("user and password go together"), errors.New("unheard of"))
	}

	return nil
}

func (c *config) Validate() error {
	if strings.Contains(c.Store.Dir, "//") {
		return fmt.Errorf("store.dir must be no address, got %q", c.Store.Dir)
	}
	if c.Store.Ratio == 0.5 {
		return fmt.Errorf("store.ratio must not be a half: %w", errors.Join(errors.New("a"), errors.New("b")))
	}

	return nil
}

func defaults() *config {
	return &config{
		Store: store{Dir: "data", Every: time.Minute, Keep: 7 * 24 * time.Hour, Size: 10 << 20, Level: 1, Mode: "safe"},
		Other: 42,
	}
}

// load loads a file, variables and flags.
func load(t *testing.T, file string, environ []string, flags map[string][]string) (*config, *Loaded, error) {
	t.Helper()

	in := Input{Environ: environ, Flags: flags}
	if file != "" {
		in.File = "f.yml"
		in.ReadFile = func(path string) ([]byte, error) {
			if path == in.File {
				return []byte(file), nil
			}

			return os.ReadFile(path)
		}
	}
	var c config
	loaded, err := New(defaults()).Load(&c, in)

	return &c, loaded, err
}

func TestFlagsBeatVariablesBeatFileBeatDefaults(t *testing.T) {
	const file = "store: {dir: from-file, every: 2, size: 1KB}\nmail: {to: [file]}"
	environ := []string{"STORE_DIR=from-variable", "LLMWATCH_STORE_EVERY=3", "LLMWATCH_MAIL_TO=a, b,,c", "LLMWATCH_STORE_SIZE="}
	flags := map[string][]string{"store.dir": {"from-flag"}, "mail.to": {"x", "y,z"}}
	for _, tc := range []struct {
		file     string
		environ  []string
		flags    map[string][]string
		dir      string
		every    time.Duration
		to       []string
		from     Origin
		printsAs string
	}{
		{"", nil, nil, "data", time.Minute, nil, Origin{}, "default"},
		{file, nil, nil, "from-file", 2 * time.Second, []string{"file"}, Origin{FromFile, "f.yml", 1}, "f.yml:1"},
		{file, environ, nil, "from-variable", 3 * time.Second, []string{"a", "b", "c"}, Origin{FromEnvironment, "STORE_DIR", 0}, "STORE_DIR"},
		{file, environ, flags, "from-flag", 3 * time.Second, []string{"x", "y", "z"}, Origin{FromFlag, "--dir", 0}, "--dir"},
	} {
		c, loaded, err := load(t, tc.file, tc.environ, tc.flags)
		if err != nil {
			t.Fatal(err)
		}
		if c.Store.Dir != tc.dir || c.Store.Every != tc.every || !slices.Equal(c.Mail.To, tc.to) {
			t.Errorf("from %s it is %+v", tc.printsAs, c)
		}
		if text, origin := loaded.Value("store.dir"); text != tc.dir || origin != tc.from || origin.String() != tc.printsAs {
			t.Errorf("%s comes from %+v, which prints as %s", text, origin, origin)
		}
		if c.Other != 42 {
			t.Error("what is no setting was not kept")
		}
	}
}

func TestEveryTypeFromFileAndFromText(t *testing.T) {
	want := *defaults()
	want.Store = store{
		Dir: "d", Every: 90 * time.Second, Keep: 36 * time.Hour, Size: 3 << 20, Ratio: 0.25, Level: 2, Mode: "Fast", On: true,
		Roles: map[string][]string{"read": {"admin", "operator"}, "write": {"admin"}}, Numbers: map[string]int{"a": 1},
	}
	fromFile, _, err := load(t, `
store:
  dir: d
  every: 1m30s
  keep: 36h
  size: 3MB
  ratio: 0.25
  level: high
  mode: FAST
  on: Yes
  roles: {read: [admin, operator], write: admin}
  numbers: {a: 1}
`, nil, nil)
	if err != nil || !reflect.DeepEqual(*fromFile, want) {
		t.Errorf("from the file it is %+v (%v)\nwant %+v", *fromFile, err, want)
	}
	fromText, _, err := load(t, "", []string{
		"STORE_DIR=d", "LLMWATCH_STORE_EVERY=90", "LLMWATCH_STORE_KEEP=1d12h", "LLMWATCH_STORE_SIZE=3145728", "LLMWATCH_STORE_RATIO=.25",
		"LLMWATCH_STORE_LEVEL=high", "LLMWATCH_STORE_MODE=fast", "LLMWATCH_STORE_ON=1",
		"LLMWATCH_STORE_ROLES={read: [admin, operator], write: admin}", "LLMWATCH_STORE_NUMBERS={a: 1}",
	}, nil)
	if err != nil || !reflect.DeepEqual(*fromText, want) {
		t.Errorf("from text it is %+v (%v)\nwant %+v", *fromText, err, want)
	}
}

func TestTextsThatAreRefused(t *testing.T) {
	for variable, want := range map[string]string{
		"LLMWATCH_STORE_EVERY=2h":                          "store.every must be from 1s to 1h, got 2h",
		"LLMWATCH_STORE_EVERY=1.5":                         `store.every must be a number of seconds or a duration such as 30s, 5m or 7d, got "1.5"`,
		"LLMWATCH_STORE_KEEP=9999999999":                   `store.keep must be a number of days or a duration such as 36h, 7d or 4w, got "9999999999"`,
		"LLMWATCH_STORE_SIZE=2GB":                          "store.size must be at most 1GB, got 2GB",
		"LLMWATCH_STORE_SIZE=-1":                           `store.size must be a size such as 512MB or 10GB, got "-1"`,
		"LLMWATCH_STORE_SIZE=100EB":                        `store.size must be a size such as 512MB or 10GB, got "100EB"`,
		"LLMWATCH_STORE_RATIO=1.1":                         "store.ratio must be from 0 to 1, got 1.1",
		"LLMWATCH_STORE_RATIO=NaN":                         `store.ratio must be a number, got "NaN"`,
		"LLMWATCH_STORE_LEVEL=top":                         "store.level must be low or high",
		"LLMWATCH_STORE_MODE=slow":                         `store.mode must be Fast or safe, got "slow"`,
		"LLMWATCH_STORE_ON=perhaps":                        `store.on must be true or false, got "perhaps"`,
		"LLMWATCH_STORE_ROLES=admin":                       `store.roles must be a mapping such as {a: b, c: d}, got "admin"`,
		"LLMWATCH_STORE_ROLES={a: {b: c}}":                 `store.roles must be right at "a", which must be a list, got a mapping`,
		"LLMWATCH_STORE_NUMBERS={a: b}":                    `store.numbers must be right at "a", which must be a whole number, got "b"`,
		"LLMWATCH_STORE_NUMBERS={a: 1, a: 2}":              `store.numbers must not have a key twice, got "a" again in line 1`,
		"LLMWATCH_STORE_MODE=https://a:" + canary + "@b/c": `store.mode must be Fast or safe, got "https://<secret>@b/c"`,
	} {
		name, _, _ := strings.Cut(variable, "=")
		_, _, err := load(t, "", []string{variable}, nil)
		if err == nil || err.Error() != name+": "+want {
			t.Errorf("%s: the error is\n%v\nwant\n%s: %s", variable, err, name, want)
		}
	}
}

func TestSecretsFromFiles(t *testing.T) {
	dir := t.TempDir()
	write := func(name, text string) string {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}

		return path
	}
	full, empty, none := write("full", "  "+canary+"\r\n"), write("empty", " \n"), filepath.Join(dir, "none")
	user := []string{"LLMWATCH_MAIL_USER=u"}
	for name, tc := range map[string]struct {
		file    string
		environ []string
		flags   map[string][]string
		want    string // Of the error.
	}{
		"a key":                         {"mail: {password_file: " + full + "}", user, nil, ""},
		"a variable":                    {"", append(user, "MAIL_PASSWORD_FILE="+full), nil, ""},
		"the other variable":            {"", append(user, "LLMWATCH_MAIL_PASSWORD_FILE="+full), nil, ""},
		"a flag":                        {"", user, map[string][]string{"mail.password_file": {full}}, ""},
		"a higher layer's file":         {"mail: {password: lower}", append(user, "MAIL_PASSWORD_FILE="+full), nil, ""},
		"a higher layer's own":          {"mail: {password_file: " + none + "}", append(user, "MAIL_PASSWORD="+canary), nil, ""},
		"twice in a layer":              {"", append(user, "MAIL_PASSWORD=x", "MAIL_PASSWORD_FILE="+full), nil, "MAIL_PASSWORD_FILE: mail.password is given twice, also by MAIL_PASSWORD; give it once"},
		"a file that is not there":      {"", append(user, "MAIL_PASSWORD_FILE="+none), nil, "MAIL_PASSWORD_FILE: mail.password_file must name a file that can be read: open " + none + ": no such file or directory"},
		"a file with nothing but space": {"", append(user, "MAIL_PASSWORD_FILE="+empty), nil, "MAIL_PASSWORD_FILE: mail.password_file must name a file that holds the secret; " + empty + " is empty"},
	} {
		t.Run(name, func(t *testing.T) {
			c, loaded, err := load(t, tc.file, tc.environ, tc.flags)
			if tc.want != "" {
				if err == nil || !slices.Contains(err.(Problems).Lines(), tc.want) { //nolint:errorlint,forcetypeassert // It is the promise.
					t.Errorf("the error is\n%v\nwant\n%s", err, tc.want)
				}

				return
			}
			if err != nil || c.Mail.Password != canary {
				t.Fatalf("the secret is %q (%v)", string(c.Mail.Password), err)
			}
			if text, _ := loaded.Value("mail.password"); text != "<secret>" {
				t.Errorf("it is shown as %s", text)
			}
			if printed, err := loaded.Print(""); err != nil || strings.Contains(printed, canary) || !strings.Contains(printed, "password: <secret>") {
				t.Errorf("it prints (%v)\n%s", err, printed)
			}
		})
	}
}

func TestOnlySecretsSayWhetherTheyHaveFlags(t *testing.T) {
	schema := New(defaults())
	for key, want := range map[string][2]string{
		"mail.password": {"", "password-file"}, "mail.url": {"url", "url-file"}, "mail.to": {"to", ""}, "mail.user": {"", ""},
	} {
		if s := schema.Setting(key); s.Flag != want[0] || s.FileFlag != want[1] {
			t.Errorf("%s has the flags %q and %q, want %q", key, s.Flag, s.FileFlag, want)
		}
	}
}

func TestSectionsThatDoNotFitTogether(t *testing.T) {
	_, _, err := load(t, "store:\n  ratio: 0.5\nmail:\n  username: u", nil, nil)
	want := "mail: unheard of\n" +
		"f.yml:2: store.ratio must not be a half: a\nb\n" +
		"f.yml:4: mail.user and password go together"
	if err == nil || err.Error() != want {
		t.Errorf("the error is\n%v\nwant\n%s", err, want)
	}
	c := defaults()
	c.Store.Every, c.Mail.Password = 0, canary
	want = "store.every (LLMWATCH_STORE_EVERY, --every) must be from 1s to 1h, got 0s\n" +
		"mail.user (LLMWATCH_MAIL_USER) and password go together\nmail: unheard of"
	if err := New(defaults()).Validate(c, ""); err == nil || err.Error() != want {
		t.Errorf("the error is\n%v\nwant\n%s", err, want)
	}
}

func TestRefusalsOfSectionsDoNotTellCredentials(t *testing.T) {
	_, _, err := load(t, "", []string{"STORE_DIR=https://ada:" + canary + "@example.com/x"}, nil)
	if want := `STORE_DIR: store.dir must be no address, got "https://<secret>@example.com/x"`; err == nil || err.Error() != want {
		t.Errorf("the error is\n%v\nwant\n%s", err, want)
	}
}

func TestExplainSaysWhereAValueCameFrom(t *testing.T) {
	_, loaded, err := load(t, "store:\n  dir: x\n", []string{"LLMWATCH_STORE_KEEP=3"}, nil)
	if err != nil {
		t.Fatal(err)
	}
	for give, want := range map[string]string{
		"dir: mkdir x: no":   "f.yml:2: store.dir: mkdir x: no",
		"keep is too long":   "LLMWATCH_STORE_KEEP: store.keep is too long",
		"size: too much":     "store.size (LLMWATCH_STORE_SIZE): too much",
		"the disk is broken": "store: the disk is broken",
	} {
		if got := loaded.Explain("store", errors.New(give)).Error(); got != want {
			t.Errorf("it says %q, want %q", got, want)
		}
	}
}

func TestUnknownVariablesAreToldOnlyIfTheyLookLikeOurs(t *testing.T) {
	_, loaded, err := load(t, "", []string{
		"LLMWATCH_STORE_DIRR=x", "LLMWATCH_MAIL_USER_FILE=x", "LLMWATCH_PORT_5000_TCP=tcp://x", "LLMWATCH_STOREHOUSE=x", "PATH=x", "LLMWATCH_STORE_EMPTY=",
	}, nil)
	if want := []string{"LLMWATCH_MAIL_USER_FILE", "LLMWATCH_STORE_DIRR"}; err != nil || !slices.Equal(loaded.Unknown, want) {
		t.Errorf("it tells of %v (%v), want %v", loaded.Unknown, err, want)
	}
}

func TestCommandsUseTheirPart(t *testing.T) {
	keys := func(command string) []string {
		var keys []string
		for _, s := range New(defaults()).Settings(command) {
			keys = append(keys, s.Key)
		}

		return keys
	}
	if got := keys("bridge"); !slices.Equal(got, []string{"store.on", "mail.user", "mail.password", "mail.url", "mail.to"}) {
		t.Errorf("bridge uses %v", got)
	}
	if got := len(keys("serve")); got != 14 {
		t.Errorf("serve uses %d settings", got)
	}
}

func TestWhatTheProgramGaveIsToldFromDefaults(t *testing.T) {
	c := defaults()
	c.Store.Dir, c.Mail.Password, c.Mail.To = "given", canary, []string{}
	given := New(defaults()).Given(c)
	for key, want := range map[string]string{
		"store.dir": "given program", "mail.password": "<secret> program", "store.every": "1m default", "mail.to": " default",
	} {
		if text, origin := given.Value(key); text+" "+origin.String() != want {
			t.Errorf("%s is %q from %s", key, text, origin)
		}
	}
}

func TestChanges(t *testing.T) {
	a, b := defaults(), defaults()
	a.Mail.To, b.Mail.To = nil, []string{}
	b.Store.Dir, b.Mail.User, b.Mail.Password, b.Other = "x", "u", canary, 1
	changed, fixed := New(defaults()).Changes(a, b)
	if !slices.Equal(changed, []string{"store.dir", "mail.user", "mail.password"}) || !slices.Equal(fixed, []string{"store.dir"}) {
		t.Errorf("changed are %v, fixed %v", changed, fixed)
	}
}

func TestWhatIsPrintedIsReadAgain(t *testing.T) {
	file := "store:\n  dir: 'yes'\n  every: 90\n  keep: 14\n  size: 2097152\n  roles:\n    b: [x, '1']\n    a: []\n  numbers:\n    n: 3\nmail:\n  to: [a, 'true']\n"
	c, loaded, err := load(t, file, nil, nil)
	if err != nil {
		t.Fatal(err)
	}
	printed, err := loaded.Print("")
	if err != nil {
		t.Fatal(err)
	}
	want := `store:
  dir: yes # f.yml:2
  every: 1m30s # f.yml:3
  keep: 14d # f.yml:4
  size: 2MB # f.yml:5
  ratio: 0 # default
  level: low # default
  mode: safe # default
  on: false # default
  roles: # f.yml:6
    a: []
    b:
      - x
      - "1"
  numbers: # f.yml:9
    n: 3
mail:
  user: "" # default
  password: "" # default
  url: "" # default
  to: # f.yml:12
    - a
    - "true"
`
	if printed != want {
		t.Errorf("it prints\n%s\nwant\n%s", printed, want)
	}
	again, _, err := load(t, printed, nil, nil)
	if err != nil {
		t.Fatal(err)
	}
	if changed, _ := New(defaults()).Changes(c, again); len(changed) > 0 {
		t.Errorf("%v is read differently from what is printed", changed)
	}
}

func TestDocument(t *testing.T) {
	got := New(defaults()).Document()
	for _, want := range []string{
		"\n## store\n\nWhere things are. Used by serve.\n\n| key | default | variable | flag | meaning |\n",
		"\n| `dir` | `data` | `STORE_DIR` | `--dir` | Directory. |\n",
		"\n| `every` | `1m` | `LLMWATCH_STORE_EVERY` | `--every` | Interval. From 1s to 1h. |\n",
		"\n| `on` | `false` | `LLMWATCH_STORE_ON` | `--on` | Whether. Used by serve and bridge. |\n",
		"\n| `mode` | `safe` | `LLMWATCH_STORE_MODE` |  | Way. One of Fast or safe. |\n",
		"\n| `roles` |  | `LLMWATCH_STORE_ROLES` |  | Who \\| what. |\n",
		"\n## mail\n\nCan be reloaded.\n",
		"`--password-file` | Secret; `password_file` names a file that holds it. |\n",
	} {
		if !strings.Contains(got, want) {
			t.Errorf("it lacks %q:\n%s", want, got)
		}
	}
}

func TestWrongTagsPanic(t *testing.T) {
	defer func() {
		if p := recover(); p == nil || !strings.Contains(fmt.Sprint(p), "n: tag min or max") {
			t.Errorf("it panics with %v", p)
		}
	}()
	New(&struct {
		N int `yaml:"n" min:"few"`
	}{})
}

func TestNearest(t *testing.T) {
	known := []string{"level", "format", "file", "max_size"}
	for wrong, want := range map[string]string{
		"lvel": "level", "Level": "level", "maxsize": "max_size", "max-size": "max_size", "fiel": "file",
		"colour": "", "x": "", "": "", strings.Repeat("level", 100): "",
	} {
		if got := nearest(wrong, known); got != want {
			t.Errorf("%q is taken for %q, want %q", wrong, got, want)
		}
	}
}
