package entry_test

import (
	"encoding/json"
	"math"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"llmwatch/bridge/logstore/entry"
)

// documented is the example of the documentation.
var documented = entry.Entry{
	Time: time.Date(2024, 1, 15, 10, 30, 45, 123e6, time.UTC).UnixNano(), Level: entry.Info,
	Logger: "api.requests", Message: "Request completed",
	Fields: []entry.Field{
		{Name: "status_code", Kind: entry.Number, Value: "200"},
		{Name: "path", Value: "/api/v1/generate"},
		{Name: "line", Kind: entry.Number, Value: "85"},
		{Name: "module", Value: "logging_middleware"},
		{Name: "request_id", Value: "req-abc123"},
		{Name: "tags", Kind: entry.JSON, Value: `["a",1]`},
		{Name: "cached", Kind: entry.Bool, Value: "true"},
		{Name: "user", Kind: entry.Null, Value: "null"},
	},
}

func clone(e entry.Entry) *entry.Entry {
	e.Fields = slices.Clone(e.Fields)

	return &e
}

func TestAppendJSONWritesTheDocumentedFieldsFirst(t *testing.T) {
	got := string(entry.AppendJSON(nil, clone(documented)))
	want := `{"timestamp":"2024-01-15T10:30:45.123Z","level":"INFO","logger":"api.requests","message":"Request completed",` +
		`"module":"logging_middleware","line":85,"cached":true,"path":"/api/v1/generate","request_id":"req-abc123",` +
		`"status_code":200,"tags":["a",1],"user":null}`
	if got != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
}

func TestAppendJSONEscapes(t *testing.T) {
	texts := []string{"", "plain", "quote \" and \\ back", "line\nbreak", "\x00\x1f", "héllo ☃", "\u2028<script>", "\x7f"}
	for _, text := range texts {
		e := &entry.Entry{Logger: text, Message: text, Fields: []entry.Field{{Name: "k" + text, Value: text}}}
		var back map[string]string
		if err := json.Unmarshal(entry.AppendJSON(nil, e), &back); err != nil {
			t.Fatalf("%q: %v", text, err)
		}
		if back["message"] != text || back["logger"] != text || back["k"+text] != text {
			t.Errorf("%q came back as %q", text, back)
		}
	}
}

func TestFormatTimeShowsMillisecondsAndMoreWhereThereIs(t *testing.T) {
	for ns, want := range map[int64]string{
		0:                   "1970-01-01T00:00:00.000Z",
		1_500_000:           "1970-01-01T00:00:00.001500Z",
		1:                   "1970-01-01T00:00:00.000000001Z",
		4102444800000 * 1e6: "2100-01-01T00:00:00.000Z",
	} {
		if got := entry.FormatTime(ns); got != want {
			t.Errorf("FormatTime(%d) = %s, want %s", ns, got, want)
		}
	}
}

func TestBatchGivesBackWhatItWasGiven(t *testing.T) {
	var b entry.Batch
	for round := range 2 {
		b.Reset()
		given := []*entry.Entry{clone(documented), {Message: "bare"}, {Level: entry.Critical, Logger: "x", Fields: []entry.Field{{Name: "path"}}}}
		for _, e := range given {
			b.Add(e)
		}
		if b.Len() != len(given) {
			t.Fatalf("round %d: %d entries, want %d", round, b.Len(), len(given))
		}
		var got entry.Entry
		for i, want := range given {
			b.At(i, &got)
			if diff := cmp.Diff(string(entry.AppendJSON(nil, want)), string(entry.AppendJSON(nil, &got))); diff != "" {
				t.Errorf("round %d, entry %d: %s", round, i, diff)
			}
		}
	}
}

func TestParseLevelTakesTheNamesOfOtherLoggers(t *testing.T) {
	for name, want := range map[string]entry.Level{
		"DEBUG": entry.Debug, "info": entry.Info, "Warning": entry.Warning, "warn": entry.Warning, "ERROR": entry.Error,
		"err": entry.Error, "CRITICAL": entry.Critical, "fatal": entry.Critical, "trace": entry.Debug, "notice": entry.Info,
	} {
		if got, ok := entry.ParseLevel(name); !ok || got != want {
			t.Errorf("ParseLevel(%q) = %v, %v, want %v", name, got, ok, want)
		}
	}
	if _, ok := entry.ParseLevel("loud"); ok {
		t.Error("ParseLevel takes any word")
	}
	for _, l := range entry.Levels() {
		if got, ok := entry.ParseLevel(l.String()); !ok || got != l {
			t.Errorf("%v does not come back", l)
		}
	}
}

