package engine

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	promv1 "github.com/prometheus/client_golang/api/prometheus/v1"
	"github.com/prometheus/prometheus/model/labels"
)

// What a query may cost that is refused.
const (
	refusedTime  = 100 * time.Millisecond
	refusedBytes = 10 << 20
)

// fill gives an engine so many series, with a sample a second for a minute.
func fill(t *testing.T, e *Engine, series int) {
	t.Helper()
	app := e.db.Appender(t.Context())
	begin := time.Now().Add(-time.Minute).UnixMilli()
	for i := range series {
		l := labels.FromStrings("__name__", "crowd", "instance", strconv.Itoa(i), "group", strconv.Itoa(i%10))
		for s := range int64(60) {
			if _, err := app.Append(0, l, begin+1000*s, float64(s)); err != nil {
				t.Fatal(err)
			}
		}
	}
	if err := app.Commit(); err != nil {
		t.Fatal(err)
	}
}

func nest(n int, before, inner, after string) string {
	return strings.Repeat(before, n) + inner + strings.Repeat(after, n)
}

// hostile are expressions that are refused, by what is hostile about them.
func hostile() map[string]string {
	return map[string]string{
		"steps of a subquery":        `count_over_time(vector(1)[100d:1ms])`,
		"steps of all years":         `max_over_time(crowd[290y:1ms])`,
		"steps inside":               `max_over_time(max_over_time(vector(1)[1d:1s])[100d:1m])`,
		"a thousand subqueries":      nest(1000, "max_over_time(", "vector(1)", "[1m:1s])"),
		"sixty subqueries":           nest(60, "max_over_time(", "crowd", "[1h:1s])"),
		"fifty thousand terms":       strings.Repeat("1+", 50_000) + "1",
		"four hundred terms":         strings.Repeat("crowd or ", 400) + "crowd",
		"deep parentheses":           nest(20_000, "(", "1", ")"),
		"deep signs":                 strings.Repeat("-", 30_000) + "1",
		"deep aggregations":          nest(63, "sum(", "crowd", ")") + nest(63, "+sum(", "crowd", ")"),
		"a large regular expression": `{__name__=~"` + strings.Repeat("a|b.*", 200_000) + `"}`,
		"nested repetitions":         `{__name__=~"((a{100}){100})"}`,
		"too large a repetition":     `{__name__=~"(a{1000}){1000}"}`,
		"large character classes":    `{__name__=~"(?i)` + strings.Repeat(`[B-\\x{1e942}]`, 1000) + `"}`,
		"named character classes":    `{__name__=~"` + strings.Repeat(`\\pL`, 5000) + `"}`,
		"many regular expressions":   `{` + strings.Repeat(`a=~"b.*",`, 5000) + `}`,
		"a hidden expression":        "{a=~ # comment\n\"" + strings.Repeat("a.*", 100_000) + `"}`,
		"a pattern of label_replace": `label_replace(crowd, "a", "b", "c", "((a{100}){100})")`,
		"labels that double":         nest(30, "label_replace(", "crowd", `, "a", "$1$1", "a", "(.*)")`),
		"labels that join":           nest(20, "label_join(", "crowd", `, "a", "", "a", "a", "a", "a")`),
		"a large label":              `count_values("` + strings.Repeat("x", 10_000) + `", crowd)`,
		"a large string":             `label_replace(crowd, "a", "` + strings.Repeat("x", 1<<20) + `", "b", "(.*)")`,
		"a join of everything":       `max_over_time((crowd * on(instance) group_left crowd)[1h:100ms])`,
		"everything for long":        `sum(rate({__name__=~".+"}[1y:1s]))`,
		"at the end of time":         `count_over_time(vector(1)[100d:1ms] @ 1e14)`,
		"windows over windows":       `quantile_over_time(0.5, quantile_over_time(0.5, quantile_over_time(0.5, vector(1)[1d:1s])[1d:1s])[1d:1s])`,
	}
}

// cost is what a request to the engine's handler took.
type cost struct {
	status int
	body   string
	took   time.Duration
	bytes  uint64
}

// askOften returns the least of a few requests: the machine does other things, too.
func askOften(e *Engine, path string, params url.Values) cost {
	best := ask(e, path, params)
	for range 5 {
		if best.took <= refusedTime && best.bytes <= refusedBytes {
			break
		}
		again := ask(e, path, params)
		best.took, best.bytes = min(best.took, again.took), min(best.bytes, again.bytes)
	}

	return best
}

func ask(e *Engine, path string, params url.Values) cost {
	// A form, because an address has a bound of its own.
	r := httptest.NewRequest(http.MethodPost, Prefix+path, strings.NewReader(params.Encode()))
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	size := uint64(r.ContentLength)
	w := httptest.NewRecorder()
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	begin := time.Now()
	e.Handler().ServeHTTP(w, r)
	took := time.Since(begin)
	runtime.ReadMemStats(&after)
	body, _ := io.ReadAll(w.Result().Body)

	// Reading the form is not the query's: the body has a bound of its own.
	return cost{w.Code, string(body), took, max(after.TotalAlloc-before.TotalAlloc, 10*size) - 10*size}
}

