package logship

import (
	"bufio"
	"encoding/json"
	"io"
	"mime"
	"net"
	"net/http"
	"strings"
	"sync"
)

const formType = "application/x-www-form-urlencoded"

// recorder notes the status and the size of a response.
type recorder struct {
	http.ResponseWriter
	status   int // 0 until the header is sent.
	size     int64
	hijacked bool
}

// Unwrap is for http.ResponseController.
func (r *recorder) Unwrap() http.ResponseWriter { return r.ResponseWriter }

// WriteHeader implements http.ResponseWriter. Informational answers come before
// the one that counts.
func (r *recorder) WriteHeader(status int) {
	if r.status == 0 && (status >= 200 || status == http.StatusSwitchingProtocols) {
		r.status = status
	}
	r.ResponseWriter.WriteHeader(status)
}

// Write implements http.ResponseWriter.
func (r *recorder) Write(p []byte) (int, error) {
	r.sent()
	n, err := r.ResponseWriter.Write(p)
	r.size += int64(n)

	return n, err
}

// ReadFrom lets the server send files without copying them.
func (r *recorder) ReadFrom(source io.Reader) (int64, error) {
	r.sent()
	n, err := io.Copy(r.ResponseWriter, source)
	r.size += n

	return n, err
}

// sent notes the status that a response has without WriteHeader.
func (r *recorder) sent() {
	if r.status == 0 {
		r.status = http.StatusOK
	}
}

// result returns the status of a request whose handler has returned.
func (r *recorder) result() int {
	switch {
	case r.status != 0:
		return r.status
	case r.hijacked:
		return http.StatusSwitchingProtocols
	default:
		return http.StatusOK
	}
}

// wrapped returns the recorder as a response writer that has the optional methods
// which the server's has. A handler may test for them.
func (r *recorder) wrapped() http.ResponseWriter {
	flusher, canFlush := r.ResponseWriter.(http.Flusher)
	hijacker, canHijack := r.ResponseWriter.(http.Hijacker)
	flush, hijack := flushRecorder{r, flusher}, hijackRecorder{r, hijacker}
	switch {
	case canFlush && canHijack:
		return struct {
			*recorder
			http.Flusher
			http.Hijacker
		}{r, flush, hijack}
	case canFlush:
		return struct {
			*recorder
			http.Flusher
		}{r, flush}
	case canHijack:
		return struct {
			*recorder
			http.Hijacker
		}{r, hijack}
	default:
		return r
	}
}

// flushRecorder notes that flushing sends the header.
type flushRecorder struct {
	*recorder
	flusher http.Flusher
}

// Flush implements http.Flusher.
func (f flushRecorder) Flush() {
	f.sent()
	f.flusher.Flush()
}

// hijackRecorder notes that the connection has left HTTP.
type hijackRecorder struct {
	*recorder
	hijacker http.Hijacker
}

// Hijack implements http.Hijacker.
func (h hijackRecorder) Hijack() (net.Conn, *bufio.ReadWriter, error) {
	conn, buffer, err := h.hijacker.Hijack()
	h.hijacked = err == nil

	return conn, buffer, err
}

// bodyRecorder keeps the beginning of what a handler reads.
type bodyRecorder struct {
	io.ReadCloser
	limit int

	mu   sync.Mutex // A handler may read on a goroutine that outlives it.
	head []byte
	cut  bool
}

// Read implements io.Reader.
func (b *bodyRecorder) Read(p []byte) (int, error) {
	n, err := b.ReadCloser.Read(p)
	b.mu.Lock()
	defer b.mu.Unlock()

	keep := min(n, b.limit-len(b.head))
	b.head = append(b.head, p[:keep]...)
	b.cut = b.cut || keep < n

	return n, err
}

// clean returns what was read, without its secrets.
func (b *bodyRecorder) clean(redactor *Redactor, contentType string) string {
	b.mu.Lock()
	defer b.mu.Unlock()

	text := string(b.head)
	switch {
	case mediaType(contentType) == formType:
		text = redactor.Form(text)
	case json.Valid(b.head):
		text = string(redactor.AppendJSON(nil, b.head))
	case isPlain(contentType):
		text = redactor.String(text)
	default:
		text = redactor.String(string(redactor.AppendJSON(nil, b.head)))
	}
	if b.cut {
		text += cutMark
	}

	return text
}

func mediaType(contentType string) string {
	media, _, err := mime.ParseMediaType(contentType)
	if err != nil {
		return ""
	}

	return media
}

// isText tells the bodies that can be read in a log.
func isText(contentType string) bool {
	media := mediaType(contentType)

	return isPlain(contentType) || media == formType || media == "application/json" ||
		media == "application/x-ndjson" || strings.HasSuffix(media, "+json")
}

func isPlain(contentType string) bool { return strings.HasPrefix(mediaType(contentType), "text/") }
