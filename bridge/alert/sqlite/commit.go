package sqlite

import (
	"context"
	"database/sql"
	"encoding/json"
	"fmt"
	"strings"

	"llmwatch/bridge/alert"
	"llmwatch/internal/database"
)

// Commit implements alert.Store.
func (s *Store) Commit(ctx context.Context, c alert.Changes) error {
	err := s.db.Update(ctx, func(tx *sql.Tx) error {
		w := writer{ctx: ctx, tx: tx, store: s}
		w.prepare()
		for i := range c.Transitions {
			w.transition(&c.Transitions[i])
			w.events(c.Transitions[i].Events)
		}
		w.events(c.Events)
		for i := range c.Notifications {
			w.notification(&c.Notifications[i])
		}
		for _, o := range c.Outcomes {
			w.outcome(o)
		}
		for name, state := range c.Channels {
			w.channel(name, state)
		}

		return w.err
	})
	if err != nil {
		return fmt.Errorf("store changes of alerts: %w", err)
	}

	return nil
}

// writer writes the parts of one commit, until the first error.
type writer struct {
	ctx   context.Context // A writer lives as long as one call of Commit.
	tx    *sql.Tx
	store *Store
	err   error

	insert, update, event, owe, hurry, hurryAll *sql.Stmt
}

// prepare makes the statements that one commit may run thousands of times. They
// are closed with the transaction.
func (w *writer) prepare() {
	w.insert = w.statement(`INSERT INTO alerts
		(id, identity, fingerprint, id_base, number, name, version, status, severity, fired_at, resolved_at, reopens_until, body)
		VALUES (?, ?, ?, ?, ?, ?, 1, ?, ?, ?, ?, ?, ?) ON CONFLICT DO NOTHING`)
	w.update = w.statement(`UPDATE OR IGNORE alerts SET
		version = version + 1, identity = ?, fingerprint = ?, status = ?, severity = ?, resolved_at = ?, reopens_until = ?, body = ?
		WHERE id = ? AND version = ?`)
	w.event = w.statement(`INSERT INTO events (alert_id, at, kind, actor, channel, text) VALUES (?, ?, ?, ?, ?, ?)`)
	w.owe = w.statement(`INSERT INTO outbox (key, channel, alert_id, alert_ids, state, owed_at, waiting_since, counts_as, next_try, body, urgent)
		VALUES (?1, ?2, ?3, ?4, 'pending', ?5, ?5, ?6, ?5, ?7, ?8) ON CONFLICT (key) DO NOTHING`)
	// Where there is something new to tell, what failed before is looked at again.
	w.hurry = w.statement(`UPDATE outbox SET next_try = ?3 WHERE state = 'pending' AND channel = ?1 AND alert_id = ?2 AND next_try > ?3`)
	w.hurryAll = w.statement(`UPDATE outbox SET next_try = ?2 WHERE state = 'pending' AND channel = ?1 AND next_try > ?2`)
}

func (w *writer) statement(query string) *sql.Stmt {
	if w.err != nil {
		return nil
	}
	var s *sql.Stmt
	s, w.err = w.tx.PrepareContext(w.ctx, query)

	return s
}

// exec runs a statement, and returns how many rows it changed.
func (w *writer) exec(s *sql.Stmt, args ...any) int64 {
	if w.err != nil {
		return 0
	}
	result, err := s.ExecContext(w.ctx, args...)
	if err != nil {
		w.err = err

		return 0
	}
	rows, err := result.RowsAffected()
	w.err = err

	return rows
}

// json is v as a body of that column.
func (w *writer) json(v any, where column) string {
	body, err := json.Marshal(v)
	if err != nil && w.err == nil {
		w.err = err
	}

	return w.store.conceal(string(body), where)
}

func (w *writer) transition(t *alert.Transition) {
	a := t.Alert
	from := a.Version
	a.Version++
	body := w.json(&a, alertBody)
	var rows int64
	if from == 0 {
		rows = w.exec(w.insert, a.ID, a.Identity(), a.Fingerprint, alert.IDBase(a.Name, a.FiredAt), a.Number(), a.Name,
			a.Status, a.Severity, database.Millis(a.FiredAt), database.Millis(a.ResolvedAt), database.Millis(a.CooldownEnd()), body)
	} else {
		rows = w.exec(w.update, a.Identity(), a.Fingerprint, a.Status, a.Severity, database.Millis(a.ResolvedAt), database.Millis(a.CooldownEnd()), body, a.ID, from)
	}
	if w.err == nil && rows == 0 {
		w.err = fmt.Errorf("alert %s, version %d: %w", a.ID, from, alert.ErrConflict)
	}
}

