package gate

import (
	"net"
	"net/http"
	"net/url"
	"strconv"
	"strings"
)

// policy is for everything that is not the page, which brings its own: a
// document of ours that a browser shows can load nothing and call nobody else.
const policy = "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src 'self' data:; " +
	"base-uri 'none'; form-action 'self'; frame-ancestors 'none'"

// ProtectiveHeaders are on every answer, also on those that are not made by a
// handler.
var ProtectiveHeaders = http.Header{
	"X-Content-Type-Options":       {"nosniff"},
	"Content-Security-Policy":      {policy},
	"X-Frame-Options":              {"DENY"},
	"Referrer-Policy":              {"no-referrer"},
	"Cross-Origin-Resource-Policy": {"same-origin"},
}

// remember is how long browsers insist on TLS, in seconds: a year.
const remember = "max-age=31536000"

func protect(h http.Header, encrypted bool) {
	for name, values := range ProtectiveHeaders {
		if _, chosen := h[name]; !chosen { // By whoever configures headers before the gate.
			h[name] = values // Whoever adds to it gets a list of its own.
		}
	}
	if encrypted {
		h.Set("Strict-Transport-Security", remember)
	}
}

// hostAllowed holds the Host header against the names that this server has. A
// page from elsewhere whose name was made to point here (DNS rebinding) names
// its own.
func (g *Gate) hostAllowed(host string) bool {
	if g.hosts == nil {
		return true
	}
	name := nameOf(host)
	if ip := net.ParseIP(name); ip != nil {
		return ip.IsLoopback() || g.hosts[name]
	}

	return name == "localhost" || strings.HasSuffix(name, ".localhost") || g.hosts[name]
}

// nameOf is a host without port and brackets.
func nameOf(host string) string {
	if name, _, err := net.SplitHostPort(host); err == nil {
		host = name
	}

	return strings.ToLower(strings.Trim(host, "[]"))
}

// checkOrigin refuses calls that a page from elsewhere makes, unless it is
// among the origins. It reports whether the request goes on.
func (g *Gate) checkOrigin(w http.ResponseWriter, r *http.Request) bool {
	origin := r.Header.Get("Origin")
	switch {
	case origin == "" && (isSafe(r.Method) || !crossSite(r)):
		return true // Programs, and links from elsewhere that people follow.
	case origin != "" && sameHost(origin, r.Host):
		return true
	case g.origins[origin]:
		w.Header().Add("Vary", "Origin")
		w.Header().Set("Access-Control-Allow-Origin", origin)
		if r.Method == http.MethodOptions && r.Header.Get("Access-Control-Request-Method") != "" {
			w.Header().Set("Access-Control-Allow-Methods", "GET, HEAD, POST, PUT, DELETE")
			w.Header().Set("Access-Control-Allow-Headers", "Authorization, Content-Type, X-Request-ID")
			w.Header().Set("Access-Control-Max-Age", "600")
			w.WriteHeader(http.StatusNoContent)

			return false
		}

		return true
	}
	g.refuse(w, r, WrongOrigin, "calls from pages of "+quote(origin)+" are refused; security.allowed_origins permits them")

	return false
}

func isSafe(method string) bool {
	return method == http.MethodGet || method == http.MethodHead || method == http.MethodOptions
}

// crossSite is what browsers say of a form that another site's page sends.
func crossSite(r *http.Request) bool {
	site := r.Header.Get("Sec-Fetch-Site")

	return site == "cross-site" || site == "same-site"
}

// sameHost reports whether an origin is this server under the name that the
// request was sent to. The scheme is left out: a proxy may have taken off TLS.
func sameHost(origin, host string) bool {
	u, err := url.Parse(origin)

	return err == nil && u.Host != "" && strings.EqualFold(u.Host, host)
}

const maxQuoted = 80

func quote(text string) string { return strconv.QuoteToASCII(text[:min(len(text), maxQuoted)]) }
