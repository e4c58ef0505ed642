package sqlite

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"time"

	"llmwatch/bridge/alert"
	"llmwatch/internal/database"
)

// Sent implements alert.Store.
func (s *Store) Sent(ctx context.Context, since time.Time) (alert.History, error) {
	sent, err := database.Collect(ctx, s.db.Read, func(rows *sql.Rows) (time.Time, error) {
		var at int64
		err := rows.Scan(&at)

		return database.Moment(at), err
	}, `SELECT owed_at FROM outbox WHERE owed_at > ? AND counts_as != '' GROUP BY counts_as`, database.Millis(since))
	if err != nil {
		return nil, fmt.Errorf("read what was sent: %w", err)
	}

	return sent, nil
}

// NextDue implements alert.Store. The first row of the query is the one to be
// sent next: all before it are either held up by an earlier one of their alert
// or have been overtaken.
func (s *Store) NextDue(ctx context.Context, channel string, now time.Time) (*alert.Pending, time.Time, error) {
	var p alert.Pending
	var nextTry int64
	var body []byte
	row := s.db.Read.QueryRowContext(ctx, `SELECT body, attempts, next_try FROM outbox AS o
		WHERE state = 'pending' AND channel = ?1 AND (attempts < ?2 OR next_try <= ?3)
		AND NOT EXISTS (SELECT 1 FROM outbox WHERE state = 'pending' AND channel = ?1 AND alert_id = o.alert_id AND seq < o.seq)
		ORDER BY seq LIMIT 1`, channel, alert.OvertakenAfter, database.Millis(now))
	err := row.Scan(&body, &p.Attempts, &nextTry)
	if err == nil && nextTry <= database.Millis(now) {
		err = s.unmarshal(body, outboxBody, &p.Notification)
	} else if err == nil || errors.Is(err, sql.ErrNoRows) {
		wake, err := s.nextTry(ctx, channel, now)

		return nil, wake, err
	}
	if err != nil {
		return nil, time.Time{}, fmt.Errorf("read the next notification to %s: %w", channel, err)
	}

	return &p, time.Time{}, nil
}

// nextTry is when the channel has something due again, given that nothing is.
func (s *Store) nextTry(ctx context.Context, channel string, now time.Time) (time.Time, error) {
	var at int64
	row := s.db.Read.QueryRowContext(ctx, `SELECT coalesce(min(next_try), 0) FROM outbox
		WHERE state = 'pending' AND channel = ? AND next_try > ?`, channel, database.Millis(now))
	if err := row.Scan(&at); err != nil {
		return time.Time{}, fmt.Errorf("read when %s is next due: %w", channel, err)
	}

	return database.Moment(at), nil
}

// Overdue implements alert.Store.
func (s *Store) Overdue(ctx context.Context, then time.Time, limit int) ([]alert.Pending, error) {
	overdue, err := database.Collect(ctx, s.db.Read, func(rows *sql.Rows) (alert.Pending, error) {
		var p alert.Pending
		var body sql.RawBytes
		if err := rows.Scan(&body, &p.Attempts); err != nil {
			return p, err
		}

		return p, s.unmarshal(body, outboxBody, &p.Notification)
	}, `SELECT body, attempts FROM outbox WHERE state = 'pending' AND owed_at < ? ORDER BY seq LIMIT ?`, database.Millis(then), limit)
	if err != nil {
		return nil, fmt.Errorf("read overdue notifications: %w", err)
	}

	return overdue, nil
}

// Backlog implements alert.Store.
func (s *Store) Backlog(ctx context.Context) (map[string]int, error) {
	type backlog struct {
		channel string
		pending int
	}
	all, err := database.Collect(ctx, s.db.Read, func(rows *sql.Rows) (b backlog, err error) {
		err = rows.Scan(&b.channel, &b.pending)

		return b, err
	}, `SELECT channel, count(*) FROM outbox WHERE state = 'pending' GROUP BY channel`)
	if err != nil {
		return nil, fmt.Errorf("count pending notifications: %w", err)
	}
	counts := make(map[string]int, len(all))
	for _, b := range all {
		counts[b.channel] = b.pending
	}

	return counts, nil
}

// recentEvents bounds how far LastOutcomes looks back: what a busy week writes, and
// is read in a moment without an index that each event would have to pay for.
const recentEvents = 20_000

// LastOutcomes implements alert.Store.
func (s *Store) LastOutcomes(ctx context.Context) (map[string]alert.ChannelState, error) {
	newest, err := database.Collect(ctx, s.db.Read, func(rows *sql.Rows) (e alert.Event, err error) {
		var at int64
		var text string
		if err := rows.Scan(&e.Channel, &e.Kind, &at, &text); err != nil {
			return e, err
		}
		e.At = database.Moment(at)
		e.Text, err = s.reveal(text, eventText)

		return e, err
	}, `SELECT channel, kind, at, text FROM events WHERE seq IN (SELECT max(seq) FROM events
		WHERE seq > (SELECT coalesce(max(seq), 0) FROM events) - ? AND channel != '' GROUP BY channel, kind)`, recentEvents)
	if err != nil {
		return nil, fmt.Errorf("read what was last delivered: %w", err)
	}

	return alert.LastOutcomes(newest), nil
}
