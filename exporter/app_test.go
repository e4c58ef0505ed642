package exporter

import (
	"bytes"
	"errors"
	"log/slog"
	"math"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/prometheus/client_golang/prometheus"
)

func newTestApp(t *testing.T, registerer prometheus.Registerer, options AppOptions) *App {
	t.Helper()

	a, err := NewApp(registerer, options)
	if err != nil {
		t.Fatal(err)
	}

	return a
}

// check compares some samples of a scrape; an empty one is to be missing.
func check(t *testing.T, registry *prometheus.Registry, when string, want map[string]string) {
	t.Helper()

	got := scrape(t, registry)
	for series, value := range want {
		if got[series] != value {
			t.Errorf("%s: %s is %q, want %q", when, series, got[series], value)
		}
	}
}

func TestAppExposition(t *testing.T) {
	clock := newTestClock()
	registry := prometheus.NewPedanticRegistry()
	a := newTestApp(t, registry, AppOptions{Now: clock.Now})

	a.Job("1", "finetuning").Queued()
	running := a.Job("2", "finetuning")
	running.Queued()
	clock.advance(90 * time.Second)
	running.Start()
	running.Progress(1, 2.5)
	running.Progress(2, math.NaN(), math.Inf(1))
	done := a.Job("3", "evaluation")
	done.Start()
	clock.advance(10 * time.Minute)
	done.Complete()

	a.SetEvaluationScore("mmlu", "llama-3-70b", 0.82)
	a.AddTrainedTokens("llama-3-70b", 4096)
	a.AddCost("gpt-4", "inference", 0.25)
	a.AddCacheRequests("responses", 9, 1)
	source := a.Source("")
	source.SetCacheEntries("responses", 10)
	source.SetCacheBytes("responses", 2048)
	source.SetConnections("main", 3, 7)
	source.SetMaxConnections("main", 20)
	source.SetQueueDepth("training", 5)
	a.RecordModelRequest(ModelRequest{
		Operation: "chat", Provider: "openai", Model: "gpt-4", Duration: 2 * time.Second,
		TimeToFirstToken: 200 * time.Millisecond, InputTokens: 100, OutputTokens: 19,
	})
	a.RecordModelRequest(ModelRequest{
		Operation: "chat", Provider: "openai", Model: "gpt-4", ErrorType: "timeout", Duration: 30 * time.Second,
	})
	golden(t, "app.prom", exposition(t, registry))

	// OpenTelemetry gave this name.
	want := []string{`db_client_connection_count non-histogram and non-summary metrics should not have "_count" suffix`}
	if diff := cmp.Diff(want, lintComplaints(t, registry)); diff != "" {
		t.Errorf("complaints (-want +got):\n%s", diff)
	}
}

func TestAppHistogramsAreNativeToo(t *testing.T) {
	registry := prometheus.NewPedanticRegistry()
	a := newTestApp(t, registry, AppOptions{})
	job := a.Job("", "finetuning")
	job.Queued()
	job.Start()
	job.Complete()
	a.RecordModelRequest(ModelRequest{
		Duration: 2, TimeToFirstToken: 1, TimePerOutputToken: 1, InputTokens: 1,
	})
	for _, name := range []string{
		"llm_job_duration_seconds", "llm_job_queue_wait_seconds", "gen_ai_server_request_duration_seconds",
		"gen_ai_server_time_to_first_token_seconds", "gen_ai_server_time_per_output_token_seconds",
		"gen_ai_client_token_usage",
	} {
		if h := nativeOf(t, registry, name); h.schema != 4 || h.count != 1 {
			t.Errorf("%s has schema %d and %d observations, want 4 and 1", name, h.schema, h.count)
		}
	}
}

func TestNewAppRefuses(t *testing.T) {
	if _, err := NewApp(nil, AppOptions{}); err == nil {
		t.Error("no error without a registerer")
	}
	registry := prometheus.NewRegistry()
	newTestApp(t, registry, AppOptions{})
	var already prometheus.AlreadyRegisteredError
	if _, err := NewApp(registry, AppOptions{}); !errors.As(err, &already) {
		t.Errorf("error of a second App is %v, want %T", err, already)
	}
}

