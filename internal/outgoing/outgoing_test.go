package outgoing

import (
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync"
	"testing"
)

// server answers with a redirect to where its path says, and counts who comes.
type server struct {
	*httptest.Server
	mu   sync.Mutex
	came []*http.Request // Guarded by mu.
}

func listen(t *testing.T) *server {
	t.Helper()

	s := &server{}
	s.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		s.mu.Lock()
		defer s.mu.Unlock()
		s.came = append(s.came, r)
		if to := r.URL.Query().Get("to"); to != "" {
			w.Header().Set("Location", to)
			w.WriteHeader(http.StatusPermanentRedirect)
		}
	}))
	t.Cleanup(s.Close)

	return s
}

func TestRedirectsLeadNowhereElse(t *testing.T) {
	here, elsewhere := listen(t), listen(t) // Two ports of one host.
	client := &http.Client{CheckRedirect: CheckRedirect}
	for name, tc := range map[string]struct {
		to, says string
	}{
		"another path":     {"/moved", ""},
		"a relative path":  {"moved", ""},
		"another port":     {elsewhere.URL + "/stolen", "where nothing is sent"},
		"without a scheme": {strings.TrimPrefix(elsewhere.URL, "http:") + "/stolen", "where nothing is sent"},
		"another scheme":   {strings.Replace(here.URL, "http:", "https:", 1), "where nothing is sent"},
		"a subdomain":      {strings.Replace(here.URL, "127.0.0.1", "a.127.0.0.1", 1), "where nothing is sent"},
		"itself, for ever": {"?to=" + url.QueryEscape("?to=%3Fto%3D%253Fto%253D%25253Fto%25253D%2525253F"), "more than 3 times"},
	} {
		t.Run(name, func(t *testing.T) {
			for _, method := range []string{http.MethodGet, http.MethodPost} {
				req, err := http.NewRequestWithContext(t.Context(), method, here.URL+"/?to="+url.QueryEscape(tc.to), strings.NewReader("body"))
				if err != nil {
					t.Fatal(err)
				}
				req.SetBasicAuth("ada", "secret")
				resp, err := client.Do(req)
				if err == nil {
					_, _ = io.Copy(io.Discard, resp.Body) // What it says does not matter.
					resp.Body.Close()
				}
				if (err == nil) != (tc.says == "") || err != nil && !strings.Contains(err.Error(), tc.says) {
					t.Errorf("%s: %v, want %q", method, err, tc.says)
				}
			}
		})
	}
	elsewhere.mu.Lock()
	defer elsewhere.mu.Unlock()
	if len(elsewhere.came) > 0 {
		t.Errorf("the other server was sent %d requests", len(elsewhere.came))
	}
}

func TestARedirectedPostStaysOne(t *testing.T) {
	s := httptest.NewServer(http.RedirectHandler("/moved", http.StatusFound))
	t.Cleanup(s.Close)
	resp, err := (&http.Client{CheckRedirect: CheckRedirect}).Post(s.URL, "text/plain", strings.NewReader("body")) //nolint:noctx // The test's own server.
	if err == nil {
		resp.Body.Close()
	}
	if err == nil || !strings.Contains(err.Error(), "would make a GET of the POST") {
		t.Errorf("it is answered with %v", err)
	}
}
