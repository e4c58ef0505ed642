package notify

import (
	"encoding/json"
	"fmt"
	"log/slog"
	"math"
	"strings"
	"testing"
	"unicode/utf8"

	"go.yaml.in/yaml/v3"
)

func TestASecretIsNeverPrinted(t *testing.T) {
	const canary = "canary-canary"
	config := struct {
		Password Secret `yaml:"password" json:"password"`
		Unset    Secret `yaml:"unset" json:"unset"`
	}{Password: canary}
	asJSON, err := json.Marshal(config)
	if err != nil {
		t.Fatal(err)
	}
	asYAML, err := yaml.Marshal(config)
	if err != nil {
		t.Fatal(err)
	}
	var log strings.Builder
	slog.New(slog.NewTextHandler(&log, nil)).Info("configuration", "secret", config.Password, "all", config)
	slog.New(slog.NewJSONHandler(&log, nil)).Info("configuration", "secret", config.Password, "all", config)
	for _, got := range []string{
		string(asJSON), string(asYAML), log.String(),
		fmt.Sprintf("%v %+v %#v %s %q %x %d", config.Password, config, config, config.Password, config.Password, config.Password, config.Password),
	} {
		if strings.Contains(got, canary) || strings.Contains(got, fmt.Sprintf("%x", canary)) || !strings.Contains(got, "secret") {
			t.Errorf("got %s, want <secret>", got)
		}
	}
	if got := fmt.Sprint(config.Unset); got != "" {
		t.Errorf("an unset secret prints as %q, want nothing", got)
	}
	var back struct{ Password Secret }
	if err := yaml.Unmarshal([]byte("password: "+canary), &back); err != nil || back.Password != canary {
		t.Errorf("read from YAML: got %d bytes and error %v", len(back.Password), err)
	}
}

func TestScrubberHidesEveryForm(t *testing.T) {
	s := NewScrubber(append(URLSecrets("https://user:pa%26ss@hooks.example.com/services/T00000000/secretsegment?token=abc%2Fdef"), "pass word/&", "abc")...)
	for _, words := range []string{
		"pass word/&", "cGFzcyB3b3JkLyY=", "pass+word%2F%26", "pass%20word%2F&", "secretsegment", "abc/def", "abc%2Fdef", "pa&ss", "dXNlcjpwYSZzcw==",
		"/services/T00000000/secretsegment?token=abc%2Fdef", "https://user:pa%26ss@hooks.example.com/services/T00000000/secretsegment?token=abc%2Fdef",
	} {
		if got := s.Text("before " + words + " after"); got != "before <secret> after" {
			t.Errorf("%q: got %q, want before <secret> after", words, got)
		}
	}
	if got := s.Text("a table\r\nof abc"); got != "a table of abc" {
		t.Errorf("got %q, want one line, in which short secrets stay", got)
	}
}

func TestNumber(t *testing.T) {
	for v, want := range map[float64]string{
		0: "0", 92.4: "92.4", 92.456: "92.46", 5: "5", -3.14159: "-3.14", 1234567: "1234567", 0.12345: "0.123", 0.001: "0.001",
		0.0000123456: "1.235e-05", 5e9: "5e+09", math.Inf(1): "+Inf", 999.999: "1000", 0.9999: "1",
	} {
		if got := number(v); got != want {
			t.Errorf("%g: got %q, want %q", v, got, want)
		}
	}
}

func FuzzLines(f *testing.F) {
	f.Add("a\r\nb\x00\u202e\xff…", 5)
	f.Fuzz(func(t *testing.T, s string, most int) {
		most = max(len("…"), most%5000)
		for name, got := range map[string]string{"Line": Line(s, most), "Lines": Lines(s, most)} {
			if len(got) > most || !utf8.ValidString(got) || strings.ContainsAny(got, "\r\x00\u202e\u2028") {
				t.Errorf("%s(%q, %d): got %q", name, s, most, got)
			}
		}
		if strings.ContainsAny(Line(s, most), "\n\t") {
			t.Errorf("Line(%q, %d) has several lines", s, most)
		}
	})
}
