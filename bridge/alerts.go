package bridge

import (
	"context"
	"encoding/json"
	"fmt"
	"math"
	"net/http"
	"time"

	"llmwatch/bridge/metrics"
)

// alertView is an alert as the API shows it.
type alertView struct {
	ID          string        `json:"id"`
	Name        string        `json:"name"`
	Description string        `json:"description"`
	Severity    string        `json:"severity"`
	Status      string        `json:"status"`
	CreatedAt   metrics.Time  `json:"created_at"`
	UpdatedAt   metrics.Time  `json:"updated_at"`
	Metadata    alertMetadata `json:"metadata"`
}

type alertMetadata struct {
	// Metrics is the summary of the hour before the alert fired.
	Metrics     json.RawMessage   `json:"metrics"`
	Labels      map[string]string `json:"labels"`
	Annotations map[string]string `json:"annotations"`
	// Value is null where the rule's value is not a number.
	Value *float64 `json:"value"`
}

// statusTriggered is the state of an alert that fires and was not yet notified.
const statusTriggered = "triggered"

func (s *server) alerts(w http.ResponseWriter, r *http.Request) error {
	q := r.URL.Query()
	limit, err := wholeNumber(q, "limit", maxLimit, 1, maxLimit)
	if err != nil {
		return err
	}
	status, err := oneOf(q, "status", statusTriggered, "active", "acknowledged")
	if err != nil {
		return err
	}
	severity, err := oneOf(q, "severity", "critical", "high", "medium", "low")
	if err != nil {
		return err
	}
	firing, err := s.Metrics.Firing(r.Context())
	if err != nil {
		return err
	}
	views := []alertView{}
	for _, v := range viewAlerts(firing) {
		if (status == "" || v.Status == status) && (severity == "" || v.Severity == severity) &&
			(!q.Has("name") || v.Name == q.Get("name")) && len(views) < limit {
			views = append(views, v)
		}
	}
	if err := s.addSummaries(r.Context(), views); err != nil {
		return err
	}
	a, err := render(list{Success: true, Data: views, Count: len(views)}, 0)
	if err != nil {
		return err
	}
	writeBody(w, http.StatusOK, a.body)

	return nil
}

// viewAlerts gives each alert its id: name and firing day, and a number from
// the second one of that name on that day. The input is newest first.
func viewAlerts(firing []metrics.FiringAlert) []alertView {
	views := make([]alertView, len(firing))
	seen := map[string]int{}
	for i := len(firing) - 1; i >= 0; i-- {
		a := firing[i]
		id := a.Name + "_" + a.Fired.UTC().Format("20060102")
		seen[id]++
		if n := seen[id]; n > 1 {
			id = fmt.Sprintf("%s_%d", id, n)
		}
		views[i] = alertView{
			ID:          id,
			Name:        a.Name,
			Description: describe(a.Annotations),
			Severity:    a.Severity,
			Status:      statusTriggered,
			CreatedAt:   metrics.Time{Time: a.Since},
			UpdatedAt:   metrics.Time{Time: a.Fired},
			Metadata:    alertMetadata{Labels: a.Labels, Annotations: a.Annotations},
		}
		if !math.IsNaN(a.Value) && !math.IsInf(a.Value, 0) {
			views[i].Metadata.Value = &firing[i].Value
		}
	}

	return views
}

func describe(annotations map[string]string) string {
	for _, key := range []string{"description", "summary", "message"} {
		if text := annotations[key]; text != "" {
			return text
		}
	}

	return ""
}

// maxSummaries bounds how many moments one answer looks back at. Alerts that
// fire together share one; beyond the bound the oldest ones show none.
const maxSummaries = 20

// addSummaries fills in what the metrics were when each alert fired.
func (s *server) addSummaries(ctx context.Context, views []alertView) error {
	known := map[time.Time]json.RawMessage{}
	for i := range views {
		at := views[i].UpdatedAt.Truncate(time.Minute)
		summary, ok := known[at]
		if !ok && len(known) < maxSummaries {
			var err error
			if summary, err = s.summaryAt(ctx, at); err != nil {
				return err
			}
			known[at] = summary
		}
		views[i].Metadata.Metrics = summary
	}

	return nil
}

func (s *server) summaryAt(ctx context.Context, at time.Time) ([]byte, error) {
	return s.cache.get(ctx, "summary at "+at.String(), func(ctx context.Context) (answer, error) {
		summary, err := s.Metrics.Summary(ctx, at, time.Hour)
		if err != nil {
			return answer{}, err
		}

		return render(summary, s.Interval)
	})
}
