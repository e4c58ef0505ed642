package bridge

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"llmwatch/bridge/alert"
	"llmwatch/bridge/metrics"
)

func TestHealthNamesAlertsThatCannotBeRead(t *testing.T) {
	for name, tc := range map[string]struct {
		err  error
		want string
	}{
		"the server does not answer": {fmt.Errorf("%w: dial tcp 10.0.0.1:9090: refused", metrics.ErrUnavailable), "the metrics server does not answer"},
		"the server is too slow":     {fmt.Errorf("%w: %w 30s", metrics.ErrUnavailable, metrics.ErrSlow), "takes too long to answer (prometheus.timeout)"},
		"something else":             {errors.New("disk I/O error in /var/lib"), "the log has the error"},
	} {
		t.Run(name, func(t *testing.T) {
			polling(t, func(p *Poller, src *source, _ *recorder, _ *logBuffer) {
				src.alerts.set(tc.err)
				pass(20 * time.Second)
				if err := p.Failure(); err != nil {
					t.Errorf("within two intervals it says %v", err)
				}
				pass(10 * time.Second)
				err := p.Failure()
				if err == nil || !strings.HasPrefix(err.Error(), "alerts cannot be read since 2000-01-01T00:00:10Z: ") || !strings.Contains(err.Error(), tc.want) {
					t.Errorf("it says %v, want %q", err, tc.want)
				}
				if err != nil && (strings.Contains(err.Error(), "10.0.0.1") || strings.Contains(err.Error(), "/var/lib")) {
					t.Errorf("it tells everybody an address: %v", err)
				}
				src.alerts.set(nil)
				pass(10 * time.Second)
				if err := p.Failure(); err != nil {
					t.Errorf("after the recovery it says %v", err)
				}
			})
		})
	}
}

func TestHealthNamesAlertsThatCouldNeverBeRead(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		src := &source{}
		src.alerts.set(errors.New("502"))
		p := NewPoller(Poller{Source: src, Observer: &recorder{}, Store: &openAlerts{}, Every: time.Minute, Logger: slog.New(slog.DiscardHandler)})
		ctx, cancel := context.WithCancel(t.Context())
		defer cancel()
		go p.Run(ctx)
		synctest.Wait()
		if p.Failure() == nil {
			t.Error("no poll ever succeeded, and health does not know")
		}
	})
}

func TestPeopleAreToldThatAlertsCannotBeRead(t *testing.T) {
	polling(t, func(p *Poller, src *source, o *recorder, _ *logBuffer) {
		p.Origin.Source = "http://prometheus:9090"
		src.alerts.set(fmt.Errorf("%w: refused", metrics.ErrUnavailable))
		pass(5 * time.Minute)
		if len(o.seen) != 1 {
			t.Fatalf("before five minutes have passed, %d were observed: %+v", len(o.seen), o.seen[1:])
		}
		pass(time.Minute)
		if len(o.seen) != 2 {
			t.Fatalf("it is told %d times, want once", len(o.seen)-1)
		}
		s := o.seen[1]
		want := alert.Origin{Kind: alert.FromPush, Source: alert.SourceSelf}
		if s.Complete || s.Origin != want || len(s.Alerts) != 1 {
			t.Fatalf("what is told is %+v", s)
		}
		a := s.Alerts[0]
		if a.Labels["alertname"] != "alerts_unreadable" || a.Labels["severity"] != "critical" ||
			!strings.Contains(a.Annotations["description"], "http://prometheus:9090 cannot be read since 2000-01-01T00:00:10Z") {
			t.Errorf("the alert is %+v", a)
		}

		open := alert.Alert{Name: "alerts_unreadable", Status: alert.Active, Labels: a.Labels, Origin: want}
		p.Store.(*openAlerts).hold(open)
		src.alerts.set(nil)
		pass(10 * time.Second)
		if end := o.seen[2]; len(o.seen) != 4 || end.Complete || end.Origin != want || end.Alerts[0].EndsAt.After(time.Now()) {
			t.Errorf("after the recovery it was told %+v", o.seen[2:])
		}
	})
}
