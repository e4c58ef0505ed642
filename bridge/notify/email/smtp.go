package email

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"net/textproto"
	"os"
	"slices"
	"strings"
	"time"

	gomail "github.com/wneessen/go-mail"
	"github.com/wneessen/go-mail/smtp"
)

// errConfig marks what the server does not offer although the configuration
// asks for it.
var errConfig = errors.New("the server does not offer what the configuration asks for")

// retry says whether a failure may pass.
func retry(err error) bool {
	if answer, ok := errors.AsType[*textproto.Error](err); ok {
		return answer.Code < 500
	}

	return !errors.Is(err, errConfig)
}

// send has one conversation with the server and returns what it said at the end.
func (n *Notifier) send(ctx context.Context, m *gomail.Msg) (string, error) {
	conn, err := n.dial(ctx)
	if err != nil {
		return "", fmt.Errorf("connect to %s: %w", n.config.address(), err)
	}
	defer conn.Close()
	// Whoever ends the context must not wait for a server that has gone silent.
	stop := context.AfterFunc(ctx, func() { _ = conn.SetDeadline(time.Unix(1, 0)) })
	defer stop()

	c, err := smtp.NewClient(conn, n.config.SMTPServer)
	if err != nil {
		return "", fmt.Errorf("greet: %w", err)
	}
	c.SkipSMTPUTF8(true)
	if err := c.Hello(localName()); err != nil {
		return "", fmt.Errorf("EHLO: %w", err)
	}
	if err := n.secure(c); err != nil {
		return "", err
	}
	if err := n.login(c); err != nil {
		return "", err
	}

	return n.deliver(c, m)
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

// deliver sends the mail to those recipients that the server accepts.
func (n *Notifier) deliver(c *smtp.Client, m *gomail.Msg) (string, error) {
	if err := c.Mail("<" + n.from.Address + ">"); err != nil {
		return "", fmt.Errorf("MAIL FROM %s: %w", n.from.Address, err)
	}
	var refused []string
	var hopeful error
	for _, to := range n.to {
		err := c.Rcpt("<" + to.Address + ">")
		if err == nil {
			continue
		}
		err = fmt.Errorf("RCPT TO %s: %w", to.Address, err)
		if _, answered := errors.AsType[*textproto.Error](err); !answered {
			return "", err
		}
		refused = append(refused, err.Error())
		if hopeful == nil || retry(err) {
			hopeful = err
		}
	}
	if len(refused) == len(n.to) {
		return "", hopeful
	}

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
	said := fmt.Sprintf("accepted for %d of %d recipients", len(n.to)-len(refused), len(n.to))
	if d, ok := w.(*smtp.DataCloser); ok {
		said += ": " + d.ServerResponse()
	}
	// The mail is the server's now: what becomes of QUIT changes nothing.
	_ = c.Quit()

	return strings.Join(append([]string{said}, refused...), "; "), nil
}
