package e2e

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"llmwatch/internal/testtool"
)

// delivery is one request to a receiver.
type delivery struct {
	key, kind, alert string
	at               time.Time
	accepted         bool
}

// receiver is an HTTP receiver of notifications.
type receiver struct {
	t   *testing.T
	url string
	mu  sync.Mutex
	got []delivery
}

// receive answers 503 to the first so many deliveries and then accepts.
func receive(t *testing.T, failures int) *receiver {
	t.Helper()

	r := &receiver{t: t}
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
		var payload struct {
			Alerts []struct {
				Labels map[string]string `json:"labels"`
			} `json:"alerts"`
		}
		body, err := io.ReadAll(req.Body)
		if err == nil {
			err = json.Unmarshal(body, &payload)
		}
		if err != nil || len(payload.Alerts) != 1 {
			t.Errorf("the receiver got %s (%v), want one alert", body, err)
			return
		}
		r.mu.Lock()
		defer r.mu.Unlock()
		d := delivery{
			key: req.Header.Get("Idempotency-Key"), kind: req.Header.Get("X-Llmwatch-Kind"),
			alert: payload.Alerts[0].Labels["alertname"], at: time.Now(), accepted: len(r.got) >= failures,
		}
		r.got = append(r.got, d)
		if !d.accepted {
			http.Error(w, "later", http.StatusServiceUnavailable)
		}
	}))
	t.Cleanup(server.Close)
	r.url = server.URL

	return r
}

func (r *receiver) all() []delivery {
	r.mu.Lock()
	defer r.mu.Unlock()

	return slices.Clone(r.got)
}

// wait returns the first accepted delivery of that kind.
func (r *receiver) wait(kind, alert string) delivery {
	r.t.Helper()

	var found delivery
	waitFor(r.t, 20*time.Second, kind+" of "+alert+" to be told", func() error {
		for _, d := range r.all() {
			if d.accepted && d.kind == kind && d.alert == alert {
				found = d
				return nil
			}
		}

		return fmt.Errorf("the receiver got %v", r.all())
	})

	return found
}

// expectOnce expects exactly these accepted deliveries of an alert, by kind.
func (r *receiver) expectOnce(alert string, kinds ...string) {
	r.t.Helper()

	var got []string
	for _, d := range r.all() {
		if d.accepted && d.alert == alert {
			got = append(got, d.kind)
		}
	}
	if !slices.Equal(got, kinds) {
		r.t.Errorf("of %s the receiver was told %v, want each of %v once", alert, got, kinds)
	}
}

// rulesThatFire is a configuration file whose rules fire at once.
func rulesThatFire(t *testing.T, names ...string) string {
	t.Helper()

	var rules strings.Builder
	rules.WriteString("groups:\n  - name: own\n    interval: 1s\n    rules:\n")
	for _, name := range names {
		fmt.Fprintf(&rules, "      - {alert: %s, expr: vector(42), for: 0s, labels: {severity: critical}}\n", name)
	}

	return write(t, "prometheus.yml", "rule_files: ["+write(t, "own.yml", rules.String())+"]")
}

// shownAlert is an alert as /alerts/{id} shows it.
type shownAlert struct {
	Data struct {
		Status    string    `json:"status"`
		CreatedAt time.Time `json:"created_at"`
		Ack       *struct {
			By string `json:"by"`
		} `json:"acknowledgement"`
		Timeline []struct {
			Kind    string `json:"kind"`
			Channel string `json:"channel"`
		} `json:"timeline"`
	} `json:"data"`
}

func (a *shownAlert) kinds() []string {
	var kinds []string
	for _, e := range a.Data.Timeline {
		kinds = append(kinds, e.Kind)
	}

	return kinds
}

// find waits for the newest alert with a name and a status, and returns its id.
func (r *rest) find(name, status string) string {
	r.t.Helper()

	var id string
	waitFor(r.t, 20*time.Second, name+" to be "+status, func() error {
		var all alertsAnswer
		if r.get("/alerts/history?name="+name, &all); all.Count == 0 || all.Data[0].Status != status {
			return fmt.Errorf("there are %+v", all.Data)
		}
		id = all.Data[0].ID

		return nil
	})

	return id
}

