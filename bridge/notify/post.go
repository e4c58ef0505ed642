package notify

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"os"
	"strconv"
	"time"

	"llmwatch/bridge/alert"
	"llmwatch/internal/outgoing"
)

// maxRetryAfter bounds how long a receiver can silence a channel.
const maxRetryAfter = 24 * time.Hour

// Post is one delivery over HTTP.
type Post struct {
	URL    Secret
	Header http.Header
	Body   []byte
	// Scrub hides secrets in the answer and in errors.
	Scrub Scrubber
	// Understand, if set, says what the words of an answer with 2xx or 400 mean;
	// others are judged by their status alone.
	Understand func(words string) Verdict
}

// Verdict is what an answer means.
type Verdict int

// The verdicts.
const (
	// ByStatus leaves it to the status.
	ByStatus Verdict = iota
	// Later is a failure that may pass.
	Later
	// Gone is one of the receiver: nothing will be accepted until somebody
	// changes something.
	Gone
	// Unfit is one of the message.
	Unfit
)

// NewClient returns a client for deliveries. It trusts the certificates of the
// file ca beside the system's where ca is set. Notifications are rare: it keeps
// no connection open, and so needs no closing. A redirect that outgoing.CheckRedirect
// refuses is the answer: a body with a signature and credentials goes nowhere else.
func NewClient(ca string, timeout time.Duration) (*http.Client, error) {
	roots, err := Roots(ca)
	if err != nil {
		return nil, err
	}

	return &http.Client{
		Timeout: timeout,
		Transport: &http.Transport{
			Proxy:             http.ProxyFromEnvironment,
			TLSClientConfig:   &tls.Config{RootCAs: roots, MinVersion: tls.VersionTLS12},
			ForceAttemptHTTP2: true,
			DisableKeepAlives: true,
		},
		CheckRedirect: func(next *http.Request, via []*http.Request) error {
			if outgoing.CheckRedirect(next, via) != nil {
				return http.ErrUseLastResponse
			}

			return nil
		},
	}, nil
}

// Roots returns the system's certificate authorities and those of the PEM file
// ca, or nil, which means the system's alone, where ca is empty.
func Roots(ca string) (*x509.CertPool, error) {
	if ca == "" {
		return nil, nil
	}
	pem, err := os.ReadFile(ca)
	if err != nil {
		return nil, fmt.Errorf("read CA file: %w", err)
	}
	roots, err := x509.SystemCertPool()
	if err != nil {
		roots = x509.NewCertPool()
	}
	if !roots.AppendCertsFromPEM(pem) {
		return nil, fmt.Errorf("CA file %s must hold certificates in PEM form, found none", ca)
	}

	return roots, nil
}

// Do delivers. Any 2xx is success. 408, 429, 5xx and failures of the connection
// may pass. An answer that speaks of the message, such as 413, is about that one;
// everything else, such as 404, means that the receiver takes none.
func (p Post) Do(ctx context.Context, client *http.Client) (alert.Result, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, string(p.URL), bytes.NewReader(p.Body))
	if err != nil {
		return alert.Result{Reason: "no valid address", Outage: true}, p.Scrub.Error("make the request", err)
	}
	req.Header = p.Header
	resp, err := client.Do(req)
	if err != nil {
		err = p.Scrub.Error("post the message", err)

		return alert.Result{Text: err.Error(), Retry: true, Reason: "no answer"}, err
	}
	defer resp.Body.Close()

	result := alert.Result{Text: statusText(resp.StatusCode)}
	words := p.Scrub.read(resp.Body)
	if words != "" {
		result.Text += ": " + words
	}
	verdict := p.judge(resp.StatusCode, words)
	if resp.StatusCode/100 == 2 && verdict == ByStatus {
		return result, nil
	}
	if resp.StatusCode/100 == 3 {
		result.Text += " (redirects are followed only on the same host, with 307 and 308)"
	}
	result.Reason = statusText(resp.StatusCode)
	result.Outage = verdict == Gone
	if result.Retry = verdict == Later; result.Retry {
		result.RetryAfter = retryAfter(resp.Header)
	}

	return result, fmt.Errorf("the receiver did not accept the message: %s", result.Text)
}

// judge says what an answer means; ByStatus is success.
func (p Post) judge(code int, words string) Verdict {
	if p.Understand != nil && (code/100 == 2 || code == http.StatusBadRequest) {
		if v := p.Understand(words); v != ByStatus {
			return v
		}
	}
	switch code {
	case http.StatusRequestTimeout, http.StatusTooEarly, http.StatusTooManyRequests:
		return Later
	case http.StatusBadRequest, http.StatusNotAcceptable, http.StatusLengthRequired, http.StatusRequestEntityTooLarge,
		http.StatusRequestURITooLong, http.StatusUnsupportedMediaType, http.StatusUnprocessableEntity, http.StatusRequestHeaderFieldsTooLarge:
		return Unfit
	}
	switch {
	case code/100 == 2:
		return ByStatus
	case code >= 500:
		return Later
	default:
		return Gone
	}
}

func statusText(code int) string {
	if text := http.StatusText(code); text != "" {
		return strconv.Itoa(code) + " " + text
	}

	return strconv.Itoa(code)
}

// retryAfter reads Retry-After (RFC 9110, section 10.2.3): seconds, or a date,
// which counts from the server's own clock.
func retryAfter(h http.Header) time.Duration {
	text := h.Get("Retry-After")
	wait := time.Duration(0)
	if seconds, err := strconv.ParseUint(text, 10, 31); err == nil {
		wait = time.Duration(seconds) * time.Second
	} else if at, err := http.ParseTime(text); err == nil {
		if now, err := http.ParseTime(h.Get("Date")); err == nil {
			wait = at.Sub(now)
		}
	}

	return min(max(wait, 0), maxRetryAfter)
}

// deliveryError is an error of a library in words without secrets. It keeps of
// the chain below it only why the context ended.
type deliveryError struct {
	text  string
	cause error
}

// Error implements error.
func (e *deliveryError) Error() string { return e.text }

// Unwrap returns context.Canceled, context.DeadlineExceeded or nil.
func (e *deliveryError) Unwrap() error { return e.cause }

// Error says without secrets that verb failed because of err. errors.Is finds
// context.Canceled and context.DeadlineExceeded in it.
func (s Scrubber) Error(verb string, err error) error {
	// Its text holds the address.
	if withURL, ok := errors.AsType[*url.Error](err); ok {
		err = withURL.Err
	}
	scrubbed := &deliveryError{text: s.Text(verb + ": " + err.Error())}
	for _, cause := range []error{context.Canceled, context.DeadlineExceeded} {
		if errors.Is(err, cause) {
			scrubbed.cause = cause
		}
	}

	return scrubbed
}
