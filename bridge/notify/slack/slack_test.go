package slack

import (
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"
	"unicode/utf8"

	"go.uber.org/goleak"

	"llmwatch/bridge/alert"
	"llmwatch/bridge/notify"
	"llmwatch/bridge/notify/notifytest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const token = "XcanaryTokenXXXXXXXXXXXX"

// fakeSlack takes what Slack takes and refuses what it refuses.
type fakeSlack struct {
	t        *testing.T
	mu       sync.Mutex
	bodies   [][]byte
	received chan struct{}
}

func (f *fakeSlack) take(r *http.Request) {
	body, err := io.ReadAll(r.Body)
	if err != nil {
		f.t.Errorf("read body: %v", err)
	}
	if got := r.Header.Get("Content-Type"); !strings.HasPrefix(got, "application/json") {
		f.t.Errorf("got content type %q, want JSON", got)
	}
	f.mu.Lock()
	f.bodies = append(f.bodies, body)
	f.mu.Unlock()
	f.received <- struct{}{}
}

func (f *fakeSlack) messages() []notifytest.Message {
	<-f.received
	f.mu.Lock()
	defer f.mu.Unlock()
	var all []notifytest.Message
	for _, body := range f.bodies {
		all = append(all, notifytest.Message{Size: len(body), Shown: check(f.t, body)})
	}

	return all
}

// check holds a message against Slack's documented bounds, and returns its texts
// as Slack shows them.
func check(t *testing.T, body []byte) []string {
	t.Helper()
	var m message
	d := json.NewDecoder(strings.NewReader(string(body)))
	d.DisallowUnknownFields()
	if err := d.Decode(&m); err != nil {
		t.Fatalf("decode message: %v", err)
	}
	blocks := m.Blocks
	for _, a := range m.Attachments {
		if len(a.Color) != 7 || a.Color[0] != '#' {
			t.Errorf("got colour %q, want #rrggbb", a.Color)
		}
		blocks = append(blocks, a.Blocks...)
	}
	if len(blocks) > 50 || m.Text == "" {
		t.Errorf("got %d blocks and text %q, want at most 50 and some text", len(blocks), m.Text)
	}
	shown := []string{render(t, m.Text, 3000)}
	for _, b := range blocks {
		if b.Text != nil {
			shown = append(shown, render(t, b.Text.Text, 3000))
		}
		if len(b.Fields) > 10 || len(b.Elements) > 10 {
			t.Errorf("got %d fields and %d elements, want at most 10", len(b.Fields), len(b.Elements))
		}
		for _, f := range b.Fields {
			shown = append(shown, render(t, f.Text, 2000))
		}
		for _, e := range b.Elements {
			shown = append(shown, render(t, e.Text, 3000))
		}
	}

	return shown
}

// render shows mrkdwn: the only thing in angle brackets may be a link to an
// address on the web.
func render(t *testing.T, s string, most int) string {
	t.Helper()
	if n := utf8.RuneCountInString(s); n == 0 || n > most {
		t.Errorf("got a text of %d characters, want 1 to %d", n, most)
	}
	for rest := s; ; {
		_, after, found := strings.Cut(rest, "<")
		if !found {
			break
		}
		inside, remaining, closed := strings.Cut(after, ">")
		if !closed || !strings.HasPrefix(inside, "http") || strings.Count(inside, "|") != 1 {
			t.Errorf("got <%s>, want a link to an http address with a text", inside)
		}
		rest = remaining
	}
	s = strings.NewReplacer("&lt;", "<", "&gt;", ">", "&amp;", "&").Replace(s)

	return strings.NewReplacer("∗", "*", "ˍ", "_", "∼", "~", "ˋ", "`").Replace(s)
}

func open(t *testing.T, answer http.HandlerFunc) (*Notifier, *fakeSlack) {
	t.Helper()
	f := &fakeSlack{t: t, received: make(chan struct{}, 100)}
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		f.take(r)
		answer(w, r)
	}))
	t.Cleanup(s.Close)
	c := DefaultConfig()
	c.WebhookURL = notify.Secret(s.URL + "/services/T000/B000/" + token)
	n, err := New(c)
	if err != nil {
		t.Fatal(err)
	}

	return n, f
}

