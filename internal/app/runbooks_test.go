package app

import (
	"encoding/json"
	"net/http"
	"strings"
	"testing"

	"llmwatch/bridge"
)

func TestEachDefaultRuleHasItsRunbookInTheBinary(t *testing.T) {
	cfg := listening(CommandBridge)
	cfg.Prometheus.URL, cfg.Server.DataDir = "http://"+busy(t), t.TempDir()
	a, err := NewBridge(*cfg, silent)
	base := serving(t, a, err)
	if _, err := a.Reload(t.Context()); err != nil { // It waits until everything runs.
		t.Fatal(err)
	}
	var rules struct {
		Data []struct {
			Name        string
			Annotations map[string]string
		}
	}
	_, body := get(t, base+bridge.Base+"/rules")
	if err := json.Unmarshal([]byte(body), &rules); err != nil || len(rules.Data) == 0 {
		t.Fatalf("%v: %s", err, body)
	}
	for _, r := range rules.Data {
		name := strings.TrimSuffix(strings.TrimPrefix(r.Annotations["runbook_url"], "docs/runbooks/"), ".md")
		status, body := get(t, base+bridge.Base+"/runbooks/"+name)
		if status != http.StatusOK || !strings.Contains(body, `"title":"`+r.Name+`","markdown":"# `+r.Name) {
			t.Errorf("the runbook of %s is answered with %d %s", r.Name, status, body)
		}
	}
}
