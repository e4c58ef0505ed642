package logintake

import (
	"context"
	"fmt"
	"io"
	"time"

	"llmwatch/bridge/logstore/entry"
)

// batch returns an empty batch, which goes back to in.batches.
func (in *Intake) batch() *entry.Batch { return in.batches.Get().(*entry.Batch) }

// release gives a batch back for the next body, unless it has grown: what large
// bodies needed is not kept when they are done.
func (in *Intake) release(b *entry.Batch) {
	if b.Size() > leastChunk || b.Len() > leastChunk/entryCost {
		return
	}
	b.Reset()
	in.batches.Put(b)
}

// arrival is the time of entries without one, as precise as most have theirs.
func (in *Intake) arrival() time.Time { return in.options.Now().Truncate(time.Millisecond) }

// keepOnce keeps a numbered body wholly or not at all.
func (in *Intake) keepOnce(ctx context.Context, client string, number uint64, body io.Reader, encoding string, o *outcome) error {
	w := &whole{outcome: o, batch: in.batch()}
	defer in.release(w.batch)
	bounded := &io.LimitedReader{R: body, N: maxAtomicBytes + 1}
	err := in.options.Format.Read(bounded, in.arrival(), w)
	if err == nil && bounded.N == 0 {
		err = errWholeTooLarge
	}
	if err != nil {
		*o = outcome{} // Nothing is kept, so there is nothing to tell of lines.

		return bodyError(err, encoding)
	}
	if w.batch.Len() > 0 {
		if o.Duplicate, err = in.options.Store.AppendOnce(ctx, client, number, w.batch); err != nil {
			*o = outcome{}

			return err
		}
	}
	o.Accepted = int64(w.batch.Len())

	return nil
}

var errWholeTooLarge = tooLarge(fmt.Sprintf("a numbered batch must be at most %d bytes long once it is decompressed; send several smaller ones", maxAtomicBytes))

// whole is the sink of a numbered body.
type whole struct {
	*outcome

	batch *entry.Batch
	cost  int
}

// Add implements Sink.
func (w *whole) Add(e *entry.Entry, size int) error {
	// So many tiny entries would need far more memory than the body has bytes.
	if w.cost += entryCost + size; w.cost > 2*maxAtomicBytes {
		return errWholeTooLarge
	}
	w.batch.Add(e)

	return nil
}

// Reject implements Sink.
func (w *whole) Reject(line int, why string) { w.reject(line, why) }

// keep keeps a body in pieces as it arrives: the next one is read while the one
// before is made durable.
func (in *Intake) keep(ctx context.Context, body io.Reader, encoding string, o *outcome) error {
	in.active.Add(1)
	defer in.active.Add(-1)
	p := &pieces{Intake: in, outcome: o, ctx: ctx, batch: in.batch()}
	defer func() {
		if p.spare == nil { // Otherwise both have grown.
			in.release(p.batch)
		}
	}()
	err := in.options.Format.Read(body, in.arrival(), p)
	p.wait() // Only then is it known whether the piece under way could be kept.
	if err != nil && p.failed == nil {
		err = bodyError(err, encoding)
	}
	// What came before an error is kept all the same.
	if p.failed == nil && p.batch.Len() > 0 {
		p.append(p.batch)
	}
	if p.failed != nil {
		return p.failed
	}

	return err
}

// pieces is the sink of a body without a number.
type pieces struct {
	*Intake
	*outcome

	ctx    context.Context // Of the one request that it serves.
	batch  *entry.Batch    // Is being filled.
	spare  *entry.Batch    // Nil, or the piece before; empty once that is durable.
	cost   int
	done   chan struct{} // Closed when the piece under way is durable; nil if there is none.
	failed error         // Why pieces cannot be kept; set before done is closed.
}

// Add implements Sink.
func (p *pieces) Add(e *entry.Entry, size int) error {
	p.batch.Add(e)
	if p.cost += entryCost + size; p.cost < p.limit() {
		return nil
	}

	return p.hand()
}

// limit shrinks as more bodies are under way.
func (p *pieces) limit() int {
	return int(min(max(chunks/(2*max(p.active.Load(), 1)), leastChunk), mostChunk))
}

// Reject implements Sink.
func (p *pieces) Reject(line int, why string) { p.reject(line, why) }

// hand has the batch made durable in the background and goes on with another.
func (p *pieces) hand() error {
	if p.wait(); p.failed != nil {
		return p.failed
	}
	full, empty := p.batch, p.spare
	if empty == nil {
		empty = p.Intake.batch()
	}
	p.batch, p.spare, p.cost = empty, full, 0
	done := make(chan struct{})
	p.done = done
	go func() {
		defer close(done)
		p.append(full)
		full.Reset()
	}()

	return nil
}

// wait waits until no piece is under way.
func (p *pieces) wait() {
	if p.done != nil {
		<-p.done
		p.done = nil
	}
}

// append makes a piece durable.
func (p *pieces) append(b *entry.Batch) {
	if p.failed = p.options.Store.Append(p.ctx, b); p.failed == nil {
		p.Accepted += int64(b.Len())
	}
}
