// Package push receives over HTTP what programs in other languages measured:
// API requests and application events, as JSON. It turns each into a call of
// exporter.API or exporter.App, so that what is pushed and what is measured in
// process is one.
//
// It must not know who scrapes the metrics, how a request was routed to it or
// authenticated, or any package of llmwatch but exporter.
package push

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"strconv"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"llmwatch/exporter"
	"llmwatch/internal/decompress"
)

// Defaults of Options.
const (
	DefaultMaxBody    = 8 << 20
	DefaultMaxDecoded = 64 << 20
	DefaultMaxItems   = 100_000
)

// Quota bounds how many events a sender may push. The context is that of the
// request.
type Quota interface {
	// Check tells why the sender may push nothing now, and after how long it may;
	// the code is empty where it may.
	Check(ctx context.Context) (code, message string, retryAfter time.Duration)
	// Spend counts what was pushed.
	Spend(ctx context.Context, events int64)
}

// Options configures a Receiver.
type Options struct {
	// API and App record the events. Both are needed.
	API *exporter.API
	App *exporter.App
	// Registerer receives the counter llmwatch_push_events_total. It is needed.
	Registerer prometheus.Registerer
	// Quota bounds what one sender may push; nil bounds nothing.
	Quota Quota
	// Logger is told about refused requests and events, at debug level: the
	// client is told as well, and the counter shows how many there are. Nothing
	// is logged if it is nil.
	Logger *slog.Logger
	// Now is the clock that timestamps are compared with, time.Now if it is nil.
	Now func() time.Time
	// MaxBody is the size of a request body in bytes as it is sent.
	// DefaultMaxBody if it is not positive.
	MaxBody int64
	// MaxDecoded is its size in bytes once it is decompressed.
	// DefaultMaxDecoded if it is not positive.
	MaxDecoded int64
	// MaxItems is the number of events in a request. DefaultMaxItems if it is
	// not positive.
	MaxItems int
}

func (o *Options) setDefaults() {
	if o.MaxBody <= 0 {
		o.MaxBody = DefaultMaxBody
	}
	if o.MaxDecoded <= 0 {
		o.MaxDecoded = DefaultMaxDecoded
	}
	if o.MaxItems <= 0 {
		o.MaxItems = DefaultMaxItems
	}
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	if o.Now == nil {
		o.Now = time.Now
	}
}

// Receiver takes in pushed events. However large its body is, a request under
// way costs some 100 KiB, with the worst of items 3 MiB, and with zstd the
// window that the sender chose, at most 8 MiB. All methods are safe for
// concurrent use.
type Receiver struct {
	options  Options
	events   *prometheus.CounterVec
	decoders sync.Pool // Of *decoder.
}

// New returns a Receiver. It fails if something it needs is missing or its
// counter is already registered.
func New(options Options) (*Receiver, error) {
	if options.API == nil || options.App == nil || options.Registerer == nil {
		return nil, errors.New("making a push receiver: API, App and Registerer are needed")
	}
	options.setDefaults()
	r := &Receiver{
		options: options,
		events: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "llmwatch_push_events_total",
			Help: "Pushed events, by receiver (api or app) and outcome (accepted or rejected).",
		}, []string{"receiver", "outcome"}),
	}
	r.decoders.New = func() any { return newDecoder() }
	if err := options.Registerer.Register(r.events); err != nil {
		return nil, fmt.Errorf("registering the push metrics: %w", err)
	}

	return r, nil
}

// API returns the handler for API events: requests that another program served.
func (r *Receiver) API() http.Handler { return r.intake("api", r.recordAPI) }

// App returns the handler for application events: jobs, evaluations, caches,
// connection pools, queues and calls of models.
func (r *Receiver) App() http.Handler { return r.intake("app", r.recordApp) }

func (r *Receiver) intake(name string, record func(*fields) error) *intake {
	return &intake{
		Receiver: r,
		name:     name,
		record:   record,
		accepted: r.events.WithLabelValues(name, "accepted"),
		rejected: r.events.WithLabelValues(name, "rejected"),
	}
}

// intake is the handler for one kind of events.
type intake struct {
	*Receiver

	name               string
	record             func(*fields) error
	accepted, rejected prometheus.Counter
}

// ServeHTTP implements http.Handler.
func (in *intake) ServeHTTP(w http.ResponseWriter, req *http.Request) {
	var b batch
	err := in.admit(w, req)
	if err == nil {
		err = in.receive(w, req, &b)
	}
	if in.options.Quota != nil {
		in.options.Quota.Spend(req.Context(), int64(b.Accepted+b.Rejected))
	}
	in.accepted.Add(float64(b.Accepted))
	in.rejected.Add(float64(b.Rejected))
	refused := b.outcome(err)
	if refused != nil || b.Rejected > 0 {
		in.options.Logger.DebugContext(req.Context(), "pushed events refused",
			slog.String("receiver", in.name), slog.String("remote_addr", req.RemoteAddr),
			slog.Int("accepted", b.Accepted), slog.Int("rejected", b.Rejected), slog.String("reason", b.reason(refused)))
	}
	b.answer(w, refused)
}

// admit refuses senders that have used up their quota.
func (in *intake) admit(w http.ResponseWriter, req *http.Request) error {
	if in.options.Quota == nil {
		return nil
	}
	code, message, retryAfter := in.options.Quota.Check(req.Context())
	if code == "" {
		return nil
	}
	w.Header().Set("Retry-After", strconv.Itoa(int(retryAfter.Seconds())))

	return &refusal{http.StatusTooManyRequests, code, message}
}

// receive records the events of a request one by one as they arrive. Its error
// is why the rest of the request could not be read.
func (in *intake) receive(w http.ResponseWriter, req *http.Request, b *batch) error {
	if req.Method != http.MethodPost {
		w.Header().Set("Allow", http.MethodPost)

		return &refusal{http.StatusMethodNotAllowed, "method_not_allowed", "the method must be POST, got " + shorten(req.Method)}
	}
	if err := checkType(req.Header); err != nil {
		return err
	}
	encoding, err := encodingOf(req.Header)
	if err != nil {
		w.Header().Set("Accept-Encoding", decompress.Accepted)

		return err
	}
	if req.ContentLength > in.options.MaxBody {
		return tooLarge(in.options.MaxBody)
	}
	d := in.decoders.Get().(*decoder)
	defer in.decoders.Put(d)
	defer d.reset()

	body := http.MaxBytesReader(w, req.Body, in.options.MaxBody)
	if err := d.open(body, encoding, in.options.MaxDecoded); err != nil {
		return bodyError(err, encoding)
	}

	return bodyError(in.readItems(d, b), encoding)
}

// readItems records all items of an opened body.
func (in *intake) readItems(d *decoder, b *batch) error {
	for {
		item, err := d.items.next()
		if err == io.EOF && !d.items.begun { //nolint:errorlint // As readers return it.
			return &refusal{http.StatusBadRequest, "bad_request", "the body must hold an event, an array of events or a line for each, got nothing"}
		}
		if err != nil && !isRejection(err) {
			return err
		}
		if b.Accepted+b.Rejected == in.options.MaxItems {
			return &refusal{
				http.StatusRequestEntityTooLarge, "too_many_events",
				fmt.Sprintf("a request must hold at most %d events; what was counted before is told here, send the rest in another", in.options.MaxItems),
			}
		}
		if err == nil {
			err = d.decode(item, in.record)
		}
		if err != nil {
			b.reject(err)
		} else {
			b.Accepted++
		}
	}
}
