package e2e

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"llmwatch/internal/testtool"
)

// What hostile expressions may cost.
const (
	hostileMemory = 300 << 20
	// hostileOthers bounds all but one in a hundred answers to others.
	hostileOthers  = 100 * time.Millisecond
	hostileRefused = 100 * time.Millisecond
)

// TestHostileExpressions asks random hostile expressions as query, range, preview
// and rule, ten thousand in the long version, while somebody else asks what is cheap.
func TestHostileExpressions(t *testing.T) {
	n, seed := 150, uint64(1)
	if os.Getenv("LLMWATCH_SOAK") != "" {
		n = 10_000
	}
	if s, err := strconv.ParseUint(os.Getenv("LLMWATCH_SEED"), 10, 64); err == nil {
		seed = s
	}
	p, r := llmwatch(t, "serve", "--data-dir", filepath.Join(t.TempDir(), "data"), "--check-interval", "1s")
	h := &hostile{t: t, base: r.base, random: rand.New(rand.NewPCG(seed, 0)), statuses: map[string]int{}}
	stop := make(chan struct{})
	var others []time.Duration
	var waiting sync.WaitGroup
	grown := int64(0)
	waiting.Go(func() { others = h.askCheaply(stop) })
	for i := range n {
		expr := h.expr(4)
		h.attack(expr, i)
		if now := peakMemory(t, p); now > grown+20<<20 {
			t.Logf("it grew to %d MB with %.300s", now>>20, expr)
			grown = now
		}
		select {
		case <-p.exited:
			t.Fatalf("llmwatch ended:\n%.2000s", p.log)
		default:
		}
	}
	close(stop)
	waiting.Wait()

	slices.Sort(others)
	slices.Sort(h.refusals)
	slow, refused := others[len(others)*99/100], h.refusals[len(h.refusals)*99/100]
	peak := peakMemory(t, p)
	t.Logf("seed %d, %d expressions: answers %v; peak %d MB; others p50 %s, p99 %s, most %s of %d; refusals p99 %s, most %s; accepted at most %s",
		seed, n, h.statuses, peak>>20, others[len(others)/2], slow, others[len(others)-1], len(others), refused, h.refusals[len(h.refusals)-1], h.longest)
	if testtool.Race() {
		return // It is ten times slower and larger.
	}
	if n < 1000 {
		// The slowest of a few may have waited for another program.
		slow, refused = others[len(others)*9/10], h.refusals[len(h.refusals)*9/10]
	}
	if peak > hostileMemory {
		t.Errorf("the process grew to %d MB", peak>>20)
	}
	if slow > hostileOthers {
		t.Errorf("others were answered within %s", slow)
	}
	if refused > hostileRefused {
		t.Errorf("expressions were refused within %s", refused)
	}
}

var highWater = regexp.MustCompile(`VmHWM:\s+(\d+) kB`)

func peakMemory(t *testing.T, p *process) int64 {
	t.Helper()
	status, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", p.cmd.Process.Pid))
	if err != nil {
		t.Skip("the kernel does not tell the memory of a process:", err)
	}
	kilobytes, err := strconv.ParseInt(string(highWater.FindSubmatch(status)[1]), 10, 64)
	if err != nil {
		t.Fatal(err)
	}

	return kilobytes << 10
}

// hostile makes expressions and asks them.
type hostile struct {
	t        *testing.T
	base     string
	random   *rand.Rand
	statuses map[string]int
	refusals []time.Duration
	longest  time.Duration
}

// attack asks one expression in each way.
func (h *hostile) attack(expr string, i int) {
	now := time.Now()
	steps := []string{"1", "15", "0.001", "3600", "0.0001"}
	for _, path := range []string{"query", "query_range", "format_query", "parse_query", "query_exemplars"} {
		form := url.Values{"query": {expr}}
		if path == "query_range" || path == "query_exemplars" {
			form.Set("start", strconv.FormatInt(now.Add(-time.Duration(h.random.IntN(10_000))*time.Second).Unix(), 10))
			form.Set("end", strconv.FormatInt(now.Unix(), 10))
			form.Set("step", h.pick(steps...))
		}
		h.ask(path, http.MethodPost, "/prometheus/api/v1/"+path, "application/x-www-form-urlencoded", form.Encode())
	}
	rule, err := json.Marshal(map[string]any{"expr": expr})
	if err != nil {
		h.t.Fatal(err)
	}
	h.ask("rule", http.MethodPut, fmt.Sprintf("/api/v1/monitoring/rules/hostile%d", i%3), "application/json", string(rule))
}

