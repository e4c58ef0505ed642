package bridge

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"llmwatch/bridge/alert"
	"llmwatch/bridge/metrics"
)

// ruleServer is a metrics server whose rules give what a test says.
type ruleServer struct {
	source   // For what is asked beside the alerts.
	mu       sync.Mutex
	state    metrics.AlertState
	external map[string]string
	fail     error
	polls    int
	before   func() // Runs before an answer, which is as it was then; may be nil.
}

// errAway is what a server fails with that cannot be asked.
var errAway = fmt.Errorf("%w: away", metrics.ErrUnavailable)

func (e *ruleServer) Alerts(context.Context) (metrics.AlertState, error) {
	e.mu.Lock()
	e.polls++
	state, err, before := e.state, e.fail, e.before
	state.Rules, state.Firing = slices.Clone(state.Rules), slices.Clone(state.Firing)
	for i := range state.Rules { // They have just been evaluated.
		state.Rules[i].RuleState = metrics.RuleState{Health: "ok", LastEvaluation: time.Now()}
		for j := range state.Firing {
			if state.Firing[j].Name == state.Rules[i].Name {
				state.Firing[j].Rule = &state.Rules[i]
			}
		}
	}
	e.mu.Unlock()
	if before != nil {
		before()
	}

	return state, err
}

func (e *ruleServer) ExternalLabels(context.Context) (map[string]string, error) {
	return e.external, nil
}

func (e *ruleServer) set(change func(e *ruleServer)) {
	e.mu.Lock()
	defer e.mu.Unlock()
	change(e)
}

// rule is what a rule of that name gives, with these labels in pairs.
func (e *ruleServer) fires(name string, labels ...string) {
	e.set(func(e *ruleServer) {
		a := polled(name, labels...)
		a.Query, a.Since, a.Fired = name+" > 1", time.Now().Add(-5*time.Minute), time.Now()
		e.state.Firing = append(e.state.Firing, a)
		e.has(name)
	})
}

// has adds a rule; the caller holds mu.
func (e *ruleServer) has(name string) {
	if !slices.ContainsFunc(e.state.Rules, func(r metrics.EvaluatedRule) bool { return r.Name == name }) {
		e.state.Rules = append(e.state.Rules, metrics.EvaluatedRule{Name: name, Query: name + " > 1"})
	}
}

// pushedTo runs a bridge that polls src, and whose callers are who X-User says.
func pushedTo(t *testing.T, src *ruleServer, test func(t *testing.T, b *bench, p *Poller)) {
	t.Helper()

	synctest.Test(t, func(t *testing.T) {
		var p *Poller
		b := put(t, &fakeMetrics{}, func(o *Options) {
			o.Now = time.Now
			o.Access = &fakeAccess{may: []Need{NeedRead, NeedIngest, NeedAcknowledge, NeedManage}}
			p = NewPoller(Poller{
				Source: src, Observer: o.Alerts, Store: o.AlertStore, Every: time.Minute, Logger: slog.New(slog.DiscardHandler),
				Origin: alert.Origin{Kind: alert.FromRule, Source: alert.SourceEmbedded},
			})
			o.Polled = p
		})
		ctx, cancel := context.WithCancel(t.Context())
		var running sync.WaitGroup
		running.Go(func() { p.Run(ctx) })
		defer running.Wait()
		defer cancel()
		synctest.Wait()
		test(t, b, p)
	})
}

// as sends a request under a name.
func (b *bench) as(who, method, path, body string) (int, string) {
	b.t.Helper()

	r := b.posting(path, body)
	r.Method = method
	r.Header.Set("X-User", who)
	resp := b.do(r)
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	if err != nil {
		b.t.Fatal(err)
	}

	return resp.StatusCode, string(text)
}

