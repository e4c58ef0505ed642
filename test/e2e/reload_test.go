package e2e

import (
	"errors"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"
)

func TestReloadChangesRulesAndReceivers(t *testing.T) {
	first, second := receive(t, 0), receive(t, 0)
	rules := write(t, "own.yml", "")
	prometheus := write(t, "prometheus.yml", "rule_files: ["+rules+"]")
	config := write(t, "llmwatch.yml", "")
	set := func(path, format string, args ...any) {
		t.Helper()
		if err := os.WriteFile(path, fmt.Appendf(nil, format, args...), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	fire := func(alert string) {
		set(rules, "groups:\n  - name: own\n    interval: 1s\n    rules:\n      - {alert: %s, expr: vector(42), labels: {severity: critical}}\n", alert)
	}
	tell := func(to *receiver) {
		set(config, "metrics:\n  collection_interval: 1\nalerts:\n  check_interval: 1\nprometheus:\n  config_file: %s\nnotifications:\n  webhook:\n    url: %s\n", prometheus, to.url)
	}
	fire("before")
	tell(first)
	p, r := llmwatch(t, "serve", "--data-dir", t.TempDir(), "--config", config)
	first.wait("firing", "before")

	hangup := func(says string) {
		t.Helper()
		already := strings.Count(p.log.String(), says)
		if err := p.cmd.Process.Signal(syscall.SIGHUP); err != nil {
			t.Fatal(err)
		}
		waitFor(t, 10*time.Second, "the log to say so", func() error {
			if strings.Count(p.log.String(), says) > already {
				return nil
			}

			return errors.New("not yet")
		})
	}
	// An answer is kept for a second, and longer on a busy machine.
	expectHealth := func(status, problem string) {
		t.Helper()
		waitFor(t, 20*time.Second, "health to be "+status+" "+problem, func() error {
			var answer struct {
				Status   string
				Problems []string
			}
			r.get("/health", &answer)
			if answer.Status != status || !strings.Contains(strings.Join(answer.Problems, "; "), problem) {
				return fmt.Errorf("it is %+v", answer)
			}

			return nil
		})
	}

	// A bad file changes nothing.
	fire("after")
	set(config, "notification:\n  webhook: {}\n")
	hangup("the configuration was not reloaded")
	expectHealth("degraded", config+":1: notification is not known; did you mean notifications?")
	resp, body := r.raw(http.MethodPost, "/-/reload", nil)
	if resp.StatusCode != http.StatusInternalServerError || !strings.Contains(string(body), "notification is not known") {
		t.Errorf("the reload is answered %d %s", resp.StatusCode, body)
	}

	// Bad rules do not either.
	tell(second)
	set(rules, "groups: [{name: own, rules: [{alert: x, expr: 'sum('}]}]")
	hangup("the configuration was not reloaded")

	fire("after")
	hangup("the configuration was reloaded")
	second.wait("firing", "after")
	expectHealth("healthy", "")
	var inForce struct {
		Data []struct{ Key, Value, Origin string }
	}
	r.get("/configuration", &inForce)
	for key, want := range map[string]string{
		"metrics.collection_interval": "1s " + config + ":2", "notifications.webhook.url": "<secret> " + config + ":9", "alerts.default_cooldown": "30m default",
	} {
		found := false
		for _, s := range inForce.Data {
			found = found || s.Key == key && s.Value+" "+s.Origin == want
		}
		if !found {
			t.Errorf("%s is not %s in %+v", key, want, inForce.Data)
		}
	}
	for _, d := range first.all() {
		if d.alert == "after" {
			t.Error("the first receiver was told of what began after the change")
		}
	}
}

func TestHangupOpensTheLogAnew(t *testing.T) {
	file := filepath.Join(t.TempDir(), "app.log")
	p := run(t, binary, "exporter", "--listen", "127.0.0.1:0", "--log-file", file)
	logged := func(path, text string) {
		t.Helper()
		waitFor(t, 10*time.Second, path+" to say "+text, func() error {
			content, err := os.ReadFile(path)
			if err == nil && !strings.Contains(string(content), text) {
				err = errors.New("it does not yet")
			}

			return err
		})
	}
	logged(file, `"message":"ready"`)
	if err := os.Rename(file, file+".old"); err != nil {
		t.Fatal(err)
	}
	if err := p.cmd.Process.Signal(syscall.SIGHUP); err != nil {
		t.Fatal(err)
	}
	logged(file, "the configuration was reloaded")
	if code, _ := p.signal(terminate); code != 0 {
		t.Errorf("it exits with %d", code)
	}
}
