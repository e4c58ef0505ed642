// Package notifytest is the contract that every notifier keeps, as a test.
//
// It must not know any of them: they bring a receiver that plays the other side.
package notifytest

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"llmwatch/bridge/alert"
)

// Answer is how a receiver treats each delivery.
type Answer struct {
	// Code is what it answers with, Text what it says.
	Code int
	Text string
	// Silent receivers take the message and never answer; Down ones are not there.
	Silent, Down bool
}

// Message is what a receiver got.
type Message struct {
	// ID is how the receiver recognises a repetition, empty where the medium has
	// nothing for it.
	ID string
	// Size is the size of the message in bytes.
	Size int
	// Shown are the texts of the message as a person reads them, with the markup
	// of the medium taken away.
	Shown []string
}

// Contract is one notifier and what it promises.
type Contract struct {
	// Open starts a receiver and returns a notifier for it, with Secrets in its
	// configuration, and what the receiver has got. It cleans up with t.Cleanup.
	Open func(t *testing.T, a Answer) (n alert.Notifier, got func() []Message)
	// Accepted is the code of success.
	Accepted int
	// Retry says for codes of failure whether they may pass.
	Retry   map[int]bool
	Secrets []string
	// MaxBytes bounds every message.
	MaxBytes int
	// Identifies says that messages have an ID.
	Identifies bool
}

// Now is when the notifications of this package are owed.
var Now = time.Date(2024, 1, 15, 10, 37, 12, 0, time.UTC)

// Firing is an ordinary notification.
func Firing() alert.Notification {
	value := 92.4

	return alert.Notification{
		Key: "high_cpu_usage_20240115/firing/1/ops", Channel: "ops", Kind: alert.KindFiring, OwedAt: Now,
		AlertIDs: []string{"high_cpu_usage_20240115"},
		Alerts: []alert.Alert{{
			ID: "high_cpu_usage_20240115", Name: "high_cpu_usage", Severity: alert.Critical, Status: alert.Triggered, Value: &value,
			Fingerprint: "c1b2d3e4f5a60718", GeneratorURL: "http://prometheus.example.com/graph?g0.expr=up&g0.tab=1",
			Labels: map[string]string{"alertname": "high_cpu_usage", "instance": "host-1", "severity": "critical"},
			Annotations: map[string]string{
				"summary":     "CPU usage is consistently high",
				"description": "CPU usage of host-1 is 92.4 %, above 80 % for at least 5 minutes.",
				"threshold":   "80", "runbook_url": "https://runbooks.example.com/high_cpu_usage",
			},
			StartsAt: Now.Add(-17 * time.Minute), FiredAt: Now.Add(-12 * time.Minute),
		}},
	}
}

// Extra is an ordinary Extra without a chart.
func Extra() alert.Extra {
	return alert.Extra{
		Link: "https://llmwatch.example.com/alerts/high_cpu_usage_20240115?tab=1&x=2",
		Logs: []string{"10:24:58 ERROR api worker 7 timed out", "10:24:41 ERROR api worker 3 timed out"},
	}
}

// All is one notification of every kind.
func All() []alert.Notification {
	var all []alert.Notification
	for _, kind := range []alert.Kind{
		alert.KindFiring, alert.KindReminder, alert.KindEscalation, alert.KindAcknowledged,
		alert.KindResolved, alert.KindDigest, alert.KindTest,
	} {
		n := Firing()
		n.Kind, n.Key = kind, "high_cpu_usage_20240115/"+string(kind)+"/2/ops"
		switch kind { //nolint:exhaustive // The others need nothing more.
		case alert.KindAcknowledged:
			n.By, n.Comment = "alice", "I am looking at it"
			n.Alerts[0].Status, n.Alerts[0].Ack = alert.Acknowledged, &alert.Ack{By: n.By, Comment: n.Comment, At: Now}
		case alert.KindResolved:
			n.Alerts[0].Status, n.Alerts[0].ResolvedAt = alert.Resolved, Now
		case alert.KindDigest:
			n.Total = 1
		case alert.KindTest:
			n.Alerts, n.AlertIDs = nil, nil
		}
		all = append(all, n)
	}

	return all
}

// Markup is text that acts in some medium. A message must show it as it is.
const Markup = `<b>bold</b> <!channel> <script>alert(1)</script> *bold* ~gone~ <https://evil.example|click> &amp; ${7*7} {{.Link}}`

