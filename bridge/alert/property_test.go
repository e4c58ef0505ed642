package alert

import (
	"maps"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"
)

// promises knows what must hold of a world, from what it saw of it so far.
type promises struct {
	w      *world
	events int
	sent   int
	keys   map[string]bool
	// firedAt is when an alert was last told to fire, firedBy the key of that
	// without the channel; told the channels that know of a firing and not of
	// its end.
	firedAt map[string]time.Time
	firedBy map[string]string
	told    map[string]map[string]bool
	resumed map[string]int // Events that begin or reopen an alert.
	ended   map[string]int
	// held are the alerts that the rate limit held back since they were last told
	// of; plain is when notifications were owed for which it had to have room, by
	// their key without the channel.
	held  map[string]bool
	plain map[string]time.Time
	ends  map[string]time.Time // When the end of an alert was last owed.
}

func newPromises(w *world) *promises {
	return &promises{
		w: w, keys: map[string]bool{}, firedAt: map[string]time.Time{}, firedBy: map[string]string{},
		told: map[string]map[string]bool{}, resumed: map[string]int{}, ended: map[string]int{},
		held: map[string]bool{}, plain: map[string]time.Time{}, ends: map[string]time.Time{},
	}
}

// check fails the test where the last step broke a promise.
func (m *promises) check() {
	m.checkEvents()
	m.checkNotifications()
	m.checkAlerts()
	m.checkRate()
	if d := Plan(m.w.load(), m.w.policy, m.w.history, m.w.now); len(d.Changes)+len(d.Notifications) > 0 {
		m.w.t.Fatalf("planning twice changes %d alerts and owes %d notifications more", len(d.Changes), len(d.Notifications))
	}
}

func (m *promises) checkEvents() {
	for _, e := range m.w.events[m.events:] {
		switch e.Kind {
		case EventFired, EventFlapped:
			m.resumed[e.AlertID]++
			if a := m.w.alerts[e.AlertID]; e.Kind == EventFlapped && a.EndToldAt.IsZero() && !a.Quiet {
				m.know(e.AlertID, a.Channels) // The news of the end is withdrawn.
			}
		case EventResolved, EventStale, EventClosed:
			m.ended[e.AlertID]++
		case EventHeldRate:
			m.held[e.AlertID] = true
		default:
		}
		if m.resumed[e.AlertID]-m.ended[e.AlertID] > 1 || m.resumed[e.AlertID] < m.ended[e.AlertID] {
			m.w.t.Fatalf("%s began %d times and ended %d times", e.AlertID, m.resumed[e.AlertID], m.ended[e.AlertID])
		}
	}
	m.events = len(m.w.events)
}

func (m *promises) know(id string, channels []string) {
	if m.told[id] == nil {
		m.told[id] = map[string]bool{}
	}
	for _, c := range channels {
		m.told[id][c] = true
	}
}

func (m *promises) checkNotifications() {
	for _, n := range m.w.sent[m.sent:] {
		if m.keys[n.Key] {
			m.w.t.Fatalf("the key %s is used twice", n.Key)
		}
		m.keys[n.Key] = true
		if n.TellsFiring() && n.Kind != KindDigest && n.Alerts[0].Severity != Critical && !m.held[n.AlertIDs[0]] {
			m.plain[strings.TrimSuffix(n.Key, n.Channel)] = n.OwedAt
		}
		for _, id := range n.AlertIDs {
			m.checkOne(n, id)
		}
	}
	for _, n := range m.w.sent[m.sent:] {
		for _, id := range n.AlertIDs {
			m.held[id] = m.held[id] && m.w.alerts[id].Held
		}
	}
	m.sent = len(m.w.sent)
}

func (m *promises) checkOne(n Notification, id string) {
	a := m.w.alerts[id]
	m.know(id, nil)
	switch {
	case n.Kind == KindAcknowledged:
	case !n.TellsFiring():
		if !m.told[id][n.Channel] {
			m.w.t.Fatalf("%s: %s is told that it resolved, and was not told that it fired", id, n.Channel)
		}
		delete(m.told[id], n.Channel)
		m.ends[id] = n.OwedAt
	default:
		if a.Ack != nil || a.Status == Resolved {
			m.w.t.Fatalf("%s is told to fire although it is %s", id, a.Status)
		}
		m.told[id][n.Channel] = true
		base := strings.TrimSuffix(n.Key, n.Channel)
		if strings.Contains(n.Key, "/escalation/") || m.firedBy[id] == base {
			return // Not subject to the cooldown, or the same one on another channel.
		}
		m.firedBy[id] = base
		if last := m.firedAt[id]; last.After(n.OwedAt.Add(-a.Cooldown)) && m.ends[id].Before(last) {
			m.w.t.Fatalf("%s is told to fire %s after the last time, inside its cooldown of %s", id, n.OwedAt.Sub(last), a.Cooldown)
		}
		m.firedAt[id] = n.OwedAt
	}
}

func (m *promises) checkAlerts() {
	open := map[string]string{}
	for id, a := range m.w.alerts {
		if a.Status == Resolved {
			if a.Ack != nil || a.Held || len(m.told[id]) > 0 {
				m.w.t.Fatalf("%s is resolved: acknowledgement %v, held %v, not told of its end: %v", id, a.Ack, a.Held, m.told[id])
			}

			continue
		}
		if other, twice := open[a.Identity()]; twice {
			m.w.t.Fatalf("%s and %s are the same and are not resolved", id, other)
		}
		open[a.Identity()] = id
		if due := (&planner{now: m.w.now}).tellDue(&a); due && a.Ack == nil && !a.Held {
			m.w.t.Fatalf("%s is owed to people, and is neither told nor held", id)
		}
		if a.Held && (a.Severity == Critical || m.w.now.Sub(a.HeldSince) > digestAfter+propertyTick) {
			m.w.t.Fatalf("%s, of severity %s, is held back for %s", id, a.Severity, m.w.now.Sub(a.HeldSince))
		}
		if a.Status != a.firingStatus() {
			m.w.t.Fatalf("%s is %s, want %s", id, a.Status, a.firingStatus())
		}
	}
}

