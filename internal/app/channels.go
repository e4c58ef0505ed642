package app

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"

	"llmwatch/bridge"
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
	// Pending counts what is owed and not delivered.
	Pending int `json:"pending"`
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
		channels = append(channels, channelView{name, metrics.Time{Time: s.LastAccepted}, metrics.Time{Time: s.LastFailed}, s.LastError, backlog[name]})
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
