package bridge

import (
	"log/slog"
	"net/http"
	"net/http/httptest"
	"testing"
)

// BenchmarkCachedOverview is what an answer from the cache costs, the network
// aside.
func BenchmarkCachedOverview(b *testing.B) {
	br := put(b, &fakeMetrics{}, func(o *Options) { o.Logger = slog.New(slog.DiscardHandler) })
	req := httptest.NewRequestWithContext(b.Context(), http.MethodGet, Base+"/dashboard/overview", http.NoBody)
	b.ReportAllocs()
	for b.Loop() {
		rec := httptest.NewRecorder()
		br.handler.ServeHTTP(rec, req)
		if rec.Code != http.StatusOK {
			b.Fatal(rec.Code)
		}
	}
}