func TestContract(t *testing.T) {
	notifytest.Run(t, notifytest.Contract{
		Open: func(t *testing.T, a notifytest.Answer) (alert.Notifier, func() []notifytest.Message) {
			n, f := open(t, func(w http.ResponseWriter, r *http.Request) {
				if a.Silent {
					<-r.Context().Done()
					return
				}
				w.WriteHeader(a.Code)
				_, _ = io.WriteString(w, a.Text)
			})
			if a.Down {
				n.config.WebhookURL = notify.Secret("http://127.0.0.1:1/services/T000/B000/" + token)
			}

			return n, f.messages
		},
		Accepted: 200,
		Retry: map[int]bool{
			301: false, 302: false, 400: false, 401: false, 403: false, 404: false, 408: true, 410: false, 429: true,
			500: true, 501: true, 502: true, 503: true, 504: true,
		},
		Secrets:  []string{token, "/services/T000/B000/" + token},
		MaxBytes: 60_000,
	})
}

func TestASlackThatIsBusySaysWhenToComeBack(t *testing.T) {
	for name, c := range map[string]struct {
		code  int
		after string
		want  time.Duration
	}{
		"seconds":              {429, "30", 30 * time.Second},
		"a date":               {429, "Mon, 15 Jan 2024 10:31:00 GMT", time.Minute},
		"a date in the past":   {429, "Mon, 15 Jan 2024 10:29:00 GMT", 0},
		"nonsense":             {429, "soon", 0},
		"too long":             {503, "99999999", 24 * time.Hour},
		"nothing":              {503, "", 0},
		"seconds, but refused": {404, "30", 0},
	} {
		t.Run(name, func(t *testing.T) {
			busy := true
			n, f := open(t, func(w http.ResponseWriter, _ *http.Request) {
				if busy {
					w.Header().Set("Date", "Mon, 15 Jan 2024 10:30:00 GMT")
					w.Header().Set("Retry-After", c.after)
					w.WriteHeader(c.code)
				}
				_, _ = io.WriteString(w, "ok")
			})
			result, err := n.Notify(t.Context(), notifytest.Firing(), notifytest.Extra())
			if err == nil || result.RetryAfter != c.want {
				t.Errorf("got %+v and error %v, want an error and RetryAfter %s", result, err, c.want)
			}
			busy = false
			result, err = n.Notify(t.Context(), notifytest.Firing(), notifytest.Extra())
			if err != nil || result.Text != "200 OK: ok" {
				t.Errorf("second attempt: got %+v and error %v, want 200 OK: ok", result, err)
			}
			if got := len(f.messages()); got != 2 {
				t.Errorf("got %d messages, want 2", got)
			}
		})
	}
}

func TestMessagesGoToNobodyElse(t *testing.T) {
	elsewhere := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		t.Errorf("another server got %s %s with %v", r.Method, r.URL, r.Header)
	}))
	t.Cleanup(elsewhere.Close)
	n, _ := open(t, func(w http.ResponseWriter, r *http.Request) {
		http.Redirect(w, r, elsewhere.URL+"/stolen", http.StatusTemporaryRedirect)
	})
	if _, err := n.Notify(t.Context(), notifytest.Firing(), alert.Extra{}); err == nil || !strings.Contains(err.Error(), "307") {
		t.Errorf("a redirect gives %v", err)
	}
}

func TestAMessageSaysWhatMatters(t *testing.T) {
	n, f := open(t, func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, "ok") })
	if _, err := n.Notify(t.Context(), notifytest.Firing(), notifytest.Extra()); err != nil {
		t.Fatal(err)
	}
	shown := strings.Join(f.messages()[0].Shown, "\n")
	for _, want := range []string{
		"[CRITICAL] high_cpu_usage on host-1: firing since 10:25 UTC", "CPU usage is consistently high",
		"92.4 (threshold 80)", "since 10:25 UTC, for 12 minutes", "host-1", "worker 7 timed out",
		"<https://runbooks.example.com/high_cpu_usage|", "<https://llmwatch.example.com/alerts/high_cpu_usage_20240115?tab=1&x=2|Acknowledge>",
	} {
		if !strings.Contains(shown, want) {
			t.Errorf("the message does not say %q:\n%s", want, shown)
		}
	}
}

