package bridge

import (
	"context"
	"net/http"
	"sync"
	"time"

	"llmwatch/bridge/alert"
	"llmwatch/bridge/metrics"
)

// sampleCheck is how often it is looked for a sample that is due.
const sampleCheck = time.Second

// reconnect is after how long clients come back when a stream breaks.
const reconnect = 2 * time.Second

// The events of the stream.
const (
	eventHello  = "hello"
	eventAlert  = "alert"
	eventSample = "sample"
)

type helloView struct {
	Timestamp metrics.Time `json:"timestamp"`
	Version   string       `json:"version"`
}

type sampleView struct {
	Timestamp metrics.Time `json:"timestamp"`
}

// events tells of each change of an alert and of each new sample.
func (s *server) events(w http.ResponseWriter, r *http.Request) error {
	return s.stream(w, r, func(stream *eventStream) error { return s.tell(r.Context(), stream) })
}

func (s *server) tell(ctx context.Context, stream *eventStream) error {
	changes, cancel := s.Alerts.Subscribe()
	defer cancel()
	if err := stream.retry(reconnect); err != nil {
		return err
	}
	if err := stream.send(eventHello, "", helloView{metrics.Time{Time: s.Now()}, s.Version}); err != nil {
		return err
	}
	known := s.samples.newest(ctx, s)
	check := time.NewTimer(s.untilSample(known))
	defer check.Stop()
	beat := time.NewTicker(heartbeat)
	defer beat.Stop()
	for {
		var err error
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-s.Stopping:
			return nil
		case a := <-changes:
			var text []byte
			if text, err = s.changes.text(a); err == nil {
				err = stream.write(text)
			}
		case <-check.C:
			if newest := s.samples.newest(ctx, s); newest.After(known) {
				known = newest
				err = stream.send(eventSample, "", sampleView{metrics.Time{Time: newest}})
			}
			check.Reset(s.untilSample(known))
		case <-beat.C:
			err = stream.beat()
		}
		if err != nil {
			return err
		}
	}
}

// untilSample is how long to wait until a sample after the newest can be there.
func (s *server) untilSample(newest time.Time) time.Duration {
	return min(max(newest.Add(s.Interval).Sub(s.Now()), sampleCheck), s.Interval)
}

// sampleWatch remembers when the newest sample was taken, so that all streams
// together ask the metrics server once a second at most.
type sampleWatch struct {
	mu    sync.Mutex // Guards the fields below, and is held while asking.
	asked time.Time
	at    time.Time
}

// newest returns the time of the newest sample that is known. A server that does
// not answer has no new ones.
func (w *sampleWatch) newest(ctx context.Context, s *server) time.Time {
	w.mu.Lock()
	defer w.mu.Unlock()
	if now := s.Now(); now.Sub(w.asked) >= sampleCheck || w.asked.IsZero() {
		// Others share the answer, so this caller's departure must not spoil it.
		ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), sampleTimeout)
		defer cancel()
		if at, err := s.Metrics.Newest(ctx); err == nil && at.After(w.at) {
			w.at = at
		}
		w.asked = now
	}

	return w.at
}

// sampleTimeout bounds the question for the newest sample.
const sampleTimeout = 5 * time.Second

// changesKept is how many texts are kept: streams that lag further behind than this
// make theirs anew.
const changesKept = 32

// changeTexts are the events of alerts that changed, which all streams send alike.
type changeTexts struct {
	mu   sync.Mutex // Guards the fields below.
	kept [changesKept]changeText
	next int
}

type changeText struct {
	of   *alert.Alert
	text []byte
}

// text returns the event of a change. It must not be changed.
func (c *changeTexts) text(a *alert.Alert) ([]byte, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for i := range c.kept {
		if c.kept[i].of == a {
			return c.kept[i].text, nil
		}
	}
	text, err := eventText(eventAlert, "", viewAlert(a, nil))
	if err != nil {
		return nil, err
	}
	c.kept[c.next] = changeText{a, text}
	c.next = (c.next + 1) % changesKept

	return text, nil
}
