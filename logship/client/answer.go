package client

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/cenkalti/backoff/v5"

	"llmwatch/logship"
)

// maxAnswerBytes bounds what is read of an answer.
const maxAnswerBytes = 1 << 20

// answer is what a server says of a batch.
type answer struct {
	Success   bool   `json:"success"`
	Accepted  uint64 `json:"accepted"`
	Rejected  uint64 `json:"rejected"`
	Duplicate bool   `json:"duplicate"`
	Errors    []struct {
		Line  int    `json:"line"`
		Error string `json:"error"`
	} `json:"errors"`
}

// errNotKept is an answer of success that is not of a server of logs.
var errNotKept = errors.New("the answer does not say that the batch is kept; is it an llmwatch?")

// settle makes an answer into what Deliver returns, or an error after which to try
// again. Only what can never succeed is given up: a wrong token or a path that is
// not there are mended by people, and the logs wait for them in their files.
func (c *Client) settle(b logship.Batch, resp *http.Response, text []byte) error {
	switch resp.StatusCode {
	case http.StatusOK:
		return c.kept(b, text)
	case http.StatusRequestEntityTooLarge:
		return fmt.Errorf("%w: %s", logship.ErrTooLarge, describe(resp, text))
	case http.StatusBadRequest, http.StatusUnsupportedMediaType:
		return fmt.Errorf("%w: %s", logship.ErrRefused, describe(resp, text))
	}
	err := errors.New(describe(resp, text))
	if wait := retryAfter(resp.Header.Get("Retry-After"), time.Now()); wait > 0 {
		return fmt.Errorf("%w: %w", err, &backoff.RetryAfterError{Duration: wait})
	}

	return err
}

func (c *Client) kept(b logship.Batch, text []byte) error {
	var a answer
	if err := json.Unmarshal(text, &a); err != nil || !a.Success {
		return errNotKept
	}
	c.count(func(s *Stats) {
		s.Accepted += a.Accepted
		s.Rejected += a.Rejected
		if a.Duplicate {
			s.Duplicate++
		}
	})
	if a.Rejected > 0 {
		first := ""
		if len(a.Errors) > 0 {
			first = fmt.Sprintf("line %d: %s", a.Errors[0].Line, a.Errors[0].Error)
		}
		c.log.Warn("the server rejected log entries", "batch", b.Number, "entries", a.Rejected, "first", first)
	}

	return nil
}

// describe says what a server answered, in its own words if it has any.
func describe(resp *http.Response, text []byte) string {
	var failed struct {
		Error struct {
			Message string `json:"message"`
		} `json:"error"`
	}
	if json.Unmarshal(text, &failed) == nil && failed.Error.Message != "" {
		return failed.Error.Message + " (" + resp.Status + ")"
	}
	if location := resp.Header.Get("Location"); location != "" {
		return "the server answered " + resp.Status + " to " + location
	}

	return "the server answered " + resp.Status
}

// retryAfter reads the header of that name: seconds, or a date.
func retryAfter(value string, now time.Time) time.Duration {
	value = strings.TrimSpace(value)
	wait := time.Duration(0)
	if seconds, err := strconv.ParseUint(value, 10, 31); err == nil {
		wait = time.Duration(seconds) * time.Second
	} else if at, err := http.ParseTime(value); err == nil {
		wait = at.Sub(now)
	}

	return max(0, min(wait, maxRetryAfter))
}
