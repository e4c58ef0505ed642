package alert

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// unknown is a poll that lists nothing and cannot judge what is missing.
func unknown(why string) Snapshot {
	return Snapshot{Complete: true, Missing: func(*Alert) Verdict { return Verdict{Text: why} }}
}

func TestMissingAlertEndsOnlyWithEvidence(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	const id = "a_20240115"
	w.observe(poll("a"))
	for _, s := range []Snapshot{{Complete: true}, unknown(""), unknown("the rule is missing"), unknown("the rule is missing"), unknown("the target is down")} {
		w.wait(time.Minute)
		w.observe(s)
		if got := w.alerts[id]; got.Status != Triggered {
			t.Fatalf("it is %s, want triggered", got.Status)
		}
	}
	if got := w.alerts[id].Unjudged; got == nil || !got.Since.Equal(begin.Add(3*time.Minute)) || got.Reason != "the target is down" || !got.ReasonSince.Equal(begin.Add(5*time.Minute)) {
		t.Errorf("it is unjudged: %+v, want since the first reason, for the last one", got)
	}
	w.wait(time.Minute)
	w.observe(poll("a"))
	if got := w.alerts[id].Unjudged; got != nil {
		t.Errorf("it is seen, and still unjudged: %+v", got)
	}
	w.wait(time.Minute)
	w.observe(unknown("the rule is missing"))
	w.wait(time.Minute)
	w.observe(poll(""))
	if got := w.alerts[id]; got.Status != Resolved || got.Unjudged != nil {
		t.Errorf("it is %s, unjudged %+v, want resolved and nil", got.Status, got.Unjudged)
	}
	want := []string{"+0 fired", "+0 queued", "+3 unjudged", "+6 judged", "+7 unjudged", "+8 resolved", "+8 queued"}
	if diff := cmp.Diff(want, w.timeline(id)); diff != "" {
		t.Errorf("timeline (-want +got):\n%s", diff)
	}
}

func TestAlertKeepsItsRule(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	rule := &RuleRef{Group: "g", Name: "a", Query: "x > 1", Labels: map[string]string{"severity": "high"}}
	s := poll("a")
	s.Alerts[0].Rule = rule
	w.observe(s)
	w.wait(time.Minute)
	s.Alerts[0].Rule = nil // A source that does not say changes nothing.
	w.observe(s)
	if diff := cmp.Diff(rule, w.alerts["a_20240115"].Rule); diff != "" {
		t.Errorf("rule (-want +got):\n%s", diff)
	}
	w.wait(time.Minute)
	changed := *rule
	changed.Query = "x > 2"
	s.Alerts[0].Rule = &changed
	w.observe(s)
	if got := w.alerts["a_20240115"].Rule.Query; got != "x > 2" {
		t.Errorf("its rule is %s after a change, want x > 2", got)
	}
}

func TestPushedAlertOutlivesTheTimeInWhichNobodyListened(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.observe(w.push("a", 4*time.Minute))
	w.wait(20 * time.Minute) // In which llmwatch was down.
	restart := w.now
	for _, tc := range []struct {
		after time.Duration
		want  Status
	}{{0, Triggered}, {4*time.Minute + 59*time.Second, Triggered}, {time.Second, Resolved}} {
		w.wait(tc.after)
		w.step(func(previous []Alert) []Transition { return Expire(previous, w.now, Options{ListeningSince: restart}) })
		if got := w.alerts["a_20240115"].Status; got != tc.want {
			t.Errorf("%s after the start it is %s, want %s", w.now.Sub(restart), got, tc.want)
		}
	}
}
