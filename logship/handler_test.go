package logship

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"math"
	"os"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"testing/slogtest"
	"time"

	"github.com/google/go-cmp/cmp"
)

// parse decodes one line and fails on anything but one object on one line
// without a repeated key.
func parse(t *testing.T, text string) map[string]any {
	t.Helper()

	if strings.Count(text, "\n") != 1 || !strings.HasSuffix(text, "\n") {
		t.Fatalf("got %q, want one line", text)
	}
	if err := uniqueKeys(json.NewDecoder(strings.NewReader(text))); err != nil {
		t.Fatalf("%v in %s", err, text)
	}
	var entry map[string]any
	if err := json.Unmarshal([]byte(text), &entry); err != nil {
		t.Fatalf("%v in %s", err, text)
	}

	return entry
}

// uniqueKeys reads one value and reports a key that an object has twice.
func uniqueKeys(d *json.Decoder) error {
	token, err := d.Token()
	if err != nil {
		return err
	}
	switch token {
	case json.Delim('{'):
		seen := map[string]bool{}
		for d.More() {
			key, err := d.Token()
			if err != nil {
				return err
			}
			if seen[key.(string)] {
				return fmt.Errorf("key %q is there twice", key)
			}
			seen[key.(string)] = true
			if err := uniqueKeys(d); err != nil {
				return err
			}
		}
		_, err = d.Token()
	case json.Delim('['):
		for d.More() {
			if err := uniqueKeys(d); err != nil {
				return err
			}
		}
		_, err = d.Token()
	}

	return err
}

var documentedKeys = []string{"timestamp", "level", "logger", "message", "module", "function", "line", "thread", "process"}

// attributes returns what a line holds besides the documented fields.
func attributes(t *testing.T, text string) map[string]any {
	t.Helper()

	entry := parse(t, text)
	for _, key := range documentedKeys {
		if _, ok := entry[key]; !ok {
			t.Errorf("%s is missing in %s", key, text)
		}
	}
	maps.DeleteFunc(entry, func(key string, _ any) bool { return slices.Contains(documentedKeys, key) })

	return entry
}

// logged returns the attributes of what log logs.
func logged(t *testing.T, options HandlerOptions, log func(*slog.Logger)) map[string]any {
	t.Helper()

	var out bytes.Buffer
	log(slog.New(NewHandler(&out, options)))

	return attributes(t, out.String())
}

func TestHandlerPassesSlogtest(t *testing.T) {
	var out bytes.Buffer
	slogtest.Run(t, func(*testing.T) slog.Handler {
		out.Reset()

		return NewHandler(&out, HandlerOptions{})
	}, func(t *testing.T) map[string]any {
		entry := parse(t, out.String())
		for ours, theirs := range map[string]string{"timestamp": slog.TimeKey, "message": slog.MessageKey} {
			if value, ok := entry[ours]; ok {
				entry[theirs] = value
				delete(entry, ours)
			}
		}

		return entry
	})
}

func TestHandlerWritesTheDocumentedFieldsInOrder(t *testing.T) {
	var out bytes.Buffer
	logger := slog.New(NewHandler(&out, HandlerOptions{Name: "api.requests"}))
	before := time.Now().UTC().Truncate(time.Millisecond)
	logger.Info("Request completed", "request_id", "req-abc123", "status_code", 200, "duration_ms", 150.5)

	want := regexp.MustCompile(`^\{"timestamp":"(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z)","level":"INFO","logger":"api\.requests",` +
		`"message":"Request completed","module":"handler_test","function":"TestHandlerWritesTheDocumentedFieldsInOrder",` +
		`"line":\d+,"thread":0,"process":` + strconv.Itoa(os.Getpid()) + `,"request_id":"req-abc123","status_code":200,"duration_ms":150\.5\}` + "\n$")
	match := want.FindStringSubmatch(out.String())
	if match == nil {
		t.Fatalf("got %s", out.String())
	}
	at, err := time.Parse(time.RFC3339, match[1])
	if err != nil || at.Before(before) || at.After(time.Now()) {
		t.Errorf("timestamp is %s (%v), want now, %s", match[1], err, before)
	}
}