// acknowledge does so as ada.
func (r *rest) acknowledge(id string) {
	r.t.Helper()

	resp, err := http.Post(r.base+apiBase+"/alerts/"+id+"/acknowledge", "application/json", strings.NewReader(`{"acknowledged_by": "ada"}`))
	if err != nil {
		r.t.Fatal(err)
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		body, _ := io.ReadAll(resp.Body)
		r.t.Fatalf("acknowledging %s answered %d %s", id, resp.StatusCode, body)
	}
}

// settle has everything delivered that was owed until now: one channel keeps
// the order, so that when the acknowledgement of another alert has arrived, all
// before it have too.
func settle(r *rest, to *receiver, other string) {
	r.t.Helper()

	to.wait("firing", other)
	r.acknowledge(r.find(other, "active"))
	to.wait("acknowledged", other)
}

func TestAlertIsToldOnceThroughCrashes(t *testing.T) {
	t.Parallel()
	to, dir := receive(t, 0), t.TempDir()
	start := func(rules ...string) (*process, *rest) {
		return llmwatch(t, "serve", "--data-dir", dir, "--collection-interval", "1", "--check-interval", "1",
			"--webhook-url", to.url, "--prometheus-config", rulesThatFire(t, rules...))
	}

	p, r := start("always_on")
	told := to.wait("firing", "always_on")
	id := r.find("always_on", "active")
	var a shownAlert
	r.get("/alerts/"+id, &a)
	if took := told.at.Sub(a.Data.CreatedAt); took > 3*time.Second {
		t.Errorf("people were told %s after the condition began to hold, want under 3s", took)
	}
	for _, want := range []string{"fired", "queued", "delivered"} {
		if !slices.Contains(a.kinds(), want) {
			t.Errorf("the timeline %v lacks %s", a.kinds(), want)
		}
	}
	r.acknowledge(id)
	r.acknowledge(id)
	// What was accepted and not noted yet would rightly be sent again.
	waitFor(t, 10*time.Second, "both notifications to be noted as delivered", func() error {
		a = shownAlert{}
		r.get("/alerts/"+id, &a)
		if n := len(slices.DeleteFunc(a.kinds(), func(kind string) bool { return kind != "delivered" })); n != 2 {
			return fmt.Errorf("the timeline is %v", a.kinds())
		}

		return nil
	})
	p.signal(os.Kill)

	p, r = start("always_on", "second")
	settle(r, to, "second")
	if a = (shownAlert{}); r.get("/alerts/"+id, &a) != http.StatusOK || a.Data.Status != "acknowledged" || a.Data.Ack == nil || a.Data.Ack.By != "ada" {
		t.Errorf("after the crash the alert is %+v", a.Data)
	}
	to.expectOnce("always_on", "firing", "acknowledged")
	p.signal(os.Kill)

	_, r = start("third") // Neither of the other two rules is there any more.
	to.wait("resolved", "always_on")
	settle(r, to, "third")
	if got := r.find("always_on", "resolved"); got != id {
		t.Errorf("the resolved alert is %s, want %s", got, id)
	}
	to.expectOnce("always_on", "firing", "acknowledged", "resolved")
}

func TestReceiverThatFailsAtFirstIsToldOnce(t *testing.T) {
	t.Parallel()
	to := receive(t, 2)
	_, r := llmwatch(t, "serve", "--data-dir", t.TempDir(), "--collection-interval", "1", "--check-interval", "1",
		"--webhook-url", to.url, "--prometheus-config", rulesThatFire(t, "always_on"))
	last := to.wait("firing", "always_on")
	id := r.find("always_on", "active")
	r.acknowledge(id)
	to.wait("acknowledged", "always_on")
	attempts := to.all()[:3]
	for i, d := range attempts {
		if d.key == "" || d.key != last.key || d.accepted != (i == 2) {
			t.Errorf("attempt %d is %+v, want the same key %q each time", i, d, last.key)
		}
	}
	to.expectOnce("always_on", "firing", "acknowledged")
	var a shownAlert
	r.get("/alerts/"+id, &a)
	if n := len(slices.DeleteFunc(a.kinds(), func(kind string) bool { return kind != "attempt_failed" })); n != 2 {
		t.Errorf("the timeline %v tells of %d failed attempts, want 2", a.kinds(), n)
	}
}

