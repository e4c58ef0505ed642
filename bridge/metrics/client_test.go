package metrics

import (
	"context"
	"errors"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/prometheus/common/model"
)

func TestFailuresOfTheServerAreUnavailable(t *testing.T) {
	for name, tc := range map[string]struct {
		status      int
		body        string
		unavailable bool
		says        string
	}{
		"500 with a page of HTML": {500, "<html>oops</html>", true, "500"},
		"502 of a proxy":          {502, "<html>bad gateway</html>", true, "502"},
		"503 while it starts":     {503, "Service Unavailable", true, "503"},
		"401 of a proxy":          {401, "Unauthorized", true, "401"},
		"200 that is not JSON":    {200, "<html>welcome</html>", true, "bad_response"},
		"200 without data":        {200, "{}", true, ""},
		"a time-out of its own":   {503, `{"status":"error","errorType":"timeout","error":"query timed out"}`, true, ""},
		"422 execution error":     {422, `{"status":"error","errorType":"execution","error":"too many samples"}`, false, "too many samples"},
		"400 bad data":            {400, `{"status":"error","errorType":"bad_data","error":"unknown function"}`, false, "unknown function"},
		"a scalar for a vector":   {200, `{"status":"success","data":{"resultType":"scalar","result":[1,"1"]}}`, true, "it answered a scalar where a vector was asked for"},
	} {
		t.Run(name, func(t *testing.T) {
			c, _ := ask(t, time.Minute, always(tc.status, tc.body))
			_, err := c.Newest(t.Context())
			if err == nil || errors.Is(err, ErrUnavailable) != tc.unavailable || !strings.Contains(err.Error(), tc.says) {
				t.Errorf("the error is %v, want one with %q that is ErrUnavailable: %t", err, tc.says, tc.unavailable)
			}
		})
	}
}

func TestAnswersOfTheWrongTypeAreErrors(t *testing.T) {
	c, _ := ask(t, time.Minute, anchoredServer(func(question) (int, string) { return value(model.Vector{}) }))
	for name, f := range map[string]func() error{
		"raw samples":    func() error { _, err := c.System(t.Context(), noon, time.Hour, ""); return err },
		"a range query":  func() error { _, err := c.API(t.Context(), noon, time.Hour); return err },
		"overview's own": func() error { _, err := c.Overview(t.Context()); return err },
	} {
		if err := f(); !errors.Is(err, ErrUnavailable) {
			t.Errorf("%s: a vector where a matrix was asked for gives %v", name, err)
		}
	}
}

// everyQuestion calls each method that asks the server.
var everyQuestion = map[string]func(context.Context, *Client) error{
	"Instances": func(ctx context.Context, c *Client) error {
		_, err := c.Instances(ctx, noon, time.Hour)
		return err
	},
	"System":   func(ctx context.Context, c *Client) error { _, err := c.System(ctx, noon, time.Hour, ""); return err },
	"API":      func(ctx context.Context, c *Client) error { _, err := c.API(ctx, noon, time.Hour); return err },
	"Summary":  func(ctx context.Context, c *Client) error { _, err := c.Summary(ctx, noon, time.Hour); return err },
	"Overview": func(ctx context.Context, c *Client) error { _, err := c.Overview(ctx); return err },
	"Rules":    func(ctx context.Context, c *Client) error { _, err := c.Rules(ctx); return err },
	"Newest":   func(ctx context.Context, c *Client) error { _, err := c.Newest(ctx); return err },
}

func TestRefusedConnectionIsUnavailable(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	address := l.Addr().String()
	if err := l.Close(); err != nil { // Nobody listens there now.
		t.Fatal(err)
	}
	c, err := New(Config{URL: "http://" + address, Interval: time.Minute})
	if err != nil {
		t.Fatal(err)
	}
	for name, f := range everyQuestion {
		if err := f(t.Context(), c); !errors.Is(err, ErrUnavailable) {
			t.Errorf("%s: a refused connection gives %v", name, err)
		}
	}
}

func TestQuestionsGoToNobodyElse(t *testing.T) {
	elsewhere := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		t.Errorf("another server was asked %s %s with %v", r.Method, r.URL, r.Header)
	}))
	t.Cleanup(elsewhere.Close)
	for _, code := range []int{http.StatusFound, http.StatusPermanentRedirect} {
		here := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			http.Redirect(w, r, elsewhere.URL+"/stolen", code)
		}))
		t.Cleanup(here.Close)
		c, err := New(Config{URL: strings.Replace(here.URL, "//", "//ada:canary-password@", 1), Interval: time.Minute})
		if err != nil {
			t.Fatal(err)
		}
		for name, f := range everyQuestion {
			err := f(t.Context(), c)
			if !errors.Is(err, ErrUnavailable) || !strings.Contains(err.Error(), "redirects to "+elsewhere.URL) || strings.Contains(err.Error(), "canary") {
				t.Errorf("%s: a redirect with %d gives %v", name, code, err)
			}
		}
	}
}

