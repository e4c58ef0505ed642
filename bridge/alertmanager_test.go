package bridge

import (
	"fmt"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/go-openapi/strfmt"
	"github.com/prometheus/alertmanager/api/v2/models"
)

// webhookBody is Alertmanager's webhook payload with these alerts.
func webhookBody(alerts string) string {
	if alerts == "" {
		alerts = webhookAlert("cpu", "firing")
	}

	return `{"version": "4", "groupKey": "{}", "truncatedAlerts": 0, "status": "firing", "receiver": "llmwatch",
		"groupLabels": {}, "commonLabels": {}, "commonAnnotations": {}, "externalURL": "http://am", "alerts": [` + alerts + `]}`
}

func webhookAlert(name, status string) string {
	return fmt.Sprintf(`{"status": %q, "labels": {"alertname": %q, "severity": "page"}, "annotations": {"summary": "It is so."},
		"startsAt": "2024-01-15T12:00:00Z", "endsAt": "0001-01-01T00:00:00Z", "generatorURL": "http://p/graph", "fingerprint": "0"}`, status, name)
}

// states returns the status of each alert ever seen, by name.
func (b *bench) states() map[string]string {
	b.t.Helper()

	var a alertsForm
	b.get("/alerts/history", &a)
	states := map[string]string{}
	for i := range a.Data {
		states[a.Data[i].Name] = a.Data[i].Status
	}

	return states
}

func (b *bench) expectStates(want map[string]string) {
	b.t.Helper()

	if got := b.states(); !maps.Equal(got, want) {
		b.t.Errorf("the alerts are %v, want %v", got, want)
	}
}

func TestWebhook(t *testing.T) {
	b := put(t, &fakeMetrics{}, onTime)
	send := func(alerts ...string) {
		t.Helper()
		got := b.answers(b.posting(Base+"/webhooks/alertmanager", webhookBody(strings.Join(alerts, ","))), http.StatusOK, nil)
		if want := fmt.Sprintf(`{"success":true,"accepted":%d}`+"\n", len(alerts)); got != want {
			t.Errorf("answered %s, want %s", got, want)
		}
	}
	send(webhookAlert("cpu", "firing"), webhookAlert("disk", "firing"))
	b.expectStates(map[string]string{"cpu": "triggered", "disk": "triggered"})
	send(webhookAlert("cpu", "resolved"))
	b.expectStates(map[string]string{"cpu": "resolved", "disk": "triggered"})
	send(webhookAlert("never seen", "resolved"))
	b.expectStates(map[string]string{"cpu": "resolved", "disk": "triggered"})
}

func TestWebhookAlertLastsUntilAlertmanagerSaysOtherwise(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := put(t, &fakeMetrics{}, onTime)
		for _, tc := range []struct {
			after time.Duration
			want  string
		}{{4 * time.Hour, "triggered"}, {webhookPatience(DefaultAlertmanagerRepeat), "resolved"}} {
			b.answers(b.posting(Base+"/webhooks/alertmanager", webhookBody("")), http.StatusOK, nil)
			pass(tc.after + time.Second)
			for range 25 { // The manager looks at nothing while time passes, as if it slept.
				if err := b.manager.Tick(t.Context()); err != nil {
					t.Fatal(err)
				}
				pass(15 * time.Second)
			}
			if got := b.states()["cpu"]; got != tc.want {
				t.Errorf("%s after Alertmanager's last word it is %s, want %s", tc.after, got, tc.want)
			}
		}
	})
}

func TestWebhookKeepsTheGoodOnes(t *testing.T) {
	b := put(t, &fakeMetrics{}, onTime)
	b.fails(b.posting(Base+"/webhooks/alertmanager", webhookBody(strings.Join([]string{
		webhookAlert("cpu", "firing"), webhookAlert("sleeping", "sleeping"), `{"status": "firing", "labels": {}}`, `7`,
	}, ","))), 400, CodeBadRequest, "1 alerts were taken, 3 were not: alert 1: status must be firing or resolved, got \"sleeping\"; "+
		"alert 2: labels must hold at least one label with a value; alert 3: ")
	b.expectStates(map[string]string{"cpu": "triggered"})

	many := slices.Repeat([]string{`{"status": "firing"}`}, maxNamed+3)
	b.fails(b.posting(Base+"/webhooks/alertmanager", webhookBody(strings.Join(many, ","))), 400, CodeBadRequest, "; and 3 more")
}

func TestWebhookThatIsNone(t *testing.T) {
	b := put(t, &fakeMetrics{}, nil)
	for body, says := range map[string]string{
		"":                               "the body must be Alertmanager's webhook payload",
		"[]":                             "the body must be Alertmanager's webhook payload",
		`{"version": "3", "alerts": []}`: `version must be "4", got "3"`,
	} {
		b.fails(b.posting(Base+"/webhooks/alertmanager", body), 400, CodeBadRequest, says)
	}
	b.fails(b.posting(Base+"/webhooks/alertmanager", strings.Repeat(" ", maxAlertBody+1)), 413, CodeTooLarge, "the body must be at most 33554432 bytes")
	b.expectStates(map[string]string{})
}

const twoAlerts = `[
	{"labels": {"alertname": "cpu", "severity": "high"}, "annotations": {"summary": "It is so."}, "generatorURL": "http://p/graph"},
	{"labels": {"alertname": "disk", "severity": "low"}}
]`

// shown decodes an answer of GET /api/v2/alerts as Alertmanager's clients do,
// and returns the alerts by name.
func (b *bench) shown(query string) map[string]*models.GettableAlert {
	b.t.Helper()

	var alerts models.GettableAlerts
	b.answers(request(b.t, http.MethodGet, v2Alerts+query), http.StatusOK, &alerts)
	if err := alerts.Validate(strfmt.Default); err != nil {
		b.t.Errorf("%s does not pass for an answer of Alertmanager: %v", query, err)
	}
	byName := map[string]*models.GettableAlert{}
	for _, a := range alerts {
		byName[a.Labels["alertname"]] = a
	}

	return byName
}

