package loggen

import (
	"fmt"
	"math"
	"math/rand/v2"
	"strconv"
	"strings"
	"time"

	"llmwatch/bridge/logstore/entry"
)

// Platform is the documented kind of log: of a hundred lines 70 are of requests, 15
// of a cache, 12 of training, and 3 are errors with stack traces.
type Platform struct {
	rng       *rand.Rand
	clock     clock
	threads   []int
	processes []int
	users     []string
	sessions  []string
	jobs      []job
	keys      []string // What the caches hold.
}

type job struct {
	id    string
	step  int
	scale float64
}

// NewPlatform returns the entries of a seed, the first one just after start.
func NewPlatform(seed uint64, start time.Time) *Platform {
	rng := rand.New(rand.NewPCG(seed, 1))
	p := &Platform{rng: rng, clock: newClock(rng, start, 5*time.Millisecond)}
	for range 4 {
		p.processes = append(p.processes, 10_000+rng.IntN(50_000))
	}
	for range 16 {
		p.threads = append(p.threads, 140_000_000_000_000+rng.IntN(1_000_000_000)*1024)
	}
	p.users = words(rng, "user", "0123456789", 5, 2000)
	p.sessions = words(rng, "sess-", hexDigits, 8, 5000)
	p.keys = words(rng, "", hexDigits, 16, 50_000)
	for range 3 {
		p.jobs = append(p.jobs, job{"ft-" + word(rng, hexDigits, 8), rng.IntN(1000), 1 + rng.Float64()})
	}

	return p
}

// Next implements Source.
func (p *Platform) Next(e *entry.Entry) {
	e.Time, e.Fields = p.clock.next(), e.Fields[:0]
	switch n := p.rng.IntN(100); {
	case n < 70:
		p.request(e)
	case n < 85:
		p.cache(e)
	case n < 97:
		p.training(e)
	default:
		p.failure(e)
	}
}

// AppendLine implements Source.
func (p *Platform) AppendLine(dst []byte, e *entry.Entry) []byte { return entry.AppendJSON(dst, e) }

func (p *Platform) origin(e *entry.Entry, module, function string, line int) {
	e.Fields = append(e.Fields, text("module", module), text("function", function), integer("line", line),
		integer("thread", p.threads[p.rng.IntN(len(p.threads))]), integer("process", p.processes[p.rng.IntN(len(p.processes))]))
}

func (p *Platform) requestID() entry.Field {
	return text("request_id", "req-"+word(p.rng, hexDigits, 12))
}

var routes = []struct {
	method, path string
	median, size float64 // Milliseconds and bytes.
}{
	{"POST", "/api/v1/generate", 900, 3000},
	{"POST", "/api/v1/chat/completions", 1200, 4000},
	{"POST", "/api/v1/embeddings", 45, 12_000},
	{"GET", "/api/v1/models", 4, 1800},
	{"POST", "/api/v1/completions", 800, 2500},
	{"GET", "/api/v1/jobs", 12, 5200},
	{"POST", "/api/v1/evaluate", 2500, 900},
	{"GET", "/api/v1/datasets", 18, 7400},
	{"DELETE", "/api/v1/sessions", 7, 60},
	{"GET", "/health", 1, 40},
}

var statuses = []int{400, 401, 404, 422, 429, 499, 500, 502, 503}

func (p *Platform) request(e *entry.Entry) {
	route := pick(p.rng, routes)
	status := 200
	if p.rng.IntN(100) < 5 {
		status = pick(p.rng, statuses)
	}
	duration := max(0.1, route.median*math.Exp(p.rng.NormFloat64()*0.6))
	e.Level, e.Logger, e.Message = entry.Info, "api.requests", "Request completed"
	switch {
	case status >= 500:
		e.Level = entry.Warning
	case duration > 3000:
		e.Level, e.Message = entry.Warning, "Slow request: "+route.method+" "+route.path+" took "+decimal(duration, 1)+" ms"
	}
	p.origin(e, "logging_middleware", "log_request_end", 85)
	e.Fields = append(e.Fields, p.requestID(), text("method", route.method), text("path", route.path), integer("status_code", status),
		number("duration_ms", decimal(duration, 1)), integer("response_size", int(route.size*math.Exp(p.rng.NormFloat64()*0.5))))
	if p.rng.IntN(100) < 30 {
		e.Fields = append(e.Fields, text("user_id", pick(p.rng, p.users)), text("session_id", pick(p.rng, p.sessions)))
	}
}

var caches = []string{"embeddings", "prompts", "responses", "tokenizer"}

func (p *Platform) cache(e *entry.Entry) {
	hit, outcome := true, "hit"
	at := int(float64(len(p.keys)) * p.rng.Float64() * p.rng.Float64()) // Some are asked for more often.
	if p.rng.IntN(100) >= 78 {
		hit, outcome = false, "miss"
		p.keys[at] = word(p.rng, hexDigits, 16)
	}
	name, key := pick(p.rng, caches), p.keys[at]
	e.Level, e.Logger, e.Message = entry.Debug, "llm.cache", "Cache "+outcome+" in "+name+" for key "+key
	p.origin(e, "cache_manager", "lookup", 142)
	e.Fields = append(e.Fields, text("cache", name), text("key", key), entry.Field{Name: "hit", Kind: entry.Bool, Value: strconv.FormatBool(hit)},
		number("lookup_ms", decimal(0.02+p.rng.ExpFloat64()*0.3, 3)), integer("entries", 90_000+p.rng.IntN(10_000)))
}