// Hostile is a notification in which everything tries to be more than text. The
// summary holds Markup.
func Hostile() alert.Notification {
	n := Firing()
	n.Key = "evil\r\nX-Injected: 1/firing/1/ops"
	n.Channel = "ops\r\nBcc: evil@example.com"
	a := &n.Alerts[0]
	a.ID = "evil\r\nX-Injected: 2"
	a.Name = "evil\r\nBcc: evil@example.com\r\n\r\nbody"
	a.GeneratorURL = "javascript:alert(1)"
	a.Severity = "critical\r\nBcc: x@example.com"
	a.Labels = map[string]string{
		"alertname": a.Name, "instance": "host\xff\xfe\x00\u202eevil\r\nTo: evil@example.com",
		"bad\r\nname": Markup,
	}
	a.Annotations = map[string]string{
		"summary": Markup, "description": strings.Repeat("long <b> & * ` _ \xf0\x9f\x98\x80\xff ", 1<<20/24),
		"threshold": "80\r\n.\r\nMAIL FROM:<evil@example.com>", "runbook_url": "https://user:pass@evil.example/|<x>",
	}

	return n
}

// HostileExtra goes with Hostile.
func HostileExtra() alert.Extra {
	lines := slices.Repeat([]string{"```" + Markup, "\r\n.\r\nQUIT\r\n", strings.Repeat("x\xff", 1<<20)}, 40)

	return alert.Extra{Link: "javascript:alert(document.cookie)", Logs: lines}
}

// Huge is a digest of 10,000 alerts.
func Huge() alert.Notification {
	n := Firing()
	n.Kind, n.Key, n.Total = alert.KindDigest, "huge", 10_000
	first := n.Alerts[0]
	n.Alerts, n.AlertIDs = nil, nil
	for i := range n.Total {
		a := first
		a.ID, a.Severity = fmt.Sprintf("high_cpu_usage_20240115_%d", i+1), alert.Low
		if i == n.Total-1 {
			a.Name, a.Severity, a.Labels = "the_gravest", alert.Critical, map[string]string{"alertname": "the_gravest"}
		}
		n.Alerts, n.AlertIDs = append(n.Alerts, a), append(n.AlertIDs, a.ID)
	}

	return n
}

// Run checks the contract.
func Run(t *testing.T, c Contract) {
	t.Run("a notification of every kind arrives", c.arrives)
	t.Run("failures that may pass are told from others", c.retries)
	t.Run("a receiver that is not there may come back", c.down)
	t.Run("the context ends an attempt", c.cancelled)
	t.Run("no secret is told", c.discreet)
	t.Run("a digest of 10,000 alerts stays within limits", c.huge)
	t.Run("hostile input is shown as text within limits", c.hostile)
	t.Run("the same key is recognised", c.recognised)
}

func (c Contract) arrives(t *testing.T) {
	for _, n := range All() {
		t.Run(string(n.Kind), func(t *testing.T) {
			m := c.deliver(t, n, Extra())
			if len(n.Alerts) > 0 && n.Kind != alert.KindDigest {
				c.shows(t, m, n.Alerts[0].Name)
			}
		})
	}
}

// deliver sends one notification to a receiver that accepts it.
func (c Contract) deliver(t *testing.T, note alert.Notification, extra alert.Extra) Message {
	t.Helper()
	n, got := c.Open(t, Answer{Code: c.Accepted, Text: "thanks"})
	result, err := n.Notify(t.Context(), note, extra)
	if err != nil {
		t.Fatalf("notify: %v", err)
	}
	if result.Retry || result.Text == "" {
		t.Errorf("got result %+v, want the server's words and no retry", result)
	}
	messages := got()
	if len(messages) != 1 {
		t.Fatalf("got %d messages, want 1", len(messages))
	}
	if m := messages[0]; m.Size > c.MaxBytes || m.Size == 0 {
		t.Errorf("got a message of %d bytes, want at most %d", m.Size, c.MaxBytes)
	}
	for _, text := range messages[0].Shown {
		if !utf8.ValidString(text) || strings.ContainsAny(text, "\x00\u202e") {
			t.Errorf("got invalid or deceptive text %.200q", text)
		}
	}

	return messages[0]
}