func TestHandlerTimestamps(t *testing.T) {
	var out bytes.Buffer
	handler := NewHandler(&out, HandlerOptions{})
	zone := time.FixedZone("", 3600)
	for _, test := range []struct {
		at   time.Time
		want string
	}{
		{time.Date(2024, 1, 15, 11, 30, 45, 123_999_999, zone), "2024-01-15T10:30:45.123Z"},
		{time.Date(2024, 1, 15, 11, 30, 45, 7_000_000, zone), "2024-01-15T10:30:45.007Z"},
		{time.Date(2024, 12, 31, 23, 59, 59, 0, time.UTC), "2024-12-31T23:59:59.000Z"},
		{time.Date(1969, 12, 31, 23, 59, 59, 999_000_000, time.UTC), "1969-12-31T23:59:59.999Z"},
	} {
		out.Reset()
		if err := handler.Handle(t.Context(), slog.NewRecord(test.at, slog.LevelInfo, "m", 0)); err != nil {
			t.Fatal(err)
		}
		if got := parse(t, out.String())["timestamp"]; got != test.want {
			t.Errorf("got %v, want %s", got, test.want)
		}
	}
}

func TestLevels(t *testing.T) {
	for name, level := range map[string]slog.Level{
		"DEBUG": slog.LevelDebug, "INFO": slog.LevelInfo, "WARNING": slog.LevelWarn, "ERROR": slog.LevelError, "CRITICAL": LevelCritical,
	} {
		got, err := ParseLevel(strings.ToLower(name))
		if err != nil || got != level || LevelName(got) != name || LevelName(got+1) != name {
			t.Errorf("%s is parsed as %v, %v and written %s, %s", name, got, err, LevelName(got), LevelName(got+1))
		}
	}
	if got := LevelName(slog.LevelDebug - 4); got != "DEBUG" {
		t.Errorf("below DEBUG is %s", got)
	}
	if _, err := ParseLevel("loud"); err == nil || !strings.Contains(err.Error(), `CRITICAL, got "loud"`) {
		t.Errorf("got error %v", err)
	}
	handler := NewHandler(&bytes.Buffer{}, HandlerOptions{Level: slog.LevelWarn})
	if handler.Enabled(t.Context(), slog.LevelInfo) || !handler.Enabled(t.Context(), slog.LevelWarn) {
		t.Error("the level is not kept to")
	}
}

type (
	panicking struct{}
	selfish   struct{}
	wide      struct{}
	node      struct {
		Name string `json:"name"`
		Next *node  `json:"next,omitempty"`
	}
	base   struct{ ID, Password string }
	record struct {
		base
		Tokens  int               `json:"max_tokens"`
		Secret  string            `json:"client_secret"`
		Skipped string            `json:"-"`
		Empty   string            `json:"empty,omitempty"`
		When    time.Time         `json:"when,omitzero"`
		Labels  map[string]string `json:"labels"`
		hidden  int
	}
	badMarshaler  string
	textual       int
	pointerString struct{ s string }
	nilError      struct{}
)

func (panicking) LogValue() slog.Value { panic("boom") }
func (selfish) LogValue() slog.Value   { return slog.GroupValue(slog.Any("again", selfish{})) }
func (m badMarshaler) MarshalJSON() (b []byte, err error) {
	if m == "panic" {
		panic("boom")
	}

	return []byte(m), nil
}
func (i textual) MarshalText() ([]byte, error) { return []byte("#" + strconv.Itoa(int(i))), nil }
func (p *pointerString) String() string        { return "s:" + p.s }
func (*nilError) Error() string                { panic("nil receiver") }

func (wide) LogValue() slog.Value {
	attrs := make([]slog.Attr, 10)
	for i := range attrs {
		attrs[i] = slog.Any(strconv.Itoa(i), wide{})
	}

	return slog.GroupValue(attrs...)
}

