package logstore

import (
	"cmp"
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"llmwatch/bridge/logstore/entry"
)

// Levels holds one number for each level.
type Levels [entry.NumLevels]uint64

// Total is their sum.
func (l *Levels) Total() uint64 {
	var n uint64
	for _, v := range l {
		n += v
	}

	return n
}

func (l *Levels) add(m *Levels) {
	for i, v := range m {
		l[i] += v
	}
}

// Statistics says what entries of a time range there are.
type Statistics struct {
	Total   uint64
	ByLevel Levels
	// ByLogger has the loggers with the most entries first; those beyond 1,000 are
	// counted as one named "other".
	ByLogger []LoggerLevels
	// Histogram has all steps of the range in order, the first and the last one cut
	// by its bounds. Steps begin at multiples of Step.
	Step      time.Duration
	Histogram []Bucket
	// TopErrors has the messages of level ERROR and above that occur most.
	TopErrors []ErrorMessage
	Store     Stats
}

// LoggerLevels are the entries of a logger.
type LoggerLevels struct {
	Logger  string
	ByLevel Levels
}

// Bucket are the entries of a step.
type Bucket struct {
	Start   time.Time
	ByLevel Levels
}

// ErrorMessage is what messages have in common that differ in numbers and ids
// only.
type ErrorMessage struct {
	// Template is the first line of the message, with <*> for what differs.
	Template string
	Logger   string
	Level    entry.Level
	Count    uint64
	// Last is when it occurred last.
	Last time.Time
}

const (
	maxStatisticsLoggers = 1000
	maxTopErrors         = 20
	// maxBuckets bounds the histogram.
	maxBuckets = 1000
)

// Statistics counts the entries that pass f, whose time must have an end. The
// histogram has at most as many buckets as are asked for, and its steps are round.
func (s *Store) Statistics(ctx context.Context, f entry.Filter, buckets int) (Statistics, error) {
	f.From = max(f.From, 0) // No entry is older than 1970.
	if f.Until <= f.From {
		return Statistics{}, wrap("statistics", fmt.Errorf("the end %s is not after the start %s", entry.FormatTime(f.Until), entry.FormatTime(f.From)))
	}
	if err := s.queries.Acquire(ctx, 1); err != nil {
		return Statistics{}, wrap("statistics", err)
	}
	defer s.queries.Release(1)
	from := f.From
	step := roundStep(time.Duration(f.Until-from), min(max(buckets, 1), maxBuckets))
	total := newTally(from, f.Until, int64(step))
	kept := s.within(f)
	snap := s.snapshot(kept)
	defer snap.release()
	if err := s.tallyBlocks(ctx, snap.blocks, kept, total); err != nil {
		return Statistics{}, wrap("statistics", err)
	}
	for i := range snap.chunks {
		if err := total.addChunk(ctx, &snap.chunks[i], kept); err != nil {
			return Statistics{}, wrap("statistics", err)
		}
	}
	result := total.result(from)
	result.Store = s.Stats()

	return result, nil
}

// roundStep is the least round step that divides a range into at most n buckets,
// one more where the bounds are not round.
func roundStep(span time.Duration, n int) time.Duration {
	const day = 24 * time.Hour
	for _, step := range []time.Duration{
		time.Millisecond, 2 * time.Millisecond, 5 * time.Millisecond, 10 * time.Millisecond, 20 * time.Millisecond, 50 * time.Millisecond,
		100 * time.Millisecond, 200 * time.Millisecond, 500 * time.Millisecond,
		time.Second, 2 * time.Second, 5 * time.Second, 10 * time.Second, 15 * time.Second, 30 * time.Second,
		time.Minute, 2 * time.Minute, 5 * time.Minute, 10 * time.Minute, 15 * time.Minute, 30 * time.Minute,
		time.Hour, 2 * time.Hour, 3 * time.Hour, 6 * time.Hour, 12 * time.Hour, day, 2 * day, 7 * day, 30 * day,
	} {
		if span <= time.Duration(n)*step {
			return step
		}
	}

	return (span/time.Duration(n)/day + 1) * day
}

// tally is what Statistics counts.
type tally struct {
	step    int64
	origin  int64 // The start of the first bucket.
	buckets []Levels
	loggers map[string]*Levels
	errors  map[errorKey]*errorTally
	key     []byte // Reused.
}

