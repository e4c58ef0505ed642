package database

import (
	"context"
	"database/sql"
	"time"
)

// Collect reads all rows of a query.
func Collect[T any](ctx context.Context, db *sql.DB, scan func(*sql.Rows) (T, error), query string, args ...any) ([]T, error) {
	rows, err := db.QueryContext(ctx, query, args...)
	if err != nil {
		return nil, err
	}
	defer func() { _ = rows.Close() }() // What it could tell is in rows.Err.
	var all []T
	for rows.Next() {
		one, err := scan(rows)
		if err != nil {
			return nil, err
		}
		all = append(all, one)
	}

	return all, rows.Err()
}

// Millis is a time as columns hold it, 0 for the zero time.
func Millis(t time.Time) int64 {
	if t.IsZero() {
		return 0
	}

	return t.UnixMilli()
}

// Moment is the time of a column.
func Moment(millis int64) time.Time {
	if millis == 0 {
		return time.Time{}
	}

	return time.UnixMilli(millis).UTC()
}
