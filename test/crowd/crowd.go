// Package crowd is a thousand clients of one llmwatch: people with open pages,
// shippers, scrapers, scripts, and those whose lines are slow or break, or who
// have no business there. It does what they do, each at its own pace, and notes
// every answer.
//
// It must not judge: what answers are right, and what the server may need for
// them, its caller says.
package crowd

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"strings"
	"sync"
	"time"
)

// apiBase is where the REST API begins.
const apiBase = "/api/v1/monitoring"

// How long clients wait between two requests, about. A thousand of them make some 250
// requests a second, and ship 2,400 lines.
const (
	pageEvery    = 15 * time.Second // Three questions; the page itself asks at each sample.
	shipEvery    = 5 * time.Second  // A hundred lines.
	pushEvery    = 5 * time.Second  // Twenty events, and one more request.
	searchEvery  = 10 * time.Second
	operateEvery = 15 * time.Second // Six requests.
	queryEvery   = 10 * time.Second
	scrapeEvery  = 15 * time.Second
	fetchEvery   = 15 * time.Second
	intrudeEvery = 3 * time.Second
	vanishEvery  = 2 * time.Second
)

// answerTimeout is after how long a client no longer believes in an answer.
const answerTimeout = 30 * time.Second

// Plan is what a crowd does.
type Plan struct {
	// Base is the address of the server.
	Base string
	// Clients is how many there are, For how long they come.
	Clients int
	For     time.Duration
	// Pace is how long they wait between two requests, as a share of what such
	// clients do: less than 1 for a short visit.
	Pace float64
	// Tokens are credentials by role, Cookie is that of a session.
	Tokens map[string]string
	Cookie string
}

// Report is what a crowd met with.
type Report struct {
	// Answers counts outcomes by kind of client: a status with the code of the
	// error, or what became of a request without an answer.
	Answers map[string]map[string]int
	// Examples has one whole answer for each outcome that is not a success.
	Examples map[string]string
	// Lines are log lines that were acknowledged, by batch.
	Lines map[string]int
	// Events are the pushed requests that were acknowledged.
	Events int
	// Acknowledged are the ids of alerts that somebody took care of.
	Acknowledged []string
}

// kind is a kind of client.
type kind struct {
	name string
	// share is how many of a thousand clients are of this kind.
	share int
	act   func(c *client, ctx context.Context)
}

// kinds are all there are. Those who mean harm come last.
func kinds() []kind {
	return []kind{
		{"dashboard", 200, (*client).watch},
		{"tail", 110, (*client).tail},
		{"shipper", 120, (*client).ship},
		{"pusher", 100, (*client).push},
		{"searcher", 100, (*client).search},
		{"operator", 80, (*client).operate},
		{"querier", 80, (*client).query},
		{"scraper", 40, (*client).scrape},
		{"downloader", 40, (*client).download},
		{"stranger", 50, (*client).intrude},
		{"slow", 40, (*client).dawdle},
		{"vanishing", 40, (*client).vanish},
	}
}

// Run is the crowd. It returns when the last client has its last answer.
func Run(p Plan) Report {
	c := &crowd{Plan: p, report: Report{Answers: map[string]map[string]int{}, Examples: map[string]string{}, Lines: map[string]int{}}}
	ctx, cancel := context.WithTimeout(context.Background(), p.For)
	defer cancel()
	var clients sync.WaitGroup
	for _, k := range kinds() {
		for n := range max(p.Clients*k.share/1000, 1) {
			one := &client{
				crowd: c, kind: k.name, n: n, rng: rand.New(rand.NewPCG(uint64(n), uint64(k.share))),
				http: &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: 2}, Timeout: answerTimeout},
			}
			clients.Go(func() {
				defer one.http.CloseIdleConnections()
				k.act(one, ctx)
			})
		}
	}
	clients.Wait()

	return c.report
}

type crowd struct {
	Plan

	mu     sync.Mutex // Guards the report.
	report Report
}

// note counts an outcome.
func (c *crowd) note(kind, outcome, example string) {
	c.mu.Lock()
	defer c.mu.Unlock()

	if c.report.Answers[kind] == nil {
		c.report.Answers[kind] = map[string]int{}
	}
	c.report.Answers[kind][outcome]++
	if example != "" && c.report.Examples[outcome] == "" {
		c.report.Examples[outcome] = example
	}
}

// client is one of the crowd. It is for one goroutine.
type client struct {
	*crowd
	kind string
	n    int // Among those of its kind.
	http *http.Client
	rng  *rand.Rand
}

