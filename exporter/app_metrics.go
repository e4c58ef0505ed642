package exporter

import "github.com/prometheus/client_golang/prometheus"

// appMetrics are the metrics of an App that keep their values themselves.
type appMetrics struct {
	jobsFinished, nonfinite, trained, cacheRequests, cost *prometheus.CounterVec
	jobDuration, jobWait                                  *prometheus.HistogramVec
	score                                                 *prometheus.GaugeVec
	model                                                 modelMetrics

	jobs, progress *prometheus.Desc
	gauges         [gaugeCount]*prometheus.Desc
}

func newAppMetrics() appMetrics {
	return appMetrics{
		jobsFinished: counterVec("llm_jobs_finished_total",
			"Jobs that ended, by how: completed, failed or cancelled.", "type", "status"),
		nonfinite: counterVec("llm_job_nonfinite_loss_total",
			"Progress reports of jobs with a loss that is not a finite number.", "type"),
		trained: counterVec("llm_trained_tokens_total", "Tokens that models were trained on.", "model"),
		cacheRequests: counterVec("llm_cache_requests_total",
			"Look-ups in a cache, by result: hit or miss.", "cache", "result"),
		cost: counterVec("llm_cost_usd_total", "Money spent on models, in US dollars.", "model", "type"),
		jobDuration: nativeHistogram("llm_job_duration_seconds",
			"Time that jobs ran for, from start to end.", jobDurationBuckets(), "type", "status"),
		jobWait: nativeHistogram("llm_job_queue_wait_seconds",
			"Time that jobs waited in the queue until they started.", jobWaitBuckets(), "type"),
		score: prometheus.NewGaugeVec(prometheus.GaugeOpts{
			Name: "llm_evaluation_score", Help: "Last score of a model in an evaluation.",
		}, []string{"evaluation", "model"}),
		model: newModelMetrics(),

		jobs: prometheus.NewDesc("llm_jobs", "Unfinished jobs, by state: queued or running.",
			[]string{"type", "state"}, nil),
		progress: prometheus.NewDesc("llm_job_last_progress_timestamp_seconds",
			"When the running job that has been longest without progress last made any; only of jobs that report it.",
			[]string{"type"}, nil),
		gauges: newSourceGauges(),
	}
}

func counterVec(name, help string, labels ...string) *prometheus.CounterVec {
	return prometheus.NewCounterVec(prometheus.CounterOpts{Name: name, Help: help}, labels)
}

// jobDurationBuckets go from 10 s to 3 days.
func jobDurationBuckets() []float64 {
	return []float64{10, 30, 60, 300, 900, 1800, 3600, 7200, 14400, 28800, 86400, 259200}
}

// jobWaitBuckets go from 1 s to 6 hours; 300 is what a rule compares with.
func jobWaitBuckets() []float64 {
	return []float64{1, 5, 15, 30, 60, 120, 300, 600, 1800, 3600, 21600}
}

// appCollector is the App as a prometheus.Collector: all of it is registered,
// or nothing is.
type appCollector App

func (c *appCollector) vectors() []prometheus.Collector {
	m := &c.metrics

	return []prometheus.Collector{
		m.jobsFinished, m.nonfinite, m.trained, m.cacheRequests, m.cost, m.jobDuration, m.jobWait, m.score,
		m.model.duration, m.model.firstToken, m.model.perToken, m.model.usage,
	}
}

// Describe implements prometheus.Collector.
func (c *appCollector) Describe(ch chan<- *prometheus.Desc) {
	ch <- c.metrics.jobs
	ch <- c.metrics.progress
	for _, desc := range c.metrics.gauges {
		ch <- desc
	}
	for _, vector := range c.vectors() {
		vector.Describe(ch)
	}
}

// Collect implements prometheus.Collector. It forgets what has not been heard
// of for too long.
func (c *appCollector) Collect(ch chan<- prometheus.Metric) {
	for _, vector := range c.vectors() {
		vector.Collect(ch)
	}
	for _, metric := range (*App)(c).state() {
		ch <- metric // Not under the lock: ch may block.
	}
}

// state returns the metrics that are computed at each scrape.
func (a *App) state() []prometheus.Metric {
	a.mu.Lock()
	defer a.mu.Unlock()

	now := a.options.Now()

	return append(a.jobState(now), a.sourceState(now)...)
}