// amtool runs Alertmanager's client against a server and returns what it prints,
// its warnings aside.
func amtool(t *testing.T, base string, args ...string) string {
	t.Helper()

	var warnings strings.Builder
	cmd := exec.CommandContext(t.Context(), testtool.Find(t, "amtool"), append([]string{"--alertmanager.url=" + base}, args...)...)
	cmd.Stderr = &warnings
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("amtool %s: %v\n%s%s", strings.Join(args, " "), err, out, &warnings)
	}

	return string(out)
}

func TestAmtool(t *testing.T) {
	t.Parallel()
	_, r := llmwatch(t, "serve", "--data-dir", t.TempDir(), "--check-interval", "1")
	begin := "--start=" + time.Now().Add(-time.Hour).UTC().Format(time.RFC3339)
	amtool(t, r.base, "alert", "add", "from_amtool", "severity=page", begin, "--annotation=summary=It is so.", "--generator-url=http://example.com/graph")
	amtool(t, r.base, "alert", "add", "another", "severity=info")

	id := r.find("from_amtool", "triggered")
	for filter, want := range map[string]string{
		"alertname=~.+": "another from_amtool", "from_amtool": "from_amtool", "severity=info": "another", "severity=none": "",
	} {
		var found []struct {
			Labels      map[string]string `json:"labels"`
			Annotations map[string]string `json:"annotations"`
		}
		if err := json.Unmarshal([]byte(amtool(t, r.base, "alert", "query", "-o", "json", filter)), &found); err != nil {
			t.Fatal(err)
		}
		var names []string
		for _, a := range found {
			names = append(names, a.Labels["alertname"])
		}
		slices.Sort(names)
		if got := strings.Join(names, " "); got != want {
			t.Errorf("amtool alert query %s finds %q, want %q", filter, got, want)
		}
	}
	if out := amtool(t, r.base, "alert", "query", "-o", "extended", "from_amtool"); !strings.Contains(out, "It is so.") || !strings.Contains(out, "http://example.com/graph") {
		t.Errorf("amtool shows\n%s", out)
	}
	// As an Alertmanager, acknowledged alerts are silenced ones, which amtool hides.
	r.acknowledge(id)
	if out := amtool(t, r.base, "alert", "query", "from_amtool"); strings.Contains(out, "from_amtool") {
		t.Errorf("amtool shows what is acknowledged:\n%s", out)
	}
	if out := amtool(t, r.base, "alert", "query", "--silenced", "from_amtool"); !strings.Contains(out, "from_amtool") {
		t.Errorf("amtool alert query --silenced does not show what is acknowledged:\n%s", out)
	}
	amtool(t, r.base, "alert", "add", "from_amtool", "severity=page", begin, "--end="+time.Now().UTC().Format(time.RFC3339))
	r.find("from_amtool", "resolved")
}

func TestAlertmanagerAsSource(t *testing.T) {
	t.Parallel()
	testtool.Find(t, "prometheus-alertmanager")
	_, r := llmwatch(t, "serve", "--data-dir", t.TempDir(), "--check-interval", "1")
	config := write(t, "alertmanager.yml", fmt.Sprintf(`
route: {receiver: llmwatch, group_by: [alertname], group_wait: 0s, group_interval: 1s}
receivers:
  - name: llmwatch
    webhook_configs: [{url: %q, send_resolved: true}]
`, r.base+apiBase+"/webhooks/alertmanager"))
	address := freePort(t)
	run(t, testtool.Find(t, "prometheus-alertmanager"), "--config.file", config, "--storage.path", t.TempDir(),
		"--web.listen-address", address, "--cluster.listen-address=")
	waitFor(t, 20*time.Second, "Alertmanager", func() error {
		resp, err := http.Get("http://" + address + "/-/ready")
		if err != nil {
			return err
		}

		return resp.Body.Close()
	})
	end := time.Now().Add(5 * time.Second).UTC().Format(time.RFC3339)
	amtool(t, "http://"+address, "alert", "add", "from_alertmanager", "severity=warning", "--end="+end)
	id := r.find("from_alertmanager", "triggered")
	if got := r.find("from_alertmanager", "resolved"); got != id {
		t.Errorf("%s fired and %s was resolved", id, got)
	}
}