func (p *Platform) training(e *entry.Entry) {
	j := &p.jobs[p.rng.IntN(len(p.jobs))]
	j.step++
	const steps, perEpoch = 2_000_000, 5000
	loss := j.scale*(1.2+3/math.Sqrt(1+float64(j.step)/400)) + p.rng.NormFloat64()*0.08
	rate := 2e-4 * math.Cos(math.Pi/2*float64(j.step)/steps)
	e.Level, e.Logger, e.Message = entry.Info, "training.trainer", fmt.Sprintf("Step %d/%d: loss=%.4f lr=%.3e", j.step, steps, loss, rate)
	p.origin(e, "trainer", "train_step", 318)
	e.Fields = append(e.Fields, text("job_id", j.id), integer("epoch", j.step/perEpoch), integer("step", j.step),
		number("loss", decimal(loss, 4)), number("learning_rate", strconv.FormatFloat(rate, 'g', 8, 64)),
		number("tokens_per_second", decimal(18_000+p.rng.NormFloat64()*900, 1)))
}

var frames = []string{
	`"/app/api/routes.py", line 112, in dispatch(request=<Request 0x%x>)`,
	`"/app/api/middleware.py", line 64, in __call__(scope=%d)`,
	`"/app/api/generate.py", line 208, in generate(max_tokens=%d)`,
	`"/app/serving/scheduler.py", line 391, in submit(slot=%d)`,
	`"/app/serving/scheduler.py", line 427, in _wait(deadline=%d)`,
	`"/app/serving/batcher.py", line 77, in add(batch=%d)`,
	`"/app/serving/worker.py", line 154, in run(worker=%d)`,
	`"/app/serving/engine.py", line 533, in step(sequences=%d)`,
	`"/app/models/transformer.py", line 981, in forward(tokens=%d)`,
	`"/app/models/attention.py", line 245, in attend(block=%d)`,
	`"/app/models/kv_cache.py", line 119, in allocate(bytes=%d)`,
	`"/app/db/pool.py", line 58, in acquire(timeout=%d)`,
	`"/app/db/session.py", line 33, in execute(statement=<Select 0x%x>)`,
	`"/usr/lib/python3.12/asyncio/runners.py", line 118, in run`,
	`"/usr/lib/python3.12/concurrent/futures/thread.py", line 58, in run`,
	`"/usr/lib/python3.12/site-packages/starlette/routing.py", line 73, in app`,
	`"/usr/lib/python3.12/site-packages/torch/nn/modules/module.py", line 1736, in _wrapped_call_impl`,
	`"/usr/lib/python3.12/site-packages/torch/nn/modules/module.py", line 1747, in _call_impl`,
}

var failures = []struct{ logger, module, function, kind, format string }{
	{"api.requests", "error_handler", "handle_exception", "TimeoutError", "model did not answer within %d ms"},
	{"serving.engine", "engine", "step", "OutOfMemoryError", "CUDA out of memory: tried to allocate %d MiB"},
	{"db.pool", "pool", "acquire", "OperationalError", "database connection refused by 10.0.3.%d:5432"},
	{"api.requests", "error_handler", "handle_exception", "ValidationError", "prompt has %d tokens, at most 8192 are allowed"},
	{"serving.worker", "worker", "run", "RuntimeError", "worker %d stopped answering"},
}

func (p *Platform) failure(e *entry.Entry) {
	f := pick(p.rng, failures)
	reason := fmt.Sprintf(f.format, p.rng.IntN(30_000))
	e.Level, e.Logger, e.Message = entry.Error, f.logger, "Unhandled exception: "+f.kind+": "+reason
	if p.rng.IntN(20) == 0 {
		e.Level = entry.Critical
	}
	p.origin(e, f.module, f.function, 40+len(f.kind))
	e.Fields = append(e.Fields, p.requestID(), text("exception", f.kind), text("stack_trace", p.stack(f.kind+": "+reason)))
}

func (p *Platform) stack(last string) string {
	var b strings.Builder
	b.WriteString("Traceback (most recent call last):\n")
	for range 5 + p.rng.IntN(11) {
		frame := frames[p.rng.IntN(len(frames))]
		b.WriteString("  File ")
		switch {
		case strings.Contains(frame, "%x"):
			fmt.Fprintf(&b, frame, 0x7f0000000000+p.rng.Int64N(1<<32)*16)
		case strings.Contains(frame, "%d"):
			fmt.Fprintf(&b, frame, p.rng.IntN(5000))
		default:
			b.WriteString(frame)
		}
		b.WriteByte('\n')
	}
	b.WriteString(last)

	return b.String()
}
