package jsonlines

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"strings"
	"testing"
	"testing/iotest"
	"time"

	"github.com/google/go-cmp/cmp"

	"llmwatch/bridge/logstore/entry"
	"llmwatch/logship"
)

var arrival = time.Date(2026, 11, 24, 12, 0, 0, 0, time.UTC)

// collected is a sink that keeps what it is given, as JSON.
type collected struct {
	entries  []string
	rejected []string
	size     int
}

func (c *collected) Add(e *entry.Entry, size int) error {
	c.entries = append(c.entries, string(entry.AppendJSON(nil, e)))
	c.size += size

	return nil
}

func (c *collected) Reject(line int, why string) {
	c.rejected = append(c.rejected, fmt.Sprintf("%d: %s", line, why))
}

func read(tb testing.TB, body io.Reader) *collected {
	tb.Helper()

	var c collected
	if err := New(logship.NewRedactor()).Read(body, arrival, &c); err != nil {
		tb.Fatal(err)
	}

	return &c
}

const now = `"timestamp":"2026-11-24T12:00:00.000Z"`

func TestEntries(t *testing.T) {
	deep := strings.Repeat(`{"a":`, 20) + "1" + strings.Repeat("}", 20)
	for name, c := range map[string]struct{ line, want string }{
		"the documented example": {
			`{"timestamp": "2024-01-15T10:30:45.123Z", "level": "INFO", "logger": "api.requests", "message": "Request completed",` +
				` "module": "logging_middleware", "function": "log_request_end", "line": 85, "thread": 140234567890, "process": 12345,` +
				` "request_id": "req-abc123", "duration_ms": 150.5, "cached": false, "user": null}`,
			`{"timestamp":"2024-01-15T10:30:45.123Z","level":"INFO","logger":"api.requests","message":"Request completed",` +
				`"module":"logging_middleware","function":"log_request_end","line":85,"thread":140234567890,"process":12345,` +
				`"cached":false,"duration_ms":150.5,"request_id":"req-abc123","user":null}`,
		},
		"not JSON":                   {`Traceback (most recent call last):`, `{` + now + `,"level":"INFO","logger":"","message":"Traceback (most recent call last):"}`},
		"cut JSON":                   {`{"message":"x`, `{` + now + `,"level":"INFO","logger":"","message":"{\"message\":\"x"}`},
		"JSON, but no object":        {`["a"]`, `{` + now + `,"level":"INFO","logger":"","message":"[\"a\"]"}`},
		"nothing of the documented":  {`{"a":1}`, `{` + now + `,"level":"INFO","logger":"","message":"","a":1}`},
		"nested":                     {`{"a":{"b":{"c":"x"},"d":[1, {"e" : 2}]},"f":{}}`, `{` + now + `,"level":"INFO","logger":"","message":"","a.b.c":"x","a.d":[1,{"e":2}],"f":{}}`},
		"too deep to be flattened":   {deep, `{` + now + `,"level":"INFO","logger":"","message":"","` + strings.TrimSuffix(strings.Repeat("a.", 16), ".") + `":{"a":{"a":{"a":{"a":1}}}}}`},
		"duplicate keys":             {`{"a":1,"a":2,"message":"x","message":"y","b":{"c":1},"b.c":2}`, `{` + now + `,"level":"INFO","logger":"","message":"y","a":2,"b.c":2}`},
		"numbers as written":         {`{"a":1.50,"b":-0,"c":1e400,"d":12345678901234567890123}`, `{` + now + `,"level":"INFO","logger":"","message":"","a":1.50,"b":-0,"c":1e400,"d":12345678901234567890123}`},
		"escapes":                    {`{"message":"a\u00e9\n\ud83d\ude00\"\ud800"}`, `{` + now + `,"level":"INFO","logger":"","message":"aé\n😀\"�"}`},
		"invalid UTF-8":              {"{\"message\":\"a\xffb\",\"k\xff\":[\"\xff\"]}", `{` + now + `,"level":"INFO","logger":"","message":"a�b","k�":["�"]}`},
		"invalid UTF-8 in text":      {"a\xffb", `{` + now + `,"level":"INFO","logger":"","message":"a�b"}`},
		"NUL":                        {"{\"message\":\"a\\u0000b\"}", `{` + now + `,"level":"INFO","logger":"","message":"a\u0000b"}`},
		"NUL in text":                {"a\x00b", `{` + now + `,"level":"INFO","logger":"","message":"a\u0000b"}`},
		"names of zap":               {`{"level":"error","ts":1705314645.123,"logger":"db","msg":"x"}`, `{"timestamp":"2024-01-15T10:30:45.123Z","level":"ERROR","logger":"db","message":"x"}`},
		"names of slog":              {`{"time":"2024-01-15T11:30:45.123456+01:00","level":"ERROR+4","msg":"x"}`, `{"timestamp":"2024-01-15T10:30:45.123456Z","level":"CRITICAL","logger":"","message":"x"}`},
		"names of bunyan":            {`{"name":"app","level":40,"time":"2024-01-15T10:30:45.123Z","msg":"x","v":0}`, `{"timestamp":"2024-01-15T10:30:45.123Z","level":"WARNING","logger":"app","message":"x","v":0}`},
		"names of Python":            {`{"asctime":"2024-01-15 10:30:45,123","levelname":"CRITICAL","name":"app","message":"x"}`, `{"timestamp":"2024-01-15T10:30:45.123Z","level":"CRITICAL","logger":"app","message":"x"}`},
		"documented names first":     {`{"msg":"no","name":"bob","logger":"l","message":"yes"}`, `{` + now + `,"level":"INFO","logger":"l","message":"yes","msg":"no","name":"bob"}`},
		"null is missing":            {`{"message":null,"msg":"x","level":null}`, `{` + now + `,"level":"INFO","logger":"","message":"x"}`},
		"unknown level":              {`{"level":"loud"}`, `{` + now + `,"level":"INFO","logger":"","message":"","level_original":"loud"}`},
		"unknown time":               {`{"timestamp":"yesterday"}`, `{` + now + `,"level":"INFO","logger":"","message":"","timestamp_original":"yesterday"}`},
		"a duration called time":     {`{"time":12.5}`, `{` + now + `,"level":"INFO","logger":"","message":"","time":12.5}`},
		"1970":                       {`{"timestamp":0}`, `{"timestamp":"1970-01-01T00:00:00.000Z","level":"INFO","logger":"","message":""}`},
		"2100":                       {`{"timestamp":"2100-01-01T00:00:00Z"}`, `{"timestamp":"2100-01-01T00:00:00.000Z","level":"INFO","logger":"","message":""}`},
		"_id":                        {`{"_id":"x"}`, `{` + now + `,"level":"INFO","logger":"","message":"","_id_original":"x"}`},
		"a message that is a number": {`{"message":42}`, `{` + now + `,"level":"INFO","logger":"","message":"42"}`},
		"secrets":                    {`{"message":"password=hunter2","user":{"password":{"a":["x"]},"tokens":["abc"],"n":1},"card":4111111111111111,"list":[{"api_key":"k"}]}`, `{` + now + `,"level":"INFO","logger":"","message":"password=[REDACTED]","card":"[REDACTED]","list":[{"api_key":"[REDACTED]"}],"user.n":1,"user.password":"[REDACTED]","user.tokens":["abc"]}`},
		"a secret in text":           {`Authorization: Bearer abcdefghijklmnop`, `{` + now + `,"level":"INFO","logger":"","message":"Authorization: Bearer [REDACTED]"}`},
	} {
		t.Run(name, func(t *testing.T) {
			got := read(t, strings.NewReader(c.line))
			if len(got.entries) != 1 || len(got.rejected) != 0 {
				t.Fatalf("%d entries, rejected %q", len(got.entries), got.rejected)
			}
			if diff := cmp.Diff(c.want, got.entries[0]); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
}

func messages(c *collected) []string {
	var all []string
	for _, text := range c.entries {
		var e struct{ Message string }
		if err := json.Unmarshal([]byte(text), &e); err != nil {
			return []string{err.Error()}
		}
		all = append(all, e.Message[:min(len(e.Message), 20)])
	}

	return all
}

func TestBodies(t *testing.T) {
	const a, b = `{"message":"a"}`, `{"message":"b"}`
	for name, c := range map[string]struct {
		body     string
		want     []string
		rejected []string
	}{
		"nothing":                   {"", nil, nil},
		"lines":                     {a + "\n" + b, []string{"a", "b"}, nil},
		"blank lines and CRLF":      {"\r\n" + a + "\r\n\n \n" + b + "\r\n", []string{"a", "b"}, nil},
		"a byte order mark":         {"\xEF\xBB\xBF" + a, []string{"a"}, nil},
		"an array":                  {"[" + a + ",\n" + b + "]\n", []string{"a", "b"}, nil},
		"an array over lines":       {"[\n  {\n\"message\": \"a\"\n},\n" + b + "\n]", []string{"a", "b"}, nil},
		"an empty array":            {" [ ]", nil, nil},
		"scalars in an array":       {`[{"message":"a"}, 5 , "x]"]`, []string{"a", "5", `"x]"`}, nil},
		"a broken array":            {"[" + a + "," + `{"message":1 2},` + b + "]", []string{"a"}, []string{"2: not valid JSON; what follows was not read"}},
		"an array cut short":        {"[" + a + "," + `{"mess`, []string{"a"}, []string{"2: not valid JSON: the body ends inside an object"}},
		"an array without end":      {"[" + a, []string{"a"}, []string{"2: not valid JSON: the body ends inside the array"}},
		"an array without comma":    {"[" + a + b + "]", []string{"a"}, []string{"2: not valid JSON: a comma or ] must follow an element; what follows was not read"}},
		"an array and more":         {"[" + a + "]x", []string{"a"}, []string{"2: not valid JSON: nothing may follow the array; what follows was not read"}},
		"objects over lines":        {"{\n  \"message\": \"a\"\n}\n{\n  \"message\": \"b\"\n}\n", []string{"a", "b"}, nil},
		"text that begins with [":   {"[2024-01-15 10:30:45] started\n[x] y", []string{"[2024-01-15 10:30:45", "[x] y"}, nil},
		"a bad line among good":     {a + "\n" + `{"timestamp":"1969-12-31T23:59:59Z"}` + "\n" + b, []string{"a", "b"}, []string{`2: timestamp must not be before 1970, got "1969-12-31T23:59:59Z"`}},
		"nested too deep":           {strings.Repeat(`{"a":`, 200) + "1" + strings.Repeat("}", 200) + "\n" + b, []string{"b"}, []string{"1: nested more than 100 deep"}},
		"brackets without end":      {`{"a":` + strings.Repeat("[", 1<<19) + "\n" + b, []string{"b"}, []string{"1: nested more than 100 deep"}},
		"10 MB of JSON":             {`{"a":"` + strings.Repeat("x", 10<<20) + "\"}\n" + b, []string{"b"}, []string{"1: an entry must be at most 1048576 bytes long, got 10485768"}},
		"10 MB of JSON in an array": {"[" + `{"a":"` + strings.Repeat("x", 10<<20) + "\"}," + b + "]", []string{"b"}, []string{"1: an entry must be at most 1048576 bytes long, got 10485768"}},
		"10 MB of text":             {strings.Repeat("é", 5<<20) + "\n" + b, []string{strings.Repeat("é", 10), "b"}, nil},
	} {
		t.Run(name, func(t *testing.T) {
			readers := map[string]io.Reader{"at once": strings.NewReader(c.body)}
			if len(c.body) < 1000 {
				readers["by bytes"] = iotest.OneByteReader(strings.NewReader(c.body))
			}
			for how, body := range readers {
				got := read(t, body)
				if diff := cmp.Diff(c.want, messages(got)); diff != "" {
					t.Errorf("%s (-want +got):\n%s", how, diff)
				}
				if diff := cmp.Diff(c.rejected, got.rejected); diff != "" {
					t.Errorf("%s, rejected (-want +got):\n%s", how, diff)
				}
			}
		})
	}
}

func TestLongTextIsCutAndMarked(t *testing.T) {
	got := read(t, strings.NewReader(strings.Repeat("é", 5<<20)+"!\n"))
	var e struct {
		Message   string
		Truncated bool
		Size      int `json:"original_size"`
	}
	if err := json.Unmarshal([]byte(got.entries[0]), &e); err != nil {
		t.Fatal(err)
	}
	if len(e.Message) != maxLine || !e.Truncated || e.Size != 10<<20+1 || strings.Contains(e.Message, "\uFFFD") {
		t.Errorf("%d bytes, truncated %v, of %d", len(e.Message), e.Truncated, e.Size)
	}
}

func TestFieldsBeyondTheBoundsAreLeftOutAndCounted(t *testing.T) {
	var line strings.Builder
	line.WriteString(`{"` + strings.Repeat("n", maxName+1) + `":{"x":"y"}`)
	for i := range 1100 {
		fmt.Fprintf(&line, `,"f%d":%d`, i, i)
	}
	line.WriteString(`,"f0":"again"}`)
	got := read(t, strings.NewReader(line.String()))
	var e map[string]any
	if err := json.Unmarshal([]byte(got.entries[0]), &e); err != nil {
		t.Fatal(err)
	}
	if len(e) != 4+maxFields+1 || e[omittedField] != 101.0 || e["f0"] != "again" || e["f999"] != 999.0 {
		t.Errorf("%d members, %v omitted, f0 is %v", len(e), e[omittedField], e["f0"])
	}
}

func TestNamesWithoutEndDoNotFillMemory(t *testing.T) {
	p := parser{redact: logship.NewRedactor()}
	for i := range 100_000 {
		if err := p.parse(fmt.Appendf(nil, `{"name%d":{"x":1}}`, i)); err != nil {
			t.Fatal(err)
		}
		if len(p.fields.list) != 1 {
			t.Fatalf("line %d has %d fields", i, len(p.fields.list))
		}
	}
	if p.names.count > 2*maxNames {
		t.Errorf("%d names are remembered", p.names.count)
	}
}

func TestErrorsOfTheBodyEndReading(t *testing.T) {
	for _, body := range []string{"a\nb", `[{"message":"a"},`, "{\n"} {
		var c collected
		err := New(logship.NewRedactor()).Read(io.MultiReader(strings.NewReader(body), iotest.ErrReader(io.ErrUnexpectedEOF)), arrival, &c)
		if err != io.ErrUnexpectedEOF { //nolint:errorlint // Handed through as it is.
			t.Errorf("%q: %v", body, err)
		}
	}
}

func TestParseTime(t *testing.T) {
	const want = 1705314645123000000
	for _, text := range []string{
		"2024-01-15T10:30:45.123Z", "2024-01-15T10:30:45,123Z", "2024-01-15 10:30:45,123", "2024-01-15t10:30:45.123z",
		"2024-01-15T11:30:45.123+01:00", "2024-01-15T04:30:45.123-0600", "2024-01-15T05:00:45.123-05:30", "2024-01-15 11:30:45.123 +01",
		"2024-01-15 10:30:45.123 UTC", "1705314645.123", "1705314645123", "1705314645123000", "1705314645123000000",
		"1705314645.1230000009", "2024/01/15 10:30:45.123",
	} {
		if got, ok := parseTime(text); !ok || got != want {
			t.Errorf("%q is %d, %v, want %d", text, got, ok, int64(want))
		}
	}
	for text, want := range map[string]string{
		"2024-02-29T00:00:00Z": "2024-02-29T00:00:00.000Z", "1970-01-01T00:00:00Z": "1970-01-01T00:00:00.000Z",
		"2100-03-01T00:00:00.000000001Z": "2100-03-01T00:00:00.000000001Z", "Mon, 15 Jan 2024 10:30:45 GMT": "2024-01-15T10:30:45.000Z",
		"15/Jan/2024:10:30:45 +0000": "2024-01-15T10:30:45.000Z", "1.705314645e9": "2024-01-15T10:30:45.000Z",
	} {
		if got, ok := parseTime(text); !ok || entry.FormatTime(got) != want {
			t.Errorf("%q is %s, %v, want %s", text, entry.FormatTime(got), ok, want)
		}
	}
	for _, text := range []string{
		"", "now", "2023-02-29T00:00:00Z", "2024-13-01T00:00:00Z", "2024-01-15T24:00:00Z", "2024-01-15T10:30:45.Z", "2024-01-15T10:30:45+1",
		"9999-01-01T00:00:00Z", "NaN", "0x1p10", "inf", "1e300", "99999999999999999999",
	} {
		if got, ok := parseTime(text); ok {
			t.Errorf("%q is %s", text, entry.FormatTime(got))
		}
	}
}

// FuzzParse holds the parser against encoding/json.
func FuzzParse(f *testing.F) {
	for _, seed := range []string{
		`{"a":1,"b":[true,{"c":null}],"d":{"e":"x\u00e9"}}`, `{"a":-0.5e+7}`, `{"a":"\ud83d\ude00"}`, `{} `, `{"a":01}`, "{\"\xff\":\"\xff\"}", `{"a":{"b":{}},"a.b":1}`,
	} {
		f.Add([]byte(seed))
	}
	p := parser{redact: logship.NewRedactor()}
	f.Fuzz(func(t *testing.T, line []byte) {
		err := p.parse(line)
		var object map[string]json.RawMessage
		valid := json.Unmarshal(line, &object) == nil && object != nil
		if err != nil && err != errDeep && valid { //nolint:errorlint // As it is returned.
			t.Fatalf("%q is refused: %v", line, err)
		}
		if err == nil && !valid {
			t.Fatalf("%q is accepted", line)
		}
		if err != nil {
			return
		}
		for _, field := range p.fields.list {
			raw, ok := object[field.Name]
			var text string
			switch {
			case !ok: // Nested.
			case raw[0] == '{': // The key came twice: a value before, whose name is another than those inside.
			case field.Kind == entry.Number && string(raw) != field.Value:
				t.Fatalf("%q: %s is %s", line, field.Name, field.Value)
			case field.Kind == entry.String && json.Unmarshal(raw, &text) == nil && text != field.Value && !strings.Contains(field.Value, logship.Redacted):
				t.Fatalf("%q: %s is %q, want %q", line, field.Name, field.Value, text)
			case field.Kind == entry.JSON && !json.Valid([]byte(field.Value)):
				t.Fatalf("%q: %s is %s", line, field.Name, field.Value)
			}
		}
	})
}

// FuzzRead looks for bodies that make reading panic or lose count.
func FuzzRead(f *testing.F) {
	for _, seed := range []string{"a\nb", `[{"a":1},{"b":2}]`, "{\n\"a\":1}", "[1,", `["x\"]`, "\xEF\xBB\xBF{}", "[\n["} {
		f.Add([]byte(seed))
	}
	format := New(logship.NewRedactor())
	f.Fuzz(func(t *testing.T, body []byte) {
		var whole, pieces collected
		if err := format.Read(bytes.NewReader(body), arrival, &whole); err != nil {
			t.Fatal(err)
		}
		if err := format.Read(iotest.OneByteReader(bytes.NewReader(body)), arrival, &pieces); err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(whole, pieces, cmp.AllowUnexported(collected{})); diff != "" {
			t.Fatalf("%q in pieces (-whole +pieces):\n%s", body, diff)
		}
	})
}

// FuzzParseTime looks for texts that time.Parse reads differently.
func FuzzParseTime(f *testing.F) {
	f.Add("2024-01-15T10:30:45.123Z")
	f.Add("1705314645.123")
	f.Fuzz(func(t *testing.T, text string) {
		got, ok := parseTime(text)
		want, err := time.Parse(time.RFC3339Nano, text)
		if err == nil && want.Year() > 1700 && want.Year() < 2200 && (!ok || got != want.UnixNano()) {
			t.Errorf("%q is %d, %v, want %d", text, got, ok, want.UnixNano())
		}
	})
}
