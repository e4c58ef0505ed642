package metrics

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"iter"
	"net"
	"net/http"
	"strings"
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/api"
	promv1 "github.com/prometheus/client_golang/api/prometheus/v1"
	"github.com/prometheus/common/model"

	"llmwatch/internal/outgoing"
)

// ErrUnavailable is wrapped by every error that says the metrics server could
// not be reached, did not answer in time, or answered with a failure of its own.
var ErrUnavailable = errors.New("prometheus is unavailable")

// ErrTooMuch is wrapped by the errors of questions that need more samples than
// the metrics server loads for one.
var ErrTooMuch = errors.New("the query needs too many samples")

// tooManySamples is how Prometheus says so.
const tooManySamples = "too many samples"

const (
	dialTimeout = time.Second
	// minTimeout bounds a query over at most a day, so that a server that
	// hangs is reported within two seconds; longer windows get more time.
	minTimeout = 1800 * time.Millisecond
	maxTimeout = 30 * time.Second
)

// Config says which server to ask and how.
type Config struct {
	// URL is the server's base address; /api/v1/... is below it.
	URL string
	// Transport reaches the server; nil for the network.
	Transport http.RoundTripper
	// Interval is the collection interval: the distance of two samples.
	Interval time.Duration
	// Timeout is how long a poll of the alerts waits for an answer; DefaultTimeout
	// where 0.
	Timeout time.Duration
	// Now is the clock, time.Now where nil.
	Now func() time.Time
}

// Client asks one metrics server. Its methods may be called concurrently.
type Client struct {
	api      promv1.API
	interval time.Duration
	timeout  time.Duration
	now      func() time.Time

	// knowsAnchored is whether the server knows `anchored` range selectors,
	// with which increase() neither extrapolates nor misses a series' first
	// value; nil until it has said so. No lock is held while it is asked, so
	// that a server that hangs delays nobody twice.
	knowsAnchored atomic.Pointer[bool]
}

// New returns a client. It does not connect.
func New(cfg Config) (*Client, error) {
	if cfg.Interval < time.Second {
		return nil, fmt.Errorf("metrics: the collection interval must be at least 1s, got %s", cfg.Interval)
	}
	if cfg.Transport == nil {
		cfg.Transport = &http.Transport{
			Proxy:               http.ProxyFromEnvironment,
			DialContext:         (&net.Dialer{Timeout: dialTimeout}).DialContext,
			TLSHandshakeTimeout: dialTimeout,
			MaxIdleConnsPerHost: 8,
			IdleConnTimeout:     time.Minute,
		}
	}
	if cfg.Now == nil {
		cfg.Now = time.Now
	}
	c, err := api.NewClient(api.Config{Address: cfg.URL, Client: &http.Client{Transport: cfg.Transport, CheckRedirect: outgoing.CheckRedirect}})
	if err != nil {
		return nil, fmt.Errorf("metrics: the Prometheus URL %q cannot be used: %w", cfg.URL, err)
	}

	return &Client{api: promv1.NewAPI(keeper{c}), interval: cfg.Interval, timeout: cmp.Or(cfg.Timeout, DefaultTimeout), now: cfg.Now}, nil
}

// timeout grows with the window that a query reads.
func timeout(window time.Duration) time.Duration {
	perDay := float64(minTimeout) * window.Hours() / 24

	return min(max(time.Duration(perDay), minTimeout), maxTimeout)
}

// vector asks for the value of an expression at one moment.
func (c *Client) vector(ctx context.Context, query string, at time.Time, window time.Duration) (model.Vector, error) {
	v, err := c.instant(ctx, query, at, window)
	if err != nil {
		return nil, err
	}
	vector, ok := v.(model.Vector)
	if !ok {
		return nil, unexpected(v, model.ValVector)
	}

	return vector, nil
}

// samples asks for the raw samples of a selector in the window before a moment.
func (c *Client) samples(ctx context.Context, selector string, at time.Time, window time.Duration) (model.Matrix, error) {
	v, err := c.instant(ctx, selector+rangeOf(window), at, window)
	if err != nil {
		return nil, err
	}
	matrix, ok := v.(model.Matrix)
	if !ok {
		return nil, unexpected(v, model.ValMatrix)
	}

	return matrix, nil
}