func (h *hostile) ask(kind, method, path, contentType, body string) {
	h.t.Helper()
	req, err := http.NewRequestWithContext(h.t.Context(), method, h.base+path, bytes.NewReader([]byte(body)))
	if err != nil {
		h.t.Fatal(err)
	}
	req.Header.Set("Content-Type", contentType)
	begin := time.Now()
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		h.t.Fatalf("%s of %.300s: %v", kind, body, err)
	}
	_, err = io.Copy(io.Discard, resp.Body)
	resp.Body.Close()
	if err != nil {
		h.t.Fatalf("%s of %.300s: %v", kind, body, err)
	}
	took := time.Since(begin)
	h.statuses[fmt.Sprint(kind, " ", resp.StatusCode)]++
	switch resp.StatusCode {
	case http.StatusBadRequest, http.StatusRequestEntityTooLarge:
		h.refusals = append(h.refusals, took)
		if took > hostileRefused {
			h.t.Logf("%s took %s to refuse %.300s", kind, took, body)
		}
	case http.StatusInternalServerError:
		h.t.Errorf("%s answers 500 to %.300s", kind, body)
	default:
		h.longest = max(h.longest, took)
	}
}

// askCheaply asks, every few milliseconds, what is cheap, and returns how long
// each answer took.
func (h *hostile) askCheaply(stop <-chan struct{}) (took []time.Duration) {
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for i := 0; ; i++ {
		select {
		case <-stop:
			return took
		case <-tick.C:
		}
		begin := time.Now()
		path := []string{"/prometheus/api/v1/query?query=sum(node_load1)", "/api/v1/monitoring/health"}[i%2]
		resp, err := http.Get(h.base + path)
		if err != nil {
			h.t.Errorf("others are not answered: %v", err)
			return append(took, time.Hour)
		}
		_, _ = io.Copy(io.Discard, resp.Body)
		resp.Body.Close()
		if resp.StatusCode != http.StatusOK {
			h.t.Errorf("others are answered %d", resp.StatusCode)
		}
		took = append(took, time.Since(begin))
	}
}

func (h *hostile) pick(of ...string) string { return of[h.random.IntN(len(of))] }

func (h *hostile) duration() string {
	return h.pick("1ms", "10ms", "100ms", "1s", "15s", "1m", "5m", "1h", "1d", "30d", "100d", "1y", "290y")
}

func (h *hostile) number() string {
	return h.pick("0", "1", "-1", "NaN", "Inf", "-Inf", "1e308", "1e-308", "0x7fffffffffffffff", "9e18", "2", "0.99", "1e9")
}

func (h *hostile) regexp() string {
	if h.random.IntN(3) > 0 {
		return h.pick(".+", ".*", "node_.*", "", "(.*)(.*)(.*)", ".*total|.*seconds.*")
	}

	return h.pick(".+", ".*", "(a{1000}){1000}", "((a{100}){100})", "(a|b|ab)*c", "(.*)(.*)(.*)(.*)(.*)", strings.Repeat("a|b.*", 1+h.random.IntN(4000)),
		"(?i)"+strings.Repeat(`[B-\\x{1e942}]`, 1+h.random.IntN(100)), strings.Repeat(`\\pL`, 1+h.random.IntN(100)), "node_.*", "^(?:.*)$", "(", "[z-a]")
}

func (h *hostile) matcher() string {
	return h.pick("__name__", "instance", "job", "le", "mode", "none") + h.pick("=~", "!~", "=", "!=") + `"` + h.regexp() + `"`
}

func (h *hostile) selector() string {
	s := h.pick("up", "node_cpu_seconds_total", "http_server_request_duration_seconds_bucket", `{__name__=~".+"}`,
		`{__name__!=""}`, "llmwatch_build_info", "{"+h.matcher()+","+h.matcher()+"}", "node_load1{"+h.matcher()+"}")
	if h.random.IntN(4) == 0 {
		s += h.pick(" offset ", " offset -") + h.duration()
	}
	if h.random.IntN(4) == 0 {
		s += " @ " + h.pick("0", "1e20", "-1e14", "1e14", "start()", "end()", "1e9")
	}

	return s
}

