package demo

import (
	"context"
	"fmt"
	"math"
	"time"
)

const (
	stepEvery    = 500 * time.Millisecond
	stepsPerJob  = 60
	tokensAStep  = 8192
	learningRate = 2e-5
	// jobsAtOnce are as many as can be trained at the same time.
	jobsAtOnce = 2
)

// train keeps fine-tuning jobs running, one after the other in each place.
func (p *Platform) train(ctx context.Context) {
	done := make(chan struct{})
	for place := range uint64(jobsAtOnce) {
		go func() {
			defer func() { done <- struct{}{} }()
			for n := place; ctx.Err() == nil; n += jobsAtOnce {
				p.fineTune(ctx, n)
			}
		}()
	}
	for range jobsAtOnce {
		<-done
	}
}

// fineTune is the n-th job from queue to end.
func (p *Platform) fineTune(ctx context.Context, n uint64) {
	chance := p.random(chanceOfJob, n)
	id := fmt.Sprintf("ft-%016x", chance.Uint64())
	model := models[chance.IntN(2)].name // The ones that can be trained here.
	log := p.logger("training.trainer").With("job_id", id, "model", model)
	job := p.app.Job(id, "finetuning")
	job.Queued()
	if !pause(ctx, time.Duration(1+chance.IntN(4))*time.Second) {
		return
	}
	job.Start()
	log.InfoContext(ctx, "Fine-tuning started", "steps", stepsPerJob)
	loss := 2.2 + chance.Float64()
	failsAt := stepsPerJob + 1
	if chance.IntN(6) == 0 {
		failsAt = chance.IntN(stepsPerJob)
	}
	for step := range stepsPerJob {
		if !pause(ctx, stepEvery) {
			return
		}
		loss *= 0.985 + 0.02*chance.Float64() - 0.005
		shown := loss
		if p.trouble().divergence {
			shown = math.NaN()
		}
		job.Progress(int64(step), shown)
		p.app.AddTrainedTokens(model, tokensAStep)
		p.app.AddCost(model, "finetuning", tokensAStep*8/1e6)
		log.InfoContext(ctx, "Training step", "step", step, "loss", shown, "learning_rate", learningRate*(1-float64(step)/stepsPerJob),
			"tokens_per_second", 14000+chance.IntN(4000))
		if step == failsAt {
			job.Fail()
			log.ErrorContext(ctx, "Fine-tuning failed", "step", step,
				"error", "CUDA out of memory: tried to allocate 2.00 GiB on device 0")

			return
		}
	}
	job.Complete()
	log.InfoContext(ctx, "Fine-tuning completed", "final_loss", loss)
}

// evaluate scores the models in turn.
func (p *Platform) evaluate(ctx context.Context) {
	for n := uint64(0); ; n++ {
		chance := p.random(chanceOfEvaluation, n)
		job := p.app.Job(fmt.Sprintf("eval-%016x", chance.Uint64()), "evaluation")
		job.Queued()
		if !pause(ctx, time.Duration(2+chance.IntN(3))*time.Second) {
			return
		}
		job.Start()
		if !pause(ctx, time.Duration(4+chance.IntN(8))*time.Second) {
			return
		}
		model := models[n%uint64(len(models))].name
		score := 0.6 + 0.3*chance.Float64()
		p.app.SetEvaluationScore("mmlu", model, score)
		job.Complete()
		p.logger("evaluation.runner").InfoContext(ctx, "Evaluation completed", "model", model, "evaluation", "mmlu", "score", score)
	}
}

// operate reports, every second, what there is of everything.
func (p *Platform) operate(ctx context.Context) {
	p.state.SetMaxConnections(poolName, poolSize)
	log := p.logger("queue.worker")
	for n := uint64(0); ; n++ {
		chance := p.random(chanceOfState, n)
		now := p.trouble()
		used := min(3+p.inFlight.Load()+chance.Int64N(4), poolSize-1)
		if now.database {
			used = poolSize
		}
		p.state.SetConnections(poolName, used, poolSize-used)
		if now.coldCache && n%30 == 0 {
			p.cached.Store(0)
		}
		p.state.SetCacheEntries(cacheName, p.cached.Load())
		p.state.SetCacheBytes(cacheName, p.cached.Load()*2100)
		depth := p.queued.Load() + chance.Int64N(7) - 3
		if now.backlog {
			depth += 4
		} else if depth > 20 {
			depth -= 8
		}
		depth = max(depth, 0)
		p.queued.Store(depth)
		p.state.SetQueueDepth(queueName, depth)
		if depth > 100 && n%10 == 0 {
			log.WarnContext(ctx, "Queue is falling behind", "queue", queueName, "depth", depth)
		}
		if !pause(ctx, time.Second) {
			return
		}
	}
}
