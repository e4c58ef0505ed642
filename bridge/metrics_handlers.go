package bridge

import (
	"context"
	"net/http"
	"time"

	"llmwatch/bridge/metrics"
)

// list is the documented envelope of several elements.
type list struct {
	Success bool `json:"success"`
	Data    any  `json:"data"`
	Count   int  `json:"count"`
	Minutes int  `json:"time_range_minutes,omitempty"`
}

// single is the documented envelope of one thing.
type single struct {
	Success bool `json:"success"`
	Data    any  `json:"data"`
}

func (s *server) system(w http.ResponseWriter, r *http.Request) error {
	return samples(s, w, r, func(ctx context.Context, window time.Duration) ([]metrics.SystemSample, error) {
		return s.Metrics.System(ctx, window, r.URL.Query().Get("instance"))
	})
}

func (s *server) api(w http.ResponseWriter, r *http.Request) error {
	return samples(s, w, r, s.Metrics.API)
}

func (s *server) app(w http.ResponseWriter, r *http.Request) error {
	return samples(s, w, r, s.Metrics.App)
}

// sample is an element of a list that is ordered by time, the newest last.
type sample interface{ At() time.Time }

// samples answers with what was measured in the last minutes.
func samples[T sample](s *server, w http.ResponseWriter, r *http.Request,
	ask func(ctx context.Context, window time.Duration) ([]T, error),
) error {
	minutes, err := wholeNumber(r.URL.Query(), "minutes", 60, 1, maxMinutes)
	if err != nil {
		return err
	}

	return s.cached(w, r, func(ctx context.Context) (answer, error) {
		data, err := ask(ctx, time.Duration(minutes)*time.Minute)
		if err != nil {
			return answer{}, err
		}
		var newest time.Time
		if len(data) > 0 {
			newest = data[len(data)-1].At()
		}

		return render(list{Success: true, Data: data, Count: len(data), Minutes: minutes}, s.freshness(newest))
	})
}

func (s *server) summary(w http.ResponseWriter, r *http.Request) error {
	hours, err := wholeNumber(r.URL.Query(), "hours", 24, 1, maxHours)
	if err != nil {
		return err
	}

	return s.cached(w, r, func(ctx context.Context) (answer, error) {
		summary, err := s.Metrics.Summary(ctx, s.Now(), time.Duration(hours)*time.Hour)
		if err != nil {
			return answer{}, err
		}
		fresh := s.Interval
		if summary.System.DataPoints == 0 && summary.API.TotalRequests == 0 {
			fresh = 0
		}

		return render(single{Success: true, Data: summary}, fresh)
	})
}

func (s *server) overview(w http.ResponseWriter, r *http.Request) error {
	return s.cached(w, r, func(ctx context.Context) (answer, error) {
		o, err := s.Metrics.Overview(ctx)
		if err != nil {
			return answer{}, err
		}

		return render(single{Success: true, Data: o}, s.freshness(o.Newest))
	})
}

var _ Metrics = (*metrics.Client)(nil)
