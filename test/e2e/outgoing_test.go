package e2e

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"time"
)

// trap listens where nobody has any business, and counts who comes.
type trap struct {
	address string // HOST:PORT.
	came    atomic.Int64
}

func newTrap(t *testing.T) *trap {
	t.Helper()

	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	tr := &trap{address: l.Addr().String()}
	done := make(chan struct{})
	go func() {
		defer close(done)
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			tr.came.Add(1)
			conn.Close()
		}
	}()
	t.Cleanup(func() {
		l.Close()
		<-done
	})

	return tr
}

// url is an address in the trap.
func (tr *trap) url(path string) string { return "http://" + tr.address + "/" + path }

// object writes JSON.
func object(t *testing.T, value any) string {
	t.Helper()

	text, err := json.Marshal(value)
	if err != nil {
		t.Fatal(err)
	}

	return string(text)
}

// TestCallersDoNotDirectRequests has somebody who may do everything but configure
// llmwatch write the address of a trap wherever he can write. He is told of it by
// every channel there is; nobody falls into the trap.
func TestCallersDoNotDirectRequests(t *testing.T) {
	t.Parallel()
	tr := newTrap(t)
	// That the trap works, or it would prove nothing.
	if conn, err := net.Dial("tcp", tr.address); err != nil {
		t.Fatal(err)
	} else if _, err := conn.Read(make([]byte, 1)); !errors.Is(err, io.EOF) || tr.came.Swap(0) != 1 {
		t.Fatalf("the trap does not work (%v)", err)
	}
	hook := receive(t, 0)
	var chats, beats atomic.Int64
	slack := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { chats.Add(1) }))
	t.Cleanup(slack.Close)
	heart := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { beats.Add(1) }))
	t.Cleanup(heart.Close)
	mails := &mailServer{mails: make(chan received, 100)}

	s := secure(t)
	s.env = append(mailing(t, mails), "LLMWATCH_SECURITY_ACCESS_CONTROL_MANAGE_RULES=admin,operator", "ENABLE_SLACK_ALERTS=true", "SLACK_WEBHOOK_URL="+slack.URL,
		"LLMWATCH_NOTIFICATIONS_WEBHOOK_URL="+hook.url, "LLMWATCH_ALERTS_HEARTBEAT_URL="+heart.URL)
	operator, ingest := s.token("operator"), s.token("ingest")
	s.start("--collection-interval", "1", "--check-interval", "1")
	send := func(token, method, path, body string) (int, string) {
		resp, text := s.ask(method, path, body, "Authorization", "Bearer "+token, "Content-Type", "application/json",
			"X-Forwarded-Host", tr.address, "Forwarded", "host="+tr.address, "User-Agent", tr.url("agent"))

		return resp.StatusCode, text
	}
	if resp, text := s.ask(http.MethodGet, apiBase+"/alerts", "", "Authorization", "Bearer "+operator, "Referer", tr.url("referer")); resp.StatusCode != http.StatusForbidden {
		t.Errorf("a request that another site's page caused is answered with %d %s, want 403", resp.StatusCode, text)
	}
	must := func(token, method, path, body string) {
		t.Helper()
		if status, text := send(token, method, path, body); status/100 != 2 {
			t.Fatalf("%s %s is answered with %d %s", method, path, status, text)
		}
	}

	description := tr.url("description") + ` {{ with query "vector(1)" }}{{ . | first | value }}{{ end }} {{ tableLink "up" }}`
	annotations := map[string]string{
		"summary":     `<img src="` + tr.url("summary") + `"> {{ $labels.instance }} {{ externalURL }}`,
		"runbook_url": tr.url("runbook"), "dashboard_url": tr.url("dashboard"), "image": tr.url("image.png"),
	}
	must(operator, http.MethodPost, apiBase+"/rules", object(t, map[string]any{
		"name": "planted", "severity": "critical", "description": description, "for": "0s",
		"expr":   `label_replace(vector(42), "instance", "` + tr.address + `", "", "")`,
		"labels": map[string]string{"__address__x": tr.address, "dest": tr.url("label"), "job": tr.address}, "annotations": annotations,
	}))
	for _, body := range []string{
		`{"name": "` + tr.url("name") + `", "expr": "vector(1)", "severity": "low"}`,
		`{"name": "remote", "expr": "vector(1)", "severity": "low", "remote_read": "` + tr.url("read") + `", "url": "` + tr.url("url") + `"}`,
	} {
		send(operator, http.MethodPost, apiBase+"/rules", body)
	}
	annotations["description"] = description
	must(ingest, http.MethodPost, "/api/v2/alerts", object(t, []any{map[string]any{
		"labels": map[string]string{"alertname": "pushed", "severity": "critical", "instance": tr.address}, "annotations": annotations,
		"generatorURL": tr.url("generator"),
	}}))
	must(ingest, http.MethodPost, apiBase+"/webhooks/alertmanager", object(t, map[string]any{
		"version": "4", "status": "firing", "externalURL": tr.url("external"), "receiver": tr.url("receiver"),
		"alerts": []any{map[string]any{
			"status": "firing", "labels": map[string]string{"alertname": "hooked", "severity": "critical"}, "annotations": annotations,
			"startsAt": time.Now().UTC().Format(time.RFC3339), "generatorURL": tr.url("generator"), "fingerprint": "abc",
		}},
	}))
	must(ingest, http.MethodPost, apiBase+"/logs", object(t, map[string]any{
		"message": "GET " + tr.url("log"), "level": "ERROR", "logger": "hot", "url": tr.url("field"), "exception": tr.url("trace"),
	}))
	must(ingest, http.MethodPost, apiBase+"/metrics/api", object(t, map[string]any{
		"endpoint": tr.url("endpoint"), "method": "GET", "status_code": 500, "response_time_ms": 1,
	}))
	for _, channel := range []string{"webhook", tr.url("channel")} {
		send(operator, http.MethodPost, apiBase+"/notifications/test", object(t, map[string]string{
			"channel": channel, "url": tr.url("test"), "webhook_url": tr.url("test"), "smtp_server": tr.address,
		}))
	}
	send(operator, http.MethodPost, "/-/reload?config="+tr.url("config"), tr.url("config"))
	for _, query := range []string{"/prometheus/api/v1/query?query=vector(1)&url=", "/prometheus/api/v1/targets?state=", "/prometheus/api/v1/read?url=", apiBase + "/alerts?name="} {
		send(operator, http.MethodGet, query+tr.url("query"), "")
	}

	for _, name := range []string{"planted", "pushed", "hooked"} {
		hook.wait("firing", name)
		id := name + "_" + time.Now().UTC().Format("20060102")
		must(operator, http.MethodPost, apiBase+"/alerts/"+id+"/acknowledge", object(t, map[string]string{
			"comment": tr.url("comment"), "acknowledged_by": tr.url("by"),
		}))
		hook.wait("acknowledged", name)
	}
	waitFor(t, 20*time.Second, "all channels to have told", func() error {
		if len(mails.mails) < 6 || chats.Load() < 6 || beats.Load() == 0 {
			return fmt.Errorf("%d mails, %d messages, %d heartbeats", len(mails.mails), chats.Load(), beats.Load())
		}

		return nil
	})
	if m := <-mails.mails; !strings.Contains(m.text, "planted") && !strings.Contains(m.text, "pushed") && !strings.Contains(m.text, "hooked") {
		t.Errorf("the first mail is\n%s", m.text)
	}
	if n := tr.came.Load(); n > 0 {
		t.Errorf("%d connections were made to an address that callers have written", n)
	}
}
