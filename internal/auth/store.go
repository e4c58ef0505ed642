package auth

import (
	"context"
	"database/sql"
	"embed"
	"errors"
	"fmt"
	"regexp"
	"time"

	"llmwatch/internal/database"
)

//go:embed migrations/*.sql
var migrations embed.FS

// Store keeps tokens, users, sessions and the audit trail. Several processes
// may have the same file open.
type Store struct {
	db *database.DB
	// The questions that are asked for each request.
	token, session, password *sql.Stmt
	// now is the clock; cost the one of bcrypt.
	now  func() time.Time
	cost int
}

// Reasons why the store refuses.
var (
	ErrNotFound = errors.New("there is none of that name")
	ErrExists   = errors.New("there is one of that name already")
)

// Open opens the database in that file and creates what it lacks.
func Open(ctx context.Context, path string) (*Store, error) {
	db, err := database.Open(ctx, path, database.Schema{Component: "auth", Migrations: migrations})
	if err != nil {
		return nil, err
	}
	s := &Store{db: db, now: time.Now, cost: passwordCost}
	if err := s.prepare(ctx); err != nil {
		return nil, errors.Join(fmt.Errorf("prepare to read credentials: %w", err), s.Close())
	}

	return s, nil
}

// prepare prepares the questions. Close closes them.
func (s *Store) prepare(ctx context.Context) (err error) {
	if s.token, err = s.db.Read.PrepareContext(ctx, tokenByID); err != nil {
		return err
	}
	if s.session, err = s.db.Read.PrepareContext(ctx, sessionByHash); err != nil {
		return err
	}
	s.password, err = s.db.Read.PrepareContext(ctx, passwordOf)

	return err
}

// Close releases the database. Nothing may use the Store any more.
func (s *Store) Close() error {
	var errs []error
	for _, statement := range []*sql.Stmt{s.token, s.session, s.password} {
		if statement != nil {
			errs = append(errs, statement.Close())
		}
	}

	return errors.Join(append(errs, s.db.Close())...)
}

// Empty reports whether nobody can be let in: there is no user and no token.
func (s *Store) Empty(ctx context.Context) (bool, error) {
	var n int
	row := s.db.Read.QueryRowContext(ctx, `SELECT (SELECT count(*) FROM auth_users) + (SELECT count(*) FROM auth_tokens)`)
	if err := row.Scan(&n); err != nil {
		return false, fmt.Errorf("count users and tokens: %w", err)
	}

	return n == 0, nil
}

// acceptableName is what names of users and tokens look like: they stand in
// logs, tables and timelines.
var acceptableName = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9._@-]{0,63}$`)

func checkName(name string) error {
	if acceptableName.MatchString(name) {
		return nil
	}

	return fmt.Errorf("a name is 1 to 64 letters, digits and . _ @ - and begins with a letter or digit, got %q", name)
}

// changeOne runs a statement that must meet exactly one row.
func (s *Store) changeOne(ctx context.Context, tx *sql.Tx, query string, args ...any) error {
	result, err := tx.ExecContext(ctx, query, args...)
	if err != nil {
		return err
	}
	if n, err := result.RowsAffected(); err != nil || n == 1 {
		return err
	}

	return ErrNotFound
}
