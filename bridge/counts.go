package bridge

import (
	"context"
	"fmt"

	"llmwatch/bridge/alert"
)

// alertCounts counts the alerts that are not resolved, acknowledged ones and those
// that were pushed included.
type alertCounts struct {
	Total      int                    `json:"total_active"`
	BySeverity map[alert.Severity]int `json:"by_severity"`
	Critical   int                    `json:"critical_count"`
	High       int                    `json:"high_count"`
}

// countAlerts counts what GET /alerts lists.
func (s *server) countAlerts(ctx context.Context) (alertCounts, error) {
	counts, err := s.AlertStore.Count(ctx)
	if err != nil {
		return alertCounts{}, err
	}
	c := alertCounts{BySeverity: map[alert.Severity]int{}}
	for _, n := range counts {
		c.Total += n.Alerts
		c.BySeverity[n.Severity] += n.Alerts
	}
	c.Critical, c.High = c.BySeverity[alert.Critical], c.BySeverity[alert.High]

	return c, nil
}

// key tells counts apart. Maps are printed in the order of their keys.
func (c alertCounts) key() string { return fmt.Sprint(c.BySeverity) }
