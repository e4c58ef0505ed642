package main

import (
	"encoding/pem"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// TestTokensGoToNobodyElse redirects what every command sends with.
func TestTokensGoToNobodyElse(t *testing.T) {
	stolen := http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		t.Errorf("another server got %s %s with %v", r.Method, r.URL, r.Header)
	})
	elsewhere := httptest.NewServer(stolen)
	t.Cleanup(elsewhere.Close)
	redirect := http.RedirectHandler(elsewhere.URL+"/stolen", http.StatusPermanentRedirect)
	plain, encrypted := httptest.NewServer(redirect), httptest.NewTLSServer(redirect)
	t.Cleanup(plain.Close)
	t.Cleanup(encrypted.Close)
	dir := t.TempDir()
	file := func(name, text string) string {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}

		return path
	}
	token := file("token", "lwt_canary")
	authority := file("ca.pem", string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: encrypted.Certificate().Raw})))

	for _, f := range []connectFlags{
		{URL: plain.URL, TokenFile: token},
		{URL: encrypted.URL, TokenFile: token, CAFile: authority},
	} {
		for _, method := range []string{http.MethodGet, http.MethodPost} {
			req, err := http.NewRequestWithContext(t.Context(), method, f.URL, strings.NewReader("body"))
			if err != nil {
				t.Fatal(err)
			}
			resp, err := f.do(req)
			if err == nil {
				resp.Body.Close()
			}
			if err == nil || !strings.Contains(err.Error(), "redirects to "+elsewhere.URL+", where nothing is sent; give that address") {
				t.Errorf("%s %s: %v", method, f.URL, err)
			}
		}
	}
}