// pause waits about as long as it is told. It reports whether to go on.
func (c *client) pause(ctx context.Context, about time.Duration) bool {
	about = time.Duration(c.Pace * float64(about))
	timer := time.NewTimer(about/2 + time.Duration(c.rng.Int64N(int64(about)+1)))
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-ctx.Done():
		return false
	}
}

// arrive spreads the first requests of a kind over its pause.
func (c *client) arrive(ctx context.Context, about time.Duration) bool {
	return c.pause(ctx, time.Duration(1+c.rng.Int64N(int64(about))))
}

// request makes one. Headers are names and values by turns.
func (c *client) request(ctx context.Context, method, path string, body []byte, header ...string) *http.Request {
	req, err := http.NewRequestWithContext(ctx, method, c.Base+path, bytes.NewReader(body))
	if err != nil {
		panic(err) // A mistake in this package.
	}
	for i := 0; i < len(header); i += 2 {
		req.Header.Set(header[i], header[i+1])
	}

	return req
}

// as is the header of a caller with a role.
func (c *client) as(role string) []string {
	return []string{"Authorization", "Bearer " + c.Tokens[role]}
}

// ask sends a request and returns the whole answer to it, nil where there is
// none or it is no success.
func (c *client) ask(ctx context.Context, method, path string, body []byte, header ...string) []byte {
	var text bytes.Buffer
	if !c.fetch(ctx, &text, method, path, body, header...) {
		return nil
	}

	return text.Bytes()
}

// fetch is ask for answers that nobody keeps. Who has asked waits for the answer, also
// when the crowd goes.
func (c *client) fetch(ctx context.Context, into io.Writer, method, path string, body []byte, header ...string) bool {
	resp, err := c.http.Do(c.request(context.WithoutCancel(ctx), method, path, body, header...))
	if err != nil {
		c.note(c.kind, "no answer", method+" "+path+": "+err.Error())
		return false
	}
	defer resp.Body.Close()
	if c.refused(resp, method+" "+path) {
		return false
	}
	if _, err := io.Copy(into, resp.Body); err != nil {
		c.note(c.kind, "half an answer", method+" "+path+": "+err.Error())
		return false
	}
	c.note(c.kind, resp.Status[:3], "")

	return true
}

// refused notes an answer that is no success.
func (c *client) refused(resp *http.Response, what string) bool {
	if resp.StatusCode < http.StatusBadRequest {
		return false
	}
	text, _ := io.ReadAll(io.LimitReader(resp.Body, 64<<10)) // Half of it is not in the documented form.
	c.note(c.kind, fmt.Sprintf("%d %s", resp.StatusCode, codeOf(text)), what+": "+string(text))

	return true
}

// codeOf is the code of an error in one of the documented forms: that of this
// API, or Prometheus's.
func codeOf(text []byte) string {
	var form struct {
		Success *bool `json:"success"`
		Error   json.RawMessage
		Status  string
		Type    string `json:"errorType"`
	}
	var own struct{ Code, Message string }
	if json.Unmarshal(text, &form) == nil {
		switch {
		case form.Success != nil && !*form.Success && json.Unmarshal(form.Error, &own) == nil && own.Code != "" && own.Message != "":
			return own.Code
		case form.Status == "error" && form.Type != "" && len(form.Error) > 0:
			return form.Type
		}
	}

	return "in an undocumented form"
}

// pick returns one of several paths.
func (c *client) pick(paths ...string) string { return paths[c.rng.IntN(len(paths))] }

func header(lists ...[]string) []string {
	var all []string
	for _, list := range lists {
		all = append(all, list...)
	}

	return all
}

var (
	plainJSON = []string{"Content-Type", "application/json"}
	gzipped   = []string{"Content-Type", "application/x-ndjson", "Content-Encoding", "gzip"}
)

// stream follows a stream of events until the crowd goes.
func (c *client) stream(ctx context.Context, path string, header ...string) {
	endless := http.Client{Transport: c.http.Transport}
	resp, err := endless.Do(c.request(ctx, http.MethodGet, path, nil, header...))
	if err != nil {
		if ctx.Err() == nil {
			c.note(c.kind, "no stream", err.Error())
		}

		return
	}
	defer resp.Body.Close()
	if c.refused(resp, path) {
		return
	}
	c.note(c.kind, resp.Status[:3], "")
	if _, err := io.Copy(io.Discard, resp.Body); ctx.Err() == nil {
		c.note(c.kind, "a broken stream", fmt.Sprintf("%s: %v", strings.TrimPrefix(path, apiBase), err))
	}
}
