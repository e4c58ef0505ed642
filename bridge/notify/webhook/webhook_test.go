package webhook

import (
	"bytes"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"go.uber.org/goleak"

	"llmwatch/bridge/alert"
	"llmwatch/bridge/notify"
	"llmwatch/bridge/notify/notifytest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// The canaries.
const (
	urlToken    = "canaryUrlToken"
	signingKey  = "canarySigningKey"
	password    = "canaryPassword&ä"
	headerToken = "canaryHeaderToken"
)

type request struct {
	header http.Header
	body   []byte
}

// receiver is a program that understands Alertmanager.
type receiver struct {
	t        *testing.T
	url      string
	mu       sync.Mutex
	requests []request
	received chan struct{}
}

func listen(t *testing.T, answer http.HandlerFunc) *receiver {
	t.Helper()
	r := &receiver{t: t, received: make(chan struct{}, 100)}
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
		body, err := io.ReadAll(req.Body)
		if err != nil {
			t.Errorf("read body: %v", err)
		}
		r.mu.Lock()
		r.requests = append(r.requests, request{req.Header.Clone(), body})
		r.mu.Unlock()
		r.received <- struct{}{}
		answer(w, req)
	}))
	t.Cleanup(s.Close)
	r.url = s.URL

	return r
}

func (r *receiver) last() request {
	<-r.received
	r.mu.Lock()
	defer r.mu.Unlock()

	return r.requests[len(r.requests)-1]
}

// documented is the payload as Alertmanager's documentation lists it, spelled
// out once more so that a slip in the notifier's own type shows.
type documented struct {
	Version           string            `json:"version"`
	GroupKey          string            `json:"groupKey"`
	TruncatedAlerts   uint64            `json:"truncatedAlerts"`
	Status            string            `json:"status"`
	Receiver          string            `json:"receiver"`
	GroupLabels       map[string]string `json:"groupLabels"`
	CommonLabels      map[string]string `json:"commonLabels"`
	CommonAnnotations map[string]string `json:"commonAnnotations"`
	ExternalURL       string            `json:"externalURL"`
	Alerts            []struct {
		Status       string            `json:"status"`
		Labels       map[string]string `json:"labels"`
		Annotations  map[string]string `json:"annotations"`
		StartsAt     time.Time         `json:"startsAt"`
		EndsAt       time.Time         `json:"endsAt"`
		GeneratorURL string            `json:"generatorURL"`
		Fingerprint  string            `json:"fingerprint"`
	} `json:"alerts"`
}

// decode reads a payload strictly.
func decode(t *testing.T, body []byte) documented {
	t.Helper()
	var m documented
	d := json.NewDecoder(bytes.NewReader(body))
	d.DisallowUnknownFields()
	if err := d.Decode(&m); err != nil {
		t.Fatalf("decode payload: %v", err)
	}

	return m
}

func config(url string) Config {
	c := DefaultConfig()
	c.URL = notify.Secret(url + "/hook/" + urlToken)
	c.Secret = signingKey
	c.Username, c.Password = "llmwatch", password
	c.Headers = map[string]notify.Secret{"X-Api-Key": headerToken}
	c.ExternalURL = "https://llmwatch.example.com"

	return c
}

func open(t *testing.T, c Config) *Notifier {
	t.Helper()
	n, err := New(c)
	if err != nil {
		t.Fatal(err)
	}

	return n
}

func ok(http.ResponseWriter, *http.Request) {}

func TestContract(t *testing.T) {
	notifytest.Run(t, notifytest.Contract{
		Open: func(t *testing.T, a notifytest.Answer) (alert.Notifier, func() []notifytest.Message) {
			r := listen(t, func(w http.ResponseWriter, req *http.Request) {
				if a.Silent {
					<-req.Context().Done()
					return
				}
				w.WriteHeader(a.Code)
				_, _ = io.WriteString(w, a.Text)
			})
			c := config(r.url)
			if a.Down {
				c = config("http://127.0.0.1:1")
			}

			return open(t, c), func() []notifytest.Message {
				last := r.last()
				// The payload passes labels on as they are: it is the receiver who shows them.
				clean := strings.NewReplacer("\x00", "", "\u202e", "")
				m := notifytest.Message{ID: last.header.Get("Idempotency-Key"), Size: len(last.body)}
				for _, a := range decode(t, last.body).Alerts {
					for _, set := range []map[string]string{a.Labels, a.Annotations} {
						for _, value := range set {
							m.Shown = append(m.Shown, clean.Replace(value))
						}
					}
				}

				return []notifytest.Message{m}
			}
		},
		Accepted: 202,
		Retry: map[int]bool{
			300: false, 301: false, 302: false, 303: false, 307: false, 308: false,
			400: false, 401: false, 403: false, 404: false, 408: true, 409: false, 410: false, 413: false, 422: false, 429: true,
			500: true, 501: true, 502: true, 503: true, 504: true, 599: true,
		},
		Secrets:    []string{urlToken, signingKey, password, headerToken, "bGxtd2F0Y2g6Y2FuYXJ5UGFzc3dvcmQmw6Q="},
		MaxBytes:   5 << 20,
		Identifies: true,
	})
}

