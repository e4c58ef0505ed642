package push

import (
	"encoding/json"
	"errors"
	"net/http"
)

// maxErrors is how many errors an answer lists.
const maxErrors = 100

// rejection is why an item was not recorded.
type rejection string

// Error implements error.
func (r rejection) Error() string { return string(r) }

// syntaxError is a rejection of what is not JSON.
type syntaxError string

// Error implements error.
func (e syntaxError) Error() string { return string(e) }

func isRejection(err error) bool {
	_, rejected := errors.AsType[rejection](err)
	_, syntax := errors.AsType[syntaxError](err)

	return rejected || syntax
}

// malformed tells in what way an item that the parser refused is not JSON.
// encoding/json says it better than the parser, whose own words are for what
// both do not agree on.
func malformed(item []byte, err error) string {
	var raw json.RawMessage
	if better := json.Unmarshal(item, &raw); better != nil {
		err = better
	}

	return err.Error()
}

// batch is what became of the items of a request, as its answer tells it.
type batch struct {
	Accepted int         `json:"accepted"`
	Rejected int         `json:"rejected"`
	Errors   []itemError `json:"errors"`
	Omitted  int         `json:"errors_omitted,omitempty"`

	syntaxErrors int
}

// itemError is why the item at an index, from 0, was rejected.
type itemError struct {
	Index int    `json:"index"`
	Error string `json:"error"`
}

// reject counts the next item as rejected.
func (b *batch) reject(err error) {
	if len(b.Errors) < maxErrors {
		b.Errors = append(b.Errors, itemError{Index: b.Accepted + b.Rejected, Error: err.Error()})
	} else {
		b.Omitted++
	}
	if _, ok := errors.AsType[syntaxError](err); ok {
		b.syntaxErrors++
	}
	b.Rejected++
}

// outcome returns why a request failed: because it could not be read, or
// because none of its items was any good. nil if it did not.
func (b *batch) outcome(err error) *refusal {
	refused, ok := errors.AsType[*refusal](err)
	switch {
	case ok:
		return refused
	case b.Accepted > 0 || b.Rejected == 0:
		return nil
	case b.syntaxErrors == b.Rejected:
		return &refusal{http.StatusBadRequest, "bad_request", b.Errors[0].Error}
	default:
		return &refusal{http.StatusBadRequest, "invalid_event", "no event was accepted; the first one: " + b.Errors[0].Error}
	}
}

// reason returns the text of a refusal or, without one, of the first error.
func (b *batch) reason(refused *refusal) string {
	if refused != nil {
		return refused.message
	}

	return b.Errors[0].Error
}

// answer writes what became of a request. A refused one that had no items does
// not tell of any.
func (b *batch) answer(w http.ResponseWriter, refused *refusal) {
	type failure struct {
		Code    string `json:"code"`
		Message string `json:"message"`
	}
	body := struct {
		Success bool     `json:"success"`
		Error   *failure `json:"error,omitempty"`
		*batch
	}{Success: true, batch: b}
	status := http.StatusOK
	if refused != nil {
		body.Success = false
		body.Error = &failure{refused.code, refused.message}
		status = refused.status
	}
	if b.Errors == nil {
		b.Errors = []itemError{}
	}
	if refused != nil && b.Accepted+b.Rejected == 0 {
		body.batch = nil
	}
	h := w.Header()
	h.Set("Content-Type", "application/json; charset=utf-8")
	h.Set("Cache-Control", "no-store")
	w.WriteHeader(status)
	encoder := json.NewEncoder(w)
	encoder.SetEscapeHTML(false)
	_ = encoder.Encode(body) // Fails only if the client has gone.
}
