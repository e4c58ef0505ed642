package main

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"time"
)

// testTimeout is longer than the timeout of any channel may be.
const testTimeout = 6 * time.Minute

// clientTimeout is the default of --timeout.
const clientTimeout = 30 * time.Second

type notifyCmd struct {
	Test notifyTestCmd `cmd:"" help:"Send one test notification and say what the server answered."`
}

type notifyTestCmd struct {
	Channel string `arg:"" optional:"" help:"email, slack, webhook or one of notifications.channels; all of them unless given."`
	clientFlags
}

// Help is shown by `llmwatch notify test --help`.
func (notifyTestCmd) Help() string {
	return `Examples:
  llmwatch notify test
  llmwatch notify test email`
}

// Run sends, and fails where a channel did not accept.
func (c *notifyTestCmd) Run(ctx context.Context, out output) error {
	var answer struct {
		Data []struct {
			Channel  string `json:"channel"`
			Accepted bool   `json:"accepted"`
			Answer   string `json:"answer"`

			HeldUntil time.Time `json:"held_until"`
			Pending   int       `json:"pending"`
		} `json:"data"`
	}
	if c.Timeout == clientTimeout { // Each channel has a timeout of its own.
		c.Timeout = testTimeout
	}
	ask := map[string]string{"channel": c.Channel}
	if printed, err := c.call(ctx, out, http.MethodPost, "/notifications/test", ask, &answer); printed || err != nil {
		return err
	}
	if len(answer.Data) == 0 {
		return errors.New("no notification channel is enabled; see llmwatch serve --help")
	}
	refused := false
	for _, r := range answer.Data {
		verdict := "accepted"
		if !r.Accepted {
			verdict, refused = "NOT accepted", true
		}
		fmt.Fprintf(out.stdout, "%s: %s: %s\n", r.Channel, verdict, r.Answer)
		if !r.HeldUntil.IsZero() {
			then := ""
			if r.Accepted {
				then = ", and are sent now"
			}
			fmt.Fprintf(out.stdout, "%s: was held back until %s; %d notifications waited%s\n", r.Channel, r.HeldUntil.Format(time.RFC3339), r.Pending, then)
		}
	}
	if refused {
		return errors.New("a channel did not accept the test notification")
	}

	return nil
}
