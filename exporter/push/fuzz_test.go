package push

import (
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
)

func FuzzAPI(f *testing.F) { fuzz(f, (*Receiver).API, documented) }

func FuzzApp(f *testing.F) { fuzz(f, (*Receiver).App, good) }

// fuzz checks that any body gets an answer that adds up, and that a single
// event is not accepted unless encoding/json finds it valid too.
func fuzz(f *testing.F, handler func(*Receiver) http.Handler, event string) {
	for _, seed := range []string{
		event, "[" + event + "," + event + "]", event + "\n{\n" + event, event + "}" + event, "[1,{", `{"a":"\u12`, "[]", "",
		`{"a":[[[{"b":"\\"}]]]}`, event[:len(event)-1] + `,"loss":"NaN","x":1e999,"y":-0.0}`,
	} {
		f.Add(seed, "")
	}
	f.Add(string(gzipped([]byte(event))), "gzip")
	f.Add(zstded(f, event), "zstd")
	h := handler(newBench(f, func(o *Options) { o.MaxDecoded = 1 << 20 }).receiver)
	f.Fuzz(func(t *testing.T, body, encoding string) {
		req := httptest.NewRequestWithContext(t.Context(), http.MethodPost, "/", strings.NewReader(body))
		req.Header.Set("Content-Encoding", encoding)
		w := httptest.NewRecorder()
		h.ServeHTTP(w, req)
		var a answered
		if err := json.Unmarshal(w.Body.Bytes(), &a); err != nil {
			t.Fatalf("the answer is not JSON: %v\n%s", err, w.Body)
		}
		if a.Success != (w.Code == http.StatusOK) || a.Success != (a.Error.Code == "") {
			t.Errorf("success %t and error %q with status %d", a.Success, a.Error.Code, w.Code)
		}
		if len(a.Errors)+a.Omitted != a.Rejected {
			t.Errorf("%d errors listed and %d omitted for %d rejected", len(a.Errors), a.Omitted, a.Rejected)
		}
		if encoding != "" {
			return
		}
		if a.Success && a.Accepted == 1 && a.Rejected == 0 && !json.Valid([]byte(body)) {
			t.Errorf("accepted what is not JSON: %q", body)
		}
		var elements []json.RawMessage
		if json.Unmarshal([]byte(body), &elements) == nil && strings.HasPrefix(strings.TrimSpace(body), "[") && w.Code != http.StatusRequestEntityTooLarge {
			if a.Accepted+a.Rejected != len(elements) {
				t.Errorf("%d accepted and %d rejected of %d elements", a.Accepted, a.Rejected, len(elements))
			}
		}
	})
}
