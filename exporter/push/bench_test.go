package push

import (
	"bytes"
	"compress/gzip"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"testing"
)

// benchBatch returns 1000 API events as lines: 8 endpoints, 4 status codes, all
// documented fields.
func benchBatch() []byte {
	var body bytes.Buffer
	for i := range 1000 {
		fmt.Fprintf(&body, `{"timestamp": "2024-01-15T10:29:%02d.123456", "endpoint": "/api/v1/r%d/generate", "method": "POST", `+
			`"status_code": %d, "response_time_ms": %d.%d, "request_size_bytes": %d, "response_size_bytes": %d, "error_count": 0}`+"\n",
			i%60, i%8, []int{200, 201, 404, 500}[i/8%4], i, i%10, 1000+i, 2000+i)
	}

	return body.Bytes()
}

func gzipped(body []byte) []byte {
	var b bytes.Buffer
	w := gzip.NewWriter(&b)
	_, _ = w.Write(body)
	_ = w.Close()

	return b.Bytes()
}

// BenchmarkPushAPI pushes batches of 1000 events from several clients in this
// process to a server on the loopback interface.
func BenchmarkPushAPI(b *testing.B) {
	plain := benchBatch()
	for _, encoding := range []struct {
		name, header string
		body         []byte
	}{{"identity", "", plain}, {"gzip", "gzip", gzipped(plain)}} {
		b.Run(encoding.name, func(b *testing.B) {
			p := newBench(b, nil)
			server := httptest.NewServer(p.receiver.API())
			defer server.Close()
			b.ReportAllocs()
			b.RunParallel(func(pb *testing.PB) {
				for pb.Next() {
					req, err := http.NewRequestWithContext(b.Context(), http.MethodPost, server.URL, bytes.NewReader(encoding.body))
					if err != nil {
						b.Error(err)

						return
					}
					req.Header.Set("Content-Type", "application/x-ndjson")
					if encoding.header != "" {
						req.Header.Set("Content-Encoding", encoding.header)
					}
					resp, err := server.Client().Do(req)
					if err != nil {
						b.Error(err)

						return
					}
					_, _ = io.Copy(io.Discard, resp.Body)
					resp.Body.Close()
					if resp.StatusCode != http.StatusOK {
						b.Error(resp.Status)

						return
					}
				}
			})
			b.ReportMetric(float64(1000*b.N)/b.Elapsed().Seconds(), "events/s")
			if got := p.value("llmwatch_push_events_total", "api", "accepted"); got != float64(1000*b.N) {
				b.Errorf("%v events accepted, want %d", got, 1000*b.N)
			}
		})
	}
}
