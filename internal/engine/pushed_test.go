package engine

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strconv"
	"strings"
	"testing"
	"time"

	"llmwatch/internal/quota"
)

// otlpAttribute is a part of an OTLP request in JSON.
type otlpAttribute struct {
	Key   string            `json:"key"`
	Value map[string]string `json:"value"`
}

func attributesOf(set map[string]string) []otlpAttribute {
	list := []otlpAttribute{}
	for name, value := range set {
		list = append(list, otlpAttribute{name, map[string]string{"stringValue": value}})
	}

	return list
}

// gauge is a request with a gauge's samples at a time, one for each set of labels.
func gauge(name, service, instance string, at time.Time, points ...map[string]string) string {
	data := []map[string]any{}
	for _, labels := range points {
		data = append(data, map[string]any{
			"timeUnixNano": strconv.FormatInt(at.UnixNano(), 10), "asDouble": 1e12, "attributes": attributesOf(labels),
		})
	}
	resource := map[string]string{}
	for key, value := range map[string]string{"service.name": service, "service.instance.id": instance} {
		if value != "" {
			resource[key] = value
		}
	}
	text, err := json.Marshal(map[string]any{"resourceMetrics": []any{map[string]any{
		"resource": map[string]any{"attributes": attributesOf(resource)},
		"scopeMetrics": []any{map[string]any{"metrics": []any{
			map[string]any{"name": name, "gauge": map[string]any{"dataPoints": data}},
		}}},
	}}})
	if err != nil {
		panic(err)
	}

	return string(text)
}

// pushAnswer is what a push is answered.
type pushAnswer struct {
	status   int
	Rejected string `json:"rejectedDataPoints"`
	Message  string `json:"errorMessage"`
}

func push(t *testing.T, e *Engine, body string) pushAnswer {
	t.Helper()

	r := httptest.NewRequestWithContext(t.Context(), http.MethodPost, OTLPPath, strings.NewReader(body))
	r.Header.Set("Content-Type", "application/json")
	w := httptest.NewRecorder()
	e.OTLP().ServeHTTP(w, r)
	text, err := io.ReadAll(w.Result().Body)
	if err != nil {
		t.Fatal(err)
	}
	if w.Code != http.StatusOK {
		return pushAnswer{status: w.Code, Message: string(text)}
	}
	var answer struct {
		PartialSuccess pushAnswer `json:"partialSuccess"`
	}
	if err := json.Unmarshal(text, &answer); err != nil {
		t.Fatalf("%s: %v", text, err)
	}
	answer.PartialSuccess.status = w.Code

	return answer.PartialSuccess
}

