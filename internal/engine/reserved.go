package engine

import (
	"fmt"
	"strings"
	"sync"
	"time"

	"github.com/prometheus/common/model"
	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/rules"
	"github.com/prometheus/prometheus/scrape"
)

// The reasons why a series may not be pushed.
const (
	reasonReservedName = "reserved_name"
	reasonReservedJob  = "reserved_job"
)

// maxReservedJobs bounds the jobs that are remembered of what was scraped.
const maxReservedJobs = 10_000

// refreshReserved is how often targets and rules are looked at.
const refreshReserved = time.Second

// reserved knows the series that only this engine writes: the names of what it
// and its rules make, and the jobs that it scrapes. Whoever pushes must not be
// able to change what was measured or decided here.
type reserved struct {
	targets func() map[string][]*scrape.Target
	rules   func() []*rules.Group

	mu sync.RWMutex // Guards the fields below.
	// scraped are the jobs of samples that were scraped, which is not always that
	// of their target.
	scraped map[string]bool
	// active are the jobs of targets, recorded the names of recording rules.
	active, recorded map[string]bool
	refreshed        time.Time
}

// note remembers the job of a scraped sample.
func (r *reserved) note(job string) {
	if job == "" {
		return
	}
	r.mu.RLock()
	known := r.scraped[job]
	r.mu.RUnlock()
	if known {
		return
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.scraped == nil {
		r.scraped = map[string]bool{}
	}
	if len(r.scraped) < maxReservedJobs {
		r.scraped[strings.Clone(job)] = true
	}
}

// refresh looks at targets and rules, unless somebody has just done so.
func (r *reserved) refresh(now time.Time) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if now.Sub(r.refreshed) < refreshReserved {
		return
	}
	active, recorded := map[string]bool{SelfJob: true}, map[string]bool{}
	for pool, targets := range r.targets() {
		active[pool] = true
		for _, t := range targets {
			active[t.GetValue(model.JobLabel)] = true
		}
	}
	for _, g := range r.rules() {
		for _, rule := range g.Rules() {
			if _, ok := rule.(*rules.RecordingRule); ok {
				recorded[rule.Name()] = true
			}
		}
	}
	r.active, r.recorded, r.refreshed = active, recorded, now
}

// reservedNames are those that the engine gives to what it makes itself.
var reservedNames = map[string]bool{"up": true, "ALERTS": true, "ALERTS_FOR_STATE": true}

// check says why a series may not be pushed; the reason is empty if it may.
func (r *reserved) check(series labels.Labels) (reason, why string) {
	name, job := series.Get(model.MetricNameLabel), series.Get(model.JobLabel)
	r.mu.RLock()
	defer r.mu.RUnlock()
	switch {
	case reservedNames[name], strings.HasPrefix(name, "scrape_"), strings.HasPrefix(name, "llmwatch_"):
		return reasonReservedName, fmt.Sprintf("the name %q is reserved for what llmwatch measures itself", name)
	case strings.Contains(name, ":"), r.recorded[name]:
		return reasonReservedName, fmt.Sprintf("the name %q is reserved for recording rules", name)
	case r.active[job], r.scraped[job]:
		return reasonReservedJob, fmt.Sprintf("the job %q is scraped by llmwatch; give what is pushed another service.name", job)
	default:
		return "", ""
	}
}