func TestJobs(t *testing.T) {
	const (
		queued    = `llm_jobs{state="queued",type="finetuning"}`
		running   = `llm_jobs{state="running",type="finetuning"}`
		completed = `llm_jobs_finished_total{status="completed",type="finetuning"}`
		failed    = `llm_jobs_finished_total{status="failed",type="finetuning"}`
		cancelled = `llm_jobs_finished_total{status="cancelled",type="finetuning"}`
		waits     = `llm_job_queue_wait_seconds_count{type="finetuning"}`
		wait      = `llm_job_queue_wait_seconds_sum{type="finetuning"}`
		duration  = `llm_job_duration_seconds_sum{status="completed",type="finetuning"}`
		nonfinite = `llm_job_nonfinite_loss_total{type="finetuning"}`
	)
	tests := []struct {
		name string
		run  func(a *App, job *Job, clock *testClock)
		want map[string]string
	}{
		{"only named", func(*App, *Job, *testClock) {}, map[string]string{queued: "0", running: "0", completed: "0", failed: "0", cancelled: "0", nonfinite: "0"}},
		{"queued", func(_ *App, j *Job, _ *testClock) { j.Queued() }, map[string]string{queued: "1", running: "0"}},
		{"queued twice, with a pause", func(_ *App, j *Job, c *testClock) {
			j.Queued()
			c.advance(time.Minute)
			j.Queued()
			c.advance(time.Minute)
			j.Start()
		}, map[string]string{queued: "0", running: "1", waits: "1", wait: "120"}},
		{"started", func(_ *App, j *Job, _ *testClock) { j.Start() }, map[string]string{queued: "0", running: "1", waits: ""}},
		{"started twice", func(_ *App, j *Job, c *testClock) {
			j.Queued()
			j.Start()
			c.advance(time.Minute)
			j.Start()
			c.advance(time.Minute)
			j.Complete()
		}, map[string]string{running: "0", waits: "1", wait: "0", completed: "1", duration: "120"}},
		{"queued after its start", func(_ *App, j *Job, _ *testClock) { j.Start(); j.Queued() }, map[string]string{queued: "0", running: "1"}},
		{"completed twice", func(_ *App, j *Job, _ *testClock) { j.Start(); j.Complete(); j.Complete() }, map[string]string{running: "0", completed: "1"}},
		{"completed, then everything else", func(_ *App, j *Job, _ *testClock) {
			j.Complete()
			j.Fail()
			j.Cancel()
			j.Queued()
			j.Start()
			j.Progress(1, math.NaN())
		}, map[string]string{queued: "0", running: "0", completed: "1", failed: "0", cancelled: "0", nonfinite: "0"}},
		{"failed", func(_ *App, j *Job, _ *testClock) { j.Start(); j.Fail() }, map[string]string{running: "0", failed: "1"}},
		{"cancelled before its start", func(_ *App, j *Job, _ *testClock) { j.Queued(); j.Cancel() }, map[string]string{queued: "0", cancelled: "1", waits: ""}},
		{"cancelled before anything", func(_ *App, j *Job, _ *testClock) { j.Cancel() }, map[string]string{cancelled: "1"}},
		{"completed without a start", func(_ *App, j *Job, _ *testClock) { j.Queued(); j.Complete() }, map[string]string{queued: "0", completed: "1", duration: ""}},
		{"progress without a start", func(_ *App, j *Job, _ *testClock) { j.Queued(); j.Progress(1); j.Complete() }, map[string]string{queued: "0", running: "0", completed: "1", duration: "", waits: ""}},
		{"reported twice by id", func(a *App, _ *Job, _ *testClock) {
			for range 2 {
				a.Job("j", "finetuning").Queued()
				a.Job("j", "finetuning").Start()
			}
		}, map[string]string{queued: "0", running: "1", waits: "1"}},
		{"finished twice by id", func(a *App, _ *Job, _ *testClock) {
			a.Job("j", "finetuning").Complete()
			a.Job("j", "finetuning").Complete()
			a.Job("j", "finetuning").Start()
		}, map[string]string{running: "0", completed: "1"}},
		{"two without an id", func(a *App, _ *Job, _ *testClock) {
			a.Job("", "finetuning").Start()
			a.Job("", "finetuning").Start()
			a.Job("", "finetuning").Complete()
		}, map[string]string{running: "2", completed: "1"}},
		{"another type by id", func(a *App, j *Job, _ *testClock) { j.Start(); a.Job("j", "evaluation").Complete() }, map[string]string{running: "0", completed: "1"}},
		{"losses", func(_ *App, j *Job, _ *testClock) {
			j.Progress(1, 0.5)
			j.Progress(2, math.NaN(), math.NaN())
			j.Progress(3, 0.5, math.Inf(-1))
			j.Progress(4)
		}, map[string]string{nonfinite: "2", running: "1"}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			clock := newTestClock()
			registry := prometheus.NewPedanticRegistry()
			a := newTestApp(t, registry, AppOptions{Now: clock.Now})
			tt.run(a, a.Job("j", "finetuning"), clock)
			check(t, registry, "afterwards", tt.want)
		})
	}
}

