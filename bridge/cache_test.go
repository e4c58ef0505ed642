package bridge

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"

	"llmwatch/bridge/metrics"
)

func TestAnswersAreKeptUntilTheNextSampleIsDue(t *testing.T) {
	b := put(t, &fakeMetrics{}, nil)
	b.pass(10 * time.Second) // The newest sample is 10 s old, so the answer is good for 20 s.
	for _, path := range []string{"/metrics/system?minutes=5&instance=a", "/metrics/api", "/dashboard/overview"} {
		before := b.metrics.asked.Load()
		want := func(when string, n int64) {
			t.Helper()
			b.get(path, nil)
			if got := b.metrics.asked.Load() - before; got != n {
				t.Errorf("%s %s: metrics were asked %d times, want %d", path, when, got, n)
			}
		}
		want("at first", 1)
		want("again", 1)
		b.pass(19999 * time.Millisecond)
		want("just before the next sample", 1)
		b.pass(time.Millisecond)
		want("when the next sample is due", 2)
		want("while the next sample is late", 3)
		b.pass(-20 * time.Second)
	}
}

func TestSummariesAreKeptForAnInterval(t *testing.T) {
	b := put(t, &fakeMetrics{}, nil)
	for range 2 {
		b.get("/metrics/summary", nil)
	}
	if n := b.metrics.asked.Load(); n != 1 {
		t.Errorf("a summary within its interval was asked for %d times, want once", n)
	}
	b.pass(interval)
	if b.get("/metrics/summary", nil); b.metrics.asked.Load() != 2 {
		t.Error("a summary older than its interval was given again")
	}
}

func TestEmptyAnswersAreNotKept(t *testing.T) {
	b := put(t, &fakeMetrics{
		system: func(context.Context, time.Time, time.Duration, string) ([]metrics.SystemSample, error) {
			return []metrics.SystemSample{}, nil
		},
		api: func(time.Time, time.Duration) ([]metrics.APISample, error) { return []metrics.APISample{}, nil },
		summary: func(time.Time, time.Duration) (metrics.Summary, error) {
			return metrics.Summary{API: metrics.APISummary{TopEndpoints: []metrics.EndpointUsage{}}, App: noApp}, nil
		},
		overview: func() (metrics.Overview, error) {
			o, err := (&fakeMetrics{}).Overview(t.Context())
			o.Newest = time.Time{}

			return o, err
		},
	}, nil)
	for i, path := range []string{"/metrics/system", "/metrics/api", "/metrics/summary", "/dashboard/overview"} {
		b.get(path, nil)
		b.get(path, nil)
		if n := b.metrics.asked.Load(); n != int64(2*i+2) {
			t.Errorf("%s: metrics were asked %d times in all, want %d", path, n, 2*i+2)
		}
	}
}

func TestKeyIsThePathAndItsParametersInAnyOrder(t *testing.T) {
	b := put(t, &fakeMetrics{}, nil)
	for _, tc := range []struct {
		path  string
		asked int64
	}{
		{"/metrics/system?minutes=5&instance=a", 1},
		{"/metrics/system?instance=a&minutes=5", 1},
		{"/metrics/system?instance=%61&minutes=5", 1},
		{"/metrics/system?instance=b&minutes=5", 2},
		{"/metrics/system?minutes=6&instance=a", 3},
		{"/metrics/api?minutes=5", 4},
	} {
		b.get(tc.path, nil)
		if n := b.metrics.asked.Load(); n != tc.asked {
			t.Errorf("after %s metrics were asked %d times, want %d", tc.path, n, tc.asked)
		}
	}
}

func TestLargeAnswersAreKept(t *testing.T) {
	c := newCache(prometheus.NewRegistry(), func() time.Time { return noon })
	for _, size := range []int{0, 1, 64<<10 - stampLen, 64 << 10, 1 << 20} {
		want := strings.Repeat("x", size)
		made := 0
		for range 2 {
			got, err := c.get(t.Context(), fmt.Sprint("size ", size), func(context.Context) (answer, error) {
				made++
				return answer{[]byte(want), time.Minute}, nil
			})
			if err != nil || string(got) != want {
				t.Fatalf("%d bytes came back as %d (%v)", size, len(got), err)
			}
		}
		if made != 1 {
			t.Errorf("an answer of %d bytes was made %d times, want once", size, made)
		}
	}
}