func TestQueries_RefusedCostNextToNothing(t *testing.T) {
	cfg, _, _ := testConfig(t)
	e, _ := start(t, cfg)
	fill(t, e, 20_000)
	now := time.Now()
	for name, expr := range hostile() {
		t.Run(name, func(t *testing.T) {
			for path, params := range map[string]url.Values{
				"/api/v1/query": {"query": {expr}},
				"/api/v1/query_range": {
					"query": {expr}, "step": {"1"},
					"start": {strconv.FormatInt(now.Add(-time.Hour).Unix(), 10)}, "end": {strconv.FormatInt(now.Unix(), 10)},
				},
			} {
				got := askOften(e, path, params)
				if got.status != http.StatusBadRequest && got.status != http.StatusRequestEntityTooLarge && got.status != http.StatusUnprocessableEntity || !strings.Contains(got.body, `"error":`) {
					t.Errorf("%s answers %d %.300s", path, got.status, got.body)
				}
				if got.took > refusedTime || got.bytes > refusedBytes {
					t.Errorf("%s took %s and %d bytes to answer %.300s", path, got.took, got.bytes, got.body)
				}
			}
			for _, path := range []string{"/api/v1/format_query", "/api/v1/parse_query", "/api/v1/query_exemplars"} {
				got := askOften(e, path, url.Values{"query": {expr}})
				if got.took > refusedTime || got.bytes > refusedBytes {
					t.Errorf("%s took %s and %d bytes to answer %d %.100s", path, got.took, got.bytes, got.status, got.body)
				}
			}
		})
	}
}

func TestQueries_OrdinaryOnesAreAnswered(t *testing.T) {
	cfg, _, _ := testConfig(t)
	e, _ := start(t, cfg)
	fill(t, e, 500)
	now := time.Now()
	for _, expr := range []string{
		`crowd`, `sum by (group) (rate(crowd[5m]))`, `max_over_time(rate(crowd[1m])[30m:1m])`,
		`quantile_over_time(0.99, crowd[1h])`, `avg_over_time(sum(crowd)[30d:5m])`,
		`increase(crowd[30d] anchored)`, `topk(5, crowd) / on(instance) group_left crowd`,
		`label_replace(crowd, "host", "$1", "instance", "(.*)")`, `count_values("v", crowd)`,
		`crowd{instance=~"` + strings.Repeat(`10\\.0\\.0\\.1:9100|`, 200) + `"}`,
		`absent(crowd{group="none"})`, `crowd offset 1d or crowd @ end()`, `histogram_quantile(0.9, crowd)`,
	} {
		for path, params := range map[string]url.Values{
			"/api/v1/query": {"query": {expr}},
			"/api/v1/query_range": {
				"query": {expr}, "step": {"30"},
				"start": {strconv.FormatInt(now.Add(-6*time.Hour).Unix(), 10)}, "end": {strconv.FormatInt(now.Unix(), 10)},
			},
		} {
			if got := ask(e, path, params); got.status != http.StatusOK {
				t.Errorf("%s of %.60s answers %d %.300s", path, expr, got.status, got.body)
			} else {
				t.Logf("%s of %.60s took %s, %d MB", path, expr, got.took, got.bytes>>20)
			}
		}
	}
}