// checkRate wants the rate limit to bound what is neither critical nor told
// because it has been held for long enough.
func (m *promises) checkRate() {
	if m.w.policy.MaxPerHour == 0 {
		return
	}
	inWindow := 0
	for _, at := range m.plain {
		if at.After(m.w.now.Add(-time.Hour)) {
			inWindow++
		}
	}
	if inWindow > m.w.policy.MaxPerHour {
		m.w.t.Fatalf("%d notifications in an hour, want %d at most", inWindow, m.w.policy.MaxPerHour)
	}
}

// checkPoll fails the test where a complete snapshot lost an alert or left one.
func (m *promises) checkPoll(names string) {
	open := map[string]bool{}
	for _, a := range m.w.alerts {
		open[a.Name] = open[a.Name] || a.Status != Resolved
		if a.Status != Resolved && a.Origin.Kind == FromRule && !strings.Contains(names, a.Name) {
			m.w.t.Fatalf("%s fires although the snapshot does not hold it", a.ID)
		}
	}
	for name := range strings.SplitSeq(names, "") {
		if !open[name] {
			m.w.t.Fatalf("%s fires, and no alert of that name is open", name)
		}
	}
}

// propertyTick is how often time alone is looked at here.
const propertyTick = time.Minute

// elapse lets time pass, and ticks meanwhile.
func (m *promises) elapse(d time.Duration) {
	for end := m.w.now.Add(d); m.w.now.Before(end); {
		m.w.wait(min(propertyTick, end.Sub(m.w.now)))
		m.w.tick()
		m.check()
	}
}

// checkOthers fails the test where a push has changed what comes from others.
func (m *promises) checkOthers(before map[string]Alert, by Origin) {
	for id, a := range before {
		b := m.w.alerts[id]
		if b.Origin.Kind == FromPush && b.Origin.Principal == by.Principal {
			continue
		}
		if (b.Status == Resolved) != (a.Status == Resolved) || b.Origin != a.Origin || !maps.Equal(b.Labels, a.Labels) || b.Ack != a.Ack ||
			!maps.Equal(b.Annotations, a.Annotations) || b.Cooldown != a.Cooldown || b.Description != a.Description || b.Ending != a.Ending {
			m.w.t.Fatalf("a push by %q changed %s of %s:\n%+v\n%+v", by.Principal, id, a.Origin, a, b)
		}
	}
}

// run lets the bytes decide what happens in a world.
func (m *promises) run(script []byte) {
	const names = "abcdef"
	w := m.w
	for i := 0; i+1 < len(script); i += 2 {
		what, arg := script[i], int(script[i+1])
		name := names[arg%len(names)]
		switch what % 8 {
		case 0, 1, 2:
			var firing strings.Builder
			for bit, n := range names {
				if arg>>bit&1 == 1 {
					firing.WriteRune(n)
				}
			}
			w.observe(poll(firing.String()))
			m.checkPoll(firing.String())
		case 3:
			before := maps.Clone(w.alerts)
			s := w.push(string(name), time.Duration(arg/8-4)*time.Minute)
			s.Origin = Origin{Kind: FromPush, Source: SourceV2, Principal: []string{"", "ada", "bob"}[what/8%3]}
			s.Alerts[0].Sender = []string{"", "one", "two"}[what/32%3]
			w.observe(s)
			m.checkOthers(before, s.Origin)
		case 4:
			if ids := slices.Sorted(maps.Keys(w.alerts)); len(ids) > 0 {
				w.ack(ids[arg%len(ids)], time.Duration(arg%3)*20*time.Minute)
			}
		case 5:
			if ids := slices.Sorted(maps.Keys(w.alerts)); len(ids) > 0 {
				w.deliver(ids[arg%len(ids)])
			}
		case 6:
			m.elapse(time.Duration(arg) * 5 * time.Second)
		default:
			m.elapse(time.Duration(arg) * 20 * time.Second)
		}
		m.check()
	}
}

// worldFor gives each seed its own policy.
func worldFor(t *testing.T, seed byte) *promises {
	t.Helper()
	w := newWorld(t)
	w.policy.Channels = []string{"mail", "slack"}[:1+seed&1]
	w.policy.MaxPerHour = int(seed>>1&3) * 2
	w.policy.GroupAbove = 1 + int(seed>>3&3)*2
	if seed>>5&1 == 1 {
		w.policy.EscalateAfter, w.policy.EscalateTo = 10*time.Minute, []string{"phone", "mail"}[:1+seed>>6&1]
	}

	return newPromises(w)
}

func TestPromisesHoldWhateverHappens(t *testing.T) {
	t.Parallel()
	for seed := range 128 {
		random := rand.New(rand.NewPCG(uint64(seed), 1))
		script := make([]byte, 200)
		for i := range script {
			script[i] = byte(random.Uint32())
		}
		worldFor(t, byte(seed)).run(script)
	}
}

func FuzzPromises(f *testing.F) {
	f.Add(byte(3), []byte{0, 3, 6, 60, 0, 0, 6, 60, 0, 3, 7, 255, 0, 0})
	f.Add(byte(0xff), []byte{0, 255, 4, 1, 5, 0, 7, 200, 3, 40, 3, 0})
	f.Fuzz(func(t *testing.T, seed byte, script []byte) {
		if len(script) > 1000 {
			t.Skip("long scripts find nothing that short ones do not")
		}
		worldFor(t, seed).run(script)
	})
}
