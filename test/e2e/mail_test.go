package e2e

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"math/big"
	"net"
	"net/mail"
	"strings"
	"testing"
	"time"

	"github.com/emersion/go-sasl"
	"github.com/emersion/go-smtp"
)

const (
	mailUser     = "alerts@example.com"
	mailPassword = "canary-password"
)

// received is a mail as the server took it.
type received struct {
	from      string
	to        []string
	encrypted bool
	text      string
	at        time.Time
}

// mailServer takes mail over STARTTLS from whoever has logged in. It implements
// smtp.Backend.
type mailServer struct {
	mails chan received
}

// NewSession implements smtp.Backend.
func (s *mailServer) NewSession(c *smtp.Conn) (smtp.Session, error) {
	return &mailSession{server: s, conn: c}, nil
}

// mailSession implements smtp.AuthSession.
type mailSession struct {
	server   *mailServer
	conn     *smtp.Conn
	loggedIn bool
	mail     received
}

// AuthMechanisms implements smtp.AuthSession.
func (s *mailSession) AuthMechanisms() []string { return []string{sasl.Plain} }

// Auth implements smtp.AuthSession.
func (s *mailSession) Auth(string) (sasl.Server, error) {
	return sasl.NewPlainServer(func(_, user, password string) error {
		if user != mailUser || password != mailPassword {
			return smtp.ErrAuthFailed
		}
		s.loggedIn = true

		return nil
	}), nil
}

// Mail implements smtp.Session.
func (s *mailSession) Mail(from string, _ *smtp.MailOptions) error {
	if !s.loggedIn {
		return smtp.ErrAuthRequired
	}
	_, encrypted := s.conn.TLSConnectionState()
	s.mail = received{from: from, encrypted: encrypted}

	return nil
}

// Rcpt implements smtp.Session.
func (s *mailSession) Rcpt(to string, _ *smtp.RcptOptions) error {
	s.mail.to = append(s.mail.to, to)

	return nil
}

// Data implements smtp.Session.
func (s *mailSession) Data(r io.Reader) error {
	text, err := io.ReadAll(r)
	if err != nil {
		return err
	}
	s.mail.text, s.mail.at = string(text), time.Now()
	s.server.mails <- s.mail

	return nil
}

// Reset implements smtp.Session.
func (s *mailSession) Reset() {}

// Logout implements smtp.Session.
func (s *mailSession) Logout() error { return nil }

// certificate makes a certificate for localhost, of a server and of a client, and
// the file of the authority that has signed it.
func certificate(t *testing.T) (cert tls.Certificate, caFile string) {
	t.Helper()

	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	caKey, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	begin, end := time.Now().Add(-time.Hour), time.Now().Add(time.Hour)
	ca := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "an authority of the test"}, NotBefore: begin, NotAfter: end,
		IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign,
	}
	leaf := &x509.Certificate{
		SerialNumber: big.NewInt(2), DNSNames: []string{"localhost"}, IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)},
		NotBefore: begin, NotAfter: end, KeyUsage: x509.KeyUsageDigitalSignature,
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageClientAuth},
	}
	caDER, err := x509.CreateCertificate(rand.Reader, ca, ca, caKey.Public(), caKey)
	if err != nil {
		t.Fatal(err)
	}
	der, err := x509.CreateCertificate(rand.Reader, leaf, ca, key.Public(), caKey)
	if err != nil {
		t.Fatal(err)
	}
	caFile = write(t, "ca.pem", string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: caDER})))

	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}, caFile
}

// mailing starts a mail server, and returns the variables that have mail sent there.
func mailing(t *testing.T, backend smtp.Backend) (env []string) {
	t.Helper()

	cert, caFile := certificate(t)
	server := smtp.NewServer(backend)
	server.Domain = "localhost"
	server.TLSConfig = &tls.Config{Certificates: []tls.Certificate{cert}, MinVersion: tls.VersionTLS12}
	l, err := net.Listen("tcp", "localhost:0")
	if err != nil {
		t.Fatal(err)
	}
	served := make(chan error)
	go func() { served <- server.Serve(l) }()
	t.Cleanup(func() {
		_ = server.Close() // Serve tells how it ended.
		if err := <-served; err != nil && !errors.Is(err, smtp.ErrServerClosed) && !errors.Is(err, net.ErrClosed) {
			t.Error(err)
		}
	})

	return []string{
		"ENABLE_EMAIL_ALERTS=true", "SMTP_SERVER=localhost", fmt.Sprintf("SMTP_PORT=%d", l.Addr().(*net.TCPAddr).Port),
		"SMTP_CA_FILE=" + caFile, "SMTP_USERNAME=" + mailUser, "SMTP_PASSWORD=" + mailPassword,
		"ALERT_FROM_EMAIL=llmwatch <alerts@example.com>", "ALERT_TO_EMAILS=admin@example.com,ops@example.com",
	}
}

func TestMailOverSTARTTLS(t *testing.T) {
	t.Parallel()
	took := &mailServer{mails: make(chan received, 10)}
	env := mailing(t, took)
	p, r := llmwatchWith(t, env, "serve", "--data-dir", t.TempDir(), "--collection-interval", "1", "--check-interval", "1",
		"--prometheus-config", rulesThatFire(t, "always_on"))
	var got received
	select {
	case got = <-took.mails:
	case <-time.After(20 * time.Second):
		t.Fatal("no mail came within 20s")
	}
	if !got.encrypted || got.from != "alerts@example.com" || strings.Join(got.to, " ") != "admin@example.com ops@example.com" {
		t.Errorf("the mail came encrypted: %t, from %s to %v", got.encrypted, got.from, got.to)
	}
	m, err := mail.ReadMessage(strings.NewReader(got.text))
	if err != nil {
		t.Fatalf("%v in the mail\n%s", err, got.text)
	}
	if subject := m.Header.Get("Subject"); !strings.Contains(subject, "always_on") {
		t.Errorf("the subject is %q", subject)
	}
	var a shownAlert
	r.get("/alerts/"+r.find("always_on", "active"), &a)
	if took := got.at.Sub(a.Data.CreatedAt); took > 3*time.Second {
		t.Errorf("the mail was accepted %s after the condition began to hold, want under 3s", took)
	}
	if strings.Contains(p.log.String(), mailPassword) {
		t.Errorf("the log tells the password:\n%s", p.log)
	}
}
