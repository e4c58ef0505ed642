package app

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"net"
	"net/http"
	"strconv"
	"strings"
	"sync/atomic"
	"time"

	"llmwatch/bridge"
	"llmwatch/internal/gate"
)

const (
	maxHeaderBytes    = 32 << 10
	readHeaderTimeout = 10 * time.Second
	drainTimeout      = 2 * time.Second
)

// port is the one port of the program. It answers from the moment it is
// opened; until the parts behind it are ready it says so.
type port struct {
	listener net.Listener
	server   *http.Server
	handler  atomic.Pointer[http.Handler]
	failed   chan error
	// closing is closed when the port begins to close, for answers without end.
	closing chan struct{}
	probes  *bridge.Probes
	web     *webConfig
}

// listen opens the port.
func listen(address string, web *webConfig, g *gate.Gate, logger *slog.Logger) (*port, error) {
	l, err := net.Listen("tcp", address) //nolint:noctx // Binding a local port does not block.
	if err != nil {
		return nil, configErrorf("server.listen: opening the port: %w", err)
	}
	p := &port{listener: documentedErrors{g.Listener(l), g}, failed: make(chan error, 1), closing: make(chan struct{}), probes: bridge.NewProbes(time.Now), web: web}
	p.handle(http.HandlerFunc(bridge.Starting))
	p.server = &http.Server{
		Handler:           gate.Protected(p.probes.Before(g.Wrap(web.limited(p, g.Count)))),
		ReadHeaderTimeout: readHeaderTimeout,
		IdleTimeout:       g.IdleTimeout,
		MaxHeaderBytes:    maxHeaderBytes,
		// OPTIONS * is answered like anything else, and not to strangers.
		DisableGeneralOptionsHandler: true,
		ErrorLog:                     slog.NewLogLogger(logger.Handler(), slog.LevelDebug),
	}
	web.apply(p.server)
	p.server.RegisterOnShutdown(func() { close(p.closing) })

	return p, nil
}

// open has the bridge answer from now on.
func (p *port) open(o bridge.Options) {
	maps.Copy(o.Mounts, map[string]http.Handler{bridge.HealthyPath: p.probes, bridge.ReadyPath: p.probes})
	p.handle(bridge.New(o))
	p.probes.Started(o.Checks)
}

// handle replaces what answers requests.
func (p *port) handle(h http.Handler) { p.handler.Store(&h) }

// ServeHTTP implements http.Handler.
func (p *port) ServeHTTP(w http.ResponseWriter, r *http.Request) { (*p.handler.Load()).ServeHTTP(w, r) }

func (p *port) serve() {
	serve := p.server.Serve
	if p.web.tls != nil {
		serve = func(l net.Listener) error { return p.server.ServeTLS(l, "", "") }
	}
	if err := serve(p.listener); !errors.Is(err, http.ErrServerClosed) {
		p.failed <- fmt.Errorf("serving on %s: %w", p.listener.Addr(), err)
	}
}

// scheme is how clients reach the port.
func (p *port) scheme() string {
	if p.web.tls != nil {
		return "https"
	}

	return "http"
}

// close lets requests under way finish for a moment, then ends them, which is
// no failure.
func (p *port) close() error {
	ctx, cancel := context.WithTimeout(context.Background(), drainTimeout)
	defer cancel()
	err := p.server.Shutdown(ctx)
	if errors.Is(err, context.DeadlineExceeded) {
		err = p.server.Close()
	}
	_ = p.listener.Close() // Closed already, unless serving had not begun.

	return err
}

// documentedErrors puts the answers that net/http itself gives to malformed
// requests and oversized headers into the documented error form. net/http
// offers no other way to change them, and none with TLS.
type documentedErrors struct {
	net.Listener
	gate *gate.Gate
}

// Accept implements net.Listener.
func (l documentedErrors) Accept() (net.Conn, error) {
	conn, err := l.Listener.Accept()
	if err != nil {
		return nil, err
	}

	return &documentedConn{conn, l.gate}, nil
}

type documentedConn struct {
	net.Conn
	gate *gate.Gate
}

// ownAnswer is how every answer of net/http itself goes on after its status
// line. A handler's answer has other headers between the two.
var ownAnswer = []byte("\r\nContent-Type: text/plain; charset=utf-8\r\nConnection: close\r\n\r\n")

// Write implements net.Conn. net/http writes such an answer in one piece.
func (c *documentedConn) Write(p []byte) (int, error) {
	status, text, found := bytes.Cut(p, ownAnswer)
	if !found || !bytes.HasPrefix(status, []byte("HTTP/1.1 ")) || bytes.ContainsAny(status, "\r\n") {
		return c.Conn.Write(p)
	}
	code, _, _ := strings.Cut(strings.TrimPrefix(string(status), "HTTP/1.1 "), " ")
	_, reason, _ := strings.Cut(string(text), ": ")
	body := malformed(code, reason).Body()
	if code == strconv.Itoa(http.StatusRequestHeaderFieldsTooLarge) {
		c.gate.Count(gate.HeaderTooLarge)
	}
	header := gate.ProtectiveHeaders.Clone()
	header.Set("Content-Type", "application/json; charset=utf-8")
	header.Set("Content-Length", strconv.Itoa(len(body)))
	header.Set("Connection", "close")
	var answer bytes.Buffer
	answer.Write(status)
	answer.WriteString("\r\n")
	if err := header.Write(&answer); err != nil {
		return 0, err
	}
	answer.WriteString("\r\n")
	answer.Write(body)
	if _, err := c.Conn.Write(answer.Bytes()); err != nil {
		return 0, err
	}

	return len(p), nil
}

func malformed(code, reason string) *bridge.Error {
	if code == strconv.Itoa(http.StatusRequestHeaderFieldsTooLarge) {
		return &bridge.Error{Code: "header_too_large", Message: "the request's headers are larger than " + strconv.Itoa(maxHeaderBytes) + " bytes"}
	}
	message := "the request is malformed"
	if reason != "" {
		message += ": " + reason
	}

	return &bridge.Error{Code: bridge.CodeBadRequest, Message: message}
}