func TestEqualQuestionsAtTheSameTimeAreAskedOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		release := make(chan struct{})
		b := put(t, &fakeMetrics{system: func(context.Context, time.Time, time.Duration, string) ([]metrics.SystemSample, error) {
			<-release
			return (&fakeMetrics{}).System(t.Context(), noon, 0, "")
		}}, nil)
		var ok atomic.Int64
		var callers sync.WaitGroup
		for range 100 {
			callers.Go(func() {
				if b.get("/metrics/system", nil) == http.StatusOK {
					ok.Add(1)
				}
			})
		}
		synctest.Wait()
		close(release)
		callers.Wait()
		if n := b.metrics.asked.Load(); n != 1 || ok.Load() != 100 {
			t.Errorf("metrics were asked %d times and %d of 100 callers were answered", n, ok.Load())
		}
	})
}

func TestCallerWhoLeavesSpoilsNothing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		release := make(chan struct{})
		b := put(t, &fakeMetrics{system: func(ctx context.Context, _ time.Time, _ time.Duration, _ string) ([]metrics.SystemSample, error) {
			select {
			case <-release:
				return (&fakeMetrics{}).System(ctx, noon, 0, "")
			case <-ctx.Done():
				return nil, ctx.Err()
			}
		}}, nil)
		ctx, leave := context.WithCancel(t.Context())
		var callers sync.WaitGroup
		callers.Go(func() { // The first one, whose request the question is asked for.
			b.fails(httptest.NewRequestWithContext(ctx, http.MethodGet, Base+"/metrics/system", http.NoBody), 499, "canceled", "")
		})
		synctest.Wait()
		callers.Go(func() {
			if code := b.get("/metrics/system", nil); code != http.StatusOK {
				t.Errorf("the caller who stayed is answered %d", code)
			}
		})
		synctest.Wait()
		leave()
		synctest.Wait()
		close(release)
		callers.Wait()
		if n := b.metrics.asked.Load(); n != 1 {
			t.Errorf("metrics were asked %d times, want once", n)
		}
	})
}

func TestCacheErrorIsForAllWhoWaitAndNobodyElse(t *testing.T) {
	c := newCache(prometheus.NewRegistry(), func() time.Time { return noon })
	broken := errors.New("broken")
	if _, err := c.get(t.Context(), "k", func(context.Context) (answer, error) { return answer{}, broken }); !errors.Is(err, broken) {
		t.Errorf("the error is %v", err)
	}
	got, err := c.get(t.Context(), "k", func(context.Context) (answer, error) { return answer{body: []byte("fine")}, nil })
	if err != nil || string(got) != "fine" {
		t.Errorf("afterwards it answers %q (%v)", got, err)
	}
}

func TestFreshness(t *testing.T) {
	s := &server{Options: Options{Interval: interval, Now: func() time.Time { return noon }}}
	for name, tc := range map[string]struct {
		newest time.Time
		want   time.Duration
	}{
		"a sample of this moment":  {noon, interval},
		"a sample of 10 s ago":     {noon.Add(-10 * time.Second), 20 * time.Second},
		"a sample that is overdue": {noon.Add(-interval), 0},
		"collection stopped":       {noon.Add(-time.Hour), 0},
		"a clock that runs ahead":  {noon.Add(time.Hour), interval},
		"no sample":                {time.Time{}, 0},
	} {
		if got := s.freshness(tc.newest); got != tc.want {
			t.Errorf("%s: fresh for %s, want %s", name, got, tc.want)
		}
	}
}

