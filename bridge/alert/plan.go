package alert

import (
	"math"
	"slices"
	"strconv"
	"time"
)

// Policy says whom to tell of alerts, and how often.
type Policy struct {
	// Channels are told that alerts fire.
	Channels []string
	// MaxPerHour bounds the notifications of firing alerts (first ones,
	// reminders, escalations and digests) in any rolling hour; one that goes to
	// several channels counts once. It holds back no critical alert, and others
	// only for a few minutes, until a digest. 0 means no bound.
	MaxPerHour int
	// EscalateAfter is how long people may leave an alert unacknowledged after
	// they were told, until EscalateTo is told too. 0 means for ever.
	EscalateAfter time.Duration
	EscalateTo    []string
	// SendResolved tells those who were told of a firing of its end.
	SendResolved bool
	// GroupAbove is how many notifications of a kind one moment may owe to a
	// channel; more become one digest. 0 means 20.
	GroupAbove int
}

// History tells when notifications that count against the rate limit were owed
// in the last hour, in any order.
type History []time.Time

// Decision is what is owed now.
type Decision struct {
	// Changes are the alerts that change by being told of, or by not being told
	// of. Version is that of the alert handed to Plan.
	Changes       []Transition
	Notifications []Notification
}

// maxDigestAlerts bounds the alerts that a digest holds in full.
const maxDigestAlerts = 50

const defaultGroupAbove = 20

// digestAfter is how long the rate limit holds a notification back at most, and
// so the shortest time between two digests that it does not allow.
const digestAfter = 3 * time.Minute

// Plan tells which notifications alerts owe now, and why others are held back.
// alerts are all that are not resolved, and those resolved ones that may still
// owe their resolution; they stay untouched. What Plan decided is in the
// changed alerts, so that planning again at the same moment owes nothing.
//
//   - The first notification of a firing comes at once, reminders one cooldown
//     after the last one while nobody acknowledges. After a flap the first one
//     comes at once where people were told of the end, and else with the cooldown.
//   - Escalation comes once a firing, to its own channels.
//   - What the rate limit does not allow is held, but for critical alerts. As
//     soon as it allows one more, and after digestAfter in any case, everything
//     held comes in one digest.
//   - A resolution goes to the channels that were told of the firing, whatever
//     the rate limit says.
func Plan(alerts []Alert, p Policy, sent History, now time.Time) Decision {
	pl := newPlanner(p, sent, now)
	for i := range alerts {
		pl.classify(&alerts[i])
	}
	pl.escalate()
	pl.releaseHeld()
	pl.tellFirst()
	pl.remind()
	pl.tellResolved()

	return Decision{Changes: changed(pl.drafts), Notifications: pl.notifications}
}

// planner sorts alerts by what they owe, each list the gravest alert first.
type planner struct {
	policy Policy
	now    time.Time
	// budget is how many more notifications the rate limit allows.
	budget int

	drafts                                       []*draft
	first, reminders, held, escalation, resolved []*draft
	notifications                                []Notification
}

func newPlanner(p Policy, sent History, now time.Time) *planner {
	if p.GroupAbove == 0 {
		p.GroupAbove = defaultGroupAbove
	}
	now = stamp(now)
	// A channel named twice is told once.
	p.Channels, p.EscalateTo = union(nil, p.Channels), union(nil, p.EscalateTo)
	budget := math.MaxInt
	if p.MaxPerHour > 0 {
		budget = p.MaxPerHour
		for _, at := range sent {
			if at.After(now.Add(-time.Hour)) {
				budget--
			}
		}
	}

	return &planner{policy: p, now: now, budget: max(budget, 0)}
}

// classify notes what an alert owes. Only alerts that owe something are copied: of
// many thousands that fire, few do.
func (pl *planner) classify(a *Alert) {
	if a.Status == Resolved || a.Ack != nil {
		pl.classifySettled(a)

		return
	}
	var in []*[]*draft
	if pl.escalationDue(a) {
		in = append(in, &pl.escalation)
	}
	switch {
	case len(pl.policy.Channels) == 0 || !pl.tellDue(a):
	case a.Held && a.Severity != Critical:
		in = append(in, &pl.held)
	case a.NotifiedAt.IsZero() || a.Quiet:
		in = append(in, &pl.first)
	default:
		in = append(in, &pl.reminders)
	}
	if len(in) == 0 {
		return
	}
	d := pl.draft(a)
	for _, list := range in {
		*list = append(*list, d)
	}
}

// classifySettled notes what an alert owes that has ended or is acknowledged.
func (pl *planner) classifySettled(a *Alert) {
	owesEnd := a.Status == Resolved && !a.Quiet && len(a.Channels) > 0
	if !owesEnd && !a.Held {
		return
	}
	d := pl.draft(a)
	if owesEnd {
		pl.resolved = append(pl.resolved, d)
	}
	if a.Status == Resolved {
		pl.withdraw(d, "resolved while the rate limit held it back")
	} else {
		pl.withdraw(d, "acknowledged while the rate limit held it back")
	}
}

