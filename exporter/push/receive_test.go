package push

import (
	"bytes"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"testing/iotest"

	"github.com/google/go-cmp/cmp"
	"github.com/klauspost/compress/zstd"
	"github.com/prometheus/client_golang/prometheus"
)

const (
	good = `{"type":"queue","queue":"q","depth":1}`
	bad  = `{"type":"queue","queue":"q","depth":-1}`
)

func zstded(tb testing.TB, body string) string {
	tb.Helper()

	w, err := zstd.NewWriter(nil)
	if err != nil {
		tb.Fatal(err)
	}
	encoded := w.EncodeAll([]byte(body), nil)
	if err := w.Close(); err != nil {
		tb.Fatal(err)
	}

	return string(encoded)
}

func TestOneBadItemCostsTheOthersNothing(t *testing.T) {
	const (
		depth  = "depth must be a whole number from 0, got -1"
		object = "an event must be a JSON object, got "
		rest   = "; the rest of the array was not read"
	)
	for _, test := range []struct {
		name, body string
		accepted   int
		errors     []string
	}{
		{"one object", good, 1, nil},
		{"one object over several lines", "{\n \"type\": \"queue\",\n\t\"queue\": \"q\",\r\n \"depth\": 1\n}\n", 1, nil},
		{"an array", "[" + good + " , " + bad + ",\n" + good + "]\n", 2, []string{depth}},
		{"an empty array", " [ ] ", 0, nil},
		{"lines", good + "\n" + bad + "\r\n\n" + good, 2, []string{depth}},
		{"objects without a space", good + bad + good, 2, []string{depth}},
		{"brackets and quotes in strings", `{"type":"queue","queue":"}]\"{[\\","depth":1}` + good, 2, nil},
		{"a line that is not JSON", good + "\nhello\n" + good, 2, []string{object + "hello"}},
		{"a line that is an array", good + "\n[1]\n" + good, 2, []string{object + "[1]"}},
		{"a line cut short", good + "\n" + `{"type":"que` + "\n" + good + "\n", 2, []string{"not valid JSON: a string must end on the line it begins on"}},
		{"a line cut short after a value", `{"type":"queue"` + "\n" + good, 1, []string{"not valid JSON: an object must end before the next line that begins with {"}},
		{"a syntax error costs its line", `{"a" 1}` + good + "\n" + good, 1, []string{"not valid JSON: invalid character '1' after object key"}},
		{"a bracket too many", good + "}\n" + good, 2, []string{object + "}"}},
		{"an object cut short at the end", good + "\n{\"a\":", 1, []string{"not valid JSON: the body ends inside an event"}},
		{"a bare NaN", `{"loss":NaN}` + "\n" + good, 1, []string{"not valid JSON: invalid character 'N' looking for beginning of value"}},
		{"an invalid number", `{"x":1-2}` + "\n" + good, 1, []string{"not valid JSON: invalid character '-' after object key:value pair"}},
		{"a control character", "{\"x\":\"\x01\"}\n" + good, 1, []string{`not valid JSON: invalid character '\x01' in string literal`}},
		{"an item too long", `{"x":"` + strings.Repeat("y", 3*maxItemBytes) + `"}` + good, 1, []string{"an event must be at most 65536 bytes long"}},
		{"an item too deep", `{"x":` + strings.Repeat("[", 100_000) + strings.Repeat("]", 100_000) + `}` + good, 1, []string{"an event must be at most 65536 bytes long"}},
		{"an item nested too deep", `{"x":` + strings.Repeat("[", 32) + strings.Repeat("]", 32) + `}` + good, 1, []string{"an event must be nested at most 32 deep"}},
		{"a line too long", good + "\n" + strings.Repeat("z", 3*maxItemBytes) + "\n" + good, 2, []string{object + strings.Repeat("z", maxShown) + "…"}},
		{"elements of other types", "[1, null ," + good + `,"{",[{}],true]`, 1, []string{object + "1", object + "null", object + `"{"`, object + `[{}]`, object + "true"}},
		{"an element too long", `[{"x":"` + strings.Repeat("y", 3*maxItemBytes) + `"},` + good + "]", 1, []string{"an event must be at most 65536 bytes long"}},
		{"a syntax error costs the rest of an array", "[" + good + `,{"a" 1},` + good + "]", 1, []string{"not valid JSON: invalid character '1' after object key" + rest}},
		{"a comma is missing", "[" + good + good + "]", 1, []string{"not valid JSON: a comma or ] must follow an element of the array" + rest}},
		{"a comma too many", "[" + good + ",]", 1, []string{"not valid JSON: an element must follow the comma" + rest}},
		{"two commas", "[" + good + ",," + good + "]", 1, []string{"not valid JSON: unexpected end of JSON input" + rest}},
		{"an array that does not end", "[" + good, 1, []string{"not valid JSON: the array must end with ]" + rest}},
		{"an array that ends inside an element", "[" + good + `,{"a"`, 1, []string{"not valid JSON: the body ends inside an event" + rest}},
		{"a string over two lines in an array", "[" + good + ",{\"a\":\"\n\"}]", 1, []string{"not valid JSON: a string must end on the line it begins on" + rest}},
		{"something after an array", "[" + good + "]" + good, 1, []string{"not valid JSON: nothing may follow the array" + rest}},
		{"a scalar too long", "[" + good + "," + strings.Repeat("1", 3*maxItemBytes) + "]", 1, []string{"not valid JSON: an element of the array must be a JSON object" + rest}},
	} {
		t.Run(test.name, func(t *testing.T) {
			b := newBench(t, nil)
			for _, post := range []func() answered{
				func() answered { return b.post(b.receiver.App(), test.body) },
				func() answered {
					return b.post(b.receiver.App(), zstded(t, test.body), "Content-Encoding", "zstd", "Content-Type", "application/x-ndjson")
				},
				func() answered {
					return b.post(b.receiver.App(), string(gzipped([]byte(test.body))), "Content-Encoding", "GZIP", "Content-Type", "application/json; charset=utf-8")
				},
			} {
				a := post()
				if a.Accepted != test.accepted || a.Rejected != len(test.errors) {
					t.Errorf("%d accepted and %d rejected, want %d and %d", a.Accepted, a.Rejected, test.accepted, len(test.errors))
				}
				if diff := cmp.Diff(append([]string{}, test.errors...), a.texts()); diff != "" {
					t.Errorf("errors (-want +got):\n%s", diff)
				}
				if a.Success != (a.Status == http.StatusOK) || a.Status == http.StatusOK != (test.accepted > 0 || test.errors == nil) {
					t.Errorf("answered %+v", a)
				}
			}
			counted := b.value("llmwatch_push_events_total", "app", "accepted")
			if counted != float64(3*test.accepted) {
				t.Errorf("llmwatch_push_events_total counts %v accepted, want %d", counted, 3*test.accepted)
			}
		})
	}
}

