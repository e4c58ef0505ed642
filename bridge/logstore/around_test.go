package logstore_test

import (
	"errors"
	"fmt"
	"slices"
	"testing"

	"llmwatch/bridge/logstore"
	"llmwatch/bridge/logstore/entry"
)

func TestAroundGivesTheNeighboursOfAnEntry(t *testing.T) {
	s := open(t, t.TempDir(), nil, 500)
	w := newWorld(30)
	all := number(1, w.append(t, s, 1500))
	for round := range 60 {
		if round == 30 {
			if err := s.Sync(t.Context()); err != nil {
				t.Fatal(err)
			}
		}
		of := all[w.IntN(len(all))]
		same := pick(w, []string{"", logstore.SameLogger, logstore.SameProcess})
		var f entry.Filter
		if same != "" {
			text, _ := of.e.Text(same)
			f.Fields = []entry.FieldMatch{{Name: same, Values: []string{text}}}
		}
		n, m := w.IntN(20), w.IntN(20)
		var want []line
		if n > 0 {
			before, _ := naive(all, logstore.Query{Filter: f, After: &of.Position, Limit: n})
			slices.Reverse(before)
			want = append(want, before...)
		}
		want = append(want, of)
		if m > 0 {
			after, _ := naive(all, logstore.Query{Filter: f, Oldest: true, After: &of.Position, Limit: m})
			want = append(want, after...)
		}
		var got []line
		if err := s.Around(t.Context(), of.Position, n, m, same, func(p entry.Position, e *entry.Entry) error {
			got = append(got, line{p, string(entry.AppendJSON(nil, e)), clone(e)})

			return nil
		}); err != nil {
			t.Fatal(err)
		}
		assertSame(t, fmt.Sprintf("round %d: %d before, %d after, same %q", round, n, m, same), got, want)
	}
}

func TestAroundSaysWhenThereIsNoSuchEntry(t *testing.T) {
	s := open(t, t.TempDir(), nil, 500)
	newWorld(31).append(t, s, 10)
	nothing := func(entry.Position, *entry.Entry) error { return nil }
	if err := s.Around(t.Context(), entry.Position{Time: 5, Seq: 5}, 1, 1, "", nothing); !errors.Is(err, logstore.ErrNotFound) {
		t.Errorf("an entry that is not there: %v", err)
	}
	if err := s.Around(t.Context(), entry.Position{}, 1, 1, "host", nothing); err == nil || errors.Is(err, logstore.ErrNotFound) {
		t.Errorf("neighbours of the same host: %v", err)
	}
}
