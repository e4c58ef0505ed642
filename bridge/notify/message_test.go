package notify_test

import (
	"flag"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/google/go-cmp/cmp"

	"llmwatch/bridge/alert"
	"llmwatch/bridge/notify"
	"llmwatch/bridge/notify/notifytest"
)

var update = flag.Bool("update", false, "write the golden files anew")

func golden(t *testing.T, name, got string) {
	t.Helper()
	file := filepath.Join("testdata", name)
	if *update {
		if err := os.WriteFile(file, []byte(got), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(want), got); diff != "" {
		t.Errorf("%s (-want +got; -update writes it anew):\n%s", file, diff)
	}
}

func standard(t *testing.T) *notify.Templates {
	t.Helper()
	templates, err := notify.NewTemplates(notify.TemplateConfig{})
	if err != nil {
		t.Fatal(err)
	}

	return templates
}

func TestMessagesReadAsBefore(t *testing.T) {
	templates := standard(t)
	for _, n := range append(notifytest.All(), mixedDigest()) {
		extra := notifytest.Extra()
		if n.Kind == alert.KindReminder {
			extra = alert.Extra{} // How to acknowledge without an address.
		}
		if n.Kind == alert.KindFiring {
			extra.Chart = []byte("a picture")
		}
		if n.Kind == alert.KindDigest || n.Kind == alert.KindTest {
			extra.Logs = nil
		}
		d := notify.NewData(n, extra)
		var text strings.Builder
		for _, part := range []func(notify.Data) (string, error){templates.Subject, templates.Text, templates.Slack} {
			s, err := part(d)
			if err != nil {
				t.Fatal(err)
			}
			text.WriteString(s + "\n----\n")
		}
		html, err := templates.HTML(d)
		if err != nil {
			t.Fatal(err)
		}
		name := string(n.Kind)
		if n.Total > 1 {
			name = "digest_of_many"
		}
		golden(t, name+".txt", text.String())
		golden(t, name+".html", html)
	}
}

// mixedDigest has 30 alerts of which 22 are at hand.
func mixedDigest() alert.Notification {
	n := notifytest.Firing()
	n.Kind, n.Total = alert.KindDigest, 30
	first := n.Alerts[0]
	n.Alerts = nil
	for i := range 22 {
		a := first
		a.Severity = []alert.Severity{alert.Low, alert.High, alert.Critical, alert.Medium}[i%4]
		a.FiredAt = first.FiredAt.Add(time.Duration(i) * -7 * time.Hour)
		n.Alerts = append(n.Alerts, a)
	}

	return n
}

func TestADigestListsTheGravestFirst(t *testing.T) {
	d := notify.NewData(mixedDigest(), alert.Extra{})
	var got []string
	for _, a := range d.Alerts {
		got = append(got, a.Severity)
	}
	want := append(append(append(repeat("critical", 5), repeat("high", 6)...), repeat("medium", 5)...), repeat("low", 4)...)
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("severities (-want +got):\n%s", diff)
	}
	if d.Total != 30 || d.More != 10 || d.Headline != "5 critical, 6 high, 5 medium, 6 low, 8 more" {
		t.Errorf("got total %d, more %d, headline %q", d.Total, d.More, d.Headline)
	}
}

func repeat(s string, n int) []string {
	return strings.Split(strings.TrimSuffix(strings.Repeat(s+" ", n), " "), " ")
}

func TestANotificationWithoutAlertsIsNoTrouble(t *testing.T) {
	templates := standard(t)
	for _, n := range notifytest.All() {
		n.Alerts, n.Total, n.OwedAt = nil, 0, time.Time{}
		d := notify.NewData(n, alert.Extra{})
		for _, part := range []func(notify.Data) (string, error){templates.Subject, templates.Text, templates.HTML, templates.Slack} {
			if s, err := part(d); err != nil || strings.Contains(s, "%!") {
				t.Errorf("%s: got %q and error %v", n.Kind, s, err)
			}
		}
	}
}