func TestRequestsThatFailAsAWhole(t *testing.T) {
	small := func(o *Options) { o.MaxBody, o.MaxDecoded, o.MaxItems = 1000, 5000, 20 }
	bomb := strings.Repeat(" ", 10_000_000)
	// A frame header that asks for a window of 32 MiB, and one block of 1 byte as it is.
	windowed := "\x28\xb5\x2f\xfd\x00\x78" + "\x09\x00\x00" + " "
	for _, test := range []struct {
		name, body string
		headers    []string
		status     int
		code, says string
		accepted   int
	}{
		{"nothing", "", nil, 400, "bad_request", "got nothing", 0},
		{"nothing, as gzip", "", []string{"Content-Encoding", "gzip"}, 400, "bad_request", "must be complete gzip data", 0},
		{"nothing, as zstd", "", []string{"Content-Encoding", "zstd"}, 400, "bad_request", "got nothing", 0},
		{"white space", " \n", nil, 400, "bad_request", "got nothing", 0},
		{"no JSON", "hello", nil, 400, "bad_request", "an event must be a JSON object, got hello", 0},
		{"malformed JSON", `{"a"}`, nil, 400, "bad_request", "invalid character '}' after object key", 0},
		{"too large as sent", strings.Repeat(" ", 1001), nil, 413, "body_too_large", "at most 1000 bytes long as it is sent", 0},
		{"too large once decompressed", string(gzipped([]byte(strings.Repeat(" ", 5001)))), []string{"Content-Encoding", "gzip"}, 413, "body_too_large", "at most 5000 bytes long once it is decompressed", 0},
		{"a gzip bomb", string(gzipped([]byte(bomb[:900_000]))), []string{"Content-Encoding", "gzip"}, 413, "body_too_large", "at most 5000 bytes", 0},
		{"a zstd bomb", zstded(t, bomb[:2_000_000]), []string{"Content-Encoding", "zstd"}, 413, "body_too_large", "at most 5000 bytes", 0},
		{"a zstd window too large", windowed, []string{"Content-Encoding", "zstd"}, 413, "body_too_large", "window of a zstd body must be at most 8388608 bytes", 0},
		{"not gzip", good, []string{"Content-Encoding", "gzip"}, 400, "bad_request", "must be complete gzip data", 0},
		{"not zstd", good, []string{"Content-Encoding", "zstd"}, 400, "bad_request", "must be complete zstd data", 0},
		{"gzip cut short", string(gzipped([]byte(good))[:40]), []string{"Content-Encoding", "gzip"}, 400, "bad_request", "must be complete gzip data", 0},
		{"another encoding", good, []string{"Content-Encoding", "br"}, 415, "unsupported_encoding", "must be gzip, zstd or identity, got br", 0},
		{"two encodings", good, []string{"Content-Encoding", "gzip, gzip"}, 415, "unsupported_encoding", "got gzip, gzip", 0},
		{"another type", good, []string{"Content-Type", "application/x-www-form-urlencoded"}, 415, "unsupported_media_type", "must be application/json or application/x-ndjson, got application/x-www-form-urlencoded", 0},
		{"a malformed type", good, []string{"Content-Type", "json; charset"}, 415, "unsupported_media_type", "got json; charset", 0},
		{"too many events", strings.Repeat("{}", 20) + good, nil, 413, "too_many_events", "at most 20 events", 0},
		{"too many events after good ones", strings.Repeat(good, 21), nil, 413, "too_many_events", "at most 20 events", 20},
	} {
		t.Run(test.name, func(t *testing.T) {
			b := newBench(t, small)
			a := b.post(b.receiver.App(), test.body, test.headers...)
			if a.Success || a.Status != test.status || a.Error.Code != test.code || !strings.Contains(a.Error.Message, test.says) || a.Accepted != test.accepted {
				t.Errorf("answered %+v, want %d %s that says %q and %d accepted", a, test.status, test.code, test.says, test.accepted)
			}
		})
	}
}