func TestHandlerValues(t *testing.T) {
	r := record{base: base{"u1", "hunter2"}, Tokens: 7, Secret: "s", Skipped: "x", Labels: map[string]string{"b": "2", "a": "1"}, hidden: 1}
	for _, test := range []struct {
		name  string
		value any
		want  any
	}{
		{"text that needs escapes", "a\"b\\c\n\t\r\x00\x1b/é\u2028😀", "a\"b\\c\n\t\r\x00\x1b/é\u2028😀"},
		{"invalid UTF-8", "a\xff\xfeb\xc3", "a\ufffd\ufffdb\ufffd"},
		{"NaN", math.NaN(), "NaN"},
		{"infinity", math.Inf(-1), "-Inf"},
		{"whole float", 2.0, 2.0},
		{"float of thousandths", -0.125, -0.125},
		{"long float", math.Pi, math.Pi},
		{"tiny float", 1.5e-9, 1.5e-9},
		{"huge float", 1e300, 1e300},
		{"float32", []float32{0.1}, []any{0.1}},
		{"smallest integer", int64(math.MinInt64), -9.223372036854775808e18},
		{"largest integer", uint64(math.MaxUint64), 1.8446744073709551615e19},
		{"error", errors.New("failed"), "failed"},
		{"nil error of a type", (*nilError)(nil), nil},
		{"nil", nil, nil},
		{"time", time.Date(2024, 1, 15, 10, 30, 45, 123456789, time.UTC), "2024-01-15T10:30:45.123Z"},
		{"bytes of text", []byte("text"), "text"},
		{"other bytes", []byte{0xff, 0xfe, 0xfd}, "//79"},
		{"stringer", &pointerString{"x"}, "s:x"},
		{"text marshaler", textual(5), "#5"},
		{"raw JSON", json.RawMessage("{ \"a\": [1,\n2], \"api_key\": 5 }"), map[string]any{"a": []any{1.0, 2.0}, "api_key": Redacted}},
		{"wrong JSON", badMarshaler(`{"a":`), `{"a":`},
		{"panicking marshaler", badMarshaler("panic"), "!PANIC: boom"},
		{"number", json.Number("12.50"), 12.5},
		{"struct", r, map[string]any{"ID": "u1", "Password": Redacted, "max_tokens": 7.0, "client_secret": Redacted, "labels": map[string]any{"a": "1", "b": "2"}}},
		{"slice", []any{1, "x", nil, errors.New("e"), []byte("b")}, []any{1.0, "x", nil, "e", "b"}},
		{"nil slice and map", [2]any{[]int(nil), map[string]int(nil)}, []any{nil, nil}},
		{"map with odd keys", map[any]int{1: 1, "1": 2, textual(2): 3}, map[string]any{"#2": 3.0, "1": 1.0}},
		{"map keys that are not UTF-8", map[string]int{"\xff": 1, "\xfe": 1}, map[string]any{"\ufffd": 1.0}},
		{"function", func() {}, "func()"},
		{"complex", complex(1, 2), "(1+2i)"},
		{"group", slog.GroupValue(slog.Int("a", 1), slog.Group("b", "c", 2)), map[string]any{"a": 1.0, "b": map[string]any{"c": 2.0}}},
		{"group with repeated keys", slog.GroupValue(slog.Int("a", 1), slog.Int("a", 2)), map[string]any{"a": 2.0}},
		{"card number", 4111111111111111, Redacted},
	} {
		t.Run(test.name, func(t *testing.T) {
			got := logged(t, HandlerOptions{}, func(l *slog.Logger) { l.Info("m", "v", test.value) })
			if test.name == "map with odd keys" {
				got["v"].(map[string]any)["1"] = 1.0 // Which of two equal keys counts is left open.
			}
			if diff := cmp.Diff(map[string]any{"v": test.want}, got); diff != "" {
				t.Errorf("(-want +got)\n%s", diff)
			}
		})
	}
}

