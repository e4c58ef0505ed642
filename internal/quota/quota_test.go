package quota

import (
	"context"
	"errors"
	"log/slog"
	"strconv"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/prometheus/client_golang/prometheus/testutil"
)

func as(id string) context.Context {
	return WithPrincipal(context.Background(), Principal{ID: id, Label: id})
}

func TestBudgetFillsUpAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := NewBudget(Events, "events_per_second", "events", 600, time.Minute)
		if err := b.Check(as("a")); err != nil {
			t.Fatal(err)
		}
		b.Spend(as("a"), 900) // One request may go beyond; what it took too much is paid off.
		refusal, ok := errors.AsType[*Refusal](b.Check(as("a")))
		if !ok || refusal.RetryAfter < 30*time.Second || refusal.RetryAfter > 31*time.Second || !strings.Contains(refusal.Message, "limits.events_per_second") {
			t.Fatalf("got %+v", refusal)
		}
		if err := b.Check(as("b")); err != nil {
			t.Errorf("another principal is refused: %v", err)
		}
		time.Sleep(refusal.RetryAfter)
		if err := b.Check(as("a")); err != nil {
			t.Errorf("after that time it is still refused: %v", err)
		}
	})
}

func TestBudgetOfManyPrincipalsStaysSmall(t *testing.T) {
	b := NewBudget(Events, "events_per_second", "events", 600, time.Minute)
	for i := range maxPrincipals + 1000 {
		b.Spend(as(strconv.Itoa(i)), 10)
	}
	if n := len(b.known); n > maxPrincipals+1 {
		t.Errorf("%d are remembered", n)
	}
}

func TestSeriesCount(t *testing.T) {
	now := time.Now()
	s := NewSeriesCount(Limits{SeriesPerToken: 3, PushedSeries: 5})
	take := func(by string, hash uint64, exists bool) string {
		if refusal, ok := errors.AsType[*Refusal](s.Take(Principal{ID: by}, hash, exists, now)); ok {
			return refusal.Reason
		}

		return ""
	}
	for i, step := range []struct {
		by     string
		hash   uint64
		exists bool
		want   string
	}{
		{"a", 1, false, ""},
		{"a", 2, false, ""},
		{"a", 3, false, ""},
		{"a", 4, false, "series_per_token"},
		{"a", 1, false, ""}, // It is known.
		{"a", 5, true, ""},  // It exists since before the start.
		{"b", 6, false, ""},
		{"b", 7, false, "pushed_series"},
	} {
		if got := take(step.by, step.hash, step.exists); got != step.want {
			t.Errorf("step %d: got %q, want %q", i, got, step.want)
		}
	}
	now = now.Add(seriesLease + time.Minute)
	if got := take("a", 8, false); got != "" || s.Total() != 1 {
		t.Errorf("after two hours: %q, and %d series count", got, s.Total())
	}
}

func TestWorkIsSharedByPrincipals(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := NewWork(OTLP)
		var ends []func()
		for range workers {
			end, err := w.Begin(as("a"))
			if err != nil {
				t.Fatal(err)
			}
			ends = append(ends, end)
		}
		end, err := w.Begin(as("b"))
		if err != nil {
			t.Fatalf("another principal: %v", err)
		}
		ends = append(ends, end)
		begin := time.Now()
		if _, err := w.Begin(as("a")); err == nil || time.Since(begin) != workWait {
			t.Errorf("one more of the first gets %v after %s", err, time.Since(begin))
		}
		gone, cancel := context.WithCancel(as("a"))
		cancel()
		if _, err := w.Begin(gone); !errors.Is(err, context.Canceled) {
			t.Errorf("who has left gets %v", err)
		}
		time.Sleep(workTime) // Both of its requests together take twice as much.
		for _, end := range ends {
			end()
		}
		if refusal, ok := errors.AsType[*Refusal](func() error { _, err := w.Begin(as("a")); return err }()); !ok || refusal.Reason != "time" {
			t.Errorf("who has taken too much time gets %v", refusal)
		}
		if end, err = w.Begin(as("c")); err != nil {
			t.Fatal(err)
		}
		end()
		if len(w.turns) != 0 {
			t.Errorf("%d principals are remembered", len(w.turns))
		}
	})
}

func TestRefusalsAreLoggedOnceAMinute(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var text strings.Builder
		r := NewRefusals(slog.New(slog.NewTextHandler(&text, nil)))
		for range 100 {
			r.Count(as("ci"), Alerts, "alerts_per_token", 2, "too many")
		}
		if n := strings.Count(text.String(), "\n"); n != 1 {
			t.Errorf("%d lines are logged", n)
		}
		time.Sleep(reportEvery)
		r.Count(as("ci"), Alerts, "alerts_per_token", 1, "too many")
		if !strings.Contains(text.String(), "refused=199") {
			t.Errorf("logged is %s", text.String())
		}
		if n := testutil.ToFloat64(r.total.WithLabelValues("alerts", "alerts_per_token", "ci")); n != 201 {
			t.Errorf("%v are counted", n)
		}
	})
}
