// Package heartbeat is a dead man's switch: it calls an address at a steady pace
// while all is well, so that whoever listens there notices when it ends. It is
// for what no alert can tell of: that the alerts themselves do not work.
//
// It must not know what "well" means.
package heartbeat

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/url"
	"time"

	"llmwatch/bridge/notify"
)

// Outcome is what became of one beat.
type Outcome string

// The outcomes.
const (
	Sent     Outcome = "sent"
	Failed   Outcome = "failed"   // The address did not answer 2xx.
	Withheld Outcome = "withheld" // Not all was well.
)

// timeout bounds one call.
const timeout = 10 * time.Second

// Heart says whom to call, when, and under which condition.
type Heart struct {
	// URL is called with GET. Who knows it can keep the switch from going off, so
	// it is a secret as a whole.
	URL notify.Secret
	// Every is the time between two calls.
	Every time.Duration
	// Well says what is wrong, nil when nothing is.
	Well func(ctx context.Context) error
	// Beaten is told of each outcome; may be nil.
	Beaten func(Outcome)
	Logger *slog.Logger
}

// CheckURL says what is wrong with an address.
func CheckURL(address notify.Secret) error {
	u, err := url.Parse(string(address))
	if err != nil || (u.Scheme != "https" && u.Scheme != "http") || u.Host == "" {
		return errors.New("must be the address to call, such as https://hc-ping.com/<uuid>")
	}

	return nil
}

// Run beats until the context ends: first after Every, because a start that
// fails must not look like life. Changes are logged, not each beat.
func (h *Heart) Run(ctx context.Context) error {
	client, err := notify.NewClient("", timeout)
	if err != nil {
		return err
	}
	tick := time.NewTicker(h.Every)
	defer tick.Stop()
	last := Sent
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
		}
		outcome, err := h.beat(ctx, client)
		switch {
		case ctx.Err() != nil:
			return nil
		case outcome != last && err != nil:
			h.Logger.WarnContext(ctx, "the heartbeat has stopped", "outcome", string(outcome), "err", err)
		case outcome != last:
			h.Logger.InfoContext(ctx, "the heartbeat goes on")
		}
		last = outcome
		if h.Beaten != nil {
			h.Beaten(outcome)
		}
	}
}

func (h *Heart) beat(ctx context.Context, client *http.Client) (Outcome, error) {
	ctx, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()
	if err := h.Well(ctx); err != nil {
		return Withheld, err
	}
	scrub := notify.NewScrubber(notify.URLSecrets(string(h.URL))...)
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, string(h.URL), http.NoBody)
	if err != nil {
		return Failed, scrub.Error("make the request", err)
	}
	req.Header.Set("User-Agent", "llmwatch")
	resp, err := client.Do(req)
	if err != nil {
		return Failed, scrub.Error("call the heartbeat address", err)
	}
	defer resp.Body.Close()
	if resp.StatusCode/100 != 2 {
		return Failed, fmt.Errorf("the heartbeat address answered %s", resp.Status)
	}

	return Sent, nil
}
