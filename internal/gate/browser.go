package gate

import (
	"cmp"
	"net"
	"net/http"
	"net/netip"
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

// Protected puts the protective headers on answers that do not pass the gate, too.
func Protected(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		protect(w.Header(), r.TLS != nil)
		next.ServeHTTP(w, r)
	})
}

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

// anyHost among the hosts permits all.
const anyHost = "*"

// hostAllowed holds the Host header against the names that this server has. A
// page from elsewhere whose name was made to point here (DNS rebinding) names
// its own. An address is nobody's name: a browser that sends one was told to go
// there. Addresses that mean this machine without being one of its own are
// refused, since browsers tell less of who sends them there; so are IPv4 addresses
// in the form of IPv6, which nobody writes. Programs that name no host at all
// (HTTP/1.0) are no browsers.
func (g *Gate) hostAllowed(host string) bool {
	if g.hosts == nil || host == "" || g.hosts[anyHost] {
		return true
	}
	name := nameOf(host)
	if ip, err := netip.ParseAddr(name); err == nil {
		return !ip.IsUnspecified() && !ip.Is4In6()
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

// checkOrigin refuses what a page from elsewhere causes, unless its origin is
// permitted: calls, and also images, scripts, frames and forms, whose answers that
// page could not read but whose work it would have done. A link that somebody
// follows leads where the gate is told that links may lead. It reports whether the
// request goes on.
func (g *Gate) checkOrigin(w http.ResponseWriter, r *http.Request) bool {
	origin := r.Header.Get("Origin")
	from, foreign := origin, false
	switch {
	case origin != "":
		foreign = !sameHost(origin, r.Host) && !g.origins[origin]
	default:
		from, foreign = g.fromElsewhere(r)
		foreign = foreign && !g.followsLink(r)
	}
	if foreign {
		g.refuse(w, r, WrongOrigin, "what pages of "+quote(from)+" cause is refused; server.allowed_origins permits them")

		return false
	}

	return !g.origins[origin] || g.shareWith(w, r, origin)
}

// fromElsewhere tells by what else browsers send whether another site's page causes
// a request, and whose. Other ports and subdomains of this host are other sites: who
// serves there is not known. Programs send none of it.
func (g *Gate) fromElsewhere(r *http.Request) (from string, foreign bool) {
	site := r.Header.Get("Sec-Fetch-Site")
	if site == "same-origin" || site == "none" {
		return "", false
	}
	switch u, err := url.Parse(r.Header.Get("Referer")); {
	case err != nil:
		from = "another site"
	case u.Host != "":
		from = u.Scheme + "://" + u.Host
	}
	if site == "" { // Older browsers, and newer ones without TLS, have the address alone.
		return from, from != "" && !sameHost(from, r.Host) && !g.origins[from]
	}

	return cmp.Or(from, "another site"), true
}

// followsLink reports whether somebody went from another site's page to a document.
// Browsers without Sec-Fetch-Mode tell documents by what they accept.
func (g *Gate) followsLink(r *http.Request) bool {
	if r.Method != http.MethodGet && r.Method != http.MethodHead || g.Document == nil || !g.Document(r) {
		return false
	}
	mode, target := r.Header.Get("Sec-Fetch-Mode"), r.Header.Get("Sec-Fetch-Dest")
	if r.Header.Get("Sec-Fetch-Site") == "" {
		return strings.Contains(r.Header.Get("Accept"), "text/html")
	}

	return mode == "navigate" && target == "document"
}

// shareWith lets the pages of an origin read the answer, and answers their
// preflights. It reports whether the request goes on.
func (g *Gate) shareWith(w http.ResponseWriter, r *http.Request, origin string) bool {
	w.Header().Add("Vary", "Origin")
	w.Header().Set("Access-Control-Allow-Origin", origin)
	if r.Method != http.MethodOptions || r.Header.Get("Access-Control-Request-Method") == "" {
		return true
	}
	w.Header().Set("Access-Control-Allow-Methods", "GET, HEAD, POST, PUT, DELETE")
	w.Header().Set("Access-Control-Allow-Headers", "Authorization, Content-Type, X-Request-ID")
	w.Header().Set("Access-Control-Max-Age", "600")
	w.WriteHeader(http.StatusNoContent)

	return false
}

// sameHost reports whether an origin is this server under the name that the
// request was sent to. The scheme is left out: a proxy may have taken off TLS.
func sameHost(origin, host string) bool {
	u, err := url.Parse(origin)

	return err == nil && u.Host != "" && strings.EqualFold(u.Host, host)
}

const maxQuoted = 80

func quote(text string) string { return strconv.QuoteToASCII(text[:min(len(text), maxQuoted)]) }