func (c Contract) shows(t *testing.T, m Message, want string) {
	t.Helper()
	if !slices.ContainsFunc(m.Shown, func(text string) bool { return strings.Contains(text, want) }) {
		t.Errorf("the message does not show %q:\n%.3000s", want, strings.Join(m.Shown, "\n"))
	}
}

func (c Contract) retries(t *testing.T) {
	for code, want := range c.Retry {
		t.Run(strconv.Itoa(code), func(t *testing.T) {
			n, _ := c.Open(t, Answer{Code: code, Text: "words of the server"})
			result, err := n.Notify(t.Context(), Firing(), Extra())
			if err == nil || result.Retry != want {
				t.Errorf("got %+v and error %v, want an error and Retry %t", result, err, want)
			}
			if !strings.Contains(result.Text, strconv.Itoa(code)) || !strings.Contains(result.Text, "words of the server") {
				t.Errorf("got result text %q, want code and words of the server", result.Text)
			}
		})
	}
}

func (c Contract) down(t *testing.T) {
	n, _ := c.Open(t, Answer{Down: true})
	result, err := n.Notify(t.Context(), Firing(), Extra())
	if err == nil || !result.Retry || result.Text == "" {
		t.Errorf("got %+v and error %v, want an error that may pass, in words", result, err)
	}
	c.keeps(t, n, result, err)
}

func (c Contract) cancelled(t *testing.T) {
	n, got := c.Open(t, Answer{Silent: true})
	ctx, cancel := context.WithCancel(t.Context())
	var result alert.Result
	var err error
	done := make(chan struct{})
	go func() {
		defer close(done)
		result, err = n.Notify(ctx, Firing(), Extra())
	}()
	got() // Waits until the receiver has the message.
	cancel()
	<-done
	if !errors.Is(err, context.Canceled) || !result.Retry {
		t.Errorf("got %+v and error %v, want context.Canceled and Retry", result, err)
	}
	if _, err := n.Notify(ctx, Firing(), Extra()); !errors.Is(err, context.Canceled) {
		t.Errorf("after the context ended: got error %v, want context.Canceled", err)
	}
	c.keeps(t, n, result, err)
}

func (c Contract) discreet(t *testing.T) {
	codes := []int{c.Accepted}
	for code := range c.Retry {
		codes = append(codes, code)
	}
	for _, code := range codes {
		n, _ := c.Open(t, Answer{Code: code, Text: "you said " + strings.Join(c.Secrets, " and ")})
		result, err := n.Notify(t.Context(), Firing(), Extra())
		c.keeps(t, n, result, err)
	}
}

// keeps fails where a secret can be read in anything that is logged or shown.
func (c Contract) keeps(t *testing.T, n alert.Notifier, result alert.Result, err error) {
	t.Helper()
	told := []string{result.Text, fmt.Sprintf("%v %+v %#v", n, n, n)}
	for ; err != nil; err = errors.Unwrap(err) {
		told = append(told, err.Error(), fmt.Sprintf("%+v %#v", err, err))
	}
	for _, text := range told {
		for _, secret := range c.Secrets {
			if strings.Contains(text, secret) {
				t.Errorf("secret %q is told in %q", secret, text)
			}
		}
	}
}

func (c Contract) huge(t *testing.T) {
	m := c.deliver(t, Huge(), Extra())
	c.shows(t, m, "the_gravest")
}

func (c Contract) hostile(t *testing.T) {
	for _, kind := range All() {
		n := Hostile()
		n.Kind = kind.Kind
		n.By, n.Comment = Markup, Markup
		m := c.deliver(t, n, HostileExtra())
		if n.Kind != alert.KindDigest && n.Kind != alert.KindTest {
			c.shows(t, m, Markup)
		}
	}
}

func (c Contract) recognised(t *testing.T) {
	if !c.Identifies {
		t.Skip("the medium has nothing to recognise a message by")
	}
	n, other := Firing(), Firing()
	other.Key += "x"
	first, second, third := c.deliver(t, n, Extra()), c.deliver(t, n, alert.Extra{}), c.deliver(t, other, Extra())
	if first.ID == "" || first.ID != second.ID || first.ID == third.ID {
		t.Errorf("got IDs %q, %q and for another key %q, want the same, the same and another", first.ID, second.ID, third.ID)
	}
}
