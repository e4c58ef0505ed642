package alert

import "time"

// acknowledge is what becomes of an alert, and what is owed, when somebody
// takes care of it. Nothing changes where somebody already does: ok is false.
// The alert must not be resolved.
func acknowledge(a Alert, ack Ack) (t Transition, owed []Notification, ok bool) {
	if a.Ack != nil && !a.Ack.expired(ack.At) {
		return Transition{}, nil, false
	}
	d := &draft{Transition: Transition{Alert: a}}
	d.Alert.Ack = &ack
	d.Alert.Status = Acknowledged
	text := ack.Comment
	if !ack.ExpiresAt.IsZero() {
		text += " (until " + ack.ExpiresAt.Format(time.RFC3339) + ")"
	}
	d.change(ack.At, Event{Kind: EventAcknowledged, By: ack.By, Text: text})
	pl := &planner{now: ack.At}
	pl.withdraw(d, "acknowledged while the rate limit held it back")
	pl.owe([]*draft{d}, KindAcknowledged, a.Channels, false)
	for i := range pl.notifications {
		pl.notifications[i].By, pl.notifications[i].Comment = ack.By, ack.Comment
	}

	return d.Transition, pl.notifications, true
}

// beginAgain forgets who knows of the firing before: its end was told, and so
// all are told anew, and asked to act.
func (a *Alert) beginAgain() {
	a.Ack = nil
	a.WaitingSince, a.EscalatedAt, a.DeliveredAt = time.Time{}, time.Time{}, time.Time{}
	a.Status = a.firingStatus()
}

// deliverEnd is what becomes of an alert when a channel accepts the news of its
// end, which was owed at that time. The alert may fire again meanwhile: then all
// that were told of the end have to hear of it. ok is false where nothing changes.
func deliverEnd(a Alert, owedAt, now time.Time) (t Transition, ok bool) {
	switch {
	case a.Status == Resolved && !a.EndToldAt.IsZero(), a.Status != Resolved && a.NotifiedAt.After(owedAt):
		return Transition{}, false
	case a.Status != Resolved:
		a.beginAgain()
		a.Quiet = true
	}
	a.EndToldAt, a.UpdatedAt = now, now

	return Transition{Alert: a}, true
}

// deliver is what becomes of an alert when a channel first accepts the news
// that it fires; ok is false where one had done so before.
func deliver(a Alert, now time.Time) (t Transition, ok bool) {
	if !a.DeliveredAt.IsZero() {
		return Transition{}, false
	}
	a.DeliveredAt = now
	if a.Status != Resolved {
		a.Status = a.firingStatus()
	}
	a.UpdatedAt = now

	return Transition{Alert: a}, true
}
