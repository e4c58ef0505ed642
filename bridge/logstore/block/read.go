package block

import (
	"context"

	"llmwatch/bridge/logstore/entry"
)

// Each calls fn for every entry with its number, in no order that matters. The
// texts of e hold during the call.
func (b *Block) Each(ctx context.Context, fn func(seq uint64, e *entry.Entry) error) error {
	chunks, err := b.directory()
	if err != nil {
		return err
	}
	for i := range chunks {
		if err := b.eachOf(ctx, &chunks[i], fn); err != nil {
			return err
		}
	}

	return nil
}

func (b *Block) eachOf(ctx context.Context, c *chunk, fn func(seq uint64, e *entry.Entry) error) error {
	cr := b.open(c)
	defer cr.close()
	if err := cr.needSeqs(); err != nil {
		return err
	}
	var e entry.Entry
	var buf []byte
	for row := range cr.rows {
		err := ctx.Err()
		if err != nil {
			return err
		}
		if buf, err = cr.fill(&e, row, buf); err != nil {
			return err
		}
		if err := fn(cr.seqs[row], &e); err != nil {
			return err
		}
	}

	return nil
}

// Fetch calls fn for each of hits, which Search returned, with its index and its
// entry. It reads one part of the block after the other, and so does not keep the
// order of hits. The texts of e hold during the call.
func (b *Block) Fetch(ctx context.Context, hits []Hit, fn func(i int, e *entry.Entry) error) error {
	chunks, err := b.directory()
	if err != nil {
		return err
	}
	byChunk := map[uint32][]int{}
	for i, h := range hits {
		byChunk[h.chunk] = append(byChunk[h.chunk], i)
	}
	for at, wanted := range byChunk {
		if err := b.fetchOf(ctx, &chunks[at], hits, wanted, fn); err != nil {
			return err
		}
	}

	return nil
}

func (b *Block) fetchOf(ctx context.Context, c *chunk, hits []Hit, wanted []int, fn func(i int, e *entry.Entry) error) error {
	cr := b.open(c)
	defer cr.close()
	var e entry.Entry
	var buf []byte
	for _, i := range wanted {
		err := ctx.Err()
		if err != nil {
			return err
		}
		if buf, err = cr.fill(&e, int(hits[i].row), buf); err != nil {
			return err
		}
		if err := fn(i, &e); err != nil {
			return err
		}
	}

	return nil
}
