package gate

import (
	"fmt"
	"net"
	"net/http"
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

// Config bounds what clients can cost.
type Config struct {
	RequestsPerSecond int           `yaml:"requests_per_second" min:"0" help:"Requests a second that one client address may make, and twice as many at once; others are answered 429. 0 for no bound."`
	MaxConnections    int           `yaml:"max_connections" min:"10" help:"Connections that are open at a time; others are answered 503."`
	ConcurrentQueries int           `yaml:"concurrent_queries" min:"1" help:"Queries that are worked on at a time, and as many exports and scrapes; others wait."`
	QueryWait         time.Duration `yaml:"query_wait" min:"0" help:"How long a query waits for that, until it is answered 503."`
	StallTimeout      time.Duration `yaml:"stall_timeout" min:"1s" help:"How long a client may take to send or to read next to nothing, before its connection is cut."`
	IdleTimeout       time.Duration `yaml:"idle_timeout" min:"1s" help:"How long a connection stays open without a request."`
}

// DefaultConfig suits a machine with a few cores that serves people, shippers
// and scrapes.
func DefaultConfig() Config {
	return Config{
		RequestsPerSecond: 5000, MaxConnections: 4096,
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

// The refusals. The first three pass by themselves.
const (
	TooFast         Refusal = "request_rate"
	TooManyQueries  Refusal = "concurrent_queries"
	TooManyConns    Refusal = "connections"
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
	// Hosts are the names that a request may be for; nil are all.
	Hosts []string
	// Origins may call from a browser beside the server's own.
	Origins []string
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
	case TooFast, TooManyQueries, TooManyConns:
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
			g.refuse(w, r, WrongHost, "this is not the host "+quote(r.Host)+"; if it is, name it in server.external_url")
			return
		}
		if !g.checkOrigin(w, r) {
			return
		}
		if !g.clients.allow(addressOf(r), time.Now()) {
			g.refuse(w, r, TooFast, "too many requests from this address; slow down")
			return
		}
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
var refusedConn = func() []byte {
	const body = `{"success":false,"error":{"code":"connections","message":"too many connections; try again in a moment"}}` + "\n"

	return fmt.Appendf(nil, "HTTP/1.1 503 Service Unavailable\r\nRetry-After: 1\r\nContent-Type: application/json; charset=utf-8\r\n"+
		"Content-Length: %d\r\nConnection: close\r\n\r\n%s", len(body), body)
}()

// Accept implements net.Listener.
func (l *listener) Accept() (net.Conn, error) {
	for {
		conn, err := l.Listener.Accept()
		if err != nil {
			return nil, err
		}
		if l.gate.open.Add(1) <= int64(l.gate.MaxConnections) {
			return &counted{Conn: conn, open: &l.gate.open}, nil
		}
		l.gate.open.Add(-1)
		l.gate.Count(TooManyConns)
		// The kernel has room for this much: it does not block.
		_ = conn.SetWriteDeadline(time.Now().Add(time.Second))
		_, _ = conn.Write(refusedConn) // Whoever does not take it is cut off all the same.
		conn.Close()
	}
}

// counted is a connection that is counted until it is closed.
type counted struct {
	net.Conn
	open   *atomic.Int64
	closed atomic.Bool
}

// Close implements net.Conn.
func (c *counted) Close() error {
	if !c.closed.Swap(true) {
		c.open.Add(-1)
	}

	return c.Conn.Close()
}
