package bridge

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"

	"llmwatch/bridge/metrics"
)

// Error is a failure as the API shows it. Everything else that a handler
// returns becomes an internal error whose text stays in the log.
type Error struct {
	Status  int    `json:"-"`
	Code    string `json:"code"`
	Message string `json:"message"`
}

// Error implements error.
func (e *Error) Error() string { return e.Code + ": " + e.Message }

// The machine-readable codes of errors.
const (
	CodeInvalidParameter      = "invalid_parameter"
	CodeNotFound              = "not_found"
	CodeMethodNotAllowed      = "method_not_allowed"
	CodePrometheusUnavailable = "prometheus_unavailable"
	CodeInternal              = "internal"
	CodeStarting              = "starting"
	CodeBadRequest            = "bad_request"
	CodeResolved              = "already_resolved"
	CodeStillFiring           = "still_firing"
	CodeTooLarge              = "body_too_large"
	CodeQueryTooLarge         = "query_too_large"
	CodeTooMany               = "too_many_requests"
	CodeUnsupportedMedia      = "unsupported_media_type"
	CodeExists                = "already_exists"
	CodeDefaultRule           = "default_rule"
	CodeReadOnly              = "read_only"
	CodeRulesNotLoaded        = "rules_not_loaded"
)

func invalidParameter(message string) error {
	return &Error{http.StatusBadRequest, CodeInvalidParameter, message}
}

// asError decides what a caller sees of an error.
func asError(err error) *Error {
	var shown *Error
	switch {
	case errors.As(err, &shown):
		return shown
	case errors.Is(err, metrics.ErrTooMuch):
		return &Error{
			http.StatusRequestEntityTooLarge, CodeQueryTooLarge,
			"the answer needs more samples than the metrics server loads for one question; ask for a shorter time",
		}
	case errors.Is(err, metrics.ErrUnavailable):
		return &Error{
			http.StatusServiceUnavailable, CodePrometheusUnavailable,
			"the metrics server does not answer; metrics come back by themselves when it does",
		}
	case errors.Is(err, context.Canceled):
		// Nobody reads the answer any more; the status is for log and metrics.
		return &Error{statusClientClosed, "canceled", "the client closed the connection"}
	default:
		return &Error{http.StatusInternalServerError, CodeInternal, "an internal error occurred; the log tells more under this request's X-Request-ID"}
	}
}

// statusClientClosed is what web servers record for a client that went away.
const statusClientClosed = 499

// WriteError answers in the documented error form. What passes by itself can be
// asked again.
func WriteError(w http.ResponseWriter, e *Error) {
	passes := e.Status == http.StatusTooManyRequests || e.Status == http.StatusServiceUnavailable
	if passes && w.Header().Get("Retry-After") == "" {
		w.Header().Set("Retry-After", "1")
	}
	writeBody(w, e.Status, e.Body())
}

// Body is the documented error form.
func (e *Error) Body() []byte {
	body, err := json.Marshal(map[string]any{"success": false, "error": e})
	if err != nil {
		panic(err) // Two strings and a boolean.
	}

	return append(body, '\n')
}

func writeBody(w http.ResponseWriter, status int, body []byte) {
	announceJSON(w.Header())
	w.WriteHeader(status)
	w.Write(body)
}

func announceJSON(h http.Header) {
	h.Set("Content-Type", "application/json; charset=utf-8")
	h.Set("Cache-Control", "no-store")
}
