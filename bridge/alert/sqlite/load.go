package sqlite

import (
	"context"
	"database/sql"
	"fmt"
	"slices"
	"sync"
	"time"

	"llmwatch/bridge/alert"
	"llmwatch/internal/database"
)

// loaded are the alerts of the last Load. From one to the next few alerts change,
// and to read thousands from their JSON again would be most of the work. Which
// version is the newest the database says each time: other processes write, too.
type loaded struct {
	mu     sync.Mutex
	alerts map[string]alert.Alert // By id. Nobody changes what is in them.
}

// Load implements alert.Store.
func (s *Store) Load(ctx context.Context, now time.Time) ([]alert.Alert, error) {
	s.loaded.mu.Lock()
	defer s.loaded.mu.Unlock()

	type version struct {
		id     string
		number int64
	}
	listed, err := database.Collect(ctx, s.db.Read, func(rows *sql.Rows) (v version, err error) { return v, rows.Scan(&v.id, &v.number) },
		`SELECT id, version FROM alerts WHERE resolved_at = 0
		UNION ALL SELECT id, version FROM alerts WHERE resolved_at > 0 AND reopens_until > ?`, database.Millis(now))
	if err != nil {
		return nil, fmt.Errorf("load alerts: %w", err)
	}
	current := make(map[string]alert.Alert, len(listed))
	var changed []string
	for _, v := range listed {
		if a, ok := s.loaded.alerts[v.id]; ok && a.Version == v.number {
			current[v.id] = a
		} else {
			changed = append(changed, v.id)
		}
	}
	if len(changed) > 0 {
		read, err := s.Alerts(ctx, changed)
		if err != nil {
			return nil, err
		}
		for i := range read {
			current[read[i].ID] = read[i]
		}
	}
	s.loaded.alerts = current
	alerts := make([]alert.Alert, 0, len(listed))
	for _, v := range listed {
		if a, ok := current[v.id]; ok { // It may have been deleted since it was listed.
			alerts = append(alerts, a)
		}
	}

	return slices.Clip(alerts), nil
}
