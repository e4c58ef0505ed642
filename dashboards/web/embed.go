// Package web is the page that people look at, built by Vite from src and
// embedded together with its compressed forms.
//
// It serves files and knows which paths are views; it must not know what the
// page shows, nor who may see it.
package web

import (
	"embed"
	"io/fs"
	"net/http"
	"path"
	"strconv"
	"strings"
)

// dist holds the page under app once it is built, and otherwise only the
// placeholder that says how to build it.
//
//go:embed all:dist
var dist embed.FS

// policy permits what the build consists of and nothing else. Styles set
// through the CSSOM are not subject to it.
const policy = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; " +
	"connect-src 'self'; base-uri 'self'; form-action 'self'; frame-ancestors 'none'; require-trusted-types-for 'script'"

// views are the first segments of the paths at which the page has a view;
// src/app.tsx has the same routes.
var views = map[string]bool{
	"": true, "alerts": true, "runbooks": true, "logs": true, "system": true, "requests": true, "application": true, "status": true,
}

// baseTag is what index.html carries and each answer replaces.
const baseTag = `<base href="./">`

// page serves the files of one build.
type page struct {
	files fs.FS
	index string
	other http.Handler
}

// Handler serves the page's views and assets. What it does not know goes on to
// other.
func Handler(other http.Handler) http.Handler {
	files, err := fs.Sub(dist, "dist")
	if err != nil {
		panic(err) // The name is constant and valid.
	}

	return newPage(files, other)
}

func newPage(files fs.FS, other http.Handler) *page {
	p := &page{files: files, other: other}
	index, err := fs.ReadFile(files, "app/index.html")
	if err != nil {
		index, _ = fs.ReadFile(files, "placeholder.html") // It is in the repository.
	}
	p.index = string(index)

	return p
}

// ServeHTTP implements http.Handler.
func (p *page) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	first, _, _ := strings.Cut(strings.TrimPrefix(r.URL.Path, "/"), "/")
	switch {
	case views[first]:
		p.serveIndex(w, r)
	case first != "assets" || !p.serveAsset(w, r):
		p.other.ServeHTTP(w, r)
	}
}

// serveIndex answers every view with the same document. Its base leads from the
// view's path back to the root, so that relative addresses hold on every view
// and under any prefix that a proxy takes off. The path is the one that was
// asked for: a login is shown in place of any other.
func (p *page) serveIndex(w http.ResponseWriter, r *http.Request) {
	asked, _, _ := strings.Cut(r.RequestURI, "?")
	up := "./"
	if depth := strings.Count(asked, "/") - 1; depth > 0 {
		up = strings.Repeat("../", depth)
	}
	body := strings.Replace(p.index, baseTag, `<base href="`+up+`">`, 1)
	header := w.Header()
	harden(header)
	header.Set("Content-Type", "text/html; charset=utf-8")
	header.Set("Cache-Control", "no-store")
	header.Set("Content-Length", strconv.Itoa(len(body)))
	if r.Method != http.MethodHead {
		_, _ = w.Write([]byte(body))
	}
}

// serveAsset answers a file whose name carries a hash of its content, in the
// best encoding that the caller takes. It reports whether there is one.
func (p *page) serveAsset(w http.ResponseWriter, r *http.Request) bool {
	name := "app/assets/" + strings.TrimPrefix(r.URL.Path, "/assets/")
	kind, known := contentTypes[path.Ext(name)]
	if !known || !fs.ValidPath(name) {
		return false
	}
	body, encoding, err := p.best(name, r.Header.Get("Accept-Encoding"))
	if err != nil {
		return false
	}
	header := w.Header()
	harden(header)
	header.Set("Content-Type", kind)
	header.Set("Cache-Control", "public, max-age=31536000, immutable")
	header.Set("Vary", "Accept-Encoding")
	header.Set("Content-Length", strconv.Itoa(len(body)))
	if encoding != "" {
		header.Set("Content-Encoding", encoding)
	}
	if r.Method != http.MethodHead {
		_, _ = w.Write(body)
	}

	return true
}

var contentTypes = map[string]string{
	".js":  "text/javascript; charset=utf-8",
	".css": "text/css; charset=utf-8",
	".svg": "image/svg+xml",
}

// best reads the smallest form of a file that accept permits.
func (p *page) best(name, accept string) (body []byte, encoding string, err error) {
	for _, form := range []struct{ encoding, suffix string }{{"br", ".br"}, {"gzip", ".gz"}} {
		if !accepts(accept, form.encoding) {
			continue
		}
		if body, err := fs.ReadFile(p.files, name+form.suffix); err == nil {
			return body, form.encoding, nil
		}
	}
	body, err = fs.ReadFile(p.files, name)

	return body, "", err
}

// accepts tells whether an Accept-Encoding header names an encoding and does
// not refuse it.
func accepts(header, encoding string) bool {
	for part := range strings.SplitSeq(header, ",") {
		name, params, _ := strings.Cut(part, ";")
		if !strings.EqualFold(strings.TrimSpace(name), encoding) {
			continue
		}
		weight, found := strings.CutPrefix(strings.ReplaceAll(params, " ", ""), "q=")
		q, err := strconv.ParseFloat(weight, 64)

		return !found || err == nil && q > 0
	}

	return false
}

func harden(header http.Header) {
	header.Set("Content-Security-Policy", policy)
	header.Set("X-Content-Type-Options", "nosniff")
	header.Set("Referrer-Policy", "no-referrer")
	header.Set("Cross-Origin-Opener-Policy", "same-origin")
}
