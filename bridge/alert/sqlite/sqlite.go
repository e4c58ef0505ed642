package sqlite

import (
	"context"
	"embed"
	"errors"
	"fmt"

	"llmwatch/internal/database"
)

//go:embed migrations/*.sql
var migrations embed.FS

// Store implements alert.Store and alert.RuleStore. Create it with Open.
type Store struct {
	db     *database.DB
	cipher Cipher // Nil where nothing is sealed.
	loaded loaded
}

// Open opens the database in that file, creates it where it does not exist, and
// brings its schema up to date. A database of a newer llmwatch is refused.
func Open(ctx context.Context, path string, options ...Option) (*Store, error) {
	db, err := database.Open(ctx, path, database.Schema{Component: "alert", Migrations: migrations})
	if err != nil {
		return nil, err
	}

	s := &Store{db: db}
	for _, o := range options {
		o(s)
	}
	if err := s.checkKey(ctx); err != nil {
		return nil, errors.Join(fmt.Errorf("the alert database %s cannot be read: %w", path, err), db.Close())
	}

	return s, nil
}

// Close releases the database. Nothing may use the Store any more.
func (s *Store) Close() error { return s.db.Close() }
