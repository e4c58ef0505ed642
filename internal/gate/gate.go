package gate

import (
	"fmt"
	"net"
	"net/http"
	"net/netip"
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

// Config bounds what clients can cost.
type Config struct {
	RequestsPerSecond int `yaml:"requests_per_second" min:"0" help:"Requests a second that one client address may make, and twice as many at once; others are answered 429. 0 for no bound."`
	MaxConnections    int `yaml:"max_connections" min:"10" help:"Connections that are open at a time; others are answered 503."`

	MaxConnectionsPerAddress int `yaml:"max_connections_per_address" min:"0" help:"Connections of one client address at a time, and its requests that are worked on; others are answered 503. All clients behind one proxy have its address. 0 for no bound."`

	ConcurrentQueries int           `yaml:"concurrent_queries" min:"1" help:"Queries that are worked on at a time, and as many exports and scrapes; others wait."`
	QueryWait         time.Duration `yaml:"query_wait" min:"0" help:"How long a query waits for that, until it is answered 503."`
	StallTimeout      time.Duration `yaml:"stall_timeout" min:"1s" help:"How long a client may take to send or to read next to nothing, before its connection is cut."`
	IdleTimeout       time.Duration `yaml:"idle_timeout" min:"1s" help:"How long a connection stays open without a request."`
}

// DefaultConfig suits a machine with a few cores that serves people, shippers
// and scrapes.
func DefaultConfig() Config {
	return Config{
		RequestsPerSecond: 5000, MaxConnections: 4096, MaxConnectionsPerAddress: 1024,
		ConcurrentQueries: 8, QueryWait: 10 * time.Second, StallTimeout: 30 * time.Second, IdleTimeout: 2 * time.Minute,
	}
}

// Kind is what a request costs.
type Kind int

// The kinds. Each but the first has turns of its own: a slow reader holds that of
// an export for long, and scrapes must not wait for people.
const (
	Cheap Kind = iota
	Query
	Export
	Scrape
)

// Refusal is why a request was refused.
type Refusal string

// The refusals. The first four pass by themselves.
const (
	TooFast         Refusal = "request_rate"
	TooManyQueries  Refusal = "concurrent_queries"
	TooManyConns    Refusal = "connections"
	TooManyOfOne    Refusal = "connections_of_address"
	TooSlow         Refusal = "stalled"
	HeaderTooLarge  Refusal = "header_size"
	BodyTooLarge    Refusal = "body_size"
	DecodedTooLarge Refusal = "decoded_size"
	TooManySamples  Refusal = "query_samples"
	QueryTooLong    Refusal = "query_time"
	WrongHost       Refusal = "host"
	WrongOrigin     Refusal = "origin"
	BadBody         Refusal = "body" // It is not counted: nobody is protected.
)

// Options says what the gate has to know.
type Options struct {
	Config
	// Hosts are the names that a request may be for, beside this machine's own and
	// addresses; nil are all.
	Hosts []string
	// Origins may call from a browser beside the server's own.
	Origins []string
	// Document tells which requests are for documents that links on pages of others
	// may lead to; nil for none.
	Document func(r *http.Request) bool
	// Kind tells which requests are expensive.
	Kind func(r *http.Request) Kind
	// Refuse answers a request that is refused.
	Refuse func(w http.ResponseWriter, r *http.Request, why Refusal, message string)
	// Stalled is the error that reading the body of a client ends with that
	// takes too long to send it.
	Stalled error
}

// Gate is safe for concurrent use.
type Gate struct {
	Options
	turns   map[Kind]chan struct{}
	holders holders
	clients *clients
	conns   *shares // Of the connections,
	working *shares // and of the requests that are worked on: HTTP/2 has many on one.
	hosts   map[string]bool
	origins map[string]bool
	open    atomic.Int64
	refused *prometheus.CounterVec
}

// New returns a Gate. It is a prometheus.Collector.
func New(o Options) *Gate {
	g := &Gate{
		Options: o,
		turns:   map[Kind]chan struct{}{},
		clients: newClients(o.RequestsPerSecond), origins: setOf(o.Origins),
		conns: newShares(o.MaxConnectionsPerAddress), working: newShares(o.MaxConnectionsPerAddress),
		refused: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "llmwatch_requests_refused_total",
			Help: "Requests that were refused to protect others or the caller, by the reason.",
		}, []string{"reason"}),
	}
	for _, kind := range []Kind{Query, Export, Scrape} {
		g.turns[kind] = make(chan struct{}, o.ConcurrentQueries)
	}
	if o.Hosts != nil {
		g.hosts = setOf(o.Hosts)
	}

	return g
}

func setOf(names []string) map[string]bool {
	set := map[string]bool{}
	for _, name := range names {
		set[name] = true
	}

	return set
}

// Describe implements prometheus.Collector.
func (g *Gate) Describe(descs chan<- *prometheus.Desc) { g.refused.Describe(descs) }

// Collect implements prometheus.Collector.
func (g *Gate) Collect(metrics chan<- prometheus.Metric) { g.refused.Collect(metrics) }

