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

// maxWait is the longest time that a notification is left alone: it was tried
// before the clock was set back where it is to be tried later.
const maxWait = time.Hour

// NextDue implements alert.Store.
func (s *Store) NextDue(ctx context.Context, channel string, now time.Time) (*alert.Pending, time.Time, error) {
	for _, only := range []string{"AND urgent = 1", ""} {
		p, err := s.firstDue(ctx, channel, now, only)
		if err != nil || p != nil {
			return p, time.Time{}, err
		}
	}
	wake, err := s.nextTry(ctx, channel, now)

	return nil, wake, err
}

// firstDue finds the one to be sent next, among those that a condition allows: all
// before it are either held up by an earlier one of an alert in them or have been
// overtaken. It is nil where that one is not due.
func (s *Store) firstDue(ctx context.Context, channel string, now time.Time, only string) (*alert.Pending, error) {
	var nextTry int64
	due, tooFar := database.Millis(now), database.Millis(now.Add(maxWait))
	pending, err := database.Collect(ctx, s.db.Read, func(rows *sql.Rows) (alert.Pending, error) {
		return s.pending(rows, &nextTry)
	}, `SELECT body, attempts, progress, next_try FROM outbox AS o
		WHERE state = 'pending' AND channel = ?1 `+only+` AND (attempts < ?2 OR next_try <= ?3 OR next_try > ?4)
		AND NOT EXISTS (SELECT 1 FROM outbox WHERE state = 'pending' AND channel = ?1 AND alert_id = o.alert_id AND seq < o.seq)
		AND NOT EXISTS (SELECT 1 FROM outbox AS e WHERE state = 'pending' AND channel = ?1 AND alert_ids != '' AND seq < o.seq
			AND EXISTS (SELECT 1 FROM json_each(e.alert_ids) WHERE value = o.alert_id
				OR (o.alert_ids != '' AND value IN (SELECT value FROM json_each(o.alert_ids)))))
		AND (alert_ids = '' OR NOT EXISTS (SELECT 1 FROM outbox WHERE state = 'pending' AND channel = ?1 AND seq < o.seq
			AND alert_id IN (SELECT value FROM json_each(o.alert_ids))))
		ORDER BY seq LIMIT 1`, channel, alert.OvertakenAfter, due, tooFar)
	if err != nil {
		return nil, fmt.Errorf("read the next notification to %s: %w", channel, err)
	}
	if len(pending) == 0 || (nextTry > due && nextTry <= tooFar) {
		return nil, nil
	}

	return &pending[0], nil
}

// pending reads body, attempts and progress, and whatever else a row has.
func (s *Store) pending(rows *sql.Rows, more ...any) (p alert.Pending, err error) {
	var body sql.RawBytes
	var progress string
	if err := rows.Scan(append([]any{&body, &p.Attempts, &progress}, more...)...); err != nil {
		return p, err
	}
	if err := s.unmarshal(body, outboxBody, &p.Notification); err != nil {
		return p, err
	}
	p.Notification.Progress, err = s.progress(progress)

	return p, err
}

// progress reads a column of that name.
func (s *Store) progress(kept string) (p alert.Progress, err error) {
	if kept == "" {
		return p, nil
	}

	return p, s.unmarshal(sql.RawBytes(kept), outboxProgress, &p)
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

// Successor implements alert.Store.
func (s *Store) Successor(ctx context.Context, n alert.Notification) (string, error) {
	var key string
	err := s.db.Read.QueryRowContext(ctx, `SELECT later.key FROM outbox AS this JOIN outbox AS later
			ON later.channel = this.channel AND later.state = 'pending' AND later.seq > this.seq
		WHERE this.key = ? AND CASE this.alert_ids WHEN '' THEN later.alert_ids = '' AND later.alert_id = this.alert_id
			ELSE later.alert_ids != '' AND NOT EXISTS (SELECT 1 FROM json_each(this.alert_ids)
				WHERE value NOT IN (SELECT value FROM json_each(later.alert_ids))) END
		ORDER BY later.seq LIMIT 1`, n.Key).Scan(&key)
	if err != nil && !errors.Is(err, sql.ErrNoRows) {
		return "", fmt.Errorf("look for newer notifications to %s: %w", n.Channel, err)
	}

	return key, nil
}

// Overdue implements alert.Store.
func (s *Store) Overdue(ctx context.Context, then time.Time, limit int) ([]alert.Pending, error) {
	return s.before(ctx, "owed_at", then, limit)
}

// Waiting implements alert.Store.
func (s *Store) Waiting(ctx context.Context, then time.Time, limit int) ([]alert.Pending, error) {
	return s.before(ctx, "waiting_since", then, limit)
}

func (s *Store) before(ctx context.Context, column string, then time.Time, limit int) ([]alert.Pending, error) {
	overdue, err := database.Collect(ctx, s.db.Read, func(rows *sql.Rows) (alert.Pending, error) { return s.pending(rows) },
		`SELECT body, attempts, progress FROM outbox WHERE state = 'pending' AND `+column+` < ? ORDER BY seq LIMIT ?`, database.Millis(then), limit)
	if err != nil {
		return nil, fmt.Errorf("read overdue notifications: %w", err)
	}

	return overdue, nil
}

// UrgentWaits implements alert.Store.
func (s *Store) UrgentWaits(ctx context.Context, channel string) (waits bool, err error) {
	err = s.db.Read.QueryRowContext(ctx, `SELECT EXISTS (SELECT 1 FROM outbox WHERE state = 'pending' AND channel = ? AND urgent = 1)`, channel).Scan(&waits)
	if err != nil {
		return false, fmt.Errorf("look for critical alerts that wait on %s: %w", channel, err)
	}

	return waits, nil
}

// ChannelStates implements alert.Store.
func (s *Store) ChannelStates(ctx context.Context) (map[string]alert.ChannelState, error) {
	states := map[string]alert.ChannelState{}
	_, err := database.Collect(ctx, s.db.Read, func(rows *sql.Rows) (struct{}, error) {
		var name string
		var body sql.RawBytes
		if err := rows.Scan(&name, &body); err != nil {
			return struct{}{}, err
		}
		var state alert.ChannelState
		err := s.unmarshal(body, channelBody, &state)
		states[name] = state

		return struct{}{}, err
	}, `SELECT name, body FROM channels`)
	if err != nil {
		return states, fmt.Errorf("read how the channels are: %w", err)
	}

	return states, nil
}

// Installation identifies this database among others: it was made with it.
func (s *Store) Installation(ctx context.Context) (string, error) {
	var id string
	if err := s.db.Read.QueryRowContext(ctx, `SELECT id FROM installation`).Scan(&id); err != nil {
		return "", fmt.Errorf("read the installation's id: %w", err)
	}

	return id, nil
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
