package logintake

import (
	"encoding/json"
	"errors"
	"net/http"
)

// maxErrors is how many errors an answer lists.
const maxErrors = 100

// refusal is why a request failed as a whole, or from some line on.
type refusal struct {
	status        int
	code, message string
}

// Error implements error.
func (r *refusal) Error() string { return r.message }

func badRequest(message string) error {
	return &refusal{http.StatusBadRequest, "bad_request", message}
}

func tooLarge(message string) error {
	return &refusal{http.StatusRequestEntityTooLarge, "body_too_large", message}
}

// asRefusal decides what the client sees of an error. What the store says is for
// the client too: it tells whether sending again helps.
func asRefusal(err error) *refusal {
	if err == nil {
		return nil
	}
	if refused, ok := errors.AsType[*refusal](err); ok {
		return refused
	}

	return &refusal{http.StatusServiceUnavailable, "log_store_unavailable", "log entries cannot be kept now: " + err.Error()}
}

// outcome is what became of the lines of a request, as its answer tells it.
type outcome struct {
	Accepted  int64       `json:"accepted"`
	Rejected  int64       `json:"rejected"`
	Errors    []lineError `json:"errors"`
	Omitted   int64       `json:"errors_omitted,omitempty"`
	Duplicate bool        `json:"duplicate,omitempty"`
}

// lineError is why a line was rejected.
type lineError struct {
	Line  int    `json:"line"`
	Error string `json:"error"`
}

func (o *outcome) reject(line int, why string) {
	o.Rejected++
	if len(o.Errors) < maxErrors {
		o.Errors = append(o.Errors, lineError{line, why})
	} else {
		o.Omitted++
	}
}

// reason returns the text of an error or, without one, of the first line's.
func (o *outcome) reason(err error) string {
	if err != nil {
		return err.Error()
	}

	return o.Errors[0].Error
}

// answer writes what became of a request.
func (o *outcome) answer(w http.ResponseWriter, refused *refusal) {
	type failure struct {
		Code    string `json:"code"`
		Message string `json:"message"`
	}
	body := struct {
		Success bool     `json:"success"`
		Error   *failure `json:"error,omitempty"`
		*outcome
	}{Success: true, outcome: o}
	status := http.StatusOK
	h := w.Header()
	if refused != nil {
		body.Success = false
		body.Error = &failure{refused.code, refused.message}
		status = refused.status
		if o.Accepted+o.Rejected == 0 {
			body.outcome = nil // Nothing to tell of lines.
		}
		if (status == http.StatusServiceUnavailable || status == http.StatusTooManyRequests) && h.Get("Retry-After") == "" {
			h.Set("Retry-After", "1")
		}
	}
	if o.Errors == nil {
		o.Errors = []lineError{}
	}
	h.Set("Content-Type", "application/json; charset=utf-8")
	h.Set("Cache-Control", "no-store")
	w.WriteHeader(status)
	encoder := json.NewEncoder(w)
	encoder.SetEscapeHTML(false)
	_ = encoder.Encode(body) // Fails only if the client has gone.
}

// Shorten keeps an error readable whatever was sent.
func Shorten(text string) string {
	const most = 64
	if len(text) <= most {
		return text
	}

	return text[:most] + "..."
}
