package alert

import (
	"encoding/json"
	"math"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/prometheus/common/model"
)

func TestFiringTimes(t *testing.T) {
	t.Parallel()
	cases := map[string]struct {
		starts, hold    time.Duration // Before now.
		startsAt, fired time.Duration
	}{
		"now where the source gives no times":             {},
		"now where it does not know the duration":         {starts: time.Hour, startsAt: time.Hour},
		"when the condition had held for the duration":    {starts: time.Hour, hold: 5 * time.Minute, startsAt: time.Hour, fired: 55 * time.Minute},
		"never later than now":                            {starts: time.Minute, hold: time.Hour, startsAt: time.Minute},
		"never later than now, whatever clock it goes by": {starts: -time.Hour, hold: time.Minute},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := seen("a")
			if c.starts != 0 {
				s.StartsAt = begin.Add(-c.starts)
			}
			s.For = c.hold
			a := Reconcile(nil, Snapshot{Complete: true, Alerts: []Seen{s}}, begin, Options{})[0].Alert
			if got := begin.Sub(a.StartsAt); got != c.startsAt {
				t.Errorf("starts %s ago, want %s", got, c.startsAt)
			}
			if got := begin.Sub(a.FiredAt); got != c.fired {
				t.Errorf("fired %s ago, want %s", got, c.fired)
			}
		})
	}
}

func TestFiringDayGivesTheID(t *testing.T) {
	t.Parallel()
	s := seen("a")
	s.StartsAt, s.For = begin.Add(-24*time.Hour), 30*time.Second
	ts := Reconcile(nil, Snapshot{Complete: true, Alerts: []Seen{s}}, begin, Options{})
	if got, want := ts[0].Alert.ID, "a_20240114"; got != want {
		t.Errorf("id %s, want %s", got, want)
	}
	kinds := []EventKind{ts[0].Events[0].Kind, ts[0].Events[1].Kind}
	if diff := cmp.Diff([]EventKind{EventPending, EventFired}, kinds); diff != "" {
		t.Errorf("events (-want +got):\n%s", diff)
	}
}

func TestTimesThatCannotBeWrittenAreBounded(t *testing.T) {
	t.Parallel()
	s := seen("a")
	s.StartsAt = time.Date(-5, 1, 1, 0, 0, 0, 0, time.UTC)
	s.EndsAt = time.Date(12000, 1, 1, 0, 0, 0, 0, time.UTC)
	ts := Reconcile(nil, Snapshot{Alerts: []Seen{s}}, begin, Options{})
	if _, err := json.Marshal(ts); err != nil {
		t.Error(err)
	}
}

func TestAnAlertFollowsTheEndOfTheOneBefore(t *testing.T) {
	t.Parallel()
	s := seen("a")
	before := Reconcile(nil, Snapshot{Complete: true, Alerts: []Seen{s}}, begin, Options{})[0].Alert
	before.Status, before.ResolvedAt = Resolved, begin.Add(DefaultCooldown+time.Minute)
	s.StartsAt, s.For = begin, time.Minute
	ts := Reconcile([]Alert{before}, Snapshot{Complete: true, Alerts: []Seen{s}}, begin.Add(time.Hour), Options{})
	if len(ts) != 1 || ts[0].Alert.ID != "a_20240116" || !ts[0].Alert.FiredAt.Equal(before.ResolvedAt) {
		t.Errorf("got %+v, want a new alert that fired when the one before ended, at %s", ts, before.ResolvedAt)
	}
}

func TestAlertsOfOneNameAndDayAreNumbered(t *testing.T) {
	t.Parallel()
	asked := 0
	last := func(base string) int {
		asked++
		if base != "many_20240115" {
			t.Errorf("asked for the last number of %q", base)
		}

		return 7
	}
	ts := Reconcile(nil, many(3), begin, Options{LastNumber: last})
	for i, want := range []string{"many_20240115_8", "many_20240115_9", "many_20240115_10"} {
		if got := ts[i].Alert.ID; got != want {
			t.Errorf("id %s, want %s", got, want)
		}
		if got := ts[i].Alert.Number(); got != 8+i {
			t.Errorf("number of %s is %d, want %d", want, got, 8+i)
		}
	}
	if asked != 1 {
		t.Errorf("asked for the last number %d times, want once", asked)
	}
}

func TestStrangeAlerts(t *testing.T) {
	t.Parallel()
	nan := math.NaN()
	cases := map[string]struct {
		seen Seen
		id   string
	}{
		"without labels":                     {id: "unnamed_20240115"},
		"with a name that is no path":        {seen: seen("a b/c?"), id: "a_b_c__20240115"},
		"with a name in another script":      {seen: seen("Überlast.α-1"), id: "Überlast.α-1_20240115"},
		"with a name that looks like an id":  {seen: seen("a_20240115_2"), id: "a_20240115_2_20240115"},
		"with a value that is not a number":  {seen: Seen{Value: &nan}, id: "unnamed_20240115"},
		"with a cooldown that is none":       {seen: Seen{Annotations: map[string]string{"cooldown": "soon"}}, id: "unnamed_20240115"},
		"with a cooldown that would not end": {seen: Seen{Annotations: map[string]string{"cooldown": "0s"}}, id: "unnamed_20240115"},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			a := Reconcile(nil, Snapshot{Complete: true, Alerts: []Seen{c.seen}}, begin, Options{})[0].Alert
			if a.ID != c.id || a.Value != nil || a.Cooldown != DefaultCooldown || a.Number() != 1 {
				t.Errorf("id %q, value %v, cooldown %s, number %d; want %q, none, the default, 1", a.ID, a.Value, a.Cooldown, a.Number(), c.id)
			}
		})
	}
}