type errorKey struct {
	template, logger string
	level            entry.Level
}

type errorTally struct {
	count uint64
	last  int64
}

func newTally(from, until, step int64) *tally {
	origin := from - from%step
	t := &tally{step: step, origin: origin, loggers: map[string]*Levels{}, errors: map[errorKey]*errorTally{}}
	if until > from {
		t.buckets = make([]Levels, (until-1-origin)/step+1)
	}

	return t
}

// like is an empty tally over the same range.
func (t *tally) like() *tally {
	return &tally{
		step: t.step, origin: t.origin, buckets: make([]Levels, len(t.buckets)),
		loggers: map[string]*Levels{}, errors: map[errorKey]*errorTally{},
	}
}

// index is the bucket of a time that is within the bounds.
func (t *tally) index(ns int64) int { return int((ns - t.origin) / t.step) }

// logger returns the counts of a logger. The name may be lent.
func (t *tally) logger(name string) *Levels {
	if l := t.loggers[name]; l != nil {
		return l
	}
	if len(t.loggers) >= 10*maxStatisticsLoggers { // Bounds memory; the most frequent are long known.
		name = otherLogger
		if l := t.loggers[name]; l != nil {
			return l
		}
	}
	l := new(Levels)
	t.loggers[strings.Clone(name)] = l

	return l
}

// add counts n entries.
func (t *tally) add(logger string, level entry.Level, bucket, n int) {
	t.buckets[bucket][level] += uint64(n)
	t.logger(logger)[level] += uint64(n)
}

// maxTemplates bounds the different error messages that are counted at once.
const maxTemplates = 2000

// makeRoom forgets the rarer half of the error messages where there are too many:
// what occurs often comes again before the next time.
func (t *tally) makeRoom() {
	if len(t.errors) >= maxTemplates {
		t.keepTop(maxTemplates / 2)
	}
}

// addError counts the message of an entry, whose texts may be lent.
func (t *tally) addError(e *entry.Entry) {
	t.key = appendTemplate(t.key[:0], e.Message)
	known := t.errors[errorKey{string(t.key), e.Logger, e.Level}]
	if known == nil {
		t.makeRoom()
		known = new(errorTally)
		t.errors[errorKey{string(t.key), strings.Clone(e.Logger), e.Level}] = known
	}
	known.count++
	known.last = max(known.last, e.Time)
}

// result renders what was counted.
func (t *tally) result(from int64) Statistics {
	result := Statistics{Step: time.Duration(t.step)}
	for i := range t.buckets {
		start := max(t.origin+int64(i)*t.step, from)
		result.Histogram = append(result.Histogram, Bucket{time.Unix(0, start).UTC(), t.buckets[i]})
	}
	for name, levels := range t.loggers {
		result.ByLevel.add(levels)
		result.ByLogger = append(result.ByLogger, LoggerLevels{name, *levels})
	}
	result.Total = result.ByLevel.Total()
	slices.SortFunc(result.ByLogger, func(a, b LoggerLevels) int {
		return cmp.Or(cmp.Compare(b.ByLevel.Total(), a.ByLevel.Total()), cmp.Compare(a.Logger, b.Logger))
	})
	if len(result.ByLogger) > maxStatisticsLoggers {
		rest := LoggerLevels{Logger: otherLogger}
		for i := maxStatisticsLoggers - 1; i < len(result.ByLogger); i++ {
			rest.ByLevel.add(&result.ByLogger[i].ByLevel)
		}
		result.ByLogger = append(result.ByLogger[:maxStatisticsLoggers-1], rest)
	}
	for _, k := range slices.SortedFunc(maps.Keys(t.errors), func(a, b errorKey) int {
		return cmp.Or(cmp.Compare(t.errors[b].count, t.errors[a].count), cmp.Compare(a.template, b.template),
			cmp.Compare(a.logger, b.logger), cmp.Compare(a.level, b.level))
	}) {
		if len(result.TopErrors) == maxTopErrors {
			break
		}
		found := t.errors[k]
		result.TopErrors = append(result.TopErrors, ErrorMessage{k.template, k.logger, k.level, found.count, time.Unix(0, found.last).UTC()})
	}

	return result
}
