package alert

import (
	"maps"
	"math"
	"time"
)

// DefaultCooldown is the cooldown of an alert where neither its rule nor the
// configuration gives one.
const DefaultCooldown = 30 * time.Minute

// defaultPushTimeout is Alertmanager's resolve_timeout.
const defaultPushTimeout = 5 * time.Minute

// refreshEvery is how often an alert's value and annotations follow the source.
// It stays below a minute so that a check interval of one always refreshes.
const refreshEvery = 50 * time.Second

// Options are what Reconcile needs to know beyond the alerts.
type Options struct {
	// DefaultCooldown is for alerts without an annotation `cooldown` that holds
	// a positive duration. 0 means the constant of that name.
	DefaultCooldown time.Duration
	// PushTimeout is when an alert ends that is pushed without an end. 0 means
	// 5 minutes.
	PushTimeout time.Duration
	// LastNumber returns the highest Number of the alerts with this IDBase, 0
	// where there is none. Reconcile asks once for each base. nil means that
	// there are no alerts but the previous ones.
	LastNumber func(base string) int
	// ListeningSince is since when pushes are received without a gap. Until
	// PushTimeout later no pushed alert ends for want of a push. Zero is for ever.
	ListeningSince time.Time
	// Push bounds what a principal may push.
	Push PushLimits
	// Refused is told once of what Push did not allow, nil for nobody.
	Refused func(*TooManyError)
}

// Transition is one alert's step to its next state.
type Transition struct {
	// Alert is the new state. Its Version is still the one that the step was
	// made from, 0 for a new alert: Store compares it and adds one.
	Alert  Alert
	Events []Event
}

// Reconcile tells how the alerts change with what a source says now. previous
// holds all alerts that are not resolved and those resolved ones whose
// CooldownEnd is still to come; it stays untouched. What did not change has no
// transition. Transitions come in the order of previous, new alerts after them
// in the order of the snapshot. Of two alerts with the same labels in one
// snapshot the later one counts.
//
// An alert fired when its condition had held for the rule's duration, where
// both are known, and else now; never later than now, and never before the
// resolution of the alert with the same labels that it follows.
func Reconcile(previous []Alert, s Snapshot, now time.Time, o Options) []Transition {
	r := newReconciler(previous, now, o)
	r.missing = s.Missing
	r.origin = s.Origin
	if r.origin.Kind == "" {
		r.origin.Kind = FromPush
		if s.Complete {
			r.origin.Kind = FromRule
		}
	}
	r.room = roomOf(previous, r.origin, o.Push)
	identities := make([]string, len(s.Alerts))
	last := make(map[string]int, len(s.Alerts))
	for i := range s.Alerts {
		identities[i] = r.origin.Identity(s.Alerts[i].Labels)
		// Several senders in one push each say their own; of one the last word counts.
		last[identities[i]+"\xff"+s.Alerts[i].Sender] = i
	}
	seen := make(map[string]bool, len(s.Alerts))
	for i := range s.Alerts {
		seen[identities[i]] = true
		if last[identities[i]+"\xff"+s.Alerts[i].Sender] == i {
			r.see(&s.Alerts[i], identities[i])
		}
	}
	for _, d := range r.drafts {
		if !seen[d.identity] {
			r.miss(d, s.Complete)
		}
	}
	if r.room.refused != nil && o.Refused != nil {
		o.Refused(r.room.refused)
	}

	return changed(r.drafts)
}

// Expire tells how the alerts change with time alone: pushed ones that were not
// pushed again end, and so do acknowledgements.
func Expire(previous []Alert, now time.Time, o Options) []Transition {
	return Reconcile(previous, Snapshot{}, now, o)
}

// draft is a transition that may yet turn out to change nothing.
type draft struct {
	Transition
	identity string // Empty where nobody asked for it.
	changed  bool
}

// change marks the alert as changed, and notes events that befell it.
func (d *draft) change(now time.Time, events ...Event) {
	for _, e := range events {
		e.AlertID = d.Alert.ID
		if e.At.IsZero() {
			e.At = now
		}
		d.Events = append(d.Events, e)
	}
	d.Alert.UpdatedAt = now
	d.changed = true
}

// changed returns the transitions of the drafts that changed. They are counted
// first: to let the slice grow would cost several times what it holds.
func changed(drafts []*draft) []Transition {
	n := 0
	for _, d := range drafts {
		if d.changed {
			n++
		}
	}
	if n == 0 {
		return nil
	}
	ts := make([]Transition, 0, n)
	for _, d := range drafts {
		if d.changed {
			ts = append(ts, d.Transition)
		}
	}

	return ts
}

