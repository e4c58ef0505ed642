package alert

import (
	"testing"
	"time"
)

// TestReopened_FiringThatNobodyGotIsOwedAgain has an alert end and fire again while
// its channels accept nothing: the news of the end took the place of the firing's.
func TestReopened_FiringThatNobodyGotIsOwedAgain(t *testing.T) {
	begin := time.Date(2024, 1, 15, 10, 0, 0, 0, time.UTC)
	policy := Policy{Channels: []string{"mail"}, SendResolved: true}
	alerts := map[string]Alert{}
	step := func(now time.Time, firing bool) []Notification {
		var previous []Alert
		for _, a := range alerts {
			previous = append(previous, a)
		}
		names := ""
		if firing {
			names = "a"
		}
		steps, owed := advance(previous, Reconcile(previous, poll(names), now, Options{}), policy, nil, now)
		for _, s := range steps {
			s.Alert.Version++
			alerts[s.Alert.ID] = s.Alert
		}

		return owed
	}
	for i, tc := range []struct {
		firing bool
		owes   Kind
	}{{true, KindFiring}, {false, KindResolved}, {true, KindFiring}} {
		owed := step(begin.Add(time.Duration(i)*time.Minute), tc.firing)
		if len(owed) != 1 || owed[0].Kind != tc.owes {
			t.Fatalf("step %d owes %+v, want one of the kind %s", i, owed, tc.owes)
		}
	}
	if len(alerts) != 1 {
		t.Errorf("there are %d alerts, want 1", len(alerts))
	}
}
