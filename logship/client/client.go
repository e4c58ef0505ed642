package client

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/url"
	"os"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/cenkalti/backoff/v5"

	"llmwatch/logship"
)

// Path is where a server takes logs.
const Path = "/api/v1/monitoring/logs"

// The headers that number batches.
const (
	ClientHeader = "Llmwatch-Client"
	BatchHeader  = "Llmwatch-Batch"
)

// The encodings of [Options.Compression].
const (
	Gzip = "gzip"
	Zstd = "zstd"
	None = "none"
)

const (
	// DefaultTimeout bounds one attempt.
	DefaultTimeout = time.Minute

	// The time between two attempts grows from firstDelay to maxDelay. A server may
	// ask for more, up to maxRetryAfter.
	firstDelay    = 250 * time.Millisecond
	maxDelay      = 30 * time.Second
	maxRetryAfter = 5 * time.Minute

	// repeatAfter is how often an outage that goes on is logged.
	repeatAfter = time.Minute
)

// Options configure a [Client]. Only URL is needed.
type Options struct {
	// URL is the base address of the server.
	URL string

	// Token is sent as a bearer token. TokenFile is read for each attempt, so that
	// it can be changed while the program runs.
	Token, TokenFile string

	// CAFile holds certificates of authorities in PEM to trust besides the system's.
	CAFile string

	// Compression is gzip, zstd or none. Empty is zstd.
	Compression string

	// Timeout bounds one attempt. 0 is DefaultTimeout.
	Timeout time.Duration

	// Logger is told of outages and of entries that the server rejected. Nil is
	// silent.
	Logger *slog.Logger
}

// Client sends batches, one at a time. It holds no more than one of them.
type Client struct {
	url        string
	token      string
	tokenFile  string
	timeout    time.Duration
	http       *http.Client
	compressor *compressor
	log        *slog.Logger

	mu    sync.Mutex // Held while a batch is delivered.
	state sync.Mutex
	stats Stats // Guarded by state.
}

// Stats count what a Client has done.
type Stats struct {
	Requests  uint64
	SentBytes uint64 // As they went over the wire, without headers.
	Retries   uint64
	Accepted  uint64 // Entries that the server has taken.
	Rejected  uint64 // Entries that the server has not taken, in batches that it has.
	Duplicate uint64 // Batches that the server had already.
}

// New returns a Client. It does not connect.
func New(options Options) (*Client, error) {
	u, err := url.Parse(options.URL)
	if err != nil || (u.Scheme != "http" && u.Scheme != "https") || u.Host == "" || u.RawQuery != "" || u.Fragment != "" {
		return nil, fmt.Errorf("the address of the server must be like http://127.0.0.1:5000, got %q", options.URL)
	}
	if options.Token != "" && options.TokenFile != "" {
		return nil, errors.New("a token and a file with one were given, where one is wanted")
	}
	c := &Client{
		url: strings.TrimSuffix(u.String(), "/") + Path, token: options.Token, tokenFile: options.TokenFile,
		timeout: options.Timeout, log: options.Logger,
	}
	if c.timeout <= 0 {
		c.timeout = DefaultTimeout
	}
	if c.log == nil {
		c.log = slog.New(slog.DiscardHandler)
	}
	if c.compressor, err = newCompressor(options.Compression); err != nil {
		return nil, err
	}
	if _, err := c.bearer(); err != nil {
		return nil, err
	}
	transport, err := newTransport(options.CAFile)
	if err != nil {
		return nil, err
	}
	c.http = &http.Client{
		Transport: transport,
		// A redirect would turn the POST into a GET.
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}

	return c, nil
}

func newTransport(caFile string) (*http.Transport, error) {
	transport := &http.Transport{
		Proxy: http.ProxyFromEnvironment, MaxIdleConnsPerHost: 1, IdleConnTimeout: 90 * time.Second,
		TLSHandshakeTimeout: 10 * time.Second, ForceAttemptHTTP2: true,
	}
	if caFile == "" {
		return transport, nil
	}
	text, err := os.ReadFile(caFile)
	if err != nil {
		return nil, fmt.Errorf("read certificates: %w", err)
	}
	roots, err := x509.SystemCertPool()
	if err != nil {
		roots = x509.NewCertPool()
	}
	if !roots.AppendCertsFromPEM(text) {
		return nil, fmt.Errorf("read certificates: %s holds none in PEM", caFile)
	}
	transport.TLSClientConfig = &tls.Config{RootCAs: roots, MinVersion: tls.VersionTLS12}

	return transport, nil
}