func TestValuesFollowTheSourceOnceAMinute(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	observe := func(value float64) int64 {
		s := poll("a")
		s.Alerts[0].Value = &value
		w.observe(s)

		return w.alerts[a1].Version
	}
	observe(1)
	before := w.alerts[a1].Version
	for range 3 {
		w.wait(15 * time.Second)
		if v := observe(2); v != before {
			t.Fatalf("version %d after %s, want %d unchanged", v, w.now.Sub(begin), before)
		}
	}
	w.wait(15 * time.Second)
	if v := observe(3); v != before+1 || *w.alerts[a1].Value != 3 {
		t.Errorf("after a minute: version %d, value %g; want %d, 3", v, *w.alerts[a1].Value, before+1)
	}
	w.wait(time.Minute)
	if v := observe(3); v != before+1 {
		t.Errorf("version %d although nothing changed, want %d", v, before+1)
	}
	w.wait(time.Minute)
	w.observe(w.push("a", time.Minute))
	if w.alerts[a1].Value == nil {
		t.Error("a push that knows no value took it away")
	}
}

func TestTheLaterOfTwoAlertsWithTheSameLabelsCounts(t *testing.T) {
	t.Parallel()
	first, second := seen("a"), seen("a")
	first.Annotations = map[string]string{"summary": "first"}
	second.Annotations = map[string]string{"summary": "second"}
	ts := Reconcile(nil, Snapshot{Complete: true, Alerts: []Seen{first, second}}, begin, Options{})
	if len(ts) != 1 || ts[0].Alert.Description != "second" {
		t.Errorf("got %+v, want one alert, as it was told last", ts)
	}
}

func TestCooldownComesFromTheRule(t *testing.T) {
	t.Parallel()
	s := poll("a")
	s.Alerts[0].Annotations["cooldown"] = "1h30m"
	if got := Reconcile(nil, s, begin, Options{})[0].Alert.Cooldown; got != 90*time.Minute {
		t.Errorf("cooldown %s, want 1h30m", got)
	}
}

func TestFingerprintEqualsPrometheus(t *testing.T) {
	t.Parallel()
	for _, labels := range []map[string]string{
		nil,
		{"": ""},
		{"a": "bc"},
		{"ab": "c"},
		{"alertname": "high_cpu_usage", "severity": "high", "instance": "localhost:9925", "ümlaut": "ß"},
	} {
		set := model.LabelSet{}
		for name, value := range labels {
			set[model.LabelName(name)] = model.LabelValue(value)
		}
		if got, want := Fingerprint(labels), set.Fingerprint().String(); got != want {
			t.Errorf("Fingerprint(%v) is %s, want %s", labels, got, want)
		}
	}
}

func FuzzParseDuration(f *testing.F) {
	for _, text := range []string{"30m", "1h30m", "1d", "0", "1y2w3d4h5m6s7ms", "", "5", "m", "1m1h", "-1h", "9999999999999y", "1mms", "0s"} {
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text string) {
		got, err := ParseDuration(text)
		want, wantErr := model.ParseDuration(text)
		if (err == nil) != (wantErr == nil) {
			t.Fatalf("ParseDuration(%q): error %v, Prometheus says %v", text, err, wantErr)
		}
		if err == nil && got != time.Duration(want) {
			t.Errorf("ParseDuration(%q) is %s, Prometheus says %s", text, got, time.Duration(want))
		}
	})
}

// The times of alerts are milliseconds: what has ended in this one has ended.
func TestAnEndInThisMillisecondHasCome(t *testing.T) {
	t.Parallel()
	s := seen("a")
	s.Sender = "prometheus"
	s.StartsAt = begin.Add(-time.Hour)
	firing := Reconcile(nil, Snapshot{Alerts: []Seen{s}}, begin, Options{})[0].Alert
	s.EndsAt = begin.Add(time.Second + 400*time.Microsecond)
	now := begin.Add(time.Second + 500*time.Microsecond)
	if ts := Reconcile(nil, Snapshot{Alerts: []Seen{s}}, now, Options{}); len(ts) != 0 {
		t.Errorf("an alert that has ended fires: %+v", ts)
	}
	if ts := Reconcile([]Alert{firing}, Snapshot{Alerts: []Seen{s}}, now, Options{}); len(ts) != 1 || ts[0].Alert.Status != Resolved {
		t.Errorf("its end does not resolve it: %+v", ts)
	}
}

func TestAPushMayBringTheEndForward(t *testing.T) {
	t.Parallel()
	s := seen("a")
	s.EndsAt = begin.Add(time.Hour)
	a := Reconcile(nil, Snapshot{Alerts: []Seen{s}}, begin, Options{})[0].Alert
	a.Version = 1

	later := begin.Add(2 * time.Second)
	s.EndsAt = later.Add(time.Second)
	ts := Reconcile([]Alert{a}, Snapshot{Alerts: []Seen{s}}, later, Options{})
	if len(ts) != 1 || !ts[0].Alert.EndsAt.Equal(s.EndsAt) {
		t.Fatalf("the nearer end is not taken over: %+v", ts)
	}
	if ts := Expire([]Alert{ts[0].Alert}, later.Add(2*time.Second), Options{}); len(ts) != 1 || ts[0].Alert.Status != Resolved {
		t.Errorf("it does not end then: %+v", ts)
	}
}
