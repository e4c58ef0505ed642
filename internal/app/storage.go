package app

import (
	"errors"
	"fmt"

	"github.com/prometheus/client_golang/prometheus"

	"llmwatch/bridge"
	"llmwatch/internal/engine"
)

// maxNamedLosses is how many targets health names.
const maxNamedLosses = 5

// notStored says what keeps samples from being stored: the disk, or that nothing of
// a target's scrapes is taken. Anything that is lost of this process's own counts
// as all: llmwatch would not notice what it is to watch.
func notStored(s engine.Status) error {
	errs := []error{s.AppendError}
	for _, l := range s.Losses {
		if l.Whole() || l.Job == engine.SelfJob {
			errs = append(errs, l)
		}
	}

	return named(errs)
}

// partlyStored names the targets of whose scrapes a part is not taken.
func partlyStored(s engine.Status) error {
	var errs []error
	for _, l := range s.Losses {
		if !l.Whole() && l.Job != engine.SelfJob {
			errs = append(errs, l)
		}
	}

	return named(errs)
}

func named(errs []error) error {
	if more := len(errs) - maxNamedLosses; more > 0 {
		errs = append(errs[:maxNamedLosses:maxNamedLosses], fmt.Errorf("and %d more targets", more))
	}

	return errors.Join(errs...)
}

// storageChecks are what /health looks at.
func storageChecks(status func() engine.Status) []bridge.Check {
	return []bridge.Check{
		{Name: "storage", Fatal: true, Run: func() error { return notStored(status()) }},
		{Name: "scrapes", Run: func() error { return partlyStored(status()) }},
	}
}

var lostDesc = prometheus.NewDesc("llmwatch_scrape_samples_lost_total",
	"Samples that targets answered and that could not be stored, by the job that was scraped.", []string{"scraped_job"}, nil)

// lossCollector counts what of the scrapes is not stored.
type lossCollector struct{ lost func() map[string]int }

// Describe implements prometheus.Collector.
func (c *lossCollector) Describe(descs chan<- *prometheus.Desc) { descs <- lostDesc }

// Collect implements prometheus.Collector.
func (c *lossCollector) Collect(out chan<- prometheus.Metric) {
	for job, n := range c.lost() {
		out <- prometheus.MustNewConstMetric(lostDesc, prometheus.CounterValue, float64(n), job)
	}
}