// pushes sends alerts to the API v2, each as the fields of its JSON.
func (b *bench) pushes(who string, alerts ...string) {
	b.t.Helper()

	if code, text := b.as(who, http.MethodPost, v2Alerts, "[{"+strings.Join(alerts, "},{")+"}]"); code != http.StatusOK {
		b.t.Fatalf("a push answers %d %s", code, text)
	}
}

// stored returns all alerts, the oldest first.
func (b *bench) stored() []alert.Alert {
	b.t.Helper()

	page, err := b.store.List(b.t.Context(), alert.Filter{})
	if err != nil {
		b.t.Fatal(err)
	}
	slices.Reverse(page.Alerts)

	return page.Alerts
}

// story is an alert in one line: origin, labels and state.
func (b *bench) story() []string {
	b.t.Helper()

	var lines []string
	for _, a := range b.stored() {
		line := string(a.Origin.Kind)
		if a.Origin.Principal != "" {
			line += " by " + a.Origin.Principal
		}
		lines = append(lines, fmt.Sprintf("%s: %s %s", line, a.Name, a.Status))
	}
	slices.Sort(lines)

	return lines
}

func (b *bench) expectStory(want ...string) {
	b.t.Helper()

	slices.Sort(want)
	if got := b.story(); !slices.Equal(got, want) {
		b.t.Errorf("the alerts are\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
}

func at(d time.Duration) string { return time.Now().Add(d).UTC().Format(time.RFC3339Nano) }

func TestPushNeverTouchesAnAlertOfARule(t *testing.T) {
	src := &ruleServer{}
	src.fires("disk_dying", "instance", "db1", "severity", "critical")
	src.state.Firing[0].Annotations = map[string]string{"description": "REAL", "cooldown": "1h"}
	pushedTo(t, src, func(t *testing.T, b *bench, _ *Poller) {
		id := b.stored()[0].ID
		if _, err := b.manager.Acknowledge(t.Context(), id, "ada", "on it", 0); err != nil {
			t.Fatal(err)
		}
		before := b.stored()[0]
		const labels = `"labels": {"alertname": "disk_dying", "instance": "db1", "severity": "critical"}`
		for _, push := range []string{
			labels + `, "endsAt": "` + at(0) + `"`,
			labels + `, "annotations": {"description": "known false positive", "cooldown": "87600h", "runbook_url": "https://evil.example/login"}`,
			labels + `, "generatorURL": "http://evil.example/graph?g0.expr=disk_dying+%3E+1", "startsAt": "` + at(0) + `"`,
			labels + `, "generatorURL": "http://evil.example/graph?g0.expr=disk_dying+%3E+1", "endsAt": "` + at(0) + `"`,
		} {
			b.pushes("mallory", push)
			pass(2 * time.Minute)
		}
		body := strings.NewReplacer(`"alertname": "cpu"`, `"alertname": "disk_dying", "instance": "db1"`, `"severity": "page"`, `"severity": "critical"`)
		for _, status := range []string{"firing", "resolved"} {
			b.as("mallory", http.MethodPost, Base+"/webhooks/alertmanager", body.Replace(webhookBody(webhookAlert("cpu", status))))
			pass(time.Minute)
		}
		after := b.stored()
		if len(after) != 1 {
			b.expectStory("rule: disk_dying acknowledged")
			t.FailNow()
		}
		a := after[0]
		if a.Status != alert.Acknowledged || a.Ack.By != "ada" || a.Description != "REAL" || a.Cooldown != time.Hour ||
			a.Annotations["runbook_url"] != before.Annotations["runbook_url"] || a.GeneratorURL != before.GeneratorURL {
			t.Errorf("it was changed from\n%+v to\n%+v", before, a)
		}
	})
}

func TestWhatTheRuleDoesNotGiveIsAPushedAlertOfItsOwn(t *testing.T) {
	src := &ruleServer{external: map[string]string{"cluster": "a"}}
	src.fires("down", "instance", "one")
	pushedTo(t, src, func(_ *testing.T, b *bench, _ *Poller) {
		for _, push := range []string{
			// Of another Prometheus with the same rules.
			`"labels": {"alertname": "down", "instance": "two", "cluster": "b"}, "generatorURL": "http://b:9090/graph?g0.expr=down+%3E+1"`,
			`"labels": {"alertname": "down", "instance": "one", "cluster": "b"}, "generatorURL": "http://b:9090/graph?g0.expr=down+%3E+1"`,
			// Another rule of the same name.
			`"labels": {"alertname": "down", "instance": "one"}, "generatorURL": "http://b:9090/graph?g0.expr=another"`,
			// No rule of the server.
			`"labels": {"alertname": "deploy"}`,
		} {
			b.pushes("other", push)
		}
		b.expectStory("rule: down triggered", "push by other: down triggered", "push by other: down triggered",
			"push by other: down triggered", "push by other: deploy triggered")
		// It goes by its own end, and the rule's by the rule.
		src.set(func(e *ruleServer) { e.state.Firing = nil })
		pass(time.Minute)
		b.expectStory("rule: down resolved", "push by other: down triggered", "push by other: down triggered",
			"push by other: down triggered", "push by other: deploy triggered")
	})
}

func TestOneFiringByPollAndByRelabelledPushIsToldOnce(t *testing.T) {
	const from = `, "generatorURL": "http://prom-0:9090/graph?g0.expr=down+%3E+1&g0.tab=1"`
	for name, push := range map[string]string{
		"the same labels":             `"labels": {"alertname": "down", "instance": "one", "cluster": "prod", "replica": "0"}` + from,
		"without an external label":   `"labels": {"alertname": "down", "instance": "one", "cluster": "prod"}` + from,
		"without any of them":         `"labels": {"alertname": "down", "instance": "one"}` + from,
		"without a label of the rule": `"labels": {"alertname": "down", "cluster": "prod"}` + from,
		"with another label":          `"labels": {"alertname": "down", "instance": "one", "cluster": "prod", "replica": "0", "env": "live"}` + from,
		"without telling where from":  `"labels": {"alertname": "down", "instance": "one", "cluster": "prod"}`,
	} {
		t.Run(name, func(t *testing.T) {
			src := &ruleServer{external: map[string]string{"cluster": "prod", "replica": "0"}}
			src.set(func(e *ruleServer) { e.has("down") })
			pushedTo(t, src, func(_ *testing.T, b *bench, _ *Poller) {
				pass(10 * time.Second)
				src.fires("down", "instance", "one")
				b.pushes("prometheus", push+`, "startsAt": "`+at(0)+`"`)
				b.expectStory("rule: down triggered") // The push has made the poll come sooner.
				b.pushes("prometheus", push+`, "startsAt": "`+at(0)+`"`)
				b.expectStory("rule: down triggered")
				src.set(func(e *ruleServer) { e.state.Firing = nil })
				b.pushes("prometheus", push+`, "startsAt": "`+at(-time.Minute)+`", "endsAt": "`+at(0)+`"`)
				pass(time.Second)
				b.expectStory("rule: down resolved")
			})
		})
	}
}

func TestPushesMakePollsComeOnceASecondAtMost(t *testing.T) {
	src := &ruleServer{}
	src.fires("down")
	pushedTo(t, src, func(t *testing.T, b *bench, _ *Poller) {
		for range 100 {
			b.pushes("prometheus", `"labels": {"alertname": "down"}, "endsAt": "`+at(0)+`"`)
			b.pushes("prometheus", `"labels": {"alertname": "down", "instance": "no"}`)
		}
		synctest.Wait()
		// Each push that is not covered waits for a poll, which comes a second after the one before.
		if src.polls > 1+100+1 {
			t.Errorf("200 pushes made %d polls", src.polls)
		}
	})
}

func TestPushIsTakenOverByTheRuleWithoutBeingToldAgain(t *testing.T) {
	src := &ruleServer{external: map[string]string{"replica": "0"}, fail: errAway}
	pushedTo(t, src, func(t *testing.T, b *bench, p *Poller) {
		b.pushes("prometheus", `"labels": {"alertname": "down", "instance": "one"}, "annotations": {"cooldown": "8760h"},
			"generatorURL": "http://prom-0:9090/graph?g0.expr=down+%3E+1", "startsAt": "`+at(0)+`"`)
		b.expectStory("push by prometheus: down triggered")
		id := b.stored()[0].ID
		if got := b.stored()[0].Cooldown; got != alert.DefaultCooldown {
			t.Errorf("a push chose a cooldown of %s", got)
		}
		if _, err := b.manager.Acknowledge(t.Context(), id, "ada", "on it", 0); err != nil {
			t.Fatal(err)
		}
		src.set(func(e *ruleServer) { e.fail = nil })
		src.fires("down", "instance", "one")
		p.Kick()
		synctest.Wait()
		b.expectStory("rule: down acknowledged")
		a := b.stored()[0]
		if a.ID != id || a.Ack.By != "ada" || a.Labels["replica"] != "0" || a.Senders != nil {
			t.Errorf("it became %+v", a)
		}
		if n := len(b.queued(id)); n != 2 { // The firing and the acknowledgement.
			t.Errorf("%d messages were owed, want 2", n)
		}
		pass(10 * time.Minute) // The push is not repeated.
		if err := b.manager.Tick(t.Context()); err != nil {
			t.Fatal(err)
		}
		b.expectStory("rule: down acknowledged")
	})
}

// queued lists the messages that were owed for an alert on one channel.
func (b *bench) queued(id string) []string {
	b.t.Helper()

	events, err := b.store.Timeline(b.t.Context(), id)
	if err != nil {
		b.t.Fatal(err)
	}
	var owed []string
	for _, e := range events {
		if e.Kind == alert.EventQueued && e.Channel == "mail" {
			owed = append(owed, e.Text)
		}
	}

	return owed
}

// Who can push must not have people told, and have them acknowledge, what a rule
// gives later.
func TestPushFromBeforeTheRuleFiredIsNotTakenOver(t *testing.T) {
	src := &ruleServer{}
	pushedTo(t, src, func(_ *testing.T, b *bench, p *Poller) {
		b.pushes("mallory", `"labels": {"alertname": "down"}, "generatorURL": "http://prom-0:9090/graph?g0.expr=down+%3E+1", "endsAt": "`+at(time.Hour)+`"`)
		pass(10 * time.Second)
		src.fires("down")
		p.Kick()
		synctest.Wait()
		b.expectStory("push by mallory: down triggered", "rule: down triggered")
	})
}

func TestOfTwoTokensNeitherEndsTheOthersAlert(t *testing.T) {
	pushedTo(t, &ruleServer{}, func(_ *testing.T, b *bench, _ *Poller) {
		const labels = `"labels": {"alertname": "backup"}, "generatorURL": "http://p:9090/graph"`
		b.pushes("one", labels)
		b.pushes("two", labels)
		b.expectStory("push by one: backup triggered", "push by two: backup triggered")
		b.pushes("two", labels+`, "endsAt": "`+at(0)+`"`)
		b.expectStory("push by one: backup triggered", "push by two: backup resolved")
		b.pushes("three", labels+`, "endsAt": "`+at(0)+`"`)
		b.expectStory("push by one: backup triggered", "push by two: backup resolved")
	})
}

func TestOneReplicaThatSaysResolvedEndsNothingWhileTheOtherFires(t *testing.T) {
	const labels = `"labels": {"alertname": "HAPair", "instance": "db-1"}`
	for name, replicas := range map[string][2]string{
		"told apart by their address": {`, "generatorURL": "http://a:9090/graph"`, `, "generatorURL": "http://b:9090/graph"`},
		"not told apart":              {"", ""},
	} {
		t.Run(name, func(t *testing.T) {
			pushedTo(t, &ruleServer{}, func(t *testing.T, b *bench, _ *Poller) {
				start := at(-time.Minute)
				say := func(replica string, end time.Duration) {
					b.pushes("prometheus", labels+replica+`, "startsAt": "`+start+`", "endsAt": "`+at(end)+`"`)
				}
				tick := func() {
					if err := b.manager.Tick(t.Context()); err != nil {
						t.Fatal(err)
					}
				}
				say(replicas[0], 4*time.Minute)
				say(replicas[1], 4*time.Minute)
				pass(12 * time.Second)
				say(replicas[1], -time.Second)
				for range 20 {
					pass(8 * time.Second)
					tick()
					b.expectStory("push by prometheus: HAPair triggered")
					pass(2 * time.Second)
					say(replicas[0], 4*time.Minute)
				}
				say(replicas[0], 0)
				pass(15 * time.Second)
				tick()
				b.expectStory("push by prometheus: HAPair resolved")
				if a := b.stored()[0]; a.Ending.Kind != alert.EndedResolved || a.Flaps != 0 {
					t.Errorf("it ended as %+v after %d flaps", a.Ending, a.Flaps)
				}
			})
		})
	}
}

func TestServerThatNeverSaidThatItFiresEndsNothing(t *testing.T) {
	pushedTo(t, &ruleServer{}, func(t *testing.T, b *bench, _ *Poller) {
		const labels = `"labels": {"alertname": "HAPair"}`
		b.pushes("prometheus", labels+`, "generatorURL": "http://a:9090/graph"`)
		b.pushes("prometheus", labels+`, "generatorURL": "http://b:9090/graph", "endsAt": "`+at(0)+`"`)
		pass(time.Minute)
		if err := b.manager.Tick(t.Context()); err != nil {
			t.Fatal(err)
		}
		b.expectStory("push by prometheus: HAPair triggered")
	})
}

func TestAlertThatNobodyTellsOfAnyMoreIsNotCalledResolved(t *testing.T) {
	pushedTo(t, &ruleServer{}, func(t *testing.T, b *bench, _ *Poller) {
		b.pushes("prometheus", `"labels": {"alertname": "down"}`)
		pass(6 * time.Minute)
		if err := b.manager.Tick(t.Context()); err != nil {
			t.Fatal(err)
		}
		a := b.stored()[0]
		if a.Status != alert.Resolved || a.Ending.Kind != alert.EndedStale || !strings.Contains(a.Ending.Text, "whether it still holds is not known") {
			t.Errorf("it is %s: %+v", a.Status, a.Ending)
		}
	})
}

// Alertmanager says nothing any more of an alert that it silences, not even that it
// ended.
func TestAlertThatAlertmanagerDoesNotRepeatIsTold(t *testing.T) {
	pushedTo(t, &ruleServer{}, func(t *testing.T, b *bench, _ *Poller) {
		say := func() { b.as("alertmanager", http.MethodPost, Base+"/webhooks/alertmanager", webhookBody("")) }
		tick := func() {
			if err := b.manager.Tick(t.Context()); err != nil {
				t.Fatal(err)
			}
		}
		say()
		for range 5 { // It repeats, each time up to a group_interval late.
			pass(4*time.Hour + 5*time.Minute)
			tick()
			b.expectStory("push by alertmanager: cpu triggered")
			say()
		}
		last := time.Now()
		pass(4*time.Hour + 30*time.Minute)
		tick()
		a := b.stored()[0]
		want := alert.Ending{
			Kind: alert.EndedStale,
			Text: "no longer reported by Alertmanager, last heard of at " + last.UTC().Format(time.RFC3339) + "; whether it still holds is not known",
		}
		if a.Status != alert.Resolved || a.Ending != want {
			t.Errorf("it is %s: %+v, want %+v", a.Status, a.Ending, want)
		}
	})
}
