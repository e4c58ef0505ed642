package email

import (
	"cmp"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"net/mail"
	"net/textproto"
	"os"
	"slices"
	"strconv"
	"strings"
	"time"

	gomail "github.com/wneessen/go-mail"
	"github.com/wneessen/go-mail/smtp"

	"llmwatch/bridge/alert"
)

// errConfig marks what the server does not offer although the configuration
// asks for it.
var errConfig = errors.New("the server does not offer what the configuration asks for")

// place is where in a conversation something failed.
type place string

// The places.
const (
	atConnection place = "connection"
	atLogin      place = "AUTH"
	atSender     place = "MAIL FROM"
	atRecipient  place = "RCPT TO"
	atMessage    place = "DATA"
)

// placed is an error with its place.
type placed struct {
	error
	at place
}

// Unwrap returns the error itself.
func (p *placed) Unwrap() error { return p.error }

// tooBig is the code that is about the message even before it was sent: MAIL FROM
// may tell its size (RFC 1870).
const tooBig = 552

// classify says what an error means for the next attempts.
func classify(r *alert.Result, err error) {
	answer, answered := errors.AsType[*textproto.Error](err)
	where, at := errors.AsType[*placed](err)
	if !at {
		where = &placed{at: atConnection}
	}
	r.Reason = string(where.at)
	switch {
	case errors.Is(err, errConfig):
		r.Outage = true
	case !answered:
		r.Retry = true
	default:
		r.Reason += " " + strconv.Itoa(answer.Code)
		ofMessage := where.at == atMessage || (where.at == atSender && answer.Code == tooBig)
		r.Retry = answer.Code < 500
		r.Outage = !r.Retry && !ofMessage
		r.Login = r.Outage && where.at == atLogin
	}
}

// passes says whether a failure may.
func passes(err error) bool {
	var r alert.Result
	classify(&r, err)

	return r.Retry
}

// quitTimeout is how long a server may take to say goodbye.
const quitTimeout = 2 * time.Second

// sent is what became of a mail.
type sent struct {
	// said is what the server said at the end.
	said string
	// accepted counts the recipients that took it now; done are those and the ones
	// refused for good, and reason says why where there are any of these.
	accepted int
	done     []string
	reason   string
}

// send has one conversation with the server, about those recipients that are not
// done yet.
func (n *Notifier) send(ctx context.Context, m *gomail.Msg, done []string) (sent, error) {
	to := slices.DeleteFunc(slices.Clone(n.to), func(a *mail.Address) bool { return slices.Contains(done, a.Address) })
	if len(to) == 0 {
		return sent{said: "all recipients have it"}, nil
	}
	conn, err := n.dial(ctx)
	if err != nil {
		return sent{}, fmt.Errorf("connect to %s: %w", n.config.address(), err)
	}
	defer conn.Close()
	// Whoever ends the context must not wait for a server that has gone silent.
	stop := context.AfterFunc(ctx, func() { _ = conn.SetDeadline(time.Unix(1, 0)) })
	defer stop()

	c, err := smtp.NewClient(conn, n.config.SMTPServer)
	if err != nil {
		return sent{}, fmt.Errorf("greet: %w", err)
	}
	c.SkipSMTPUTF8(true)
	if err := c.Hello(localName()); err != nil {
		return sent{}, fmt.Errorf("EHLO: %w", err)
	}
	if err := n.secure(c); err != nil {
		return sent{}, err
	}
	if err := n.login(c); err != nil {
		return sent{}, &placed{err, atLogin}
	}
	result, err := n.deliver(c, m, to)
	if result.accepted > 0 && stop() {
		// The mail is the server's now: what becomes of QUIT changes nothing.
		_ = conn.SetDeadline(time.Now().Add(quitTimeout))
		_ = c.Quit()
	}

	return result, err
}

func (n *Notifier) dial(ctx context.Context) (net.Conn, error) {
	if n.config.SMTPTLS == Implicit {
		return (&tls.Dialer{Config: n.tls}).DialContext(ctx, "tcp", n.config.address())
	}

	return (&net.Dialer{}).DialContext(ctx, "tcp", n.config.address())
}

// localName is how we introduce ourselves.
func localName() string {
	name, err := os.Hostname()
	if err != nil || strings.ContainsAny(name, " \t\r\n") || name == "" {
		return "localhost"
	}

	return name
}

