package demo

import (
	"context"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"go.uber.org/goleak"

	"llmwatch/internal/testtool"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func TestEveryTroubleBeginsWithinTwoMinutesAndEnds(t *testing.T) {
	kinds := map[string]func(trouble) bool{
		"database":   func(t trouble) bool { return t.database },
		"divergence": func(t trouble) bool { return t.divergence },
		"slow":       func(t trouble) bool { return t.slow },
		"backlog":    func(t trouble) bool { return t.backlog },
		"cold cache": func(t trouble) bool { return t.coldCache },
	}
	for kind, is := range kinds {
		var changes []time.Duration // From well to ill, to well.
		for at := time.Duration(0); at < cycle; at += time.Second {
			if was := len(changes)%2 == 1; is(troubleAt(at)) != was {
				changes = append(changes, at)
			}
		}
		if len(changes) != 2 || changes[0] > 90*time.Second {
			t.Errorf("%s changes at %v", kind, changes)
		}
		if is(troubleAt(changes[0])) != is(troubleAt(cycle+changes[0])) {
			t.Errorf("%s does not come again", kind)
		}
	}
	if troubleAt(0) != (trouble{}) || troubleAt(cycle-1) != (trouble{}) {
		t.Error("a cycle neither begins nor ends in calm")
	}
}

func TestRequestsAreTheSameForTheSameSeed(t *testing.T) {
	sequence := func(seed uint64) (all []string) {
		p := &Platform{opts: Options{Seed: seed}}
		for n := range uint64(200) {
			method, path, body := request(p.random(chanceOfRequest, n))
			all = append(all, method+" "+path+" "+body)
		}

		return all
	}
	first := sequence(7)
	if diff := cmp.Diff(first, sequence(7)); diff != "" {
		t.Error(diff)
	}
	if slices.Equal(first, sequence(8)) {
		t.Error("another seed changes nothing")
	}
}

// lockedBuffer is a log.
type lockedBuffer struct {
	mu   sync.Mutex
	text strings.Builder
}

func (b *lockedBuffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()

	return b.text.Write(p)
}

func (b *lockedBuffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()

	return b.text.String()
}

// TestPlatform lets a platform run until it has published and logged everything
// that the page shows.
func TestPlatform(t *testing.T) {
	log := &lockedBuffer{}
	p, err := New(Options{Seed: 1, Rate: 300, Logger: slog.New(slog.NewJSONHandler(log, &slog.HandlerOptions{Level: slog.LevelDebug}))})
	if err != nil {
		t.Fatal(err)
	}
	// In the middle of the trouble.
	p.now = func() time.Time { return time.Now().Add(slowPeriod.from + 30*time.Second) }
	server := httptest.NewServer(p.Handler())
	defer server.Close()
	ctx, cancel := context.WithCancel(t.Context())
	ran := make(chan struct{})
	go func() {
		p.Run(ctx, server.URL)
		close(ran)
	}()

	wanted := []string{
		`http_server_request_duration_seconds_count{http_request_method="POST",http_response_status_code="200",http_route="/api/v1/generate"}`,
		`http_response_status_code="503"`,
		`llm_jobs{state="running",type="finetuning"} 2`,
		`llm_jobs_finished_total{status="completed",type="evaluation"} 1`,
		`llm_cache_requests_total{cache="responses",result="miss"}`,
		`db_client_connection_count{pool="postgres",state="used"} 20`,
		`llm_queue_depth{queue="tasks"}`,
		`gen_ai_server_time_to_first_token_seconds_count`,
		`llm_cost_usd_total{model="gpt-4o",type="inference"}`,
		`llm_trained_tokens_total`,
		`llm_evaluation_score`,
	}
	logged := []string{"Request completed", "Cache miss", "Training step", "Query failed", "Evaluation completed"}
	poll := time.NewTicker(200 * time.Millisecond)
	defer poll.Stop()
	deadline := time.After(time.Minute)
	for left := slices.Concat(wanted, logged); len(left) > 0; { // What has been seen once is not wanted again.
		left = without(scrape(t, server)+log.String(), left)
		select {
		case <-deadline:
			t.Fatalf("these never came: %q", left)
		case <-poll.C:
		}
	}
	paged, err := server.Client().Post(server.URL+PagerPath, "application/json", strings.NewReader(`{"status":"firing","groupLabels":{"alertname":"x"}}`))
	if err != nil {
		t.Fatal(err)
	}
	paged.Body.Close()
	if paged.StatusCode != http.StatusNoContent || !strings.Contains(log.String(), "Notification received") {
		t.Errorf("the pager answers %d", paged.StatusCode)
	}
	cancel()
	<-ran
}

// without returns what is not in the text.
func without(text string, wanted []string) (left []string) {
	for _, w := range wanted {
		if !strings.Contains(text, w) {
			left = append(left, w)
		}
	}

	return left
}

func scrape(t *testing.T, server *httptest.Server) string {
	t.Helper()

	resp, err := server.Client().Get(server.URL + "/metrics")
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err != nil || resp.StatusCode != http.StatusOK {
		t.Fatalf("the scrape answers %d (%v)", resp.StatusCode, err)
	}

	return string(body)
}

func TestRulesPassPromtool(t *testing.T) {
	promtool := testtool.Find(t, "promtool")
	path := filepath.Join(t.TempDir(), "demo.yml")
	if err := os.WriteFile(path, Rules, 0o600); err != nil {
		t.Fatal(err)
	}
	if said, err := exec.CommandContext(t.Context(), promtool, "check", "rules", path).CombinedOutput(); err != nil {
		t.Errorf("promtool: %v\n%s", err, said)
	}
}