func TestThePayloadIsAlertmanagers(t *testing.T) {
	value := 92.4
	firing := alert.Alert{
		ID: "high_cpu_usage_20240115", Fingerprint: "c1b2d3e4f5a60718", Status: alert.Active, Value: &value,
		Labels:       map[string]string{"alertname": "high_cpu_usage", "instance": "host-1"},
		Annotations:  map[string]string{"summary": "CPU usage is <high>"},
		GeneratorURL: "http://prometheus.example.com/graph?g0.expr=up&g0.tab=1",
		StartsAt:     notifytest.Now.Add(-17 * time.Minute), FiredAt: notifytest.Now.Add(-12 * time.Minute),
	}
	acknowledged, resolved, other := firing, firing, firing
	acknowledged.Status, acknowledged.Ack = alert.Acknowledged, &alert.Ack{By: "alice", Comment: "mine"}
	resolved.Status, resolved.ResolvedAt = alert.Resolved, notifytest.Now
	other.Labels = map[string]string{"alertname": "high_cpu_usage", "instance": "host-2"}
	other.Annotations = map[string]string{"summary": "CPU usage is <high>", "more": "x"}

	const head = `{"version":"4","groupKey":"{}:{alertname=\"high_cpu_usage\", instance=\"host-1\"}","truncatedAlerts":0,"status":"%s","receiver":"ops",` +
		`"groupLabels":{"alertname":"high_cpu_usage","instance":"host-1"},"commonLabels":{"alertname":"high_cpu_usage","instance":"host-1"},` +
		`"commonAnnotations":{%[2]s"summary":"CPU usage is <high>"},"externalURL":"https://llmwatch.example.com","alerts":[%[3]s]}`
	one := func(status, annotations, instance, end string) string {
		return `{"status":"` + status + `","labels":{"alertname":"high_cpu_usage","instance":"` + instance + `"},` +
			`"annotations":{` + annotations + `"summary":"CPU usage is <high>"},"startsAt":"2024-01-15T10:25:12Z","endsAt":"` + end + `",` +
			`"generatorURL":"http://prometheus.example.com/graph?g0.expr=up&g0.tab=1","fingerprint":"c1b2d3e4f5a60718"}`
	}
	const never, ack = "0001-01-01T00:00:00Z", `"acknowledged_by":"alice","acknowledged_comment":"mine",`
	for name, c := range map[string]struct {
		kind   alert.Kind
		alerts []alert.Alert
		total  int
		want   string
	}{
		"firing":       {alert.KindFiring, []alert.Alert{firing}, 0, fmt.Sprintf(head, "firing", "", one("firing", "", "host-1", never))},
		"acknowledged": {alert.KindAcknowledged, []alert.Alert{acknowledged}, 0, fmt.Sprintf(head, "firing", ack, one("firing", ack, "host-1", never))},
		"resolved":     {alert.KindResolved, []alert.Alert{resolved}, 0, fmt.Sprintf(head, "resolved", "", one("resolved", "", "host-1", "2024-01-15T10:37:12Z"))},
		"digest": {
			kind: alert.KindDigest, alerts: []alert.Alert{firing, other}, total: 7,
			want: `{"version":"4","groupKey":"{}:{}","truncatedAlerts":5,"status":"firing","receiver":"ops","groupLabels":{},"commonLabels":{"alertname":"high_cpu_usage"},` +
				`"commonAnnotations":{"summary":"CPU usage is <high>"},"externalURL":"https://llmwatch.example.com","alerts":[` +
				one("firing", "", "host-1", never) + "," + one("firing", `"more":"x",`, "host-2", never) + `]}`,
		},
	} {
		t.Run(name, func(t *testing.T) {
			r := listen(t, ok)
			note := alert.Notification{Key: "k", Channel: "ops", Kind: c.kind, Alerts: c.alerts, Total: c.total, OwedAt: notifytest.Now}
			if _, err := open(t, config(r.url)).Notify(t.Context(), note, alert.Extra{}); err != nil {
				t.Fatal(err)
			}
			body := r.last().body
			decode(t, body)
			var got, want any
			if err := json.Unmarshal(body, &got); err != nil {
				t.Fatal(err)
			}
			if err := json.Unmarshal([]byte(c.want), &want); err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(want, got); diff != "" {
				t.Errorf("payload (-want +got):\n%s", diff)
			}
		})
	}
}