func (n *Notifier) secure(c *smtp.Client) error {
	if n.config.SMTPTLS != STARTTLS {
		return nil
	}
	if offered, _ := c.Extension("STARTTLS"); !offered {
		return fmt.Errorf("STARTTLS: %w (smtp_tls: tls is for servers that begin with TLS, usually on port 465)", errConfig)
	}
	if err := c.StartTLS(n.tls); err != nil {
		return fmt.Errorf("STARTTLS: %w", err)
	}

	return nil
}

// login picks the best mechanism that the server offers. Those that show the
// password to the server are for protected connections and this machine.
func (n *Notifier) login(c *smtp.Client) error {
	user, password, host := n.config.Username, string(n.config.Password), n.config.SMTPServer
	if user == "" {
		return nil
	}
	_, list := c.Extension("AUTH")
	offered := strings.Fields(strings.ToUpper(list))
	_, protected := c.TLSConnectionState()
	for _, mechanism := range []struct {
		name  string
		plain bool
		start func() smtp.Auth
	}{
		{"SCRAM-SHA-256", false, func() smtp.Auth { return smtp.ScramSHA256Auth(user, password) }},
		{"SCRAM-SHA-1", false, func() smtp.Auth { return smtp.ScramSHA1Auth(user, password) }},
		{"PLAIN", true, func() smtp.Auth { return smtp.PlainAuth("", user, password, host, false) }},
		{"LOGIN", true, func() smtp.Auth { return smtp.LoginAuth(user, password, host, false) }},
		{"CRAM-MD5", false, func() smtp.Auth { return smtp.CRAMMD5Auth(user, password) }},
	} {
		if !slices.Contains(offered, mechanism.name) || (mechanism.plain && !protected && !loopback(host)) {
			continue
		}
		if err := c.Auth(mechanism.start()); err != nil {
			return fmt.Errorf("AUTH %s as %s: %w", mechanism.name, user, err)
		}

		return nil
	}

	return fmt.Errorf("AUTH: %w: it offers %q, and PLAIN and LOGIN need TLS", errConfig, list)
}

// loopback says whether host is this machine, as go-mail's PLAIN and LOGIN see
// it.
func loopback(host string) bool {
	return host == "localhost" || host == "127.0.0.1" || host == "::1"
}

// deliver sends the mail to those recipients that the server accepts. It is an
// error where others may be accepted later.
func (n *Notifier) deliver(c *smtp.Client, m *gomail.Msg, to []*mail.Address) (sent, error) {
	if err := c.Mail("<" + n.from.Address + ">"); err != nil {
		return sent{}, &placed{fmt.Errorf("MAIL FROM %s: %w", n.from.Address, err), atSender}
	}
	var s sent
	var refused []string // For good, or for now.
	var later, never error
	for _, a := range to {
		err := c.Rcpt("<" + a.Address + ">")
		if err == nil {
			s.accepted++
			s.done = append(s.done, a.Address)

			continue
		}
		err = &placed{fmt.Errorf("RCPT TO %s: %w", a.Address, err), atRecipient}
		if _, answered := errors.AsType[*textproto.Error](err); !answered {
			return sent{}, err
		}
		refused = append(refused, err.Error())
		if passes(err) {
			later = err
		} else {
			never = cmp.Or(never, err)
			s.done = append(s.done, a.Address)
		}
	}
	if s.accepted == 0 {
		return sent{}, cmp.Or(later, never)
	}
	said, err := transfer(c, m)
	if err != nil {
		return sent{}, &placed{err, atMessage}
	}
	s.said = strings.Join(append([]string{fmt.Sprintf("accepted for %d of %d recipients%s", s.accepted, len(to), said)}, refused...), "; ")
	if never != nil {
		var r alert.Result
		classify(&r, never)
		s.reason = r.Reason
	}
	if later != nil {
		return s, fmt.Errorf("accepted for %d of %d recipients: %w", s.accepted, len(to), later)
	}

	return s, nil
}

// transfer sends the mail itself, and returns what the server said to it.
func transfer(c *smtp.Client, m *gomail.Msg) (string, error) {
	w, err := c.Data()
	if err != nil {
		return "", fmt.Errorf("DATA: %w", err)
	}
	if _, err := m.WriteTo(w); err != nil {
		return "", fmt.Errorf("write mail: %w", err)
	}
	if err := w.Close(); err != nil {
		return "", fmt.Errorf("end of DATA: %w", err)
	}
	if d, ok := w.(*smtp.DataCloser); ok {
		return ": " + d.ServerResponse(), nil
	}

	return "", nil
}