func TestPositionsAreOrderedAndComeBackFromTheirIDs(t *testing.T) {
	ordered := []entry.Position{{0, 0}, {0, 1}, {1, 0}, {1, math.MaxUint64}, {math.MaxInt64, 7}}
	for i, p := range ordered {
		back, err := entry.ParsePosition(p.String())
		if err != nil || back != p {
			t.Errorf("%v came back from %q as %v, %v", p, p.String(), back, err)
		}
		for j, q := range ordered {
			if sign := p.Compare(q); (sign < 0) != (i < j) || (sign == 0) != (i == j) {
				t.Errorf("%v compares to %v as %d", p, q, sign)
			}
		}
	}
	for _, id := range []string{"", ".", "1", "1.", ".1", "01.1", "1.1.1", "1.-1", "ZZ.1", "zzzzzzzzzzzzzzz.1", " 1.1"} {
		if p, err := entry.ParsePosition(id); err == nil {
			t.Errorf("ParsePosition(%q) = %v", id, p)
		}
	}
}

func TestHasWord(t *testing.T) {
	for _, c := range []struct {
		text, word string
		want       bool
	}{
		{"connection refused by db", "refused", true},
		{"connection refused", "REFUSED", true},
		{"Über die Straße", "über", true},
		{"unrefused", "refused", false},
		{"refused_by", "refused", false},
		{"refused2 refused", "refused", true},
		{"id=req-abc123,", "req-abc123", true},
		{"id=req-abc1234", "req-abc123", false},
		{"a=5;b=6", "=5", true},
		{"", "x", false},
		{"ßx", "x", false},
		{"x", "xx", false},
	} {
		if got := entry.HasWord(c.text, c.word); got != c.want {
			t.Errorf("HasWord(%q, %q) = %v", c.text, c.word, got)
		}
	}
}

func TestFilterMatch(t *testing.T) {
	at := documented.Time
	for name, c := range map[string]struct {
		f    entry.Filter
		want bool
	}{
		"nothing asked":            {entry.Filter{}, true},
		"from is included":         {entry.Filter{From: at}, true},
		"until is not":             {entry.Filter{Until: at}, false},
		"before until":             {entry.Filter{Until: at + 1}, true},
		"level":                    {entry.Filter{Levels: 1 << entry.Info}, true},
		"another level":            {entry.Filter{Levels: 1 << entry.Error}, false},
		"logger":                   {entry.Filter{Loggers: []string{"x", "api.requests"}}, true},
		"part of a logger":         {entry.Filter{Loggers: []string{"api"}}, false},
		"loggers by prefix":        {entry.Filter{Loggers: []string{"api.*"}}, true},
		"pattern":                  {entry.Filter{Pattern: regexp.MustCompile("comp.*d$")}, true},
		"pattern is not of fields": {entry.Filter{Pattern: regexp.MustCompile("generate")}, false},
		"word of the message":      {entry.Filter{Words: []string{"completed"}}, true},
		"word of a field":          {entry.Filter{Words: []string{"generate", "request"}}, true},
		"one word missing":         {entry.Filter{Words: []string{"generate", "missing"}}, false},
		"number is no word":        {entry.Filter{Words: []string{"200"}}, false},
		"field":                    {entry.Filter{Fields: []entry.FieldMatch{{"status_code", []string{"500", "200"}}}}, true},
		"number as written":        {entry.Filter{Fields: []entry.FieldMatch{{"status_code", []string{"200.0"}}}}, false},
		"two fields":               {entry.Filter{Fields: []entry.FieldMatch{{"status_code", []string{"200"}}, {"path", []string{"/"}}}}, false},
		"documented field":         {entry.Filter{Fields: []entry.FieldMatch{{"level", []string{"INFO"}}}}, true},
		"absent is empty":          {entry.Filter{Fields: []entry.FieldMatch{{"absent", []string{""}}}}, true},
		"present is not":           {entry.Filter{Fields: []entry.FieldMatch{{"path", []string{""}}}}, false},
	} {
		if got := c.f.Match(clone(documented)); got != c.want {
			t.Errorf("%s: %v", name, got)
		}
	}
}

func TestFilterOverlaps(t *testing.T) {
	f := entry.Filter{From: 10, Until: 20}
	for bounds, want := range map[[2]int64]bool{{0, 9}: false, {0, 10}: true, {19, 30}: true, {20, 30}: false, {12, 13}: true} {
		if got := f.Overlaps(bounds[0], bounds[1]); got != want {
			t.Errorf("Overlaps(%v) = %v", bounds, got)
		}
	}
}

func FuzzParsePosition(f *testing.F) {
	f.Add("k9f2.3w")
	f.Fuzz(func(t *testing.T, id string) {
		if p, err := entry.ParsePosition(id); err == nil && p.String() != id {
			t.Errorf("%q is read as the id of %v", id, p)
		}
	})
}

func FuzzHasWord(f *testing.F) {
	f.Add("connection refused", "refused")
	f.Add("İx", "x")
	f.Fuzz(func(t *testing.T, text, word string) {
		if entry.HasWord(text, word) && !strings.Contains(strings.ToLower(text), strings.ToLower(word)) {
			t.Errorf("%q is found in %q", word, text)
		}
	})
}
