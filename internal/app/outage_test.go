package app

import (
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/emersion/go-smtp"

	"llmwatch/bridge/alert"
	"llmwatch/bridge/alert/sqlite"
	"llmwatch/bridge/notify"
)

// flaky is where messages go: a mail server and one that plays Slack, on real
// sockets. They run outside the bubble of a fake clock, which only moves while
// nobody waits for them.
type flaky struct {
	mu    sync.Mutex
	away  bool
	mails []string // Subjects.
	posts []string
}

func (o *flaky) isAway() bool {
	o.mu.Lock()
	defer o.mu.Unlock()

	return o.away
}

func (o *flaky) set(away bool) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.away = away
}

func (o *flaky) received() (mails, posts []string) {
	o.mu.Lock()
	defer o.mu.Unlock()

	return slices.Clone(o.mails), slices.Clone(o.posts)
}

// NewSession implements smtp.Backend.
func (o *flaky) NewSession(*smtp.Conn) (smtp.Session, error) {
	if o.isAway() {
		return nil, &smtp.SMTPError{Code: 421, Message: "not now"}
	}

	return &flakySession{o}, nil
}

type flakySession struct{ o *flaky }

func (s *flakySession) Mail(string, *smtp.MailOptions) error { return nil }
func (s *flakySession) Rcpt(string, *smtp.RcptOptions) error { return nil }
func (s *flakySession) Reset()                               {}
func (s *flakySession) Logout() error                        { return nil }

func (s *flakySession) Data(r io.Reader) error {
	text, err := io.ReadAll(r)
	if err != nil {
		return err
	}
	_, subject, _ := strings.Cut(string(text), "Subject: ")
	subject, _, _ = strings.Cut(subject, "\r\n")
	s.o.mu.Lock()
	defer s.o.mu.Unlock()
	s.o.mails = append(s.o.mails, subject)

	return nil
}

// ServeHTTP plays Slack.
func (o *flaky) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if o.isAway() {
		http.Error(w, "no_service", http.StatusServiceUnavailable)
		return
	}
	body, err := io.ReadAll(r.Body)
	if err != nil {
		return
	}
	o.mu.Lock()
	defer o.mu.Unlock()
	o.posts = append(o.posts, string(body))
	fmt.Fprint(w, "ok")
}

// serveFlaky serves both until the test ends.
func serveFlaky(t *testing.T, o *flaky) (mailPort int, slack string) {
	t.Helper()

	mail, chat := smtp.NewServer(o), &http.Server{Handler: o, ReadHeaderTimeout: time.Minute}
	mail.Domain = "localhost"
	var running sync.WaitGroup
	listen := func(serve func(net.Listener) error) net.Addr {
		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		running.Go(func() { _ = serve(l) }) // It ends when it is closed.

		return l.Addr()
	}
	mailPort = listen(mail.Serve).(*net.TCPAddr).Port
	slack = "http://" + listen(chat.Serve).String() + "/services/T0/B0/x"
	t.Cleanup(func() {
		_, _ = mail.Close(), chat.Close()
		running.Wait()
	})

	return mailPort, slack
}

// TestAnHourWithoutMailAndSlack lets two alerts fire and one of them end while
// nobody takes notifications.
func TestAnHourWithoutMailAndSlack(t *testing.T) {
	o := &flaky{}
	port, slack := serveFlaky(t, o)
	c := DefaultConfig(CommandServe)
	mail := &c.Notifications.Email
	mail.Enabled, mail.SMTPServer, mail.SMTPPort, mail.SMTPTLS = true, "127.0.0.1", port, "none"
	mail.FromEmail, mail.ToEmails = "llmwatch@example.com", []string{"ops@example.com"}
	c.Notifications.Slack.Enabled, c.Notifications.Slack.WebhookURL = true, notify.Secret(slack)
	routing, err := c.routing(silent)
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(t.TempDir(), "llmwatch.db")

	synctest.Test(t, func(t *testing.T) {
		store, err := sqlite.Open(t.Context(), path)
		if err != nil {
			t.Fatal(err)
		}
		manager := alert.NewManager(alert.Config{
			Store: store, Logger: silent, Routing: routing, Options: alert.Options{DefaultCooldown: 40 * time.Minute},
		})
		ctx, cancel := context.WithCancel(t.Context())
		var running sync.WaitGroup
		running.Go(func() { manager.Run(ctx) })
		defer func() {
			cancel()
			running.Wait()
			if err := store.Close(); err != nil {
				t.Error(err)
			}
		}()
		begin := time.Now()
		// at lets time pass until then, with a look at the alerts every minute.
		firing := []string{}
		at := func(until time.Duration) {
			t.Helper()
			for {
				s := alert.Snapshot{Complete: true, Missing: func(*alert.Alert) alert.Verdict { return alert.Verdict{Ended: true} }}
				for _, name := range firing {
					s.Alerts = append(s.Alerts, alert.Seen{Labels: map[string]string{"alertname": name, "severity": "high"}, StartsAt: time.Now()})
				}
				if err := manager.Observe(ctx, s); err != nil {
					t.Fatal(err)
				}
				synctest.Wait()
				if time.Since(begin) >= until {
					return
				}
				time.Sleep(time.Minute)
			}
		}

		o.set(true)
		firing = []string{"one"}
		at(10 * time.Minute)
		firing = []string{"one", "two"}
		at(20 * time.Minute)
		firing = []string{"one"}
		at(60 * time.Minute)
		if mails, posts := o.received(); len(mails)+len(posts) > 0 {
			t.Fatalf("while away they took %v and %v", mails, posts)
		}
		o.set(false)
		at(66 * time.Minute) // The last retry is at most 5 minutes away.

		// Of each alert its newest state is told, once. The reminder of one was due 40
		// minutes after it fired; the next one is due 40 minutes after that.
		want := []string{"two: fired at 00:10 UTC, resolved at 00:20 UTC", "one: still firing after 40 minutes (this could not be"}
		expect := func() {
			t.Helper()
			mails, posts := o.received()
			for channel, got := range map[string][]string{"mail": mails, "Slack": posts} {
				// What they are told of each other's outage has tests of its own.
				got = slices.DeleteFunc(got, func(message string) bool { return strings.Contains(message, "[CHANNEL ") })
				if len(got) != len(want) {
					t.Errorf("%s took %d messages, want %v: %.60q", channel, len(got), want, got)
					continue
				}
				for i := range want {
					name, says, _ := strings.Cut(want[i], ": ")
					if !strings.Contains(got[i], name) || !strings.Contains(got[i], says) {
						t.Errorf("message %d to %s is %.200q, want %s", i, channel, got[i], want[i])
					}
				}
			}
		}
		expect()
		at(79 * time.Minute)
		expect()
		want = append(want, "one: still firing")
		at(81 * time.Minute)
		expect()
	})
}
