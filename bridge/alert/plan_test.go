package alert

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// many is a complete snapshot of n alerts of one rule, the last one critical.
func many(n int) Snapshot {
	s := Snapshot{Complete: true, Missing: ended}
	for i := range n {
		one := seen("many")
		one.Labels["instance"] = fmt.Sprintf("host-%05d", i)
		s.Alerts = append(s.Alerts, one)
	}
	s.Alerts[n-1].Labels["severity"] = "critical"

	return s
}

func TestTenThousandAlertsOweTenNotificationsAndOneDigest(t *testing.T) {
	t.Parallel()
	const n = 10_000
	w := newWorld(t)
	w.policy.MaxPerHour = 10
	w.observe(many(n))
	if got := len(w.sent); got != 10 {
		t.Fatalf("%d notifications at once, want 10", got)
	}
	if got := w.sent[0].Alerts[0].Severity; got != Critical {
		t.Errorf("the first notification is of a %s alert, want the gravest", got)
	}
	for _, sent := range w.sent {
		w.ack(sent.AlertIDs[0], 0)
	}
	w.sent = nil
	w.wait(digestAfter - time.Second)
	w.observe(many(n))
	if len(w.sent) != 0 {
		t.Fatalf("%d notifications before the digest is due", len(w.sent))
	}
	for range 6 {
		w.wait(time.Minute)
		w.observe(many(n))
	}
	if len(w.sent) != 1 {
		t.Fatalf("%d notifications after, want the digest alone", len(w.sent))
	}
	digest := w.sent[0]
	if digest.Kind != KindDigest || digest.Total != n-10 || len(digest.AlertIDs) != n-10 || len(digest.Alerts) != maxDigestAlerts {
		t.Errorf("digest: kind %s, total %d, %d ids, %d alerts in full; want digest, %d, %[5]d, %d",
			digest.Kind, digest.Total, len(digest.AlertIDs), len(digest.Alerts), n-10, maxDigestAlerts)
	}
	held := 0
	for _, e := range w.events {
		if e.Kind == EventHeldRate {
			held++
		}
	}
	if held != n-10 {
		t.Errorf("%d held_by_rate_limit events, want one for each of the %d", held, n-10)
	}

	w.sent = nil
	w.wait(time.Minute)
	s := many(n)
	s.Alerts = s.Alerts[5000:5015]
	w.observe(s)
	told := map[Kind]int{}
	total := 0
	for _, sent := range w.sent {
		told[sent.Kind]++
		total += len(sent.AlertIDs)
	}
	if want := n - 15; total != want || len(w.sent) != 1 {
		t.Errorf("their end is told in %v of %d alerts, want one digest of %d", told, total, want)
	}
}

func TestManyAtOnce(t *testing.T) {
	t.Parallel()
	cases := map[string]struct {
		max, group, n int
		want          []string
	}{
		"as many as a reader can take in come one by one": {
			n: 2, group: 2,
			want: []string{"+0 firing many_20240115_2 mail", "+0 firing many_20240115 mail"},
		},
		"more become one digest": {n: 3, group: 2, want: []string{"+0 digest 3 mail"}},
		"a rate limit above that lets the digest hold them all": {
			n: 5, group: 2, max: 3, want: []string{"+0 digest 5 mail"},
		},
		"a rate limit not above it lets single ones through": {
			n: 5, group: 2, max: 2,
			want: []string{"+0 firing many_20240115_5 mail", "+0 firing many_20240115 mail"},
		},
		"a negative bound never groups": {
			n: 2, group: -1,
			want: []string{"+0 firing many_20240115_2 mail", "+0 firing many_20240115 mail"},
		},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t)
			w.policy.MaxPerHour, w.policy.GroupAbove = c.max, c.group
			w.observe(many(c.n))
			if diff := cmp.Diff(c.want, w.told()); diff != "" {
				t.Errorf("notifications (-want +got):\n%s", diff)
			}
		})
	}
}

func TestOneNotificationToSeveralChannelsCountsOnce(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.policy.Channels, w.policy.MaxPerHour = []string{"mail", "slack", "mail"}, 2
	w.observe(poll("ab"))
	want := []string{
		"+0 firing " + a1 + " mail", "+0 firing " + a1 + " slack",
		"+0 firing " + b1 + " mail", "+0 firing " + b1 + " slack",
	}
	if diff := cmp.Diff(want, w.told()); diff != "" {
		t.Errorf("notifications (-want +got):\n%s", diff)
	}
	if len(w.history) != 2 {
		t.Errorf("%d count against the limit, want 2", len(w.history))
	}
}

