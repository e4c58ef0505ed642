package demo

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math"
	"math/rand/v2"
	"net/http"
	"strings"
	"sync/atomic"
	"time"

	"llmwatch/exporter"
	"llmwatch/logship"
)

// models are what the platform offers, with how they perform.
var models = []struct {
	name, provider string
	firstToken     time.Duration
	perToken       time.Duration
	inputPrice     float64 // US dollars a million tokens.
	outputPrice    float64
}{
	{"llama-3-8b", "vllm", 90 * time.Millisecond, 2 * time.Millisecond, 0.2, 0.2},
	{"llama-3-70b", "vllm", 220 * time.Millisecond, 6 * time.Millisecond, 0.9, 0.9},
	{"gpt-4o", "openai", 350 * time.Millisecond, 4 * time.Millisecond, 2.5, 10},
}

// errNoConnection is why requests fail while the pool is exhausted.
var errNoConnection = errors.New("no connection of pool " + poolName + " became free within 2 s")

// answers numbers the answers, so that each has chance of its own.
type answers struct {
	p     *Platform
	count atomic.Uint64
}

func (p *Platform) routes() http.Handler {
	a := &answers{p: p}
	mux := http.NewServeMux()
	mux.HandleFunc("POST /api/v1/generate", a.model("text_completion"))
	mux.HandleFunc("POST /api/v1/chat", a.model("chat"))
	mux.HandleFunc("POST /api/v1/embeddings", a.model("embeddings"))
	mux.HandleFunc("GET /api/v1/models", a.plain(4*time.Millisecond, http.StatusOK))
	mux.HandleFunc("GET /api/v1/models/{name}", a.plain(3*time.Millisecond, http.StatusOK))
	mux.HandleFunc("POST /api/v1/finetuning/jobs", a.plain(25*time.Millisecond, http.StatusAccepted))
	mux.HandleFunc("GET /api/v1/finetuning/jobs/{id}", a.plain(6*time.Millisecond, http.StatusOK))
	mux.HandleFunc("POST /api/v1/evaluations", a.plain(20*time.Millisecond, http.StatusAccepted))
	mux.HandleFunc("GET /api/v1/prompts/{id}", a.prompt)
	mux.HandleFunc("POST /api/v1/login", a.plain(40*time.Millisecond, http.StatusOK))

	return mux
}

func (a *answers) chance() *rand.Rand { return a.p.random(chanceOfAnswer, a.count.Add(1)) }

// spread is a duration around typical, most often near it and now and then far
// above.
func spread(chance *rand.Rand, typical time.Duration) time.Duration {
	return time.Duration(float64(typical) * math.Exp(chance.NormFloat64()*0.4))
}

// plain answers after a while.
func (a *answers) plain(typical time.Duration, status int) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		chance := a.chance()
		if !a.connected(w, r, chance) || !pause(r.Context(), spread(chance, typical)) {
			return
		}
		reply(w, status, map[string]any{"id": fmt.Sprintf("obj-%08x", chance.Uint32()), "padding": strings.Repeat("x", chance.IntN(600))})
	}
}

// prompt knows most prompts, and none that is asked for by a stale link.
func (a *answers) prompt(w http.ResponseWriter, r *http.Request) {
	chance := a.chance()
	if !a.connected(w, r, chance) || !pause(r.Context(), spread(chance, 5*time.Millisecond)) {
		return
	}
	if chance.IntN(12) == 0 {
		a.p.logger("api.prompts").WarnContext(r.Context(), "Prompt not found", "prompt_id", r.PathValue("id"))
		reply(w, http.StatusNotFound, map[string]any{"error": "no such prompt"})

		return
	}
	reply(w, http.StatusOK, map[string]any{"id": r.PathValue("id"), "text": strings.Repeat("word ", chance.IntN(80))})
}

// model answers from the cache or with what a model says.
func (a *answers) model(operation string) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		chance := a.chance()
		if !a.connected(w, r, chance) {
			return
		}
		if a.p.lookUp(r.Context(), chance) {
			pause(r.Context(), spread(chance, 3*time.Millisecond))
			reply(w, http.StatusOK, map[string]any{"cached": true, "text": strings.Repeat("word ", 20+chance.IntN(100))})

			return
		}
		output := a.p.ask(r.Context(), chance, operation)
		reply(w, http.StatusOK, map[string]any{"cached": false, "text": strings.Repeat("word ", int(output))})
	}
}

// connected takes and returns a connection of the pool, or answers that there is
// none.
func (a *answers) connected(w http.ResponseWriter, r *http.Request, chance *rand.Rand) bool {
	a.p.inFlight.Add(1)
	defer a.p.inFlight.Add(-1)
	if !a.p.trouble().database || chance.IntN(100) >= 35 {
		return true
	}
	pause(r.Context(), spread(chance, 400*time.Millisecond))
	err := a.p.query(r.Context())
	a.p.logger("database.pool").ErrorContext(r.Context(), "Query failed", "pool", poolName, "error", err)
	reply(w, http.StatusServiceUnavailable, map[string]any{"error": "database unavailable"})

	return false
}

