package sqlite

import (
	"context"
	"database/sql"
	"encoding/json"
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
	alerts map[string]*alert.Alert // By id. Nobody changes what is in them.
}

// readAtOnce bounds what a flood of alerts takes while they are read.
const readAtOnce = 500

// Load implements alert.Store. Alerts with the same summary hold it once: all that
// fired in one minute have it, and it is most of an alert.
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
	current := make(map[string]*alert.Alert, len(listed))
	var changed []string
	for _, v := range listed {
		if a, ok := s.loaded.alerts[v.id]; ok && a.Version == v.number {
			current[v.id] = a
		} else {
			changed = append(changed, v.id)
		}
	}
	summaries := map[string]json.RawMessage{}
	for some := range slices.Chunk(changed, readAtOnce) {
		read, err := s.Alerts(ctx, some)
		if err != nil {
			return nil, err
		}
		for _, a := range read {
			if same, ok := summaries[string(a.Summary)]; ok {
				a.Summary = same
			} else {
				summaries[string(a.Summary)] = a.Summary
			}
			current[a.ID] = &a
		}
	}
	s.loaded.alerts = current
	alerts := make([]alert.Alert, 0, len(listed))
	for _, v := range listed {
		if a, ok := current[v.id]; ok { // It may have been deleted since it was listed.
			alerts = append(alerts, *a)
		}
	}

	return alerts, nil
}