func TestTheReceiverCanTellWhoSentIt(t *testing.T) {
	r := listen(t, ok)
	if _, err := open(t, config(r.url)).Notify(t.Context(), notifytest.Firing(), alert.Extra{}); err != nil {
		t.Fatal(err)
	}
	got := r.last()
	mac := hmac.New(sha256.New, []byte(signingKey))
	mac.Write(got.body)
	if want := "sha256=" + hex.EncodeToString(mac.Sum(nil)); got.header.Get("X-Llmwatch-Signature") != want {
		t.Errorf("got signature %q, want %q", got.header.Get("X-Llmwatch-Signature"), want)
	}
	if want := notifytest.Firing().Key; got.header.Get("Idempotency-Key") != want {
		t.Errorf("got key %q, want %q", got.header.Get("Idempotency-Key"), want)
	}
	user, pass, _ := (&http.Request{Header: got.header}).BasicAuth()
	if user != "llmwatch" || pass != password || got.header.Get("X-Api-Key") != headerToken {
		t.Errorf("got user %q, password %q and key %q", user, pass, got.header.Get("X-Api-Key"))
	}

	c := DefaultConfig()
	c.URL, c.BearerToken = notify.Secret(r.url), "token"
	if _, err := open(t, c).Notify(t.Context(), notifytest.Firing(), alert.Extra{}); err != nil {
		t.Fatal(err)
	}
	got = r.last()
	if got.header.Get("Authorization") != "Bearer token" || got.header.Get("X-Llmwatch-Signature") != "" {
		t.Errorf("got headers %v, want a bearer token and no signature", got.header)
	}
}

func TestRedirectsAreFollowedOnTheSameHostOnly(t *testing.T) {
	elsewhere := listen(t, ok)
	for name, c := range map[string]struct {
		code     int
		to       string
		accepted bool
	}{
		"same host, 308":        {308, "/moved", true},
		"same host, 307":        {307, "/moved", true},
		"same host, but GET":    {302, "/moved", false},
		"another host":          {308, elsewhere.url + "/moved", false},
		"around and around":     {307, "/hook/" + urlToken, false},
		"not an address at all": {307, "ftp://\x7f/", false},
	} {
		t.Run(name, func(t *testing.T) {
			r := listen(t, func(w http.ResponseWriter, req *http.Request) {
				if req.URL.Path != "/moved" {
					w.Header().Set("Location", c.to)
					w.WriteHeader(c.code)
				}
			})
			_, err := open(t, config(r.url)).Notify(t.Context(), notifytest.Firing(), alert.Extra{})
			if (err == nil) != c.accepted {
				t.Errorf("got error %v, want accepted %t", err, c.accepted)
			}
			if err != nil && strings.Contains(err.Error(), urlToken) {
				t.Errorf("error %q tells the address", err)
			}
		})
	}
	elsewhere.mu.Lock()
	defer elsewhere.mu.Unlock()
	if len(elsewhere.requests) > 0 {
		t.Errorf("another host got %d requests, want none", len(elsewhere.requests))
	}
}

func TestATestNotificationHasAnAlert(t *testing.T) {
	r := listen(t, ok)
	if _, err := open(t, config(r.url)).Notify(t.Context(), alert.Notification{Kind: alert.KindTest, Channel: "ops"}, alert.Extra{}); err != nil {
		t.Fatal(err)
	}
	if m := decode(t, r.last().body); len(m.Alerts) != 1 || m.TruncatedAlerts != 0 {
		t.Errorf("got %d alerts and %d truncated, want 1 and 0", len(m.Alerts), m.TruncatedAlerts)
	}
}

