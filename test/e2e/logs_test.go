package e2e

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
)

const (
	crashRounds     = 10
	crashSoakRounds = 200
	crashClients    = 4
)

// noMetrics is the address of a metrics server that is not there: the log store
// works without one, and starts sooner.
const noMetrics = "http://127.0.0.1:1"

// post sends a body to the log intake. Errors of the connection are the caller's.
func post(base, body string, header ...string) (status int, answer string, err error) {
	req, err := http.NewRequest(http.MethodPost, base+apiBase+"/logs", strings.NewReader(body))
	if err != nil {
		return 0, "", err
	}
	for i := 0; i < len(header); i += 2 {
		req.Header.Set(header[i], header[i+1])
	}
	client := http.Client{Timeout: 30 * time.Second}
	resp, err := client.Do(req)
	if err != nil {
		return 0, "", err
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)

	return resp.StatusCode, string(text), err
}

// crashClient is a client that crashes of the server must not harm.
type crashClient struct {
	name     string
	numbered bool // It numbers its batches and sends each until it is acknowledged.
	batch    int
	waiting  string // The batch that is not acknowledged.
	lines    []string
	acked    map[string]bool
	sent     map[string]bool
}

// pad is what a line says beside its id: if it were half, they would not agree.
func pad(id string) string { return strings.Repeat(id+"/", 10) }

func (s *crashClient) next() {
	s.batch++
	var body strings.Builder
	s.lines = s.lines[:0]
	count := 1 + rand.IntN(500)
	if rand.IntN(10) == 0 {
		count = 20_000 // Several pieces.
	}
	for i := range count {
		id := fmt.Sprintf("%s-%d-%d", s.name, s.batch, i)
		s.lines = append(s.lines, id)
		s.sent[id] = true
		fmt.Fprintf(&body, `{"level":"INFO","logger":"crash","message":%q,"pad":%q}`+"\n", id, pad(id))
	}
	s.waiting = body.String()
}

// ship sends until the server goes away.
func (s *crashClient) ship(base string) error {
	for {
		if s.waiting == "" {
			s.next()
		}
		var header []string
		if s.numbered {
			header = []string{"Llmwatch-Client", s.name, "Llmwatch-Batch", strconv.Itoa(s.batch)}
		}
		status, answer, err := post(base, s.waiting, header...)
		if err != nil { // Killed. Without a number nobody knows whether it was kept.
			if !s.numbered {
				s.waiting = ""
			}

			return nil
		}
		if status == http.StatusTooManyRequests || status == http.StatusServiceUnavailable {
			continue
		}
		var a struct{ Accepted int }
		if json.Unmarshal([]byte(answer), &a) != nil || status != http.StatusOK || a.Accepted != len(s.lines) {
			return fmt.Errorf("%d lines of %s are answered with %d %s", len(s.lines), s.name, status, answer)
		}
		for _, id := range s.lines {
			s.acked[id] = true
		}
		s.waiting = ""
	}
}

