package logintake

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"regexp"
	"strconv"

	"llmwatch/internal/decompress"
)

// The headers of a client that numbers its batches.
const (
	ClientHeader = "Llmwatch-Client"
	BatchHeader  = "Llmwatch-Batch"
)

var clientID = regexp.MustCompile(`^[A-Za-z0-9._-]{1,64}$`)

// ServeHTTP implements http.Handler.
func (in *Intake) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	var o outcome
	err := in.receive(w, r, &o)
	in.accepted.Add(float64(o.Accepted))
	in.rejected.Add(float64(o.Rejected))
	refused := asRefusal(err)
	if refused != nil || o.Rejected > 0 {
		in.options.Logger.DebugContext(r.Context(), "log lines refused",
			slog.String("remote_addr", r.RemoteAddr), slog.Int64("accepted", o.Accepted),
			slog.Int64("rejected", o.Rejected), slog.String("reason", o.reason(err)))
	}
	if refused != nil && refused.status == http.StatusUnsupportedMediaType {
		w.Header().Set("Accept-Encoding", decompress.Accepted)
	}
	o.answer(w, refused)
}

// receive reads a request. Its error is why not all of it could be kept.
func (in *Intake) receive(w http.ResponseWriter, r *http.Request, o *outcome) error {
	client, number, err := numbered(r.Header)
	if err != nil {
		return err
	}
	if err := in.admit(w, r); err != nil {
		return err
	}
	encoding, header, ok := decompress.EncodingOf(r.Header)
	if !ok {
		return &refusal{
			http.StatusUnsupportedMediaType, "unsupported_encoding",
			"Content-Encoding must be gzip, zstd or identity, got " + strconv.Quote(Shorten(header)),
		}
	}
	sent := &sentBody{body: r.Body, control: http.NewResponseController(w), address: addressAt(r.RemoteAddr)}
	ctx := r.Context()
	if client != "" {
		return in.receiveOnce(ctx, client, number, sent, encoding, o)
	}
	if err := in.all.take(ctx, sent, 1); err != nil {
		return err
	}
	defer in.all.free(sent)

	return in.opened(ctx, sent, encoding, func(body io.Reader) error {
		return in.keep(ctx, &boundedRatio{source: body, sent: sent}, encoding, o)
	})
}

// receiveOnce gathers a numbered body, and then waits for room in memory for what it
// holds once it is decompressed. No client is waited for meanwhile.
func (in *Intake) receiveOnce(ctx context.Context, client string, number uint64, sent *sentBody, encoding string, o *outcome) error {
	gathered, giveBack, err := in.gather(ctx, sent)
	defer giveBack()
	if err != nil {
		return bodyError(err, "")
	}
	leave, err := in.enter(ctx)
	if err != nil {
		return err
	}
	defer leave()

	return in.opened(ctx, gathered, encoding, func(body io.Reader) error {
		return in.keepOnce(ctx, client, number, body, encoding, o)
	})
}

// opened decompresses a body for as long as it is worked on.
func (in *Intake) opened(ctx context.Context, sent io.Reader, encoding string, work func(io.Reader) error) error {
	reader := in.readers.Get().(*decompress.Reader)
	defer in.readers.Put(reader)
	defer reader.Reset()
	source, err := reader.Open(sent, encoding)
	if err != nil {
		return bodyError(err, encoding)
	}
	body := &counted{Reader: source}
	if in.options.Quota != nil {
		defer func() { in.options.Quota.Spend(ctx, body.bytes) }()
	}

	return work(body)
}

// admit refuses senders that have used up their quota.
func (in *Intake) admit(w http.ResponseWriter, r *http.Request) error {
	if in.options.Quota == nil {
		return nil
	}
	code, message, retryAfter := in.options.Quota.Check(r.Context())
	if code == "" {
		return nil
	}
	w.Header().Set("Retry-After", strconv.Itoa(int(retryAfter.Seconds())))

	return &refusal{http.StatusTooManyRequests, code, message}
}

// counted counts what is read of a body.
type counted struct {
	io.Reader
	bytes int64
}

// Read implements io.Reader.
func (c *counted) Read(p []byte) (int, error) {
	n, err := c.Reader.Read(p)
	c.bytes += int64(n)

	return n, err
}

// numbered reads the headers that number a batch.
func numbered(h http.Header) (client string, number uint64, err error) {
	client, text := h.Get(ClientHeader), h.Get(BatchHeader)
	if client == "" && text == "" {
		return "", 0, nil
	}
	if !clientID.MatchString(client) {
		return "", 0, badRequest(fmt.Sprintf("%s must be 1 to 64 of A-Z a-z 0-9 . _ -, got %q", ClientHeader, Shorten(client)))
	}
	number, err = strconv.ParseUint(text, 10, 63)
	if err != nil || number == 0 {
		return "", 0, badRequest(fmt.Sprintf("%s must be a whole number from 1, got %q", BatchHeader, Shorten(text)))
	}

	return client, number, nil
}

// enter waits for room for a numbered batch. The caller leaves when it is done.
func (in *Intake) enter(ctx context.Context) (leave func(), err error) {
	ctx, cancel := context.WithTimeout(ctx, maxWait)
	defer cancel()
	select {
	case in.atomics <- struct{}{}:
		return func() { <-in.atomics }, nil
	case <-ctx.Done():
		return nil, errNoRoom
	}
}

// boundedRatio stops what grows too much when it is decompressed.
type boundedRatio struct {
	source io.Reader
	sent   *sentBody
	count  int64
}

// Read implements io.Reader.
func (b *boundedRatio) Read(p []byte) (int, error) {
	n, err := b.source.Read(p)
	b.count += int64(n)
	if b.count > freeBytes+maxRatio*b.sent.count {
		return 0, tooLarge(fmt.Sprintf("the body grows more than %d times when it is decompressed", maxRatio))
	}

	return n, err
}

// bodyError makes a refusal of an error in reading the body.
func bodyError(err error, encoding string) error {
	_, refused := errors.AsType[*refusal](err)
	switch {
	case refused:
		return err
	case decompress.IsWindowError(err):
		return tooLarge(fmt.Sprintf("the window of a zstd body must be at most %d bytes; compress without --ultra or --long", decompress.MaxWindow))
	case encoding != "":
		return badRequest(fmt.Sprintf("the body must be complete %s data, as its Content-Encoding says: %v", encoding, err))
	default:
		return badRequest(fmt.Sprintf("the body could not be read: %v", err))
	}
}
