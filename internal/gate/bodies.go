package gate

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"net/http"

	"llmwatch/internal/decompress"
)

// Bounds of bodies for handlers that read them whole, whatever their size.
const (
	MaxBody    = 16 << 20
	MaxDecoded = 32 << 20
)

// Bodies bounds what such a handler is given. A body in gzip or zstd comes to it
// decompressed.
func (g *Gate) Bodies(next http.Handler) http.Handler {
	return g.BodiesInTurn(next, func(http.ResponseWriter, *http.Request) (func(), bool) { return func() {}, true })
}

// BodiesInTurn does the same for handlers whose requests wait for their turn. It
// waits when the body has arrived, so that a slow client does not hold the turn,
// and before the body is decompressed, so that those who wait need little memory.
// begin answers where it does not let the request go on.
func (g *Gate) BodiesInTurn(next http.Handler, begin func(w http.ResponseWriter, r *http.Request) (end func(), ok bool)) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		encoding, _, known := decompress.EncodingOf(r.Header)
		if r.Body == nil || r.Body == http.NoBody || !known {
			next.ServeHTTP(w, r) // It says itself which encodings it takes.
			return
		}
		sent, err := io.ReadAll(http.MaxBytesReader(w, r.Body, MaxBody))
		var body []byte
		if err == nil {
			end, ok := begin(w, r)
			if !ok {
				return
			}
			defer end()
			body, err = readAll(bytes.NewReader(sent), encoding)
		}
		switch tooLarge := (*http.MaxBytesError)(nil); {
		case errors.As(err, &tooLarge):
			g.refuse(w, r, BodyTooLarge, fmt.Sprintf("the body must be at most %d bytes long as it is sent; send several smaller requests", MaxBody))
			return
		case err != nil:
			g.Refuse(w, r, BadBody, "the body cannot be read: "+err.Error())
			return
		case len(body) > MaxDecoded:
			g.refuse(w, r, DecodedTooLarge, fmt.Sprintf("the body must be at most %d bytes long once it is decompressed; send several smaller requests", MaxDecoded))
			return
		}
		inner := r.Clone(r.Context())
		inner.Header.Del("Content-Encoding")
		inner.Body, inner.ContentLength = io.NopCloser(bytes.NewReader(body)), int64(len(body))
		next.ServeHTTP(w, inner)
	})
}

// readAll reads a body up to one byte more than it may have.
func readAll(body io.Reader, encoding string) ([]byte, error) {
	var d decompress.Reader
	decoded, err := d.Open(body, encoding)
	if err != nil {
		return nil, err
	}

	return io.ReadAll(io.LimitReader(decoded, MaxDecoded+1))
}
