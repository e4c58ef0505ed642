package app

import (
	"fmt"
	"net"
	"net/http"
	"net/url"
	"os"
	"strings"
	"time"

	"llmwatch/bridge"
	"llmwatch/internal/engine"
	"llmwatch/internal/gate"
	"llmwatch/internal/quota"
)

// Limits bound what clients can cost.
type Limits struct {
	gate.Config
	quota.Limits
	QueryTimeout    time.Duration `yaml:"query_timeout" commands:"serve" min:"1s" help:"How long the embedded engine works on one query, until it is answered 503. One that would take longer by far is answered 413 at once."`
	QueryMaxSamples int           `yaml:"query_max_samples" commands:"serve" min:"1" help:"How many samples one query may hold in memory; more are answered 413."`
	QueryMaxSteps   int           `yaml:"query_max_steps" commands:"serve" min:"1" help:"How many steps a subquery may have; more are answered 413."`
	QueryMemory     int64         `yaml:"query_memory" unit:"bytes" commands:"serve" min:"16MB" help:"About how many bytes all queries may occupy at a time: two fifths those of the engine's HTTP API, two fifths those of the page and the REST API, a fifth those of rules. One that would need more than its share is answered 413 at once."`
}

func defaultLimits() Limits {
	return Limits{
		Config: gate.DefaultConfig(), Limits: quota.DefaultLimits(), QueryTimeout: engine.DefaultQueryTimeout, QueryMaxSamples: engine.DefaultQueryMaxSamples,
		QueryMaxSteps: engine.DefaultQueryMaxSteps, QueryMemory: engine.DefaultQueryMemory,
	}
}

// newGate makes what stands before everything that is served.
func (c *Config) newGate() *gate.Gate {
	origins := c.Server.AllowedOrigins
	if u, err := url.Parse(c.Server.ExternalURL); err == nil && u.Host != "" {
		origins = append([]string{u.Scheme + "://" + u.Host}, origins...)
	}

	return gate.New(gate.Options{
		Config:   c.Limits.Config,
		Hosts:    c.hosts(),
		Origins:  origins,
		Document: document,
		Kind:     kindOf,
		Refuse:   refuse,
		Stalled: fmt.Errorf("%w (%w)", // Some handlers know the one, some the other.
			&bridge.Error{Status: http.StatusRequestTimeout, Code: string(gate.TooSlow), Message: "the body took too long to arrive"}, os.ErrDeadlineExceeded),
	})
}

// hosts are the names that requests may be for; nil are all. A program that asks
// nobody who they are must not be reached by a web page whose name was made to
// point to it, wherever it listens.
func (c *Config) hosts() []string {
	if c.Security.APIAuthentication || c.Security.needsCertificate() {
		return nil
	}
	hosts := []string{}
	for _, name := range c.Server.AllowedHosts {
		hosts = append(hosts, strings.ToLower(name))
	}
	if host, _, err := net.SplitHostPort(c.Server.Listen); err == nil && host != "" {
		hosts = append(hosts, strings.ToLower(host))
	}
	if u, err := url.Parse(c.Server.ExternalURL); err == nil && u.Host != "" {
		hosts = append(hosts, strings.ToLower(u.Hostname()))
	}

	return hosts
}

// document tells the documents that links on other sites' pages may lead to: the
// page's own, among them runbooks, and the exporter's, to which Prometheus links.
// Links to anything else would have a stranger's page start queries and exports.
func document(r *http.Request) bool {
	path := r.URL.Path

	return path == "/metrics" || !strings.HasPrefix(path, "/api/") && !strings.HasPrefix(path, "/-/") &&
		path != engine.Prefix && !strings.HasPrefix(path, engine.Prefix+"/")
}

// refusalStatus is how refusals are answered.
var refusalStatus = map[gate.Refusal]int{
	gate.TooFast:         http.StatusTooManyRequests,
	gate.TooManyQueries:  http.StatusServiceUnavailable,
	gate.TooManyOfOne:    http.StatusServiceUnavailable,
	gate.BodyTooLarge:    http.StatusRequestEntityTooLarge,
	gate.DecodedTooLarge: http.StatusRequestEntityTooLarge,
	gate.BadBody:         http.StatusBadRequest,
	gate.WrongHost:       http.StatusForbidden,
	gate.WrongOrigin:     http.StatusForbidden,
}

func refuse(w http.ResponseWriter, _ *http.Request, why gate.Refusal, message string) {
	bridge.WriteError(w, &bridge.Error{Status: refusalStatus[why], Code: string(why), Message: message})
}

// expensive are the beginnings of the paths of queries.
var expensive = []string{
	bridge.Base + "/metrics/", bridge.Base + "/dashboard/", bridge.Base + "/logs/search", bridge.Base + "/logs/statistics", bridge.Base + "/logs/context",
}

// cheapOfEngine are the paths of the embedded engine's API that cost little, whatever
// there is to tell. All others are queries: what is forgotten here waits for its turn.
var cheapOfEngine = map[string]bool{
	"/write": true, "/otlp/v1/metrics": true, // What programs push has bounds of its own.
	"/features": true, "/openapi.yaml": true, "/alerts": true, "/rules": true, "/notifications": true,
	"/status/buildinfo": true, "/status/runtimeinfo": true, "/status/flags": true, "/status/walreplay": true,
}

// kindOf tells what a request costs. What is pushed below /metrics/ is cheap.
func kindOf(r *http.Request) gate.Kind {
	path := r.URL.Path
	switch {
	case strings.HasPrefix(path, bridge.Base+"/export/"):
		return gate.Export
	case path == "/metrics", path == engine.Prefix+"/metrics":
		return gate.Scrape
	}
	if asked, ok := strings.CutPrefix(path, engine.Prefix+"/api/v1"); ok {
		if cheapOfEngine[asked] {
			return gate.Cheap
		}

		return gate.Query
	}
	for _, begin := range expensive {
		if strings.HasPrefix(path, begin) && r.Method != http.MethodPost {
			return gate.Query
		}
	}

	return gate.Cheap
}

// limited counts which limits of the engine a query ran into.
func limited(g *gate.Gate) func(engine.Limit) {
	return func(limit engine.Limit) {
		switch limit {
		case engine.LimitSamples:
			g.Count(gate.TooManySamples)
		case engine.LimitTime:
			g.Count(gate.QueryTooLong)
		case engine.LimitConcurrency:
			g.Count(gate.TooManyQueries)
		}
	}
}
