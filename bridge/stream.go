package bridge

import (
	"encoding/json"
	"fmt"
	"net/http"
	"strconv"
	"time"
)

// Bounds of event streams.
const (
	maxStreams = 500
	// heartbeat is how often a silent stream shows that it lives, so that
	// neither side takes a dead connection for a quiet one.
	heartbeat = 15 * time.Second
	// sendTimeout is how long a client may take to read what it is sent.
	sendTimeout = 10 * time.Second
)

// eventStream writes server-sent events, in the form of the HTML standard. It is
// for one goroutine.
type eventStream struct {
	w       http.ResponseWriter
	control *http.ResponseController
}

// stream answers with an event stream: run sends until the client goes or the
// program stops, which ends the request's context. HEAD gets the headers alone.
func (s *server) stream(w http.ResponseWriter, r *http.Request, run func(*eventStream) error) error {
	if route := exchangeOf(r.Context()).route; s.Access != nil && !Endless(route) {
		panic(route + " is not among the endless routes of bridge/access.go, and would outlive its caller's rights")
	}
	if s.streams.Add(1) > maxStreams {
		s.streams.Add(-1)
		w.Header().Set("Retry-After", "30")

		return &Error{http.StatusServiceUnavailable, CodeTooMany, fmt.Sprintf("there are already %d event streams open; close some", maxStreams)}
	}
	defer s.streams.Add(-1)

	h := w.Header()
	h.Set("Content-Type", "text/event-stream")
	h.Set("Cache-Control", "no-store")
	h.Set("X-Accel-Buffering", "no") // Reverse proxies would hold events back.
	w.WriteHeader(http.StatusOK)
	if r.Method == http.MethodHead {
		return nil
	}
	// What fails from here on is the connection: the answer has begun, and there
	// is nobody to tell.
	_ = run(&eventStream{w, http.NewResponseController(w)})

	return nil
}

// send sends one event. An empty id leaves the client's last one as it is.
func (e *eventStream) send(event, id string, data any) error {
	message, err := eventText(event, id, data)
	if err != nil {
		return err
	}

	return e.write(message)
}

// eventText is one event as it is sent.
func eventText(event, id string, data any) ([]byte, error) {
	text, err := json.Marshal(data)
	if err != nil {
		return nil, err
	}
	message := make([]byte, 0, len(text)+64)
	message = append(append(append(message, "event: "...), event...), '\n')
	if id != "" {
		message = append(append(append(message, "id: "...), id...), '\n')
	}

	return append(append(append(message, "data: "...), text...), "\n\n"...), nil
}

// retry tells the client after how long to come back when the stream breaks.
func (e *eventStream) retry(after time.Duration) error {
	return e.write([]byte("retry: " + strconv.FormatInt(after.Milliseconds(), 10) + "\n\n"))
}

// beat sends a comment, which clients pass over.
func (e *eventStream) beat() error { return e.write([]byte(":\n\n")) }

func (e *eventStream) write(message []byte) error {
	// Where the connection knows no deadline, the server's own bounds hold.
	_ = e.control.SetWriteDeadline(time.Now().Add(sendTimeout))
	if _, err := e.w.Write(message); err != nil {
		return err
	}

	return e.control.Flush()
}
