package alert

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"
)

// begin is when each test's world begins: a minute before midnight, so that
// alerts of one test fire on two days.
var begin = time.Date(2024, 1, 15, 23, 59, 0, 0, time.UTC)

// world runs the pure functions as a Manager does, and remembers everything.
type world struct {
	t       *testing.T
	now     time.Time
	policy  Policy
	opts    Options
	ids     []string // In the order of their firing.
	alerts  map[string]Alert
	events  []Event
	sent    []Notification
	history History
}

func newWorld(t *testing.T) *world {
	t.Helper()
	w := &world{t: t, now: begin, alerts: map[string]Alert{}}
	w.policy = Policy{Channels: []string{"mail"}, SendResolved: true}
	w.opts.LastNumber = func(base string) int {
		n := 0
		for _, a := range w.alerts {
			if IDBase(a.Name, a.FiredAt) == base {
				n = max(n, a.Number())
			}
		}

		return n
	}

	return w
}

// load is what a Store loads.
func (w *world) load() []Alert {
	var as []Alert
	for _, id := range w.ids {
		if a := w.alerts[id]; a.Status != Resolved || a.CooldownEnd().After(w.now) {
			as = append(as, a)
		}
	}

	return as
}

func (w *world) commit(ts []Transition, ns []Notification) {
	for _, t := range ts {
		old, exists := w.alerts[t.Alert.ID]
		if old.Version != t.Alert.Version {
			w.t.Fatalf("transition of %s from version %d, want %d", t.Alert.ID, t.Alert.Version, old.Version)
		}
		if !exists {
			w.ids = append(w.ids, t.Alert.ID)
		}
		t.Alert.Version++
		w.alerts[t.Alert.ID] = t.Alert
		w.events = append(w.events, t.Events...)
	}
	w.sent = append(w.sent, ns...)
	counted := map[string]bool{}
	for _, n := range ns {
		base := strings.TrimSuffix(n.Key, "/"+n.Channel)
		if n.TellsFiring() && !counted[base] {
			counted[base] = true
			w.history = append(w.history, n.OwedAt)
		}
	}
}

func (w *world) step(reconcile func([]Alert) []Transition) {
	previous := w.load()
	steps, owed := advance(previous, reconcile(previous), w.policy, w.history, w.now)
	w.commit(steps, owed)
}

func (w *world) observe(s Snapshot) {
	w.step(func(previous []Alert) []Transition { return Reconcile(previous, s, w.now, w.opts) })
}

func (w *world) tick() {
	w.step(func(previous []Alert) []Transition { return Expire(previous, w.now, Options{}) })
}

func (w *world) wait(d time.Duration) { w.now = w.now.Add(d) }

func (w *world) ack(id string, expires time.Duration) {
	a := w.alerts[id]
	if a.Status == Resolved {
		return
	}
	k := Ack{By: "ann", Comment: "mine", At: w.now}
	if expires > 0 {
		k.ExpiresAt = w.now.Add(expires)
	}
	if step, owed, ok := acknowledge(a, k); ok {
		w.commit([]Transition{step}, owed)
	}
}

// deliver has a channel accept the newest news of an alert.
func (w *world) deliver(id string) {
	a := w.alerts[id]
	step, ok := deliver(a, w.now)
	if a.Status == Resolved {
		if !a.Quiet || len(a.Channels) == 0 || !w.policy.SendResolved {
			return
		}
		step, ok = deliverEnd(a, w.now, w.now)
	}
	if ok {
		w.commit([]Transition{step}, nil)
	}
}

// seen is an alert named a to z, as a source tells of it. Those named f are
// critical.
func seen(name string) Seen {
	severity := "high"
	if name == "f" {
		severity = "critical"
	}

	return Seen{
		Labels:       map[string]string{"alertname": name, "severity": severity},
		Annotations:  map[string]string{"summary": "trouble with " + name},
		GeneratorURL: "http://prometheus:9090/graph?g0.expr=" + name,
	}
}

// ended is the verdict of a poll that has all the evidence.
func ended(*Alert) Verdict { return Verdict{Ended: true, Text: "the condition does not hold any more"} }

// poll is a complete snapshot of the alerts named by single letters.
func poll(names string) Snapshot {
	s := Snapshot{Complete: true, Missing: ended}
	for name := range strings.SplitSeq(names, "") {
		one := seen(name)
		one.Rule = &RuleRef{Name: name, Query: name}
		s.Alerts = append(s.Alerts, one)
	}

	return s
}

// push tells of one alert that ends so much later than now, or before.
func (w *world) push(name string, end time.Duration) Snapshot {
	s := seen(name)
	s.EndsAt, s.Sender = w.now.Add(end), "prometheus"

	return Snapshot{Alerts: []Seen{s}}
}

// told lists the notifications owed as "+<minutes> <kind> <ids> <channel>".
func (w *world) told() []string {
	var lines []string
	for _, n := range w.sent {
		what := strings.Join(n.AlertIDs, ",")
		if n.Kind == KindDigest {
			what = strconv.Itoa(n.Total)
		}
		lines = append(lines, fmt.Sprintf("%+g %s %s %s", n.OwedAt.Sub(begin).Minutes(), n.Kind, what, n.Channel))
	}

	return lines
}

// timeline lists what happened to an alert as "+<minutes> <kind>".
func (w *world) timeline(id string) []string {
	var lines []string
	for _, e := range w.events {
		if e.AlertID == id {
			lines = append(lines, fmt.Sprintf("%+g %s", e.At.Sub(begin).Minutes(), e.Kind))
		}
	}

	return lines
}

func (w *world) states() []string {
	var lines []string
	for _, id := range w.ids {
		lines = append(lines, id+" "+string(w.alerts[id].Status))
	}
	slices.Sort(lines)

	return lines
}
