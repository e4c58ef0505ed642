package loggen_test

import (
	"bytes"
	"encoding/json"
	"strings"
	"testing"

	"llmwatch/bridge/logstore/entry"
	"llmwatch/test/loggen"
)

var sources = map[string]func(seed uint64) loggen.Source{
	"platform": func(seed uint64) loggen.Source { return loggen.NewPlatform(seed, loggen.Start) },
	"social":   func(seed uint64) loggen.Source { return loggen.NewSocial(seed, loggen.Start) },
}

func TestTheSameSeedMakesTheSameLines(t *testing.T) {
	for name, source := range sources {
		a, b := loggen.AppendLines(nil, source(7), 500), loggen.AppendLines(nil, source(7), 500)
		if !bytes.Equal(a, b) {
			t.Errorf("%s: one seed made two different logs", name)
		}
		if bytes.Equal(a, loggen.AppendLines(nil, source(8), 500)) {
			t.Errorf("%s: two seeds made the same log", name)
		}
	}
}

func TestLinesAreOfTheLengthThatFiguresSpeakOf(t *testing.T) {
	for name, bounds := range map[string][2]int{"platform": {330, 390}, "social": {390, 460}} {
		const n = 20_000
		lines := loggen.AppendLines(nil, sources[name](1), n)
		if mean := len(lines) / n; mean < bounds[0] || mean > bounds[1] {
			t.Errorf("%s: %d bytes a line, want %v", name, mean, bounds)
		}
		for line := range bytes.Lines(lines) {
			if !json.Valid(line) {
				t.Fatalf("%s: not JSON: %s", name, line)
			}
		}
	}
}

func TestSocialLinesAreNested(t *testing.T) {
	src := loggen.NewSocial(1, loggen.Start)
	var e entry.Entry
	for range 1000 {
		src.Next(&e)
		var doc map[string]any
		if err := json.Unmarshal(src.AppendLine(nil, &e), &doc); err != nil {
			t.Fatal(err)
		}
		for _, f := range e.Fields {
			var at any = doc
			for key := range strings.SplitSeq(f.Name, ".") {
				at = at.(map[string]any)[key]
			}
			if s, ok := at.(string); ok && s != f.Value || at == nil {
				t.Fatalf("%s is %v, want %q", f.Name, at, f.Value)
			}
		}
	}
}

func TestPlatformHasTheDocumentedShares(t *testing.T) {
	const n = 20_000
	share := map[string]int{}
	src := loggen.NewPlatform(1, loggen.Start)
	var e entry.Entry
	for range n {
		src.Next(&e)
		switch _, trace := e.Field("stack_trace"); {
		case trace:
			share["error"]++
		default:
			share[e.Logger]++
		}
	}
	for kind, percent := range map[string]int{"api.requests": 70, "llm.cache": 15, "training.trainer": 12, "error": 3} {
		if got := share[kind] * 100 / n; got < percent-1 || got > percent+1 {
			t.Errorf("%s: %d %% of the lines, want %d", kind, got, percent)
		}
	}
}