// reconciler holds what one Reconcile knows while it goes through a snapshot.
type reconciler struct {
	now     time.Time
	opts    Options
	origin  Origin // Who says what is looked at.
	room    *room  // What that one has left.
	missing func(*Alert) Verdict
	drafts  []*draft
	open    map[string]*draft   // By identity, not resolved.
	closed  map[string]*draft   // By identity, the one resolved last.
	numbers map[string]int      // By IDBase, the last one given.
	pushed  map[string][]*draft // Open ones by name, nil until somebody asks.
}

func newReconciler(previous []Alert, now time.Time, o Options) *reconciler {
	if o.DefaultCooldown <= 0 {
		o.DefaultCooldown = DefaultCooldown
	}
	if o.PushTimeout <= 0 {
		o.PushTimeout = defaultPushTimeout
	}
	r := &reconciler{
		now: stamp(now), opts: o,
		drafts:  make([]*draft, len(previous)),
		open:    make(map[string]*draft, len(previous)),
		closed:  map[string]*draft{},
		numbers: map[string]int{},
	}
	for i := range previous {
		d := &draft{Transition: Transition{Alert: previous[i]}, identity: previous[i].Identity()}
		r.drafts[i] = d
		a := &d.Alert
		if a.Status != Resolved {
			r.open[d.identity] = d
			r.expireAck(d)
		} else if c := r.closed[d.identity]; c == nil || c.Alert.ResolvedAt.Before(a.ResolvedAt) {
			r.closed[d.identity] = d
		}
		if o.LastNumber == nil {
			base := IDBase(a.Name, a.FiredAt)
			r.numbers[base] = max(r.numbers[base], a.Number())
		}
	}

	return r
}

// The bounds of what RFC 3339 can write, and so of what a source can make us
// store.
var (
	firstMoment = time.Date(1, 1, 1, 0, 0, 0, 0, time.UTC)
	lastMoment  = time.Date(9999, 12, 31, 23, 59, 59, 0, time.UTC)
)

// stamp brings a time to what can be stored and shown: milliseconds in UTC.
func stamp(t time.Time) time.Time {
	t = t.UTC().Truncate(time.Millisecond)
	switch {
	case t.Before(firstMoment):
		return firstMoment
	case t.After(lastMoment):
		return lastMoment
	default:
		return t
	}
}

// expired says whether the acknowledgement counts no more.
func (k *Ack) expired(now time.Time) bool {
	return k != nil && !k.ExpiresAt.IsZero() && !k.ExpiresAt.After(now)
}

func (r *reconciler) expireAck(d *draft) {
	a := &d.Alert
	if !a.Ack.expired(r.now) {
		return
	}
	a.Ack = nil
	a.Status = a.firingStatus()
	if !a.WaitingSince.IsZero() {
		a.WaitingSince = r.now
	}
	d.change(r.now, Event{Kind: EventAckExpired})
}

// see takes in one alert of a snapshot.
func (r *reconciler) see(s *Seen, identity string) {
	if r.origin.Kind == FromPush {
		r.seePushed(s, identity)

		return
	}
	open, closed := r.open[identity], r.closed[identity]
	if open == nil {
		open = r.takeOver(s, identity)
	}
	switch {
	case open != nil:
		r.refresh(open, s)
	case closed != nil && closed.Alert.CooldownEnd().After(r.now):
		r.reopen(closed, s)
	default:
		r.fire(s, identity)
	}
}

// miss handles an alert that the snapshot does not hold. Only the origin of an
// alert can end it.
func (r *reconciler) miss(d *draft, complete bool) {
	a := &d.Alert
	switch {
	case a.Status == Resolved:
	case a.Origin.Kind == FromPush:
		r.expirePushed(d)
	case complete && r.origin.Kind == FromRule && r.missing != nil:
		r.judge(d, r.missing(a))
	}
}

// refresh lets a firing alert of a rule follow it.
func (r *reconciler) refresh(d *draft, s *Seen) {
	a := &d.Alert
	r.judged(d)
	if a.RuleChange != nil && s.Evaluated.After(a.RuleChange.At) {
		a.RuleChange = nil
		d.change(r.now)
	}
	if a.Origin.Source != r.origin.Source {
		a.Origin.Source = r.origin.Source
		d.change(r.now)
	}
	if !a.UpdatedAt.After(r.now.Add(-refreshEvery)) {
		r.follow(d, s)
	}
}

// follow takes over what a source says about a firing alert, where that has
// changed.
func (r *reconciler) follow(d *draft, s *Seen) {
	a := &d.Alert
	value := finite(s.Value)
	if value == nil {
		value = a.Value // A push does not know it.
	}
	if sameValue(value, a.Value) && maps.Equal(s.Annotations, a.Annotations) && s.GeneratorURL == a.GeneratorURL && sameRule(s.Rule, a.Rule) {
		return
	}
	r.describe(a, s)
	a.Value = value
	d.change(r.now)
}

