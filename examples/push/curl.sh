#!/bin/sh
# Pushes a few API and application events to llmwatch and prints its answers.
# LLMWATCH_URL is where llmwatch listens. Fails on any HTTP error.
set -eu

base="${LLMWATCH_URL:-http://localhost:5000}/api/v1/monitoring/metrics"

# push PATH TYPE [OPTION...] sends standard input. --fail-with-body makes curl
# fail on an HTTP error and still print the answer, which says what was wrong.
push() {
	path=$1 type=$2
	shift 2
	curl -sS --fail-with-body --max-time 10 -H "Content-Type: $type" "$@" --data-binary @- "$base/$path"
}

# One request that the platform served, with all documented fields.
push api application/json <<JSON
{"timestamp": "$(date -u +%Y-%m-%dT%H:%M:%SZ)", "endpoint": "/api/v1/generate", "method": "POST", "status_code": 200,
 "response_time_ms": 150.5, "request_size_bytes": 1024, "response_size_bytes": 2048}
JSON

# Several, one a line, compressed. The endpoints become one: /api/v1/models/{id}.
gzip -c <<JSON | push api application/x-ndjson -H 'Content-Encoding: gzip'
{"endpoint": "/api/v1/models/17", "method": "GET", "status_code": 200, "response_time_ms": 3.2}
{"endpoint": "/api/v1/models/42", "method": "GET", "status_code": 500, "response_time_ms": 12}
JSON

# The life of a job. Ids are unique: another run takes another one.
job="\"type\": \"job\", \"job_id\": \"example-$$-$(date +%s)\", \"job_type\": \"finetuning\""
push app application/x-ndjson <<JSON
{$job, "event": "queued"}
{$job, "event": "started"}
{$job, "event": "progress", "step": 100, "loss": 2.31, "trained_tokens": 51200, "model": "llama-3-8b"}
{$job, "event": "completed"}
JSON

# What a worker counts and holds, in an array.
push app application/json <<JSON
[{"type": "evaluation", "evaluation": "mmlu", "model": "llama-3-8b", "score": 0.68},
 {"type": "cache", "instance": "worker-1", "cache": "prompt", "hits": 9, "misses": 1, "entries": 120, "size_bytes": 65536},
 {"type": "connections", "instance": "worker-1", "pool": "main", "used": 3, "idle": 2, "max": 10},
 {"type": "queue", "instance": "worker-1", "queue": "finetuning", "depth": 4},
 {"type": "model_call", "model": "llama-3-8b", "operation": "chat", "provider": "vllm", "input_tokens": 150,
  "output_tokens": 80, "duration_ms": 2300, "time_to_first_token_ms": 180, "cost_usd": 0.0021}]
JSON