// pushing is a bridge, polling every so often, whose Prometheus pushes to it.
func pushing(t *testing.T, checkInterval string) *rest {
	t.Helper()

	testtool.Find(t, "prometheus")
	o := &outside{t: t, address: freePort(t), data: t.TempDir()}
	_, o.rest = llmwatch(t, "bridge", "--prometheus-url", "http://"+o.address, "--check-interval", checkInterval, "--data-dir", t.TempDir())
	o.config = write(t, "prometheus.yml", fmt.Sprintf(`
global: {scrape_interval: 1s, evaluation_interval: 1s, external_labels: {region: eu}}
rule_files: [%q]
alerting:
  alertmanagers:
    - static_configs: [{targets: [%q]}]
`, write(t, "own.yml", ownRules), strings.TrimPrefix(o.rest.base, "http://")))
	o.start()

	return o.rest
}

// pushed waits until a push of Prometheus was accepted.
func (r *rest) pushed() {
	r.t.Helper()

	waitFor(r.t, 20*time.Second, "Prometheus to push", func() error {
		_, body := r.raw(http.MethodGet, "/metrics", nil)
		if !strings.Contains(string(body), `llmwatch_api_requests_total{code="200",method="POST",route="/api/v2/alerts"}`) {
			return errors.New("no push was accepted")
		}

		return nil
	})
}

func TestPrometheusPushes(t *testing.T) {
	t.Parallel()
	r := pushing(t, "2m") // It polls before Prometheus is there, and not again.
	r.find("always_on", "triggered")
	r.pushed()
	var all alertsAnswer
	if r.get("/alerts?name=always_on", &all); all.Count != 1 || all.Data[0].Metadata.Labels["region"] != "eu" {
		t.Errorf("pushed alerts are %+v", all.Data)
	}
}

func TestTheSameAlertPolledAndPushedIsOne(t *testing.T) {
	t.Parallel()
	r := pushing(t, "1")
	r.pushed()
	polled := func() error {
		var all alertsAnswer
		r.get("/alerts?name=always_on", &all)
		if all.Count != 1 || all.Data[0].Metadata.Value != 42 { // A push knows no value.
			return fmt.Errorf("%+v", all.Data)
		}

		return nil
	}
	waitFor(t, 20*time.Second, "a poll", polled)
	var history alertsAnswer
	if r.get("/alerts/history", &history); history.Count != 2 {
		t.Errorf("two alerts fire, and the history holds %+v", history.Data)
	}
}

func TestAlertsStayWhilePrometheusIsAway(t *testing.T) {
	t.Parallel()
	o := beside(t)
	o.rest.find("always_on", "triggered")
	o.rest.find("from_elsewhere", "triggered")
	var before, after alertsAnswer
	o.rest.get("/alerts/history", &before)
	o.prometheus.signal(os.Kill)
	expectDegraded(t, o.rest)
	logged := func(text string) {
		t.Helper()
		waitFor(t, 20*time.Second, "the log to say that the state of the alerts "+text, func() error {
			if !strings.Contains(o.bridge.log.String(), "the state of the alerts "+text) {
				return errors.New("it does not")
			}

			return nil
		})
	}
	logged("cannot be fetched")
	o.start()
	logged("is fetched again")
	o.rest.get("/alerts/history", &after)
	for i := range after.Data {
		if a := after.Data[i]; a.Status != "triggered" || after.Count != before.Count {
			t.Errorf("%d alerts became %d, %s is %s", before.Count, after.Count, a.ID, a.Status)
		}
	}
}
