package bridge

import (
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"llmwatch/bridge/alert"
)

// rests changes a rule over REST, as ada.
func (b *bench) rests(method, path, body string) {
	b.t.Helper()

	if code, text := b.as("ada", method, Base+"/rules"+path, body); code >= 300 {
		b.t.Fatalf("%s %s answers %d %s", method, path, code, text)
	}
}

// TestAlertsOfAChangedRuleSayHow has the default rule cpu, which gives severity high.
func TestAlertsOfAChangedRuleSayHow(t *testing.T) {
	for name, tc := range map[string]struct {
		change func(b *bench)
		stays  bool // The rule as it is then fires still.
		want   string
	}{
		"disabled": {
			change: func(b *bench) { b.rests(http.MethodPut, "/cpu", `{"enabled": false}`) },
			want:   "the rule cpu was disabled by ada",
		},
		"its expression changed": {
			change: func(b *bench) { b.rests(http.MethodPut, "/cpu", `{"expr": "cpu > 99"}`) },
			want:   "the rule cpu was changed by ada: its expression was cpu > 80 and is cpu > 99; as it is now, it does not fire",
		},
		"its expression changed, and it fires still": {
			change: func(b *bench) { b.rests(http.MethodPut, "/cpu", `{"expr": "cpu > 85"}`) },
			stays:  true,
		},
		"its description changed": {
			change: func(b *bench) { b.rests(http.MethodPut, "/cpu", `{"description": "another"}`) },
			want:   "the condition does not hold any more",
		},
	} {
		t.Run(name, func(t *testing.T) {
			src := &ruleServer{}
			src.fires("cpu", "severity", "high")
			pushedTo(t, src, func(t *testing.T, b *bench, _ *Poller) {
				pass(time.Second)
				if !tc.stays {
					src.set(func(e *ruleServer) { e.state.Firing = nil })
				}
				tc.change(b)
				pass(time.Minute)
				all := b.stored()
				if len(all) != 1 {
					t.Fatalf("%d alerts, want 1", len(all))
				}
				a := all[0]
				if tc.stays {
					if a.Status == alert.Resolved || a.Flaps != 0 {
						t.Errorf("it is %s: %+v", a.Status, a.Ending)
					}

					return
				}
				if a.Status != alert.Resolved || a.Ending.Text != tc.want {
					t.Errorf("it is %s: %q, want %q", a.Status, a.Ending.Text, tc.want)
				}
				if by := strings.Contains(tc.want, "ada"); by != (a.Ending.By == "ada") {
					t.Errorf("it was ended by %q", a.Ending.By)
				}
			})
		})
	}
}

func TestAlertsOfADeletedRuleSaySo(t *testing.T) {
	src := &ruleServer{}
	pushedTo(t, src, func(t *testing.T, b *bench, p *Poller) {
		b.rests(http.MethodPost, "", `{"name": "own", "expr": "up == 0", "severity": "high"}`)
		src.fires("own", "severity", "high")
		p.Kick()
		synctest.Wait()
		b.expectStory("rule: own triggered")
		src.set(func(e *ruleServer) { e.state.Firing = nil })
		b.rests(http.MethodDelete, "/own", "")
		b.expectStory("rule: own resolved") // At once, although the server still names the rule.
		if a := b.stored()[0]; a.Ending != (alert.Ending{Kind: alert.EndedRule, By: "ada", Text: "the rule own was deleted by ada"}) {
			t.Errorf("it ended as %+v", a.Ending)
		}
	})
}

