// Package outgoing is the one rule that all HTTP clients of llmwatch keep: a request
// goes where it was told to go. A redirect may lead to another path of the same
// server, and nowhere else. Authorization, tokens in an address, and bodies are for
// the server they were meant for; and who answers must not be able to make llmwatch
// ask its neighbours. The standard library strips less: it takes another port of a
// host, and a subdomain, for the same place, and repeats a body anywhere.
//
// It must not know what is asked, or of whom.
package outgoing

import (
	"fmt"
	"net/http"
)

// maxRedirects is how often one request may be sent on.
const maxRedirects = 3

// CheckRedirect is for http.Client. It refuses redirects to another scheme, host or
// port, and those that would make a GET of another request.
func CheckRedirect(next *http.Request, via []*http.Request) error {
	first := via[0]
	switch {
	case next.URL.Scheme != first.URL.Scheme || next.URL.Host != first.URL.Host:
		return fmt.Errorf("it redirects to %s://%s, where nothing is sent; give that address if it is the right one", next.URL.Scheme, next.URL.Host)
	case next.Method != first.Method:
		return fmt.Errorf("it redirects to %s, which would make a %s of the %s", next.URL.Path, next.Method, first.Method)
	case len(via) > maxRedirects:
		return fmt.Errorf("it redirects more than %d times", maxRedirects)
	}

	return nil
}
