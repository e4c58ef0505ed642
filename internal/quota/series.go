package quota

import (
	"fmt"
	"sync"
	"time"
)

// seriesLease is how long a series counts after its last sample: about as long as
// the database keeps it in memory.
const seriesLease = 2 * time.Hour

// sweepEvery is how often series are looked for whose lease is over.
const sweepEvery = time.Minute

// SeriesCount knows which series were pushed lately and by whom.
type SeriesCount struct {
	perPrincipal, total int

	mu    sync.Mutex // Guards the fields below.
	known map[uint64]pushed
	count map[string]int // By Principal.ID.
	swept time.Time
}

type pushed struct {
	by   string // Principal.ID.
	last int64  // Unix seconds of the last sample.
}

// NewSeriesCount returns a count with the bounds of l.
func NewSeriesCount(l Limits) *SeriesCount {
	return &SeriesCount{perPrincipal: l.SeriesPerToken, total: l.PushedSeries, known: map[uint64]pushed{}, count: map[string]int{}}
}

// Total returns how many pushed series count.
func (s *SeriesCount) Total() int {
	s.mu.Lock()
	defer s.mu.Unlock()

	return len(s.known)
}

// Take notes a sample of the series with that hash, or returns a *Refusal where
// the series is new and there is no room for it. A series that exists already
// takes no room that was not taken, so it always passes.
func (s *SeriesCount) Take(p Principal, hash uint64, exists bool, now time.Time) error {
	s.mu.Lock()
	defer s.mu.Unlock()

	if known, ok := s.known[hash]; ok {
		known.last = now.Unix()
		s.known[hash] = known

		return nil
	}
	if now.Sub(s.swept) >= sweepEvery {
		s.sweep(now)
	}
	switch {
	case exists:
	case s.perPrincipal > 0 && s.count[p.ID] >= s.perPrincipal:
		return &Refusal{Series, "series_per_token", fmt.Sprintf(
			"this token has written its %d series of the last two hours (limits.series_per_token); use fewer label values, or raise the limit", s.perPrincipal,
		), time.Minute}
	case s.total > 0 && len(s.known) >= s.total:
		return &Refusal{Series, "pushed_series", fmt.Sprintf(
			"all tokens together have written %d series in the last two hours (limits.pushed_series); use fewer label values, or raise the limit", s.total,
		), time.Minute}
	}
	s.known[hash] = pushed{p.ID, now.Unix()}
	s.count[p.ID]++

	return nil
}

func (s *SeriesCount) sweep(now time.Time) {
	s.swept = now
	before := now.Add(-seriesLease).Unix()
	for hash, one := range s.known {
		if one.last >= before {
			continue
		}
		delete(s.known, hash)
		if s.count[one.by]--; s.count[one.by] <= 0 {
			delete(s.count, one.by)
		}
	}
}