func TestHandlerKeepsMapKeysApart(t *testing.T) {
	got := logged(t, HandlerOptions{}, func(l *slog.Logger) {
		l.Info("m", slog.Duration("queue_wait", 1500*time.Microsecond), slog.Duration("took_ms", -time.Second), slog.Duration("n", 1))
	})
	if diff := cmp.Diff(map[string]any{"queue_wait_ms": 1.5, "took_ms": -1000.0, "n_ms": 0.000001}, got); diff != "" {
		t.Errorf("durations are not milliseconds (-want +got)\n%s", diff)
	}
}

func TestHandlerSurvivesHostileValues(t *testing.T) {
	cycle := &node{Name: "a"}
	cycle.Next = cycle
	loop := map[string]any{}
	loop["self"] = loop
	list := []any{nil}
	list[0] = list
	for name, value := range map[string]any{
		"panicking LogValuer": panicking{}, "endless LogValuer": selfish{}, "exploding LogValuer": wide{}, "cyclic pointer": cycle,
		"cyclic map": loop, "cyclic slice": list, "huge text": strings.Repeat("x\x01", 1<<20), "huge bytes": make([]byte, 1<<20),
		"huge slice": make([]int, 1<<20), "huge map": hugeMap(), "huge raw JSON": json.RawMessage(`"` + strings.Repeat("x", 1<<20) + `"`),
	} {
		t.Run(name, func(t *testing.T) {
			var out bytes.Buffer
			slog.New(NewHandler(&out, HandlerOptions{})).Info("m", "v", value, "w", 1)
			attributes(t, out.String())
			if out.Len() > maxLineBytes+6*maxStringBytes+1024 {
				t.Errorf("the line has %d bytes", out.Len())
			}
		})
	}
}

func hugeMap() map[int]string {
	m := map[int]string{}
	for i := range 100_000 {
		m[i] = "x"
	}

	return m
}

func TestHandlerSaysThatALineIsCut(t *testing.T) {
	got := logged(t, HandlerOptions{}, func(l *slog.Logger) { l.Info("m", "v", strings.Repeat("é", maxStringBytes)) })
	if got[truncatedKey] != true || len(got["v"].(string)) > maxStringBytes+len(cutMark)+3 {
		t.Errorf("got %d bytes and %v", len(got["v"].(string)), got[truncatedKey])
	}
	got = logged(t, HandlerOptions{}, func(l *slog.Logger) {
		for i := range 20 {
			l = l.With("k"+strconv.Itoa(i), strings.Repeat("x", maxStringBytes))
		}
		l.Info("m", "last", 1)
	})
	if _, last := got["last"]; got[truncatedKey] != true || len(got) > 12 || last {
		t.Errorf("%d attributes of With got into one line", len(got))
	}
}

