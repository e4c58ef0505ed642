package alert

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

const (
	a1 = "a_20240115"
	a2 = "a_20240115_2"
	b1 = "b_20240115"
)

// TestLifecycle has a case for each arrow between the states of an alert, and
// for each notification that is owed or held back on the way.
func TestLifecycle(t *testing.T) {
	t.Parallel()
	minutes := func(n int) time.Duration { return time.Duration(n) * time.Minute }
	cases := map[string]struct {
		do       func(w *world)
		states   []string
		told     []string
		timeline []string // Of a1.
		// anyTimeline leaves it unchecked.
		anyTimeline bool
	}{
		"nothing fires, nothing happens": {
			do: func(w *world) { w.observe(Snapshot{Complete: true, Missing: ended}); w.tick() },
		},
		"an alert fires and is owed to the channels": {
			do:       func(w *world) { w.observe(poll("a")) },
			states:   []string{a1 + " triggered"},
			told:     []string{"+0 firing " + a1 + " mail"},
			timeline: []string{"+0 fired", "+0 queued"},
		},
		"it is active once a channel accepted the news": {
			do:       func(w *world) { w.observe(poll("a")); w.deliver(a1) },
			states:   []string{a1 + " active"},
			told:     []string{"+0 firing " + a1 + " mail"},
			timeline: []string{"+0 fired", "+0 queued"},
		},
		"acknowledged, it owes the announcement and no reminder": {
			do: func(w *world) {
				w.observe(poll("a"))
				w.ack(a1, 0)
				w.ack(a1, 0)
				w.wait(minutes(60))
				w.observe(poll("a"))
			},
			states:   []string{a1 + " acknowledged"},
			told:     []string{"+0 firing " + a1 + " mail", "+0 acknowledged " + a1 + " mail"},
			timeline: []string{"+0 fired", "+0 queued", "+0 acknowledged", "+0 queued"},
		},
		"an acknowledgement that ends brings a triggered alert back, and its reminder": {
			do: func(w *world) {
				w.observe(poll("a"))
				w.ack(a1, minutes(40))
				w.wait(minutes(39))
				w.tick()
				w.wait(minutes(1))
				w.tick()
			},
			states: []string{a1 + " triggered"},
			told:   []string{"+0 firing " + a1 + " mail", "+0 acknowledged " + a1 + " mail", "+40 reminder " + a1 + " mail"},
			timeline: []string{
				"+0 fired", "+0 queued", "+0 acknowledged", "+0 queued", "+40 acknowledgement_expired", "+40 queued",
			},
		},
		"an acknowledgement that has ended makes room for the next at once": {
			do: func(w *world) {
				w.observe(poll("a"))
				w.ack(a1, minutes(5))
				w.wait(minutes(5))
				w.ack(a1, 0)
				w.wait(minutes(60))
				w.tick()
			},
			states: []string{a1 + " acknowledged"},
			told: []string{
				"+0 firing " + a1 + " mail", "+0 acknowledged " + a1 + " mail", "+5 acknowledged " + a1 + " mail",
			},
			timeline: []string{"+0 fired", "+0 queued", "+0 acknowledged", "+0 queued", "+5 acknowledged", "+5 queued"},
		},
		"an acknowledgement that ends brings a delivered alert back as active": {
			do: func(w *world) {
				w.observe(poll("a"))
				w.deliver(a1)
				w.ack(a1, minutes(5))
				w.wait(minutes(5))
				w.tick()
			},
			states:   []string{a1 + " active"},
			told:     []string{"+0 firing " + a1 + " mail", "+0 acknowledged " + a1 + " mail"},
			timeline: []string{"+0 fired", "+0 queued", "+0 acknowledged", "+0 queued", "+5 acknowledgement_expired"},
		},
		"a triggered alert resolves": {
			do: func(w *world) {
				w.observe(poll("a"))
				w.wait(minutes(1))
				w.observe(poll(""))
			},
			states:   []string{a1 + " resolved"},
			told:     []string{"+0 firing " + a1 + " mail", "+1 resolved " + a1 + " mail"},
			timeline: []string{"+0 fired", "+0 queued", "+1 resolved", "+1 queued"},
		},
		"an acknowledged alert resolves, and its next firing begins unacknowledged": {
			do: func(w *world) {
				w.observe(poll("a"))
				w.ack(a1, 0)
				w.wait(minutes(31))
				w.observe(poll(""))
				w.wait(minutes(1))
				w.observe(poll("a"))
			},
			states: []string{a1 + " resolved", "a_20240116 triggered"},
			told: []string{
				"+0 firing " + a1 + " mail", "+0 acknowledged " + a1 + " mail",
				"+31 resolved " + a1 + " mail", "+32 firing a_20240116 mail",
			},
			timeline: []string{"+0 fired", "+0 queued", "+0 acknowledged", "+0 queued", "+31 resolved", "+31 queued"},
		},
		"a flap nobody was told of reopens the alert silently, and keeps its acknowledgement": {
			do: func(w *world) {
				w.observe(poll("a"))
				w.deliver(a1)
				w.ack(a1, 0)
				w.wait(minutes(1))
				w.observe(poll(""))
				w.wait(minutes(1))
				w.observe(poll("a"))
				w.wait(minutes(60))
				w.observe(poll("a"))
			},
			states: []string{a1 + " acknowledged"},
			told:   []string{"+0 firing " + a1 + " mail", "+0 acknowledged " + a1 + " mail", "+1 resolved " + a1 + " mail"},
			timeline: []string{
				"+0 fired", "+0 queued", "+0 acknowledged", "+0 queued", "+1 resolved", "+1 queued", "+2 flapped",
			},
		},
		"an acknowledgement that has ended does not come back with a flap": {
			do: func(w *world) {
				w.observe(poll("a"))
				w.deliver(a1)
				w.ack(a1, minutes(2))
				w.wait(minutes(1))
				w.observe(poll(""))
				w.wait(minutes(1))
				w.observe(poll("a"))
			},
			states: []string{a1 + " active"},
			told:   []string{"+0 firing " + a1 + " mail", "+0 acknowledged " + a1 + " mail", "+1 resolved " + a1 + " mail"},
			timeline: []string{
				"+0 fired", "+0 queued", "+0 acknowledged", "+0 queued", "+1 resolved", "+1 queued", "+2 flapped", "+2 held_by_cooldown",
			},
		},
		"who was told of the end is told at once that it fires again, and of the next end": {
			do: func(w *world) {
				w.observe(poll("a"))
				w.deliver(a1)
				w.ack(a1, 0)
				w.wait(minutes(1))
				w.observe(poll(""))
				w.deliver(a1)
				w.wait(minutes(1))
				w.observe(poll("a"))
				w.deliver(a1)
				w.wait(minutes(1))
				w.observe(poll(""))
			},
			states: []string{a1 + " resolved"},
			told: []string{
				"+0 firing " + a1 + " mail", "+0 acknowledged " + a1 + " mail", "+1 resolved " + a1 + " mail",
				"+2 firing " + a1 + " mail", "+3 resolved " + a1 + " mail",
			},
			timeline: []string{
				"+0 fired", "+0 queued", "+0 acknowledged", "+0 queued", "+1 resolved", "+1 queued",
				"+2 flapped", "+2 queued", "+3 resolved", "+3 queued",
			},
		},
		"who is told of the end after it fires again is told so at once": {
			do: func(w *world) {
				w.observe(poll("a"))
				w.deliver(a1)
				w.ack(a1, 0)
				w.wait(minutes(1))
				w.observe(poll(""))
				owed := w.now
				w.wait(minutes(1))
				w.observe(poll("a"))
				if step, ok := deliverEnd(w.alerts[a1], owed, w.now); ok {
					w.commit([]Transition{step}, nil)
				}
				w.tick()
			},
			states: []string{a1 + " triggered"},
			told: []string{
				"+0 firing " + a1 + " mail", "+0 acknowledged " + a1 + " mail", "+1 resolved " + a1 + " mail", "+2 firing " + a1 + " mail",
			},
			timeline: []string{
				"+0 fired", "+0 queued", "+0 acknowledged", "+0 queued", "+1 resolved", "+1 queued", "+2 flapped", "+2 queued",
			},
		},
		"from its fourth flap on it is told once in a minute": {
			do: func(w *world) {
				for range 20 {
					w.observe(poll("a"))
					w.deliver(a1)
					w.wait(10 * time.Second)
					w.observe(poll(""))
					w.deliver(a1)
					w.wait(10 * time.Second)
				}
			},
			states: []string{a1 + " resolved"},
			told: []string{
				"+0 firing a_20240115 mail", "+0.16666666666666666 resolved a_20240115 mail",
				"+0.3333333333333333 firing a_20240115 mail", "+0.5 resolved a_20240115 mail",
				"+0.6666666666666666 firing a_20240115 mail", "+0.8333333333333334 resolved a_20240115 mail",
				"+1 firing a_20240115 mail", "+1.1666666666666667 resolved a_20240115 mail",
				"+2 firing a_20240115 mail", "+2.1666666666666665 resolved a_20240115 mail",
				"+3 firing a_20240115 mail", "+3.1666666666666665 resolved a_20240115 mail",
				"+4 firing a_20240115 mail", "+4.166666666666667 resolved a_20240115 mail",
				"+5 firing a_20240115 mail", "+5.166666666666667 resolved a_20240115 mail",
				"+6 firing a_20240115 mail", "+6.166666666666667 resolved a_20240115 mail",
			},
			anyTimeline: true,
		},
		"firing again after the cooldown is a new alert, and the second of a day is numbered": {
			do: func(w *world) {
				w.now = begin.Add(-10 * time.Hour)
				w.observe(poll("a"))
				w.wait(minutes(1))
				w.observe(poll(""))
				w.wait(minutes(29))
				w.observe(poll("a"))
			},
			states:   []string{a1 + " resolved", a2 + " triggered"},
			told:     []string{"-600 firing " + a1 + " mail", "-599 resolved " + a1 + " mail", "-570 firing " + a2 + " mail"},
			timeline: []string{"-600 fired", "-600 queued", "-599 resolved", "-599 queued"},
		},
		"each cooldown brings one reminder while nobody acknowledges": {
			do: func(w *world) {
				for range 62 {
					w.observe(poll("a"))
					w.wait(minutes(1))
				}
			},
			states: []string{a1 + " triggered"},
			told: []string{
				"+0 firing " + a1 + " mail", "+30 reminder " + a1 + " mail", "+60 reminder " + a1 + " mail",
			},
			timeline: []string{"+0 fired", "+0 queued", "+30 queued", "+60 queued"},
		},
		"a push starts an alert, and its end without another push resolves it": {
			do: func(w *world) {
				w.observe(w.push("a", minutes(4)))
				w.wait(minutes(3))
				w.observe(w.push("a", minutes(4)))
				w.wait(minutes(3))
				w.tick()
				w.wait(minutes(1))
				w.tick()
			},
			states:   []string{a1 + " resolved"},
			told:     []string{"+0 firing " + a1 + " mail", "+7 resolved " + a1 + " mail"},
			timeline: []string{"+0 fired", "+0 queued", "+7 stale", "+7 queued"},
		},
		"pushes that reach less than a minute ahead keep an alert alive": {
			do: func(w *world) {
				for range 10 {
					w.observe(w.push("a", 45*time.Second))
					w.wait(30 * time.Second)
					w.tick()
				}
			},
			states:   []string{a1 + " triggered"},
			told:     []string{"+0 firing " + a1 + " mail"},
			timeline: []string{"+0 fired", "+0 queued"},
		},
		"a push that says so ends the alert, and touches no other": {
			do: func(w *world) {
				w.observe(w.push("a", minutes(4)))
				w.observe(w.push("b", minutes(4)))
				w.wait(minutes(1))
				w.observe(w.push("a", 0))
			},
			states: []string{a1 + " resolved", b1 + " triggered"},
			told: []string{
				"+0 firing " + a1 + " mail", "+0 firing " + b1 + " mail", "+1 resolved " + a1 + " mail",
			},
			timeline: []string{"+0 fired", "+0 queued", "+1 resolved", "+1 queued"},
		},
		"a push neither ends nor changes what a rule gives": {
			do: func(w *world) {
				w.observe(poll("a"))
				w.ack(a1, 0)
				w.wait(minutes(1))
				w.observe(w.push("a", 0))
				w.tick()
			},
			states:   []string{a1 + " acknowledged"},
			told:     []string{"+0 firing " + a1 + " mail", "+0 acknowledged " + a1 + " mail"},
			timeline: []string{"+0 fired", "+0 queued", "+0 acknowledged", "+0 queued"},
		},
		"a push of an end that nobody knows the beginning of does nothing": {
			do: func(w *world) { w.observe(w.push("a", -minutes(1))) },
		},
		"the end of an earlier firing, told late, does not end the next one": {
			do: func(w *world) {
				w.observe(w.push("a", minutes(4)))
				w.wait(minutes(1))
				w.observe(w.push("a", -minutes(5)))
			},
			states:   []string{a1 + " triggered"},
			told:     []string{"+0 firing " + a1 + " mail"},
			timeline: []string{"+0 fired", "+0 queued"},
		},
		"what only pushes told of outlives a snapshot without it": {
			do: func(w *world) {
				w.observe(w.push("a", minutes(4)))
				w.wait(minutes(1))
				w.observe(poll("b"))
			},
			states:   []string{a1 + " triggered", "b_20240116 triggered"},
			told:     []string{"+0 firing " + a1 + " mail", "+1 firing b_20240116 mail"},
			timeline: []string{"+0 fired", "+0 queued"},
		},
		"pushed and polled is one alert, which then outlives its push and ends with its absence": {
			do: func(w *world) {
				w.observe(w.push("a", minutes(1)))
				w.observe(poll("a"))
				w.wait(minutes(2))
				w.tick()
				w.observe(poll("a"))
				w.wait(minutes(1))
				w.observe(poll(""))
			},
			states:   []string{a1 + " resolved"},
			told:     []string{"+0 firing " + a1 + " mail", "+3 resolved " + a1 + " mail"},
			timeline: []string{"+0 fired", "+0 queued", "+0 taken_over", "+3 resolved", "+3 queued"},
		},
		"an alert left unacknowledged escalates once, and its end is told there too": {
			do: func(w *world) {
				w.policy.EscalateAfter, w.policy.EscalateTo = minutes(15), []string{"phone"}
				for range 18 {
					w.observe(poll("a"))
					w.wait(minutes(1))
				}
				w.observe(poll(""))
			},
			states: []string{a1 + " resolved"},
			told: []string{
				"+0 firing " + a1 + " mail", "+15 escalation " + a1 + " phone",
				"+18 resolved " + a1 + " mail", "+18 resolved " + a1 + " phone",
			},
			timeline: []string{
				"+0 fired", "+0 queued", "+15 escalated", "+15 queued", "+18 resolved", "+18 queued", "+18 queued",
			},
		},
		"reminders do not put the escalation off, and a firing told after a flap escalates anew": {
			do: func(w *world) {
				w.policy.EscalateAfter, w.policy.EscalateTo = minutes(45), []string{"phone"}
				for range 50 {
					w.observe(poll("a"))
					w.wait(minutes(1))
				}
				w.observe(poll(""))
				w.deliver(a1)
				for range 60 {
					w.observe(poll("a"))
					w.wait(minutes(1))
				}
				w.wait(minutes(1))
				w.tick()
			},
			states: []string{a1 + " triggered"},
			told: []string{
				"+0 firing " + a1 + " mail", "+30 reminder " + a1 + " mail", "+45 escalation " + a1 + " phone",
				"+50 resolved " + a1 + " mail", "+50 resolved " + a1 + " phone",
				"+50 firing " + a1 + " mail", "+80 reminder " + a1 + " mail", "+95 escalation " + a1 + " phone",
				"+111 reminder " + a1 + " mail",
			},
			timeline: []string{
				"+0 fired", "+0 queued", "+30 queued", "+45 escalated", "+45 queued", "+50 resolved", "+50 queued", "+50 queued",
				"+50 flapped", "+50 queued", "+80 queued", "+95 escalated", "+95 queued", "+111 queued",
			},
		},
		"an acknowledged alert does not escalate": {
			do: func(w *world) {
				w.policy.EscalateAfter, w.policy.EscalateTo = minutes(15), []string{"phone"}
				w.observe(poll("a"))
				w.ack(a1, minutes(20))
				w.wait(minutes(20))
				w.tick()
				w.wait(minutes(14))
				w.tick()
			},
			states: []string{a1 + " triggered"},
			told:   []string{"+0 firing " + a1 + " mail", "+0 acknowledged " + a1 + " mail", "+34 reminder " + a1 + " mail"},
			timeline: []string{
				"+0 fired", "+0 queued", "+0 acknowledged", "+0 queued", "+20 acknowledgement_expired", "+34 queued",
			},
		},
		"resolutions are not told where they are switched off": {
			do: func(w *world) {
				w.policy.SendResolved = false
				w.observe(poll("a"))
				w.observe(poll(""))
				w.policy.SendResolved = true
				w.tick()
			},
			states:   []string{a1 + " resolved"},
			told:     []string{"+0 firing " + a1 + " mail"},
			timeline: []string{"+0 fired", "+0 queued", "+0 resolved"},
		},
		"without channels nothing is owed, and a flap nobody was told of stays one alert": {
			do: func(w *world) {
				w.policy.Channels = nil
				w.observe(poll("a"))
				w.observe(poll(""))
				w.wait(minutes(1))
				w.observe(poll("a"))
			},
			states:   []string{a1 + " triggered"},
			timeline: []string{"+0 fired", "+0 resolved", "+1 flapped"},
		},
		"over the rate limit an alert waits, and is told a few minutes later": {
			do: func(w *world) {
				w.policy.MaxPerHour = 1
				w.observe(poll("b"))
				w.ack(b1, 0)
				w.observe(poll("ab"))
				w.wait(minutes(2))
				w.observe(poll("ab"))
				w.wait(minutes(1))
				w.observe(poll("ab"))
			},
			states: []string{a1 + " triggered", b1 + " acknowledged"},
			told: []string{
				"+0 firing " + b1 + " mail", "+0 acknowledged " + b1 + " mail", "+3 firing " + a1 + " mail",
			},
			timeline: []string{"+0 fired", "+0 held_by_rate_limit", "+3 queued"},
		},
		"what resolves before its digest vanishes from it silently": {
			do: func(w *world) {
				w.policy.MaxPerHour = 1
				w.observe(poll("b"))
				w.ack(b1, 0)
				w.observe(poll("ab"))
				w.wait(minutes(1))
				w.observe(poll("b"))
				w.wait(minutes(60))
				w.observe(poll("b"))
			},
			states:   []string{a1 + " resolved", b1 + " acknowledged"},
			told:     []string{"+0 firing " + b1 + " mail", "+0 acknowledged " + b1 + " mail"},
			timeline: []string{"+0 fired", "+0 held_by_rate_limit", "+1 resolved", "+1 withdrawn"},
		},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t)
			c.do(w)
			for what, diff := range map[string]string{
				"states":        cmp.Diff(c.states, w.states()),
				"notifications": cmp.Diff(c.told, w.told()),
				"timeline":      cmp.Diff(c.timeline, w.timeline(a1)),
			} {
				if diff != "" && (what != "timeline" || !c.anyTimeline) {
					t.Errorf("%s (-want +got):\n%s", what, diff)
				}
			}
		})
	}
}
