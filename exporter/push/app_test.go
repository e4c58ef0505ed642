package push

import (
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/prometheus/client_golang/prometheus/testutil"

	"llmwatch/exporter"
)

func TestAppRecordsEachEvent(t *testing.T) {
	b := newBench(t, nil)
	for _, test := range []struct {
		name, events, metric string
		labels               []string
		want                 float64
	}{
		{"a queued job", `{"type":"job","job_id":"a","job_type":"finetuning","event":"queued"}`, "llm_jobs", []string{"finetuning", "queued"}, 1},
		{"a started job", `{"type":"job","job_id":"a","job_type":"finetuning","event":"started"}`, "llm_jobs", []string{"finetuning", "running"}, 1},
		{"its queue wait", "", "llm_job_queue_wait_seconds", []string{"finetuning"}, 1},
		{
			"progress by step", `{"type":"job","job_id":"a","job_type":"finetuning","event":"progress","step":7,"loss":1.5}`,
			"llm_job_last_progress_timestamp_seconds",
			[]string{"finetuning"},
			float64(start().Unix()),
		},
		{
			"progress by share", `{"type":"job","job_id":"b","job_type":"evaluation","event":"progress","progress":0.25}`,
			"llm_job_last_progress_timestamp_seconds",
			[]string{"evaluation"},
			float64(start().Unix()),
		},
		{"a finite loss", "", "llm_job_nonfinite_loss_total", []string{"finetuning"}, 0},
		{
			"losses that are not finite", `{"type":"job","job_id":"a","job_type":"finetuning","event":"progress","step":8,"loss":"NaN"}
				{"type":"job","job_id":"a","job_type":"finetuning","event":"progress","step":9,"loss":"-Infinity"}
				{"type":"job","job_id":"a","job_type":"finetuning","event":"progress","step":10,"loss":"inf"}`,
			"llm_job_nonfinite_loss_total",
			[]string{"finetuning"},
			3,
		},
		{
			"the loss that a job died of", `{"type":"job","job_id":"a","job_type":"finetuning","event":"failed","loss":"nan"}`,
			"llm_job_nonfinite_loss_total",
			[]string{"finetuning"},
			4,
		},
		{"a failed job", "", "llm_jobs_finished_total", []string{"finetuning", "failed"}, 1},
		{"its duration", "", "llm_job_duration_seconds", []string{"finetuning", "failed"}, 1},
		{
			"a completed job, reported twice", strings.Repeat(`{"type":"job","job_id":"b","job_type":"evaluation","event":"completed"}`, 2),
			"llm_jobs_finished_total",
			[]string{"evaluation", "completed"},
			1,
		},
		{"a cancelled job", `{"type":"job","job_id":"c","job_type":"evaluation","event":"cancelled"}`, "llm_jobs_finished_total", []string{"evaluation", "cancelled"}, 1},
		{
			"trained tokens", strings.Repeat(`{"type":"job","job_id":"d","job_type":"finetuning","event":"progress","progress":1,"trained_tokens":512,"model":"llama"}`, 2),
			"llm_trained_tokens_total",
			[]string{"llama"},
			1024,
		},
		{"a score", `{"type":"evaluation","evaluation":"mmlu","model":"llama","score":-0.5}`, "llm_evaluation_score", []string{"mmlu", "llama"}, -.5},
		{"cache hits", strings.Repeat(`{"type":"cache","cache":"prompt","hits":3,"misses":1}`, 2), "llm_cache_requests_total", []string{"prompt", "hit"}, 6},
		{"cache misses", "", "llm_cache_requests_total", []string{"prompt", "miss"}, 2},
		{"cache entries", `{"type":"cache","cache":"prompt","entries":42,"size_bytes":4096}`, "llm_cache_entries", []string{"prompt"}, 42},
		{"cache size", "", "llm_cache_size_bytes", []string{"prompt"}, 4096},
		{"used connections", `{"type":"connections","pool":"main","used":3,"idle":2,"max":10}`, "db_client_connection_count", []string{"main", "used"}, 3},
		{"idle connections", "", "db_client_connection_count", []string{"main", "idle"}, 2},
		{"most connections", "", "db_client_connection_max", []string{"main"}, 10},
		{"a queue", `{"type":"queue","queue":"jobs","depth":0}`, "llm_queue_depth", []string{"jobs"}, 0},
		{
			"a model call", `{"type":"model_call","model":"gpt","operation":"chat","provider":"openai","input_tokens":10,"output_tokens":20,
				"duration_ms":900,"time_to_first_token_ms":100,"time_per_output_token_ms":40,"error_type":"timeout","cost_usd":0.25}`,
			"gen_ai_server_request_duration_seconds",
			[]string{"gpt", "chat", "openai", "timeout"},
			1,
		},
		{"its first token", "", "gen_ai_server_time_to_first_token_seconds", []string{"gpt", "chat", "openai", "timeout"}, 1},
		{"its other tokens", "", "gen_ai_server_time_per_output_token_seconds", []string{"gpt", "chat", "openai", "timeout"}, 1},
		{"its input", "", "gen_ai_client_token_usage", []string{"gpt", "chat", "openai", "timeout", "input"}, 1},
		{"its output", "", "gen_ai_client_token_usage", []string{"gpt", "chat", "openai", "timeout", "output"}, 1},
		{"its cost", "", "llm_cost_usd_total", []string{"gpt", "inference"}, .25},
		{"another cost", `{"type":"tokens","model":"gpt","cost_usd":2,"cost_type":"finetuning"}`, "llm_cost_usd_total", []string{"gpt", "finetuning"}, 2},
	} {
		t.Run(test.name, func(t *testing.T) {
			if test.events != "" {
				b.pass(b.receiver.App(), test.events)
			}
			if got := b.value(test.metric, test.labels...); got != test.want {
				t.Errorf("%s%v is %v, want %v", test.metric, test.labels, got, test.want)
			}
		})
	}
	problems, err := testutil.GatherAndLint(b.registry)
	if err != nil {
		t.Fatal(err)
	}
	for _, problem := range problems {
		if problem.Metric != "db_client_connection_count" { // OpenTelemetry's name.
			t.Errorf("promlint: %s: %s", problem.Metric, problem.Text)
		}
	}
}

