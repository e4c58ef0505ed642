package web

import (
	"maps"
	"net/http"
	"net/http/httptest"
	"os"
	"regexp"
	"strings"
	"testing"
	"testing/fstest"
)

const builtIndex = `<!doctype html><head><base href="./"><script src="./assets/a-1.js"></script>`

func built() fstest.MapFS {
	file := func(text string) *fstest.MapFile { return &fstest.MapFile{Data: []byte(text)} }

	return fstest.MapFS{
		"placeholder.html":         file("how to build it"),
		"app/index.html":           file(builtIndex),
		"app/assets/a-1.js":        file("plain"),
		"app/assets/a-1.js.gz":     file("gzipped"),
		"app/assets/a-1.js.br":     file("brotli"),
		"app/assets/icon-2.svg":    file("<svg/>"),
		"app/assets/secret-3.json": file("{}"),
	}
}

func request(t *testing.T, h http.Handler, method, path, accept string) *httptest.ResponseRecorder {
	t.Helper()

	r := httptest.NewRequestWithContext(t.Context(), method, path, http.NoBody)
	if accept != "" {
		r.Header.Set("Accept-Encoding", accept)
	}
	w := httptest.NewRecorder()
	h.ServeHTTP(w, r)

	return w
}

var other = http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusTeapot) })

func TestEveryViewIsTheSameDocumentWithItsOwnBase(t *testing.T) {
	h := newPage(built(), other)
	for path, base := range map[string]string{
		"/": "./", "/system": "./", "/alerts": "./", "/alerts/": "../", "/alerts/high_cpu_20240115": "../",
	} {
		t.Run(path, func(t *testing.T) {
			w := request(t, h, http.MethodGet, path, "")
			if w.Code != http.StatusOK || !strings.Contains(w.Body.String(), `<base href="`+base+`">`) {
				t.Errorf("answered %d %s, want base %s", w.Code, w.Body, base)
			}
			if got := w.Header().Get("Cache-Control"); got != "no-store" {
				t.Errorf("Cache-Control is %q", got)
			}
			csp := w.Header().Get("Content-Security-Policy")
			if !strings.Contains(csp, "script-src 'self';") || !strings.Contains(csp, "style-src 'self';") || strings.Contains(csp, "unsafe") {
				t.Errorf("Content-Security-Policy is %q", csp)
			}
		})
	}
}

func TestALoginInPlaceOfAViewHasTheBaseOfTheView(t *testing.T) {
	r := httptest.NewRequestWithContext(t.Context(), http.MethodGet, "/alerts/high_cpu_20240115?a=b/c", http.NoBody)
	r.URL.Path = "/"
	w := httptest.NewRecorder()
	newPage(built(), other).ServeHTTP(w, r)
	if !strings.Contains(w.Body.String(), `<base href="../">`) {
		t.Errorf("answered %s", w.Body)
	}
}

func TestWhatIsNotThePagesGoesOn(t *testing.T) {
	h := newPage(built(), other)
	for _, path := range []string{
		"/api/v1/monitoring/nothing", "/api", "/metrics", "/index.html", "/app/index.html", "/placeholder.html", "/systems",
		"/assets/", "/assets/none-1.js", "/assets/../index.html", "/assets/a-1.js.br", "/assets/secret-3.json", "/assets/a-1.js/",
	} {
		if w := request(t, h, http.MethodGet, path, ""); w.Code != http.StatusTeapot {
			t.Errorf("%s answered %d %s", path, w.Code, w.Body)
		}
	}
}

func TestAssetsComeCompressed(t *testing.T) {
	h := newPage(built(), other)
	for accept, want := range map[string]string{
		"gzip, deflate, br": "brotli", "gzip": "gzipped", "": "plain", "identity": "plain",
		"br;q=0, gzip": "gzipped", "br; q=0.5": "brotli", "GZIP": "gzipped", "br;q=x": "plain",
	} {
		w := request(t, h, http.MethodGet, "/assets/a-1.js", accept)
		if w.Body.String() != want {
			t.Errorf("for %q the answer is %q, want %q", accept, w.Body, want)
		}
		for name, value := range map[string]string{
			"Content-Type": "text/javascript; charset=utf-8", "Vary": "Accept-Encoding", "X-Content-Type-Options": "nosniff",
			"Cache-Control": "public, max-age=31536000, immutable",
		} {
			if got := w.Header().Get(name); got != value {
				t.Errorf("for %q %s is %q", accept, name, got)
			}
		}
	}
	if w := request(t, h, http.MethodGet, "/assets/icon-2.svg", "br, gzip"); w.Body.String() != "<svg/>" || w.Header().Get("Content-Encoding") != "" {
		t.Errorf("an asset without compressed forms is answered as %q", w.Body)
	}
	if w := request(t, h, http.MethodHead, "/assets/a-1.js", "br"); w.Body.Len() != 0 || w.Header().Get("Content-Length") != "6" {
		t.Errorf("HEAD answered %d bytes and Content-Length %s", w.Body.Len(), w.Header().Get("Content-Length"))
	}
}

func TestWithoutABuildThePageSaysHowToMakeOne(t *testing.T) {
	files := built()
	delete(files, "app/index.html")
	w := request(t, newPage(files, other), http.MethodGet, "/", "")
	if w.Code != http.StatusOK || w.Body.String() != "how to build it" {
		t.Errorf("answered %d %q", w.Code, w.Body)
	}
	placeholder, err := dist.ReadFile("dist/placeholder.html")
	if err != nil || !strings.Contains(string(placeholder), "make build") {
		t.Errorf("the placeholder does not say how: %v", err)
	}
}

func TestViewsAreThoseOfThePage(t *testing.T) {
	source, err := os.ReadFile("src/app.tsx")
	if err != nil {
		t.Fatal(err)
	}
	found := map[string]bool{}
	for _, m := range regexp.MustCompile(`<Route path="/(\w*)`).FindAllStringSubmatch(string(source), -1) {
		found[m[1]] = true
	}
	if !maps.Equal(found, views) {
		t.Errorf("the page has the views %v, and those that are served are %v", found, views)
	}
}
