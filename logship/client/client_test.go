package client

import (
	"bytes"
	"context"
	"encoding/pem"
	"errors"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/klauspost/compress/gzip"
	"github.com/klauspost/compress/zstd"
	"go.uber.org/goleak"

	"llmwatch/logship"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const (
	kept  = `{"success": true, "accepted": 2, "rejected": 0, "errors": []}`
	lines = "{\"message\":\"a\"}\n{\"message\":\"b\"}\n"
)

var batch = logship.Batch{Client: "host-1", Number: 7, Lines: []byte(lines)}

// asked is a request as a server saw it.
type asked struct {
	path   string
	header http.Header
	body   string
}

func decoded(t *testing.T, r *http.Request) string {
	t.Helper()

	reader := io.Reader(r.Body)
	var err error
	switch r.Header.Get("Content-Encoding") {
	case Gzip:
		reader, err = gzip.NewReader(r.Body)
	case Zstd:
		decoder, failed := zstd.NewReader(r.Body)
		if err = failed; err == nil {
			defer decoder.Close()
		}
		reader = decoder
	}
	if err != nil {
		t.Error(err)

		return ""
	}
	text, err := io.ReadAll(reader)
	if err != nil {
		t.Error(err)
	}

	return string(text)
}

// serve answers every request with text, and tells of the last one.
func serve(t *testing.T, text string) (*httptest.Server, *asked) {
	t.Helper()

	last := &asked{}
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		*last = asked{r.Method + " " + r.URL.Path, r.Header, decoded(t, r)}
		_, _ = io.WriteString(w, text) // The client sees what is missing.
	}))
	t.Cleanup(server.Close)

	return server, last
}

func newClient(t *testing.T, options Options) *Client {
	t.Helper()

	c, err := New(options)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.Close)

	return c
}

func TestDeliverSendsANumberedBatch(t *testing.T) {
	for _, compression := range []string{"", Zstd, Gzip, None} {
		t.Run(compression, func(t *testing.T) {
			server, last := serve(t, kept)
			c := newClient(t, Options{URL: server.URL + "/", Token: "t0ken", Compression: compression})
			for range 2 { // Memory is used again.
				if err := c.Deliver(t.Context(), batch); err != nil {
					t.Fatal(err)
				}
				if last.body != lines || last.path != "POST /api/v1/monitoring/logs" {
					t.Errorf("the server got %s with %q", last.path, last.body)
				}
			}
			for name, want := range map[string]string{"Llmwatch-Client": "host-1", "Llmwatch-Batch": "7", "Authorization": "Bearer t0ken"} {
				if got := last.header.Get(name); got != want {
					t.Errorf("%s is %q, want %q", name, got, want)
				}
			}
			if s := c.Stats(); s.Accepted != 4 || s.Requests != 2 || s.Retries != 0 {
				t.Errorf("%+v", s)
			}
		})
	}
}

func TestTheTokenFileIsReadForEachBatch(t *testing.T) {
	server, last := serve(t, kept)
	path := filepath.Join(t.TempDir(), "token")
	var c *Client
	for i, token := range []string{"one", "two"} {
		if err := os.WriteFile(path, []byte(token+"\n"), 0o600); err != nil {
			t.Fatal(err)
		}
		if c == nil {
			c = newClient(t, Options{URL: server.URL, TokenFile: path})
		}
		if err := c.Deliver(t.Context(), batch); err != nil {
			t.Fatal(err)
		}
		if got := last.header.Get("Authorization"); got != "Bearer "+token {
			t.Errorf("attempt %d had %q", i, got)
		}
	}
}

func TestACertificateAuthorityOfOnesOwn(t *testing.T) {
	server := httptest.NewTLSServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, kept) }))
	t.Cleanup(server.Close)
	path := filepath.Join(t.TempDir(), "ca.pem")
	text := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: server.Certificate().Raw})
	if err := os.WriteFile(path, text, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := newClient(t, Options{URL: server.URL, CAFile: path}).Deliver(t.Context(), batch); err != nil {
		t.Error(err)
	}
}

func TestBatchesGoToNobodyElse(t *testing.T) {
	elsewhere := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		t.Errorf("another server got %s %s with %v", r.Method, r.URL, r.Header)
	}))
	t.Cleanup(elsewhere.Close)
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	attempts := 0
	here := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if attempts++; attempts > 1 {
			cancel() // The first has come to nothing, and is repeated.
		}
		http.Redirect(w, r, elsewhere.URL+"/stolen", http.StatusPermanentRedirect)
	}))
	t.Cleanup(here.Close)
	c := newClient(t, Options{URL: here.URL, Token: "t0ken"})
	if err := c.Deliver(ctx, batch); err == nil || c.Stats().Accepted != 0 {
		t.Errorf("a redirect gives %v, %+v", err, c.Stats())
	}
}

// script answers requests one by one without a network, and notes when they came.
type script struct {
	t       *testing.T
	answers []scripted
	at      []time.Time
	bodies  []string
}

type scripted struct {
	status int // 0 is a broken connection.
	body   string
	header map[string]string
}

// RoundTrip implements http.RoundTripper.
func (s *script) RoundTrip(r *http.Request) (*http.Response, error) {
	s.at = append(s.at, time.Now())
	s.bodies = append(s.bodies, r.Header.Get(BatchHeader)+" "+decoded(s.t, r))
	if len(s.answers) == 0 {
		s.t.Error("there was one request too many")

		return nil, errors.New("no answer left")
	}
	a := s.answers[0]
	if len(s.answers) > 1 {
		s.answers = s.answers[1:]
	}
	if a.status == 0 {
		return nil, io.ErrUnexpectedEOF
	}
	resp := &http.Response{
		StatusCode: a.status, Status: http.StatusText(a.status), Header: http.Header{},
		Body: io.NopCloser(strings.NewReader(a.body)), Request: r,
	}
	for name, value := range a.header {
		resp.Header.Set(name, value)
	}

	return resp, nil
}

