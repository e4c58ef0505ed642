package exporter

import (
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

// modelMetrics are those of OpenTelemetry's semantic conventions for generative
// AI.
type modelMetrics struct {
	duration, firstToken, perToken, usage *prometheus.HistogramVec
}

func newModelMetrics() modelMetrics {
	labels := []string{"gen_ai_operation_name", "gen_ai_provider_name", "gen_ai_request_model", "error_type"}

	return modelMetrics{
		duration: nativeHistogram("gen_ai_server_request_duration_seconds",
			"Duration of requests to models.", prometheus.ExponentialBuckets(.01, 2, 14), labels...),
		firstToken: nativeHistogram("gen_ai_server_time_to_first_token_seconds",
			"Time until models produced their first token.",
			[]float64{.001, .005, .01, .02, .04, .06, .08, .1, .25, .5, .75, 1, 2.5, 5, 7.5, 10}, labels...),
		perToken: nativeHistogram("gen_ai_server_time_per_output_token_seconds",
			"Time that models took for each token after the first.",
			[]float64{.01, .025, .05, .075, .1, .15, .2, .3, .4, .5, .75, 1, 2.5}, labels...),
		usage: nativeHistogram("gen_ai_client_token_usage",
			"Tokens of requests to models, by type: input or output.",
			prometheus.ExponentialBuckets(1, 4, 14), append(labels, "gen_ai_token_type")...),
	}
}

// ModelRequest is a request to a model that has ended. What is 0 is not known
// and not observed.
type ModelRequest struct {
	// Operation is what was asked for: chat, text_completion, embeddings, …
	Operation string
	// Provider is who runs the model: openai, anthropic, vllm, …
	Provider string
	// Model is the name of the model that was asked for.
	Model string
	// ErrorType is the class of the error that the request ended with, like
	// timeout; empty if it succeeded.
	ErrorType string
	// Duration is how long the request took altogether.
	Duration time.Duration
	// TimeToFirstToken is how long its first token took.
	TimeToFirstToken time.Duration
	// TimePerOutputToken is the mean time for each token after the first. If
	// it is 0 and the request succeeded, it is computed from the other fields:
	// (Duration - TimeToFirstToken) / (OutputTokens - 1).
	TimePerOutputToken time.Duration
	// InputTokens and OutputTokens are how many tokens were read and produced.
	InputTokens, OutputTokens int64
}

// RecordModelRequest measures a request to a model.
func (a *App) RecordModelRequest(r ModelRequest) {
	const metric = "gen_ai_server_request_duration_seconds"
	labels := []string{
		a.limits.operation.value(r.Operation, metric), a.limits.provider.value(r.Provider, metric),
		a.limits.model.value(r.Model, metric), a.limits.errorType.value(r.ErrorType, metric),
	}
	perToken := r.TimePerOutputToken
	if perToken == 0 && r.ErrorType == "" && r.TimeToFirstToken > 0 && r.Duration > r.TimeToFirstToken && r.OutputTokens > 1 {
		perToken = (r.Duration - r.TimeToFirstToken) / time.Duration(r.OutputTokens-1)
	}
	metrics := &a.metrics.model
	for _, o := range []struct {
		what   string
		value  float64
		metric *prometheus.HistogramVec
		labels []string
	}{
		{"duration", r.Duration.Seconds(), metrics.duration, labels},
		{"time to first token", r.TimeToFirstToken.Seconds(), metrics.firstToken, labels},
		{"time per output token", perToken.Seconds(), metrics.perToken, labels},
		{"input tokens", float64(r.InputTokens), metrics.usage, append(labels[:4:4], "input")},
		{"output tokens", float64(r.OutputTokens), metrics.usage, append(labels[:4:4], "output")},
	} {
		if o.value != 0 && a.notNegative(o.what, o.value) {
			o.metric.WithLabelValues(o.labels...).Observe(o.value)
		}
	}
}
