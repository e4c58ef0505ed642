package bridge

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"llmwatch/bridge/alert"
	"llmwatch/bridge/metrics"
)

// fakeAlerts is somebody who changes alerts.
type fakeAlerts struct {
	Alerts
	changes    chan *alert.Alert
	subscribed atomic.Int64
}

func (f *fakeAlerts) Subscribe() (<-chan *alert.Alert, func()) {
	f.subscribed.Add(1)

	return f.changes, func() { f.subscribed.Add(-1) }
}

// listening is a client that reads an event stream.
type listening struct {
	*httptest.ResponseRecorder
	lines  chan string
	cancel context.CancelFunc
	gone   chan struct{} // Closed once the handler has returned.
}

// Write hands on what is sent, line by line.
func (l *listening) Write(p []byte) (int, error) {
	for line := range strings.Lines(string(p)) {
		l.lines <- strings.TrimSuffix(line, "\n")
	}

	return len(p), nil
}

// listen opens a stream of a bridge whose clock is the real one, or the bubble's.
func listen(t *testing.T, opts Options, path string) *listening {
	t.Helper()

	ctx, cancel := context.WithCancel(t.Context())
	l := &listening{httptest.NewRecorder(), make(chan string, 1000), cancel, make(chan struct{})}
	s := &server{Options: opts}
	r := httptest.NewRequestWithContext(ctx, http.MethodGet, Base+path, http.NoBody)
	go func() {
		defer close(l.gone)
		if err := s.events(l, r); err != nil {
			t.Error(err)
		}
	}()

	return l
}

// next returns the name and data of the next event.
func (l *listening) next() (event, data string) {
	for line := range l.lines {
		switch name, value, _ := strings.Cut(line, ": "); name {
		case "event":
			event = value
		case "data":
			return event, value
		}
	}

	return "", ""
}

func TestEventsTellOfChangesAsTheyHappen(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		begin := time.Now()
		alerts := &fakeAlerts{changes: make(chan *alert.Alert)}
		var newest atomic.Int64
		newest.Store(begin.UnixNano())
		m := &fakeMetrics{newest: func() (time.Time, error) { return time.Unix(0, newest.Load()), nil }}
		l := listen(t, Options{Metrics: m, Alerts: alerts, Interval: interval, Now: time.Now, Version: "v1"}, "/events")

		if event, data := l.next(); event != eventHello || !strings.Contains(data, `"version":"v1"`) {
			t.Fatalf("the first event is %s %s", event, data)
		}
		alerts.changes <- &alert.Alert{ID: "a_20240115", Status: alert.Active, Annotations: map[string]string{"summary": "</script>\n"}}
		event, data := l.next()
		var got alertView
		if err := json.Unmarshal([]byte(data), &got); err != nil || event != eventAlert || got.ID != "a_20240115" {
			t.Errorf("a change is told as %s %s (%v)", event, data, err)
		}
		newest.Store(begin.Add(interval).UnixNano())
		event, data = l.next()
		if waited := time.Since(begin); event != eventSample || waited != interval {
			t.Errorf("a sample after %s is told after %s as %s %s", interval, waited, event, data)
		}

		l.cancel()
		<-l.gone
		if n := alerts.subscribed.Load(); n != 0 {
			t.Errorf("%d subscriptions are left behind", n)
		}
	})
}

func TestEventsOutliveAMetricsServerThatIsAway(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		begin := time.Now()
		m := &fakeMetrics{newest: func() (time.Time, error) {
			if time.Since(begin) < time.Minute {
				return time.Time{}, errors.Join(metrics.ErrUnavailable)
			}

			return time.Now(), nil
		}}
		l := listen(t, Options{Metrics: m, Alerts: &fakeAlerts{}, Interval: interval, Now: time.Now}, "/events")
		l.next()
		if event, _ := l.next(); event != eventSample {
			t.Errorf("the first event afterwards is %q", event)
		}
		if asked := m.asked.Load(); asked > 62 {
			t.Errorf("it was asked %d times in a minute", asked)
		}
		l.cancel()
		<-l.gone
	})
}

func TestSilentStreamsBeat(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := &fakeMetrics{newest: func() (time.Time, error) { return time.Time{}, nil }}
		stopping := make(chan struct{})
		l := listen(t, Options{Metrics: m, Alerts: &fakeAlerts{}, Interval: interval, Now: time.Now, Stopping: stopping}, "/events")
		l.next()
		<-l.lines // The empty line that ends the event.
		begin := time.Now()
		if line := <-l.lines; line != ":" || time.Since(begin) != heartbeat {
			t.Errorf("after %s of silence %q comes", time.Since(begin), line)
		}
		close(stopping)
		<-l.gone // The stream ends with the program.
	})
}

func TestStreamsAreBounded(t *testing.T) {
	b := put(t, &fakeMetrics{}, nil)
	outside := httptest.NewServer(b.handler)
	defer outside.Close()
	defer outside.CloseClientConnections()
	open := func(method string) *http.Response {
		r, err := http.NewRequestWithContext(t.Context(), method, outside.URL+Base+"/events", http.NoBody)
		if err != nil {
			t.Fatal(err)
		}
		resp, err := outside.Client().Do(r)
		if err != nil {
			t.Fatal(err)
		}

		return resp
	}
	for range maxStreams {
		resp := open(http.MethodGet)
		defer resp.Body.Close()
		if resp.StatusCode != http.StatusOK {
			t.Fatalf("a stream answers %d", resp.StatusCode)
		}
	}
	resp := open(http.MethodGet)
	resp.Body.Close()
	if resp.StatusCode != http.StatusServiceUnavailable || resp.Header.Get("Retry-After") == "" {
		t.Errorf("one more answers %d", resp.StatusCode)
	}
}

func TestHeadOfAStreamHasAnEnd(t *testing.T) {
	b := put(t, &fakeMetrics{}, nil)
	outside := httptest.NewServer(b.handler)
	defer outside.Close()
	resp, err := outside.Client().Head(outside.URL + Base + "/events")
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	if n, err := bufio.NewReader(resp.Body).ReadByte(); err == nil || resp.Header.Get("Content-Type") != "text/event-stream" {
		t.Errorf("HEAD answers %s and a body that begins with %d", resp.Header.Get("Content-Type"), n)
	}
}