// TestStatisticsCountWhatASearchFinds asks both about the same lines, some in a block
// and some not, and the command, too.
func TestStatisticsCountWhatASearchFinds(t *testing.T) {
	t.Parallel()
	_, api := llmwatch(t, "bridge", "--prometheus-url", noMetrics, "--data-dir", t.TempDir())
	const lines = 70_000 // A block and some more.
	begin := time.Now().Add(-2 * time.Hour).Truncate(time.Second)
	var body strings.Builder
	for i := range lines {
		fmt.Fprintf(&body, `{"timestamp":%q,"level":%q,"logger":"shop.%d","message":"order %d was %s","request_id":"req-%d","status":%d}`+"\n",
			begin.Add(time.Duration(i)*100*time.Millisecond).UTC().Format(time.RFC3339Nano), []string{"INFO", "INFO", "WARNING", "ERROR"}[i%4],
			i%3, i, []string{"sent", "lost"}[i/100%2], i%9000, 200+i%7*50)
	}
	if status, answer, err := post(api.base, body.String()); err != nil || status != http.StatusOK {
		t.Fatal(status, answer, err)
	}
	at := func(after time.Duration) string { return begin.Add(after).UTC().Format(time.RFC3339) }
	for _, query := range []string{
		"logger=shop.1&level=ERROR&start=" + at(0) + "&end=" + at(10*time.Minute),
		"request_id=req-17&logger=shop.*",
		"pattern=order+.9+was&logger=shop.*",
		"text=lost&field.status=400&level=WARNING,ERROR&start=" + at(6900*time.Second) + "&end=" + at(2*time.Hour),
	} {
		found := 0
		for cursor := ""; ; {
			var page struct {
				Count int    `json:"count"`
				Next  string `json:"next_cursor"`
			}
			if code := api.get("/logs/search?limit=1000&"+query+"&cursor="+cursor, &page); code != http.StatusOK {
				t.Fatalf("%s answers %d", query, code)
			}
			found += page.Count
			if cursor = page.Next; cursor == "" {
				break
			}
		}
		var counted struct {
			Data struct {
				Total int `json:"total_entries"`
			} `json:"data"`
		}
		if code := api.get("/logs/statistics?buckets=7&"+query, &counted); code != http.StatusOK || counted.Data.Total != found || found == 0 {
			t.Errorf("%s finds %d entries and counts %d (%d)", query, found, counted.Data.Total, code)
		}
	}
	command := exec.CommandContext(t.Context(), binary, "logs", "stats", "--url", api.base, "--logger", "shop.*", "--text", "lost", "--end", at(100*time.Second))
	if out, err := command.CombinedOutput(); err != nil || !strings.HasPrefix(string(out), "500 entries from ") {
		t.Errorf("the command answers %s, %v", out, err)
	}
}

// TestAcknowledgedLinesSurviveKills kills the server again and again while clients
// send, and looks for each line afterwards.
func TestAcknowledgedLinesSurviveKills(t *testing.T) {
	rounds := crashRounds
	if os.Getenv("LLMWATCH_SOAK") != "" {
		rounds = crashSoakRounds
	}
	dir := t.TempDir()
	clients := make([]*crashClient, crashClients)
	for i := range clients {
		clients[i] = &crashClient{name: fmt.Sprintf("c%d", i), numbered: i%2 == 0, acked: map[string]bool{}, sent: map[string]bool{}}
	}
	for range rounds {
		p, api := llmwatch(t, "bridge", "--prometheus-url", noMetrics, "--data-dir", dir)
		var sending sync.WaitGroup
		for _, s := range clients {
			sending.Go(func() {
				if err := s.ship(api.base); err != nil {
					t.Error(err)
				}
			})
		}
		time.Sleep(time.Duration(20+rand.IntN(700)) * time.Millisecond)
		p.signal(syscall.SIGKILL)
		sending.Wait()
		if t.Failed() {
			t.FailNow()
		}
	}
	p, api := llmwatch(t, "bridge", "--prometheus-url", noMetrics, "--data-dir", dir)
	found := exported(t, api, "logger=crash")
	acked := 0
	for _, s := range clients {
		acked += len(s.acked)
		for id := range s.sent {
			if n := found[id]; n > 1 || (s.acked[id] && n != 1) {
				t.Errorf("%s is there %d times, acknowledged: %v", id, n, s.acked[id])
			}
			delete(found, id)
		}
	}
	if len(found) > 0 || acked == 0 {
		t.Errorf("%d lines are there that nobody sent; %d were acknowledged", len(found), acked)
	}
	if code, _ := p.signal(syscall.SIGTERM); code != 0 {
		t.Errorf("the exit code is %d", code)
	}
	t.Logf("%d lines acknowledged over %d kills", acked, rounds)
}

