package app

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"llmwatch/bridge"
	"llmwatch/bridge/alert"
	"llmwatch/bridge/metrics"
)

// channelView is a notification channel as /status shows it. Where it leads is
// not for everybody who may look.
type channelView struct {
	Name         string       `json:"name"`
	LastAccepted metrics.Time `json:"last_accepted"`
	LastFailed   metrics.Time `json:"last_failed"`
	// LastError is what was said at LastFailed.
	LastError string `json:"last_error"`
	// DownSince is since when the channel cannot deliver, HeldUntil until when
	// nothing is tried on it; Partly says why it does not reach all recipients.
	DownSince metrics.Time `json:"down_since"`
	HeldUntil metrics.Time `json:"held_until"`
	Partly    string       `json:"partly"`
	// Pending counts what is owed and not delivered.
	Pending int `json:"pending"`
}

// check says which channels do not deliver, without the words of their receivers:
// health is for everybody.
func (al *alerting) check() bridge.Check {
	return bridge.Check{Name: "notifications", Run: func() error {
		var wrong []string
		states := al.manager.Channels()
		for _, name := range slices.Sorted(maps.Keys(states)) {
			switch s := states[name]; {
			case !s.DownSince.IsZero():
				wrong = append(wrong, trouble(name, s))
			case s.Partly != "":
				wrong = append(wrong, "channel "+name+" does not reach all its recipients ("+s.Partly+")")
			}
		}
		if len(wrong) == 0 {
			return nil
		}

		return errors.New(strings.Join(wrong, "; "))
	}}
}

// trouble says since when a channel does not deliver, and why.
func trouble(name string, s alert.ChannelState) string {
	text := "channel " + name + " cannot deliver since " + s.DownSince.UTC().Format(time.RFC3339)
	if s.Reason != "" {
		text += " (" + s.Reason + ")"
	}

	return text
}

// component shows the notification channels on /status. Something is wrong with
// one whose newest attempt failed.
func (al *alerting) component() bridge.Component {
	ctx, cancel := context.WithTimeout(context.Background(), collectTimeout)
	defer cancel()
	c := bridge.Component{Name: "notifications", Running: true, Since: metrics.Time{Time: al.started}}
	var wrong []string
	backlog, err := al.store.Backlog(ctx)
	if err != nil {
		wrong = append(wrong, fmt.Sprintf("reading the alert database: %v", err))
	}
	pending := 0
	for _, n := range backlog { // Channels that are configured no more included.
		pending += n
	}
	states := al.manager.Channels()
	channels := make([]channelView, 0, len(states))
	for _, name := range slices.Sorted(maps.Keys(states)) {
		s := states[name]
		channels = append(channels, channelView{
			Name: name, LastAccepted: metrics.Time{Time: s.LastAccepted}, LastFailed: metrics.Time{Time: s.LastFailed}, LastError: s.LastError,
			DownSince: metrics.Time{Time: s.DownSince}, HeldUntil: metrics.Time{Time: s.HeldUntil}, Partly: s.Partly, Pending: backlog[name],
		})
		if s.LastAccepted.After(c.LastSuccess.Time) {
			c.LastSuccess.Time = s.LastAccepted
		}
		if s.LastFailed.After(s.LastAccepted) {
			wrong = append(wrong, name+": "+s.LastError)
		}
	}
	c.LastError = strings.Join(wrong, "; ")
	c.Details = map[string]any{"channels": channels, "pending": pending}

	return c
}
