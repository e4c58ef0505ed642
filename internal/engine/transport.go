package engine

import (
	"bytes"
	"io"
	"net/http"
)

// RoundTripper answers requests from Handler in process, so that a client of
// the Prometheus HTTP API needs no network to reach this engine.
func (e *Engine) RoundTripper() http.RoundTripper { return handlerTransport{e.handler} }

type handlerTransport struct{ handler http.Handler }

// RoundTrip implements http.RoundTripper. The handler runs on the caller's
// goroutine and sees the caller's context; its answer is held in memory.
func (t handlerTransport) RoundTrip(req *http.Request) (*http.Response, error) {
	if err := req.Context().Err(); err != nil {
		return nil, err
	}
	// A handler may read the body and expects one; a client may leave it nil.
	inner := req.Clone(withOwnQuery(req.Context()))
	if inner.Body == nil {
		inner.Body = http.NoBody
	}
	defer inner.Body.Close()

	rec := &recorder{header: http.Header{}, code: http.StatusOK}
	t.handler.ServeHTTP(rec, inner)
	if err := req.Context().Err(); err != nil {
		return nil, err
	}

	return &http.Response{
		Status:        http.StatusText(rec.code),
		StatusCode:    rec.code,
		Proto:         "HTTP/1.1",
		ProtoMajor:    1,
		ProtoMinor:    1,
		Header:        rec.header,
		Body:          io.NopCloser(&rec.body),
		ContentLength: int64(rec.body.Len()),
		Request:       req,
	}, nil
}

// recorder keeps what a handler writes.
type recorder struct {
	header http.Header
	body   bytes.Buffer
	code   int
	wrote  bool
}

func (r *recorder) Header() http.Header { return r.header }

func (r *recorder) WriteHeader(code int) {
	if !r.wrote {
		r.code, r.wrote = code, true
	}
}

func (r *recorder) Write(p []byte) (int, error) {
	r.wrote = true
	return r.body.Write(p)
}