// Count counts a refusal that was answered elsewhere.
func (g *Gate) Count(why Refusal) { g.refused.WithLabelValues(string(why)).Inc() }

// refuse counts and answers.
func (g *Gate) refuse(w http.ResponseWriter, r *http.Request, why Refusal, message string) {
	g.Count(why)
	switch why {
	case TooFast, TooManyQueries, TooManyConns, TooManyOfOne:
		w.Header().Set("Retry-After", "1")
	default:
	}
	g.Refuse(w, r, why, message)
}

// Wrap puts the gate before everything, whoever asks.
func (g *Gate) Wrap(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		protect(w.Header(), r.TLS != nil)
		if !g.hostAllowed(r.Host) {
			g.refuse(w, r, WrongHost, "this is not the host "+quote(r.Host)+"; if it is, name it in server.allowed_hosts or server.external_url")
			return
		}
		if !g.checkOrigin(w, r) {
			return
		}
		address := AddressOf(r)
		if !g.clients.allow(address, time.Now()) {
			g.refuse(w, r, TooFast, "too many requests from this address; slow down")
			return
		}
		if !g.working.take(address) {
			g.refuse(w, r, TooManyOfOne, "too many requests of this address are worked on; wait for their answers")
			return
		}
		defer g.working.giveBack(address)
		paced := g.pace(w, r)
		defer paced.end()
		next.ServeHTTP(paced, r)
	})
}

// Turns has queries, exports and scrapes wait for their turn. It belongs behind
// whatever says who may ask: strangers must neither wait nor have others wait.
func (g *Gate) Turns(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		kind := g.Kind(r)
		turn := g.turns[kind]
		if turn == nil {
			next.ServeHTTP(w, r)
			return
		}
		if !g.enter(kind, r) {
			if r.Context().Err() == nil {
				g.refuse(w, r, TooManyQueries, "too many queries are worked on; try again in a moment")
			}

			return
		}
		defer func() { <-turn }()
		h := g.holders.add(w, kind)
		defer g.holders.remove(h)
		next.ServeHTTP(h, r)
	})
}

// enter waits for its turn.
func (g *Gate) enter(kind Kind, r *http.Request) bool {
	turn := g.turns[kind]
	select {
	case turn <- struct{}{}:
		return true
	default:
	}
	timer := time.NewTimer(g.QueryWait)
	defer timer.Stop()
	look := time.NewTicker(dawdleLook)
	defer look.Stop()
	for {
		select {
		case turn <- struct{}{}:
			return true
		case <-look.C:
			for range g.holders.cutDawdlers(kind, time.Now()) {
				g.Count(TooSlow)
			}
		case <-timer.C:
			return false
		case <-r.Context().Done():
			return false
		}
	}
}

// Listener bounds the connections of a listener.
func (g *Gate) Listener(l net.Listener) net.Listener { return &listener{l, g} }

type listener struct {
	net.Listener
	gate *Gate
}

// refusedConn is all that a connection too many is told.
func refusedConn(why Refusal, message string) []byte {
	body := fmt.Sprintf(`{"success":false,"error":{"code":%q,"message":%q}}`+"\n", why, message)

	return fmt.Appendf(nil, "HTTP/1.1 503 Service Unavailable\r\nRetry-After: 1\r\nContent-Type: application/json; charset=utf-8\r\n"+
		"Content-Length: %d\r\nConnection: close\r\n\r\n%s", len(body), body)
}

// What connections too many are told.
var refusedConns = map[Refusal][]byte{
	TooManyConns: refusedConn(TooManyConns, "too many connections; try again in a moment"),
	TooManyOfOne: refusedConn(TooManyOfOne, "too many connections of this address; close some"),
}

// Accept implements net.Listener.
func (l *listener) Accept() (net.Conn, error) {
	for {
		conn, err := l.Listener.Accept()
		if err != nil {
			return nil, err
		}
		address := addressAt(conn.RemoteAddr().String())
		why := l.gate.admit(address)
		if why == "" {
			return &counted{Conn: conn, gate: l.gate, address: address}, nil
		}
		l.gate.Count(why)
		// The kernel has room for this much: it does not block.
		_ = conn.SetWriteDeadline(time.Now().Add(time.Second))
		_, _ = conn.Write(refusedConns[why]) // Whoever does not take it is cut off all the same.
		conn.Close()
	}
}

// admit counts a connection, or says why there is no room for it.
func (g *Gate) admit(address netip.Addr) Refusal {
	if !g.conns.take(address) {
		return TooManyOfOne
	}
	if g.open.Add(1) > int64(g.MaxConnections) {
		g.open.Add(-1)
		g.conns.giveBack(address)

		return TooManyConns
	}

	return ""
}

// counted is a connection that is counted until it is closed.
type counted struct {
	net.Conn
	gate    *Gate
	address netip.Addr
	closed  atomic.Bool
}

// Close implements net.Conn.
func (c *counted) Close() error {
	if !c.closed.Swap(true) {
		c.gate.open.Add(-1)
		c.gate.conns.giveBack(c.address)
	}

	return c.Conn.Close()
}
