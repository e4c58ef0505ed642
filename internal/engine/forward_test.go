package engine

import (
	"testing"
	"time"

	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/storage"
)

// forward stores a sample of this process's series of that name ahead of time, as
// a clock that was wrong would have.
func forward(t *testing.T, e *Engine, name string, ahead time.Duration) {
	t.Helper()

	app := e.db.AppenderV2(t.Context())
	series := labels.FromStrings("__name__", name, "job", SelfJob, "instance", "here")
	if _, err := app.Append(0, series, 0, time.Now().Add(ahead).UnixMilli(), 1e9, nil, nil, storage.AOptions{}); err != nil {
		t.Fatal(err)
	}
	if err := app.Commit(); err != nil {
		t.Fatal(err)
	}
}
