package bridge

import (
	"context"
	"net/http"
	"time"

	"llmwatch/bridge/metrics"
)

// list is the documented envelope of several elements.
type list struct {
	Success   bool     `json:"success"`
	Data      any      `json:"data"`
	Count     int      `json:"count"`
	Minutes   int      `json:"time_range_minutes,omitempty"`
	Instances []string `json:"instances,omitzero"`
	bounds
}

// single is the documented envelope of one thing.
type single struct {
	Success bool `json:"success"`
	Data    any  `json:"data"`
}

func (s *server) system(w http.ResponseWriter, r *http.Request) error {
	return samples(s, w, r, s.systemOf(r), func(ctx context.Context, p period, l *list) (err error) {
		l.Instances, err = s.Metrics.Instances(ctx, p.end, p.length())

		return err
	})
}

func (s *server) api(w http.ResponseWriter, r *http.Request) error {
	return samples(s, w, r, s.Metrics.API, nil)
}

func (s *server) app(w http.ResponseWriter, r *http.Request) error {
	return samples(s, w, r, s.Metrics.App, nil)
}

// question asks for what was measured in the window before a moment.
type question[T any] func(ctx context.Context, at time.Time, window time.Duration) ([]T, error)

// systemOf asks about the hosts that a request is about.
func (s *server) systemOf(r *http.Request) question[metrics.SystemSample] {
	instance := r.URL.Query().Get("instance")

	return func(ctx context.Context, at time.Time, window time.Duration) ([]metrics.SystemSample, error) {
		return s.Metrics.System(ctx, at, window, instance)
	}
}

// sample is an element of a list that is ordered by time, the newest last.
type sample interface{ At() time.Time }

// samples answers with what was measured in a period. more adds to the answer; nil
// does not.
func samples[T sample](s *server, w http.ResponseWriter, r *http.Request, ask question[T],
	more func(ctx context.Context, p period, l *list) error,
) error {
	p, err := samplePeriods.read(r.URL.Query(), s.Now())
	if err != nil {
		return err
	}

	return s.cached(w, r, func(ctx context.Context) (answer, error) {
		data, err := ask(ctx, p.end, p.length())
		if err != nil {
			return answer{}, err
		}
		l := list{Success: true, Data: data, Count: len(data), Minutes: p.in(time.Minute), bounds: p.bounds()}
		if more != nil {
			if err := more(ctx, p, &l); err != nil {
				return answer{}, err
			}
		}
		var newest time.Time
		if len(data) > 0 {
			newest = data[len(data)-1].At()
		}

		return render(l, s.freshnessOf(p, newest))
	})
}

// freshnessOf is how long the answer about a period stays the best there is. What is
// past does not change with the next sample, but may still be completed: by rules
// that are evaluated late, or samples that arrive late.
func (s *server) freshnessOf(p period, newest time.Time) time.Duration {
	if !newest.IsZero() && p.end.Before(s.Now().Add(-s.Interval)) {
		return s.Interval
	}

	return s.freshness(newest)
}

func (s *server) summary(w http.ResponseWriter, r *http.Request) error {
	p, err := summaryPeriods.read(r.URL.Query(), s.Now())
	if err != nil {
		return err
	}

	return s.cached(w, r, func(ctx context.Context) (answer, error) {
		summary, err := s.Metrics.Summary(ctx, p.end, p.length())
		if err != nil {
			return answer{}, err
		}
		fresh := s.Interval
		if summary.System.DataPoints == 0 && summary.API.TotalRequests == 0 {
			fresh = 0
		}

		return render(struct {
			single
			bounds
		}{single{Success: true, Data: summary}, p.bounds()}, fresh)
	})
}

// overview counts the alerts anew each time: they change between two samples.
func (s *server) overview(w http.ResponseWriter, r *http.Request) error {
	counts, err := s.countAlerts(r.Context())
	if err != nil {
		return err
	}

	return s.cachedAs(w, r, "alerts="+counts.key(), func(ctx context.Context) (answer, error) {
		o, err := s.Metrics.Overview(ctx)
		if err != nil {
			return answer{}, err
		}

		return render(single{Success: true, Data: struct {
			metrics.Overview
			Alerts alertCounts `json:"alerts"`
		}{o, counts}}, s.freshness(o.Newest))
	})
}

var _ Metrics = (*metrics.Client)(nil)
