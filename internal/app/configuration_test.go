package app

import (
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"go.yaml.in/yaml/v3"

	"llmwatch/bridge"
	"llmwatch/internal/settings"
)

// configured asks a program for what is set, and returns it as it was sent, too.
func configured(t *testing.T, base string) (all []bridge.Setting, body string) {
	t.Helper()

	status, body := get(t, base+bridge.Base+"/configuration")
	var answer struct {
		Success bool
		Data    []bridge.Setting
		Count   int
	}
	if err := json.Unmarshal([]byte(body), &answer); err != nil || status != http.StatusOK || !answer.Success || answer.Count != len(answer.Data) {
		t.Fatalf("%d %s (%v)", status, body, err)
	}

	return answer.Data, body
}

// setting finds one.
func setting(t *testing.T, all []bridge.Setting, key string) bridge.Setting {
	t.Helper()

	i := slices.IndexFunc(all, func(s bridge.Setting) bool { return s.Key == key })
	if i < 0 {
		t.Fatalf("there is no setting %s", key)
	}

	return all[i]
}

// printedSettings are the lines of --print-config: each key with its value and
// the comment after it.
func printedSettings(t *testing.T, schema *settings.Schema, node *yaml.Node, path string) (lines []string) {
	t.Helper()

	for i := 0; i < len(node.Content); i += 2 {
		key, value := node.Content[i], node.Content[i+1]
		at := strings.TrimPrefix(path+"."+key.Value, ".")
		if schema.Setting(at) == nil {
			lines = append(lines, printedSettings(t, schema, value, at)...)
			continue
		}
		var parts []string
		for _, part := range value.Content {
			parts = append(parts, part.Value)
		}
		text := value.Value + strings.Join(parts, ", ")
		if value.Kind == yaml.MappingNode && len(parts) > 0 {
			text = "<secret>" // The only mapping is one of secrets.
		}
		lines = append(lines, at+" = "+text+" "+key.LineComment+value.LineComment)
	}

	return lines
}

func TestConfigurationIsWhatIsPrinted(t *testing.T) {
	file := filepath.Join(t.TempDir(), "llmwatch.yml")
	const text = "alerts:\n  check_interval: 30\n  max_alerts_per_hour: 5\n  escalate_to: [webhook]\n" +
		"notifications:\n  webhook:\n    url: http://127.0.0.1:1/\n    headers:\n      X-Token: " + canary + "\n"
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, command := range []string{CommandServe, CommandBridge, CommandExporter} {
		cfg, loaded, err := Load(settings.Input{
			Command: command, File: file, Environ: []string{"ALERT_COOLDOWN_PERIOD=60", "LLMWATCH_SERVER_ALLOWED_ORIGINS=http://a.example,http://b.example"},
			Flags: map[string][]string{"server.listen": {"127.0.0.1:0"}, "prometheus.url": {"http://ada:" + canary + "@127.0.0.1:9090"}},
		})
		if err != nil {
			t.Fatal(err)
		}
		printed, err := loaded.Print(command)
		if err != nil {
			t.Fatal(err)
		}
		var document yaml.Node
		if err := yaml.Unmarshal([]byte(printed), &document); err != nil {
			t.Fatal(err)
		}
		schema := Settings(command)
		want := printedSettings(t, schema, document.Content[0], "")
		var got []string
		for _, s := range newReloader(cfg, silent).configuration() {
			got = append(got, s.Key+" = "+s.Value+" # "+s.Origin)
			known := schema.Setting(s.Key)
			if s.Default != schema.Default(known) || s.Reload != known.Reload || s.Secret != known.Secret || s.Description != known.Help || s.Pending != nil {
				t.Errorf("%s: %+v is not what the settings say", command, s)
			}
		}
		if !slices.Equal(got, want) {
			t.Errorf("%s: in force is\n%s\nand --print-config says\n%s", command, strings.Join(got, "\n"), strings.Join(want, "\n"))
		}
		for line, here := range map[string]bool{
			"server.listen = 127.0.0.1:0 # --listen": true, "logging.level = INFO # default": true,
			"server.allowed_origins = http://a.example, http://b.example # LLMWATCH_SERVER_ALLOWED_ORIGINS": true,
			"alerts.check_interval = 30s # " + file + ":2":                                                  command != CommandExporter,
			"alerts.default_cooldown = 1m # ALERT_COOLDOWN_PERIOD":                                          command != CommandExporter,
			"notifications.webhook.headers = <secret> # " + file + ":8":                                     command != CommandExporter,
			"prometheus.url = http://<secret>@127.0.0.1:9090 # --prometheus-url":                            command == CommandBridge,
		} {
			if slices.Contains(got, line) != here {
				t.Errorf("%s: that there is a line %q is %v", command, line, !here)
			}
		}
	}
}

