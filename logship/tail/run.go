package tail

import (
	"bytes"
	"context"
	"errors"
	"time"

	"llmwatch/logship"
)

const (
	// stopTime bounds an orderly stop.
	stopTime = 3 * time.Second

	// What failed is tried again after firstDelay, then twice as long each time, up
	// to maxDelay.
	firstDelay = 500 * time.Millisecond
	maxDelay   = 30 * time.Second

	// scanFiles is how many files are looked for at each poll. Where there are more,
	// polls are left out.
	scanFiles = 1000
)

// courier is the delivery under way, which is never more than one.
type courier struct {
	ctx     context.Context // Of deliveries; it outlives that of Run for a moment.
	results chan error
	under   bool
	delay   time.Duration // After the last failure.
	at      time.Time     // When to try again.
}

// Run follows the files until ctx ends. Then it delivers what is in them, as far
// as that is possible within a few seconds; what is not is left to the next
// Follower with this checkpoint. It fails if it cannot write the checkpoint then.
func (f *Follower) Run(ctx context.Context) error {
	delivery, cancel := context.WithCancel(context.WithoutCancel(ctx))
	c := &courier{ctx: delivery, results: make(chan error, 1)}
	f.follow(ctx, c)
	err := f.finish(c)
	cancel()
	if c.under {
		if late := <-c.results; late == nil { // Just before it was told to give up.
			f.settle(c, nil)
			err = errors.Join(err, f.save())
		}
	}

	return errors.Join(err, f.Close())
}

// follow is Run until ctx ends.
func (f *Follower) follow(ctx context.Context, c *courier) {
	var nextScan time.Time
	poll := time.NewTicker(f.options.Poll)
	defer poll.Stop()

	for first := true; ctx.Err() == nil; first = false {
		now := time.Now()
		if !now.Before(nextScan) {
			f.scan(now)
			if first {
				f.findMoved(now)
				if len(f.files) == 0 {
					f.log.WarnContext(ctx, "no file is there yet", "patterns", f.options.Files)
				}
			}
			f.survey()
			nextScan = now.Add(f.options.Poll * time.Duration(len(f.files)/scanFiles))
		}
		if err := f.advance(c, now, false); err != nil {
			f.failed(c, err)
		}
		select {
		case err := <-c.results:
			f.settle(c, err)
		case <-poll.C:
		case <-ctx.Done():
		}
	}
}

// finish delivers what is in the files when Run has to end.
func (f *Follower) finish(c *courier) error {
	deadline := time.NewTimer(stopTime)
	defer deadline.Stop()

	f.scan(time.Now())
	c.at = time.Time{}
	for {
		if err := f.advance(c, time.Now(), true); err != nil {
			return err
		}
		if !c.under {
			return nil
		}
		select {
		case err := <-c.results:
			f.settle(c, err)
			if !c.at.IsZero() {
				return nil // It is in the checkpoint, for the next one to deliver.
			}
		case <-deadline.C:
			return nil
		}
	}
}

// advance does what can be done now: it makes a batch, writes it into the
// checkpoint and sends it on its way.
func (f *Follower) advance(c *courier, now time.Time, flush bool) error {
	if c.under || now.Before(c.at) {
		return nil
	}
	if len(f.lines) == 0 {
		f.gather(now, flush)
		f.part = len(f.lines)
		f.dirty = f.dirty || f.part > 0
	}
	if f.dirty {
		if err := f.save(); err != nil {
			return err
		}
	}
	if len(f.lines) > 0 {
		c.under = true
		batch := logship.Batch{Client: f.client, Number: f.next, Lines: f.lines[:f.part]}
		go func() { c.results <- f.options.Sink.Deliver(c.ctx, batch) }()
	}

	return nil
}

// failed puts the next attempt off.
func (f *Follower) failed(c *courier, err error) {
	c.delay = min(max(firstDelay, 2*c.delay), maxDelay)
	c.at = time.Now().Add(c.delay)
	f.log.Warn("batch was not delivered, trying again", "batch", f.next, "after", c.delay, "error", err)
	f.count(func(s *Stats) { s.Failures++ })
}

// settle is told what became of a delivery.
func (f *Follower) settle(c *courier, err error) {
	c.under = false
	tooLarge := errors.Is(err, logship.ErrTooLarge)
	refused := tooLarge || errors.Is(err, logship.ErrRefused)
	if err != nil && !refused {
		f.failed(c, err)

		return
	}
	c.delay, c.at = 0, time.Time{}
	if part := half(f.lines[:f.part]); tooLarge && part < f.part {
		f.log.Warn("batch is too large, sending half of it", "batch", f.next, "bytes", f.part)
		f.part, f.limit, f.dirty = part, max(f.part/2, minLimit), true

		return
	}
	if refused {
		entries := bytes.Count(f.lines[:f.part], []byte{'\n'})
		f.log.Error("batch was refused and is given up", "batch", f.next, "entries", entries, "error", err)
		f.count(func(s *Stats) { s.RefusedEntries += uint64(entries) })
	} else {
		f.count(func(s *Stats) { s.Batches++; s.Delivered = time.Now() })
	}
	f.lines = f.lines[:copy(f.lines, f.lines[f.part:])]
	f.next++
	f.part = len(f.lines)
	if f.part > f.limit {
		f.part = half(f.lines[:min(len(f.lines), 2*f.limit)])
	}
	f.dirty = true
}

// minLimit is the least that batches are made for because one was too large.
const minLimit = 64 << 10

// half returns the length of whole lines that are about half of the bytes of
// lines, and all of them if they are one.
func half(lines []byte) int {
	middle := len(lines) / 2
	if i := bytes.LastIndexByte(lines[:middle], '\n'); i >= 0 {
		return i + 1
	}
	if i := bytes.IndexByte(lines[middle:], '\n'); i >= 0 {
		return middle + i + 1
	}

	return len(lines)
}
