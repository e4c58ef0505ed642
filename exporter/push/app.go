package push

import (
	"math"

	"llmwatch/exporter"
)

// defaultInstance is the source of the gauges whose sender does not name itself.
// The empty name would be this process, which never falls silent.
const defaultInstance = "default"

// maxCost is the most that one event may cost, in US dollars.
const maxCost = 1e6

// recordApp records an application event. It reads all fields before it records
// any, so that an event counts as a whole or not at all.
func (r *Receiver) recordApp(f *fields) error {
	switch f.oneOf("type", "job", "evaluation", "cache", "connections", "queue", "model_call", "tokens") {
	case "job":
		return r.recordJob(f)
	case "evaluation":
		return r.recordEvaluation(f)
	case "cache":
		return r.recordCache(f)
	case "connections":
		return r.recordConnections(f)
	case "queue":
		return r.recordQueue(f)
	case "model_call", "tokens":
		return r.recordModelCall(f)
	}

	return f.err
}

// The steps of a job.
const (
	jobQueued    = "queued"
	jobStarted   = "started"
	jobProgress  = "progress"
	jobCompleted = "completed"
	jobFailed    = "failed"
	jobCancelled = "cancelled"
)

func (r *Receiver) recordJob(f *fields) error {
	id := string(f.bytes("job_id", maxTextBytes))
	if id == "" {
		f.fail("job_id", "a string of 1 to 256 bytes", nil)
	}
	jobType := f.needText("job_type")
	event := f.oneOf("event", jobQueued, jobStarted, jobProgress, jobCompleted, jobFailed, jobCancelled)
	step, progressed := f.step()
	if event == jobProgress && !progressed {
		f.fail("step", "a whole number from 0, or progress a number from 0 to 1", nil)
	}
	loss, hasLoss := f.loss("loss")
	tokens, trained := f.count("trained_tokens")
	model := f.text("model")
	if trained && model == "" {
		f.fail("model", "the name of the model that trained_tokens went into", nil)
	}
	if f.err != nil {
		return f.err
	}

	if trained {
		r.options.App.AddTrainedTokens(model, tokens)
	}
	job := r.options.App.Job(id, jobType)
	if event != jobQueued && event != jobStarted && (progressed || hasLoss) {
		// The last report of a job may tell what it died of.
		job.Progress(step, loss)
	}
	switch event {
	case jobQueued:
		job.Queued()
	case jobStarted:
		job.Start()
	case jobCompleted:
		job.Complete()
	case jobFailed:
		job.Fail()
	case jobCancelled:
		job.Cancel()
	}

	return nil
}

// step returns how far a job is: its step or, in millionths, its progress.
func (f *fields) step() (int64, bool) {
	share, hasShare := f.number("progress", 0, 1)
	if step, ok := f.count("step"); ok {
		return step, true
	}

	return int64(math.Round(share * 1e6)), hasShare
}

func (r *Receiver) recordEvaluation(f *fields) error {
	evaluation, model := f.needText("evaluation"), f.needText("model")
	score, ok := f.number("score", math.Inf(-1), math.Inf(1))
	if !ok {
		f.fail("score", "a number", nil)
	}
	if f.err != nil {
		return f.err
	}
	r.options.App.SetEvaluationScore(evaluation, model, score)

	return nil
}

func (r *Receiver) recordCache(f *fields) error {
	source, cache := f.instance(), f.needText("cache")
	hits, hasHits := f.count("hits")
	misses, hasMisses := f.count("misses")
	entries, hasEntries := f.count("entries")
	size, hasSize := f.count("size_bytes")
	f.needOne(hasHits || hasMisses || hasEntries || hasSize, "hits, misses, entries or size_bytes")
	if f.err != nil {
		return f.err
	}
	if hasHits || hasMisses {
		r.options.App.AddCacheRequests(cache, hits, misses)
	}
	if hasEntries {
		r.options.App.Source(source).SetCacheEntries(cache, entries)
	}
	if hasSize {
		r.options.App.Source(source).SetCacheBytes(cache, size)
	}

	return nil
}

func (r *Receiver) recordConnections(f *fields) error {
	source, pool := f.instance(), f.needText("pool")
	used, idle := f.needCount("used"), f.needCount("idle")
	most, hasMost := f.count("max")
	if f.err != nil {
		return f.err
	}
	r.options.App.Source(source).SetConnections(pool, used, idle)
	if hasMost {
		r.options.App.Source(source).SetMaxConnections(pool, most)
	}

	return nil
}

func (r *Receiver) recordQueue(f *fields) error {
	source, queue := f.instance(), f.needText("queue")
	depth := f.needCount("depth")
	if f.err != nil {
		return f.err
	}
	r.options.App.Source(source).SetQueueDepth(queue, depth)

	return nil
}

func (r *Receiver) recordModelCall(f *fields) error {
	call := exporter.ModelRequest{
		Model:     f.needText("model"),
		Operation: f.text("operation"),
		Provider:  f.text("provider"),
		ErrorType: f.text("error_type"),
	}
	var has [6]bool
	call.InputTokens, has[0] = f.count("input_tokens")
	call.OutputTokens, has[1] = f.count("output_tokens")
	call.Duration, has[2] = f.milliseconds("duration_ms")
	call.TimeToFirstToken, has[3] = f.milliseconds("time_to_first_token_ms")
	call.TimePerOutputToken, has[4] = f.milliseconds("time_per_output_token_ms")
	cost, hasCost := f.number("cost_usd", 0, maxCost)
	has[5] = hasCost
	costType := f.text("cost_type")
	if costType == "" {
		costType = "inference"
	}
	f.needOne(has != [6]bool{}, "input_tokens, output_tokens, duration_ms, time_to_first_token_ms, "+
		"time_per_output_token_ms or cost_usd")
	if f.err != nil {
		return f.err
	}
	r.options.App.RecordModelRequest(call)
	if hasCost {
		r.options.App.AddCost(call.Model, costType, cost)
	}

	return nil
}

// instance returns who the gauges of an event belong to.
func (f *fields) instance() string {
	if name := f.text("instance"); name != "" {
		return name
	}

	return defaultInstance
}

// needOne refuses an event that tells nothing.
func (f *fields) needOne(has bool, names string) {
	if !has && f.err == nil {
		f.err = rejection("one of " + names + " must be given, got none")
	}
}