func TestValidateNamesTheKey(t *testing.T) {
	for name, c := range map[string]struct {
		change func(*Config)
		want   string
	}{
		"no address":            {func(c *Config) { c.URL = "" }, "url must be"},
		"two ways to log in":    {func(c *Config) { c.BearerToken = "x" }, "bearer_token and username must not both"},
		"a user alone":          {func(c *Config) { c.Password = "" }, "username and password must both"},
		"a token of two lines":  {func(c *Config) { c.Username, c.Password, c.BearerToken = "", "", "a\nb" }, "bearer_token must not"},
		"a reserved header":     {func(c *Config) { c.Headers = map[string]notify.Secret{"idempotency-key": "x"} }, "headers must not hold"},
		"two authorizations":    {func(c *Config) { c.Headers = map[string]notify.Secret{"authorization": "x"} }, "headers must not hold"},
		"no header name":        {func(c *Config) { c.Headers = map[string]notify.Secret{"a b": "x"} }, "headers must not hold"},
		"a header of two lines": {func(c *Config) { c.Headers["X-Api-Key"] = "a\r\nB: c" }, "headers.X-Api-Key must not"},
		"no alerts":             {func(c *Config) { c.MaxAlerts = 0 }, "max_alerts must be"},
		"no time":               {func(c *Config) { c.Timeout = 0 }, "timeout must be"},
		"no such file":          {func(c *Config) { c.CAFile = "/nonexistent" }, "ca_file: "},
	} {
		t.Run(name, func(t *testing.T) {
			config := config("http://example.com")
			c.change(&config)
			_, err := New(config)
			if err == nil || !strings.Contains(err.Error(), c.want) || strings.Contains(err.Error(), "canary") {
				t.Errorf("got error %v, want %q", err, c.want)
			}
		})
	}
}

func FuzzEncode(f *testing.F) {
	f.Add("alertname", "x\xff", "k\r\n", int64(0), 3)
	f.Fuzz(func(t *testing.T, name, text, key string, fired int64, count int) {
		a := alert.Alert{Labels: map[string]string{name: text}, Annotations: map[string]string{text: name}, FiredAt: time.Unix(fired%1e11, 0)}
		n := alert.Notification{Key: key, Channel: text, Kind: alert.Kind(name), Total: count}
		for range count % 5 {
			n.Alerts = append(n.Alerts, a)
		}
		c := config("http://example.com")
		body, err := encode(n, &c)
		if err != nil {
			t.Fatal(err)
		}
		if m := decode(t, body); len(m.Alerts) > 5 {
			t.Errorf("got %d alerts", len(m.Alerts))
		}
		if strings.ContainsFunc(headerValue(key), func(r rune) bool { return r <= ' ' || r > '~' }) {
			t.Errorf("headerValue(%q) does not fit into a header", key)
		}
	})
}

func TestAnotherChannelsOutageIsAnAlert(t *testing.T) {
	note := alert.Notification{
		Kind: alert.KindChannelDown, Channel: "hook", About: "email", Comment: "535 wrong password",
		Since: notifytest.Now.Add(-time.Hour), OwedAt: notifytest.Now,
	}
	c := config("http://localhost")
	for kind, status := range map[alert.Kind]string{alert.KindChannelDown: "firing", alert.KindChannelUp: "resolved"} {
		note.Kind = kind
		body, err := encode(note, &c)
		if err != nil {
			t.Fatal(err)
		}
		var p payload
		if err := json.Unmarshal(body, &p); err != nil {
			t.Fatal(err)
		}
		if p.Status != status || len(p.Alerts) != 1 || p.Alerts[0].Status != status || p.Alerts[0].Labels["channel"] != "email" ||
			p.Alerts[0].Annotations["description"] != "535 wrong password" || !p.Alerts[0].StartsAt.Equal(note.Since) {
			t.Errorf("%s: got %s", kind, body)
		}
	}
}

func TestAShortPayload(t *testing.T) {
	note := notifytest.Huge()
	note.Progress.Short = true
	c := config("http://localhost")
	body, err := encode(note, &c)
	if err != nil || len(body) > 20_000 {
		t.Errorf("got %d bytes (%v), want a short payload", len(body), err)
	}
}