func TestAppRefusesWithTheFieldAndWhatWouldBeRight(t *testing.T) {
	b := newBench(t, nil)
	const call = `"type":"model_call","model":"m",`
	for _, test := range []struct{ event, want string }{
		{`{}`, `type must be one of job, evaluation, cache, connections, queue, model_call, tokens, got nothing`},
		{`{"type":"gauge"}`, `type must be one of job, evaluation, cache, connections, queue, model_call, tokens, got "gauge"`},
		{`{"type":"job","job_type":"x","event":"queued"}`, `job_id must be a string of 1 to 256 bytes, got nothing`},
		{`{"type":"job","job_id":7,"job_type":"x","event":"queued"}`, `job_id must be a string of 1 to 256 bytes, got 7`},
		{`{"type":"job","job_id":"a","event":"queued"}`, `job_type must be a string of 1 to 256 bytes, got nothing`},
		{`{"type":"job","job_id":"a","job_type":"x","event":"done"}`, `event must be one of queued, started, progress, completed, failed, cancelled, got "done"`},
		{`{"type":"job","job_id":"a","job_type":"x","event":"progress","loss":1}`, `step must be a whole number from 0, or progress a number from 0 to 1, got nothing`},
		{`{"type":"job","job_id":"a","job_type":"x","event":"progress","progress":1.01}`, `progress must be at most 1, got 1.01`},
		{`{"type":"job","job_id":"a","job_type":"x","event":"progress","step":-1}`, `step must be a whole number from 0, got -1`},
		{`{"type":"job","job_id":"a","job_type":"x","event":"progress","step":1,"loss":"high"}`, `loss must be a number, "NaN", "Infinity" or "-Infinity", got "high"`},
		{`{"type":"job","job_id":"a","job_type":"x","event":"completed","trained_tokens":1}`, `model must be the name of the model that trained_tokens went into, got nothing`},
		{`{"type":"evaluation","evaluation":"e","model":"m"}`, `score must be a number, got nothing`},
		{`{"type":"evaluation","evaluation":"e","model":"m","score":"NaN"}`, `score must be a number, got "NaN"`},
		{`{"type":"evaluation","evaluation":"e","model":"m","score":1e999}`, `score must be a number, got 1e999`},
		{`{"type":"cache","cache":"c"}`, `one of hits, misses, entries or size_bytes must be given, got none`},
		{`{"type":"cache","cache":"c","hits":-1,"entries":5}`, `hits must be a whole number from 0, got -1`},
		{`{"type":"cache","cache":"c","entries":5,"instance":""}`, `instance must be a string of 1 to 256 bytes, got ""`},
		{`{"type":"connections","pool":"p","used":1}`, `idle must be a whole number from 0, got nothing`},
		{`{"type":"queue","queue":"q","depth":1.5}`, `depth must be a whole number from 0, got 1.5`},
		{`{"type":"queue","depth":1}`, `queue must be a string of 1 to 256 bytes, got nothing`},
		{`{` + call + `"operation":"chat"}`, `one of input_tokens, output_tokens, duration_ms, time_to_first_token_ms, time_per_output_token_ms or cost_usd must be given, got none`},
		{`{` + call + `"cost_usd":-1}`, `cost_usd must be a number from 0, got -1`},
		{`{` + call + `"cost_usd":1000001}`, `cost_usd must be at most 1000000, got 1000001`},
		{`{` + call + `"duration_ms":"Infinity"}`, `duration_ms must be a number from 0, got "Infinity"`},
	} {
		t.Run(test.want, func(t *testing.T) {
			a := b.post(b.receiver.App(), test.event)
			if diff := cmp.Diff([]string{test.want}, a.texts()); diff != "" || a.Status != 400 || a.Error.Code != "invalid_event" {
				t.Errorf("answered %+v (-want +got):\n%s", a, diff)
			}
		})
	}
	if got := b.value("llm_cache_entries", "c"); got != -1 {
		t.Errorf("half of a refused event was recorded: %v cache entries", got)
	}
}

func TestAppAddsUpGaugesOverInstances(t *testing.T) {
	b := newBench(t, nil)
	push := func(instance, depth string) {
		t.Helper()
		b.pass(b.receiver.App(), `{"type":"queue","queue":"jobs","depth":`+depth+instance+`}`)
	}
	depth := func(want float64) {
		t.Helper()
		if got := b.value("llm_queue_depth", "jobs"); got != want {
			t.Errorf("the queue is %v deep, want %v", got, want)
		}
	}
	const one, two = `,"instance":"worker-1"`, `,"instance":"worker-2"`

	push(one, "3")
	push(two, "4")
	depth(7)
	push(one, "3")
	depth(7) // A repeated report does not double.
	push(one, "1")
	depth(5) // A newer one replaces it.
	push("", "10")
	push("", "20")
	depth(25) // Who does not name itself is one instance.

	b.now = b.now.Add(exporter.DefaultSourceTTL)
	push(two, "4")
	b.now = b.now.Add(time.Second)
	depth(4) // The others have fallen silent.
}
