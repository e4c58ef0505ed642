package email

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net/mail"

	"llmwatch/bridge/alert"
	"llmwatch/bridge/notify"
)

// Notifier sends mail. It is safe for concurrent use; each notification has a
// connection of its own.
type Notifier struct {
	config    Config
	from      *mail.Address
	to        []*mail.Address
	tls       *tls.Config
	templates *notify.Templates
	scrub     notify.Scrubber
}

var _ alert.Notifier = (*Notifier)(nil)

// New checks the configuration and reads the CA file.
func New(c Config) (*Notifier, error) {
	if err := c.Validate(); err != nil {
		return nil, err
	}
	roots, err := notify.Roots(c.SMTPCAFile)
	if err != nil {
		return nil, fmt.Errorf("smtp_ca_file: %w", err)
	}
	templates, err := notify.NewTemplates(c.Templates)
	if err != nil {
		return nil, err
	}
	n := &Notifier{
		config:    c,
		tls:       &tls.Config{ServerName: c.SMTPServer, RootCAs: roots, MinVersion: tls.VersionTLS12},
		templates: templates,
		scrub: notify.NewScrubber(string(c.Password),
			// The initial response of PLAIN (RFC 4616).
			"\x00"+c.Username+"\x00"+string(c.Password)),
	}
	// Validate has parsed them already.
	n.from, _ = mail.ParseAddress(c.FromEmail)
	for _, text := range c.ToEmails {
		to, _ := mail.ParseAddress(text)
		n.to = append(n.to, to)
	}

	return n, nil
}

// String says where mail goes, without secrets.
func (n *Notifier) String() string { return "email by " + n.config.address() }

// GoString is String.
func (n *Notifier) GoString() string { return n.String() }

// Notify sends one mail, to those recipients that have not accepted it before.
// Where the server takes it for some and puts others off, that is an error, and
// the Result says who is done; those it refuses for good are named. An answer of
// 4xx and trouble with the connection may pass. 5xx to the message itself is about
// that one; 5xx to anything else, and a server that does not offer the STARTTLS or
// AUTH that is configured, mean that it will take nothing.
func (n *Notifier) Notify(ctx context.Context, note alert.Notification, extra alert.Extra) (alert.Result, error) {
	message, templateErr := n.compose(note, extra)
	ctx, cancel := context.WithTimeout(ctx, n.config.Timeout)
	defer cancel()

	sent, err := n.send(ctx, message, note.Progress.Done)
	result := alert.Result{Done: sent.done, Reason: sent.reason}
	said := sent.said
	if err != nil {
		result.Partial = sent.accepted > 0
		classify(&result, err)
		err = n.scrub.Error("send mail", errors.Join(err, ctx.Err()))
		said = err.Error()
	}
	result.Text = n.scrub.Text(said)
	if templateErr != nil {
		result.Text += "; " + n.scrub.Text(templateErr.Error())
	}

	return result, err
}