// onTime lets the bridge have the manager's clock: that decides whether a
// pushed alert has ended.
func onTime(o *Options) { o.Now = time.Now }

func TestAlertmanagersAlerts(t *testing.T) {
	b := put(t, &fakeMetrics{}, onTime)
	if none := b.answers(request(t, http.MethodGet, v2Alerts), http.StatusOK, nil); none != "[]\n" {
		t.Errorf("without alerts it answers %s", none)
	}
	if body := b.answers(b.posting(v2Alerts, twoAlerts), http.StatusOK, nil); body != "" {
		t.Errorf("POST answers %q, want nothing", body)
	}
	ids := map[string]string{}
	var all alertsForm
	b.get("/alerts", &all)
	for i := range all.Data {
		ids[all.Data[i].Name] = all.Data[i].ID
	}
	b.answers(b.acknowledge(ids["disk"], `{"acknowledged_by": "ada"}`), http.StatusOK, nil)

	for query, want := range map[string][]string{
		"":                              {"cpu", "disk"},
		"?silenced=true":                {"cpu", "disk"},
		"?silenced=false":               {"cpu"},
		"?active=false":                 {"disk"},
		"?active=false&silenced=false":  {},
		"?filter=alertname%3D%22cpu%22": {"cpu"},
		"?filter=severity%3D~%22h.*%22": {"cpu"},
		"?filter=severity!%3Dhigh":      {"disk"},
		"?filter=alertname%3D%22cpu%22&filter=severity%3D%22low%22": {},
	} {
		if got := slices.Sorted(maps.Keys(b.shown(query))); !slices.Equal(got, want) {
			t.Errorf("%s: %v, want %v", query, got, want)
		}
	}
	shown := b.shown("")
	cpu, disk := shown["cpu"], shown["disk"]
	if *cpu.Status.State != "active" || *disk.Status.State != "suppressed" || !slices.Equal(disk.Status.SilencedBy, []string{"acknowledged by ada"}) {
		t.Errorf("the states are %+v and %+v", cpu.Status, disk.Status)
	}
	if len(cpu.Receivers) != 1 || *cpu.Receivers[0].Name != "mail" || cpu.GeneratorURL != "http://p/graph" || len(*cpu.Fingerprint) != 16 {
		t.Errorf("an alert is shown as %+v", cpu)
	}
}

func TestAlertmanagersAlertEnds(t *testing.T) {
	b := put(t, &fakeMetrics{}, onTime)
	push := func(more string) {
		t.Helper()
		b.answers(b.posting(v2Alerts, `[{"labels": {"alertname": "cpu"}, "generatorURL": "http://p:9090/graph", "startsAt": "2024-01-15T12:00:00Z"`+more+`}]`), http.StatusOK, nil)
	}
	push("")
	b.expectStates(map[string]string{"cpu": "triggered"})
	push(`, "endsAt": "2024-01-15T13:00:00Z"`)
	b.expectStates(map[string]string{"cpu": "resolved"})
}

// failsV2 sends a request that must be answered with a JSON string.
func (b *bench) failsV2(r *http.Request, status int, says string) {
	b.t.Helper()

	var text string
	if b.answers(r, status, &text); !strings.Contains(text, says) {
		b.t.Errorf("%s %s says %q, want %q", r.Method, r.URL, text, says)
	}
}

func TestAlertmanagersErrorsAreStrings(t *testing.T) {
	b := put(t, &fakeMetrics{}, onTime)
	b.failsV2(b.posting(v2Alerts, "{}"), 400, "the body must be a JSON array of alerts")
	b.failsV2(b.posting(v2Alerts, `[{"labels": {"alertname": "cpu"}}, {"labels": {}}]`), 400, "1 alerts were taken, 1 were not: alert 1: labels")
	b.expectStates(map[string]string{"cpu": "triggered"})
	b.failsV2(b.posting(v2Alerts, strings.Repeat(" ", maxAlertBody+1)), 413, "the body must be at most")
	b.failsV2(request(t, http.MethodGet, v2Alerts+"?filter="+url.QueryEscape("=x")), 400, "")
	b.failsV2(request(t, http.MethodGet, v2Alerts+"?filter="+url.QueryEscape(`a=~"("`)), 400, "")
	for path, methods := range map[string]string{v2Alerts: "GET, HEAD, POST", v2Status: "GET, HEAD"} {
		if allow := b.fails(request(t, http.MethodDelete, path), 405, CodeMethodNotAllowed, "").Get("Allow"); allow != methods {
			t.Errorf("%s: Allow is %q", path, allow)
		}
	}
	if err := b.store.Close(); err != nil {
		t.Fatal(err)
	}
	b.failsV2(request(t, http.MethodGet, v2Alerts), 500, "an internal error occurred")
	b.failsV2(b.posting(v2Alerts, twoAlerts), 500, "an internal error occurred")
}

func TestAlertmanagersStatus(t *testing.T) {
	b := put(t, &fakeMetrics{}, nil)
	var status models.AlertmanagerStatus
	body := b.answers(request(t, http.MethodGet, v2Status), http.StatusOK, &status)
	if err := status.Validate(strfmt.Default); err != nil {
		t.Errorf("%s does not pass for Alertmanager's status: %v", body, err)
	}
	if *status.VersionInfo.Version != "v1.2.3" || !time.Time(*status.Uptime).Equal(noon) || *status.Cluster.Status != "disabled" {
		t.Errorf("the status is %s", body)
	}
}
