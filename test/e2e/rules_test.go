package e2e

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"slices"
	"strings"
	"testing"
	"time"
)

// putRule changes a rule or adds one.
func (r *rest) putRule(name, body string) {
	r.t.Helper()

	req, err := http.NewRequestWithContext(r.t.Context(), http.MethodPut, r.base+apiBase+"/rules/"+name, strings.NewReader(body))
	if err != nil {
		r.t.Fatal(err)
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		r.t.Fatal(err)
	}
	defer resp.Body.Close()
	if resp.StatusCode/100 != 2 {
		r.t.Fatalf("PUT of rule %s answered %s", name, resp.Status)
	}
}

type ruleAnswer struct {
	Data struct {
		For      string  `json:"for"`
		Cooldown *string `json:"cooldown"`
		State    *struct {
			Health  string `json:"health"`
			Firing  int    `json:"firing"`
			Pending int    `json:"pending"`
		} `json:"state"`
	} `json:"data"`
}

// ruleIs waits until so many alerts of a rule are pending and firing.
func (r *rest) ruleIs(name string, pending, firing int) {
	r.t.Helper()

	waitFor(r.t, 20*time.Second, fmt.Sprintf("%s to be pending %d times and firing %d times", name, pending, firing), func() error {
		var a ruleAnswer
		if r.get("/rules/"+name, &a); a.Data.State == nil || a.Data.State.Pending != pending || a.Data.State.Firing != firing {
			state, _ := json.Marshal(a.Data.State)
			return fmt.Errorf("its state is %s", state)
		}

		return nil
	})
}

// failJobs pushes fine-tuning jobs that fail.
func (r *rest) failJobs(from, until int) {
	r.t.Helper()

	var events []map[string]string
	for i := from; i < until; i++ {
		for _, event := range []string{"started", "failed"} {
			events = append(events, map[string]string{"type": "job", "job_id": fmt.Sprintf("ft-%d", i), "job_type": "finetuning", "event": event})
		}
	}
	var a pushAnswer
	if r.post("/metrics/app", events, &a); a.Accepted != len(events) {
		r.t.Fatalf("of %d events %d were accepted: %+v", len(events), a.Accepted, a.Errors)
	}
}

// TestCustomRuleTellsOfFailedJobs is the documented example: more than 5 failed
// fine-tuning jobs for 10 minutes. That it waits for 10 minutes is seen by its
// state; then the wait is shortened.
func TestCustomRuleTellsOfFailedJobs(t *testing.T) {
	t.Parallel()
	const name = "high_fine_tuning_failures"
	to := newStep()
	server := httptest.NewServer(to)
	t.Cleanup(server.Close)
	_, r := llmwatch(t, "serve", "--data-dir", t.TempDir(), "--collection-interval", "1", "--check-interval", "1", "--webhook-url", server.URL)
	var created ruleAnswer
	if code := r.post("/rules", map[string]any{
		"name": name, "description": "High rate of fine-tuning job failures", "severity": "high",
		"expr": `sum(increase(llm_jobs_finished_total{type="finetuning",status="failed"}[1h] anchored)) > 5`,
		"for":  600, "cooldown": 1800,
	}, &created); code != http.StatusCreated || created.Data.For != "10m" || created.Data.Cooldown == nil || *created.Data.Cooldown != "30m" {
		t.Fatalf("POST answered %d: %+v", code, created.Data)
	}
	r.samples(2, 20*time.Second)
	r.failJobs(0, 5)
	waitFor(t, 20*time.Second, "5 failed jobs to be measured and judged", func() error {
		var a ruleAnswer
		if r.get("/rules/"+name, &a); a.Data.State == nil || a.Data.State.Health != "ok" {
			return errors.New("it was not evaluated")
		}
		if !r.hasData(`sum(llm_jobs_finished_total{type="finetuning",status="failed"}) >= 5`) {
			return errors.New("it was not measured")
		}

		return nil
	})
	r.ruleIs(name, 0, 0)
	r.failJobs(5, 7)
	r.ruleIs(name, 1, 0)
	if got := to.of(name); len(got) > 0 {
		t.Errorf("people were told before its 10 minutes: %+v", got)
	}

	r.putRule(name, `{"for": "1s"}`)
	r.happened(r.findAny(name), "delivered")
	if got := to.of(name); len(got) != 1 {
		t.Errorf("people were told %d times, want once", len(got))
	}
	r.putRule(name, `{"enabled": false}`)
	r.find(name, "resolved")
}

// TestTimersOfRulesGoOnAfterACrash kills the program while a custom rule waits.
func TestTimersOfRulesGoOnAfterACrash(t *testing.T) {
	t.Parallel()
	const wait = 12 * time.Second
	dir := t.TempDir()
	start := func() (*process, *rest) {
		return llmwatch(t, "serve", "--data-dir", dir, "--collection-interval", "1", "--check-interval", "1")
	}
	p, r := start()
	r.putRule("patient", fmt.Sprintf(`{"expr": "vector(42) > 1", "for": %q}`, wait))
	r.ruleIs("patient", 1, 0)
	r.hasDataFor(t, `time() - ALERTS_FOR_STATE{alertname="patient"} > 7`)
	p.signal(os.Kill)
	_, r = start()
	begin := time.Now()
	r.findAny("patient")
	if took := time.Since(begin); took > wait-3*time.Second {
		t.Errorf("after the crash it fired within %s, as if its %s began anew", took, wait)
	}
}

// hasDataFor waits until a query yields something.
func (r *rest) hasDataFor(t *testing.T, query string) {
	t.Helper()

	waitFor(t, 30*time.Second, query, func() error {
		if !r.hasData(query) {
			return errors.New("nothing yet")
		}

		return nil
	})
}

// TestRulesOfAnExternalPrometheus changes rules that a real server evaluates.
func TestRulesOfAnExternalPrometheus(t *testing.T) {
	t.Parallel()
	o := &outside{t: t, address: freePort(t), data: t.TempDir()}
	rules := t.TempDir()
	o.config = write(t, "prometheus.yml", fmt.Sprintf("{global: {scrape_interval: 1s, evaluation_interval: 1s}, rule_files: [%q]}", rules+"/*.yml"))
	o.start()
	_, o.rest = llmwatch(t, "bridge", "--prometheus-url", "http://"+o.address, "--rules-dir", rules,
		"--check-interval", "1", "--collection-interval", "1", "--data-dir", t.TempDir())
	o.rest.ruleIs("high_cpu_usage", 0, 0) // The default rules come along.
	o.rest.putRule("own", `{"expr": "vector(42) > 1"}`)
	o.rest.find("own", "triggered")

	// What only this server does not know is taken back.
	body := `{"name": "newer", "expr": "increase(up[5m] anchored) > 1"}`
	resp, err := http.Post(o.rest.base+apiBase+"/rules", "application/json", strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusServiceUnavailable {
		t.Errorf("a rule that the server refuses is answered %s", resp.Status)
	}
	o.rest.ruleIs("own", 0, 1)
	files, err := os.ReadDir(rules)
	if err != nil {
		t.Fatal(err)
	}
	if slices.ContainsFunc(files, func(f os.DirEntry) bool { return strings.Contains(f.Name(), "newer") }) {
		t.Errorf("the folder holds %v", files)
	}

	o.rest.putRule("own", `{"enabled": false}`)
	o.rest.find("own", "resolved")
}
