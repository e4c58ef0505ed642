package sqlite

import (
	"context"
	"embed"

	"llmwatch/internal/database"
)

//go:embed migrations/*.sql
var migrations embed.FS

// Store implements alert.Store and alert.RuleStore. Create it with Open.
type Store struct{ db *database.DB }

// Open opens the database in that file, creates it where it does not exist, and
// brings its schema up to date. A database of a newer llmwatch is refused.
func Open(ctx context.Context, path string) (*Store, error) {
	db, err := database.Open(ctx, path, database.Schema{Component: "alert", Migrations: migrations})
	if err != nil {
		return nil, err
	}

	return &Store{db}, nil
}

// Close releases the database. Nothing may use the Store any more.
func (s *Store) Close() error { return s.db.Close() }