// reopen makes an alert that fires again inside its cooldown the same alert.
func (r *reconciler) reopen(d *draft, s *Seen) {
	a := &d.Alert
	a.ResolvedAt, a.Ending, a.RuleChange = time.Time{}, Ending{}, nil
	a.StartsAt = r.startsAt(s, r.now)
	a.Origin = r.origin
	a.Value = finite(s.Value)
	a.Flaps++
	r.describe(a, s)
	if a.EndToldAt.IsZero() {
		r.goOn(d)
	} else {
		a.beginAgain()
		d.change(r.now, Event{Kind: EventFlapped, Text: "fires again after its end was told"})
	}
	a.EndedAck = nil
	a.Status = a.firingStatus()
}

// goOn makes a flap that nobody was told of as if it had not been: the
// acknowledgement and the cooldown hold on.
func (r *reconciler) goOn(d *draft) {
	a := &d.Alert
	a.Quiet = false
	if !a.EndedAck.expired(r.now) {
		a.Ack = a.EndedAck
	}
	d.change(r.now, Event{Kind: EventFlapped, Text: "fires again inside its cooldown, before anybody was told of its end"})
	if a.DeliveredAt.IsZero() {
		// No channel has accepted the firing, and it was withdrawn for the news of
		// the end: the cooldown of a message that nobody got holds nothing back.
		a.NotifiedAt, a.WaitingSince = time.Time{}, time.Time{}
	}
	if !a.NotifiedAt.IsZero() && a.Ack == nil {
		d.change(r.now, Event{
			Kind: EventHeldCooldown,
			Text: "no notification before " + a.CooldownEnd().Format(time.RFC3339),
		})
	}
}

func (r *reconciler) fire(s *Seen, identity string) *draft {
	severity, _ := ParseSeverity(s.Labels[severityLabel])
	a := Alert{
		Fingerprint: Fingerprint(s.Labels),
		Name:        s.Labels[nameLabel],
		Severity:    severity,
		Status:      Triggered,
		Labels:      s.Labels,
		Value:       finite(s.Value),
		Origin:      r.origin,
		FiredAt:     r.firedAt(s, identity),
	}
	if a.Name == "" {
		a.Name = unnamed
	}
	a.StartsAt = r.startsAt(s, a.FiredAt)
	r.describe(&a, s)
	a.ID = r.nextID(IDBase(a.Name, a.FiredAt))
	d := &draft{Transition: Transition{Alert: a}, identity: identity}
	if a.StartsAt.Before(a.FiredAt) {
		d.change(r.now, Event{Kind: EventPending, At: a.StartsAt})
	}
	d.change(r.now, Event{Kind: EventFired, At: a.FiredAt, Text: a.Origin.String()})
	r.drafts = append(r.drafts, d)
	r.open[identity] = d

	return d
}

// describe takes over what the source says about an alert in words.
func (r *reconciler) describe(a *Alert, s *Seen) {
	a.Annotations = s.Annotations
	a.GeneratorURL = s.GeneratorURL
	if s.Rule != nil {
		a.Rule = s.Rule
	}
	a.Description = ""
	for _, key := range []string{"message", "summary", "description"} {
		if text := s.Annotations[key]; text != "" {
			a.Description = text
		}
	}
	a.Cooldown = r.opts.DefaultCooldown
	if a.Origin.Kind != FromRule {
		return // Who can push must not decide how seldom people are told.
	}
	if d, err := ParseDuration(s.Annotations["cooldown"]); err == nil && d > 0 {
		a.Cooldown = d
	}
}

func (r *reconciler) firedAt(s *Seen, identity string) time.Time {
	if s.For <= 0 || s.StartsAt.IsZero() {
		return r.now
	}
	at := stamp(s.StartsAt.Add(s.For))
	if c := r.closed[identity]; c != nil && at.Before(c.Alert.ResolvedAt) {
		at = c.Alert.ResolvedAt
	}
	if at.After(r.now) {
		return r.now
	}

	return at
}

// startsAt is when the condition began to hold, which is not after latest.
func (r *reconciler) startsAt(s *Seen, latest time.Time) time.Time {
	if at := stamp(s.StartsAt); !s.StartsAt.IsZero() && at.Before(latest) {
		return at
	}

	return latest
}

// nextID numbers the alerts of one name and day.
func (r *reconciler) nextID(base string) string {
	n, known := r.numbers[base]
	if !known && r.opts.LastNumber != nil {
		n = r.opts.LastNumber(base)
	}
	r.numbers[base] = n + 1

	return numberedID(base, n+1)
}

// finite drops values that JSON cannot hold.
func finite(v *float64) *float64 {
	if v == nil || math.IsNaN(*v) || math.IsInf(*v, 0) {
		return nil
	}

	return v
}

func sameValue(a, b *float64) bool {
	return a == b || (a != nil && b != nil && *a == *b)
}
