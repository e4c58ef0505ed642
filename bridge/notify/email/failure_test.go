package email

import (
	"net"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"llmwatch/bridge/alert"
	"llmwatch/bridge/notify/notifytest"
)

// verdict is what a Result says about the next attempts.
type verdict struct {
	Retry, Outage, Login, Partial bool
	Reason                        string
}

func TestFailuresOfTheChannelAreToldFromThoseOfTheMessage(t *testing.T) {
	for name, c := range map[string]struct {
		options serverOptions
		change  func(*Config)
		want    verdict
	}{
		"wrong credentials":               {change: func(c *Config) { c.Password = "canaryWrong" }, want: verdict{Outage: true, Login: true, Reason: "AUTH 535"}},
		"a login that is off for now":     {options: serverOptions{loginCode: 454}, want: verdict{Retry: true, Reason: "AUTH 454"}},
		"no STARTTLS":                     {options: serverOptions{plain: true}, want: verdict{Outage: true, Reason: "connection"}},
		"nobody is known":                 {options: serverOptions{refuse: map[string]int{"admin@example.com": 550, "ops@example.com": 550}}, want: verdict{Outage: true, Reason: "RCPT TO 550"}},
		"everybody is greylisted":         {options: serverOptions{refuse: map[string]int{"admin@example.com": 450, "ops@example.com": 450}}, want: verdict{Retry: true, Reason: "RCPT TO 450"}},
		"one is greylisted":               {options: serverOptions{refuse: map[string]int{"ops@example.com": 450}}, want: verdict{Retry: true, Partial: true, Reason: "RCPT TO 450"}},
		"a message that is too big":       {options: serverOptions{answer: notifytest.Answer{Code: 552, Text: "too big"}}, want: verdict{Reason: "DATA 552"}},
		"a message that is put off":       {options: serverOptions{answer: notifytest.Answer{Code: 451, Text: "later"}}, want: verdict{Retry: true, Reason: "DATA 451"}},
		"nobody there":                    {change: func(c *Config) { c.SMTPPort = 1 }, want: verdict{Retry: true, Reason: "connection"}},
		"a name that is not known":        {change: func(c *Config) { c.SMTPServer = "mail.invalid" }, want: verdict{Retry: true, Reason: "connection"}},
		"a certificate that is not known": {change: func(c *Config) { c.SMTPCAFile = "" }, want: verdict{Retry: true, Reason: "connection"}},
	} {
		t.Run(name, func(t *testing.T) {
			r, err := listen(t, c.options).notifier(t, c.change).Notify(t.Context(), notifytest.Firing(), alert.Extra{})
			if err == nil {
				t.Fatal("no error")
			}
			if diff := cmp.Diff(c.want, verdict{r.Retry, r.Outage, r.Login, r.Partial, r.Reason}); diff != "" {
				t.Errorf("%v (-want +got):\n%s", err, diff)
			}
		})
	}
}

func TestNobodyGetsASecondCopy(t *testing.T) {
	s := listen(t, serverOptions{refuse: map[string]int{"ops@example.com": 450}})
	n, note := s.notifier(t, nil), notifytest.Firing()
	r, err := n.Notify(t.Context(), note, alert.Extra{})
	if err == nil || !cmp.Equal(r.Done, []string{"admin@example.com"}) {
		t.Fatalf("got %+v, error %v; want that ops is put off", r, err)
	}
	note.Progress.Done = r.Done
	if r, err = n.Notify(t.Context(), note, alert.Extra{}); err == nil || r.Partial {
		t.Errorf("got %+v, error %v; want that nobody took it again", r, err)
	}
	delete(s.options.refuse, "ops@example.com")
	if r, err = n.Notify(t.Context(), note, alert.Extra{}); err != nil || !cmp.Equal(r.Done, []string{"ops@example.com"}) {
		t.Errorf("got %+v, error %v; want it accepted for ops", r, err)
	}
	note.Progress.Done = append(note.Progress.Done, r.Done...)
	if _, err := n.Notify(t.Context(), note, alert.Extra{}); err != nil {
		t.Errorf("with nobody left: error %v", err)
	}
	mails := s.mails()
	if len(mails) != 2 {
		t.Fatalf("the server took %d mails, want one for each recipient", len(mails))
	}
	first, second := parse(t, mails[0]), parse(t, mails[1])
	if first.header.Get("Message-ID") != second.header.Get("Message-ID") {
		t.Error("the copies have different identifications")
	}
}

func TestRefusedForGoodIsNamed(t *testing.T) {
	s := listen(t, serverOptions{refuse: map[string]int{"ops@example.com": 550}})
	r, err := s.notifier(t, nil).Notify(t.Context(), notifytest.Firing(), alert.Extra{})
	if err != nil || r.Reason != "RCPT TO 550" || len(r.Done) != 2 {
		t.Errorf("got %+v, error %v; want success, and why it reaches only one", r, err)
	}
}

func TestAShortMailIsPlain(t *testing.T) {
	s := listen(t, serverOptions{})
	note, extra := notifytest.Hostile(), notifytest.Extra()
	note.Progress.Short, extra.Chart = true, make([]byte, 1<<20)
	if _, err := s.notifier(t, nil).Notify(t.Context(), note, extra); err != nil {
		t.Fatal(err)
	}
	if raw := string(s.mails()[0]); len(raw) > 10_000 || strings.Contains(raw, "text/html") || strings.Contains(raw, "image/png") {
		t.Errorf("a mail of %d bytes, want a short one without HTML and chart", len(raw))
	}
}

func TestTwoInstallationsDifferInMailsAndThreads(t *testing.T) {
	s := listen(t, serverOptions{})
	n := s.notifier(t, nil)
	ids, threads := map[string]bool{}, map[string]bool{}
	for _, installation := range []string{"one", "other", "one"} {
		note := notifytest.Firing()
		note.Installation, note.Key = installation, installation+"/"+note.Key
		if _, err := n.Notify(t.Context(), note, alert.Extra{}); err != nil {
			t.Fatal(err)
		}
	}
	for _, raw := range s.mails() {
		m := parse(t, raw)
		ids[m.header.Get("Message-ID")], threads[m.header.Get("References")] = true, true
	}
	if len(ids) != 2 || len(threads) != 2 {
		t.Errorf("got message ids %v and threads %v, want two of each", ids, threads)
	}
}

func TestAServerThatNeverGreetsIsLeft(t *testing.T) {
	listener, err := net.Listen("tcp", "localhost:0")
	if err != nil {
		t.Fatal(err)
	}
	defer listener.Close()
	c := valid()
	c.SMTPPort, c.Timeout = listener.Addr().(*net.TCPAddr).Port, 50*time.Millisecond
	n, err := New(c)
	if err != nil {
		t.Fatal(err)
	}
	if r, err := n.Notify(t.Context(), notifytest.Firing(), alert.Extra{}); err == nil || !r.Retry {
		t.Errorf("got %+v, error %v; want a failure that may pass", r, err)
	}
}
