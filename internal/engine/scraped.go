package engine

import (
	"cmp"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/prometheus/common/model"
	"github.com/prometheus/prometheus/model/histogram"
	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/storage"
)

// lostScrapes is how many scrapes in a row of which samples were not stored are
// trouble: a clock that was set may cost one.
const lostScrapes = 2

// maxWatchedTargets bounds the targets whose trouble is remembered.
const maxWatchedTargets = 1000

// Loss tells of a target that answers scrapes while its samples are not stored.
type Loss struct {
	Job, Instance string
	// Since is when the first such scrape was.
	Since time.Time
	// Lost and Kept count the samples of the newest scrape.
	Lost, Kept int
	// Series is one of those that were lost, Err why.
	Series string
	Err    error

	scrapes int
	at      time.Time
}

// Whole reports whether nothing of the scrape was stored.
func (l *Loss) Whole() bool { return l.Kept == 0 }

// Error implements error.
func (l *Loss) Error() string {
	share := "none of its samples is"
	if !l.Whole() {
		share = fmt.Sprintf("%d of its %d samples are not", l.Lost, l.Lost+l.Kept)
	}

	return fmt.Sprintf("target %s of job %s answers scrapes, but %s stored since %s: %s: %v",
		l.Instance, l.Job, share, l.Since.UTC().Format(time.RFC3339), l.Series, l.Err)
}

// scrapeWatch knows the targets whose samples the database does not take.
type scrapeWatch struct {
	mu     sync.Mutex // Guards losses.
	losses map[[2]string]*Loss
	total  map[string]int // Samples lost by job, since the start.
}

// record takes in what became of one scrape.
func (w *scrapeWatch) record(now time.Time, l Loss) {
	w.mu.Lock()
	defer w.mu.Unlock()

	key := [2]string{l.Job, l.Instance}
	known := w.losses[key]
	if l.Lost == 0 {
		delete(w.losses, key)
		return
	}
	if w.losses == nil {
		w.losses, w.total = map[[2]string]*Loss{}, map[string]int{}
	}
	l.Since, l.at, l.scrapes = now, now, 1
	if known != nil {
		l.Since, l.scrapes = known.Since, known.scrapes+1
	} else if len(w.losses) >= maxWatchedTargets {
		return
	}
	l.Series, l.Job, l.Instance = strings.Clone(l.Series), strings.Clone(l.Job), strings.Clone(l.Instance)
	w.losses[[2]string{l.Job, l.Instance}] = &l
	if _, ok := w.total[l.Job]; ok || len(w.total) < maxWatchedTargets {
		w.total[l.Job] += l.Lost
	}
}

// lossForgotten is when a target is forgotten that is not scraped any more: the
// longest interval twice.
const lossForgotten = 10 * time.Minute

// trouble returns the targets of which several scrapes in a row were lost, this
// process first.
func (w *scrapeWatch) trouble(now time.Time) []*Loss {
	w.mu.Lock()
	defer w.mu.Unlock()

	maps.DeleteFunc(w.losses, func(_ [2]string, l *Loss) bool { return now.Sub(l.at) > lossForgotten })
	var found []*Loss
	for _, l := range w.losses {
		if l.scrapes >= lostScrapes {
			found = append(found, l)
		}
	}
	own := func(l *Loss) int {
		if l.Job == SelfJob {
			return 0
		}

		return 1
	}
	slices.SortFunc(found, func(a, b *Loss) int {
		return cmp.Or(cmp.Compare(own(a), own(b)), cmp.Compare(a.Job, b.Job), cmp.Compare(a.Instance, b.Instance))
	})

	return found
}

// lost returns how many samples were lost since the start, by job.
func (w *scrapeWatch) lost() map[string]int {
	w.mu.Lock()
	defer w.mu.Unlock()

	return maps.Clone(w.total)
}

// scrapedAppender stores one scrape of a target, and notes what is not stored.
type scrapedAppender struct {
	*watchedAppender
	reserved *reserved
	watch    *scrapeWatch
	job      string // Of the sample before.
	loss     Loss
}

// Append implements storage.AppenderV2.
func (s *scrapedAppender) Append(ref storage.SeriesRef, series labels.Labels, st, t int64, v float64, h *histogram.Histogram, fh *histogram.FloatHistogram, opts storage.AOptions) (storage.SeriesRef, error) {
	if job := series.Get(model.JobLabel); job != s.job {
		s.job = job
		s.reserved.note(job)
	}
	ref, err := s.AppenderV2.Append(ref, series, st, t, v, h, fh, opts)
	if opts.RejectOutOfOrder {
		return ref, err // A mark that a series ended, which may come late.
	}
	switch {
	case err == nil:
		s.kept(series)
	case errors.Is(err, storage.ErrTooOldSample):
		// The scrape would end here, and the target's other samples be lost.
		err = fmt.Errorf("%w: %w", storage.ErrOutOfOrderSample, err)
		fallthrough
	case errors.Is(err, storage.ErrOutOfOrderSample), errors.Is(err, storage.ErrOutOfBounds), errors.Is(err, storage.ErrDuplicateSampleForTimestamp):
		s.lost(series, err)
	}

	return ref, err
}

// reported reports whether a series is one that the scrape manager adds itself.
func reported(series labels.Labels) bool {
	name := series.Get(model.MetricNameLabel)

	return name == "up" || strings.HasPrefix(name, "scrape_")
}

func (s *scrapedAppender) kept(series labels.Labels) {
	if reported(series) {
		// These have the labels of the target, whatever it calls itself.
		s.loss.Job, s.loss.Instance = series.Get(model.JobLabel), series.Get(model.InstanceLabel)
		return
	}
	s.loss.Kept++
}

func (s *scrapedAppender) lost(series labels.Labels, err error) {
	if reported(series) {
		s.kept(series)
	}
	if s.loss.Lost++; s.loss.Err == nil {
		s.loss.Series, s.loss.Err = series.Get(model.MetricNameLabel), err
	}
}

// Commit implements storage.AppenderV2.
func (s *scrapedAppender) Commit() error {
	err := s.watchedAppender.Commit()
	if s.loss.Job != "" {
		s.watch.record(time.Now(), s.loss)
	}

	return err
}