func TestLastProgress(t *testing.T) {
	const series = `llm_job_last_progress_timestamp_seconds{type="finetuning"}`
	clock := newTestClock()
	start := clock.now.Unix()
	registry := prometheus.NewPedanticRegistry()
	a := newTestApp(t, registry, AppOptions{Now: clock.Now})
	want := func(when string, seconds int64) {
		t.Helper()
		value := ""
		if seconds >= 0 {
			value = strconv.FormatFloat(float64(start+seconds), 'g', -1, 64)
		}
		check(t, registry, when, map[string]string{series: value})
	}
	slow, fast := a.Job("slow", "finetuning"), a.Job("fast", "finetuning")
	a.Job("silent", "finetuning").Start()
	slow.Start()
	want("before any progress", -1)
	slow.Progress(0)
	want("at step 0", 0)
	clock.advance(time.Minute)
	fast.Progress(10)
	want("with a faster job", 0)
	slow.Progress(0)
	want("at step 0 again", 0)
	slow.Progress(1)
	want("at the next step", 60)
	clock.advance(time.Minute)
	fast.Progress(9)
	want("while another one goes back to its checkpoint", 60)
	slow.Fail()
	want("when the slowest is gone", 120)
	fast.Cancel()
	want("when all are gone", -1)
}

func TestJobsUseNoMemoryOnceFinished(t *testing.T) {
	a := newTestApp(t, prometheus.NewRegistry(), AppOptions{})
	run := func(from, to int) {
		for i := from; i < to; i++ {
			job := a.Job("a job with quite a long id, to show "+strconv.Itoa(i), "finetuning")
			job.Start()
			job.Progress(1)
			job.Complete()
		}
	}
	run(0, 2*maxRememberedJobs)
	before := heap()
	run(2*maxRememberedJobs, 200_000)
	if grown := heap() - before; grown > 1<<20 {
		t.Errorf("memory grew by %d bytes", grown)
	}
	if n := len(a.jobs.jobs) + len(a.jobs.byID); n != 0 {
		t.Errorf("%d jobs are kept, want none", n)
	}
	if len(a.jobs.finished) != maxRememberedJobs || len(a.jobs.ring) != maxRememberedJobs {
		t.Errorf("%d finished jobs remembered, want %d", len(a.jobs.finished), maxRememberedJobs)
	}
}

func TestUnfinishedJobsAreBounded(t *testing.T) {
	var log bytes.Buffer
	registry := prometheus.NewPedanticRegistry()
	a := newTestApp(t, registry, AppOptions{MaxJobs: 3, Logger: slog.New(slog.NewTextHandler(&log, nil))})
	var jobs []*Job
	for i := range 10 {
		job := a.Job(strconv.Itoa(i), "evaluation")
		job.Start()
		jobs = append(jobs, job)
	}
	check(t, registry, "with 10 jobs", map[string]string{`llm_jobs{state="running",type="evaluation"}`: "3"})
	for _, job := range jobs {
		job.Complete()
	}
	check(t, registry, "when all completed", map[string]string{
		`llm_jobs{state="running",type="evaluation"}`:                   "0",
		`llm_jobs_finished_total{status="completed",type="evaluation"}`: "10",
	})
	if n := strings.Count(log.String(), "too many unfinished jobs"); n != 1 {
		t.Errorf("%d warnings, want 1", n)
	}
}

