package engine

import (
	"fmt"
	"time"

	"github.com/prometheus/prometheus/scrape"
)

// Status says how the engine is doing.
type Status struct {
	// Started is when the engine was started.
	Started time.Time
	// LastAppend is when scraped samples were last stored, zero if never.
	LastAppend time.Time
	// AppendError says why the newest attempt to store samples failed; nil
	// when it succeeded.
	AppendError error
	// LastReload is when the configuration was last loaded; ReloadError says
	// why that failed and the one before is still in force.
	LastReload  time.Time
	ReloadError error
	// Series counts the series in memory, Blocks those on disk, Bytes
	// everything below the data directory.
	Series uint64
	Blocks int
	Bytes  int64
	// Targets counts what is scraped, Down those of them that did not answer.
	Targets int
	Down    int
	// Losses are the targets that answer scrapes while their samples are not
	// stored, this process first.
	Losses []*Loss
}

// Lost returns how many scraped samples could not be stored since the start, by job.
func (e *Engine) Lost() map[string]int { return e.appends.scrapes.lost() }

// Status reports the present state of the engine.
func (e *Engine) Status() Status {
	loaded := e.loaded()
	s := Status{
		Started:     e.started,
		LastReload:  loaded.at,
		ReloadError: loaded.err,
		Series:      e.db.Head().NumSeries(),
		Bytes:       e.db.Head().Size(),
	}
	for _, b := range e.db.Blocks() {
		s.Blocks++
		s.Bytes += b.Size()
	}
	for _, targets := range e.scrape.TargetsActive() {
		for _, t := range targets {
			s.Targets++
			if t.Health() == scrape.HealthBad {
				s.Down++
			}
		}
	}
	s.Losses = e.appends.scrapes.trouble(time.Now())
	e.appends.mu.Lock()
	defer e.appends.mu.Unlock()
	s.LastAppend = e.appends.lastSuccess
	if e.appends.lastErr != nil {
		s.AppendError = fmt.Errorf("storing samples failed at %s: %w",
			e.appends.lastErrAt.UTC().Format(time.RFC3339), e.appends.lastErr)
	}

	return s
}
