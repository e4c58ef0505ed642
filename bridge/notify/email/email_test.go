package email

import (
	"bytes"
	"encoding/base64"
	"errors"
	"io"
	"mime"
	"mime/multipart"
	"mime/quotedprintable"
	"net/mail"
	"regexp"
	"strconv"
	"strings"
	"testing"

	"go.uber.org/goleak"

	"llmwatch/bridge/alert"
	"llmwatch/bridge/notify"
	"llmwatch/bridge/notify/notifytest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// received is a mail as a mail program sees it.
type received struct {
	header mail.Header
	raw    []byte
	text   string
	html   string
	chart  []byte
	cid    string
}

// parse fails where the mail is not made of a text, an HTML part and perhaps a
// chart.
func parse(t *testing.T, raw []byte) received {
	t.Helper()
	m, err := mail.ReadMessage(bytes.NewReader(raw))
	if err != nil {
		t.Fatalf("read mail: %v\n%.2000s", err, raw)
	}
	r := received{header: m.Header, raw: raw}
	r.part(t, m.Header.Get("Content-Type"), m.Header.Get("Content-Transfer-Encoding"), "", m.Body)
	if r.text == "" || r.html == "" {
		t.Fatalf("got text %q and HTML %q, want both:\n%.2000s", r.text, r.html, raw)
	}

	return r
}

func (r *received) part(t *testing.T, contentType, encoding, cid string, body io.Reader) {
	t.Helper()
	media, params, err := mime.ParseMediaType(contentType)
	if err != nil {
		t.Fatalf("parse content type %q: %v", contentType, err)
	}
	if strings.HasPrefix(media, "multipart/") {
		parts := multipart.NewReader(body, params["boundary"])
		for {
			p, err := parts.NextRawPart()
			if errors.Is(err, io.EOF) {
				return
			}
			if err != nil {
				t.Fatalf("read part: %v", err)
			}
			r.part(t, p.Header.Get("Content-Type"), p.Header.Get("Content-Transfer-Encoding"), p.Header.Get("Content-ID"), p)
		}
	}
	switch encoding {
	case "base64":
		body = base64.NewDecoder(base64.StdEncoding, body)
	case "quoted-printable":
		body = quotedprintable.NewReader(body)
	}
	content, err := io.ReadAll(body)
	if err != nil {
		t.Fatalf("read %s: %v", media, err)
	}
	switch media {
	case "text/plain":
		r.text = strings.ReplaceAll(string(content), "\r\n", "\n")
	case "text/html":
		r.html = string(content)
	case "image/png":
		r.chart, r.cid = content, cid
	default:
		t.Errorf("got a part of type %s", media)
	}
}

func (r *received) subject(t *testing.T) string {
	t.Helper()
	subject, err := new(mime.WordDecoder).DecodeHeader(r.header.Get("Subject"))
	if err != nil {
		t.Errorf("decode subject: %v", err)
	}

	return subject
}

var (
	// tag finds what a browser takes for markup.
	tag = regexp.MustCompile(`(?s)<[^>]*>`)
	// ours are the tags of the standard template.
	ours = regexp.MustCompile(`^<(!DOCTYPE html|/?(html|head|meta|title|body|table|tr|td|th|div|p|br|span|pre|code|blockquote)( [a-z]+="[^"]*"| lang="en")*)>$`)
	// links lead to the web, and images to other parts of the mail.
	links = regexp.MustCompile(`^<(/a|a href="https?://[^"]*"( style="[^"]*")?|img src="cid:[^"]*"( [a-z]+="[^"]*")*)>$`)
)

// shown are the texts of the mail; the HTML without its markup.
func (r *received) shown(t *testing.T) []string {
	t.Helper()
	for _, markup := range tag.FindAllString(r.html, -1) {
		if !ours.MatchString(markup) && !links.MatchString(markup) || strings.Contains(markup, " on") {
			t.Errorf("the HTML part holds %s", markup)
		}
	}
	plain := strings.NewReplacer("&lt;", "<", "&gt;", ">", "&amp;", "&", "&#34;", `"`, "&#39;", "'").Replace(tag.ReplaceAllString(r.html, ""))

	return []string{r.subject(t), r.text, plain}
}

func TestContract(t *testing.T) {
	notifytest.Run(t, notifytest.Contract{
		Open: func(t *testing.T, a notifytest.Answer) (alert.Notifier, func() []notifytest.Message) {
			s := listen(t, serverOptions{answer: a})
			n := s.notifier(t, nil)
			if a.Down {
				n = s.notifier(t, func(c *Config) { c.SMTPPort = 1 })
			}

			return n, func() []notifytest.Message {
				if a.Silent {
					<-s.received
					return nil
				}
				var all []notifytest.Message
				for _, raw := range s.mails() {
					m := parse(t, raw)
					for _, name := range []string{"Bcc", "X-Injected", "Cc"} {
						if m.header.Get(name) != "" {
							t.Errorf("the mail has a header %s", name)
						}
					}
					if got := m.subject(t); len(got) > 200 || strings.ContainsAny(got, "\r\n") {
						t.Errorf("got subject %q, want one line of at most 200 bytes", got)
					}
					all = append(all, notifytest.Message{ID: m.header.Get("Message-ID"), Size: len(raw), Shown: m.shown(t)})
				}

				return all
			}
		},
		Accepted: 250,
		Retry: map[int]bool{
			421: true, 450: true, 451: true, 452: true, 550: false, 552: false, 553: false, 554: false, 571: false,
		},
		Secrets:    []string{password, base64.StdEncoding.EncodeToString([]byte("\x00" + username + "\x00" + password))},
		MaxBytes:   100_000,
		Identifies: true,
	})
}

func TestAMailSaysWhatMatters(t *testing.T) {
	s := listen(t, serverOptions{})
	n := s.notifier(t, nil)
	extra := notifytest.Extra()
	extra.Chart = []byte("\x89PNG\r\n\x1a\nlooks like a chart")
	if _, err := n.Notify(t.Context(), notifytest.Firing(), extra); err != nil {
		t.Fatal(err)
	}
	m := parse(t, s.mails()[0])
	if got, want := m.subject(t), "[CRITICAL] high_cpu_usage on host-1: firing since 10:25 UTC"; got != want {
		t.Errorf("got subject %q, want %q", got, want)
	}
	for header, want := range map[string]string{
		"From": `"llmwatch" <alerts@example.com>`, "To": `<admin@example.com>, "Ops" <ops@example.com>`,
		"Auto-Submitted": "auto-generated", "Date": "Mon, 15 Jan 2024 10:37:12 +0000", "Importance": "high",
	} {
		if got := m.header.Get(header); got != want {
			t.Errorf("got %s %q, want %q", header, got, want)
		}
	}
	if !bytes.Equal(m.chart, extra.Chart) || m.cid != "<"+notify.ChartID+">" || !strings.Contains(m.html, `src="cid:`+notify.ChartID+`"`) {
		t.Errorf("got chart of %d bytes with id %q, want it whole and shown in the HTML part", len(m.chart), m.cid)
	}
	for _, want := range []string{
		"CPU usage is consistently high", "92.4 (threshold 80)", "since 10:25 UTC, for 12 minutes", "host-1",
		"https://runbooks.example.com/high_cpu_usage", "worker 7 timed out",
	} {
		if !strings.Contains(m.text, want) || !strings.Contains(m.html, want) {
			t.Errorf("the mail does not say %q in both parts:\n%s\n%s", want, m.text, m.html)
		}
	}
	if want := "Acknowledge: " + extra.Link; !strings.Contains(m.text, want) {
		t.Errorf("the text does not say %q:\n%s", want, m.text)
	}
}

func TestMailsAboutOneAlertFormAThread(t *testing.T) {
	s := listen(t, serverOptions{})
	n := s.notifier(t, nil)
	ids, threads := map[string]bool{}, map[string]bool{}
	for _, note := range notifytest.All() {
		if note.Kind == alert.KindDigest || note.Kind == alert.KindTest {
			continue
		}
		if _, err := n.Notify(t.Context(), note, alert.Extra{}); err != nil {
			t.Fatal(err)
		}
	}
	for _, raw := range s.mails() {
		m := parse(t, raw)
		ids[m.header.Get("Message-ID")] = true
		threads[m.header.Get("References")] = true
		if m.header.Get("In-Reply-To") != m.header.Get("References") {
			t.Errorf("got In-Reply-To %q and References %q, want the same", m.header.Get("In-Reply-To"), m.header.Get("References"))
		}
	}
	if len(ids) != 5 || len(threads) != 1 || threads[""] {
		t.Errorf("got message ids %v and threads %v, want 5 of one thread", ids, threads)
	}
}

func TestTheConnectionIsProtectedAsConfigured(t *testing.T) {
	for name, c := range map[string]struct {
		options  serverOptions
		change   func(*Config)
		accepted bool
		retry    bool
		says     string
	}{
		"STARTTLS and PLAIN": {options: serverOptions{auth: []string{"PLAIN"}}, accepted: true},
		"STARTTLS and LOGIN": {options: serverOptions{auth: []string{"LOGIN"}}, accepted: true},
		"SCRAM without TLS": {
			options: serverOptions{plain: true, auth: []string{"SCRAM-SHA-256"}}, change: func(c *Config) { c.SMTPTLS = None }, accepted: true,
		},
		"CRAM-MD5 without TLS": {
			options: serverOptions{plain: true, auth: []string{"CRAM-MD5"}}, change: func(c *Config) { c.SMTPTLS = None }, accepted: true,
		},
		"a wrong password, by the best of what is offered": {
			options: serverOptions{auth: []string{"LOGIN", "PLAIN", "CRAM-MD5", "SCRAM-SHA-256"}}, change: func(c *Config) { c.Password = "canaryWrong" }, says: "AUTH SCRAM-SHA-256",
		},
		"TLS from the beginning": {
			options: serverOptions{implicit: true}, change: func(c *Config) { c.SMTPTLS = Implicit }, accepted: true,
		},
		"no TLS, no login": {
			options: serverOptions{plain: true, auth: []string{}},
			change:  func(c *Config) { c.SMTPTLS, c.Username, c.Password = None, "", "" }, accepted: true,
		},
		"PLAIN without TLS to another machine": {
			options: serverOptions{plain: true, host: "127.0.0.2"},
			change:  func(c *Config) { c.SMTPTLS, c.SMTPServer = None, "127.0.0.2" }, says: "PLAIN and LOGIN need TLS",
		},
		"STARTTLS is not offered": {options: serverOptions{plain: true}, says: "smtp_tls: tls"},
		"no AUTH is offered":      {options: serverOptions{auth: []string{}}, says: "AUTH"},
		"an unknown authority":    {change: func(c *Config) { c.SMTPCAFile = "" }, retry: true, says: "certificate"},
		"another host name":       {change: func(c *Config) { c.SMTPServer = "127.0.0.1" }, retry: true, says: "certificate"},
		"a wrong password":        {change: func(c *Config) { c.Password = "canaryWrong" }, says: "535"},
		"a busy login":            {options: serverOptions{loginCode: 454}, retry: true, says: "454"},
	} {
		t.Run(name, func(t *testing.T) {
			s := listen(t, c.options)
			n := s.notifier(t, c.change)
			result, err := n.Notify(t.Context(), notifytest.Firing(), notifytest.Extra())
			if (err == nil) != c.accepted || result.Retry != c.retry || !strings.Contains(result.Text, c.says) {
				t.Errorf("got %+v and error %v, want accepted %t, Retry %t and %q", result, err, c.accepted, c.retry, c.says)
			}
			if strings.Contains(result.Text, "canary") {
				t.Errorf("a secret is told: %s", result.Text)
			}
			if got := len(s.mails()); (got == 1) != c.accepted {
				t.Errorf("the server has %d mails", got)
			}
		})
	}
}

func TestOneBadRecipientCostsTheOthersNothing(t *testing.T) {
	for name, c := range map[string]struct {
		refuse          map[string]int
		accepted, retry bool
		says            string
	}{
		"one refused for good":             {map[string]int{"admin@example.com": 550}, true, false, "accepted for 1 of 2 recipients"},
		"one refused for now":              {map[string]int{"ops@example.com": 450}, false, true, "accepted for 1 of 2 recipients: RCPT TO ops@example.com: 450"},
		"all refused for good":             {map[string]int{"admin@example.com": 550, "ops@example.com": 553}, false, false, "550"},
		"all refused, one of them for now": {map[string]int{"admin@example.com": 550, "ops@example.com": 451}, false, true, "451"},
		"a server that leaves":             {map[string]int{"admin@example.com": 0}, false, true, "RCPT TO admin@example.com"},
	} {
		t.Run(name, func(t *testing.T) {
			s := listen(t, serverOptions{refuse: c.refuse})
			result, err := s.notifier(t, nil).Notify(t.Context(), notifytest.Firing(), notifytest.Extra())
			if (err == nil) != c.accepted || result.Retry != c.retry || !strings.Contains(result.Text, c.says) {
				t.Errorf("got %+v and error %v, want accepted %t, Retry %t and %q", result, err, c.accepted, c.retry, c.says)
			}
		})
	}
}

func TestAnOwnTemplateThatFailsIsReportedAndReplaced(t *testing.T) {
	s := listen(t, serverOptions{})
	n := s.notifier(t, func(c *Config) {
		c.Templates = notify.TemplateConfig{
			Subject: "own {{.Title}}\r\nBcc: evil@example.com",
			HTML:    `<p title={{.Title}}>{{if eq .Alert.Name "high_cpu_usage"}}{{index .Logs 99}}{{end}}</p>`,
		}
	})
	result, err := n.Notify(t.Context(), notifytest.Firing(), notifytest.Extra())
	if err != nil || !strings.Contains(result.Text, "template html failed") {
		t.Errorf("got %+v and error %v, want success and a report of the template", result, err)
	}
	m := parse(t, s.mails()[0])
	if got, want := m.subject(t), "own high_cpu_usage on host-1 Bcc: evil@example.com"; got != want {
		t.Errorf("got subject %q, want %q", got, want)
	}
	if !strings.Contains(m.html, "CPU usage is consistently high") {
		t.Errorf("the standard template did not stand in:\n%s", m.html)
	}
}

func TestValidateNamesTheKey(t *testing.T) {
	for name, c := range map[string]struct {
		change func(*Config)
		want   string
	}{
		"no server":          {func(c *Config) { c.SMTPServer = "" }, "smtp_server must be"},
		"a server and port":  {func(c *Config) { c.SMTPServer = "a:25" }, "smtp_server must be"},
		"a port too high":    {func(c *Config) { c.SMTPPort = 65536 }, "smtp_port must be"},
		"an unknown TLS":     {func(c *Config) { c.SMTPTLS = "ssl" }, "smtp_tls must be starttls, tls or none"},
		"a user alone":       {func(c *Config) { c.Password = "" }, "smtp_username and smtp_password must both"},
		"no sender":          {func(c *Config) { c.FromEmail = "" }, "from_email must be"},
		"nobody to write to": {func(c *Config) { c.ToEmails = nil }, "to_emails must hold"},
		"a bad recipient":    {func(c *Config) { c.ToEmails = []string{"a@b\r\nBcc: c@d"} }, "to_emails must hold"},
		"no time":            {func(c *Config) { c.Timeout = 0 }, "timeout must be"},
		"no such file":       {func(c *Config) { c.SMTPCAFile = "/nonexistent" }, "smtp_ca_file: "},
	} {
		t.Run(name, func(t *testing.T) {
			config := valid()
			c.change(&config)
			_, err := New(config)
			if err == nil || !strings.Contains(err.Error(), c.want) || strings.Contains(err.Error(), password) {
				t.Errorf("got error %v, want %q", err, c.want)
			}
		})
	}
}

func TestThePortFollowsFromTLS(t *testing.T) {
	for mode, want := range map[TLS]int{STARTTLS: 587, Implicit: 465, None: 25} {
		c := valid()
		c.SMTPTLS = mode
		if got := c.address(); got != "localhost:"+strconv.Itoa(want) {
			t.Errorf("%s: got %s, want port %d", mode, got, want)
		}
	}
}