// ranged is a range vector.
func (h *hostile) ranged(depth int) string {
	if h.random.IntN(3) == 0 {
		return h.pick("up", "node_cpu_seconds_total", `{__name__=~".+"}`) + "[" + h.duration() + "]" + h.pick("", "", " anchored", " smoothed")
	}

	return "(" + h.expr(depth-1) + ")[" + h.duration() + ":" + h.pick("", h.duration()) + "]" + h.pick("", "", " offset "+h.duration(), " @ 1e9", " @ end()")
}

// expr is an expression of at most so many levels.
func (h *hostile) expr(depth int) string {
	if depth <= 0 {
		return h.pick(h.selector(), h.selector(), h.selector(), "vector("+h.number()+")", "vector(time())")
	}
	sub := func() string { return h.expr(depth - 1) }
	n := 1 << h.random.IntN(17)
	switch h.random.IntN(30) {
	case 0, 1, 2, 3, 4:
		f := h.pick("rate", "increase", "delta", "deriv", "max_over_time", "count_over_time", "stddev_over_time", "mad_over_time", "absent_over_time",
			"last_over_time", "changes", "resets", "present_over_time", "irate", "idelta")

		return f + "(" + h.ranged(depth) + ")"
	case 5, 6:
		return "quantile_over_time(" + h.number() + ", " + h.ranged(depth) + ")"
	case 7:
		return h.pick("predict_linear(", "predict_linear(", "double_exponential_smoothing(", "holt_winters(") + h.ranged(depth) + ", " + h.number() + h.pick("", ", 0.5") + ")"
	case 8, 9, 10:
		return h.pick("sum", "count", "stddev", "group", "avg") + h.pick("", " by (instance, le, mode)", " without (job)", " by (__name__)") + " (" + sub() + ")"
	case 11, 12:
		return h.pick("topk", "bottomk", "quantile", "quantile", "topk", "limitk", "limit_ratio") + "(" + h.number() + ", " + sub() + ")"
	case 13, 14:
		return `count_values("` + h.pick("v", "instance", strings.Repeat("x", n)) + `", ` + sub() + ")"
	case 15, 16, 17, 18:
		op := h.pick("+", "-", "*", "/", "%", "^", "> bool", "==", "or", "and", "unless", "atan2")
		return "(" + sub() + ") " + op + h.pick("", "", " on(instance) group_left()", " on() group_right(job)", " ignoring(mode)", " on(instance, mode)") + " (" + sub() + ")"
	case 19, 20:
		k := 1 + h.random.IntN(30)
		return strings.Repeat("label_replace(", k) + sub() + strings.Repeat(`, "a", "`+h.pick("$1$1", "$1", "x$1", strings.Repeat("$1", 1000))+`", "`+h.pick("a", "instance")+`", "(.*)")`, k)
	case 21:
		k := 1 + h.random.IntN(30)
		return strings.Repeat("label_join(", k) + sub() + strings.Repeat(`, "a", "-", "a", "instance", "a")`, k)
	case 22, 23, 24:
		return h.pick("absent", "sort", "sort_desc", "sort_by_label", "abs", "exp", "timestamp", "info", "histogram_sum") + "(" + sub() + ")"
	case 25, 26:
		return h.pick("histogram_quantile(", "histogram_fraction(0, ") + h.number() + ", " + sub() + ")"
	case 27:
		return h.pick(strings.Repeat("1+", n)+sub(), strings.Repeat("(", n)+sub()+strings.Repeat(")", n), strings.Repeat("-", n)+sub(),
			strings.Repeat("up or ", n%600)+sub(), strings.Repeat("sum(", n%2000)+sub()+strings.Repeat(")", n%2000))
	default:
		k := 1 + h.random.IntN(min(n, 1000))
		return strings.Repeat("max_over_time(", k) + sub() + strings.Repeat("["+h.duration()+":"+h.duration()+"])", k)
	}
}
