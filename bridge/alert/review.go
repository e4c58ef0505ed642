package alert

import (
	"context"
	"slices"
	"time"
)

// review looks at a notification before it is tried: news that arrived too late
// to be of use are withdrawn in favour of newer ones, and the end of an alert that
// fires again is not told. It changes p where a part of it still holds.
func (m *Manager) review(ctx context.Context, p *Pending) (withdrawn bool, err error) {
	n := &p.Notification
	successor := ""
	if p.Attempts > 0 || n.Kind == KindResolved {
		if successor, err = m.conf.Store.Successor(ctx, *n); err != nil {
			return false, err
		}
	}
	o := Outcome{Key: n.Key, State: Withdrawn, Successor: successor}
	if successor != "" {
		o.Text = "newer news are due on this channel"
		// Who accepted a part of it knows.
		o.Progress.Untold = n.Progress.Untold || (n.Kind.begins() && n.TellsFiring() && len(n.Progress.Done) == 0)

		return true, m.withdraw(ctx, *n, o)
	}
	if n.Kind == KindChannelDown && m.channels.state(n.About).DownSince.IsZero() {
		o.Text = "that channel delivers again"

		return true, m.withdraw(ctx, *n, o)
	}
	if !n.tellsEnd() && (!n.TellsFiring() || p.Attempts == 0) {
		return false, nil
	}
	alerts, err := m.conf.Store.Alerts(ctx, n.AlertIDs)
	if err != nil {
		return false, err
	}
	if n.Kind == KindResolved && n.Progress.Untold && len(alerts) == 1 && alerts[0].Status != Resolved && alerts[0].Ack == nil {
		// It stands for the news of the firing, which never arrived here.
		n.Kind, n.Alerts = KindFiring, alerts

		return false, nil
	}
	if n.tellsEnd() && !n.keepEnded(alerts) {
		o.Text = "it fires again"

		return true, m.withdraw(ctx, *n, o)
	}
	if n.TellsFiring() && len(alerts) == 1 && len(n.AlertIDs) == 1 && alerts[0].Status == Resolved {
		// Nobody else tells of its end.
		n.Kind, n.Alerts, n.Progress.Untold = KindResolved, alerts, true
	}

	return false, nil
}

// begins says whether a notification of this kind may be the first that people
// hear of a firing.
func (k Kind) begins() bool { return k == KindFiring || k == KindEscalation || k == KindDigest }

// keepEnded drops the alerts that fire again, and says whether any are left.
func (n *Notification) keepEnded(current []Alert) bool {
	again := map[string]bool{}
	for i := range current {
		again[current[i].ID] = current[i].Status != Resolved
	}
	before := len(n.AlertIDs)
	n.AlertIDs = slices.DeleteFunc(slices.Clone(n.AlertIDs), func(id string) bool { return again[id] })
	n.Alerts = slices.DeleteFunc(slices.Clone(n.Alerts), func(a Alert) bool { return again[a.ID] })
	n.Total = max(n.Total-(before-len(n.AlertIDs)), 0)

	for i := 0; i < len(current) && len(n.Alerts) == 0; i++ { // They were beyond maxDigestAlerts.
		if current[i].Status == Resolved {
			n.Alerts = append(n.Alerts, current[i])
		}
	}

	return len(n.AlertIDs) > 0
}

// withdraw settles a notification without an attempt.
func (m *Manager) withdraw(ctx context.Context, n Notification, o Outcome) error {
	err := m.change(ctx, func(now time.Time) (Changes, error) {
		o.At = now

		return Changes{Outcomes: []Outcome{o}, Events: outcomeEvents(n, o)}, nil
	})
	if err == nil {
		m.tellOutcome(n, o)
	}

	return err
}