func (w *writer) events(es []alert.Event) {
	for _, e := range es {
		w.exec(w.event, e.AlertID, database.Millis(e.At), e.Kind, e.By, e.Channel, w.store.conceal(e.Text, eventText))
	}
}

func (w *writer) notification(n *alert.Notification) {
	var countsAs, many string
	if n.TellsFiring() {
		countsAs = strings.TrimSuffix(n.Key, "/"+n.Channel)
	}
	if len(n.AlertIDs) > 1 {
		list, err := json.Marshal(n.AlertIDs)
		if err != nil && w.err == nil {
			w.err = err
		}
		many = string(list)
	}
	owedAt := database.Millis(n.OwedAt)
	w.exec(w.hurry, n.Channel, n.Subject(), owedAt)
	if n.Urgent() {
		w.exec(w.hurryAll, n.Channel, database.Millis(n.OwedAt.Add(alert.UrgentRetry)))
	}
	w.exec(w.owe, n.Key, n.Channel, n.Subject(), many, owedAt, countsAs, w.json(n, outboxBody), n.Urgent())
}

func (w *writer) outcome(o alert.Outcome) {
	if w.err != nil {
		return
	}
	failed, overtaken, settledAt, progress := 0, 0, database.Millis(o.At), ""
	if o.State == alert.Unsettled {
		failed, settledAt, progress = 1, 0, w.progress(o.Progress)
		if o.Overtaken {
			overtaken = alert.OvertakenAfter
		}
	}
	result, err := w.tx.ExecContext(w.ctx, `UPDATE outbox SET
		state = ?, settled_at = ?, answer = ?, next_try = ?, attempts = max(attempts + ?, ?), progress = ?
		WHERE key = ? AND state = 'pending'`, o.State, settledAt, w.store.conceal(o.Text, outboxSaid), database.Millis(o.NextTry),
		failed, overtaken, progress, o.Key)
	if err != nil {
		w.err = err

		return
	}
	if rows, err := result.RowsAffected(); err != nil || rows == 0 {
		if w.err = err; err == nil {
			w.err = fmt.Errorf("notification %s: %w", o.Key, alert.ErrSettled)
		}

		return
	}
	if o.Recovered {
		_, w.err = w.tx.ExecContext(w.ctx, `UPDATE outbox SET next_try = ?1
			WHERE state = 'pending' AND next_try > ?1 AND channel = (SELECT channel FROM outbox WHERE key = ?2)`,
			database.Millis(o.At), o.Key)
	}
	if o.Successor != "" {
		w.succeed(o)
	}
}

// succeed hands what a withdrawn notification went through to the one that stands
// for it.
func (w *writer) succeed(o alert.Outcome) {
	if w.err != nil {
		return
	}
	var kept string
	if w.err = w.tx.QueryRowContext(w.ctx, `SELECT progress FROM outbox WHERE key = ?`, o.Successor).Scan(&kept); w.err != nil {
		return
	}
	var p alert.Progress
	if p, w.err = w.store.progress(kept); w.err != nil {
		return
	}
	p.Untold = p.Untold || o.Progress.Untold
	_, w.err = w.tx.ExecContext(w.ctx, `UPDATE outbox SET progress = ?1,
		attempts = max(attempts, (SELECT attempts FROM outbox WHERE key = ?3)),
		waiting_since = min(waiting_since, (SELECT waiting_since FROM outbox WHERE key = ?3)) WHERE key = ?2`, w.progress(p), o.Successor, o.Key)
}

// progress is p as its column holds it, empty where there is none.
func (w *writer) progress(p alert.Progress) string {
	if len(p.Done) == 0 && !p.Short && !p.Untold {
		return ""
	}

	return w.json(p, outboxProgress)
}

func (w *writer) channel(name string, state alert.ChannelState) {
	if w.err != nil {
		return
	}
	_, w.err = w.tx.ExecContext(w.ctx, `INSERT INTO channels (name, body) VALUES (?1, ?2)
		ON CONFLICT (name) DO UPDATE SET body = ?2`, name, w.json(state, channelBody))
}
