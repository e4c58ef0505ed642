package bridge

import (
	"context"
	"errors"
	"log/slog"
	"maps"
	"math"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"llmwatch/bridge/alert"
	"llmwatch/bridge/metrics"
)

// polled is an alert as a metrics server tells of it, with more labels.
func polled(name string, labels ...string) metrics.FiringAlert {
	a := metrics.FiringAlert{
		Name: name, Since: longAgo.Add(-5 * time.Minute), Fired: longAgo, Value: 85.2,
		Labels: map[string]string{"alertname": name}, Annotations: map[string]string{"summary": "It is so."},
	}
	for i := 0; i < len(labels); i += 2 {
		a.Labels[labels[i]] = labels[i+1]
	}

	return a
}

// stored is what a snapshot of that alert becomes in the store.
func stored(a metrics.FiringAlert, status alert.Status) alert.Alert {
	return alert.Alert{
		Origin: alert.Origin{Kind: alert.FromRule},
		Name:   a.Name, Status: status, Labels: a.Labels, Fingerprint: alert.Fingerprint(a.Labels), StartsAt: a.Since,
		Annotations: map[string]string{"summary": "as stored"},
	}
}

func TestSnapshot(t *testing.T) {
	var (
		cpu  = polled("cpu")
		disk = polled("disk")
		host = polled("cpu", "host", "a")
		nan  = polled("cpu")
		inf  = polled("disk")
	)
	nan.Value, inf.Value = math.NaN(), math.Inf(-1)
	for name, tc := range map[string]struct {
		state    metrics.AlertState
		external map[string]string
		open     []alert.Alert
		want     []string // Labels, and how the alert came.
	}{
		"nothing": {},
		"what fires is in it, the new and the known": {
			state: metrics.AlertState{Firing: []metrics.FiringAlert{cpu, disk}},
			open:  []alert.Alert{stored(cpu, alert.Active)},
			want:  []string{"alertname=cpu: It is so. 85.2", "alertname=disk: It is so. 85.2"},
		},
		"what is open and does not fire is left out": {open: []alert.Alert{stored(cpu, alert.Active)}},
		"what is pending stays where it is open": {
			state: metrics.AlertState{Pending: []metrics.FiringAlert{cpu, disk}},
			open:  []alert.Alert{stored(cpu, alert.Acknowledged)},
			want:  []string{"alertname=cpu: It is so. 85.2"},
		},
		"what is pending is not reopened where it was resolved": {
			state: metrics.AlertState{Pending: []metrics.FiringAlert{cpu}},
			open:  []alert.Alert{stored(cpu, alert.Resolved)},
		},
		"what is pending counts by its labels, not by its name": {
			state: metrics.AlertState{Pending: []metrics.FiringAlert{host}},
			open:  []alert.Alert{stored(cpu, alert.Active)},
		},
		"external labels are added, own ones win": {
			state:    metrics.AlertState{Firing: []metrics.FiringAlert{cpu, host}},
			external: map[string]string{"host": "outside", "region": "eu"},
			want:     []string{"alertname=cpu,host=outside,region=eu: It is so. 85.2", "alertname=cpu,host=a,region=eu: It is so. 85.2"},
		},
		"what is pending is known by its labels with the external ones": {
			state:    metrics.AlertState{Pending: []metrics.FiringAlert{cpu}},
			external: map[string]string{"region": "eu"},
			open:     []alert.Alert{stored(polled("cpu", "region", "eu"), alert.Active)},
			want:     []string{"alertname=cpu,region=eu: It is so. 85.2"},
		},
		"one that fires and is pending is in it once": {
			state: metrics.AlertState{Firing: []metrics.FiringAlert{cpu}, Pending: []metrics.FiringAlert{cpu, cpu}},
			open:  []alert.Alert{stored(cpu, alert.Active)},
			want:  []string{"alertname=cpu: It is so. 85.2"},
		},
		"what is no number has no value": {
			state: metrics.AlertState{Firing: []metrics.FiringAlert{nan, inf}},
			want:  []string{"alertname=cpu: It is so. none", "alertname=disk: It is so. none"},
		},
	} {
		t.Run(name, func(t *testing.T) {
			names := newNaming(tc.external, tc.open)
			s := snapshot(tc.state, func(a metrics.FiringAlert) alert.Seen { return (&Poller{}).seen(a, names) }, tc.open)
			if !s.Complete {
				t.Error("it is not complete")
			}
			var got []string
			for _, a := range s.Alerts {
				got = append(got, describe(a))
				if !a.StartsAt.Equal(longAgo.Add(-5*time.Minute)) || !a.EndsAt.IsZero() {
					t.Errorf("%s begins %s and ends %s", describe(a), a.StartsAt, a.EndsAt)
				}
			}
			if diff := cmp.Diff(tc.want, got); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
			if cpu.Labels["region"] != "" || cpu.Labels["host"] != "" {
				t.Fatalf("it changed the labels that it was given: %v", cpu.Labels)
			}
		})
	}
}