func TestBrokenTemplatesAreNamedAtLoad(t *testing.T) {
	for name, c := range map[string]struct {
		config notify.TemplateConfig
		want   string
	}{
		"does not parse":          {notify.TemplateConfig{Text: "{{"}, "templates.text must be a valid template"},
		"asks for what is not":    {notify.TemplateConfig{Subject: "{{.Alert.Nothing}}"}, "templates.subject must be a valid template: execute for firing"},
		"is fit for some only":    {notify.TemplateConfig{Slack: `{{if eq .Kind "digest"}}{{index .Logs 9}}{{end}}`}, "execute for digest"},
		"cannot be escaped":       {notify.TemplateConfig{HTML: `<script>{{if .Link}}"{{end}}</script>`}, "templates.html must be"},
		"never ends":              {notify.TemplateConfig{Text: `{{range 1000000000}}xxxxxxxxxxxxxxxx{{end}}`}, "more than 262144 bytes"},
		"is one of several wrong": {notify.TemplateConfig{Text: "{{", Slack: "{{.X}}"}, "templates.slack must be"},
	} {
		t.Run(name, func(t *testing.T) {
			if err := c.config.Check(); err == nil || !strings.Contains(err.Error(), c.want) {
				t.Errorf("got error %v, want %q", err, c.want)
			}
			// It costs no message: the standard one stands in, and says so.
			broken, err := notify.NewTemplates(c.config)
			if err != nil {
				t.Fatal(err)
			}
			standard, err := notify.NewTemplates(notify.TemplateConfig{})
			if err != nil {
				t.Fatal(err)
			}
			d, reports := notify.NewData(notifytest.Firing(), notifytest.Extra()), 0
			for _, part := range []func(*notify.Templates) (string, error){
				func(t *notify.Templates) (string, error) { return t.Subject(d) }, func(t *notify.Templates) (string, error) { return t.Text(d) },
				func(t *notify.Templates) (string, error) { return t.HTML(d) }, func(t *notify.Templates) (string, error) { return t.Slack(d) },
			} {
				got, err := part(broken)
				if want, _ := part(standard); got != want {
					t.Errorf("got\n%s\nwant\n%s", got, want)
				}
				if err != nil && strings.Contains(err.Error(), "is broken, the standard one was used") {
					reports++
				}
			}
			if reports == 0 {
				t.Error("no message reports it")
			}
		})
	}
}

func TestTemplatesAreReadFromAFolder(t *testing.T) {
	dir := t.TempDir()
	for name, text := range map[string]string{"subject.tmpl": "own {{.Title}}", "other.txt": "{{"} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	got, err := notify.ReadTemplates(dir)
	if want := (notify.TemplateConfig{Subject: "own {{.Title}}"}); got != want || err != nil {
		t.Errorf("got %+v and error %v, want %+v", got, err, want)
	}
	if err := os.Mkdir(filepath.Join(dir, "slack.tmpl"), 0o700); err != nil {
		t.Fatal(err)
	}
	if _, err := notify.ReadTemplates(dir); err == nil {
		t.Error("what cannot be read passes")
	}
}

func TestDuration(t *testing.T) {
	for d, want := range map[time.Duration]string{
		-time.Hour: "less than a second", 999 * time.Millisecond: "less than a second",
		time.Second: "1 second", 59*time.Second + 999*time.Millisecond: "59 seconds",
		time.Minute: "1 minute", 12*time.Minute + 59*time.Second: "12 minutes",
		time.Hour: "1 hour", 65 * time.Minute: "1 hour 5 minutes", 2*time.Hour + time.Minute: "2 hours 1 minute",
		24 * time.Hour: "1 day", 49*time.Hour + 59*time.Minute: "2 days 1 hour", 366 * 24 * time.Hour: "366 days",
	} {
		if got := notify.Duration(d); got != want {
			t.Errorf("%d: got %q, want %q", d, got, want)
		}
	}
}

func TestOnlyAddressesOnTheWebBecomeLinks(t *testing.T) {
	for raw, want := range map[string]string{
		"https://example.com/a?b=c&d=e#f": "https://example.com/a?b=c&d=e#f",
		"docs/runbooks/high_cpu_usage.md": "", "javascript:alert(1)": "", "//example.com": "", "https://": "",
		"https://user:pass@example.com/": "", "https://example.com/" + strings.Repeat("x", 3000): "", "": "", "http://[::1": "",
	} {
		if got := notify.NewData(notifytest.Firing(), alert.Extra{Link: raw}).Link; got != want {
			t.Errorf("%.60q: got %.60q, want %q", raw, got, want)
		}
	}
}