func TestHandlerNeverRepeatsAKey(t *testing.T) {
	type object = map[string]any
	for _, test := range []struct {
		name string
		log  func(*slog.Logger)
		want object
	}{
		{"documented fields stay", func(l *slog.Logger) { l.Info("m", "message", "x", "level", 1, "line", 2, "process", 3) }, object{"message_": "x", "level_": 1.0, "line_": 2.0, "process_": 3.0}},
		{"documented fields stay with With", func(l *slog.Logger) { l.With("timestamp", "x").Info("m", "timestamp", "y") }, object{"timestamp_": "y"}},
		{"documented fields stay with a group", func(l *slog.Logger) { l.WithGroup("module").Info("m", "message", "x") }, object{"module_": object{"message": "x"}}},
		{"the call replaces With", func(l *slog.Logger) { l.With("a", 1, "b", 2).Info("m", "a", 3) }, object{"a": 3.0, "b": 2.0}},
		{"With replaces With", func(l *slog.Logger) { l.With("a", 1).With("a", 2).Info("m") }, object{"a": 2.0}},
		{"the last of a call counts", func(l *slog.Logger) { l.Info("m", "a", 1, "b", 2, "a", 3) }, object{"a": 3.0, "b": 2.0}},
		{"a group replaces With", func(l *slog.Logger) { l.With("g", 1).WithGroup("g").Info("m", "a", 2) }, object{"g": object{"a": 2.0}}},
		{"groups have keys of their own", func(l *slog.Logger) { l.With("a", 1).WithGroup("g").With("a", 2).WithGroup("h").Info("m", "a", 3) }, object{"a": 1.0, "g": object{"a": 2.0, "h": object{"a": 3.0}}}},
		{"groups without a name are inline", func(l *slog.Logger) { l.Info("m", "a", 1, slog.Group("", "a", 2, "line", 3)) }, object{"a": 2.0, "line_": 3.0}},
		{"keys that are not UTF-8", func(l *slog.Logger) {
			l.With("k\xff", 1).Info("m", "k\xfe", 2, "k\ufffd", 3) //nolint:sloglint // Keys as they must not be.
		}, object{"k\ufffd": 3.0}},
		{"durations", func(l *slog.Logger) { l.Info("m", slog.Int("took_ms", 1), slog.Duration("took", time.Second)) }, object{"took_ms": 1000.0}},
		{"empty groups leave nothing", func(l *slog.Logger) { l.WithGroup("g").WithGroup("h").Info("m", slog.Group("i", slog.Group("j"))) }, object{}},
		{"sensitive groups", func(l *slog.Logger) { l.WithGroup("authorization").Info("m", "a", 1) }, object{"authorization": Redacted}},
		{"very many", func(l *slog.Logger) {
			args := []any{}
			for i := range 200 {
				args = append(args, "k"+strconv.Itoa(i%100), i)
			}
			l.WithGroup("g").Info("m", args...)
		}, object{"g": func() object {
			o := object{}
			for i := range 100 {
				o["k"+strconv.Itoa(i)] = float64(100 + i)
			}

			return o
		}()}},
	} {
		t.Run(test.name, func(t *testing.T) {
			if diff := cmp.Diff(test.want, logged(t, HandlerOptions{}, test.log)); diff != "" {
				t.Errorf("(-want +got)\n%s", diff)
			}
		})
	}
}

func TestHandlerLoggerAttribute(t *testing.T) {
	for _, test := range []struct {
		name string
		log  func(context.Context, *slog.Logger)
		want string
	}{
		{"name of the handler", func(ctx context.Context, l *slog.Logger) { l.InfoContext(ctx, "m") }, "app"},
		{"With sets it", func(ctx context.Context, l *slog.Logger) { l.With("logger", "store", "a", 1).InfoContext(ctx, "m") }, "store"},
		{"a call sets it", func(ctx context.Context, l *slog.Logger) {
			l.With("logger", "store").InfoContext(ctx, "m", "logger", "x", "a", 1)
		}, "x"},
		{"a context sets it", func(ctx context.Context, l *slog.Logger) {
			l.InfoContext(WithContext(ctx, "logger", "ctx"), "m")
		}, "ctx"},
		{"within a group it is an attribute", func(ctx context.Context, l *slog.Logger) { l.WithGroup("g").InfoContext(ctx, "m", "logger", "x") }, "app"},
	} {
		t.Run(test.name, func(t *testing.T) {
			var out bytes.Buffer
			test.log(t.Context(), slog.New(NewHandler(&out, HandlerOptions{Name: "app"})))
			entry := parse(t, out.String())
			if entry["logger"] != test.want {
				t.Errorf("got %v, want %s", entry["logger"], test.want)
			}
		})
	}
}

type generic[T any] struct{}

func (generic[T]) Value(l *slog.Logger)    { l.Info("m") }
func (*generic[T]) Pointer(l *slog.Logger) { func() { l.Info("m") }() }

