package logship

import (
	"context"
	"errors"
)

// Batch is log entries, each a line of JSON, that are kept wholly or not at all.
type Batch struct {
	// Client names whose batch it is, by 1 to 64 of A–Z a–z 0–9 . _ -
	Client string

	// Number tells the batches of a client apart. It rises with each new one, from 1.
	Number uint64

	// Lines are the entries. A sink must neither change nor keep them.
	Lines []byte
}

// Sink is where batches go: a server, or a store in the same process.
type Sink interface {
	// Deliver returns nil once the batch is kept durably. A batch whose number it has
	// seen of that client is a success that changes nothing.
	//
	// After ErrRefused and ErrTooLarge the batch is not kept. After any other error
	// it may be or not: the same batch has to be delivered again, and no other of
	// that client before.
	Deliver(ctx context.Context, b Batch) error
}

// What a sink says of a batch that it will never keep.
var (
	ErrRefused  = errors.New("batch was refused")
	ErrTooLarge = errors.New("batch is too large")
)