// hang is a server that takes every request and never answers.
type hang struct{}

func (hang) RoundTrip(r *http.Request) (*http.Response, error) {
	<-r.Context().Done()

	return nil, r.Context().Err()
}

func TestHangIsUnavailableWithinTheTimeOut(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c, err := New(Config{URL: "http://hangs", Transport: hang{}, Interval: time.Minute})
		if err != nil {
			t.Fatal(err)
		}
		begin := time.Now()
		var asked sync.WaitGroup
		for name, f := range everyQuestion {
			for range 3 { // Nobody waits for the time-out of somebody else.
				asked.Go(func() {
					if err := f(t.Context(), c); !errors.Is(err, ErrUnavailable) {
						t.Errorf("%s: a server that hangs gives %v", name, err)
					}
					if took := time.Since(begin); took > minTimeout {
						t.Errorf("%s took %s, want at most %s", name, took, minTimeout)
					}
				})
			}
		}
		asked.Wait()
	})
}

func TestCallerWhoLeavesIsNotAFailureOfTheServer(t *testing.T) {
	for name, f := range everyQuestion {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				c, err := New(Config{URL: "http://hangs", Transport: hang{}, Interval: time.Minute})
				if err != nil {
					t.Fatal(err)
				}
				ctx, cancel := context.WithCancel(t.Context())
				time.AfterFunc(time.Second, cancel)
				err = f(ctx, c)
				if !errors.Is(err, context.Canceled) || errors.Is(err, ErrUnavailable) {
					t.Errorf("the error is %v, want context.Canceled alone", err)
				}
			})
		})
	}
}

func TestTimeoutGrowsWithTheWindow(t *testing.T) {
	for window, want := range map[time.Duration]time.Duration{
		0:                   minTimeout,
		time.Hour:           minTimeout,
		24 * time.Hour:      minTimeout,
		48 * time.Hour:      2 * minTimeout,
		30 * 24 * time.Hour: maxTimeout,
	} {
		if got := timeout(window); got != want {
			t.Errorf("a window of %s gets %s, want %s", window, got, want)
		}
	}
}

func TestDialectIsRememberedOnceKnown(t *testing.T) {
	empty := func(question) (int, string) { return value(model.Vector{}) }
	for name, tc := range map[string]struct {
		server func(func(question) (int, string)) func(question) (int, string)
		want   string
	}{
		"anchored": {anchoredServer, "[1h] anchored"},
		"plain":    {plainServer, "[1h]"},
	} {
		t.Run(name, func(t *testing.T) {
			c, server := ask(t, time.Minute, tc.server(empty))
			for range 3 {
				got, err := c.increaseRange(t.Context(), time.Hour)
				if err != nil || got != tc.want {
					t.Fatalf("increaseRange is %q (%v), want %q", got, err, tc.want)
				}
			}
			if n := len(server.questions("up[1m]")); n != 1 {
				t.Errorf("the server was asked %d times, want once", n)
			}
		})
	}
}

func TestDialectIsNotGuessedWhileTheServerIsAway(t *testing.T) {
	c, server := ask(t, time.Minute, always(503, "starting"))
	if _, err := c.increaseRange(t.Context(), time.Hour); !errors.Is(err, ErrUnavailable) {
		t.Fatalf("while the server is away the error is %v", err)
	}
	server.change(anchoredServer(nil))
	if got, err := c.increaseRange(t.Context(), time.Hour); err != nil || got != "[1h] anchored" {
		t.Errorf("once it is back, increaseRange is %q (%v)", got, err)
	}
}

func TestNewRefusesWhatCannotWork(t *testing.T) {
	for name, tc := range map[string]struct {
		cfg  Config
		want string
	}{
		"interval": {Config{URL: "http://localhost", Interval: time.Millisecond}, "metrics: the collection interval must be at least 1s, got 1ms"},
		"URL":      {Config{URL: "http://[", Interval: time.Second}, `metrics: the Prometheus URL "http://[" cannot be used: parse "http://[": missing ']' in host`},
	} {
		if _, err := New(tc.cfg); err == nil || err.Error() != tc.want {
			t.Errorf("%s: the error is %v, want %s", name, err, tc.want)
		}
	}
}