func TestHandlerSource(t *testing.T) {
	for want, log := range map[string]func(*slog.Logger){
		"Value":             generic[map[string]int]{}.Value,
		"Pointer":           (&generic[int]{}).Pointer,
		"TestHandlerSource": func(l *slog.Logger) { func() { l.Info("m") }() },
	} {
		var out bytes.Buffer
		log(slog.New(NewHandler(&out, HandlerOptions{})))
		entry := parse(t, out.String())
		if entry["function"] != want || entry["module"] != "handler_test" || entry["line"].(float64) < 100 {
			t.Errorf("got %v, want %s in handler_test", entry, want)
		}
	}
	for name, want := range map[string]string{
		"": "", "main.main": "main", "a.b/c.d/pkg.(*T).Do": "Do", "a/pkg.T.Do-fm": "Do", "a/pkg.F[...]": "F", "a/pkg.(*T[...]).Do": "Do",
		"a/pkg.F.func1.2": "F", "a/pkg.F[...].func1": "F", "a/pkg.F.func1-range2": "F", "a/pkg.F.gowrap1": "F", "a/pkg.init.0": "init",
		"a/pkg.T.func1x": "func1x", "a/pkg.glob..func1": "glob",
	} {
		if got := bareFunction(name); got != want {
			t.Errorf("%s is called %q, want %q", name, got, want)
		}
	}
}

func TestHandlerReportsWhatWritingFailedWith(t *testing.T) {
	failure := errors.New("disk full")
	handler := NewHandler(writerFunc(func([]byte) (int, error) { return 0, failure }), HandlerOptions{})
	if err := handler.Handle(t.Context(), slog.NewRecord(time.Now(), 0, "m", 0)); !errors.Is(err, failure) {
		t.Errorf("got %v", err)
	}
}

type writerFunc func([]byte) (int, error)

func (f writerFunc) Write(p []byte) (int, error) { return f(p) }

func FuzzHandler(f *testing.F) {
	f.Add("message", "key", "value", "level", int64(1), 1.5, []byte(`{"a":{"a":1}}`))
	f.Add("\xff", "a\xff", "\x00\"", "a\ufffd", int64(4111111111111111), math.NaN(), []byte(`{"password":[1`))
	f.Add("m", "took", "x", "took_ms", int64(5), 0.001, []byte("sk-1234567890abcdefghij"))
	f.Fuzz(func(t *testing.T, message, key, value, other string, n int64, x float64, raw []byte) {
		var out bytes.Buffer
		logger := slog.New(NewHandler(&out, HandlerOptions{Name: value, Level: slog.Level(-16)}))
		ctx := WithContext(t.Context(), key, n, other, value)
		logger.With(key, value, other, x).LogAttrs(
			ctx, slog.Level(n%16), message, //nolint:sloglint // The fuzzer chooses it.
			slog.String(key, value), slog.Float64(other, x), slog.Duration(key, time.Duration(n)), slog.Int64(other, n),
			slog.Any(value, map[string]any{key: raw, other: value, value: x}), slog.Time("t", time.Unix(n, 0)),
			slog.Group(value, slog.Any(key, []string{message, other}), slog.Any(other, badMarshalerOf(raw))), slog.Any("raw", raw),
		)
		parse(t, out.String())
		// An integer and a float must be written so that they are read as such.
		out.Reset()
		slog.New(NewHandler(&out, HandlerOptions{Unredacted: true})).Info(message, "n", n, "x", x, "s", value) //nolint:sloglint // As above.
		var got struct {
			N int64
			X any
			S string
		}
		if err := json.Unmarshal(out.Bytes(), &got); err != nil {
			t.Fatal(err)
		}
		if got.N != n || (!math.IsNaN(x) && !math.IsInf(x, 0) && got.X != x) {
			t.Errorf("%d, %v came out as %d, %v", n, x, got.N, got.X)
		}
		if want, _ := json.Marshal(value); len(value) < maxStringBytes {
			var s string
			if err := json.Unmarshal(want, &s); err != nil || s != got.S {
				t.Errorf("%q came out as %q", value, got.S)
			}
		}
	})
}

// badMarshalerOf leaves out JSON with repeated keys, which are the marshaler's own.
func badMarshalerOf(raw []byte) any {
	if uniqueKeys(json.NewDecoder(bytes.NewReader(raw))) != nil {
		return string(raw)
	}

	return badMarshaler(raw)
}
