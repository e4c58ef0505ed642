package sqlite

import (
	"context"
	"database/sql"
	"encoding/json"
	"fmt"
	"time"

	"llmwatch/bridge/alert"
	"llmwatch/internal/database"
)

const selectRules = `SELECT name, description, severity, expr, for_ms, cooldown_ms, labels, annotations, disabled,
	created_at, updated_at FROM rules`

// Rules implements alert.RuleStore.
func (s *Store) Rules(ctx context.Context) ([]alert.Rule, error) {
	rules, err := database.Collect(ctx, s.db.Read, scanRule, selectRules+` ORDER BY name`)
	if err != nil {
		return nil, fmt.Errorf("read rules: %w", err)
	}

	return rules, nil
}

// Rule implements alert.RuleStore.
func (s *Store) Rule(ctx context.Context, name string) (alert.Rule, error) {
	rules, err := database.Collect(ctx, s.db.Read, scanRule, selectRules+` WHERE name = ?`, name)
	if err == nil && len(rules) == 0 {
		err = alert.ErrNotFound
	}
	if err != nil {
		return alert.Rule{}, fmt.Errorf("read rule %q: %w", name, err)
	}

	return rules[0], nil
}

// CreateRule implements alert.RuleStore.
func (s *Store) CreateRule(ctx context.Context, r alert.Rule) error {
	return s.changeRule(ctx, "create", r, alert.ErrExists, `INSERT INTO rules
		(name, description, severity, expr, for_ms, cooldown_ms, labels, annotations, disabled, updated_at, created_at)
		VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT DO NOTHING`, database.Millis(r.CreatedAt))
}

// UpdateRule implements alert.RuleStore.
func (s *Store) UpdateRule(ctx context.Context, r alert.Rule) error {
	return s.changeRule(ctx, "update", r, alert.ErrNotFound, `UPDATE rules SET
		description = ?2, severity = ?3, expr = ?4, for_ms = ?5, cooldown_ms = ?6, labels = ?7, annotations = ?8,
		disabled = ?9, updated_at = ?10 WHERE name = ?1`)
}

// changeRule writes a rule, its columns but created_at first among the
// arguments; unchanged is the error where that changes no row.
func (s *Store) changeRule(ctx context.Context, verb string, r alert.Rule, unchanged error, query string, more ...any) error {
	labels, err := json.Marshal(r.Labels)
	if err != nil {
		return err
	}
	annotations, err := json.Marshal(r.Annotations)
	if err != nil {
		return err
	}
	args := append([]any{
		r.Name, r.Description, r.Severity, r.Expr, r.For.Milliseconds(), r.Cooldown.Milliseconds(),
		string(labels), string(annotations), r.Disabled, database.Millis(r.UpdatedAt),
	}, more...)

	return s.execOne(ctx, fmt.Sprintf("%s rule %q", verb, r.Name), unchanged, query, args...)
}

// DeleteRule implements alert.RuleStore.
func (s *Store) DeleteRule(ctx context.Context, name string) error {
	return s.execOne(ctx, fmt.Sprintf("delete rule %q", name), alert.ErrNotFound, `DELETE FROM rules WHERE name = ?`, name)
}

func (s *Store) execOne(ctx context.Context, what string, unchanged error, query string, args ...any) error {
	result, err := s.db.Write.ExecContext(ctx, query, args...)
	if err != nil {
		return fmt.Errorf("%s: %w", what, err)
	}
	rows, err := result.RowsAffected()
	if err == nil && rows == 0 {
		err = unchanged
	}
	if err != nil {
		return fmt.Errorf("%s: %w", what, err)
	}

	return nil
}

func scanRule(rows *sql.Rows) (alert.Rule, error) {
	var r alert.Rule
	var hold, cooldown, created, updated int64
	var labels, annotations []byte
	if err := rows.Scan(&r.Name, &r.Description, &r.Severity, &r.Expr, &hold, &cooldown,
		&labels, &annotations, &r.Disabled, &created, &updated); err != nil {
		return r, err
	}
	r.For, r.Cooldown = time.Duration(hold)*time.Millisecond, time.Duration(cooldown)*time.Millisecond
	r.CreatedAt, r.UpdatedAt = database.Moment(created), database.Moment(updated)
	if err := json.Unmarshal(labels, &r.Labels); err != nil {
		return r, err
	}

	return r, json.Unmarshal(annotations, &r.Annotations)
}