func (pl *planner) withdraw(d *draft, why string) {
	if d.Alert.Held {
		d.Alert.Held = false
		d.change(pl.now, Event{Kind: EventWithdrawn, Text: why})
	}
}

// draft begins the next state of an alert.
func (pl *planner) draft(a *Alert) *draft {
	d := &draft{Transition: Transition{Alert: *a}}
	pl.drafts = append(pl.drafts, d)

	return d
}

// Who was told of an alert's end is told at once that it fires again, as often as
// freeFlaps, and from then on at most once in flapSpacing.
const (
	freeFlaps   = 3
	flapSpacing = time.Minute
)

// tellDue says whether people may be told now that the alert fires: at once if
// they think that it ended, and else when the cooldown is over.
func (pl *planner) tellDue(a *Alert) bool {
	if !a.EndToldAt.IsZero() {
		return a.Flaps <= freeFlaps || !a.NotifiedAt.Add(flapSpacing).After(pl.now)
	}

	return a.NotifiedAt.IsZero() || !a.CooldownEnd().After(pl.now)
}

func (pl *planner) escalationDue(a *Alert) bool {
	return pl.policy.EscalateAfter > 0 && len(pl.policy.EscalateTo) > 0 && a.EscalatedAt.IsZero() &&
		!a.WaitingSince.IsZero() && !a.WaitingSince.Add(pl.policy.EscalateAfter).After(pl.now)
}

// grouped says whether n notifications at once must become a digest, because
// nobody reads so many.
func (pl *planner) grouped(n int) bool { return n > pl.policy.GroupAbove && pl.policy.GroupAbove > 0 }

// escalate tells the channels of the escalation; where the rate limit allows
// fewer notifications than alerts, the others in a digest.
func (pl *planner) escalate() {
	ds := pl.withoutHeld(pl.escalation)
	to := pl.policy.EscalateTo
	for _, d := range ds {
		d.Alert.EscalatedAt = pl.now
		d.Alert.Channels = union(d.Alert.Channels, to)
		d.Alert.Held = d.Alert.Held && pl.tellDue(&d.Alert)
		d.change(pl.now, Event{Kind: EventEscalated})
	}
	pl.tell(ds, KindEscalation, to)
}

// releaseHeld tells of everything held in one digest, once the rate limit has
// room or the first of it has waited for digestAfter.
func (pl *planner) releaseHeld() {
	if len(pl.held) == 0 || (pl.budget == 0 && !pl.heldLongEnough(pl.held)) {
		return
	}
	byGravity(pl.held)
	kind := KindDigest
	if len(pl.held) == 1 {
		if kind = KindReminder; pl.held[0].Alert.NotifiedAt.IsZero() || pl.held[0].Alert.Quiet {
			kind = KindFiring
		}
	}
	for _, d := range pl.held {
		pl.told(d)
	}
	pl.tell(pl.held, kind, pl.policy.Channels)
}

// tellFirst tells that alerts fire: critical ones, and others one by one as far
// as the rate limit allows.
func (pl *planner) tellFirst() {
	byGravity(pl.first)
	n := urgent(pl.first)
	allowed := n + min(len(pl.first)-n, max(pl.budget-n, 0))
	if pl.grouped(allowed) {
		allowed = len(pl.first)
	}
	pl.hold(pl.first[allowed:])
	for _, d := range pl.first[:allowed] {
		pl.told(d)
	}
	pl.tell(pl.first[:allowed], KindFiring, pl.policy.Channels)
}

// remind tells that alerts fire still; where the rate limit allows fewer
// notifications than alerts, in a digest.
func (pl *planner) remind() {
	ds := pl.withoutHeld(pl.reminders)
	for _, d := range ds {
		pl.told(d)
	}
	pl.tell(ds, KindReminder, pl.policy.Channels)
}

// withoutHeld sorts the drafts, and holds those back for which the rate limit has
// no room at all: none of the critical ones, and none once they have waited for
// digestAfter.
func (pl *planner) withoutHeld(ds []*draft) []*draft {
	byGravity(ds)
	n := urgent(ds)
	if rest := ds[n:]; pl.budget-n <= 0 && !pl.heldLongEnough(rest) {
		pl.hold(rest)

		return ds[:n]
	}

	return ds
}

// urgent counts the critical alerts, with which a sorted list begins. No rate
// limit holds them back.
func urgent(ds []*draft) int {
	n := 0
	for n < len(ds) && ds[n].Alert.Severity == Critical {
		n++
	}

	return n
}