func TestSilentJobsAreForgotten(t *testing.T) {
	const running = `llm_jobs{state="running",type="evaluation"}`
	clock := newTestClock()
	registry := prometheus.NewPedanticRegistry()
	a := newTestApp(t, registry, AppOptions{Now: clock.Now, JobTTL: time.Hour})
	job := a.Job("1", "evaluation")
	job.Start()
	clock.advance(time.Hour)
	check(t, registry, "after an hour", map[string]string{running: "1"})
	clock.advance(time.Second)
	check(t, registry, "after more than that", map[string]string{running: "0"})
	job.Progress(1)
	check(t, registry, "when it is heard of again", map[string]string{running: "1"})
	job.Complete()
	check(t, registry, "completed", map[string]string{
		running: "0",
		`llm_job_duration_seconds_sum{status="completed",type="evaluation"}`: "3601",
	})
}

func TestSourcesAddUp(t *testing.T) {
	const depth = `llm_queue_depth{queue="training"}`
	clock := newTestClock()
	registry := prometheus.NewPedanticRegistry()
	a := newTestApp(t, registry, AppOptions{Now: clock.Now})
	a.Source("").SetQueueDepth("training", 1)
	worker := a.Source("worker-1")
	worker.SetQueueDepth("training", 100)
	worker.SetQueueDepth("training", 10)
	a.Source("worker-2").SetQueueDepth("training", 100)
	check(t, registry, "at first", map[string]string{depth: "111"})

	clock.advance(4 * time.Minute)
	a.Source("worker-2")
	clock.advance(time.Minute)
	check(t, registry, "after 5 minutes", map[string]string{depth: "111"})
	clock.advance(time.Second)
	check(t, registry, "when worker-1 is silent for longer", map[string]string{depth: "101"})
	clock.advance(time.Hour)
	check(t, registry, "when all are", map[string]string{depth: "1"})
	worker.SetQueueDepth("training", 5)
	check(t, registry, "when worker-1 comes back", map[string]string{depth: "6"})
}

func TestSourcesAreBounded(t *testing.T) {
	var log bytes.Buffer
	clock := newTestClock()
	registry := prometheus.NewPedanticRegistry()
	a := newTestApp(t, registry, AppOptions{Now: clock.Now, Logger: slog.New(slog.NewTextHandler(&log, nil))})
	set := func() {
		for i := range 2 * maxSources {
			a.Source("worker-"+strconv.Itoa(i)).SetCacheEntries("kv", 1)
		}
		a.Source("").SetCacheEntries("kv", 1)
	}
	set()
	check(t, registry, "with too many", map[string]string{`llm_cache_entries{cache="kv"}`: strconv.Itoa(maxSources + 1)})
	if n := strings.Count(log.String(), "too many sources"); n != 1 {
		t.Errorf("%d warnings, want 1", n)
	}
	clock.advance(DefaultSourceTTL + time.Second)
	a.Source("fresh").SetCacheEntries("kv", 7)
	check(t, registry, "when they are gone, without a scrape between", map[string]string{`llm_cache_entries{cache="kv"}`: "8"})
}

func TestAppLabelsAreBounded(t *testing.T) {
	registry := prometheus.NewPedanticRegistry()
	a := newTestApp(t, registry, AppOptions{MaxLabelValues: 5})
	for i := range 100 {
		v := "value" + strconv.Itoa(i)
		a.Job(v, v).Start()
		a.SetEvaluationScore(v, v, 1)
		a.AddTrainedTokens(v, 1)
		a.AddCost(v, v, 1)
		a.AddCacheRequests(v, 1, 1)
		s := a.Source("")
		s.SetCacheEntries(v, 1)
		s.SetCacheBytes(v, 1)
		s.SetConnections(v, 1, 1)
		s.SetMaxConnections(v, 1)
		s.SetQueueDepth(v, 1)
		a.RecordModelRequest(ModelRequest{Operation: v, Provider: v, Model: v, ErrorType: v, Duration: 1, InputTokens: 1})
	}
	families, err := registry.Gather()
	if err != nil {
		t.Fatal(err)
	}
	for _, family := range families {
		distinct := make(map[string]map[string]bool)
		for _, metric := range family.GetMetric() {
			for _, label := range metric.GetLabel() {
				if distinct[label.GetName()] == nil {
					distinct[label.GetName()] = make(map[string]bool)
				}
				distinct[label.GetName()][label.GetValue()] = true
			}
		}
		for label, values := range distinct {
			fixed := label == "metric" || label == "status" || label == "state" || label == "result" || label == "gen_ai_token_type"
			if !fixed && (len(values) != 6 || !values[Other]) {
				t.Errorf("label %s of %s has the values %v, want 5 and other", label, family.GetName(), values)
			}
		}
	}
}