func FuzzData(f *testing.F) {
	templates, err := notify.NewTemplates(notify.TemplateConfig{})
	if err != nil {
		f.Fatal(err)
	}
	f.Add("high_cpu_usage", notifytest.Markup, "firing", "critical", 92.4, int64(1), 3)
	f.Add("\xff\r\n", "\u202e\x00", "digest", "\r\n", -1e300, int64(-62135596800), -1)
	f.Fuzz(func(t *testing.T, name, text, kind, severity string, value float64, fired int64, total int) {
		a := alert.Alert{
			ID: name, Name: name, Severity: alert.Severity(severity), Value: &value, FiredAt: time.Unix(fired%1e11, 0), Description: text, GeneratorURL: text,
			Labels:      map[string]string{"instance": text, name: text},
			Annotations: map[string]string{"summary": text, "threshold": name, "runbook_url": text},
		}
		n := alert.Notification{Kind: alert.Kind(kind), Channel: name, By: name, Comment: text, Total: total, Alerts: []alert.Alert{a, a}, OwedAt: notifytest.Now}
		d := notify.NewData(n, alert.Extra{Link: text, Logs: []string{text, name}})
		subject, err := templates.Subject(d)
		if err != nil || len(subject) > 200 || strings.ContainsAny(subject, "\r\n\x00") {
			t.Errorf("got subject %q and error %v", subject, err)
		}
		for _, part := range []func(notify.Data) (string, error){templates.Text, templates.HTML, templates.Slack} {
			if s, err := part(d); err != nil || len(s) > 60_000 || !utf8.ValidString(s) || strings.ContainsAny(s, "\r\x00\u202e") {
				t.Errorf("got %d bytes and error %v: %.500q", len(s), err, s)
			}
		}
	})
}

func TestAMessageNamesFlapping(t *testing.T) {
	for flaps, want := range map[int]string{
		0: "firing since 10:25 UTC", 1: "fires again, 2nd time in 12 minutes", 2: "fires again, 3rd time in 12 minutes",
		10: "fires again, 11th time in 12 minutes", 20: "fires again, 21st time in 12 minutes",
	} {
		n := notifytest.Firing()
		n.Alerts[0].Flaps = flaps
		if got := notify.NewData(n, alert.Extra{}).Headline; got != want {
			t.Errorf("after %d flaps: got %q, want %q", flaps, got, want)
		}
	}
}

func TestAMessageStandsForWhatCouldNotBeToldBefore(t *testing.T) {
	for _, n := range notifytest.All() {
		n.Progress.Untold = true
		got := notify.NewData(n, alert.Extra{}).Headline
		want := map[alert.Kind]string{
			alert.KindResolved: "fired at 10:25 UTC, resolved at 10:37 UTC (this could not be told before)",
			alert.KindReminder: "still firing after 12 minutes (this could not be told before)",
		}[n.Kind]
		if want != "" && got != want {
			t.Errorf("%s: got %q, want %q", n.Kind, got, want)
		}
	}
}

func TestAMessageTellsOfAnotherChannel(t *testing.T) {
	templates := standard(t)
	for kind, want := range map[alert.Kind]string{
		alert.KindChannelDown: "[CHANNEL DOWN] channel email: cannot deliver since 10:25 UTC",
		alert.KindChannelUp:   "[CHANNEL UP] channel email: delivers again, after 12 minutes without",
	} {
		n := alert.Notification{
			Kind: kind, Channel: "slack", About: "email", Comment: "535 wrong password",
			OwedAt: notifytest.Now, Since: notifytest.Now.Add(-12 * time.Minute),
		}
		d := notify.NewData(n, alert.Extra{})
		subject, err := templates.Subject(d)
		if err != nil || subject != want {
			t.Errorf("got %q (%v), want %q", subject, err, want)
		}
		if text, err := templates.Text(d); err != nil || !strings.Contains(text, "535 wrong password") {
			t.Errorf("the text does not say why (%v):\n%s", err, text)
		}
	}
}