// query fails as a query without a connection does.
func (p *Platform) query(ctx context.Context) (err error) {
	defer logship.Call(logship.WithLogger(ctx, p.logger("database.query")), "load_session")(&err)

	return fmt.Errorf("load session: %w", errNoConnection)
}

// lookUp asks the cache.
func (p *Platform) lookUp(ctx context.Context, chance *rand.Rand) bool {
	odds := 70
	if p.trouble().coldCache {
		odds = 12
	}
	hit := chance.IntN(100) < odds
	key := fmt.Sprintf("%016x", chance.Uint64())
	log := p.logger("cache.manager")
	if hit {
		p.app.AddCacheRequests(cacheName, 1, 0)
		log.DebugContext(ctx, "Cache hit", "cache", cacheName, "cache_key", key)
	} else {
		p.app.AddCacheRequests(cacheName, 0, 1)
		p.cached.Store(min(p.cached.Load()+1, maxCacheSize))
		log.InfoContext(ctx, "Cache miss", "cache", cacheName, "cache_key", key)
	}

	return hit
}

// ask has a model answer, and returns the number of tokens.
func (p *Platform) ask(ctx context.Context, chance *rand.Rand, operation string) (output int64) {
	m := models[chance.IntN(len(models))]
	input := 50 + chance.Int64N(1500)
	output = 10 + chance.Int64N(150)
	first := spread(chance, m.firstToken)
	if p.trouble().slow {
		first += spread(chance, 3*time.Second)
	}
	took := first + time.Duration(output)*m.perToken
	request := exporter.ModelRequest{
		Operation: operation, Provider: m.provider, Model: m.name, InputTokens: input, OutputTokens: output,
		Duration: took, TimeToFirstToken: first,
	}
	if chance.IntN(200) == 0 {
		request.ErrorType, request.OutputTokens = "timeout", 0
		p.logger("models."+m.provider).WarnContext(ctx, "Model timed out, answering from the fallback", "model", m.name, "timeout_ms", took.Milliseconds())
	}
	pause(ctx, took)
	p.app.RecordModelRequest(request)
	p.app.AddCost(m.name, "inference", (float64(input)*m.inputPrice+float64(output)*m.outputPrice)/1e6)

	return output
}

func reply(w http.ResponseWriter, status int, body map[string]any) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(body) // A client that has gone needs no answer.
}

// clients send requests at the platform's rate, each by itself.
func (p *Platform) clients(ctx context.Context, base string) {
	client := &http.Client{Timeout: 30 * time.Second, Transport: &http.Transport{MaxIdleConnsPerHost: 100}}
	defer client.CloseIdleConnections()
	requests := make(chan struct{}, 100) // Bounds those under way.
	for n := uint64(0); ; n++ {
		chance := p.random(chanceOfRequest, n)
		gap := time.Duration(chance.ExpFloat64() / p.opts.Rate * float64(time.Second))
		if !pause(ctx, gap) {
			break
		}
		method, path, body := request(chance)
		requests <- struct{}{}
		go func() {
			defer func() { <-requests }()
			if err := send(ctx, client, method, base+path, body); err != nil && ctx.Err() == nil {
				p.logger("demo.client").WarnContext(ctx, "A request got no answer", "err", err)
			}
		}()
	}
	for range cap(requests) { // All of them have ended once every place is free.
		requests <- struct{}{}
	}
}

// request is what a client asks for.
func request(chance *rand.Rand) (method, path, body string) {
	body = `{"prompt":"` + strings.Repeat("word ", 5+chance.IntN(60)) + `"}`
	switch n := chance.IntN(100); {
	case n < 40:
		return http.MethodPost, "/api/v1/generate", body
	case n < 60:
		return http.MethodPost, "/api/v1/chat", body
	case n < 70:
		return http.MethodPost, "/api/v1/embeddings", body
	case n < 76:
		return http.MethodGet, "/api/v1/models", ""
	case n < 82:
		return http.MethodGet, "/api/v1/models/" + models[chance.IntN(len(models))].name, ""
	case n < 85:
		return http.MethodPost, "/api/v1/finetuning/jobs", body
	case n < 91:
		return http.MethodGet, fmt.Sprintf("/api/v1/finetuning/jobs/ft-%06d", chance.IntN(1_000_000)), ""
	case n < 93:
		return http.MethodPost, "/api/v1/evaluations", body
	case n < 98:
		return http.MethodGet, fmt.Sprintf("/api/v1/prompts/%d", chance.IntN(100_000)), ""
	default:
		return http.MethodPost, "/api/v1/login", `{"user":"demo","password":"not-a-real-one"}`
	}
}

func send(ctx context.Context, client *http.Client, method, url, body string) error {
	r, err := http.NewRequestWithContext(ctx, method, url, strings.NewReader(body))
	if err != nil {
		return err
	}
	resp, err := client.Do(r)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	_, err = io.Copy(io.Discard, resp.Body)

	return err
}