// describe is labels, summary and value in one line.
func describe(a alert.Seen) string {
	var labels []string
	for _, name := range slices.Sorted(maps.Keys(a.Labels)) {
		labels = append(labels, name+"="+a.Labels[name])
	}
	value := "none"
	if a.Value != nil {
		value = "85.2"
		if *a.Value != 85.2 {
			value = "another"
		}
	}

	return strings.Join(labels, ",") + ": " + a.Annotations["summary"] + " " + value
}

func TestPolledAlertTellsItsRule(t *testing.T) {
	a := polled("cpu")
	a.Query = "x > 1"
	for queryURL, want := range map[string]string{
		"":                          "",
		"http://p:9090/graph?expr=": "http://p:9090/graph?expr=x+%3E+1",
	} {
		got := (&Poller{QueryURL: queryURL}).seen(a, newNaming(nil, nil))
		if got.GeneratorURL != want {
			t.Errorf("with %q it links to %q, want %q", queryURL, got.GeneratorURL, want)
		}
		if got.For != 5*time.Minute {
			t.Errorf("For is %s, want 5m: what lies between Since and Fired", got.For)
		}
	}
}

// fault is the error that something fails with now, if any.
type fault struct{ err atomic.Pointer[error] }

func (f *fault) set(err error) { f.err.Store(&err) }

func (f *fault) get() error {
	if err := f.err.Load(); err != nil {
		return *err
	}

	return nil
}

// source fails where a test tells it to.
type source struct {
	polls            atomic.Int64
	takes            atomic.Int64 // How long it takes to answer, in nanoseconds.
	alerts, external fault
}

func (s *source) Alerts(context.Context) (metrics.AlertState, error) {
	s.polls.Add(1)
	time.Sleep(time.Duration(s.takes.Load())) // The bubble's clock.
	if err := s.alerts.get(); err != nil {
		return metrics.AlertState{}, err
	}

	return metrics.AlertState{Firing: []metrics.FiringAlert{polled("cpu")}}, nil
}

func (s *source) ExternalLabels(context.Context) (map[string]string, error) {
	return map[string]string{"region": "eu"}, s.external.get()
}

func (s *source) Started(context.Context) (time.Time, error) { return time.Time{}, metrics.ErrNotTold }

func (s *source) Yields(context.Context, string, time.Time) ([]map[string]string, error) {
	return nil, nil
}

// recorder is an observer that remembers what it is told.
type recorder struct{ seen []alert.Snapshot }

func (o *recorder) Observe(_ context.Context, s alert.Snapshot) error {
	o.seen = append(o.seen, s)

	return nil
}

// openAlerts is a store that knows of open alerts and of nothing else.
type openAlerts struct {
	alert.Store
	fault
	open atomic.Pointer[[]alert.Alert]
}

func (o *openAlerts) hold(open ...alert.Alert) { o.open.Store(&open) }

func (o *openAlerts) Load(context.Context, time.Time) ([]alert.Alert, error) {
	if open := o.open.Load(); open != nil {
		return *open, o.get()
	}

	return nil, o.get()
}

// polling runs a poller every ten seconds in a bubble.
func polling(t *testing.T, test func(p *Poller, src *source, o *recorder, log *logBuffer)) {
	t.Helper()

	synctest.Test(t, func(t *testing.T) {
		src, o, log := &source{}, &recorder{}, &logBuffer{}
		p := NewPoller(Poller{
			Source: src, Observer: o, Store: &openAlerts{}, Every: 10 * time.Second, Logger: slog.New(slog.NewTextHandler(log, nil)),
		})
		ctx, cancel := context.WithCancel(t.Context())
		done := make(chan struct{})
		go func() {
			p.Run(ctx)
			close(done)
		}()
		synctest.Wait()
		test(p, src, o, log)
		cancel()
		<-done
	})
}

// pass lets time pass in a bubble.
func pass(d time.Duration) {
	<-time.After(d)
	synctest.Wait()
}