func TestBodiesOfUnknownLength(t *testing.T) {
	noise := make([]byte, 2000)
	_, _ = rand.NewChaCha8([32]byte{}).Read(noise)
	random := hex.EncodeToString(noise)
	for _, test := range []struct {
		name, encoding string
		body           io.Reader
		status         int
		says           string
	}{
		{"plain, too large", "", strings.NewReader(random), 413, "at most 1000 bytes long as it is sent"},
		{"gzip, too large", "gzip", bytes.NewReader(gzipped([]byte(random))), 413, "at most 1000 bytes long as it is sent"},
		{"zstd, too large", "zstd", strings.NewReader(zstded(t, random)), 413, "at most 1000 bytes long as it is sent"},
		{"just fits", "", strings.NewReader(good + strings.Repeat(" ", 1000-len(good))), 200, ""},
		{"breaks off", "", io.MultiReader(strings.NewReader(good+"\n"+good[:9]), iotest.ErrReader(io.ErrUnexpectedEOF)), 400, "could not be read: unexpected EOF"},
	} {
		t.Run(test.name, func(t *testing.T) {
			b := newBench(t, func(o *Options) { o.MaxBody = 1000 })
			req := httptest.NewRequestWithContext(t.Context(), http.MethodPost, "/", test.body)
			req.ContentLength = -1
			req.Header.Set("Content-Encoding", test.encoding)
			w := httptest.NewRecorder()
			b.receiver.App().ServeHTTP(w, req)
			if w.Code != test.status || !strings.Contains(w.Body.String(), test.says) {
				t.Errorf("answered %d %s, want %d that says %q", w.Code, w.Body, test.status, test.says)
			}
		})
	}
}

func TestOnlyPOSTIsAllowed(t *testing.T) {
	b := newBench(t, nil)
	w := httptest.NewRecorder()
	b.receiver.API().ServeHTTP(w, httptest.NewRequestWithContext(t.Context(), http.MethodGet, "/", http.NoBody))
	if w.Code != http.StatusMethodNotAllowed || w.Header().Get("Allow") != http.MethodPost {
		t.Errorf("answered %d with Allow %q, want 405 with POST", w.Code, w.Header().Get("Allow"))
	}
}

func TestAnswersAreAsDocumented(t *testing.T) {
	var bodies strings.Builder
	for _, body := range []string{good + bad + good, "[]", bad, "", `{"a"}`, strings.Repeat(bad, maxErrors+2) + good} {
		b := newBench(t, nil)
		w := httptest.NewRecorder()
		b.receiver.App().ServeHTTP(w, httptest.NewRequestWithContext(t.Context(), http.MethodPost, "/", strings.NewReader(body)))
		fmt.Fprintf(&bodies, "%d %s\n%s\n", w.Code, w.Header().Get("Content-Type"), w.Body)
	}
	golden(t, "answers.txt", bodies.String())
}

func TestNewSaysWhatIsMissing(t *testing.T) {
	if _, err := New(Options{}); err == nil || !strings.Contains(err.Error(), "API, App and Registerer are needed") {
		t.Errorf("got %v", err)
	}
	b := newBench(t, nil)
	_, err := New(Options{API: b.receiver.options.API, App: b.receiver.options.App, Registerer: b.registry})
	if twice := (prometheus.AlreadyRegisteredError{}); !errors.As(err, &twice) {
		t.Errorf("got %v, want %T", err, twice)
	}
}
