package bridge

import (
	"log/slog"
	"maps"
	"net/http"
	"slices"
	"strings"
	"time"
)

// Caller is who sends a request.
type Caller struct {
	Name string
	// User says that the caller is a user, who may have the name of a token.
	User bool
	// Role and Permissions are what the caller is trusted with.
	Role        string
	Permissions []string
	// CSRF is what the changes of a session have to show, Expires when it ends.
	CSRF    string
	Expires time.Time
}

// Principal names the caller so that a user and a token of one name differ.
func (c *Caller) Principal() string {
	if c.User {
		return "user:" + c.Name
	}

	return c.Name
}

// Visit is a request that was let in.
type Visit struct {
	// Request goes on. The context of one for an event stream ends as soon as the
	// caller would not be let in any more.
	Request *http.Request
	// Caller is nil where callers are not authenticated.
	Caller *Caller
	// Done is told once what was answered.
	Done func(status int)
}

// Access decides who is let in. Its errors become answers; it sets the headers
// that belong to them.
type Access interface {
	// Admit lets a request to a route in, or says why not.
	Admit(w http.ResponseWriter, r *http.Request, route string, need Need) (Visit, error)
	// Login begins a session, whose cookie it sets, and Logout ends the caller's.
	Login(w http.ResponseWriter, r *http.Request, username, password string) (*Caller, error)
	Logout(w http.ResponseWriter, r *http.Request) error
}

// endless are the routes of event streams.
var endless = []string{Base + "/events", Base + "/logs/tail"}

// Endless reports whether a route's answer goes on until somebody ends it. Who
// is let in there is looked at again and again.
func Endless(route string) bool { return slices.Contains(endless, route) }

// The codes of refusals.
const (
	CodeUnauthenticated = "unauthenticated"
	CodeForbidden       = "forbidden"
)

// Guard puts the table of routes in front of a handler that is not one of New's.
func Guard(access Access, logger *slog.Logger, path string, next http.Handler) http.Handler {
	s := &server{Options: Options{Access: access, Logger: logger}}

	return s.guard(path, methodsOf(Routes, path), next)
}

// GuardRest answers for paths that do not exist. Strangers do not learn which
// these are.
func GuardRest(access Access, logger *slog.Logger) http.Handler {
	s := &server{Options: Options{Access: access, Logger: logger}}

	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		r, err := s.admit(w, r, unmatched, NeedCaller)
		if err != nil {
			WriteError(w, s.explain(r, err))
			return
		}
		NotFound(w, r)
	})
}

// guard lets those through to a route who have what its method needs, and
// answers other methods.
func (s *server) guard(path string, methods map[string]Need, next http.Handler) http.Handler {
	allowed := strings.Join(slices.Sorted(maps.Keys(methods)), ", ")
	page := next
	if s.Turns != nil {
		next = s.Turns(next)
	}

	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		need, ok := methods[r.Method]
		if !ok {
			need = NeedCaller
		}
		r, err := s.admit(w, r, path, need)
		switch {
		case err != nil && need == NeedPage && navigates(r):
			showLogin(w, r, page)
		case err != nil:
			WriteError(w, s.explain(r, err))
		case !ok:
			w.Header().Set("Allow", allowed)
			WriteError(w, &Error{
				http.StatusMethodNotAllowed, CodeMethodNotAllowed,
				short(r.URL.Path) + " answers " + allowed + ", not " + short(r.Method),
			})
		default:
			next.ServeHTTP(w, r)
		}
	})
}

// routes is the table.
func (s *server) routes() []Route {
	if s.tableOfTest != nil {
		return s.tableOfTest
	}

	return Routes
}

// admit returns the request as it goes on, with its caller.
func (s *server) admit(w http.ResponseWriter, r *http.Request, path string, need Need) (*http.Request, error) {
	if need == NeedPage && r.URL.Path == "/" {
		need = NeedNothing
	}
	if s.Access == nil || need == NeedNothing {
		return r, nil
	}
	if need == NeedPage {
		need = NeedCaller
	}
	visit, err := s.Access.Admit(w, r, path, need)
	if err != nil {
		return r, err
	}
	x := exchangeOf(r.Context())
	x.caller, x.done = visit.Caller, visit.Done

	return visit.Request, nil
}

// navigates reports whether a person's browser asks for a document.
func navigates(r *http.Request) bool {
	return r.Method == http.MethodGet && strings.Contains(r.Header.Get("Accept"), "text/html")
}

// showLogin answers 401 with the page's first document, which asks for the
// login and then shows what was asked for.
func showLogin(w http.ResponseWriter, r *http.Request, page http.Handler) {
	r = r.Clone(r.Context())
	r.URL.Path, r.URL.RawPath = "/", ""
	for _, conditional := range []string{"If-None-Match", "If-Modified-Since", "Range"} {
		r.Header.Del(conditional)
	}
	page.ServeHTTP(&unauthorized{w}, r)
}

// unauthorized turns whatever is answered into a 401.
type unauthorized struct{ http.ResponseWriter }

// WriteHeader implements http.ResponseWriter.
func (w *unauthorized) WriteHeader(int) { w.ResponseWriter.WriteHeader(http.StatusUnauthorized) }

// Write implements http.ResponseWriter.
func (w *unauthorized) Write(p []byte) (int, error) {
	if !begun(w.ResponseWriter) {
		w.WriteHeader(http.StatusUnauthorized)
	}

	return w.ResponseWriter.Write(p)
}