func scriptedClient(t *testing.T, answers ...scripted) (*Client, *script) {
	t.Helper()

	c := newClient(t, Options{URL: "http://example.com"})
	s := &script{t: t, answers: answers}
	c.http.Transport = s

	return c, s
}

func TestDeliverRepeatsTheSameBatchUntilItIsKept(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ok := scripted{200, kept, nil}
		var answers []scripted
		for _, status := range []int{0, 408, 429, 500, 502, 503, 504, 401, 403, 404, 301} {
			answers = append(answers, scripted{status: status})
		}
		answers = append(answers, scripted{200, "<html>sign in</html>", nil}, scripted{200, `{"success": false}`, nil}, ok)
		c, s := scriptedClient(t, answers...)
		if err := c.Deliver(t.Context(), batch); err != nil {
			t.Fatal(err)
		}
		if len(s.bodies) != len(answers) {
			t.Errorf("%d requests, want %d", len(s.bodies), len(answers))
		}
		for _, body := range s.bodies {
			if body != "7 "+lines {
				t.Errorf("a request was %q", body)
			}
		}
		for i := 1; i < len(s.at); i++ {
			if wait := s.at[i].Sub(s.at[i-1]); wait <= 0 || wait > maxDelay*3/2 {
				t.Errorf("attempt %d came after %s", i, wait)
			}
		}
		if last := s.at[len(s.at)-1].Sub(s.at[len(s.at)-2]); last < maxDelay/2 {
			t.Errorf("the last attempt came after %s: the time between two should have grown", last)
		}
	})
}

func TestDeliverWaitsAsLongAsTheServerAsks(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		date := time.Now().Add(90 * time.Second).UTC().Format(http.TimeFormat)
		c, s := scriptedClient(t,
			scripted{429, "", map[string]string{"Retry-After": "40"}},
			scripted{503, "", map[string]string{"Retry-After": date}},
			scripted{503, "", map[string]string{"Retry-After": "86400"}},
			scripted{200, kept, nil})
		if err := c.Deliver(t.Context(), batch); err != nil {
			t.Fatal(err)
		}
		for i, want := range []time.Duration{40 * time.Second, 50 * time.Second, maxRetryAfter} {
			if wait := s.at[i+1].Sub(s.at[i]); wait < want-time.Second || wait > want {
				t.Errorf("attempt %d came after %s, want %s", i+1, wait, want)
			}
		}
	})
}

func TestDeliverGivesUpWhatCanNeverBeKept(t *testing.T) {
	for status, want := range map[int]error{400: logship.ErrRefused, 415: logship.ErrRefused, 413: logship.ErrTooLarge} {
		c, s := scriptedClient(t, scripted{status, `{"success":false,"error":{"code":"x","message":"why not"}}`, nil})
		err := c.Deliver(t.Context(), batch)
		if !errors.Is(err, want) || !strings.Contains(err.Error(), "why not") || len(s.at) != 1 {
			t.Errorf("%d: %v after %d attempts", status, err, len(s.at))
		}
	}
}

func TestDeliverEndsWithItsContext(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c, _ := scriptedClient(t, scripted{status: 503})
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		begin := time.Now()
		err := c.Deliver(ctx, batch)
		if !errors.Is(err, context.DeadlineExceeded) || time.Since(begin) != time.Minute {
			t.Errorf("it ended with %v after %s", err, time.Since(begin))
		}
	})
}

func TestDuplicatesAndRejectionsAreCounted(t *testing.T) {
	var log bytes.Buffer
	c, _ := scriptedClient(t, scripted{200, `{"success":true,"accepted":0,"duplicate":true}`, nil},
		scripted{200, `{"success":true,"accepted":1,"rejected":1,"errors":[{"line":2,"error":"too deep"}]}`, nil})
	c.log = slog.New(logship.NewHandler(&log, logship.HandlerOptions{}))
	for range 2 {
		if err := c.Deliver(t.Context(), batch); err != nil {
			t.Fatal(err)
		}
	}
	if s := c.Stats(); s.Duplicate != 1 || s.Accepted != 1 || s.Rejected != 1 {
		t.Errorf("%+v", s)
	}
	if !strings.Contains(log.String(), "line 2: too deep") {
		t.Errorf("the log is %s", log.String())
	}
}

func TestOptionsAreChecked(t *testing.T) {
	for want, options := range map[string]Options{
		"like http://127.0.0.1:5000": {URL: "localhost:5000"},
		`got "http://x?y"`:           {URL: "http://x?y"},
		"zstd or none":               {URL: "http://x", Compression: "lz4"},
		"where one is wanted":        {URL: "http://x", Token: "a", TokenFile: "b"},
		"read token":                 {URL: "http://x", TokenFile: "/nowhere/token"},
		"is empty":                   {URL: "http://x", TokenFile: os.DevNull},
		"read certificates":          {URL: "http://x", CAFile: "/nowhere/ca"},
		"holds none":                 {URL: "http://x", CAFile: os.DevNull},
	} {
		if _, err := New(options); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("got %v, want %s", err, want)
		}
	}
}

func FuzzRetryAfter(f *testing.F) {
	f.Add("120")
	f.Add("Wed, 21 Oct 2026 07:28:00 GMT")
	f.Fuzz(func(t *testing.T, value string) {
		if wait := retryAfter(value, time.Now()); wait < 0 || wait > maxRetryAfter {
			t.Errorf("%q asks for %s", value, wait)
		}
	})
}
