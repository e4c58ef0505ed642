package engine

import (
	"context"
	"errors"
	"math"
	"time"

	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/storage"
	"github.com/prometheus/prometheus/tsdb"
	"github.com/prometheus/prometheus/tsdb/chunks"
	"github.com/prometheus/prometheus/tsdb/index"
)

const (
	// samplesPerChunk is how many samples a full chunk has, about.
	samplesPerChunk = 120
	// probedSeries is of how many series the chunks are looked at.
	probedSeries = 16
	// countTime bounds how long one query's series are counted. What is not
	// counted by then is taken to be everything.
	countTime = 40 * time.Millisecond
)

// selection is what a part of the database has for a selector.
type selection struct {
	start, end float64 // Of the part, in milliseconds.
	series     float64
	density    float64 // Samples of a series in a millisecond.
}

// seriesCounter tells what a selector finds, without reading a sample.
type seriesCounter interface {
	count(ctx context.Context, matchers []*labels.Matcher, start, end float64) []selection
}

// countNothing knows no database: each selector finds one series, with a sample
// in each interval at all times. It checks rules before they meet data.
type countNothing struct{ interval time.Duration }

func (c countNothing) count(context.Context, []*labels.Matcher, float64, float64) []selection {
	return []selection{{start: math.Inf(-1), end: math.Inf(1), series: 1, density: 1 / milliseconds(c.interval)}}
}

// databaseCounter counts in the index of a database.
type databaseCounter struct{ db *tsdb.DB }

func (c databaseCounter) count(ctx context.Context, matchers []*labels.Matcher, start, end float64) []selection {
	var found []selection
	add := func(minT, maxT int64, total uint64, open func() (tsdb.IndexReader, error), density float64) {
		if float64(maxT) < start || float64(minT) > end {
			return
		}
		s := selection{start: float64(minT), end: float64(maxT), density: density}
		if n, probed, err := countSeries(ctx, open, matchers); err == nil {
			s.series = n
			if density == 0 {
				s.density = probed
			}
		} else {
			s.series = float64(total)
		}
		if s.series > 0 {
			found = append(found, s)
		}
	}
	for _, b := range c.db.Blocks() {
		meta := b.Meta()
		span := math.Max(1, float64(meta.MaxTime-meta.MinTime))
		density := float64(meta.Stats.NumSamples) / math.Max(1, float64(meta.Stats.NumSeries)) / span
		add(meta.MinTime, meta.MaxTime, meta.Stats.NumSeries, b.Index, density)
	}
	head := c.db.Head()
	if head.NumSeries() > 0 && head.MinTime() <= head.MaxTime() {
		add(head.MinTime(), head.MaxTime(), head.NumSeries(), head.Index, 0)
	}

	return found
}

// countSeries counts the series of an index that match, and says how many samples
// those have in a millisecond whose chunks it looked at.
func countSeries(ctx context.Context, open func() (tsdb.IndexReader, error), matchers []*labels.Matcher) (n, density float64, err error) {
	ix, err := open()
	if err != nil {
		return 0, 0, err
	}
	defer func() { err = errors.Join(err, ix.Close()) }()
	postings, err := tsdb.PostingsForMatchers(ctx, ix, matchers...)
	if err != nil {
		return 0, 0, err
	}

	return walkPostings(ctx, ix, postings)
}

func walkPostings(ctx context.Context, ix tsdb.IndexReader, postings index.Postings) (n, density float64, err error) {
	const checkEvery = 1 << 12
	var (
		probe  seriesProbe
		number int
	)
	for ; postings.Next(); number++ {
		// The first ones, and ever fewer of the rest.
		if number < probedSeries/2 || number&(number-1) == 0 {
			probe.look(ix, postings.At())
		}
		if number%checkEvery == 0 && ctx.Err() != nil {
			return 0, 0, ctx.Err()
		}
	}

	return float64(number), probe.density, postings.Err()
}

// seriesProbe measures how dense the samples of the densest series are.
type seriesProbe struct {
	builder labels.ScratchBuilder
	metas   []chunks.Meta
	density float64
}

func (p *seriesProbe) look(ix tsdb.IndexReader, ref storage.SeriesRef) {
	if ix.Series(ref, &p.builder, &p.metas) != nil || len(p.metas) == 0 {
		return
	}
	// The open chunk is not full: it only tells how long the series is.
	first, last := p.metas[0].MinTime, p.metas[len(p.metas)-1].MaxTime
	if full := len(p.metas) - 1; full > 0 {
		length := math.Max(1, float64(p.metas[full-1].MaxTime-first))
		p.density = math.Max(p.density, float64(full*samplesPerChunk)/length)

		return
	}
	p.density = math.Max(p.density, samplesPerChunk/math.Max(samplesPerChunk*1000, float64(last-first)))
}
