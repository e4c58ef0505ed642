package logstore

import (
	"context"
	"fmt"
	"slices"

	"llmwatch/bridge/logstore/entry"
)

// What Around may keep to.
const (
	SameLogger  = "logger"
	SameProcess = "process"
)

// Around calls fn with the entry at a position, and with up to as many before and
// after it as are asked for, oldest first. Same keeps to those of the same logger,
// SameLogger, or of the same process, SameProcess; empty keeps to nothing.
func (s *Store) Around(ctx context.Context, id entry.Position, before, after int, same string, fn func(entry.Position, *entry.Entry) error) error {
	if same != "" && same != SameLogger && same != SameProcess {
		return wrap("context", fmt.Errorf("only %q or %q can be the same, not %q", SameLogger, SameProcess, same))
	}
	var filter entry.Filter
	var gathered entry.Batch
	var positions []entry.Position
	keep := func(p entry.Position, e *entry.Entry) error {
		gathered.Add(e)
		positions = append(positions, p)

		return nil
	}
	if err := s.at(ctx, id, func(p entry.Position, e *entry.Entry) error {
		if same != "" {
			text, _ := e.Text(same)
			filter.Fields = []entry.FieldMatch{{Name: same, Values: []string{string(append([]byte(nil), text...))}}}
		}

		return keep(p, e)
	}); err != nil {
		return err
	}
	if before > 0 {
		if _, err := s.Search(ctx, Query{Filter: filter, After: &id, Limit: before}, keep); err != nil {
			return err
		}
	}
	order := make([]int, len(positions))
	for i := range order {
		order[i] = i
	}
	slices.Reverse(order)
	var e entry.Entry
	for _, i := range order {
		gathered.At(i, &e)
		if err := fn(positions[i], &e); err != nil {
			return err
		}
	}
	if after <= 0 {
		return nil
	}
	_, err := s.Search(ctx, Query{Filter: filter, Oldest: true, After: &id, Limit: after}, fn)

	return err
}

// at calls fn with the entry at a position.
func (s *Store) at(ctx context.Context, id entry.Position, fn func(entry.Position, *entry.Entry) error) error {
	q := Query{Filter: entry.Filter{From: id.Time, Until: after(id.Time)}, Oldest: true, Limit: 1}
	if id.Seq > 0 {
		q.After = &entry.Position{Time: id.Time, Seq: id.Seq - 1}
	}
	found := false
	_, err := s.Search(ctx, q, func(p entry.Position, e *entry.Entry) error {
		if p != id {
			return nil
		}
		found = true

		return fn(p, e)
	})
	if err == nil && !found {
		err = wrap("context", fmt.Errorf("%w: %s", ErrNotFound, id))
	}

	return err
}
