package email

import (
	"cmp"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"errors"
	"io"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/emersion/go-sasl"
	"github.com/emersion/go-smtp"

	"llmwatch/bridge/notify/notifytest"
)

const (
	username = "alerts@example.com"
	password = "canaryPassword"
)

func valid() Config {
	c := DefaultConfig()
	c.SMTPServer = "localhost"
	c.Username, c.Password = username, password
	c.FromEmail = "llmwatch <alerts@example.com>"
	c.ToEmails = []string{"admin@example.com", "Ops <ops@example.com>"}

	return c
}

// serverOptions say how a server behaves; the zero value offers STARTTLS and
// then PLAIN, and accepts everything.
type serverOptions struct {
	implicit, plain bool
	// host is where it listens, localhost where it is empty.
	host string
	// auth are the mechanisms, PLAIN where it is nil.
	auth []string
	// loginCode refuses every login.
	loginCode int
	// refuse are the codes for recipients; 0 hangs up.
	refuse map[string]int
	// answer is how each mail is answered.
	answer notifytest.Answer
}

// server is an SMTP server. It implements smtp.Backend.
type server struct {
	t        *testing.T
	options  serverOptions
	port     int
	ca       string
	received chan struct{}
	done     chan struct{}
	mu       sync.Mutex
	got      [][]byte
}

func listen(t *testing.T, o serverOptions) *server {
	t.Helper()
	if o.auth == nil {
		o.auth = []string{sasl.Plain}
	}
	s := &server{t: t, options: o, received: make(chan struct{}, 100), done: make(chan struct{})}
	certificate, ca := authority(t)
	s.ca = ca
	backend := smtp.NewServer(s)
	backend.Domain = "mail.example.com"
	backend.AllowInsecureAuth = o.plain
	backend.ErrorLog = silent{}
	settings := &tls.Config{Certificates: []tls.Certificate{certificate}, MinVersion: tls.VersionTLS12}
	if !o.plain {
		backend.TLSConfig = settings
	}
	listener, err := net.Listen("tcp", net.JoinHostPort(cmp.Or(o.host, "localhost"), "0"))
	if err != nil {
		t.Fatal(err)
	}
	s.port = listener.Addr().(*net.TCPAddr).Port
	if o.implicit {
		listener = tls.NewListener(listener, settings)
	}
	served := make(chan struct{})
	go func() {
		defer close(served)
		_ = backend.Serve(listener)
	}()
	t.Cleanup(func() {
		close(s.done)
		_ = backend.Close()
		<-served
	})

	return s
}

// silent drops what the server logs about connections that we break.
type silent struct{}

func (silent) Printf(string, ...any) {}
func (silent) Println(...any)        {}

// notifier sends to the server.
func (s *server) notifier(t *testing.T, change func(*Config)) *Notifier {
	t.Helper()
	c := valid()
	c.SMTPPort, c.SMTPCAFile = s.port, s.ca
	if change != nil {
		change(&c)
	}
	n, err := New(c)
	if err != nil {
		t.Fatal(err)
	}

	return n
}

func (s *server) mails() [][]byte {
	s.mu.Lock()
	defer s.mu.Unlock()

	return slices.Clone(s.got)
}

// authority makes a CA of its own and a certificate for localhost.
func authority(t *testing.T) (certificate tls.Certificate, caFile string) {
	t.Helper()
	caKey, key := newKey(t), newKey(t)
	ca := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "test authority"}, IsCA: true, BasicConstraintsValid: true,
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour), KeyUsage: x509.KeyUsageCertSign,
	}
	leaf := &x509.Certificate{
		SerialNumber: big.NewInt(2), DNSNames: []string{"localhost"}, NotBefore: ca.NotBefore, NotAfter: ca.NotAfter,
		KeyUsage: x509.KeyUsageDigitalSignature, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth},
	}
	caDER, err := x509.CreateCertificate(rand.Reader, ca, ca, caKey.Public(), caKey)
	if err != nil {
		t.Fatal(err)
	}
	der, err := x509.CreateCertificate(rand.Reader, leaf, ca, key.Public(), caKey)
	if err != nil {
		t.Fatal(err)
	}
	caFile = filepath.Join(t.TempDir(), "ca.pem")
	if err := os.WriteFile(caFile, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: caDER}), 0o600); err != nil {
		t.Fatal(err)
	}

	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}, caFile
}

func newKey(t *testing.T) *ecdsa.PrivateKey {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}

	return key
}

// NewSession implements smtp.Backend.
func (s *server) NewSession(c *smtp.Conn) (smtp.Session, error) {
	return &session{server: s, conn: c}, nil
}

// session implements smtp.AuthSession.
type session struct {
	*server
	conn     *smtp.Conn
	loggedIn bool
}

func (s *session) AuthMechanisms() []string { return s.options.auth }

func (s *session) Auth(mechanism string) (sasl.Server, error) {
	if code := s.options.loginCode; code != 0 {
		return nil, &smtp.SMTPError{Code: code, Message: "later"}
	}
	check := func(user, pass string) error {
		if user != username || pass != password {
			return &smtp.SMTPError{Code: 535, Message: "not with " + pass}
		}
		s.loggedIn = true

		return nil
	}
	switch mechanism {
	case sasl.Login:
		return &loginServer{check: check}, nil
	case "CRAM-MD5":
		return &cramServer{session: s}, nil
	case "SCRAM-SHA-256":
		return &scramServer{session: s}, nil
	default:
		return sasl.NewPlainServer(func(_, user, pass string) error { return check(user, pass) }), nil
	}
}

// loginServer is the server's side of LOGIN, which go-sasl lacks.
type loginServer struct {
	check func(user, pass string) error
	user  []byte
	step  int
}

// Next implements sasl.Server.
func (l *loginServer) Next(response []byte) (challenge []byte, done bool, err error) {
	l.step++
	switch l.step {
	case 1:
		return []byte("Username:"), false, nil
	case 2:
		l.user = slices.Clone(response)
		return []byte("Password:"), false, nil
	default:
		return nil, true, l.check(string(l.user), string(response))
	}
}

func (s *session) Mail(string, *smtp.MailOptions) error {
	if len(s.options.auth) > 0 && !s.loggedIn {
		return smtp.ErrAuthRequired
	}

	return nil
}

func (s *session) Rcpt(to string, _ *smtp.RcptOptions) error {
	code, refused := s.options.refuse[to]
	if refused && code == 0 {
		return errors.Join(s.conn.Conn().Close(), &smtp.SMTPError{Code: 421, Message: "bye"})
	}
	if refused {
		return &smtp.SMTPError{Code: code, EnhancedCode: smtp.EnhancedCodeNotSet, Message: "not here"}
	}

	return nil
}

func (s *session) Data(r io.Reader) error {
	raw, err := io.ReadAll(r)
	if err != nil {
		return err
	}
	s.mu.Lock()
	s.got = append(s.got, raw)
	s.mu.Unlock()
	s.received <- struct{}{}
	if s.options.answer.Silent {
		<-s.done
	}
	if a := s.options.answer; a.Code >= 400 {
		return &smtp.SMTPError{Code: a.Code, EnhancedCode: smtp.EnhancedCodeNotSet, Message: a.Text}
	}

	return nil
}

func (s *session) Reset()        {}
func (s *session) Logout() error { return nil }
