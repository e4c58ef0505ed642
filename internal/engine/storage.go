package engine

import (
	"context"
	"sync"
	"time"

	"github.com/prometheus/prometheus/storage"
	"github.com/prometheus/prometheus/tsdb"
)

// admin gives the HTTP API the statistics of the database that *tsdb.DB itself
// offers under other names.
type admin struct {
	*tsdb.DB
	stats *tsdb.DBStats
}

func (a admin) Stats(label string, limit int) (*tsdb.Stats, error) {
	return a.Head().Stats(label, limit), nil
}

func (a admin) WALReplayStatus() (tsdb.WALReplayStatus, error) {
	return a.stats.Head.WALReplayStatus.GetWALReplayStatus(), nil
}

func (a admin) BlockMetas() ([]tsdb.BlockMeta, error) {
	return a.DB.BlockMetas(), nil
}

// appends remembers how the newest commit to the database ended, which is how
// a full or failing disk shows first, and which targets' samples it does not take.
type appends struct {
	storage.AppendableV2
	reserved *reserved
	scrapes  scrapeWatch

	mu          sync.Mutex // Guards the fields below.
	lastSuccess time.Time
	lastErr     error
	lastErrAt   time.Time
}

// AppenderV2 implements storage.AppendableV2, for one scrape.
func (a *appends) AppenderV2(ctx context.Context) storage.AppenderV2 {
	return &scrapedAppender{watchedAppender: a.watched(ctx), reserved: a.reserved, watch: &a.scrapes}
}

// watched returns an appender whose commit is remembered.
func (a *appends) watched(ctx context.Context) *watchedAppender {
	return &watchedAppender{AppenderV2: a.AppendableV2.AppenderV2(ctx), appends: a}
}

func (a *appends) record(err error) {
	a.mu.Lock()
	defer a.mu.Unlock()

	if err != nil {
		a.lastErr, a.lastErrAt = err, time.Now()
		return
	}
	a.lastSuccess, a.lastErr = time.Now(), nil
}

type watchedAppender struct {
	storage.AppenderV2
	appends *appends
}

func (w *watchedAppender) Commit() error {
	err := w.AppenderV2.Commit()
	w.appends.record(err)

	return err
}
