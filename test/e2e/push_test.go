package e2e

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"math"
	"math/rand/v2"
	"net/http"
	"slices"
	"testing"
	"time"
)

// post pushes a body and decodes the answer.
func (r *rest) post(path string, body, into any) int {
	r.t.Helper()

	text, err := json.Marshal(body)
	if err != nil {
		r.t.Fatal(err)
	}
	req, err := http.NewRequestWithContext(r.t.Context(), http.MethodPost, r.base+apiBase+path, bytes.NewReader(text))
	if err != nil {
		r.t.Fatal(err)
	}
	req.Header.Set("Content-Type", "application/json")
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		r.t.Fatal(err)
	}
	defer resp.Body.Close()
	answer, err := io.ReadAll(resp.Body)
	if err != nil {
		r.t.Fatal(err)
	}
	r.conforms(resp, answer)
	if err := json.Unmarshal(answer, into); err != nil {
		r.t.Fatalf("POST %s answered %s: %v", path, answer, err)
	}

	return resp.StatusCode
}

// pushAnswer is what a push receiver answers.
type pushAnswer struct {
	Success  bool `json:"success"`
	Accepted int  `json:"accepted"`
	Rejected int  `json:"rejected"`
	Errors   []struct {
		Index int    `json:"index"`
		Error string `json:"error"`
	} `json:"errors"`
}

type pushedRequest struct {
	Endpoint string  `json:"endpoint"`
	Method   string  `json:"method"`
	Status   int     `json:"status_code"`
	Time     float64 `json:"response_time_ms"`
}

// TestPushedCountsAreExact pushes an odd number of requests, spread over
// several scrapes with a restart in between, and wants them all back.
func TestPushedCountsAreExact(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	args := []string{"--data-dir", dir, "--collection-interval", "1", "--check-interval", "1"}
	p, r := llmwatch(t, "serve", args...)

	random := rand.New(rand.NewPCG(1, 2))
	var times []float64
	total, failures, routes, longest := 0, 0, map[string]bool{}, 0.0
	push := func(n int) {
		t.Helper()
		batch := make([]pushedRequest, n)
		for i := range batch {
			e := pushedRequest{
				Endpoint: fmt.Sprintf("/api/v1/route%c", 'a'+total%7), Method: http.MethodPost, Status: http.StatusOK,
				Time: math.Exp(random.NormFloat64())*120 + 1,
			}
			if total%29 == 3 {
				e.Status = http.StatusInternalServerError
				failures++
			}
			batch[i] = e
			times, longest, routes[e.Endpoint] = append(times, e.Time), max(longest, e.Time), true
			total++
		}
		var a pushAnswer
		if code := r.post("/metrics/api", batch, &a); code != http.StatusOK || !a.Success || a.Accepted != n {
			t.Fatalf("pushing %d requests was answered %d %+v", n, code, a)
		}
	}
	push(113)
	r.apiOf(total)
	push(1)
	push(97)
	r.apiOf(total)
	// These are still unscraped when the process ends.
	push(61)
	if code, _ := p.signal(terminate); code != 0 {
		t.Fatalf("SIGTERM ended it with code %d", code)
	}
	_, r = llmwatch(t, "serve", args...)
	push(53)

	s := r.apiOf(total)
	if s.Errors != failures || s.Endpoints != len(routes) {
		t.Errorf("%d errors over %d routes are shown as %+v", failures, len(routes), s)
	}
	if math.Abs(s.Max-longest) > 0.01 {
		t.Errorf("max_response_time_ms is %g, the longest request took %g", s.Max, longest)
	}
	var percentiles struct {
		Data struct {
			API struct {
				P50 float64 `json:"p50_response_time_ms"`
				P95 float64 `json:"p95_response_time_ms"`
				P99 float64 `json:"p99_response_time_ms"`
			} `json:"api"`
		} `json:"data"`
	}
	r.get("/metrics/summary?hours=1", &percentiles)
	slices.Sort(times)
	for _, p := range []struct{ q, got float64 }{
		{0.5, percentiles.Data.API.P50}, {0.95, percentiles.Data.API.P95}, {0.99, percentiles.Data.API.P99},
	} {
		want := times[int(math.Ceil(p.q*float64(total)))-1]
		if math.Abs(p.got-want) > 0.05*want {
			t.Errorf("the %g percentile is shown as %g, the true one is %g", 100*p.q, p.got, want)
		}
	}
}

func TestOneBadEventCostsTheOthersNothing(t *testing.T) {
	t.Parallel()
	r := quick(t)
	var a pushAnswer
	code := r.post("/metrics/api", []any{
		pushedRequest{"/good", "GET", 200, 10},
		pushedRequest{"/bad", "GET", 99, 10},
		pushedRequest{"/good", "GET", 200, 20},
	}, &a)
	if code != http.StatusOK || a.Accepted != 2 || a.Rejected != 1 || len(a.Errors) != 1 || a.Errors[0].Index != 1 {
		t.Errorf("it was answered %d %+v", code, a)
	}
	r.apiOf(2)
}

func TestPushedApplicationMetricsAreShown(t *testing.T) {
	t.Parallel()
	r := quick(t)
	var a pushAnswer
	code := r.post("/metrics/app", []map[string]any{
		{"type": "job", "job_id": "j1", "job_type": "finetuning", "event": "started"},
		{"type": "job", "job_id": "j2", "job_type": "finetuning", "event": "queued"},
		{"type": "job", "job_id": "j3", "job_type": "evaluation", "event": "completed"},
		{"type": "cache", "cache": "prompts", "hits": 3, "misses": 1, "entries": 100},
		{"type": "queue", "queue": "training", "depth": 12, "instance": "worker-1"},
		{"type": "queue", "queue": "training", "depth": 5, "instance": "worker-2"},
		{"type": "queue", "queue": "training", "depth": 12, "instance": "worker-1"},
		{"type": "connections", "pool": "main", "used": 7, "idle": 3, "max": 20},
	}, &a)
	if code != http.StatusOK || a.Accepted != 8 {
		t.Fatalf("it was answered %d %+v", code, a)
	}
	type state struct {
		Active      float64  `json:"active_jobs"`
		Queued      float64  `json:"queued_jobs"`
		Queue       float64  `json:"queue_size"`
		Connections float64  `json:"database_connections"`
		Evaluations int      `json:"completed_evaluations"`
		HitRate     *float64 `json:"cache_hit_rate_percent"`
	}
	var s struct {
		Data struct {
			App state `json:"app"`
		} `json:"data"`
	}
	waitFor(t, 15*time.Second, "the application metrics", func() error {
		r.get("/dashboard/overview", &s)
		got := s.Data.App
		if got.Active != 1 || got.Queued != 1 || got.Queue != 17 || got.Connections != 7 || got.Evaluations != 1 ||
			got.HitRate == nil || *got.HitRate != 75 {
			return fmt.Errorf("the overview says %+v", got)
		}

		return nil
	})
	var list struct {
		Data []state `json:"data"`
	}
	waitFor(t, 10*time.Second, "an element of metrics/app", func() error {
		r.get("/metrics/app?minutes=5", &list)
		if len(list.Data) == 0 || list.Data[len(list.Data)-1].Queue != 17 {
			return fmt.Errorf("%+v", list.Data)
		}

		return nil
	})
}