func TestSeverityOfARuleChangesItsAlert(t *testing.T) {
	for severity, owed := range map[string]int{"critical": 2, "low": 1} {
		src := &ruleServer{}
		src.fires("cpu", "severity", "high", "instance", "one")
		pushedTo(t, src, func(t *testing.T, b *bench, _ *Poller) {
			id := b.stored()[0].ID
			src.set(func(e *ruleServer) { e.state.Firing[0].Labels["severity"] = severity })
			b.rests(http.MethodPut, "/cpu", `{"severity": "`+severity+`"}`)
			pass(time.Minute)
			b.expectStory("rule: cpu triggered")
			a := b.stored()[0]
			if a.ID != id || a.Severity != alert.Severity(severity) || a.Flaps != 0 {
				t.Errorf("it is %s, of severity %s, after %d flaps", a.ID, a.Severity, a.Flaps)
			}
			if got := b.queued(id); len(got) != owed {
				t.Errorf("the messages were %v, want %d: who was told of less is told of more", got, owed)
			}
		})
	}
}

func TestPollFromBeforeAChangeOfRulesIsForgotten(t *testing.T) {
	src := &ruleServer{}
	src.fires("cpu", "severity", "high")
	pushedTo(t, src, func(t *testing.T, b *bench, p *Poller) {
		during := make(chan struct{})
		src.set(func(e *ruleServer) { e.before = func() { <-during } })
		p.Kick()
		synctest.Wait() // The poll is under way.
		done := make(chan struct{})
		go func() {
			defer close(done)
			b.rests(http.MethodPut, "/cpu", `{"enabled": false}`)
		}()
		synctest.Wait()
		src.set(func(e *ruleServer) { e.before, e.state.Firing = nil, nil })
		close(during) // It answers what was so before.
		<-done
		synctest.Wait()
		b.expectStory("rule: cpu resolved")
		if a := b.stored()[0]; a.Flaps != 0 || a.Ending.Kind != alert.EndedRule {
			t.Errorf("it fired again %d times, and ended as %+v", a.Flaps, a.Ending)
		}
	})
}

func TestAlertsAreClosedByHand(t *testing.T) {
	src := &ruleServer{}
	src.fires("cpu", "severity", "high")
	pushedTo(t, src, func(t *testing.T, b *bench, p *Poller) {
		b.pushes("prometheus", `"labels": {"alertname": "backup"}, "endsAt": "`+at(24*time.Hour)+`"`)
		ids := map[string]string{}
		for _, a := range b.stored() {
			ids[a.Name] = a.ID
		}
		closing := func(name string) (int, string) {
			return b.as("ada", http.MethodPost, Base+"/alerts/"+ids[name]+"/close", `{"comment": "was a test", "closed_by": "eve"}`)
		}
		if code, text := closing("backup"); code != http.StatusOK {
			t.Errorf("it answers %d %s", code, text)
		}
		if code, text := closing("backup"); code != http.StatusConflict || !strings.Contains(text, CodeResolved) {
			t.Errorf("a second time it answers %d %s", code, text)
		}
		if code, text := closing("cpu"); code != http.StatusConflict || !strings.Contains(text, CodeStillFiring) || !strings.Contains(text, "acknowledge it") {
			t.Errorf("for one whose rule fires it answers %d %s", code, text)
		}
		if code, _ := b.as("ada", http.MethodPost, Base+"/alerts/no_20240115/close", ""); code != http.StatusNotFound {
			t.Errorf("for one that is not there it answers %d", code)
		}
		b.expectStory("push by prometheus: backup resolved", "rule: cpu triggered")
		for _, a := range b.stored() {
			if a.Name == "backup" && a.Ending != (alert.Ending{Kind: alert.EndedClosed, By: "ada", Text: "closed by ada: was a test"}) {
				t.Errorf("it ended as %+v", a.Ending)
			}
		}
		// Nobody can say of an alert whose server is away that it still fires.
		src.set(func(e *ruleServer) { e.fail = errAway })
		pass(2 * staleAfter)
		if code, text := closing("cpu"); code != http.StatusOK {
			t.Errorf("for one whose server is away it answers %d %s", code, text)
		}
		src.set(func(e *ruleServer) { e.fail = nil })
		p.Kick()
		pass(2 * time.Minute)
		b.expectStory("push by prometheus: backup resolved", "push: alerts_unreadable resolved", "rule: cpu triggered") // Level decides.
	})
}