func TestOwnMetrics(t *testing.T) {
	b := put(t, &fakeMetrics{}, func(o *Options) {
		o.Mounts = map[string]http.Handler{"/below/": http.NotFoundHandler()}
	})
	for range 2 {
		b.get("/metrics/system?minutes=5", nil)
	}
	for _, r := range []*http.Request{
		request(t, "GET", "/secret/1"), request(t, "GET", "/secret/2"), request(t, "BREW", "/secret/3"),
		request(t, "BREW", Base+"/health"), request(t, "GET", "/below/42"), request(t, "GET", Base+"/alerts?limit=x"),
	} {
		b.do(r).Body.Close()
	}
	want := `
		# HELP llmwatch_api_requests_total Requests to llmwatch itself, by route template, method and status code.
		# TYPE llmwatch_api_requests_total counter
		llmwatch_api_requests_total{code="200",method="GET",route="/api/v1/monitoring/metrics/system"} 2
		llmwatch_api_requests_total{code="400",method="GET",route="/api/v1/monitoring/alerts"} 1
		llmwatch_api_requests_total{code="404",method="GET",route="/below/"} 1
		llmwatch_api_requests_total{code="404",method="GET",route="unmatched"} 2
		llmwatch_api_requests_total{code="404",method="other",route="unmatched"} 1
		llmwatch_api_requests_total{code="405",method="other",route="/api/v1/monitoring/health"} 1
		# HELP llmwatch_cache_requests_total Requests to the cache of rendered answers, by result (hit, miss).
		# TYPE llmwatch_cache_requests_total counter
		llmwatch_cache_requests_total{result="hit"} 1
		llmwatch_cache_requests_total{result="miss"} 1
	`
	if err := testutil.GatherAndCompare(b.reg, strings.NewReader(want), "llmwatch_api_requests_total", "llmwatch_cache_requests_total"); err != nil {
		t.Error(err)
	}
	problems, err := testutil.GatherAndLint(b.reg)
	if err != nil || len(problems) > 0 {
		t.Errorf("promlint finds %v (%v)", problems, err)
	}
}

func TestMounts(t *testing.T) {
	named := func(name string) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.Header().Set("Mount", name) })
	}
	for range 20 { // Maps have no order.
		b := put(t, &fakeMetrics{}, func(o *Options) {
			o.Mounts = map[string]http.Handler{"/": named("page"), "/metrics": named("metrics"), "/p/": named("below"), "/p/q": named("exact"), "/p/q/": named("deeper")}
		})
		for path, want := range map[string]string{
			"/": "page", "/index.html": "page", "/metrics": "metrics", "/metrics/x": "page",
			"/p/": "below", "/p/x": "below", "/p/q": "exact", "/p/q/": "deeper", "/p/q/r": "deeper", Base + "/status": "",
		} {
			resp := b.do(request(t, http.MethodGet, path))
			resp.Body.Close()
			if got := resp.Header.Get("Mount"); got != want || resp.StatusCode != http.StatusOK {
				t.Fatalf("%s is answered by %q with %d, want %q", path, got, resp.StatusCode, want)
			}
		}
	}
}

// TestCache_WorkEndsWithItsLastCaller has two callers wait for one answer.
func TestCache_WorkEndsWithItsLastCaller(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newCache(prometheus.NewRegistry(), func() time.Time { return noon })
		var ended atomic.Bool
		work := func(ctx context.Context) (answer, error) {
			<-ctx.Done()
			ended.Store(true)

			return answer{}, ctx.Err()
		}
		var leave [2]context.CancelFunc
		for i := range leave {
			ctx, cancel := context.WithCancel(t.Context())
			leave[i] = cancel
			go func() { _, _ = c.get(ctx, "key", work) }()
		}
		synctest.Wait()
		leave[0]()
		if synctest.Wait(); ended.Load() {
			t.Error("the work ended although somebody waits for it")
		}
		leave[1]()
		if synctest.Wait(); !ended.Load() {
			t.Error("the work goes on although nobody waits for it")
		}
		body, err := c.get(t.Context(), "key", func(context.Context) (answer, error) { return answer{body: []byte("new")}, nil })
		if err != nil || string(body) != "new" {
			t.Errorf("the next caller is answered %q, %v", body, err)
		}
	})
}
