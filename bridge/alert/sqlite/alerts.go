package sqlite

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	"llmwatch/bridge/alert"
	"llmwatch/internal/database"
)

// Alerts implements alert.Store.
func (s *Store) Alerts(ctx context.Context, ids []string) ([]alert.Alert, error) {
	list, err := json.Marshal(ids)
	if err != nil {
		return nil, err
	}

	return s.alerts(ctx, "read alerts", `SELECT body FROM alerts WHERE id IN (SELECT value FROM json_each(?))`, string(list))
}

func (s *Store) alerts(ctx context.Context, what, query string, args ...any) ([]alert.Alert, error) {
	alerts, err := database.Collect(ctx, s.db.Read, func(rows *sql.Rows) (alert.Alert, error) {
		var body sql.RawBytes
		if err := rows.Scan(&body); err != nil {
			return alert.Alert{}, err
		}
		var a alert.Alert

		return a, s.unmarshalAlert(body, &a)
	}, query, args...)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", what, err)
	}

	return alerts, nil
}

// unmarshalAlert reads an alert. Those that were stored before alerts had an
// origin have a word for it of their own.
func (s *Store) unmarshalAlert(body []byte, a *alert.Alert) error {
	if err := s.unmarshal(body, alertBody, a); err != nil || a.Origin.Kind != "" {
		return err
	}
	var old struct{ Polled bool }
	a.Origin.Kind = alert.FromPush
	if err := s.unmarshal(body, alertBody, &old); err != nil {
		return err
	}
	if old.Polled {
		a.Origin.Kind = alert.FromRule
	}

	return nil
}

// LastNumber implements alert.Store.
func (s *Store) LastNumber(ctx context.Context, base string) (int, error) {
	var n int
	row := s.db.Read.QueryRowContext(ctx, `SELECT coalesce(max(number), 0) FROM alerts WHERE id_base = ?`, base)
	if err := row.Scan(&n); err != nil {
		return 0, fmt.Errorf("read the last number of alerts %s: %w", base, err)
	}

	return n, nil
}

// Timeline implements alert.Store.
func (s *Store) Timeline(ctx context.Context, id string) ([]alert.Event, error) {
	events, err := database.Collect(ctx, s.db.Read, func(rows *sql.Rows) (alert.Event, error) {
		e := alert.Event{AlertID: id}
		var at int64
		err := rows.Scan(&at, &e.Kind, &e.By, &e.Channel, &e.Text)
		e.At = database.Moment(at)
		if err == nil {
			e.Text, err = s.reveal(e.Text, eventText)
		}

		return e, err
	}, `SELECT at, kind, actor, channel, text FROM events WHERE alert_id = ? ORDER BY at, seq`, id)
	if err != nil {
		return nil, fmt.Errorf("read the timeline of alert %s: %w", id, err)
	}

	return events, nil
}

// List implements alert.Store. The cursor is the place of the last alert of a
// page in the order by firing: "<milliseconds>.<seq>".
func (s *Store) List(ctx context.Context, f alert.Filter) (alert.Page, error) {
	where, args, err := conditions(f)
	if err != nil {
		return alert.Page{}, err
	}
	limit := -1
	if f.Limit > 0 {
		limit = f.Limit + 1 // One more tells whether there is a next page.
	}
	type placed struct {
		cursor string
		alert  alert.Alert
	}
	found, err := database.Collect(ctx, s.db.Read, func(rows *sql.Rows) (placed, error) {
		var firedAt, seq int64
		var body sql.RawBytes
		var p placed
		if err := rows.Scan(&firedAt, &seq, &body); err != nil {
			return p, err
		}
		p.cursor = strconv.FormatInt(firedAt, 10) + "." + strconv.FormatInt(seq, 10)

		return p, s.unmarshalAlert(body, &p.alert)
	}, `SELECT fired_at, seq, body FROM alerts WHERE `+where+` ORDER BY fired_at DESC, seq DESC LIMIT ?`, append(args, limit)...)
	if err != nil {
		return alert.Page{}, fmt.Errorf("list alerts: %w", err)
	}
	var page alert.Page
	if f.Limit > 0 && len(found) > f.Limit {
		found = found[:f.Limit]
		page.Next = found[f.Limit-1].cursor
	}
	page.Alerts = make([]alert.Alert, len(found))
	for i := range found {
		page.Alerts[i] = found[i].alert
	}

	return page, nil
}

// conditions are the WHERE clause of a filter and its arguments.
func conditions(f alert.Filter) (string, []any, error) {
	where, args := []string{"true"}, []any{}
	add := func(condition string, values ...any) {
		where = append(where, condition)
		args = append(args, values...)
	}
	among := func(column string, values []any) {
		if len(values) > 0 {
			add(column+" IN (?"+strings.Repeat(", ?", len(values)-1)+")", values...)
		}
	}
	among("status", anys(f.Statuses))
	among("severity", anys(f.Severities))
	among("name", anys(f.Names))
	if !f.Since.IsZero() {
		add("fired_at >= ?", database.Millis(f.Since))
	}
	if !f.Until.IsZero() {
		add("fired_at < ?", database.Millis(f.Until))
	}
	if f.Cursor != "" {
		firedAt, seq, err := parseCursor(f.Cursor)
		if err != nil {
			return "", nil, err
		}
		add("(fired_at, seq) < (?, ?)", firedAt, seq)
	}

	return strings.Join(where, " AND "), args, nil
}

func anys[T any](values []T) []any {
	all := make([]any, len(values))
	for i, v := range values {
		all[i] = v
	}

	return all
}

func parseCursor(cursor string) (firedAt, seq int64, err error) {
	first, second, _ := strings.Cut(cursor, ".")
	firedAt, err1 := strconv.ParseInt(first, 10, 64)
	seq, err2 := strconv.ParseInt(second, 10, 64)
	if errors.Join(err1, err2) != nil {
		return 0, 0, fmt.Errorf("%w: %q", alert.ErrBadCursor, cursor)
	}

	return firedAt, seq, nil
}

// Count implements alert.Store.
func (s *Store) Count(ctx context.Context) ([]alert.Count, error) {
	counts, err := database.Collect(ctx, s.db.Read, func(rows *sql.Rows) (c alert.Count, err error) {
		return c, rows.Scan(&c.Status, &c.Severity, &c.Alerts)
	}, `SELECT status, severity, count(*) FROM alerts WHERE resolved_at = 0 GROUP BY status, severity ORDER BY status, severity`)
	if err != nil {
		return nil, fmt.Errorf("count alerts: %w", err)
	}

	return counts, nil
}

// Prune implements alert.Store.
func (s *Store) Prune(ctx context.Context, then time.Time) (int, error) {
	var pruned int64
	err := s.db.Update(ctx, func(tx *sql.Tx) error {
		const old = ` WHERE resolved_at > 0 AND resolved_at < ?`
		if _, err := tx.ExecContext(ctx, `DELETE FROM events WHERE alert_id IN (SELECT id FROM alerts`+old+`)`, database.Millis(then)); err != nil {
			return err
		}
		result, err := tx.ExecContext(ctx, `DELETE FROM alerts`+old, database.Millis(then))
		if err != nil {
			return err
		}
		if pruned, err = result.RowsAffected(); err != nil {
			return err
		}
		_, err = tx.ExecContext(ctx, `DELETE FROM outbox WHERE owed_at < ? AND state != 'pending'`, database.Millis(then))

		return err
	})
	if err != nil {
		return 0, fmt.Errorf("prune alerts: %w", err)
	}

	return int(pruned), nil
}
