package email

import (
	"errors"
	"fmt"
	"net"
	"net/mail"
	"strconv"
	"strings"
	"time"

	"llmwatch/bridge/notify"
)

// TLS says how the connection to the server is protected.
type TLS string

// The ways to protect a connection.
const (
	// STARTTLS begins in plain text and requires the switch to TLS (RFC 3207). A
	// server that does not offer it gets nothing.
	STARTTLS TLS = "starttls"
	// Implicit begins with TLS (RFC 8314).
	Implicit TLS = "tls"
	// None sends in plain text, and passwords only by mechanisms that do not
	// reveal them, unless the server is on this machine.
	None TLS = "none"
)

// Config says where mail goes and how.
type Config struct {
	// SMTPServer is the host name or address of the server, SMTPPort its port,
	// where 0 is the usual one: 587 for starttls, 465 for tls, 25 for none.
	SMTPServer string `yaml:"smtp_server" env:"SMTP_SERVER" flag:"smtp-server" help:"Host name or address of the mail server, without a port."`
	SMTPPort   int    `yaml:"smtp_port" env:"SMTP_PORT" flag:"smtp-port" min:"0" max:"65535" help:"Its port; 0 is the usual one by smtp_tls: 587, 465 or 25."`
	SMTPTLS    TLS    `yaml:"smtp_tls" env:"SMTP_TLS" flag:"smtp-tls" oneof:"starttls tls none" help:"How the connection is protected."`
	// SMTPCAFile holds certificate authorities (PEM) that are trusted beside the
	// system's.
	SMTPCAFile string `yaml:"smtp_ca_file" env:"SMTP_CA_FILE" flag:"smtp-ca-file" help:"Certificate authorities (PEM) to trust beside the system's."`
	// Username and Password log in; without them nobody logs in.
	Username string        `yaml:"smtp_username" alias:"username" env:"SMTP_USERNAME" flag:"smtp-username" help:"Login, if the server wants one."`
	Password notify.Secret `yaml:"smtp_password" alias:"password" env:"SMTP_PASSWORD" flag:"smtp-password" secret:"true" help:"Its password."`
	// FromEmail and ToEmails are addresses, with or without a name:
	// "llmwatch <alerts@example.com>".
	FromEmail string   `yaml:"from_email" env:"ALERT_FROM_EMAIL" flag:"alert-from" help:"Sender of mail."`
	ToEmails  []string `yaml:"to_emails" env:"ALERT_TO_EMAILS" flag:"alert-to" help:"Recipients of mail."`
	// Timeout bounds one attempt as a whole.
	Timeout   time.Duration         `yaml:"timeout" min:"1s" max:"5m" help:"Bounds one attempt to send."`
	Templates notify.TemplateConfig `yaml:"-"` // A broken one is not an error; see notify.NewTemplates.
}

// DefaultConfig is STARTTLS with half a minute for each attempt.
func DefaultConfig() Config {
	return Config{SMTPTLS: STARTTLS, Timeout: 30 * time.Second}
}

// maxRecipients is how many a server must accept for one mail (RFC 5321,
// section 4.5.3.1.8).
const maxRecipients = 100

// Validate names each key that is wrong, and what would be right.
func (c *Config) Validate() error {
	var problems []error
	wrong := func(format string, args ...any) { problems = append(problems, fmt.Errorf(format, args...)) }
	switch c.SMTPTLS {
	case STARTTLS, Implicit, None:
	default:
		wrong("smtp_tls must be starttls, tls or none, got %q", string(c.SMTPTLS))
	}
	if c.SMTPServer == "" || strings.ContainsAny(c.SMTPServer, "/@ \t\r\n") || (strings.Contains(c.SMTPServer, ":") && net.ParseIP(c.SMTPServer) == nil) {
		wrong("smtp_server must be a host name or address without a port, such as smtp.example.com, got %q", c.SMTPServer)
	}
	if c.SMTPPort < 0 || c.SMTPPort > 65535 {
		wrong("smtp_port must be a number from 1 to 65535, got %d", c.SMTPPort)
	}
	if (c.Username == "") != (c.Password == "") {
		wrong("smtp_username and smtp_password must both be set, or neither of them")
	}
	if _, err := mail.ParseAddress(c.FromEmail); err != nil {
		wrong("from_email must be one mail address, such as alerts@example.com, got %q", c.FromEmail)
	}
	if len(c.ToEmails) == 0 || len(c.ToEmails) > maxRecipients {
		wrong("to_emails must hold 1 to %d mail addresses, got %d", maxRecipients, len(c.ToEmails))
	}
	for _, to := range c.ToEmails {
		if _, err := mail.ParseAddress(to); err != nil {
			wrong("to_emails must hold mail addresses such as ops@example.com, got %q", to)
		}
	}
	if c.Timeout <= 0 {
		wrong("timeout must be longer than 0, got %s", c.Timeout)
	}

	return errors.Join(problems...)
}

// address is host and port of the server.
func (c *Config) address() string {
	port := c.SMTPPort
	if port == 0 {
		port = map[TLS]int{STARTTLS: 587, Implicit: 465, None: 25}[c.SMTPTLS]
	}

	return net.JoinHostPort(c.SMTPServer, strconv.Itoa(port))
}