func TestAnOwnTemplateThatFailsIsReportedAndReplaced(t *testing.T) {
	n, f := open(t, func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, "ok") })
	templates, err := notify.NewTemplates(notify.TemplateConfig{Slack: `{{if eq .Alert.Instance "host-2"}}{{index .Logs 99}}{{end}}own words`})
	if err != nil {
		t.Fatal(err)
	}
	n.templates = templates
	note := notifytest.Firing()
	note.Alerts[0].Labels["instance"] = "host-2"
	result, err := n.Notify(t.Context(), note, notifytest.Extra())
	if err != nil || !strings.Contains(result.Text, "template slack failed") {
		t.Errorf("got %+v and error %v, want success and a report of the template", result, err)
	}
	if shown := strings.Join(f.messages()[0].Shown, "\n"); !strings.Contains(shown, "CPU usage is consistently high") {
		t.Errorf("the standard template did not stand in:\n%s", shown)
	}
}

func TestEscape(t *testing.T) {
	for in, want := range map[string]string{
		"high_cpu_usage":   "high_cpu_usage",
		"*bold*":           "∗bold∗",
		"a *b* c":          "a ∗b∗ c",
		"_it_ ~no~ `code`": "ˍitˍ ∼no∼ ˋcodeˋ",
		"a`b":              "aˋb",
		"2*3":              "2*3",
		"<!channel>":       "&lt;!channel&gt;",
		"> quote\n> quote": "› quote\n› quote",
		"&amp;":            "&amp;amp;",
		"\xff_x":           "\uFFFDˍx",
	} {
		if got := escape(in); got != want {
			t.Errorf("escape(%q): got %q, want %q", in, got, want)
		}
	}
}

func TestALinkIsWholeOrMissing(t *testing.T) {
	n, f := open(t, func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, "ok") })
	note, extra := notifytest.Firing(), notifytest.Extra()
	long := "https://example.com/?" + strings.Repeat("&", 1900)
	extra.Link, note.Alerts[0].GeneratorURL, note.Alerts[0].Annotations["runbook_url"] = long, long, long
	if _, err := n.Notify(t.Context(), note, extra); err != nil {
		t.Fatal(err)
	}
	shown := strings.Join(f.messages()[0].Shown, "\n")
	if strings.Contains(shown, "<http") || !strings.Contains(shown, "Show the metric") {
		t.Errorf("got %.2000s\nwant the texts of the links alone", shown)
	}
}

func TestRunningTextBreaksBetweenLines(t *testing.T) {
	line := strings.Repeat("x", 999)
	blocks := sections(strings.Repeat(line+"\n", 100))
	if len(blocks) != maxTexts+1 || blocks[maxTexts].Text.Text != "… and 82 more lines" {
		t.Fatalf("got %d blocks, the last %q", len(blocks), blocks[len(blocks)-1].Text.Text)
	}
	for _, b := range blocks[:maxTexts] {
		if want := line + "\n" + line + "\n" + line; b.Text.Text != want {
			t.Errorf("got a block of %d bytes, want three whole lines", len(b.Text.Text))
		}
	}
	if got := sections(" \n\n "); len(got) != 0 {
		t.Errorf("got %d blocks of nothing", len(got))
	}
}

func TestCutSplitsNoEntity(t *testing.T) {
	for most := 3; most < 20; most++ {
		got := cut("ab&amp;&lt;&gt;cdef", most)
		if len(got) > most {
			t.Errorf("cut to %d: got %d bytes", most, len(got))
		}
		if rest := strings.NewReplacer("&amp;", "", "&lt;", "", "&gt;", "").Replace(got); strings.Contains(rest, "&") {
			t.Errorf("cut to %d: got %q with half an entity", most, got)
		}
	}
}

