package alert

import "time"

const (
	// maxPushEnd bounds how far ahead a push can put the end of an alert.
	maxPushEnd = 31 * 24 * time.Hour
	// doubt is how long an alert goes on after a push that says that it ended, where
	// it is not known whether that is the only sender: of two servers that evaluate
	// the same rules one may have lost sight of what the other one still sees.
	doubt = 15 * time.Second
)

// seePushed takes in one alert of a push.
func (r *reconciler) seePushed(s *Seen, identity string) {
	open, closed := r.open[identity], r.closed[identity]
	end := s.EndsAt
	if end.IsZero() {
		end = r.now.Add(r.opts.PushTimeout)
	}
	if latest := r.now.Add(maxPushEnd); end.After(latest) {
		end = latest
	}
	end = stamp(end)
	switch ended := !end.After(r.now); {
	case ended && open != nil:
		// The end of an earlier firing may be told late, after the next one.
		if !end.Before(open.Alert.StartsAt) {
			r.endSaid(open, s)
		}
	case ended:
	case open != nil:
		r.renew(open, s, end)
	case closed != nil && closed.Alert.CooldownEnd().After(r.now):
		if !r.room.takes(0, size(s.Annotations)-size(closed.Alert.Annotations)) {
			return
		}
		r.reopen(closed, s)
		r.heard(&closed.Alert, s.Sender, end)
		r.open[identity] = closed
	case r.room.takes(1, size(s.Labels)+size(s.Annotations)):
		r.heard(&r.fire(s, identity).Alert, s.Sender, end)
	}
}

// heard notes until when a sender says that the alert fires.
func (r *reconciler) heard(a *Alert, sender string, end time.Time) {
	a.Senders, a.HeardAt, a.EndSaid = a.Senders.with(sender, end, r.now), r.now, false
	a.EndsAt = a.Senders.latest()
}

// renew lets a firing alert follow its sender. It waits for refreshEvery, unless
// the alert would end in that time, or the sender is a new one.
func (r *reconciler) renew(d *draft, s *Seen, end time.Time) {
	a := &d.Alert
	until, known := a.Senders.until(s.Sender)
	// A source may also bring the end forward.
	if end.Before(until) {
		until = end
	}
	soon := r.now.Add(refreshEvery)
	if known && until.After(soon) && a.UpdatedAt.After(r.now.Add(-refreshEvery)) {
		return
	}
	if r.room.takes(0, size(s.Annotations)-size(a.Annotations)) {
		r.follow(d, s)
	}
	if until, _ := a.Senders.until(s.Sender); !until.Equal(end) {
		r.heard(a, s.Sender, end)
		d.change(r.now)
	}
}

// endSaid handles a push that says that the alert has ended. It ends at once
// where that was the only one that said that it fires. A sender that never said
// so ends nothing; one that cannot be told apart from others ends it after a
// time in which nobody says otherwise.
func (r *reconciler) endSaid(d *draft, s *Seen) {
	a := &d.Alert
	_, known := a.Senders.until(s.Sender)
	others := a.Senders.without(s.Sender).at(r.now)
	switch {
	case s.Sender == "" && len(a.Senders) > 0:
		r.endSoon(d)
	case len(others) > 0 && !known:
	case len(others) > 0:
		a.Senders, a.EndsAt = others, others.latest()
		d.change(r.now, Event{Kind: EventEndSaid, Text: s.Sender + " says that it has ended; another sender still says that it fires"})
	default:
		r.end(d, Ending{Kind: EndedResolved, Text: "the source says that it has ended"})
	}
}

// endSoon has the alert end unless somebody says soon that it fires.
func (r *reconciler) endSoon(d *draft) {
	a := &d.Alert
	if a.EndSaid {
		return
	}
	a.Senders, a.EndSaid = a.Senders.endingBy(r.now.Add(doubt)), true
	a.EndsAt = a.Senders.latest()
	d.change(r.now, Event{
		Kind: EventEndSaid,
		Text: "the source says that it has ended; it ends unless somebody says within " + doubt.String() + " that it fires",
	})
}

// expirePushed ends a pushed alert at its end.
func (r *reconciler) expirePushed(d *draft) {
	a := &d.Alert
	switch {
	case a.EndsAt.After(r.now):
	case a.EndSaid:
		r.end(d, Ending{Kind: EndedResolved, Text: "the source says that it has ended"})
	case !r.listened():
	default:
		text := "not reported any more"
		if a.Origin.Source == SourceWebhook {
			text = "no longer reported by Alertmanager"
		}
		if !a.HeardAt.IsZero() {
			text += ", last heard of at " + a.HeardAt.Format(time.RFC3339)
		}
		r.end(d, Ending{Kind: EndedStale, Text: text + "; whether it still holds is not known"})
	}
}

// listened reports whether everybody who pushes had the time to push since pushes are
// received: that somebody did not while nobody listened says nothing.
func (r *reconciler) listened() bool {
	since := r.opts.ListeningSince

	return since.IsZero() || !r.now.Before(since.Add(r.opts.PushTimeout))
}