func TestPollerPollsAtOnceAndThenEveryInterval(t *testing.T) {
	polling(t, func(_ *Poller, src *source, o *recorder, log *logBuffer) {
		for i, after := range []time.Duration{0, 10 * time.Second, 10 * time.Second} {
			if pass(after); src.polls.Load() != int64(i+1) {
				t.Errorf("after %d intervals it has polled %d times, want %d", i, src.polls.Load(), i+1)
			}
		}
		if pass(9 * time.Second); src.polls.Load() != 3 {
			t.Errorf("it polls before its time: %d times", src.polls.Load())
		}
		if len(o.seen) != 3 || o.seen[2].Alerts[0].Labels["region"] != "eu" || !o.seen[2].Complete {
			t.Errorf("what was observed is %+v", o.seen)
		}
		if text := log.String(); text != "" {
			t.Errorf("it logs %s", text)
		}
	})
}

func TestKickPollsAtOnce(t *testing.T) {
	polling(t, func(p *Poller, src *source, _ *recorder, _ *logBuffer) {
		p.Kick()
		if synctest.Wait(); src.polls.Load() != 2 {
			t.Errorf("after a kick it has polled %d times, want 2", src.polls.Load())
		}
		src.takes.Store(int64(time.Second))
		for range 100 { // Many during a poll are one more.
			p.Kick()
		}
		if pass(3 * time.Second); src.polls.Load() < 3 || src.polls.Load() > 4 {
			t.Errorf("after 100 more kicks at once it has polled %d times", src.polls.Load())
		}
	})
}

func TestPollThatFailsChangesNothingAndIsLoggedOnce(t *testing.T) {
	broken := errors.New("connection refused")
	for name, fail := range map[string]func(src *source, p *Poller, err error){
		"alerts":    func(src *source, _ *Poller, err error) { src.alerts.set(err) },
		"the store": func(_ *source, p *Poller, err error) { p.Store.(*openAlerts).set(err) },
	} {
		t.Run(name, func(t *testing.T) {
			polling(t, func(p *Poller, src *source, o *recorder, log *logBuffer) {
				fail(src, p, broken)
				pass(30 * time.Second)
				if len(o.seen) != 1 || src.polls.Load() != 4 {
					t.Errorf("after %d polls, of which one did not fail, %d were observed", src.polls.Load(), len(o.seen))
				}
				text := log.String()
				if strings.Count(text, "level=WARN") != 1 || !strings.Contains(text, "they stay as they are") || !strings.Contains(text, "connection refused") {
					t.Errorf("it logs\n%s", text)
				}
				if since := time.Since(p.LastSuccess()); since != 30*time.Second {
					t.Errorf("the last success was %s ago, want 30s", since)
				}
				fail(src, p, nil)
				pass(20 * time.Second)
				if since := time.Since(p.LastSuccess()); since > 10*time.Second {
					t.Errorf("after the recovery the last success was %s ago", since)
				}
				if text := log.String(); strings.Count(text, "is fetched again") != 1 || len(o.seen) != 3 {
					t.Errorf("after the recovery %d were observed, the log is\n%s", len(o.seen), text)
				}
				fail(src, p, broken)
				pass(10 * time.Second)
				if text := log.String(); strings.Count(text, "level=WARN") != 2 {
					t.Errorf("the next failure is not logged:\n%s", text)
				}
			})
		})
	}
}

func TestAlertsAreReadWhileTheExternalLabelsAreUnknown(t *testing.T) {
	polling(t, func(_ *Poller, src *source, o *recorder, _ *logBuffer) {
		for _, err := range []error{errors.New("403"), metrics.ErrNotTold} {
			src.external.set(err)
			pass(10 * time.Second)
			if got := o.seen[len(o.seen)-1].Alerts; len(got) != 1 || got[0].Labels["region"] != "eu" {
				t.Errorf("%v: what was observed is %+v, want the alert with the labels that were known", err, got)
			}
		}
		if len(o.seen) != 3 {
			t.Errorf("%d polls were observed, want 3", len(o.seen))
		}
	})
}

func TestPollerThatIsStoppedSaysNothing(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	src, log, o := &source{}, &logBuffer{}, &recorder{}
	src.alerts.set(context.Canceled)
	NewPoller(Poller{
		Source: src, Observer: o, Store: &openAlerts{}, Every: time.Second, Logger: slog.New(slog.NewTextHandler(log, nil)),
	}).Run(ctx)
	if log.String() != "" || len(o.seen) != 0 {
		t.Errorf("it observed %v and logged %s", o.seen, log)
	}
}