func TestValidateNamesTheKey(t *testing.T) {
	for name, c := range map[string]struct {
		change func(*Config)
		want   string
	}{
		"no address":     {func(c *Config) { c.WebhookURL = "" }, "webhook_url must be"},
		"not an address": {func(c *Config) { c.WebhookURL = notify.Secret("ftp://x/" + token) }, "webhook_url must be"},
		"no time":        {func(c *Config) { c.Timeout = 0 }, "timeout must be longer than 0"},
		"no such file":   {func(c *Config) { c.CAFile = "/nonexistent" }, "ca_file: "},
	} {
		t.Run(name, func(t *testing.T) {
			config := DefaultConfig()
			config.WebhookURL = "https://hooks.slack.com/services/x"
			c.change(&config)
			_, err := New(config)
			if err == nil || !strings.Contains(err.Error(), c.want) || strings.Contains(err.Error(), token) {
				t.Errorf("got error %v, want %q", err, c.want)
			}
		})
	}
}

func FuzzEscape(f *testing.F) {
	f.Add(notifytest.Markup, uint16(40))
	f.Add("\xff&<>*_~`\n> x", uint16(7))
	f.Add("\xff", uint16(7))
	f.Fuzz(func(t *testing.T, s string, most uint16) {
		escaped := escape(s)
		if strings.ContainsAny(escaped, "<>`") || !utf8.ValidString(escaped) {
			t.Errorf("escape(%q): got %q, which acts", s, escaped)
		}
		runes := []rune(escaped)
		for i, r := range runes {
			if strings.ContainsRune("*_~", r) && (i == 0 || i == len(runes)-1 || !word(runes[i-1]) || !word(runes[i+1])) {
				t.Errorf("escape(%q): got %q, in which %q at %d acts", s, escaped, r, i)
			}
		}
		if limit := max(3, int(most)); len(cut(escaped, limit)) > limit {
			t.Errorf("cut(%q, %d) is longer", escaped, limit)
		}
		if code := escapeCode(s); strings.ContainsAny(code, "<>`") {
			t.Errorf("escapeCode(%q): got %q", s, code)
		}
		if link := escapeURL(s); strings.ContainsAny(link, "<>|") {
			t.Errorf("escapeURL(%q): got %q", s, link)
		}
	})
}

func TestAnswersThatOnlySlackGives(t *testing.T) {
	for words, want := range map[string]struct {
		status        int
		retry, outage bool
		accepted      bool
	}{
		"ok":                                    {status: 200, accepted: true},
		`{"ok": true}`:                          {status: 200, accepted: true},
		"invalid_payload":                       {status: 200},
		`{"ok": false, "error": "no_text"}`:     {status: 200},
		`{"ok":false,"error":"ratelimited"}`:    {status: 200, retry: true},
		"channel_not_found":                     {status: 200, outage: true},
		"no_service":                            {status: 404, outage: true},
		"user_not_found":                        {status: 400, outage: true},
		"invalid_token":                         {status: 403, outage: true},
		"channel_is_archived":                   {status: 410, outage: true},
		"invalid_blocks":                        {status: 400},
		"too large":                             {status: 413},
		"moved":                                 {status: 302, outage: true},
		strings.Repeat("<html>busy", 1_000_000): {status: 503, retry: true},
	} {
		n, _ := open(t, func(w http.ResponseWriter, _ *http.Request) {
			w.WriteHeader(want.status)
			_, _ = io.WriteString(w, words)
		})
		r, err := n.Notify(t.Context(), notifytest.Firing(), alert.Extra{})
		if (err == nil) != want.accepted || r.Retry != want.retry || r.Outage != want.outage || len(r.Text) > 1000 {
			t.Errorf("%d %.40s: got %+v, error %v; want %+v", want.status, words, r, err, want)
		}
	}
}

func TestAShortMessageHasNoBlocks(t *testing.T) {
	n, f := open(t, func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, "ok") })
	note := notifytest.Hostile()
	note.Progress.Short = true
	if _, err := n.Notify(t.Context(), note, notifytest.HostileExtra()); err != nil {
		t.Fatal(err)
	}
	<-f.received
	f.mu.Lock()
	defer f.mu.Unlock()
	if size := len(f.bodies[0]); size > 2000 {
		t.Errorf("the message has %d bytes, want a short one", size)
	}
}
