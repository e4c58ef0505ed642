package main

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"time"

	"llmwatch/internal/settings"
)

type logsTailCmd struct {
	logFilterFlags
	clientFlags
}

// Help is shown by `llmwatch logs tail --help`.
func (logsTailCmd) Help() string {
	return `Ends with an interrupt. A connection that breaks is made again, and what was
missed meanwhile comes first.
Examples:
  llmwatch logs tail
  llmwatch logs tail --level ERROR --logger 'api.*'
  llmwatch logs tail --json | jq .message`
}

const (
	firstReconnect = 250 * time.Millisecond
	lastReconnect  = 10 * time.Second
	// silence is after how long without a sign of life a connection counts as dead;
	// the server gives one every 15 seconds.
	silence = 45 * time.Second
	// maxEvent bounds one event: the longest entry with all that escaping adds.
	maxEvent = 8 << 20
)

// Run prints entries until it is interrupted.
func (c *logsTailCmd) Run(ctx context.Context, out output) error {
	t := &logTail{cmd: c, out: out, seen: map[string]bool{}}
	wait := firstReconnect
	for {
		began := time.Now()
		err := t.follow(ctx)
		if ctx.Err() != nil {
			return nil // Interrupted, which is how it ends.
		}
		var refused *refusedError
		if errors.As(err, &refused) || (t.last == "" && !t.connected) {
			return err
		}
		if time.Since(began) > lastReconnect {
			wait = firstReconnect
		}
		fmt.Fprintf(out.stderr, "llmwatch: %s; connecting again\n", settings.Public(err.Error()))
		select {
		case <-time.After(wait):
		case <-ctx.Done():
			return nil
		}
		wait = min(2*wait, lastReconnect)
	}
}

// refusedError is an answer that coming back does not change.
type refusedError struct{ error }

// logTail follows one stream over several connections.
type logTail struct {
	cmd       *logsTailCmd
	out       output
	connected bool
	last      string // Id of the last event.
	// seen are the entries that came with the last id: they come again when the
	// connection breaks before all that was missed has been sent.
	seen map[string]bool
}

// follow reads one connection to its end.
func (t *logTail) follow(ctx context.Context) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	q := t.cmd.query()
	url := strings.TrimSuffix(t.cmd.URL, "/") + "/api/v1/monitoring/logs/tail?" + q.Encode()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, url, http.NoBody)
	if err != nil {
		return fmt.Errorf("asking %s: %w", t.cmd.URL, err)
	}
	if t.last != "" {
		req.Header.Set("Last-Event-ID", t.last)
	}
	alive := time.AfterFunc(silence, cancel)
	defer alive.Stop()
	resp, err := t.cmd.do(req)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		text, _ := io.ReadAll(io.LimitReader(resp.Body, maxEvent)) // The status alone tells enough.
		err := answerError(url, resp.Status, text)
		if resp.StatusCode < http.StatusInternalServerError && resp.StatusCode != http.StatusTooManyRequests {
			return &refusedError{err}
		}

		return err
	}
	t.connected = true
	lines := bufio.NewScanner(resp.Body)
	lines.Buffer(make([]byte, 0, 64<<10), maxEvent)
	var id, name string
	for lines.Scan() {
		alive.Reset(silence)
		field, value, _ := strings.Cut(lines.Text(), ":")
		value = strings.TrimPrefix(value, " ")
		switch field {
		case "id":
			id = value
		case "event":
			name = value
		case "data":
			if err := t.event(id, name, value); err != nil {
				return err
			}
			id, name = "", ""
		}
	}
	if err := lines.Err(); err != nil {
		return fmt.Errorf("following %s: %w", t.cmd.URL, err)
	}

	return fmt.Errorf("%s has ended the stream", t.cmd.URL)
}

// event prints an entry that has not been printed.
func (t *logTail) event(id, name, data string) error {
	if name == "dropped" {
		var dropped struct {
			Count int `json:"count"`
		}
		if err := json.Unmarshal([]byte(data), &dropped); err != nil {
			return fmt.Errorf("reading an event of %s: %w", t.cmd.URL, err)
		}
		fmt.Fprintf(t.out.stderr, "llmwatch: too slow for %d entries, which are left out\n", dropped.Count)

		return nil
	}
	var entry struct {
		ID string `json:"_id"`
	}
	var line logLine
	if err := errors.Join(json.Unmarshal([]byte(data), &entry), json.Unmarshal([]byte(data), &line)); err != nil {
		return fmt.Errorf("reading an event of %s: %w", t.cmd.URL, err)
	}
	if id != t.last {
		t.last = id
		clear(t.seen)
	}
	if t.seen[entry.ID] {
		return nil
	}
	t.seen[entry.ID] = true
	text := data + "\n"
	if !t.cmd.JSON {
		text = line.format(0)
	}
	_, err := io.WriteString(t.out.stdout, text)

	return err
}
