package exporter

import (
	"hash/maphash"
	"log/slog"
	"math"
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

// The values of the state label of llm_jobs and of the status label of
// llm_jobs_finished_total.
const (
	jobQueued    = "queued"
	jobRunning   = "running"
	jobCompleted = "completed"
	jobFailed    = "failed"
	jobCancelled = "cancelled"
)

// maxRememberedJobs is how many finished jobs are remembered by id.
const maxRememberedJobs = 8192

// Job is one fine-tuning, evaluation or other long piece of work. It is queued,
// then it runs, then it is completed, failed or cancelled; that is final, and
// whatever is reported afterwards, or again, changes nothing. A step may be
// missing: a job whose start was not seen runs from its first progress on, with
// no queue wait and no duration observed.
type Job struct {
	app     *App
	id      string
	jobType string // The label value.

	// Guarded by app.mu.
	state     string    // Empty before anything is known.
	queued    time.Time // Zero if that was not seen, as in the next two.
	started   time.Time
	progress  time.Time
	lastHeard time.Time
	step      int64
}

// jobTable holds the unfinished jobs. App.mu guards it.
type jobTable struct {
	jobs  map[*Job]struct{}
	byID  map[string]*Job
	types map[string]struct{} // Whose series exist, so that they can be 0.

	// The last finished jobs by the hash of their id, in a ring: a report that
	// comes late or twice must not count as another job.
	seed     maphash.Seed
	finished map[uint64]struct{}
	ring     []uint64
	oldest   int
}

func newJobTable() jobTable {
	return jobTable{
		jobs:     make(map[*Job]struct{}),
		byID:     make(map[string]*Job),
		types:    make(map[string]struct{}),
		seed:     maphash.MakeSeed(),
		finished: make(map[uint64]struct{}),
	}
}

// Job returns the unfinished job with that id, or a new one of that type
// ("finetuning", "evaluation" or the platform's own). Ids are unique over all
// sources and all time: a job that runs again takes a new one. For the id of
// one of the last 8192 finished jobs, Job returns a finished job. Jobs with an
// empty id are all different and known by their Job alone.
//
// Nothing is shown of a job before its first report.
func (a *App) Job(id, jobType string) *Job {
	jobType = a.limits.jobType.value(jobType, "llm_jobs")
	a.mu.Lock()
	defer a.mu.Unlock()

	if job := a.jobs.byID[id]; job != nil {
		return job
	}
	job := &Job{app: a, id: id, jobType: jobType}
	if id != "" {
		if _, finished := a.jobs.finished[maphash.String(a.jobs.seed, id)]; finished {
			job.state = jobCompleted // Any final state: none is ever told.

			return job
		}
	}
	a.touch(job)

	return job
}

// Queued reports that the job waits to be started. A job that already runs goes
// on running.
func (j *Job) Queued() {
	if !j.lock() {
		return
	}
	defer j.app.mu.Unlock()

	if j.state == "" {
		j.state = jobQueued
		j.queued = j.lastHeard
	}
}

// Start reports that the job began to run.
func (j *Job) Start() {
	if !j.lock() {
		return
	}
	defer j.app.mu.Unlock()

	if j.state == jobRunning {
		return
	}
	j.state = jobRunning
	j.started = j.lastHeard
	if !j.queued.IsZero() {
		j.app.metrics.jobWait.WithLabelValues(j.jobType).Observe(j.started.Sub(j.queued).Seconds())
	}
}

// Progress reports the step (or batch, or example) that a running job is at,
// and any losses computed there. Progress is made when the step is another one
// than before; a job that reports the same step over and over makes none. A
// loss that is not a finite number is counted once a report.
func (j *Job) Progress(step int64, losses ...float64) {
	if !j.lock() {
		return
	}
	defer j.app.mu.Unlock()

	j.state = jobRunning
	if step != j.step || j.progress.IsZero() {
		j.step = step
		j.progress = j.lastHeard
	}
	for _, loss := range losses {
		if math.IsNaN(loss) || math.IsInf(loss, 0) {
			j.app.metrics.nonfinite.WithLabelValues(j.jobType).Inc()

			break
		}
	}
}

// Complete reports that the job ended as it should.
func (j *Job) Complete() { j.finish(jobCompleted) }

// Fail reports that the job ended with an error.
func (j *Job) Fail() { j.finish(jobFailed) }

// Cancel reports that the job was given up, be it before it started.
func (j *Job) Cancel() { j.finish(jobCancelled) }

func (j *Job) finish(status string) {
	if !j.lock() {
		return
	}
	defer j.app.mu.Unlock()

	metrics := &j.app.metrics
	metrics.jobsFinished.WithLabelValues(j.jobType, status).Inc()
	if !j.started.IsZero() {
		metrics.jobDuration.WithLabelValues(j.jobType, status).Observe(j.lastHeard.Sub(j.started).Seconds())
	}
	j.state = status
	j.app.jobs.remove(j)
	j.app.jobs.remember(j.id)
}

// lock begins a report. It returns false, and nothing is locked, if the job has
// already finished.
func (j *Job) lock() bool {
	j.app.mu.Lock()
	switch j.state {
	case "", jobQueued, jobRunning:
		j.app.touch(j)

		return true
	default:
		j.app.mu.Unlock()

		return false
	}
}

// touch notes that the job was heard of, and shows it if it is new, or comes
// back after JobTTL.
func (a *App) touch(job *Job) {
	job.lastHeard = a.options.Now()
	if _, ok := a.jobs.jobs[job]; ok {
		return
	}
	if len(a.jobs.jobs) >= a.options.MaxJobs {
		a.jobsFull.Do(func() {
			a.options.Logger.Warn("too many unfinished jobs, further ones are counted when they finish",
				slog.Int("limit", a.options.MaxJobs))
		})

		return
	}
	a.jobs.jobs[job] = struct{}{}
	if job.id != "" && a.jobs.byID[job.id] == nil {
		a.jobs.byID[job.id] = job
	}
	a.showType(job.jobType)
}

// showType lets the counters of a job type begin at 0, so that a rate sees the
// first one rise.
func (a *App) showType(jobType string) {
	if _, ok := a.jobs.types[jobType]; ok {
		return
	}
	a.jobs.types[jobType] = struct{}{}
	a.metrics.nonfinite.WithLabelValues(jobType)
	for _, status := range []string{jobCompleted, jobFailed, jobCancelled} {
		a.metrics.jobsFinished.WithLabelValues(jobType, status)
	}
}

func (t *jobTable) remove(job *Job) {
	delete(t.jobs, job)
	if t.byID[job.id] == job {
		delete(t.byID, job.id)
	}
}

// remember keeps the id of a finished job in place of the oldest one.
func (t *jobTable) remember(id string) {
	if id == "" {
		return
	}
	hash := maphash.String(t.seed, id)
	if _, ok := t.finished[hash]; ok {
		return // Two jobs of one id, the second made while there was no room.
	}
	if len(t.ring) < maxRememberedJobs {
		t.ring = append(t.ring, hash)
	} else {
		delete(t.finished, t.ring[t.oldest])
		t.ring[t.oldest] = hash
		t.oldest = (t.oldest + 1) % maxRememberedJobs
	}
	t.finished[hash] = struct{}{}
}

// jobState returns the gauges of the jobs, and forgets those not heard of for
// JobTTL. The caller holds mu.
func (a *App) jobState(now time.Time) []prometheus.Metric {
	type counts struct {
		queued, running int
		progress        time.Time
	}
	byType := make(map[string]*counts)
	for jobType := range a.jobs.types {
		byType[jobType] = new(counts)
	}
	for job := range a.jobs.jobs {
		if now.Sub(job.lastHeard) > a.options.JobTTL {
			a.jobs.remove(job)

			continue
		}
		c := byType[job.jobType]
		switch job.state {
		case jobQueued:
			c.queued++
		case jobRunning:
			c.running++
			if !job.progress.IsZero() && (c.progress.IsZero() || job.progress.Before(c.progress)) {
				c.progress = job.progress
			}
		}
	}
	metrics := make([]prometheus.Metric, 0, 3*len(byType))
	for jobType, c := range byType {
		metrics = append(metrics,
			gauge(a.metrics.jobs, float64(c.queued), jobType, jobQueued),
			gauge(a.metrics.jobs, float64(c.running), jobType, jobRunning))
		if !c.progress.IsZero() {
			seconds := float64(c.progress.UnixMilli()) / 1000
			metrics = append(metrics, gauge(a.metrics.progress, seconds, jobType))
		}
	}

	return metrics
}