func TestPushedSamples(t *testing.T) {
	cfg, value, _ := testConfig(t)
	cfg.Series = quota.NewSeriesCount(quota.Limits{SeriesPerToken: 1000})
	value.Set(21)
	e, q := start(t, cfg)
	eventually(t, q, `test:double`, 42)

	none := map[string]string{}
	now := time.Now()
	for name, tc := range map[string]struct {
		body string
		want string // Part of the message; empty where the sample is taken.
	}{
		"of a program of its own":          {gauge("queue_length", "platform", "worker-1", now, none), ""},
		"a second ahead":                   {gauge("queue_ahead", "platform", "worker-1", now.Add(time.Second), none), ""},
		"ten minutes ahead":                {gauge("queue_future", "platform", "worker-1", now.Add(590*time.Second), none), "future: 1 refused"},
		"half a minute ahead":              {gauge("queue_future", "platform", "worker-1", now.Add(30*time.Second), none), "check the sender's clock"},
		"of yesterday":                     {gauge("queue_old", "platform", "worker-1", now.Add(-24*time.Hour), none), "old: 1 refused"},
		"without a time":                   {gauge("queue_old", "platform", "worker-1", time.Unix(0, 0), none), "old: 1 refused"},
		"of what the engine scrapes":       {gauge("test_value", SelfJob, "here", now, none), `the job "llmwatch" is scraped`},
		"of another instance of that":      {gauge("test_value", SelfJob, "there", now, none), `the job "llmwatch" is scraped`},
		"with that job as an attribute":    {gauge("test_value", "", "", now, map[string]string{"job": SelfJob, "instance": "here"}), "reserved_job"},
		"up":                               {gauge("up", "platform", "worker-1", now, none), `the name "up" is reserved`},
		"a report of a scrape":             {gauge("scrape_duration_seconds", "platform", "worker-1", now, none), "reserved_name"},
		"ALERTS":                           {gauge("ALERTS", "platform", "worker-1", now, none), "reserved_name"},
		"ALERTS_FOR_STATE":                 {gauge("ALERTS_FOR_STATE", "platform", "worker-1", now, none), "reserved_name"},
		"llmwatch's own":                   {gauge("llmwatch.build.info", "platform", "worker-1", now, none), "reserved_name"},
		"and of a series that is there":    {gauge("queue_length", "platform", "worker-1", now.Add(time.Millisecond), none), ""},
		"with two thousand attributes":     {gauge("wide", "platform", "worker-1", now, manyAttributes(2000)), "at most 128 attributes"},
		"with a value of eight kilobytes":  {gauge("long", "platform", "worker-1", now, map[string]string{"k": strings.Repeat("v", 8<<10)}), "must be at most 4096 bytes"},
		"with a name of a thousand bytes":  {gauge(strings.Repeat("n", 1000), "platform", "worker-1", now, none), "its name must be"},
		"with a label of a thousand bytes": {gauge("long", "platform", "worker-1", now, map[string]string{strings.Repeat("n", 1000): "v"}), "must be at most 256 bytes"},
	} {
		t.Run(name, func(t *testing.T) {
			got := push(t, e, tc.body)
			switch {
			case got.status != http.StatusOK:
				t.Errorf("answered %d: %s", got.status, got.Message)
			case tc.want == "" && (got.Rejected != "" || got.Message != ""):
				t.Errorf("%s refused: %s", got.Rejected, got.Message)
			case tc.want != "" && (got.Rejected == "" || !strings.Contains(got.Message, tc.want)):
				t.Errorf("%q refused: %q, want %q", got.Rejected, got.Message, tc.want)
			}
		})
	}

	value.Set(22)
	eventually(t, q, `test_value{job="llmwatch",instance="here"}`, 22)
	eventually(t, q, `test:double`, 44)
	eventually(t, q, `queue_length{job="platform",instance="worker-1"}`, 1e12)
}

func manyPoints(n int) []map[string]string {
	points := make([]map[string]string, n)
	for i := range points {
		points[i] = map[string]string{"k": strconv.Itoa(i)}
	}

	return points
}

func manyAttributes(n int) map[string]string {
	set := map[string]string{}
	for i := range n {
		set[fmt.Sprint("k", i)] = "v"
	}

	return set
}

// TestPushedSamplesOnceTheQuotaIsUsedUp shows that nothing but the quota's answer
// comes back, and that other principals are not concerned.
func TestPushedSamplesOnceTheQuotaIsUsedUp(t *testing.T) {
	cfg, _, _ := testConfig(t)
	cfg.Series = quota.NewSeriesCount(quota.Limits{SeriesPerToken: 10})
	e, _ := start(t, cfg)
	if got := push(t, e, gauge("many", "platform", "a", time.Now(), manyPoints(25)...)); got.Rejected != "15" {
		t.Errorf("%q refused, want 15: %s", got.Rejected, got.Message)
	}
	got := push(t, e, gauge("others", "platform", "a", time.Now(), manyPoints(3)...))
	if got.status != http.StatusTooManyRequests || !strings.Contains(got.Message, "limits.series_per_token") {
		t.Errorf("answered %d: %s", got.status, got.Message)
	}
}

// TestScrapesThatCannotBeStored shows that a series with a sample in the future,
// such as one of a clock that was wrong, is named and costs the others nothing.
func TestScrapesThatCannotBeStored(t *testing.T) {
	cfg, value, _ := testConfig(t)
	e, q := start(t, cfg)
	eventually(t, q, `test_value{job="llmwatch"}`, 0)
	if losses := e.Status().Losses; len(losses) != 0 {
		t.Fatalf("there is trouble: %v", losses[0])
	}
	forward(t, e, `test_requests_total`, 590*time.Second)

	value.Set(7)
	eventually(t, q, `test_value{job="llmwatch"}`, 7)
	deadline := time.Now().Add(20 * time.Second)
	for len(e.Status().Losses) == 0 && time.Now().Before(deadline) {
		time.Sleep(50 * time.Millisecond)
	}
	losses := e.Status().Losses
	if len(losses) != 1 {
		t.Fatalf("%d targets are named", len(losses))
	}
	if text := losses[0].Error(); losses[0].Whole() || !strings.Contains(text, "target here of job llmwatch") || !strings.Contains(text, "test_requests_total") {
		t.Error(text)
	}
}