// bearer returns the token to send.
func (c *Client) bearer() (string, error) {
	if c.tokenFile == "" {
		return c.token, nil
	}
	text, err := os.ReadFile(c.tokenFile)
	if err != nil {
		return "", fmt.Errorf("read token: %w", err)
	}
	token := strings.TrimSpace(string(text))
	if token == "" {
		return "", fmt.Errorf("read token: %s is empty", c.tokenFile)
	}

	return token, nil
}

// Deliver implements [logship.Sink]. It tries until the server has the batch or
// will never take it, or ctx ends.
func (c *Client) Deliver(ctx context.Context, b logship.Batch) error {
	c.mu.Lock()
	defer c.mu.Unlock()

	body := c.compressor.compress(b.Lines)
	outage := &outage{log: c.log}
	operation := func() (struct{}, error) {
		err := c.attempt(ctx, b, body)
		if errors.Is(err, logship.ErrRefused) || errors.Is(err, logship.ErrTooLarge) || ctx.Err() != nil {
			err = backoff.Permanent(err)
		}

		return struct{}{}, err
	}
	policy := backoff.NewExponentialBackOff()
	policy.InitialInterval, policy.MaxInterval, policy.Multiplier = firstDelay, maxDelay, 2
	_, err := backoff.Retry(ctx, operation, backoff.WithBackOff(policy), backoff.WithMaxElapsedTime(0),
		backoff.WithNotify(func(err error, wait time.Duration) {
			c.count(func(s *Stats) { s.Retries++ })
			outage.goesOn(err, wait)
		}))
	if err != nil {
		return fmt.Errorf("send batch %d to %s: %w", b.Number, c.url, err)
	}
	outage.ends()

	return nil
}

// attempt sends the batch once.
func (c *Client) attempt(ctx context.Context, b logship.Batch, body []byte) error {
	ctx, cancel := context.WithTimeout(ctx, c.timeout)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, c.url, bytes.NewReader(body))
	if err != nil {
		return err
	}
	token, err := c.bearer()
	if err != nil {
		return err // It may be about to be replaced.
	}
	if token != "" {
		req.Header.Set("Authorization", "Bearer "+token)
	}
	req.Header.Set("Content-Type", "application/x-ndjson")
	req.Header.Set("User-Agent", "llmwatch-logship")
	if c.compressor.name != None {
		req.Header.Set("Content-Encoding", c.compressor.name)
	}
	req.Header.Set(ClientHeader, b.Client)
	req.Header.Set(BatchHeader, strconv.FormatUint(b.Number, 10))
	c.count(func(s *Stats) { s.Requests++; s.SentBytes += uint64(len(body)) })
	resp, err := c.http.Do(req)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(io.LimitReader(resp.Body, maxAnswerBytes))
	if err != nil {
		return fmt.Errorf("read the answer: %w", err)
	}

	return c.settle(b, resp, text)
}

// Stats returns the counts so far. It is safe for concurrent use.
func (c *Client) Stats() Stats {
	c.state.Lock()
	defer c.state.Unlock()

	return c.stats
}

func (c *Client) count(change func(*Stats)) {
	c.state.Lock()
	defer c.state.Unlock()

	change(&c.stats)
}

// Close gives up idle connections.
func (c *Client) Close() { c.http.CloseIdleConnections() }

// outage logs that batches cannot be delivered, and that they can again.
type outage struct {
	log    *slog.Logger
	since  time.Time
	logged time.Time
}

func (o *outage) goesOn(err error, wait time.Duration) {
	now := time.Now()
	if o.since.IsZero() {
		o.since = now
	}
	if now.Sub(o.logged) >= repeatAfter {
		o.logged = now
		o.log.Warn("logs cannot be delivered, trying again", "since", o.since, "after", wait, "error", err)
	}
}

func (o *outage) ends() {
	if !o.since.IsZero() {
		o.log.Info("logs are delivered again", "outage", time.Since(o.since))
	}
}