// exported counts the messages that an export holds, all of which must be whole.
func exported(t *testing.T, api *rest, query string) map[string]int {
	t.Helper()

	resp, err := http.Get(api.base + apiBase + "/export/logs?format=json&" + query)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	found := map[string]int{}
	decoder := json.NewDecoder(resp.Body)
	if _, err := decoder.Token(); err != nil {
		t.Fatal(err)
	}
	for decoder.More() {
		var e struct{ Message, Pad string }
		if err := decoder.Decode(&e); err != nil {
			t.Fatal(err)
		}
		if e.Pad != pad(e.Message) {
			t.Errorf("half a line is there: %q %q", e.Message, e.Pad)
		}
		found[e.Message]++
	}
	if _, err := decoder.Token(); err != nil {
		t.Fatalf("the export is not whole: %v", err)
	}

	return found
}

// TestAFullDiskIsSaidAndPassesByItself fills the disk under the log store.
func TestAFullDiskIsSaidAndPassesByItself(t *testing.T) {
	dir := t.TempDir()
	logs := filepath.Join(dir, "logs")
	if err := os.Mkdir(logs, 0o750); err != nil {
		t.Fatal(err)
	}
	if err := syscall.Mount("tmpfs", logs, "tmpfs", 0, "size=32m"); err != nil {
		t.Skipf("a small file system cannot be mounted here: %v", err)
	}
	t.Cleanup(func() {
		if err := syscall.Unmount(logs, syscall.MNT_DETACH); err != nil {
			t.Error(err)
		}
	})
	_, api := llmwatch(t, "bridge", "--prometheus-url", noMetrics, "--data-dir", dir)
	s := &crashClient{name: "full", sent: map[string]bool{}}
	send := func() (int, string) {
		s.next()
		status, answer, err := post(api.base, s.waiting)
		if err != nil {
			t.Fatal(err)
		}

		return status, answer
	}
	if status, answer := send(); status != http.StatusOK {
		t.Fatalf("with room: %d %s", status, answer)
	}
	before := len(exported(t, api, "logger=crash"))
	filler := filepath.Join(logs, "filler")
	fill(t, filler)
	var failed errorAnswer
	waitFor(t, 30*time.Second, "the disk to be full", func() error {
		status, answer := send()
		if status != http.StatusServiceUnavailable {
			return fmt.Errorf("answered %d %s", status, answer)
		}

		return json.Unmarshal([]byte(answer), &failed)
	})
	if failed.Error.Code != "log_store_unavailable" || !strings.Contains(failed.Error.Message, "no space left on device") {
		t.Errorf("the client is told %+v", failed.Error)
	}
	waitFor(t, 10*time.Second, "health to say so", func() error {
		var h healthAnswer
		if code := api.get("/health", &h); code != http.StatusServiceUnavailable || h.Status != "unhealthy" || !strings.Contains(strings.Join(h.Problems, " "), "log_store") {
			return fmt.Errorf("%d %+v", code, h)
		}

		return nil
	})
	if got := len(exported(t, api, "logger=crash")); got < before {
		t.Errorf("%d lines can be read while the disk is full, %d before", got, before)
	}
	if err := os.Remove(filler); err != nil {
		t.Fatal(err)
	}
	waitFor(t, 60*time.Second, "service to resume", func() error {
		if status, answer := send(); status != http.StatusOK {
			return fmt.Errorf("answered %d %s", status, answer)
		}
		var h healthAnswer
		if api.get("/health", &h); h.Status == "unhealthy" {
			return fmt.Errorf("%+v", h)
		}

		return nil
	})
	for id, n := range exported(t, api, "logger=crash") {
		if n != 1 || !s.sent[id] {
			t.Errorf("%s is there %d times", id, n)
		}
	}
}

// fill writes a file until there is no room for more.
func fill(t *testing.T, path string) {
	t.Helper()

	f, err := os.Create(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	for block := bytes.Repeat([]byte{'x'}, 1<<16); ; {
		if _, err := f.Write(block); errors.Is(err, syscall.ENOSPC) {
			return
		} else if err != nil {
			t.Fatal(err)
		}
	}
}
