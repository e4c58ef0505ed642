// Package decompress reads request bodies in the encodings that llmwatch takes,
// in bounded memory and without allocating for each body anew.
//
// It must not know what the bodies hold, or how a refusal is answered.
package decompress

import (
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"

	"github.com/klauspost/compress/gzip"
	"github.com/klauspost/compress/zstd"
)

// MaxWindow is the memory that a zstd frame may ask for. RFC 8878 wants decoders
// to support no less.
const MaxWindow = 8 << 20

// Accepted is what Accept-Encoding names.
const Accepted = "gzip, zstd"

// EncodingOf returns gzip, zstd or nothing, and false if the header names anything
// else. It returns the header as well.
func EncodingOf(h http.Header) (encoding, header string, ok bool) {
	header = strings.Join(h.Values("Content-Encoding"), ", ")
	switch strings.ToLower(header) {
	case "", "identity":
		return "", header, true
	case "gzip", "x-gzip":
		return "gzip", header, true
	case "zstd":
		return "zstd", header, true
	}

	return "", header, false
}

// Reader reads one body at a time and is used again for others. The zero value is
// ready for use.
type Reader struct {
	body struct{ io.Reader } // The decompressors keep its address, never a body.
	gzip *gzip.Reader        // Made when first needed, as the next.
	zstd *zstd.Decoder       // Without goroutines, so it needs no Close.
}

// Open returns what a body in an encoding that EncodingOf returned decodes to.
func (d *Reader) Open(body io.Reader, encoding string) (io.Reader, error) {
	d.body.Reader = body
	switch encoding {
	case "gzip":
		if d.gzip == nil {
			d.gzip = new(gzip.Reader)
		}
		if err := d.gzip.Reset(&d.body); err == io.EOF { //nolint:errorlint // As readers return it.
			return nil, io.ErrUnexpectedEOF
		} else if err != nil {
			return nil, err
		}

		return d.gzip, nil
	case "zstd":
		if d.zstd == nil {
			var err error
			d.zstd, err = zstd.NewReader(nil, zstd.WithDecoderConcurrency(1),
				zstd.WithDecoderLowmem(true), zstd.WithDecoderMaxWindow(MaxWindow))
			if err != nil {
				return nil, fmt.Errorf("making a zstd decoder: %w", err)
			}
		}
		if err := d.zstd.Reset(&d.body); err != nil {
			return nil, err
		}

		return d.zstd, nil
	}

	return body, nil
}

// Reset lets go of the body.
func (d *Reader) Reset() { d.body.Reader = nil }

// IsWindowError reports whether a body needs a larger window than MaxWindow.
func IsWindowError(err error) bool { return errors.Is(err, zstd.ErrWindowSizeExceeded) }
