package alert

import (
	"strconv"
	"strings"
	"testing"
	"time"
)

// TestPush_BeyondTheLimitsIsRefusedAndNothingElse floods as one principal while
// another one, and a rule, tell of alerts of theirs.
func TestPush_BeyondTheLimitsIsRefusedAndNothingElse(t *testing.T) {
	now := time.Date(2024, 1, 15, 10, 0, 0, 0, time.UTC)
	var alerts []Alert
	push := func(o Origin, n, annotation int, ended bool) (refused *TooManyError) {
		s := Snapshot{Origin: o}
		for i := range n {
			one := Seen{
				Labels:      map[string]string{"alertname": "a", "n": strconv.Itoa(i)},
				Annotations: map[string]string{"summary": strings.Repeat("x", annotation)},
				StartsAt:    now.Add(-time.Minute), EndsAt: now.Add(time.Hour), Sender: "prometheus",
			}
			if ended {
				one.EndsAt = now
			}
			s.Alerts = append(s.Alerts, one)
		}
		options := Options{Push: PushLimits{Alerts: 10, Bytes: 2000}, Refused: func(e *TooManyError) { refused = e }}
		steps, _ := advance(alerts, Reconcile(alerts, s, now, options), Policy{}, nil, now)
		byID := map[string]Alert{}
		for _, a := range alerts {
			byID[a.ID] = a
		}
		for _, s := range steps {
			s.Alert.Version++
			byID[s.Alert.ID] = s.Alert
		}
		alerts = nil
		for _, a := range byID {
			alerts = append(alerts, a)
		}
		now = now.Add(2 * time.Minute)

		return refused
	}
	mallory, alice := Origin{Kind: FromPush, Principal: "mallory"}, Origin{Kind: FromPush, Principal: "alice"}
	for _, step := range []struct {
		what       string
		by         Origin
		n, text    int
		ended      bool
		refuses    int
		limit      string
		alertsThen int
	}{
		{"as many as there is room for", mallory, 10, 10, false, 0, "", 10},
		{"the same again", mallory, 10, 10, false, 0, "", 10},
		{"more", mallory, 15, 10, false, 5, limitAlerts, 10},
		{"longer ones", mallory, 10, 300, false, 5, limitBytes, 10},
		{"another one's", alice, 3, 10, false, 0, "", 13},
		{"ends", mallory, 10, 10, true, 0, "", 13},
	} {
		refused := push(step.by, step.n, step.text, step.ended)
		switch {
		case refused == nil && step.refuses > 0:
			t.Errorf("%s: nothing is refused", step.what)
		case refused != nil && (refused.Refused != step.refuses || refused.Limit != step.limit):
			t.Errorf("%s: %d are refused by %s, want %d by %q", step.what, refused.Refused, refused.Limit, step.refuses, step.limit)
		}
		if len(alerts) != step.alertsThen {
			t.Errorf("%s: there are %d alerts, want %d", step.what, len(alerts), step.alertsThen)
		}
	}
	for _, a := range alerts {
		if ended := a.Status == Resolved; ended != (a.Origin.Principal == "mallory") {
			t.Errorf("%s of %s is %s", a.ID, a.Origin.Principal, a.Status)
		}
	}
}
