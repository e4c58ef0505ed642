package engine

import (
	"context"
	"net"
	"net/http"
	"sync"
	"sync/atomic"
	"time"
)

// selfAddress is the target address of this process. The reserved top-level
// domain keeps it apart from every real host.
const selfAddress = "llmwatch.internal:80"

// self serves this process's metrics to the scrape manager through memory.
type self struct {
	server  *http.Server
	conns   chan net.Conn
	closed  chan struct{}
	once    sync.Once
	scrapes atomic.Int64 // Answers given so far.
	dialer  net.Dialer
}

func newSelf(metrics http.Handler) *self {
	s := &self{conns: make(chan net.Conn), closed: make(chan struct{})}
	s.server = &http.Server{
		ReadHeaderTimeout: 5 * time.Second,
		Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			metrics.ServeHTTP(w, r)
			s.scrapes.Add(1)
		}),
	}

	return s
}

// dial connects to this process where the address says so, and to the network
// otherwise.
func (s *self) dial(ctx context.Context, network, address string) (net.Conn, error) {
	if address != selfAddress {
		return s.dialer.DialContext(ctx, network, address)
	}
	client, server := net.Pipe()
	select {
	case s.conns <- server:
		return client, nil
	case <-s.closed:
		return nil, net.ErrClosed
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

// Accept implements net.Listener.
func (s *self) Accept() (net.Conn, error) {
	select {
	case conn := <-s.conns:
		return conn, nil
	case <-s.closed:
		return nil, net.ErrClosed
	}
}

// Close implements net.Listener.
func (s *self) Close() error {
	s.once.Do(func() { close(s.closed) })
	return nil
}

// Addr implements net.Listener.
func (s *self) Addr() net.Addr { return selfAddr{} }

type selfAddr struct{}

func (selfAddr) Network() string { return "memory" }
func (selfAddr) String() string  { return selfAddress }
