package heartbeat

import (
	"bytes"
	"context"
	"errors"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"

	"llmwatch/bridge/notify"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// every is short: these tests use real sockets and so the real clock.
const every = 5 * time.Millisecond

// world is what a heart beats in.
type world struct {
	mu     sync.Mutex
	wrong  error
	status int
	beats  int
	log    bytes.Buffer
	seen   chan Outcome
}

func (w *world) set(change func()) {
	w.mu.Lock()
	defer w.mu.Unlock()
	change()
}

func (w *world) Write(p []byte) (int, error) {
	w.mu.Lock()
	defer w.mu.Unlock()

	return w.log.Write(p)
}

// beating runs a heart until the test ends.
func beating(t *testing.T) *world {
	t.Helper()

	w := &world{status: http.StatusOK, seen: make(chan Outcome)}
	server := httptest.NewServer(http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
		w.set(func() {
			if r.Method != http.MethodGet || r.URL.Path != "/canary" {
				t.Errorf("it calls %s %s", r.Method, r.URL)
			}
			w.beats++
			rw.WriteHeader(w.status)
		})
	}))
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error)
	heart := &Heart{
		URL: notify.Secret(server.URL + "/canary"), Every: every, Logger: slog.New(slog.NewTextHandler(w, nil)),
		Well: func(context.Context) (err error) {
			w.set(func() { err = w.wrong })
			return err
		},
		Beaten: func(o Outcome) {
			select {
			case w.seen <- o:
			case <-ctx.Done():
			}
		},
	}
	go func() { done <- heart.Run(ctx) }()
	t.Cleanup(func() {
		cancel()
		if err := <-done; err != nil {
			t.Error(err)
		}
		server.Close()
	})

	return w
}

// until waits for an outcome. One of before may still be under way.
func (w *world) until(t *testing.T, want Outcome) {
	t.Helper()

	var got []Outcome
	for len(got) < 3 && !slices.Contains(got, want) {
		select {
		case o := <-w.seen:
			got = append(got, o)
		case <-time.After(10 * time.Second):
			t.Fatal("it does not beat")
		}
	}
	if !slices.Contains(got, want) {
		t.Fatalf("the outcomes are %v, want %s", got, want)
	}
}

func TestItBeatsWhileAllIsWell(t *testing.T) {
	w := beating(t)
	w.until(t, Sent)
	w.set(func() { w.wrong = errors.New("the disk is full") })
	w.until(t, Withheld)
	var before int
	w.set(func() { before = w.beats })
	w.until(t, Withheld)
	w.set(func() {
		if w.beats != before {
			t.Error("it beats while something is wrong")
		}
		w.wrong = nil
	})
	w.until(t, Sent)
	w.set(func() { w.status = http.StatusInternalServerError })
	w.until(t, Failed)
	w.until(t, Failed)
	w.set(func() {
		log := w.log.String()
		if n := strings.Count(log, "the heartbeat has stopped"); n != 2 || !strings.Contains(log, "the disk is full") ||
			!strings.Contains(log, "500") || strings.Count(log, "the heartbeat goes on") != 1 {
			t.Errorf("it logs\n%s", log)
		}
	})
}

func TestTheAddressIsNeverTold(t *testing.T) {
	server := httptest.NewServer(http.NotFoundHandler())
	server.Close()
	h := &Heart{URL: notify.Secret(server.URL + "/canary"), Well: func(context.Context) error { return nil }}
	client, err := notify.NewClient("", timeout)
	if err != nil {
		t.Fatal(err)
	}
	outcome, err := h.beat(t.Context(), client)
	if outcome != Failed || err == nil || strings.Contains(err.Error(), "canary") {
		t.Errorf("%s, %v", outcome, err)
	}
}

func TestItCallsNobodyElse(t *testing.T) {
	elsewhere := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		t.Errorf("another server is called: %s %s with %v", r.Method, r.URL, r.Header)
	}))
	t.Cleanup(elsewhere.Close)
	here := httptest.NewServer(http.RedirectHandler(elsewhere.URL+"/stolen", http.StatusFound))
	t.Cleanup(here.Close)
	h := &Heart{URL: notify.Secret(here.URL + "/canary"), Well: func(context.Context) error { return nil }}
	client, err := notify.NewClient("", timeout)
	if err != nil {
		t.Fatal(err)
	}
	if outcome, err := h.beat(t.Context(), client); outcome != Failed || err == nil || !strings.Contains(err.Error(), "302") {
		t.Errorf("%s, %v", outcome, err)
	}
}

func TestCheckURL(t *testing.T) {
	for address, good := range map[notify.Secret]bool{"https://hc-ping.com/x": true, "http://a/": true, "hc-ping.com/x": false, "ftp://a/": false, "": false} {
		if err := CheckURL(address); (err == nil) != good {
			t.Errorf("%s: %v", string(address), err)
		}
	}
}
