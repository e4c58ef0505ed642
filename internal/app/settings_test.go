package app

import (
	"bytes"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"llmwatch/internal/settings"
)

// wants are the expectations at the end of a testdata file: comments, which
// leave the lines before them where they are.
func wants(t *testing.T, path string) (content []byte, want []string) {
	t.Helper()

	content, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	for line := range bytes.Lines(content) {
		if text, ok := strings.CutPrefix(strings.TrimSuffix(string(line), "\n"), "# want"); ok {
			want = append(want, text)
		}
	}

	return content, want
}

// loadFile loads a testdata file under its base name.
func loadFile(t *testing.T, path string, content []byte) (*Config, *settings.Loaded, error) {
	t.Helper()

	name := filepath.Base(path)

	return Load(settings.Input{Command: CommandServe, File: name, ReadFile: func(path string) ([]byte, error) {
		if path == name {
			return content, nil
		}

		return os.ReadFile(path)
	}})
}

func TestRefusedFiles(t *testing.T) {
	files, err := filepath.Glob("testdata/refused/*.yml")
	if err != nil || len(files) == 0 {
		t.Fatalf("there are no files (%v)", err)
	}
	for _, path := range files {
		t.Run(filepath.Base(path), func(t *testing.T) {
			content, want := wants(t, path)
			for i, text := range want {
				text, byDefault := strings.CutPrefix(text, " default: ")
				if want[i] = text; !byDefault {
					want[i] = filepath.Base(path) + strings.Replace(text, ": ", ":", 1)
				}
			}
			_, _, err := loadFile(t, path, content)
			if err == nil {
				t.Fatal("it is accepted")
			}
			got := strings.Split(err.Error(), "\n")
			slices.Sort(got)
			slices.Sort(want)
			if !slices.Equal(got, want) {
				t.Errorf("the problems are\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
			}
			if strings.Contains(err.Error(), canary) {
				t.Errorf("a secret is told: %v", err)
			}
		})
	}
}

func TestAcceptedFiles(t *testing.T) {
	files, err := filepath.Glob("testdata/accepted/*.yml")
	if err != nil || len(files) == 0 {
		t.Fatalf("there are no files (%v)", err)
	}
	for _, path := range files {
		t.Run(filepath.Base(path), func(t *testing.T) {
			content, want := wants(t, path)
			for i := range want {
				want[i] = strings.TrimPrefix(want[i], ": ")
			}
			_, loaded, err := loadFile(t, path, content)
			if err != nil {
				t.Fatal(err)
			}
			var got []string
			for _, s := range Settings(CommandServe).Settings("") {
				if value, origin := loaded.Value(s.Key); origin.Layer != settings.FromDefault {
					got = append(got, s.Key+" "+value+" "+origin.String())
				}
			}
			slices.Sort(got)
			if !slices.Equal(got, want) {
				t.Errorf("it sets\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
			}
		})
	}
}

// documentedVariables are set as the documentation of variables does.
var documentedVariables = []string{
	"LOG_FORMAT=json", "LOG_LEVEL=INFO", "LOG_FILE=/app/logs/app.log",
	"METRICS_COLLECTION_INTERVAL=30", "METRICS_DB_PATH=/app/data/metrics.db",
	"ENABLE_EMAIL_ALERTS=true", "SMTP_SERVER=smtp.gmail.com", "SMTP_PORT=587", "SMTP_USERNAME=alerts@company.com",
	"SMTP_PASSWORD=app_password", "ALERT_FROM_EMAIL=alerts@company.com", "ALERT_TO_EMAILS=admin@company.com,ops@company.com",
	"ENABLE_SLACK_ALERTS=true", "SLACK_WEBHOOK_URL=https://hooks.slack.com/services/...",
	"ALERT_CHECK_INTERVAL=60", "ALERT_COOLDOWN_PERIOD=1800",
}

func TestDocumentedVariables(t *testing.T) {
	c, loaded, err := Load(settings.Input{Command: CommandServe, Environ: documentedVariables})
	if err != nil {
		t.Fatal(err)
	}
	var set []string
	for _, s := range Settings(CommandServe).Settings("") {
		if _, origin := loaded.Value(s.Key); origin.Layer == settings.FromEnvironment {
			set = append(set, origin.Name)
		}
	}
	for _, variable := range documentedVariables {
		name, _, _ := strings.Cut(variable, "=")
		if !slices.Contains(set, name) {
			t.Errorf("%s sets nothing", name)
		}
	}
	mail := c.Notifications.Email
	if !slices.Equal(mail.ToEmails, []string{"admin@company.com", "ops@company.com"}) || string(mail.Password) != "app_password" || mail.SMTPPort != 587 {
		t.Errorf("mail is %+v", mail)
	}
	if r, err := c.routing(silent); err != nil || !slices.Equal(r.Policy.Channels, []string{"email", "slack"}) {
		t.Errorf("the channels are %v (%v)", r.Policy.Channels, err)
	}
}

func TestOtherCommandsDoNotNeedWhatTheyDoNotUse(t *testing.T) {
	environ := []string{"ENABLE_EMAIL_ALERTS=true", "LLMWATCH_ALERTS_ESCALATE_TO=pager", "LLMWATCH_SECURITY_ENCRYPT_SENSITIVE_DATA=true"}
	cfg, _, err := Load(settings.Input{Command: CommandExporter, Environ: environ})
	if err != nil {
		t.Fatalf("the exporter tells nobody, keeps nothing and still wants: %v", err)
	}
	cfg.Server.Listen = "127.0.0.1:0"
	a, err := NewExporter(*cfg, silent)
	serving(t, a, err)
}

func TestConfigurationDocument(t *testing.T) {
	const path, begin = "../../docs/configuration.md", "<!-- settings: go test ./internal/app -run Document -update -->\n"
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	before, got, found := strings.Cut(string(text), begin)
	if !found {
		t.Fatalf("%s has no line %q", path, begin)
	}
	want := Settings(CommandServe).Document()
	if *update {
		if err := os.WriteFile(path, []byte(before+begin+want), 0o600); err != nil {
			t.Fatal(err)
		}
	} else if got != want {
		t.Errorf("%s is not what the settings say; go test ./internal/app -run Document -update writes it", path)
	}
}

// lineBreak is what YAML takes for the end of a line.
var lineBreak = regexp.MustCompile("\r\n|[\n\r\u0085\u2028\u2029]")

// FuzzConfig holds the parser against any file: it never panics, names lines
// that exist, tells no secret, and what it prints it reads again.
func FuzzConfig(f *testing.F) {
	for _, pattern := range []string{"testdata/refused/*.yml", "testdata/accepted/*.yml"} {
		files, err := filepath.Glob(pattern)
		if err != nil {
			f.Fatal(err)
		}
		for _, path := range files {
			content, err := os.ReadFile(path)
			if err != nil {
				f.Fatal(err)
			}
			f.Add(content)
		}
	}
	schema := Settings(CommandServe)
	f.Fuzz(func(t *testing.T, content []byte) {
		read := func(content []byte) (*Config, *settings.Loaded, error) {
			c := &Config{}
			loaded, err := schema.Load(c, settings.Input{Command: CommandServe, File: "f", ReadFile: func(string) ([]byte, error) { return content, nil }})

			return c, loaded, err
		}
		c, loaded, err := read(content)
		if err != nil {
			problems, ok := err.(settings.Problems) //nolint:errorlint // It is the promise.
			if !ok {
				t.Fatalf("the error is %T", err)
			}
			for _, p := range problems {
				if p.Origin.Line < 0 || p.Origin.Line > len(lineBreak.FindAll(content, -1))+1 {
					t.Errorf("line %d is not in the file: %s", p.Origin.Line, p.Text)
				}
			}

			return
		}
		printed, err := loaded.Print("")
		if err != nil {
			t.Fatal(err)
		}
		if strings.Contains(printed, "<secret>") {
			return // It cannot be read again.
		}
		again, _, err := read([]byte(printed))
		if err != nil {
			t.Fatalf("what is printed is refused: %v\n%s", err, printed)
		}
		if changed, _ := schema.Changes(c, again); len(changed) > 0 {
			t.Errorf("%s is printed differently than it was read:\n%s", changed, printed)
		}
	})
}