// Each secret is hidden, by whichever way it came.
func TestConfigurationTellsNoSecret(t *testing.T) {
	dir := t.TempDir()
	path, own, other := filepath.Join(dir, "secret"), filepath.Join(dir, "own.yml"), filepath.Join(dir, "other.yml")
	for _, s := range Settings(CommandServe).Settings(CommandServe) {
		if !s.Secret {
			continue
		}
		value := "http://127.0.0.1:1/" + canary
		if strings.HasSuffix(s.Key, ".headers") {
			value = "{X-Token: " + canary + "}"
		}
		for name, text := range map[string]string{path: value, own: nested(s.Key, value), other: nested(s.Key+"_file", path)} {
			if err := os.WriteFile(name, []byte(text), 0o600); err != nil {
				t.Fatal(err)
			}
		}
		for way, in := range map[string]settings.Input{
			own + ":":          {File: own},
			other + ":":        {File: other},
			s.Env[0]:           {Environ: []string{s.Env[0] + "=" + value}},
			s.Env[0] + "_FILE": {Environ: []string{s.Env[0] + "_FILE=" + path}},
			"--":               {Flags: map[string][]string{s.Key + "_file": {path}}},
		} {
			in.Command = CommandServe
			cfg, _, err := Load(in)
			if err != nil {
				t.Fatalf("%s by %s: %v", s.Key, way, err)
			}
			shown := newReloader(cfg, silent).configuration()
			answer, err := json.Marshal(shown)
			if err != nil {
				t.Fatal(err)
			}
			one := setting(t, shown, s.Key)
			if one.Value != "<secret>" || !strings.HasPrefix(one.Origin, way) || strings.Contains(string(answer), canary) {
				t.Errorf("%s by %s is told: %s", s.Key, way, answer)
			}
		}
	}
}

// nested is a file that sets a key.
func nested(key, value string) string {
	var out strings.Builder
	for i, part := range strings.Split(key, ".") {
		fmt.Fprintf(&out, "\n%s%s:", strings.Repeat("  ", i), part)
	}

	return out.String() + " " + value
}

func TestConfigurationIsInForce(t *testing.T) {
	file := filepath.Join(t.TempDir(), "llmwatch.yml")
	write := func(text string) {
		if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	in := settings.Input{
		Command: CommandBridge, File: file,
		Flags: map[string][]string{"server.listen": {"127.0.0.1:0"}, "server.data_dir": {t.TempDir()}, "prometheus.url": {"http://" + busy(t)}},
	}
	write("logging: {level: WARNING}\nalerts:\n  check_interval: 30\n  max_alerts_per_hour: 5\n")
	cfg, _, err := Load(in)
	if err != nil {
		t.Fatal(err)
	}
	cfg.Reread = func() (*Config, error) {
		next, _, err := Load(in)

		return next, err
	}
	a, err := NewBridge(*cfg, silent)
	base := serving(t, a, err)
	if _, err := a.Reload(t.Context()); err != nil { // It waits until everything runs.
		t.Fatal(err)
	}
	expect := func(when, key, value, origin, pending string) {
		t.Helper()

		all, body := configured(t, base)
		s := setting(t, all, key)
		if pending == "" != (s.Pending == nil) || s.Pending != nil && *s.Pending != pending || s.Value != value || s.Origin != strings.Replace(origin, "FILE", file, 1) {
			t.Errorf("%s, %s is %+v", when, key, s)
		}
		if strings.Contains(body, canary) {
			t.Errorf("%s, a secret is told: %s", when, body)
		}
	}
	expect("at first", "alerts.max_alerts_per_hour", "5", "FILE:4", "")
	expect("at first", "alerts.check_interval", "30s", "FILE:3", "")

	write("alerts:\n  max_alerts_per_hour: 7\n  check_interval: 60\n  heartbeat_url: http://127.0.0.1:1/" + canary + "\n")
	if status, _, _, text := reload(t, base); status != http.StatusOK {
		t.Fatalf("%d %s", status, text)
	}
	expect("reloaded", "alerts.max_alerts_per_hour", "7", "FILE:2", "")
	expect("reloaded", "logging.level", "INFO", "default", "")
	expect("reloaded", "alerts.check_interval", "30s", "FILE:3", "1m")
	expect("reloaded", "alerts.heartbeat_url", "", "default", "<secret>")

	write("alerts:\n  max_alerts_per_hour: many\n  check_interval: 90\n")
	if status, _, _, text := reload(t, base); status != http.StatusInternalServerError {
		t.Fatalf("%d %s", status, text)
	}
	expect("refused", "alerts.max_alerts_per_hour", "7", "FILE:2", "")
	expect("refused", "alerts.check_interval", "30s", "FILE:3", "1m")

	write("\nalerts: {max_alerts_per_hour: 7, check_interval: 30}\n")
	if status, _, _, text := reload(t, base); status != http.StatusOK {
		t.Fatalf("%d %s", status, text)
	}
	expect("put right", "alerts.check_interval", "30s", "FILE:2", "")
	expect("put right", "alerts.heartbeat_url", "", "default", "")
}

// A program that was not loaded says what it set itself.
func TestConfigurationOfTheProgram(t *testing.T) {
	cfg := listening(CommandServe)
	cfg.Notifications.Webhook.URL = canary
	shown := newReloader(cfg, silent).configuration()
	for key, want := range map[string]string{
		"server.listen": "127.0.0.1:0 program", "server.data_dir": "data default", "notifications.webhook.url": "<secret> program",
	} {
		if s := setting(t, shown, key); s.Value+" "+s.Origin != want {
			t.Errorf("%s is %+v", key, s)
		}
	}
}