// heldLongEnough says whether one of the alerts has waited for digestAfter. One
// that is held without a time was held before times were kept.
func (pl *planner) heldLongEnough(ds []*draft) bool {
	return slices.ContainsFunc(ds, func(d *draft) bool {
		return d.Alert.Held && !d.Alert.HeldSince.Add(digestAfter).After(pl.now)
	})
}

// hold leaves a notification to the next digest.
func (pl *planner) hold(ds []*draft) {
	for _, d := range ds {
		if !d.Alert.Held {
			d.Alert.Held, d.Alert.HeldSince = true, pl.now
			d.change(pl.now, Event{
				Kind: EventHeldRate,
				Text: "more than " + strconv.Itoa(pl.policy.MaxPerHour) + " notifications in an hour",
			})
		}
	}
}

// told marks that the channels are told that the alert fires.
func (pl *planner) told(d *draft) {
	a := &d.Alert
	a.NotifiedAt = pl.now
	if a.WaitingSince.IsZero() {
		a.WaitingSince = pl.now
	}
	if a.Quiet {
		a.Channels = nil // Those who were told of its end are told anew, or not at all.
	}
	a.Held, a.Quiet, a.EndToldAt = false, false, time.Time{}
	a.Channels = union(a.Channels, pl.policy.Channels)
	d.change(pl.now)
}

// tellResolved tells of the end, each channel of those alerts that it was told
// of before.
func (pl *planner) tellResolved() {
	byGravity(pl.resolved)
	byChannel := map[string][]*draft{}
	var channels []string
	for _, d := range pl.resolved {
		d.Alert.Quiet = true
		d.change(pl.now)
		for _, c := range d.Alert.Channels {
			if byChannel[c] == nil {
				channels = append(channels, c)
			}
			byChannel[c] = append(byChannel[c], d)
		}
	}
	if !pl.policy.SendResolved {
		return
	}
	for _, c := range channels {
		pl.owe(byChannel[c], KindResolved, []string{c}, pl.grouped(len(byChannel[c])))
	}
}

// tell owes notifications that count against the rate limit, of sorted alerts.
// The caller has made sure that the limit has room, or does not hold.
func (pl *planner) tell(ds []*draft, kind Kind, channels []string) {
	if len(ds) == 0 {
		return
	}
	if kind == KindDigest || pl.grouped(len(ds)) {
		pl.spend(1)
		pl.owe(ds, kind, channels, true)

		return
	}
	n := urgent(ds)
	pl.spend(n)
	pl.owe(ds[:n], kind, channels, false)
	if rest := ds[n:]; len(rest) > max(pl.budget, 1) {
		pl.spend(1)
		pl.owe(rest, kind, channels, true)
	} else {
		pl.spend(len(rest))
		pl.owe(rest, kind, channels, false)
	}
}

func (pl *planner) spend(n int) { pl.budget = max(pl.budget-n, 0) }

// owe makes the notifications of alerts that have already changed: one for each
// or one digest of all, for each channel.
func (pl *planner) owe(ds []*draft, kind Kind, channels []string, digest bool) {
	if digest {
		pl.oweDigest(ds, kind, channels)

		return
	}
	for _, d := range ds {
		for _, c := range channels {
			pl.notifications = append(pl.notifications, notification(&d.Alert, kind, c, pl.now))
			d.change(pl.now, Event{Kind: EventQueued, Channel: c, Text: string(kind)})
		}
	}
}

func (pl *planner) oweDigest(ds []*draft, kind Kind, channels []string) {
	n := notification(&ds[0].Alert, kind, "", pl.now)
	n.Kind, n.Total = KindDigest, len(ds)
	n.Alerts, n.AlertIDs = nil, make([]string, len(ds))
	text := string(kind) + ", with " + strconv.Itoa(len(ds)) + " alerts in one message"
	for i, d := range ds {
		n.AlertIDs[i] = d.Alert.ID
		if i < maxDigestAlerts {
			n.Alerts = append(n.Alerts, d.Alert)
		}
		for _, c := range channels {
			d.change(pl.now, Event{Kind: EventDigested, Channel: c, Text: text})
		}
	}
	base := n.Key
	for _, c := range channels {
		n.Key, n.Channel = base+c, c
		pl.notifications = append(pl.notifications, n)
	}
}

// notification makes one of one alert. The version that the alert is about to
// get tells it apart from others of its kind.
func notification(a *Alert, kind Kind, channel string, now time.Time) Notification {
	return Notification{
		Key:      a.ID + "/" + string(kind) + "/" + strconv.FormatInt(a.Version+1, 10) + "/" + channel,
		Channel:  channel,
		Kind:     kind,
		Alerts:   []Alert{*a},
		AlertIDs: []string{a.ID},
		OwedAt:   now,
	}
}

// union is a and those of b that it lacks, in a slice of its own.
func union(a, b []string) []string {
	all := slices.Clone(a)
	for _, s := range b {
		if !slices.Contains(all, s) {
			all = append(all, s)
		}
	}

	return all
}