// TestRules_BoundsNeverStopAStart starts an engine with stored rules and a rule
// file that exceed every bound, and with rules that cannot be loaded at all.
func TestRules_BoundsNeverStopAStart(t *testing.T) {
	cfg, value, _ := testConfig(t)
	value.Set(21)
	rule := func(name, expr string) string {
		return fmt.Sprintf("groups: [{name: %s, rules: [{alert: %s, expr: %q}]}]", name, name, expr)
	}
	dir := t.TempDir()
	path := filepath.Join(dir, "own.yml")
	for name, text := range map[string]string{
		path:                            rule("own_terms", strings.Repeat("1+", 50_000)+"1"),
		filepath.Join(dir, "steps.yml"): rule("own_steps", `count_over_time(vector(1)[100d:1ms]) > 0`),
		filepath.Join(dir, "cfg.yml"):   "global: {evaluation_interval: 1s}\nrule_files: [own.yml, steps.yml]",
	} {
		if err := os.WriteFile(name, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	cfg.ConfigFile = filepath.Join(dir, "cfg.yml")
	cfg.Rules = func() map[string][]byte {
		files := testRules()
		files["steps.yml"] = []byte(rule("steps", `count_over_time(vector(1)[100d:1ms]) > 0`))
		files["terms.yml"] = []byte(rule("terms", strings.Repeat("1+", 50_000)+"1"))
		files["syntax.yml"] = []byte(rule("syntax", "up >"))
		files["form.yml"] = []byte("groups: [{nam: a}]")

		return files
	}
	e, q := start(t, cfg)
	eventually(t, q, "test:double", 42)
	want := map[string]string{
		"steps": "limits.query_max_steps", "own_steps": "limits.query_max_steps",
		"terms": "bytes long", "own_terms": "bytes long", "syntax": "parse error",
		"value_is_high": "ok",
	}
	health := map[string]string{}
	waitUntil(t, func() bool {
		answer, err := q.Rules(t.Context(), nil)
		if err != nil {
			t.Fatal(err)
		}
		for _, g := range answer.Groups {
			for _, r := range g.Rules {
				if a, ok := r.(promv1.AlertingRule); ok {
					health[a.Name] = string(a.Health) + " " + a.LastError
				}
			}
		}
		for name, text := range want {
			if !strings.Contains(health[name], text) {
				return false
			}
		}

		return true
	}, health)
	if err := e.ReloadRules(); err != nil {
		t.Errorf("ReloadRules of what was wrong before: %v", err)
	}
}

func waitUntil(t *testing.T, done func() bool, what ...any) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	for !done() {
		select {
		case <-ctx.Done():
			t.Fatal(append([]any{"it does not come about"}, what...)...)
		case <-time.After(20 * time.Millisecond):
		}
	}
}

func TestCheckExpr_RefusesWhatNoRuleMayCost(t *testing.T) {
	for _, expr := range []string{
		`count_over_time(vector(1)[100d:1ms]) > 0`, strings.Repeat("1+", 50_000) + "1",
		nest(1000, "max_over_time(", "vector(1)", "[1m:1s])"), `up{a=~"((a{100}){100})"}`,
	} {
		if err := CheckExpr(expr); err == nil {
			t.Errorf("%.60s is accepted", expr)
		}
	}
	for _, expr := range []string{`up == 0`, `max_over_time(sum(rate(a[5m]))[1d:1m]) > 2`, `vector(1)`} {
		if err := CheckExpr(expr); err != nil {
			t.Errorf("%s: %v", expr, err)
		}
	}
}

// count is how many queries are being evaluated.
func (g *memoryGuard) count() int {
	g.mu.Lock()
	defer g.mu.Unlock()

	return len(g.running)
}

// TestQueries_EndWithTheirCaller asks what takes seconds, in process.
func TestQueries_EndWithTheirCaller(t *testing.T) {
	cfg, _, _ := testConfig(t)
	e, q := start(t, cfg)
	fill(t, e, 2000)
	ctx, leave := context.WithCancel(t.Context())
	answered := make(chan error, 1)
	go func() {
		_, _, err := q.Query(ctx, `sum(stddev_over_time(crowd[1m:100ms]) * stddev_over_time(crowd[1m:100ms]))`, time.Now())
		answered <- err
	}()
	waitUntil(t, func() bool { return e.query.guard.count() > 0 })
	leave()
	begin := time.Now()
	waitUntil(t, func() bool { return e.query.guard.count() == 0 })
	if took := time.Since(begin); took > 5*time.Second {
		t.Errorf("the query went on for %s", took)
	}
	if err := <-answered; !errors.Is(err, context.Canceled) {
		t.Errorf("its caller is told %v", err)
	}
}

func TestMemoryGuard_EndsTheMostExpensive(t *testing.T) {
	g := newMemoryGuard(100)
	var heap atomic.Uint64
	g.heap = heap.Load
	ended := make(chan string, 2)
	watch := func(name string, bytes float64) func() {
		return g.watch(estimate{bytes: bytes}, func(err error) {
			if !errors.Is(err, errOutOfMemory) {
				t.Errorf("it ends for %v", err)
			}
			ended <- name
		})
	}
	defer watch("cheap", 1)()
	defer watch("expensive", 10)()
	heap.Store(101)
	if first := <-ended; first != "expensive" {
		t.Errorf("the first that ends is the %s one", first)
	}
}

// TestLanes_ExpensiveQueriesWaitForEachOther fills a lane.
func TestLanes_ExpensiveQueriesWaitForEachOther(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := newLane(100, 1, 2)
		done, release, err := l.enter(t.Context(), estimate{bytes: 60}, time.Minute)
		if err != nil {
			t.Fatal(err)
		}
		entered := make(chan error, 1)
		go func() {
			done, release, err := l.enter(t.Context(), estimate{bytes: 60}, time.Minute)
			if err == nil {
				done()
				release()
			}
			entered <- err
		}()
		synctest.Wait()
		if _, _, err := l.enter(t.Context(), estimate{bytes: 1}, time.Minute); !errors.Is(err, errBusy) {
			t.Errorf("a third enters with %v", err)
		}
		done()
		synctest.Wait()
		if len(entered) > 0 {
			t.Error("the second begins while the result of the first is kept")
		}
		release()
		if err := <-entered; err != nil {
			t.Errorf("the second: %v", err)
		}
	})
}
