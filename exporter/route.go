package exporter

import (
	"context"
	"net/http"
	"strings"
)

// RouteFromPattern returns the path of the pattern under which an
// http.ServeMux served r, without its method and host: /users/{id} for
// "GET example.org/users/{id}". It is empty if no pattern matched.
func RouteFromPattern(r *http.Request) string {
	if start := strings.IndexByte(r.Pattern, '/'); start > 0 {
		return r.Pattern[start:]
	}

	return r.Pattern
}

// RouteFromTemplate is for gorilla/mux: RouteFromTemplate(mux.CurrentRoute)
// returns the template of the route that serves a request. As mux keeps the
// route in a copy of the request, NoteRoute has to carry it to a Middleware
// around the router.
func RouteFromTemplate[R interface {
	comparable
	GetPathTemplate() (string, error)
}](current func(*http.Request) R) func(*http.Request) string {
	return func(r *http.Request) string {
		var none R
		route := current(r)
		if route == none {
			return ""
		}
		template, err := route.GetPathTemplate()
		if err != nil {
			return "" // A route that matches by something else than its path.
		}

		return template
	}
}

// RouteFromContext is for chi: RouteFromContext(chi.RouteContext) returns the
// pattern of the route that served a request.
func RouteFromContext[R interface {
	comparable
	RoutePattern() string
}](current func(context.Context) R) func(*http.Request) string {
	return func(r *http.Request) string {
		var none R
		route := current(r.Context())
		if route == none {
			return ""
		}

		return route.RoutePattern()
	}
}

// NoteRoute returns a middleware for use inside a router that tells a
// Middleware around the router which route served the request, unless SetRoute
// did. So requests that match no route are measured too, which gorilla/mux does
// not show to its own middleware:
//
//	router.Use(exporter.NoteRoute(exporter.RouteFromTemplate(mux.CurrentRoute)))
//	http.ListenAndServe(address, api.Middleware(router))
func NoteRoute(route func(*http.Request) string) func(http.Handler) http.Handler {
	return func(next http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			// The route of a subrouter is known only once it has served, and
			// is wanted after a panic too.
			defer func() {
				if rec := recorderOf(w); rec != nil && rec.route == "" {
					rec.route = route(r)
				}
			}()
			next.ServeHTTP(w, r)
		})
	}
}

// SetRoute names the route of the request that w answers, for handlers that
// know it better than the router. It goes before APIOptions.Route, unless it is
// empty. It returns false if no Middleware is around w.
func SetRoute(w http.ResponseWriter, route string) bool {
	rec := recorderOf(w)
	if rec == nil {
		return false
	}
	rec.route = route

	return true
}

// SetFailed records the request that w answers as failed although its status
// is below 500: a stream that broke off after its 200, say. It returns false if
// no Middleware is around w.
func SetFailed(w http.ResponseWriter) bool {
	rec := recorderOf(w)
	if rec == nil {
		return false
	}
	rec.failed = true

	return true
}

// recorderOf finds the recorder in or below w.
func recorderOf(w http.ResponseWriter) *recorder {
	for w != nil {
		switch wrapper := w.(type) {
		case interface{ self() *recorder }:
			return wrapper.self()
		case interface{ Unwrap() http.ResponseWriter }:
			w = wrapper.Unwrap()
		default:
			return nil
		}
	}

	return nil
}
