package metrics

// The series that are read. Those that begin with `llmwatch:` are made by
// rules/recording.yml out of whatever the platform publishes.
const (
	seriesCPU         = "llmwatch:cpu_percent"
	seriesMemory      = "llmwatch:memory_percent"
	seriesDisk        = "llmwatch:disk_percent"
	seriesSent        = "llmwatch:network_sent_bytes"
	seriesReceived    = "llmwatch:network_received_bytes"
	seriesConnections = "llmwatch:connections"

	// Counts are read from the counters themselves: a recorded copy would lose
	// what happened between its last sample and a restart.
	seriesRequests     = "http_server_request_duration_seconds_count"
	seriesDuration     = "http_server_request_duration_seconds_sum"
	seriesRequestSize  = "http_server_request_body_size_bytes_sum"
	seriesResponseSize = "http_server_response_body_size_bytes_sum"
	// Requests that failed although their status is below 500, and the longest
	// request of the last minutes: neither has a name in the conventions.
	seriesFailed  = "http_server_failed_requests_total"
	seriesLongest = "http_server_request_duration_max_seconds"

	labelRoute    = "http_route"
	labelMethod   = "http_request_method"
	labelCode     = "http_response_status_code"
	labelInstance = "instance"
)

// byEndpoint groups request series the way the documented answers do.
const byEndpoint = "sum by (" + labelRoute + ", " + labelMethod + ", " + labelCode + ") "
