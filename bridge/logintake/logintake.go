// Package logintake is the door through which log entries come in over HTTP: it
// opens a body, lets a format read it, and answers when everything is durable.
//
// It must not know how any format looks, how entries are kept, or how a request
// was routed to it or authenticated.
package logintake

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"llmwatch/bridge/logstore/entry"
	"llmwatch/internal/decompress"
)

// Store keeps entries.
type Store interface {
	// Append returns when the batch is durable.
	Append(ctx context.Context, b *entry.Batch) error
	// AppendOnce does the same unless the client's batch of this or of a higher
	// number has been kept before.
	AppendOnce(ctx context.Context, client string, number uint64, b *entry.Batch) (duplicate bool, err error)
}

// Format reads entries from a body. It is safe for concurrent use.
type Format interface {
	// Read hands what it reads to the sink. Entries without a time of their own get
	// arrival. The error is why the body could not be read to its end, or the
	// sink's.
	Read(body io.Reader, arrival time.Time, to Sink) error
}

// Sink takes what a format reads.
type Sink interface {
	// Add takes an entry, of which it keeps nothing, that stood on so many bytes.
	Add(e *entry.Entry, size int) error
	// Reject counts a line, or an element, from 1, that is no entry.
	Reject(line int, why string)
}

// Quota bounds how many bytes of lines a sender may push. The context is that of
// the request.
type Quota interface {
	// Check tells why the sender may push nothing now, and after how long it may;
	// the code is empty where it may.
	Check(ctx context.Context) (code, message string, retryAfter time.Duration)
	// Spend counts what was pushed, decompressed.
	Spend(ctx context.Context, bytes int64)
}

// Options configures an Intake.
type Options struct {
	// Store, Format and Registerer are needed.
	Store      Store
	Format     Format
	Registerer prometheus.Registerer
	// Quota bounds what one sender may push; nil bounds nothing.
	Quota Quota
	// Logger is told about refused requests and lines, at debug level: the client
	// is told as well, and the counter shows how many there are.
	Logger *slog.Logger
	// Now is the clock, time.Now if it is nil.
	Now func() time.Time
}

// Bounds of what is held in memory.
const (
	// maxActive is how many bodies are read and kept at once. Of those that are kept
	// wholly or not at all, maxGathered bytes are held until their clients have sent
	// them, and maxAtomic are then worked on at once. Others wait up to maxWait.
	maxActive   = 32
	maxGathered = 2 * (maxAtomicBytes + pieceSize)
	maxAtomic   = 2
	maxWait     = 5 * time.Second
	// chunks are the bytes that bodies under way hold together, as long as each
	// then has more than leastChunk. None has more than mostChunk.
	chunks     = 16 << 20
	mostChunk  = 4 << 20
	leastChunk = 256 << 10
	// maxAtomicBytes bounds a numbered batch, decompressed; entryCost is what an
	// entry counts for beyond its text.
	maxAtomicBytes = 16 << 20
	entryCost      = 64
	// A body may grow by maxRatio when it is decompressed, once it is larger than
	// freeBytes: nothing that logs write is that repetitive, but bombs are.
	maxRatio  = 200
	freeBytes = 64 << 20
)

// Intake is a handler of POST. It is safe for concurrent use.
type Intake struct {
	options            Options
	accepted, rejected prometheus.Counter
	all                *room         // Of the bodies that are kept while they arrive,
	gathered           *room         // and of the bytes of those that are numbered.
	atomics            chan struct{} // Holds a token for each numbered body that is worked on.
	pieces             sync.Pool     // Of *[pieceSize]byte.
	active             atomic.Int64
	batches            sync.Pool // Of *entry.Batch.
	readers            sync.Pool // Of *decompress.Reader.
}

// New returns an Intake. It fails if something it needs is missing or its counter
// is already registered.
func New(options Options) (*Intake, error) {
	if options.Store == nil || options.Format == nil || options.Registerer == nil {
		return nil, errors.New("making a log intake: Store, Format and Registerer are needed")
	}
	if options.Logger == nil {
		options.Logger = slog.New(slog.DiscardHandler)
	}
	if options.Now == nil {
		options.Now = time.Now
	}
	lines := prometheus.NewCounterVec(prometheus.CounterOpts{
		Name: "llmwatch_log_intake_lines_total",
		Help: "Log lines that arrived over HTTP, by outcome (accepted or rejected).",
	}, []string{"outcome"})
	in := &Intake{
		options:  options,
		accepted: lines.WithLabelValues("accepted"), rejected: lines.WithLabelValues("rejected"),
		all: newRoom(maxActive), gathered: newRoom(maxGathered), atomics: make(chan struct{}, maxAtomic),
		batches: sync.Pool{New: func() any { return new(entry.Batch) }},
		readers: sync.Pool{New: func() any { return new(decompress.Reader) }},
	}

	return in, options.Registerer.Register(lines)
}
