package push

import (
	"errors"
	"fmt"
	"io"
	"mime"
	"net/http"

	"github.com/valyala/fastjson"

	"llmwatch/internal/decompress"
)

// decoder reads one request body at a time and is used again for others.
type decoder struct {
	body   decompress.Reader
	items  splitter
	parser fastjson.Parser
	names  interner
	fields fields // Kept here: what record is handed would be allocated each time.
}

func newDecoder() *decoder {
	return &decoder{items: splitter{window: make([]byte, maxItemBytes)}, names: make(interner)}
}

// open makes d read a body in an encoding that encodingOf returned.
func (d *decoder) open(body io.Reader, encoding string, maxDecoded int64) error {
	source, err := d.body.Open(body, encoding)
	if err != nil {
		return err
	}
	d.items.reset(source, maxDecoded)

	return nil
}

// reset lets go of the body.
func (d *decoder) reset() {
	d.body.Reset()
	d.items.reset(nil, 0)
}

// decode parses an item and records it.
func (d *decoder) decode(item []byte, record func(*fields) error) error {
	// The parser alone would let control characters and numbers like 1-2 pass.
	if err := fastjson.ValidateBytes(item); err != nil {
		return d.items.resync(malformed(item, err))
	}
	v, err := d.parser.ParseBytes(item)
	if err != nil {
		return d.items.resync(malformed(item, err))
	}
	object, err := v.Object()
	if err != nil {
		return rejection("an event must be a JSON object, got " + got(v))
	}
	d.fields = fields{object: object, names: d.names}

	return record(&d.fields)
}

// checkType refuses bodies that do not say they are JSON. None at all is taken
// for JSON.
func checkType(h http.Header) error {
	header := h.Get("Content-Type")
	if header == "" {
		return nil
	}
	mediaType, _, _ := mime.ParseMediaType(header) // Empty if malformed.
	switch mediaType {
	case "application/json", "application/x-ndjson", "application/ndjson", "application/jsonl", "application/x-jsonlines":
		return nil
	}

	return &refusal{
		http.StatusUnsupportedMediaType, "unsupported_media_type",
		"Content-Type must be application/json or application/x-ndjson, got " + shorten(header),
	}
}

// encodingOf returns gzip, zstd or nothing.
func encodingOf(h http.Header) (string, error) {
	encoding, header, ok := decompress.EncodingOf(h)
	if ok {
		return encoding, nil
	}

	return "", &refusal{
		http.StatusUnsupportedMediaType, "unsupported_encoding",
		"Content-Encoding must be gzip, zstd or identity, got " + shorten(header),
	}
}

// refusal is why a request failed as a whole.
type refusal struct {
	status        int
	code, message string
}

// Error implements error.
func (r *refusal) Error() string { return r.message }

func tooLarge(limit int64) error {
	return &refusal{
		http.StatusRequestEntityTooLarge, "body_too_large",
		fmt.Sprintf("the body must be at most %d bytes long as it is sent; send several smaller requests", limit),
	}
}

// errDecodedTooLarge is what a splitter returns at its limit.
type errDecodedTooLarge int64

// Error implements error.
func (limit errDecodedTooLarge) Error() string {
	return fmt.Sprintf("the body must be at most %d bytes long once it is decompressed; send several smaller requests", int64(limit))
}

// bodyError makes a refusal of an error in reading the body, and nothing of its
// end.
func bodyError(err error, encoding string) error {
	var (
		refused *refusal
		sent    *http.MaxBytesError
		decoded errDecodedTooLarge
	)
	switch {
	case errors.As(err, &refused):
		return refused
	case errors.As(err, &sent):
		return tooLarge(sent.Limit)
	case errors.As(err, &decoded):
		return &refusal{http.StatusRequestEntityTooLarge, "body_too_large", decoded.Error()}
	case decompress.IsWindowError(err):
		return &refusal{
			http.StatusRequestEntityTooLarge, "body_too_large",
			fmt.Sprintf("the window of a zstd body must be at most %d bytes; compress without --ultra or --long", decompress.MaxWindow),
		}
	case err == io.EOF: //nolint:errorlint // The end itself; a wrapped one is an error.
		return nil
	case encoding != "":
		return &refusal{
			http.StatusBadRequest, "bad_request",
			fmt.Sprintf("the body must be complete %s data, as its Content-Encoding says: %v", encoding, err),
		}
	default:
		return &refusal{http.StatusBadRequest, "bad_request", fmt.Sprintf("the body could not be read: %v", err)}
	}
}