func TestAppIgnoresNonsense(t *testing.T) {
	var log bytes.Buffer
	registry := prometheus.NewPedanticRegistry()
	a := newTestApp(t, registry, AppOptions{Logger: slog.New(slog.NewTextHandler(&log, nil))})
	for name, report := range map[string]func(){
		"a score that is no number": func() { a.SetEvaluationScore("e", "m", math.NaN()) },
		"a negative cost":           func() { a.AddCost("m", "t", -1) },
		"an infinite cost":          func() { a.AddCost("m", "t", math.Inf(1)) },
		"negative tokens":           func() { a.AddTrainedTokens("m", -1) },
		"negative hits":             func() { a.AddCacheRequests("c", -1, 1) },
		"negative misses":           func() { a.AddCacheRequests("c", 1, -1) },
		"a negative depth":          func() { a.Source("").SetQueueDepth("q", -1) },
		"a negative duration":       func() { a.RecordModelRequest(ModelRequest{Duration: -1}) },
		"a negative token count":    func() { a.RecordModelRequest(ModelRequest{OutputTokens: -1}) },
	} {
		t.Run(name, func(t *testing.T) {
			log.Reset()
			report()
			if got := scrape(t, registry); len(got) != 0 {
				t.Errorf("recorded %v, want nothing", got)
			}
			if !strings.Contains(log.String(), "not recorded") {
				t.Errorf("log is %q, want it to say so", log.String())
			}
		})
	}
}

func TestTimePerOutputToken(t *testing.T) {
	const sum = `gen_ai_server_time_per_output_token_seconds_sum{error_type="",gen_ai_operation_name="",gen_ai_provider_name="",gen_ai_request_model=""}`
	tests := []struct {
		name    string
		request ModelRequest
		want    string
	}{
		{"given", ModelRequest{TimePerOutputToken: time.Second, Duration: 9 * time.Second, TimeToFirstToken: 1, OutputTokens: 2}, "1"},
		{"computed", ModelRequest{Duration: 9 * time.Second, TimeToFirstToken: time.Second, OutputTokens: 5}, "2"},
		{"of one token", ModelRequest{Duration: 9 * time.Second, TimeToFirstToken: time.Second, OutputTokens: 1}, ""},
		{"without the first", ModelRequest{Duration: 9 * time.Second, OutputTokens: 5}, ""},
		{"without the whole", ModelRequest{TimeToFirstToken: time.Second, OutputTokens: 5}, ""},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			registry := prometheus.NewPedanticRegistry()
			newTestApp(t, registry, AppOptions{}).RecordModelRequest(tt.request)
			check(t, registry, "recorded", map[string]string{sum: tt.want})
		})
	}

	t.Run("of a request that failed", func(t *testing.T) {
		registry := prometheus.NewPedanticRegistry()
		newTestApp(t, registry, AppOptions{}).RecordModelRequest(ModelRequest{
			ErrorType: "timeout", Duration: 9 * time.Second, TimeToFirstToken: time.Second, OutputTokens: 5,
		})
		if strings.Contains(exposition(t, registry), "per_output_token") {
			t.Error("computed")
		}
	})
}

func TestAppIsSafeForConcurrentUse(t *testing.T) {
	registry := prometheus.NewPedanticRegistry()
	a := newTestApp(t, registry, AppOptions{})
	var wg sync.WaitGroup
	for worker := range 8 {
		wg.Go(func() {
			for i := range 100 {
				job := a.Job(strconv.Itoa(i), "finetuning") // The same ones in all workers.
				job.Queued()
				job.Start()
				job.Progress(int64(i), math.NaN())
				job.Complete()
				a.Source(strconv.Itoa(worker)).SetQueueDepth("training", 2)
				a.AddCacheRequests("kv", 1, 0)
			}
		})
	}
	wg.Go(func() {
		for range 20 {
			scrape(t, registry)
		}
	})
	wg.Wait()
	check(t, registry, "afterwards", map[string]string{
		`llm_jobs{state="running",type="finetuning"}`:                   "0",
		`llm_jobs_finished_total{status="completed",type="finetuning"}`: "100",
		`llm_queue_depth{queue="training"}`:                             "16",
		`llm_cache_requests_total{cache="kv",result="hit"}`:             "800",
	})
}
