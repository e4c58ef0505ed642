package settings

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

type kept struct {
	Places map[string]place `yaml:"places" help:"Where."`
}

type place struct {
	Dir   string        `yaml:"dir"`
	Tags  []string      `yaml:"tags"`
	Every time.Duration `yaml:"every"`
	inner int
}

func TestAMapMayHoldStructures(t *testing.T) {
	load := func(text string) (kept, *Loaded, error) {
		file := filepath.Join(t.TempDir(), "c.yaml")
		if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		var k kept
		loaded, err := New(&kept{}).Load(&k, Input{File: file})

		return k, loaded, err
	}
	k, loaded, err := load("places:\n  here: {dir: a, tags: [x, y], every: 5m}\n  there:\n    dir: b\n    tags:\n")
	if err != nil {
		t.Fatal(err)
	}
	here := k.Places["here"]
	if len(k.Places) != 2 || here.Dir != "a" || len(here.Tags) != 2 || here.Every != 5*time.Minute || k.Places["there"].Dir != "b" || here.inner != 0 {
		t.Errorf("got %+v", k)
	}
	printed, err := loaded.Print("")
	if err != nil {
		t.Fatal(err)
	}
	if again, _, err := load(printed); err != nil || again.Places["here"].Every != here.Every || len(again.Places) != 2 {
		t.Errorf("what is printed reads as %+v (%v):\n%s", again, err, printed)
	}
	for text, want := range map[string]string{
		"places: {here: {dirs: a}}":        `places must be right at "here", which must have no key but dir, tags and every, got "dirs" in line 1`,
		"places: {here: {dir: a, dir: b}}": "twice",
		"places: {here: [a]}":              `which must be a mapping with the keys dir, tags and every, got a list`,
		"places: {here: {every: soon}}":    `which must be right at "every", which must be a number of seconds`,
		"places: {here: {[a]: soon}}":      "must have keys that are texts",
		"places: {here: a}":                `places must be right at "here"`,
	} {
		if _, _, err := load(text); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: got %v, want %q", text, err, want)
		}
	}
}