func (c *Client) instant(ctx context.Context, query string, at time.Time, window time.Duration) (model.Value, error) {
	ctx, cancel := context.WithTimeout(ctx, timeout(window))
	defer cancel()
	v, _, err := c.api.Query(ctx, query, at)
	if err != nil {
		return nil, classify(err)
	}

	return v, nil
}

// matrix asks for the value of an expression at each step of a piece.
func (c *Client) matrix(ctx context.Context, query string, piece promv1.Range) (model.Matrix, error) {
	ctx, cancel := context.WithTimeout(ctx, timeout(piece.End.Sub(piece.Start)))
	defer cancel()
	v, _, err := c.api.QueryRange(ctx, query, piece)
	if err != nil {
		return nil, classify(err)
	}
	matrix, ok := v.(model.Matrix)
	if !ok {
		return nil, unexpected(v, model.ValMatrix)
	}

	return matrix, nil
}

// maxSteps is how many points of a series Prometheus answers at most, less a
// margin.
const maxSteps = 10_000

// pieces cuts the window before a moment into ranges that Prometheus answers at
// once, one step a collection interval, the oldest first. Steps are whole intervals
// since the beginning of time, the first one after the window begins; the last
// that has ended is always there.
func (c *Client) pieces(at time.Time, window time.Duration) iter.Seq[promv1.Range] {
	end := at.Truncate(c.interval)
	begin := at.Add(-max(window, c.interval)).Truncate(c.interval)

	return func(yield func(promv1.Range) bool) {
		for from := begin; from.Before(end); from = from.Add(maxSteps * c.interval) {
			to := from.Add(maxSteps * c.interval)
			if to.After(end) {
				to = end
			}
			if !yield(promv1.Range{Start: from.Add(c.interval), End: to, Step: c.interval}) {
				return
			}
		}
	}
}

// classify tells a server that is away from a question that was wrong and from
// a caller who has gone.
func classify(err error) error {
	asked, ok := errors.AsType[*promv1.Error](err)
	if ok && strings.Contains(asked.Msg+asked.Detail, tooManySamples) {
		return fmt.Errorf("%w: %w", ErrTooMuch, err)
	}
	if errors.Is(err, context.Canceled) || ok && (asked.Type == promv1.ErrBadData || asked.Type == promv1.ErrExec) {
		return fmt.Errorf("asking prometheus: %w", err)
	}

	return fmt.Errorf("%w: %w", ErrUnavailable, err)
}

// unexpected is the error of an answer that does not fit the question.
func unexpected(v model.Value, want model.ValueType) error {
	return fmt.Errorf("%w: it answered a %s where a %s was asked for", ErrUnavailable, v.Type(), want)
}

func rangeOf(window time.Duration) string {
	return "[" + model.Duration(window).String() + "]"
}

// increaseRange is the range selector to use inside increase().
func (c *Client) increaseRange(ctx context.Context, window time.Duration) (string, error) {
	anchored, err := c.anchored(ctx)
	if err != nil {
		return "", err
	}
	if anchored {
		return rangeOf(window) + " anchored", nil
	}

	return rangeOf(window), nil
}

// stepRange is the range selector that tells what happened in one interval, and
// what its increase must be multiplied by. Without `anchored`, one interval
// holds one sample, of which increase() makes nothing: then it is half of two.
func (c *Client) stepRange(ctx context.Context) (selector string, scale float64, err error) {
	anchored, err := c.anchored(ctx)
	switch {
	case err != nil:
		return "", 0, err
	case anchored:
		return rangeOf(c.interval) + " anchored", 1, nil
	default:
		return rangeOf(2 * c.interval), 0.5, nil
	}
}

// anchored asks once; what cannot be answered now is asked again next time.
func (c *Client) anchored(ctx context.Context) (bool, error) {
	if known := c.knowsAnchored.Load(); known != nil {
		return *known, nil
	}
	_, err := c.instant(ctx, "increase(up[1m] anchored)", c.now(), time.Minute)
	if errors.Is(err, ErrUnavailable) || errors.Is(err, context.Canceled) {
		return false, err
	}
	anchored := err == nil
	c.knowsAnchored.Store(&anchored)

	return anchored, nil
}