func TestEscalationsAboveTheLimitShareOneMessage(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.policy.MaxPerHour, w.policy.EscalateAfter, w.policy.EscalateTo = 4, 10*time.Minute, []string{"phone"}
	w.observe(poll("abc"))
	w.wait(10 * time.Minute)
	w.observe(poll("abc"))
	w.wait(50 * time.Minute)
	w.observe(poll(""))
	want := []string{
		"+0 firing " + a1 + " mail", "+0 firing " + b1 + " mail", "+0 firing c_20240115 mail",
		"+10 digest 3 phone",
		"+60 resolved " + a1 + " mail", "+60 resolved " + b1 + " mail", "+60 resolved c_20240115 mail",
		"+60 resolved " + a1 + " phone", "+60 resolved " + b1 + " phone", "+60 resolved c_20240115 phone",
	}
	if diff := cmp.Diff(want, w.told()); diff != "" {
		t.Errorf("notifications (-want +got):\n%s", diff)
	}
}

func TestEscalationHeldByTheLimitComesLaterWithoutADigestForOthers(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.policy.MaxPerHour, w.policy.EscalateAfter, w.policy.EscalateTo = 1, 10*time.Minute, []string{"phone"}
	s := poll("a")
	s.Alerts[0].Annotations["cooldown"] = "1d"
	w.observe(s)
	for range 61 {
		w.wait(time.Minute)
		w.observe(s)
	}
	want := []string{"+0 firing " + a1 + " mail", "+13 escalation " + a1 + " phone"}
	if diff := cmp.Diff(want, w.told()); diff != "" {
		t.Errorf("notifications (-want +got):\n%s", diff)
	}
	if want := []string{"+0 fired", "+0 queued", "+10 held_by_rate_limit", "+13 escalated", "+13 queued"}; !slices.Equal(want, w.timeline(a1)) {
		t.Errorf("timeline: got %q, want %q", w.timeline(a1), want)
	}
	if w.alerts[a1].Held {
		t.Error("the alert is held still after its escalation")
	}
}

func TestTheRateLimitHoldsNoCriticalAlertBack(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.policy.MaxPerHour, w.policy.EscalateAfter, w.policy.EscalateTo = 2, 10*time.Minute, []string{"phone"}
	for _, names := range []string{"a", "ab", "abc", "abcd", "abcdf"} {
		w.observe(poll(names))
	}
	for range 30 {
		w.wait(time.Minute)
		w.observe(poll("abcdf"))
	}
	const f1 = "f_20240115"
	want := []string{
		"+0 firing " + a1 + " mail", "+0 firing " + b1 + " mail", "+0 firing " + f1 + " mail",
		"+3 digest 2 mail", // Of c and d.
		"+10 escalation " + f1 + " phone", "+13 digest 4 phone",
		"+30 reminder " + f1 + " mail",
	}
	if diff := cmp.Diff(want, w.told()); diff != "" {
		t.Errorf("notifications (-want +got):\n%s", diff)
	}
	if got := w.timeline(f1); slices.Contains(got, "+0 held_by_rate_limit") || slices.Contains(got, "+30 held_by_rate_limit") {
		t.Errorf("the critical alert was held back: %q", got)
	}
}

func TestKeysNameAlertKindStepAndChannel(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.observe(poll("a"))
	w.ack(a1, 0)
	w.observe(poll(""))
	var keys []string
	for _, n := range w.sent {
		keys = append(keys, n.Key)
	}
	want := []string{a1 + "/firing/1/mail", a1 + "/acknowledged/2/mail", a1 + "/resolved/3/mail"}
	if diff := cmp.Diff(want, keys); diff != "" {
		t.Errorf("keys (-want +got):\n%s", diff)
	}
}

func TestPlanLeavesItsInputUntouched(t *testing.T) {
	t.Parallel()
	a := Alert{
		ID: a1, Status: Active, Channels: slices.Grow([]string{"mail"}, 4),
		NotifiedAt: begin, WaitingSince: begin, Cooldown: time.Hour, Version: 1,
	}
	alerts := []Alert{a}
	p := Policy{Channels: []string{"mail"}, EscalateAfter: time.Minute, EscalateTo: []string{"phone"}}
	d := Plan(alerts, p, nil, begin.Add(time.Minute))
	if len(d.Notifications) != 1 {
		t.Fatalf("%d notifications, want the escalation", len(d.Notifications))
	}
	if diff := cmp.Diff([]Alert{a}, alerts); diff != "" {
		t.Errorf("input (-before +after):\n%s", diff)
	}
	if extended := alerts[0].Channels[:2]; extended[1] != "" {
		t.Errorf("Plan wrote %q behind the channels of its input", extended[1])
	}
}
